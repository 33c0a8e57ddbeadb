#!/usr/bin/env python3
"""Adds up ctest's JUnit reports.

  sum_junit.py [--failed STEP]... FILE...

names each failed (with what it said) and each skipped test, then prints one closing line, 'N passed, N failed' or
'N passed, N failed, N skipped'. A STEP is what failed before its tests could run, such as a build.
Exit status 1 when a test failed or no test ran.
"""
import sys
import xml.etree.ElementTree as ElementTree

TESTS_SHOWN, LINES_SHOWN = 20, 25
GOOGLETEST_FRAME = ("Running main()", "Note: Google Test", "[====", "[----", "[ RUN", "[  PASS", "[  FAIL")

def main(arguments):
    passed, failed, skipped, files, said = 0, [], [], [], {}
    arguments = iter(arguments)
    for argument in arguments:
        if argument == "--failed":
            failed.append(next(arguments))
        else:
            files.append(argument)
    for file in files:
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            name = case.get("name")
            if case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None:
                # ctest reports a test whose program is missing as not run as well: that is a failure, not a skip
                text = (case.find("skipped").get("message") or "") if case.find("skipped") is not None else ""
                missing = case.get("status") == "notrun" and "SKIP_" not in text
                (failed if missing else skipped).append(name)
            elif case.find("failure") is not None or case.get("status") == "fail":
                failed.append(name)
                said[name] = (case.findtext("system-out") or "").splitlines()
            else:
                passed += 1
    for name, lines in list(said.items())[:TESTS_SHOWN]:
        print(f"--- {name}")
        telling = [line for line in lines if line.strip() and not line.startswith(GOOGLETEST_FRAME)]
        print("\n".join(telling[-LINES_SHOWN:]))
    for name in skipped:
        print(f"   skipped: {name}")
    for name in failed:
        print(f"   failed:  {name}")
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
