#!/usr/bin/env python3
"""Enclaves start and end, in every way and at every step: what they had is back each time, and each refusal says the right thing.

COFFERDAM_CYCLES: starts and ends of small enclaves (6 here, 200 in ./x soak); COFFERDAM_LINUX_CYCLES: of Linux (2 here, 200
there), four slots in turn each. COFFERDAM_KILLS: starts that are killed at a random moment (2 here, 50 there).
"""
import pathlib
import re
import sys
import tempfile

import broken_images
import parent_runs
import shell_enclave

FIRST_BOOT = r"""
count=$(dd if=/dev/nvme0n1 bs=512 skip=2048 count=1 2>/dev/null | tr -d '\0')
count=$((${count:-0} + 1))
printf '%d\n' $count | dd of=/dev/nvme0n1 bs=512 seek=2048 conv=sync,fsync 2>/dev/null
pool() { nitro-cli allocate --cpu-ids 1-4 --memory 1024 >/tmp/allocate.said 2>&1 || cat /tmp/allocate.said; }
balance boot | sed "s/^/BOOT $count /"
pool
balance now >/tmp/before
cat /tmp/before
# Everything is as it was, at the latest after some seconds: a process that nobody waits for may still be ending.
same() {
  for attempt in $(seq 100); do
    balance now >/tmp/now
    if cmp -s /tmp/before /tmp/now; then echo "SAME $1"; return; fi
    usleep 200000
  done
  echo "DIFFERENT $1"; diff /tmp/before /tmp/now 2>/dev/null || cat /tmp/now
}
probe() { enclave-probe run "$@"; }
until_said() {  # FILE WORDS: waits for what the process that was started last says, a minute at most
  for attempt in $(seq 600); do
    grep -q "$2" $1 2>/dev/null && return
    kill -0 $! 2>/dev/null || break
    usleep 100000
  done
  grep -q "$2" $1 && return
  echo "MISSING $2 in $1: $(tr '\n' ' ' <$1)"
  exit 7
}
if [ $count = 2 ]; then
  echo "SECOND $(probe /leave.eif | tr '\n' ' ')"
  same second-boot
  exit 9
fi
"""
CYCLES = r"""
# Four in turn. Those with even numbers are ended, the others end by themselves: their end must be told.
hangups=0
end_cycle() {
  eval "pid=\${pid_$1:-}"
  [ -n "$pid" ] || return
  [ $(($1 % 2)) = 1 ] || kill $pid
  wait $pid
  grep -q '^hangup 10$' /tmp/cycle.$1 && hangups=$((hangups + 1))
}
for cycle in $(seq 0 $((CYCLES - 1))); do
  slot=$((cycle % 4)); image=/quiet.eif; [ $((slot % 2)) = 0 ] || image=/leave.eif
  end_cycle $slot
  timeout 120 enclave-probe run $image --cid $((70 + slot)) >/tmp/cycle.$slot & eval "pid_$slot=$!"
  until_said /tmp/cycle.$slot "step start $((70 + slot))"
done
for slot in 0 1 2 3; do end_cycle $slot; done
echo "CYCLES CYCLES hangups $hangups"
same cycles
# All four ends at the same time.
for slot in 0 1 2 3; do timeout 120 enclave-probe run /leave.eif >/tmp/cycle.$slot & done
wait
echo "AT-ONCE $(cat /tmp/cycle.? | grep -c '^hangup 10$')"
same at-once
for cycle in $(seq 0 $((LINUX - 1))); do
  [ $cycle -lt 4 ] || { nitro-cli terminate-enclave --enclave-name l$((cycle - 4)) >/dev/null 2>&1 || echo "not terminated: l$((cycle - 4))"; }
  start l$cycle
done
nitro-cli describe-enclaves 2>/dev/null >/tmp/all
sed -n 's/.*"EnclaveCID": \([0-9]*\).*/\1/p' /tmp/all | sort -u >/tmp/cids
echo "LINUX running $(grep -c '"State": "RUNNING"' /tmp/all) cids $(wc -l </tmp/cids)"
cid=$(tail -n 1 /tmp/cids)
ask $cid 'misbehave off' >/dev/null
for attempt in $(seq 100); do nitro-cli describe-enclaves 2>/dev/null | grep -q "\"EnclaveCID\": $cid" || break; usleep 200000; done
echo "LINUX ended $(nitro-cli describe-enclaves 2>/dev/null | grep -c "\"EnclaveCID\": $cid")"
nitro-cli terminate-enclave --all >/tmp/end 2>&1; echo "LINUX terminate $? $(cat /tmp/end | tr '\n' ' ')"
same linux
"""
KILLS = r"""
for step in create memory vcpu start; do
  enclave-probe run /quiet.eif --pause $step >/tmp/killed & pid=$!
  until_said /tmp/killed "step $step"
  kill -9 $pid; wait $pid
  same kill-at-$step
done
for kill in $(seq KILLS); do
  enclave-probe run /shell.eif --memory 256 >/tmp/killed & pid=$!
  [ $((kill % 2)) = 0 ] || until_said /tmp/killed "step vcpu"  # the next is the start, which reads and measures the image
  usleep $((RANDOM * 90)); kill -9 $pid; wait $pid
  echo "KILLED after $(tail -n 1 /tmp/killed)"
  nitro-cli run-enclave --eif-path /shell.eif --cpu-count 1 --memory 256 >/tmp/killed 2>&1 & pid=$!
  usleep $((RANDOM * 90)); kill -9 $pid; wait $pid
  for attempt in $(seq 300); do pidof nitro-cli >/dev/null || break; usleep 100000; done
  same "kill-at-random $kill"
done
start last; kill -9 $(sed -n 's/.*"ProcessID": \([0-9]*\).*/\1/p' /tmp/last.said)
same kill-while-running
echo "NONE-LEFT $(nitro-cli describe-enclaves 2>&1 | tr -d '\n')"
# The driver goes and comes again; while it has an enclave, it does not.
enclave-probe run /quiet.eif >/tmp/kept & pid=$!
until_said /tmp/kept "step start"
rmmod nitro_enclaves 2>/dev/null; echo "RMMOD $?"
kill $pid; wait $pid
for time in 1 2; do
  rmmod nitro_enclaves; echo "RMMOD-FREE $? online $(cat /sys/devices/system/cpu/online)"
  insmod /lib/modules/nitro_enclaves.ko; pool
  echo "AGAIN $(probe /leave.eif | tr '\n' ' ')"
done
same reloaded
"""
REFUSALS = r"""
gunzip /large.eif.gz
nitro-cli allocate --cpu-ids 2-4 >/dev/null 2>&1  # CPU 1 is the parent's meanwhile
enclave-probe refusals /quiet.eif
pool
same driver-refusals
enclave-probe run /quiet.eif --cid 90 >/tmp/first & pid=$!
until_said /tmp/first "step start"
echo "CID-TAKEN $(probe /quiet.eif --cid 90 | tail -n 1)"
kill $pid; wait $pid
cli() { name=$1; shift; nitro-cli run-enclave "$@" >/tmp/said 2>&1; echo "CLI $name $? $(grep '^\[' /tmp/said | cut -c 1-150)"; }
for name in truncated checksum architecture magic empty expired forged; do
  echo "MONITOR $name $(probe /$name.eif | tail -n 1)"
  cli $name --eif-path /$name.eif --cpu-count 1 --memory 64
done
echo "MONITOR large $(probe /large.eif | tail -n 1)"
echo "MONITOR kernel $(timeout 60 enclave-probe run /kernel.eif | tail -n 1)"
cli large --eif-path /large.eif --cpu-count 1 --memory 64
cli kernel --eif-path /kernel.eif --cpu-count 1 --memory 64
cli small --eif-path /quiet.eif --cpu-count 1 --memory 32
cli missing --eif-path /nothing.eif --cpu-count 1 --memory 64
cli memory --eif-path /quiet.eif --cpu-count 1 --memory 1026
cli cores --eif-path /quiet.eif --cpu-count 5 --memory 64
cli cpu-of-the-parent --eif-path /quiet.eif --cpu-ids 0 --memory 64
cli no-such-cpu --eif-path /quiet.eif --cpu-ids 77 --memory 64
cli cpu-twice --eif-path /quiet.eif --cpu-ids 2,2 --memory 64
cli reserved-cid --eif-path /quiet.eif --cpu-count 1 --memory 64 --enclave-cid 3
same refusals
nitro-cli allocate --release >/dev/null 2>&1
cli empty-pool --eif-path /quiet.eif --cpu-count 1 --memory 64
pool
same pool-again
"""
# With enclaves running, the parent starts again.
RESET = r"""
complaints
start survivor
enclave-probe run /quiet.eif >/tmp/kept & until_said /tmp/kept "step start"
echo "BEFORE-RESET $(cofferdam-status | grep -c '^slot .*running')"
reboot -f
sleep 60
exit 6
"""
# include/uapi/linux/nitro_enclaves.h, and errnos. Where Linux and the monitor both could answer, Linux does.
DRIVER = {
    "unknown-request": 25, "unknown-request-of-an-enclave": 25, "image-flags-none": 274, "image-flags": 274, "memory-flags": 274,
    "memory-size": 259, "memory-unaligned": 261, "memory-of-the-kernel": 260, "memory-of-small-pages": 263, "start-without-memory": 266,
    "memory-first": 0, "memory-twice": 262, "memory-overlapping": 262, "start-with-2-mib": 268, "memory-rest": 0,
    "start-without-cpu": 267, "cpu-of-the-parent": 257, "cpu-beyond-all": 271, "cpu-first": 0, "cpu-twice": 256, "cpu-of-an-empty-pool": 272,
    "start-flags": 274, "start-cid": 275, "create-from-an-empty-pool": 272, "start": 0, "running-start": 270, "running-memory": 270,
    "running-cpu": 270, "running-image": 270}
ENOEXEC, ENOMEM, EKEYEXPIRED, EKEYREJECTED = 8, 12, 127, 129
MONITOR = {
    "truncated": f"refused start {ENOEXEC}", "checksum": f"refused start {ENOEXEC}", "architecture": f"refused start {ENOEXEC}",
    "magic": f"refused start {ENOEXEC}", "empty": f"refused start {ENOEXEC}", "expired": f"refused start {EKEYEXPIRED}",
    "forged": f"refused start {EKEYREJECTED}", "large": f"refused start {ENOEXEC}", "kernel": "hangup 10"}
CLI = {  # the CLI finds what the monitor would, before anything is taken
    "truncated": 35, "checksum": 35, "architecture": 35, "magic": 35, "empty": 35, "expired": 59, "forged": 59, "large": 26, "kernel": 36,
    "small": 26, "missing": 19, "memory": 27, "cores": 22, "cpu-of-the-parent": 21, "no-such-cpu": 21, "cpu-twice": 20, "reserved-cid": 3,
    "empty-pool": 22}


def check_cycles(checks, run, cycles, linux):
    ends = sum(1 for cycle in range(cycles) if cycle % 2 == 1)
    found = run.lines(rf"^CYCLES {cycles} hangups (\d+)$")
    checks.expect(f"{cycles} starts and ends in four slots; each of {ends} that ends by itself is told", bool(found) and int(found[0][1]) == ends,
                  found and found[0].string)
    checks.expect("four that end at once are told", bool(run.lines("^AT-ONCE 4$")), [m.string for m in run.lines("^AT-ONCE")])
    started = len(run.lines(r"^START l\d+ status 0$"))
    running = run.lines(r"^LINUX running (\d+) cids (\d+)$")
    checks.expect(f"{linux} starts of Linux, up to four at a time, each with a CID of its own", started == linux and bool(running) and
                  int(running[0][1]) == int(running[0][2]) == min(linux, 4),
                  (started, running and running[0].string))
    checks.expect("one that powers off is gone from describe-enclaves; the others end when told", bool(run.lines("^LINUX ended 0$")) and
                  bool(run.lines("^LINUX terminate 0 ")), [m.string for m in run.lines("^LINUX (ended|terminate)")])


def check_kills(checks, run):
    checks.expect("describe-enclaves knows of no enclave whose process was killed", bool(run.lines(r"^NONE-LEFT \[\]$")),
                  [m.string for m in run.lines("^NONE-LEFT")])
    print(f"     killed at a random moment: {[m[1] for m in run.lines('^KILLED after (.*)$')]}")
    checks.expect("the driver stays while it has an enclave", bool(run.lines(r"^RMMOD [^0]")), [m.string for m in run.lines("^RMMOD ")])
    free = [match.string for match in run.lines("^(RMMOD-FREE|AGAIN) ")]
    checks.expect("it goes and comes without one: the cores come back, and enclaves start", len(free) == 4 and all(
        re.match(r"RMMOD-FREE 0 online 0-4$|AGAIN .*step start \d+ hangup 10 $", line) for line in free), free)


def check_refusals(checks, run):
    driver = [(match[1], int(match[2])) for match in run.lines(r"^refusal (\S+) (\d+)$")]
    wrong = [(name, error, DRIVER.get(name)) for name, error in driver if DRIVER.get(name) != error]
    checks.expect(f"{len(driver)} demands of the driver's are refused with its own errors", {name for name, _ in driver} == set(DRIVER) and not wrong,
                  wrong or set(DRIVER) - {name for name, _ in driver} or "")
    monitor = {match[1]: match[2] for match in run.lines(r"^MONITOR (\S+) (.*)$")}
    wrong = {name: monitor.get(name) for name, error in MONITOR.items() if monitor.get(name) != error}
    checks.expect(f"{len(MONITOR)} images are refused by the monitor with the right error, or end at once", not wrong, wrong or "")
    cli = {match[1]: (int(match[2]), match[3]) for match in run.lines(r"^CLI (\S+) (\d+) ?(.*)$")}
    wrong = {name: cli.get(name) for name, code in CLI.items() if name not in cli or cli[name][0] != code or not cli[name][1].startswith(f"[ E{code:02} ]")}
    checks.expect(f"{len(CLI)} requests are refused by the CLI with the right code and words", not wrong, wrong or "")
    checks.expect("a CID that is taken is refused", bool(run.lines(r"^CID-TAKEN refused start 275$")), [m.string for m in run.lines("^CID-TAKEN")])


def check_reset(checks, run):
    checks.expect("two enclaves ran when the parent asked for its reset", bool(run.lines("^BEFORE-RESET 2$")), [m.string for m in run.lines("^BEFORE-RESET")])
    boots = [[match[1] for match in run.lines(rf"^BOOT {boot} BALANCE boot (.*)$")] for boot in (1, 2)]
    checks.expect("the next boot has everything again", len(boots[0]) >= 4 and boots[0] == boots[1], boots[1] if boots[0] == boots[1] else boots)
    checks.expect("and starts an enclave", bool(run.lines(r"^SECOND .*hangup 10 $")), [m.string for m in run.lines("^SECOND")])


def main():
    why = shell_enclave.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    cycles, linux = (parent_runs.environment_count(f"COFFERDAM_{name}", count) for name, count in (("CYCLES", 6), ("LINUX_CYCLES", 2)))
    kills = parent_runs.environment_count("COFFERDAM_KILLS", 2)
    counted = (FIRST_BOOT + CYCLES + KILLS + REFUSALS + RESET).replace("$((CYCLES - 1))", str(cycles - 1)).replace(
        "CYCLES CYCLES", f"CYCLES {cycles}").replace("$((LINUX - 1))", str(linux - 1)).replace("seq KILLS", f"seq {kills}")
    with tempfile.TemporaryDirectory() as scratch:
        folders = [pathlib.Path(scratch, name) for name in ("added", "keys")]
        for folder in folders:
            folder.mkdir()
        broken_images.make(*folders)
        shell_enclave.make(folders[0])
        seconds = parent_runs.SECONDS + 200 + cycles * 5 + (linux + 2 * kills) * 40
        run = parent_runs.Run([*parent_runs.usual_cores(), "--cpus", "5", "--restart", "--add", str(folders[0])], shell_enclave.WORDS + counted, seconds)
    checks = parent_runs.Checks()
    checks.expect("the second boot ends the run", run.status == 9, run.status)
    check_cycles(checks, run, cycles, linux)
    check_kills(checks, run)
    check_refusals(checks, run)
    check_reset(checks, run)
    same = [match[1] for match in run.lines("^SAME (.*)$")]
    different = [match[1] for match in run.lines("^DIFFERENT (.*)$")]
    checks.expect(f"{len(same)} times all memory, cores, hugepages and slots are back", len(same) == 13 + kills and not different, different or "")
    checks.expect("nothing was waited for in vain", not run.lines("^MISSING "), [m.string for m in run.lines("^MISSING")])
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
