#!/usr/bin/env python3
"""A Linux that hangs is started again by its watchdog, through the ROM; one that pets it is left alone.

Four boots of one run. 1: petted for longer than its time, then no more. 2: a panic that waits for ever. 3: the
driver panics at the watchdog's interrupt, and asks for the reset itself. 4: the end.
"""
import sys

import parent_runs

# 12 s: of the host's clock, which a busy host takes away from the guest. Which boot it is stands on the nvme disk, which outlives a reset.
SCRIPT = r"""
count=$(dd if=/dev/nvme0n1 bs=512 skip=2048 count=1 2>/dev/null | tr -d '\0')
count=$((${count:-0} + 1))
printf '%d\n' $count | dd of=/dev/nvme0n1 bs=512 seek=2048 conv=sync,fsync 2>/dev/null
echo "BOOT $count"
[ $count -le 3 ] || exit 5
action=0
[ $count != 3 ] || action=1
insmod /lib/modules/sbsa_gwdt.ko timeout=12 action=$action || exit 7
echo "BOOT $count $(cat /sys/class/watchdog/watchdog0/identity), $(cat /sys/class/watchdog/watchdog0/timeout) s"
exec 3>/dev/watchdog0
case $count in
1)
  for second in $(seq 14); do echo . >&3; sleep 1; done
  echo "BOOT 1 petted for $second s"
  ;;
2)
  echo 0 >/proc/sys/kernel/panic
  echo c >/proc/sysrq-trigger
  ;;
esac
sleep 120
exit 6
"""
EXPIRED = "the parent's watchdog expired; enclaves are gone and scrubbed"
ASKED = "the parent asked for a reset; enclaves are gone and scrubbed"


def main():
    why = parent_runs.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    run = parent_runs.Run([*parent_runs.usual_cores(), "--cpus", "2", "--restart"], SCRIPT, 800)
    checks = parent_runs.Checks()
    checks.expect("the last boot ends the run with its status", run.status == 5, run.status)
    boots = [match.string for match in run.lines(r"^BOOT \d+$")]
    checks.expect("four boots", boots == [f"BOOT {n}" for n in range(1, 5)], boots)
    found = [match.string for match in run.lines(r"^BOOT \d SBSA Generic Watchdog, 12 s$")]
    checks.expect("Linux's own driver finds the watchdog", len(found) == 3, found)
    checks.expect("it does not fire while it is petted", bool(run.lines("^BOOT 1 petted for 14 s$")))
    checks.expect("it ends a parent that stops petting, and one that has panicked and waits",
                  run.log.count(EXPIRED) == 2, run.log.count(EXPIRED))
    checks.expect("its interrupt reaches the driver, which panics", bool(run.lines("Watchdog timeout")))
    checks.expect("and asks for the reset itself", run.log.count(ASKED) == 1, run.log.count(ASKED))
    checks.expect("the ROM started the monitor each time", run.log.count("starting the parent") == 4,
                  run.log.count("starting the parent"))
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
