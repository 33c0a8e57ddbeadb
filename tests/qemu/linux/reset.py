#!/usr/bin/env python3
"""Linux asks for a reset, and panics: each time the machine starts again from the ROM, and measures the same.

COFFERDAM_RESETS: how many resets (2 here, 64 in ./x soak); every second one is a panic.
"""
import sys

import parent_runs

# Which boot it is stands on the nvme disk, which outlives a reset.
SCRIPT = r"""
count=$(dd if=/dev/nvme0n1 bs=512 skip=2048 count=1 2>/dev/null | tr -d '\0')
count=$((${count:-0} + 1))
printf '%d\n' $count | dd of=/dev/nvme0n1 bs=512 seek=2048 conv=sync,fsync 2>/dev/null
cofferdam-status | grep -E '^(event|cores|up)' | sed "s/^/BOOT $count /"
echo "BOOT $count online $(cat /sys/devices/system/cpu/online)"
[ $count -le RESETS ] || exit 5
usleep $((RANDOM * 30))
if [ $((count % 2)) = 1 ]; then reboot -f; else echo c >/proc/sysrq-trigger; fi
sleep 60
exit 6
"""


def main():
    why = parent_runs.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    resets = parent_runs.environment_count("COFFERDAM_RESETS", 2)
    run = parent_runs.Run([*parent_runs.usual_cores(), "--cpus", "2", "--restart"], SCRIPT.replace("RESETS", str(resets)), 200 * (resets + 1))
    checks = parent_runs.Checks()
    checks.expect("the last boot ends the run with its status", run.status == 5, run.status)
    boots = [match.string for match in run.lines(r"^BOOT \d+ online 0-1$")]
    checks.expect(f"{resets + 1} boots, each with both cores", len(boots) == resets + 1, boots)
    events = [[line.string.split(" ", 2)[2] for line in run.lines(rf"^BOOT {boot} event: ")] for boot in range(1, resets + 2)]
    checks.expect("each boot measures kernel, initrd, command line and device tree",
                  bool(events[0]) and all(any(name in event for event in events[0]) for name in ("kernel", "initrd", "command", "tree")),
                  [" ".join(event.split()[1:3]) for event in events[0]])
    checks.expect("and all measure the same", all(each == events[0] for each in events))
    told = run.log.count("the parent asked for a reset; enclaves are gone and scrubbed")
    checks.expect("the monitor ended the parent before each reset", told == resets, told)
    checks.expect("the ROM started the monitor each time", run.log.count("starting the parent") == resets + 1,
                  run.log.count("starting the parent"))
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
