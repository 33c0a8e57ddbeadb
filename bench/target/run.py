#!/usr/bin/env python3
"""Instructions per operation on the target, counted by QEMU's instruction clock, compared with the committed budget.

  run.py FLASH0 FLASH1 [--budget FILE] [--json FILE] [--update]

The bench guest prints one line for each operation, 'BENCH name count instructions': the operation was done `count`
times and took `instructions` in all. A count that differs from the budget, in either direction, fails: a change is
either equal or explained, by --update and the commit that carries the new table. The budget is one compiler's; with
another the figures are shown, not compared (exit status 77).
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "qemu"))
import machine  # noqa: E402

BENCH_LINE = re.compile(r"BENCH ([\w.-]+) (\d+) (\d+)\s*$")
SECONDS = 300
NOT_COMPARED = 77


def compiler():
    version = subprocess.run(["aarch64-linux-gnu-g++", "-dumpfullversion"], capture_output=True, text=True, check=True)
    return f"aarch64-linux-gnu-g++ {version.stdout.strip()}"


def measure(flash0, flash1):
    lines, how = machine.run(flash0, flash1, SECONDS, instruction_clock=True)
    figures = {}
    for console, text in lines:
        match = BENCH_LINE.search(text) if console == "main" else None
        if match and int(match[2]) > 0:
            figures[match[1]] = {"count": int(match[2]), "instructions": int(match[3]),
                                 "each": round(int(match[3]) / int(match[2]), 2)}
    if how != "off":
        sys.exit(f"bench: the machine did not power off within {SECONDS} s; got {sorted(figures) or 'no figure'}")
    if not figures:
        sys.exit("bench: the bench guest printed no BENCH line")
    return figures


# ECDSA's count follows the key's bits, the key follows the image's measurement: any change of the image moves it a little.
KEY_DEPENDENT = {"attestation": 0.02, "attestation_first": 0.02}


def equal(name, now, then):
    slack = KEY_DEPENDENT.get(name, 0) * then["instructions"]
    return now["count"] == then["count"] and abs(now["instructions"] - then["instructions"]) <= slack


def differences(figures, budget):
    for name in sorted(figures.keys() | budget.keys()):
        now, then = figures.get(name), budget.get(name)
        if now is None:
            yield f"{name}: in the budget, but not measured"
        elif then is None:
            yield f"{name}: measured {now['each']}, but not in the budget"
        elif not equal(name, now, then):
            yield f"{name}: budget {then['each']}, measured {now['each']} instructions each"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flash0", type=pathlib.Path)
    parser.add_argument("flash1", type=pathlib.Path)
    parser.add_argument("--budget", type=pathlib.Path, default=pathlib.Path(__file__).with_name("budget.json"))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--update", action="store_true", help="write the measured figures into the budget")
    arguments = parser.parse_args()
    try:
        figures = measure(arguments.flash0, arguments.flash1)
    except machine.MachineError as error:
        sys.exit(f"bench: {error}")
    print(f"{'operation':<44}{'count':>8}{'instructions each':>20}")
    for name, row in figures.items():
        print(f"{name:<44}{row['count']:>8}{row['each']:>20}")
    text = json.dumps({"compiler": compiler(), "operations": figures}, indent=2, sort_keys=True) + "\n"
    if arguments.json:
        arguments.json.write_text(text, encoding="utf-8")
    if arguments.update:
        arguments.budget.write_text(text, encoding="utf-8")
        print(f"written to {arguments.budget}")
        return 0
    budget = json.loads(arguments.budget.read_text(encoding="utf-8"))
    if budget["compiler"] != compiler():
        print(f"not compared: the budget is that of {budget['compiler']}, these images are of {compiler()}")
        return NOT_COMPARED
    found = list(differences(figures, budget["operations"]))
    for line in found:
        print(f"budget: {line}")
    if found:
        print("if the change is meant: ./x bench target --update, and say why in the commit")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
