#!/usr/bin/env python3
"""The machine ends while a parked core hashes an enclave's image: by a reset that the parent asks for, by its watchdog, and by a
power-off. Each time the half-loaded enclave is scrubbed with the others, the machine starts again or is off, and soon.
"""
import pathlib
import re
import sys
import tempfile

import broken_images
import parent_runs
import shell_enclave

# The image's ramdisk: long enough that hashing it takes seconds of an emulated core.
MIB = 96
MEMORY = 256
# Which boot it is stands on the nvme disk, which outlives a reset.
BEGIN = rf"""
count=$(dd if=/dev/nvme0n1 bs=512 skip=2048 count=1 2>/dev/null | tr -d '\0')
count=$((${{count:-0}} + 1))
printf '%d\n' $count | dd of=/dev/nvme0n1 bs=512 seek=2048 conv=sync,fsync 2>/dev/null
balance boot | sed "s/^/BOOT $count /"
nitro-cli allocate --cpu-ids 1-2 --memory {2 * MEMORY} >/tmp/allocate.said 2>&1 || cat /tmp/allocate.said
[ -e /long.eif ] || gunzip /long.eif.gz
slots() {{ echo "$(cofferdam-status | sed -n 's/^slot [0-9a-f]*: *//p' | tr '\n' ' ')"; }}
# One enclave runs, another one is being loaded: from then on nothing is waited for.
load() {{
  enclave-probe run /quiet.eif >/tmp/kept &
  for attempt in $(seq 300); do grep -q 'step start' /tmp/kept && break; usleep 100000; done
  enclave-probe run /long.eif --memory {MEMORY} >/tmp/long &
  for attempt in $(seq 600); do cofferdam-status | grep -q '^slot .*loading' && break; usleep 20000; done
  echo "LOADING $count $(slots)"
}}
"""
SCRIPT = BEGIN + r"""
case $count in
1) load; complaints; reboot -f ;;
2)
  # Opened while an enclave is being loaded, which takes longer than its second. Where it does not, another is loaded, and the watchdog
  # is petted until it is.
  insmod /lib/modules/sbsa_gwdt.ko timeout=1 action=0 || exit 7
  load
  exec 3>/dev/watchdog0
  complaints
  while :; do
    while cofferdam-status | grep -q '^slot .*loading'; do usleep 50000; done
    echo . >&3; echo "LOADED 2"
    kill $!; wait $!
    enclave-probe run /long.eif --memory MEMORY >/tmp/long &
    for attempt in $(seq 600); do echo . >&3; cofferdam-status | grep -q '^slot .*loading' && break; usleep 20000; done
    echo "LOADING 2 $(slots)"
  done
  ;;
3) load; complaints; poweroff -f ;;
esac
sleep 120
exit 6
""".replace("MEMORY", str(MEMORY))
SAID = {"reset": "the parent asked for a reset; enclaves are gone and scrubbed",
        "watchdog": "the parent's watchdog expired; enclaves are gone and scrubbed",
        "off": "the parent switched the machine off; enclaves are gone and scrubbed"}


def make(folder, scratch):
    kernel, ramdisk = broken_images.assemble.need(broken_images.assemble.IMAGES / "hostile_enclave.bin"), scratch / "ramdisk"
    ramdisk.write_bytes(b"a ramdisk for an enclave that needs none\n")
    broken_images.build(folder / "quiet.eif", kernel, "secret", ramdisk)
    ramdisk.write_bytes(bytes(MIB << 20))
    long = folder / "long.eif"
    content = broken_images.build(long, kernel, "secret", ramdisk)
    long.unlink()
    long.with_suffix(".eif.gz").write_bytes(broken_images.gzip.compress(content, 1))


def main():
    why = shell_enclave.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    with tempfile.TemporaryDirectory() as scratch:
        added, keys = pathlib.Path(scratch, "added"), pathlib.Path(scratch, "keys")
        added.mkdir()
        keys.mkdir()
        make(added, keys)
        options = [*parent_runs.usual_core(), "--cpus", "3", "--restart", "--add", str(added)]
        run = parent_runs.Run(options, shell_enclave.WORDS + SCRIPT, 600)
    checks = parent_runs.Checks()
    started = [match.string for match in run.lines(r"^LOADING 3")]
    checks.expect("after a reset and after the watchdog the machine starts again; then it is off, and not for want of time",
                  len(started) == 1 and run.status == parent_runs.NO_REPORT, (started, run.status))
    for boot, name in enumerate(SAID, 1):
        states = [match.string for match in run.lines(rf"^LOADING {boot} .*")]
        checks.expect(f"{name}: an enclave ran and another was being loaded",
                      bool(states) and re.search("running", states[-1]) is not None and "loading" in states[-1], states[-1:])
        checks.expect(f"{name}: the monitor scrubbed all of them", run.log.count(SAID[name]) == 1, run.log.count(SAID[name]))
    last = [match.string.split()[0] for match in run.lines("^(LOADING|LOADED) 2")]
    checks.expect("watchdog: it came while one was being loaded", last[-1:] == ["LOADING"], last)
    boots = [[match[1] for match in run.lines(rf"^BOOT {boot} BALANCE boot (.*)$")] for boot in (1, 2, 3)]
    checks.expect("each boot has all memory, cores and slots again", len(boots[0]) >= 4 and boots[0] == boots[1] == boots[2],
                  boots[0] if boots[0] == boots[1] == boots[2] else boots)
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
