#!/usr/bin/env python3
"""Runs the monitor that checks itself (tests/checked) on QEMU, from reset.

  checked.py CASE --images TREE --tools FOLDER --folder SCRATCH

demo       the demonstration's parent: enclaves are made, started, stopped and freed, and everything is attacked
linux      Linux as the parent: it boots, its cores go and come back, its devices write memory (status 77: no packages)
sabotaged  a monitor that leaves out one unmapping: the machine must end with a line that says who reaches what
soak       demo, linux with 1, 4 and 8 cores, and tests/qemu/hostile both ways
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/qemu"))
import assemble  # noqa: E402
import machine  # noqa: E402

SECONDS = 280
SOAK_SECONDS = 1800
NOT_RUN = 77
CHECKED = "monitor-checked.bin"
# None of the numbers is 0 (tests/checked/after_trap.cpp).
NOTHING_AMISS = re.compile(r"^cofferdam: checked: [1-9]\d* traps, [1-9]\d* commits, (\d+) moves, [1-9]\d* walks of all tables, "
                           r"[1-9]\d* of all frames, nothing amiss", re.MULTILINE)
# The first donation, whose frames the parent goes on reaching: partition 1, where 2 is the owner.
NOTICED = re.compile(r"PANIC: checked: partition 1 reaches, and must not \(or not so\), frame 0x[0-9a-f]+, of owner 2 and peer 0; "
                     r"last commit: call 0xc6000020 of partition 1 on core \d")
SCRIPT = """
set -e
for core in $(seq 1 {last}); do
  echo 0 >/sys/devices/system/cpu/cpu$core/online
  echo 1 >/sys/devices/system/cpu/cpu$core/online
done
echo "online $(cat /sys/devices/system/cpu/online)"
for disk in vda nvme0n1; do
  dd if=/bin/busybox of=/dev/$disk bs=64k count=8 conv=fsync 2>/dev/null
  echo 3 >/proc/sys/vm/drop_caches
  dd if=/dev/$disk bs=64k count=8 2>/dev/null | cmp -n 524288 - /bin/busybox && echo "same $disk"
done
exit 42
"""


def run_demo(arguments, monitor, seconds, stop_after=None):
    assemble.MONITOR = monitor
    folder = arguments.folder.resolve() / monitor
    assemble.assemble("demo", folder)
    lines, how = machine.run(folder / "flash0.bin", folder / "flash1.bin", seconds, stop_after=stop_after)
    text = "\n".join(line for console, line in lines if console == "main")
    (folder / "console.log").write_text(text, encoding="utf-8")
    return text, how


def counted(text, least_moves):
    found = NOTHING_AMISS.search(text)
    if not found:
        return ["the monitor did not count its checks"]
    print(found[0])
    return [] if int(found[1]) >= least_moves else [f"{found[1]} moves were checked, and {least_moves} had to be"]


def demo(arguments, seconds=SECONDS):
    text, how = run_demo(arguments, CHECKED, seconds, stop_after=r"cofferdam: PANIC")
    wrong = [] if how == "off" else [f"the machine did not power off: {how}"]
    wrong += re.findall(r"cofferdam: PANIC.*", text)
    if "RESULT attacks not refused: 0, steps failed: 0" not in text:
        wrong.append("the parent did not report that every attack was refused and no step failed")
    return wrong + counted(text, 40)


def sabotaged(arguments):
    text, _ = run_demo(arguments, "monitor-sabotaged.bin", SECONDS, stop_after=r"cofferdam: PANIC")
    found = NOTICED.search(text)
    print(found[0] if found else "")
    return [] if found else ["the unmapping that was left out was not noticed: " + text[-2000:]]


def linux(cores=2, seconds=SECONDS):
    if not (ROOT / "build/guest-packages/release").is_file():
        return None
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "monitor.log")
        command = [sys.executable, str(ROOT / "tools/guest/run.py"), "--monitor", CHECKED, "--cpus", str(cores), "--seconds",
                   str(seconds), "--log", str(log)]
        result = subprocess.run(command, input=SCRIPT.format(last=cores - 1), capture_output=True, text=True, check=False)
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    wanted = [f"online 0-{cores - 1}", "same vda", "same nvme0n1"]
    wrong = []
    if result.returncode != 42 or result.stdout.splitlines() != wanted:
        wrong.append(f"status {result.returncode}, said {result.stdout!r}, {result.stderr!r}; the monitor: {text[-2000:]}")
    return wrong + counted(text, 0)


def hostile(arguments, case):
    command = [sys.executable, str(ROOT / "tests/qemu/hostile/hostile.py"), case, "--images", str(arguments.images), "--tools",
               str(arguments.tools), "--folder", str(arguments.folder / case), "--monitor", CHECKED, "--seconds", str(SOAK_SECONDS)]
    return [] if subprocess.run(command, check=False).returncode == 0 else [f"hostile {case}"]


def soak(arguments):
    wrong = demo(arguments, SOAK_SECONDS)
    for cores in (1, 4, 8):
        wrong += linux(cores, SOAK_SECONDS) or []
    return wrong + hostile(arguments, "parent") + hostile(arguments, "enclaves")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=("demo", "linux", "sabotaged", "soak"))
    parser.add_argument("--images", type=pathlib.Path, default=ROOT / "build/qemu-virt")
    parser.add_argument("--tools", type=pathlib.Path, default=ROOT / "build/bin")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/checked")
    arguments = parser.parse_args()
    assemble.IMAGES = arguments.images / "bin"
    assemble.BOARD = arguments.images / "boards/qemu-virt/board.json"
    assemble.TOOLS = arguments.tools
    assemble.ROOT = pathlib.Path("/")
    try:
        wrong = linux() if arguments.case == "linux" else globals()[arguments.case](arguments)
    except (assemble.AssemblyError, machine.MachineError) as error:
        sys.exit(f"checked: {error}")
    if wrong is None:
        print("the Linux parent's packages are not there; ./x run fetches them")
        return NOT_RUN
    for line in wrong:
        print(f"checked {arguments.case}: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
