#!/usr/bin/env python3
"""Root in the parent searches all of its memory, disks and devices for what an enclave holds: it is nowhere.

Before, during and after the enclave's life, which has it in memory, registers and FP registers. A second one, which the
enclave shares on purpose, is found. COFFERDAM_STRIDE: bytes from one refused address of the enclave's memory to the next
(65536 here, 4096 in ./x soak).
"""
import re
import secrets
import sys
import tempfile

import parent_runs
import shell_enclave

MEMORY = 256 << 20  # the enclave's, as shell_enclave starts it
SCRIPT = r"""
nitro-cli allocate --cpu-count 1 --memory 256 >/tmp/allocate.said || cat /tmp/allocate.said
balance before
bar=$(sed -n 4p /sys/bus/pci/devices/0001:00:00.0/resource | cut -d ' ' -f 1,2)
search() {
  canary-search memory $2 $3 STRIDE >/tmp/searched; sed "s/^/SEARCH $1 /" /tmp/searched
  echo 3 >/proc/sys/vm/drop_caches
  canary-search file $2 $3 /dev/vda /dev/nvme0n1 /sys/bus/pci/devices/*/config | sed "s/^/SEARCH $1 /"
  canary-search device $2 $3 | sed "s/^/SEARCH $1 /"
  canary-search range $2 $3 $bar | sed "s/^/SEARCH $1 /"
}
search before HELD
start holder
(ask $cid 'canary hold SEED 16' >/tmp/held &)
for attempt in $(seq 300); do grep -q 'canary: held' /tmp/held && break; usleep 100000; done
echo "HELD $(cat /tmp/held)"
search during HELD
page=$(sed 's/.*the first at //' /tmp/searched)
for how in 'read P' 'write P 1' 'dma-read P' 'dma-write P 1' 'nvme-read P' 'nvme-write P'; do
  attack $(echo $how | sed "s/P/$page/") >/tmp/said 2>&1; echo "ATTACK $? $(cat /tmp/said)"
done
ask $cid 'canary show OTHER' >/tmp/shared
echo "SHARED $(wc -c </tmp/shared)"
canary-search memory SHOWN STRIDE | sed "s/^/SEARCH shared /"
nitro-cli terminate-enclave --all >/tmp/end 2>&1; echo "TERMINATE $?"
search after HELD
balance after
complaints
exit 9
"""


def canary_of(seed):
    """As guests/enclave/canary.cpp."""
    word, ones = seed, (1 << 64) - 1
    for _ in range(2):
        word = word + 0x9E3779B97F4A7C15 & ones
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & ones
        word = (word ^ word >> 27) * 0x94D049BB133111EB & ones
        word ^= word >> 31
    return word


def masked(seed):
    """What the searcher is given: the masked word and the mask."""
    mask = secrets.randbits(64)
    return f"{canary_of(seed) ^ mask:#x} {mask:#x}"


def main():
    why = shell_enclave.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    stride = parent_runs.environment_count("COFFERDAM_STRIDE", 65536)
    seeds = secrets.randbits(63), secrets.randbits(63)
    script = SCRIPT
    for word, value in (("SEED", seeds[0]), ("OTHER", seeds[1]), ("SHOWN", masked(seeds[1])), ("STRIDE", stride)):
        script = script.replace(word, str(value))
    script = re.sub(r"(search \w+) HELD", lambda match: f"{match[1]} {masked(seeds[0])}", script)
    with tempfile.TemporaryDirectory() as added:
        shell_enclave.make(added)
        run = parent_runs.Run([*parent_runs.usual_cores(), "--cpus", "2", "--memory", "1024", "--add", added], shell_enclave.WORDS + script, 1200)
    checks = parent_runs.Checks()
    checks.expect("the script comes to its end", run.status == 9, run.status)
    checks.expect("the enclave holds the canary", bool(run.lines("^HELD canary: held in 16 MiB and in the registers$")), [m.string for m in run.lines("^HELD")])
    found = {(match[1], match[2]): tuple(map(int, match.groups()[2:])) for match in
             run.lines(r"^SEARCH (\w+) canary-search: (\w+): (\d+) words, (\d+) hits, (\d+) refused")}
    for when in ("before", "during", "after"):
        seen = {where: found.get((when, where)) for where in ("memory", "files", "device", "range")}
        checks.expect(f"{when} its life the canary is nowhere in memory, on disks, in devices", all(counts and counts[0] > 0 and counts[1] == 0 for counts in seen.values()), seen)
    memory = {when: found.get((when, "memory"), (0, 0, 0)) for when in ("before", "during", "after", "shared")}
    checks.expect("what the enclave has is refused to reads, all of it", memory["during"][2] == MEMORY // stride and
                  memory["before"][0] - memory["during"][0] == MEMORY // 8, memory)
    checks.expect("before and after, everything is read", memory["before"][2] == memory["after"][2] == 0 and memory["before"][0] == memory["after"][0] >
                  (660 << 20) // 8, memory)
    files = found.get(("during", "files"), (0,))
    checks.expect("both disks are searched whole", files[0] >= 2 * (64 << 20) // 8, files)
    tries = [match.string for match in run.lines("^ATTACK ")]
    checks.expect("loads, stores and DMA of edu and nvme to a page of it are refused", len(tries) == 6 and all(line.startswith("ATTACK 3 ") for line in tries), tries)
    checks.expect("what the enclave shows on purpose is found", bool(run.lines("^SHARED 512$")) and memory["shared"][1] >= 64, memory["shared"])
    checks.expect("it ends when it is told to", bool(run.lines("^TERMINATE 0$")))
    shell_enclave.check_balance(checks, run, "before", "after")
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
