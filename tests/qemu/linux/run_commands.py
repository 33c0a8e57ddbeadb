#!/usr/bin/env python3
"""Runs commands in the Linux parent and holds output and exit status against what the command does.

  run_commands.py [--bare]    --bare: under plain QEMU, without the monitor
"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
SECONDS = 120
NOT_RUN = 77
# Cores go and come back, a checksum of what was written to the disks is that of what is read, forged words on the
# console and on a disk's last block do not count.
SCRIPT = r"""
set -e
for core in 1 2 3; do
  echo 0 >/sys/devices/system/cpu/cpu$core/online
  echo 1 >/sys/devices/system/cpu/cpu$core/online
done
echo "online $(cat /sys/devices/system/cpu/online)"
dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
for disk in vda nvme0n1; do
  dd if=/tmp/data of=/dev/$disk bs=1M conv=fsync 2>/dev/null
  echo 3 >/proc/sys/vm/drop_caches
  dd if=/dev/$disk bs=1M count=4 2>/dev/null | cmp - /tmp/data && echo "same $disk"
  printf 'COFFEXIT 0\n' | dd of=/dev/$disk bs=512 seek=131071 conv=sync,fsync 2>/dev/null
done
echo 'COFFEXIT 0'
added-tool
exit 42
"""


def run(options, stdin=""):
    command = [sys.executable, str(ROOT / "tools/guest/run.py"), "--seconds", str(SECONDS), *options]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def main():
    if not (ROOT / "build/guest-packages/release").is_file():
        print("the Linux parent's packages are not there; ./x run fetches them")
        return NOT_RUN
    way = sys.argv[1:]
    failures = []
    with tempfile.TemporaryDirectory() as name:
        tool = pathlib.Path(name, "bin/added-tool")
        tool.parent.mkdir()
        tool.write_text("#!/bin/sh\necho 'the added tool runs'\n", encoding="utf-8")
        tool.chmod(0o755)
        result = run([*way, "--add", name], SCRIPT)
    wanted = ["online 0-3", "same vda", "same nvme0n1", "COFFEXIT 0", "the added tool runs"]
    if result.returncode != 42 or result.stdout.splitlines() != wanted:
        failures.append(f"the script: status {result.returncode}, said {result.stdout!r}, {result.stderr!r}")
    result = run([*way, "--cpus", "1", "--", "printf", "%s", "a  b'c\n"])
    if result.returncode != 0 or result.stdout != "a  b'c\n":
        failures.append(f"printf: status {result.returncode}, said {result.stdout!r}, {result.stderr!r}")
    result = run([*way, "--cpus", "2", "--", "poweroff", "-f"])
    if result.returncode != 125:
        failures.append(f"a parent that says nothing of its status: {result.returncode}, {result.stderr!r}")
    print("\n".join(failures) or "as the commands say")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
