#!/usr/bin/env python3
"""Linux as the parent with 1, 2 and 8 cores: it reaches user space, sees its cores, and powers off. (4: hotplug.py)"""
import sys

import parent_runs

SCRIPT = r"""
echo "online $(cat /sys/devices/system/cpu/online)"
echo "devices $(cat /sys/bus/pci/devices/*/device | tr '\n' ' ')"
echo "interrupt controller $(grep -c . /proc/interrupts)"
dmesg | grep -iE 'GICv3: [0-9]+ SPIs|psci: PSCIv|SMCCC' | sed 's/^/kernel /'
dmesg | grep -E 'BUG|WARNING|Oops|rcu.*stall|failed to come online' | sed 's/^/complaint /'
cofferdam-status | grep -E '^(monitor|cores):'
exit 7
"""


def main():
    why = parent_runs.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    checks, runs = parent_runs.Checks(), []
    for cores in map(int, sys.argv[1:] or ("1", "2", "8")):
        run = parent_runs.Run(["--cpus", str(cores)], SCRIPT, parent_runs.SECONDS * (2 if cores > 4 else 1))
        runs.append(run)
        online = "0" if cores == 1 else f"0-{cores - 1}"
        checks.expect(f"{cores} cores: the command's status comes out", run.status == 7, run.status)
        checks.expect(f"{cores} cores: all online", f"online {online}\n" in run.output, [m.string for m in run.lines(r"^online .*")])
        checks.expect(f"{cores} cores: the parent's devices", all(name in run.output for name in ("0x11e8", "0x0010", "0x1041", "0x1042")))
        checks.expect(f"{cores} cores: cofferdam-status agrees",
                      f"cores: {cores} in all, {cores} parent" in run.output, [m[0] for m in run.lines(r"^cores:.*")])
        checks.expect(f"{cores} cores: the kernel complains of nothing", not run.lines(r"^complaint "),
                      [m.string for m in run.lines(r"^complaint ")])
        print(f"     {run.seconds:.0f} s; {'; '.join(m.string for m in run.lines(r'^kernel '))}")
    return checks.close(*runs)


if __name__ == "__main__":
    sys.exit(main())
