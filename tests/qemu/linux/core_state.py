#!/usr/bin/env python3
"""Linux in the parent has the core's pointer authentication and SVE, and its programs lose nothing of them.

While a program on each core keeps full vectors, predicates and signed pointers in registers, others on the same cores make the monitor
work (status, random numbers, context switches) and two cores go and come back.
"""
import sys

import parent_runs

SECONDS = parent_runs.environment_count("COFFERDAM_CORE_STATE", 8)
SCRIPT = f"""
for word in paca pacg sve sve2; do echo "CPUINFO $word $(grep -c -w $word /proc/cpuinfo)"; done
for turn in 1 2 3; do core-state sign; done
core-state hold {SECONDS} >/tmp/held &
calls=0
while [ ! -s /tmp/held ]; do
  for core in 0 1 2 3; do taskset $((1 << core)) cofferdam-status >/dev/null && calls=$((calls + 1)); done
  dd if=/dev/hwrng of=/dev/null bs=64 count=8 2>/dev/null
  for core in 3 2; do
    echo 0 >/sys/devices/system/cpu/cpu$core/online && echo 1 >/sys/devices/system/cpu/cpu$core/online || echo "HOTPLUG failed"
  done
done
wait
cat /tmp/held
echo "CALLS $calls"
dmesg | grep -E 'BUG|WARNING|Oops|stall|vector length' | grep -v 'SVE: ' | sed 's/^/complaint /'
exit 9
"""


def main():
    why = parent_runs.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    checks, runs = parent_runs.Checks(), []
    for model, there, bytes_wanted in (("max,sve512=on", 4, 64), (parent_runs.PLAIN_CPU, 0, 0)):
        run = parent_runs.Run(["--cpus", "4", "--memory", "512", "--cpu", model], SCRIPT)
        runs.append(run)
        found = {match[1]: int(match[2]) for match in run.lines(r"^CPUINFO (\w+) (\d+)$")}
        checks.expect(f"{model}: /proc/cpuinfo says so of all cores", found == dict.fromkeys(("paca", "pacg", "sve", "sve2"), there), found)
        signed = {match[1] for match in run.lines(r"^SIGNED (\w+)$")}
        checks.expect("each program has keys of its own", len(signed) == (3 if there else 0), signed)
        held = run.lines(r"^HELD 4 (\d+) (\d+) (\d+) (\d+)$")
        checks.expect("no bit of vectors, predicates or pointers is lost", bool(held) and int(held[0][1]) > 0 and
                      held[0].groups()[1:] == ("0", "0", str(bytes_wanted)), held and held[0].string)
        calls = run.lines(r"^CALLS (\d+)$")
        checks.expect("the monitor was called meanwhile", bool(calls) and int(calls[0][1]) >= 4, calls and calls[0].string)
        bad = [match.string for match in run.lines("^(complaint|HOTPLUG failed)")]
        checks.expect("cores go and come, and the kernel complains of nothing", run.status == 9 and not bad, bad or run.status)
        print(f"     {run.seconds:.0f} s")
    return checks.close(*runs)


if __name__ == "__main__":
    sys.exit(main())
