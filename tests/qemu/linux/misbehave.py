#!/usr/bin/env python3
"""An enclave that does all it can to disturb (guests/enclave/misbehave), and others at EL1 (guests/bare/hostile_enclave): its
neighbour and the parent go on, the parent is told of its end, and what it had comes back.

COFFERDAM_FLOOD: how many connections and requests a flood has (200 here, 5000 in ./x soak).
"""
import pathlib
import sys
import tempfile

import broken_images
import parent_runs
import shell_enclave

# In this order; the last ones may end the enclave.
MODES = [("fork", "FLOOD"), ("memory", ""), ("instructions", ""), ("physical", ""), ("vsock", "FLOOD"), ("nsm", "FLOOD"), ("spin", "4"), ("hang", "4")]
# How a mode ends, where it isn't by itself: the enclave's kernel kills who takes all memory (128 + SIGKILL, as the shell says it).
ENDS = {"memory": 137}
# Whether it ends: by the monitor's limit of faults, or by the power-off that is among all SMCs. What is undefined at EL1 stays there.
BARE = {"undefined": False, "unmapped": True, "calls": False, "smc": True, "spin": False}
SCRIPT = r"""
nitro-cli allocate --cpu-count 2 --memory 512 >/tmp/allocate.said || cat /tmp/allocate.said
balance before
start good; good=$cid
ask $good 'vsock-load serve 7100 >/dev/null 2>&1 &' >/dev/null
start bad; bad=$cid
neighbour() {
  vsock-load latency $good 7100 --rounds 10 >/tmp/latency 2>&1 && vsock-load run $good 7100 --connections 6 --parallel 3 --most 65536 >/tmp/run 2>&1
  echo "NEIGHBOUR $1 $? $(tail -n 1 /tmp/latency), $(tail -n 1 /tmp/run)"
  dd if=/dev/urandom of=/tmp/data bs=1M count=1 2>/dev/null; dd if=/tmp/data of=/dev/vda bs=1M conv=fsync 2>/dev/null
  echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M count=1 2>/dev/null | cmp - /tmp/data && echo "PARENT $1"
}
for attempt in $(seq 100); do vsock-load latency $good 7100 --rounds 1 >/dev/null 2>&1 && break; usleep 100000; done
neighbour quiet
misbehaves() {
  ask $bad "misbehave $1 $2 2>&1; echo \"misbehave: status \$?\"" >/tmp/bad &
  sleep 1
  neighbour $1
  wait $!
  sed "s/^/BAD $1 /" /tmp/bad
}
EACH
# Its own driver waits two minutes for an answer that a broken device does not give: nobody else does.
ask $bad 'misbehave nsm-empty' >/dev/null & told=$!
sleep 1; neighbour nsm-empty; kill $told 2>/dev/null
gone() {  # the parent is told: describe-enclaves shows it no more
  for attempt in $(seq 150); do
    nitro-cli describe-enclaves 2>/dev/null | grep -q "\"EnclaveCID\": $bad," || { echo "TOLD $1"; return; }
    usleep 400000
  done
  echo "NOT-TOLD $1"
}
# A panic: the kernel waits for panic= seconds, and ends the enclave.
ask $bad 'echo 1 >/proc/sys/kernel/panic; misbehave panic' >/dev/null & told=$!
sleep 1; neighbour panic; gone panic; kill $told 2>/dev/null
start bad2; bad=$cid
ask $bad 'misbehave hang 0' >/dev/null & told=$!
sleep 1; neighbour hang-for-ever
nitro-cli terminate-enclave --enclave-name bad2 >/dev/null 2>&1; echo "TERMINATE $?"
kill $told 2>/dev/null
# At EL1, where all of it reaches the monitor.
for mode in BARE; do
  enclave-probe run /$mode.eif >/tmp/probe & probe=$!
  sleep 1; neighbour bare-$mode
  [ $mode != smc ] && [ $mode != unmapped ] || for attempt in $(seq 300); do grep -q hangup /tmp/probe && break; usleep 100000; done
  echo "BARE $mode $(tail -n 1 /tmp/probe)"
  kill $probe 2>/dev/null; wait $probe
done
neighbour end
echo "DOCUMENT $(ask $good 'nsm-check --document 2>&1' | wc -c)"
nitro-cli terminate-enclave --all >/tmp/end 2>&1; echo "TERMINATE $?"
echo "LOGGED $(grep -c 'has ended by itself' /var/log/nitro_enclaves/nitro_enclaves.log)"
balance after
complaints
exit 9
"""


def main():
    why = shell_enclave.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    flood = parent_runs.environment_count("COFFERDAM_FLOOD", 200)
    each = "\n".join(f"misbehaves {mode} {count}".replace("FLOOD", str(flood)) for mode, count in MODES)
    script = SCRIPT.replace("EACH", each).replace("in BARE", f"in {' '.join(BARE)}")
    with tempfile.TemporaryDirectory() as scratch:
        added = pathlib.Path(scratch, "added")
        added.mkdir()
        shell_enclave.make(added)
        ramdisk = pathlib.Path(scratch, "ramdisk")
        ramdisk.write_bytes(b"a ramdisk for an enclave that needs none\n")
        for mode in BARE:
            broken_images.build(added / f"{mode}.eif", broken_images.assemble.need(broken_images.assemble.IMAGES / "hostile_enclave.bin"), mode, ramdisk)
        run = parent_runs.Run([*parent_runs.usual_core(), "--cpus", "4", "--add", str(added)], shell_enclave.WORDS + script, parent_runs.SECONDS + flood)
    checks = parent_runs.Checks()
    checks.expect("the script comes to its end", run.status == 9, run.status)
    times = ["quiet", *(mode for mode, _ in MODES), "nsm-empty", "panic", "hang-for-ever", *(f"bare-{mode}" for mode in BARE), "end"]
    right = [match[1] for match in run.lines(r"^NEIGHBOUR (\S+) 0 .*latency of 10 rounds.* 0 failed, 0 wrong")]
    checks.expect("the neighbour answers at all times, and its bytes are right", right == times,
                  [m.string for m in run.lines("^NEIGHBOUR") if m.string.split()[1] not in right])
    parent = [match[1] for match in run.lines(r"^PARENT (\S+)$")]
    checks.expect("the parent's memory and disk work at all times", parent == times, sorted(set(times) - set(parent)) or "")
    for mode, _ in MODES:
        said = [match[1] for match in run.lines(rf"^BAD {mode} (misbehave: .*)$")]
        checks.expect(f"{mode}: was tried, and the enclave lives to tell", len(said) > 1 and said[-1] == f"misbehave: status {ENDS.get(mode, 0)}", said[-2:])
    for mode in ("instructions", "physical"):
        went = [match.string for match in run.lines(rf"^BAD {mode} .* (\d+) of \d+ went through") if match[1] != "0"]
        checks.expect(f"{mode}: nothing went through", not went, went)
    checks.expect("an enclave that panics is gone from describe-enclaves, and the log says so", bool(run.lines("^TOLD panic$")) and
                  bool(run.lines("^LOGGED 1$")), [m.string for m in run.lines("TOLD|^LOGGED")])
    checks.expect("one whose cores hang, and the neighbour, end when they are told to", len(run.lines("^TERMINATE 0$")) == 2)
    bare = {match[1]: match[2] for match in run.lines(r"^BARE (\S+) (.*)$")}
    checks.expect("who touches what it has not, or switches itself off, ends, and that is told; the others go on until they are ended",
                  all(bare.get(mode, "").startswith("hangup 10" if ended else "step start") for mode, ended in BARE.items()), bare)
    checks.expect("the neighbour's security module answers after all that", int((run.lines(r"^DOCUMENT (\d+)$") or [[0, 0]])[0][1]) > 4000,
                  [m.string for m in run.lines("^DOCUMENT")])
    shell_enclave.check_balance(checks, run, "before", "after")
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
