#!/usr/bin/env python3
"""Proves that one line of a case does not compile, and that nothing else is wrong with the case.

  check_case.py CASE.cpp COMPILER FLAGS...

The case's first lines say `// expect: REGULAR-EXPRESSION`. Compiled with -DMISTAKE it must be refused with a
diagnostic that matches; without it must compile.
"""
import re
import subprocess
import sys


def main():
    case, *compiler = sys.argv[1:]
    with open(case, encoding="utf-8") as file:
        match = re.search(r"^// expect: (.+)$", file.read(), re.MULTILINE)
    if not match:
        sys.exit(f"{case}: no line '// expect: ...'")
    command = [*compiler, "-fsyntax-only", case]
    sound = subprocess.run(command, capture_output=True, text=True, check=False)
    if sound.returncode != 0:
        sys.exit(f"{case}: without the mistake it must compile, but:\n{sound.stderr}")
    wrong = subprocess.run([*command, "-DMISTAKE"], capture_output=True, text=True, check=False)
    if wrong.returncode == 0:
        sys.exit(f"{case}: the mistake compiles")
    if not re.search(match[1], wrong.stderr):
        sys.exit(f"{case}: refused, but not with '{match[1]}':\n{wrong.stderr}")
    print(f"{case}: refused as expected")


if __name__ == "__main__":
    main()
