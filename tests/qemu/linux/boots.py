#!/usr/bin/env python3
"""Linux as the parent with 1, 2 and 8 cores: it reaches user space, sees its cores and its memory, and powers off.

  boots.py [CORES[:MIB]]...    of the whole machine (4 cores: hotplug.py)

What a machine has less than the board may have is nobody's: not Linux's by any load, not to be given to an enclave.
"""
import sys

import parent_runs

MONITOR_KIB, BOARD_MIB = 64 << 10, 8192  # the monitor's share of every amount; the most
ALLOCATE, FREE, DONATE = 0xC6000010, 0xC6000011, 0xC6000020
OUT_OF_RANGE = "0xfffffffffffffffb"
SCRIPT = r"""
echo "online $(cat /sys/devices/system/cpu/online)"
echo "devices $(cat /sys/bus/pci/devices/*/device | tr '\n' ' ')"
echo "interrupt controller $(grep -c . /proc/interrupts)"
dmesg | grep -iE 'GICv3: [0-9]+ SPIs|psci: PSCIv|SMCCC' | sed 's/^/kernel /'
dmesg | grep -E 'BUG|WARNING|Oops|rcu.*stall|failed to come online' | sed 's/^/complaint /'
dmesg | sed -n 's/.*Memory: [0-9]*K\/\([0-9]*\)K available.*/memory \1/p'
cofferdam-status | grep -E '^(monitor|cores|memory KiB):'
"""
# The first address behind the machine's memory and the last that the board may have.
ABSENT = r"""
for address in END LAST; do
  said=$(attack read $address 2>&1); echo "read $address status $? $(echo $said)"
done
uid=$(attack call hvc ALLOCATE | sed -n 's/^x1 = //p')
for address in END LAST; do echo "donate $address $(attack call hvc DONATE $uid $address 0x1000 | head -n 1)"; done
while attack call hvc FREE $uid | head -n 1 | grep -q 'x0 = 0xfffffffffffffff0'; do :; done
"""


def script_for(mebibytes):
    end, last = 0x40000000 + (mebibytes << 20), 0x40000000 + (BOARD_MIB << 20) - 4096
    names = {"END": end, "LAST": last, "ALLOCATE": ALLOCATE, "DONATE": DONATE, "FREE": FREE}
    absent = ABSENT if end < last else ""
    for name, value in names.items():
        absent = absent.replace(name, hex(value))
    return SCRIPT + absent + "exit 7\n", [hex(end), hex(last)] if absent else []


def check_memory(checks, name, run, mebibytes, absent):
    kib = (mebibytes << 10) - MONITOR_KIB
    found = [m[1] for m in run.lines(r"^memory (\d+)$")]
    checks.expect(f"{name}: Linux has {kib} KiB, all but the monitor's", found == [str(kib)], found)
    checks.expect(f"{name}: cofferdam-status has the same sum", f"memory KiB: {kib} in all, {kib} parent" in run.output,
                  [m.string for m in run.lines(r"^memory KiB:.*")])
    for address in absent:
        read = [m.string for m in run.lines(rf"^read {address} status ")]
        checks.expect(f"{name}: {address} is not there", len(read) == 1 and f"{address} status 3 " in read[0], read)
        donated = [m.string for m in run.lines(rf"^donate {address} ")]
        checks.expect(f"{name}: {address} can't be given away", donated == [f"donate {address} x0 = {OUT_OF_RANGE}"], donated)


def main():
    why = parent_runs.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    checks, runs = parent_runs.Checks(), []
    for machine in sys.argv[1:] or ("1:512", "2:4096", "8"):
        cores, mebibytes = map(int, machine.split(":") if ":" in machine else (machine, 2048))
        script, absent = script_for(mebibytes)
        run = parent_runs.Run(["--cpus", str(cores), "--memory", str(mebibytes)], script,
                              parent_runs.SECONDS * (2 if cores > 4 else 1), append="")
        runs.append(run)
        online = "0" if cores == 1 else f"0-{cores - 1}"
        checks.expect(f"{cores} cores: the command's status comes out", run.status == 7, run.status)
        checks.expect(f"{cores} cores: all online", f"online {online}\n" in run.output, [m.string for m in run.lines(r"^online .*")])
        checks.expect(f"{cores} cores: the parent's devices", all(name in run.output for name in ("0x11e8", "0x0010", "0x1041", "0x1042")))
        checks.expect(f"{cores} cores: cofferdam-status agrees",
                      f"cores: {cores} in all, {cores} parent" in run.output, [m[0] for m in run.lines(r"^cores:.*")])
        check_memory(checks, f"{cores} cores", run, mebibytes, absent)
        checks.expect(f"{cores} cores: the kernel complains of nothing", not run.lines(r"^complaint "),
                      [m.string for m in run.lines(r"^complaint ")])
        print(f"     {run.seconds:.0f} s; {'; '.join(m.string for m in run.lines(r'^kernel '))}")
    return checks.close(*runs)


if __name__ == "__main__":
    sys.exit(main())
