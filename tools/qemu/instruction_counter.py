"""How many instructions each core of a running machine has executed, by where they lie: QEMU with our plugin, which writes a file."""
import mmap
import pathlib
import struct
import subprocess
import time

import machine

SOURCE = pathlib.Path(__file__).resolve().with_suffix(".cpp")
LIBRARY = SOURCE.parents[2] / "build/bench/instruction_counter.so"
CORES, PLACES = 8, ("program", "kernel", "monitor")


def build():
    """Answers the plugin's file."""
    if not LIBRARY.is_file() or LIBRARY.stat().st_mtime < SOURCE.stat().st_mtime:
        LIBRARY.parent.mkdir(parents=True, exist_ok=True)
        version = 2 if machine.qemu_version() >= (9, 0) else 1  # of the interface: QEMU 8 knows no 2, QEMU 10 no 1
        subprocess.run(["g++", "-std=c++23", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden",
                        f"-DCOFFERDAM_PLUGIN_VERSION={version}", "-o", LIBRARY, SOURCE], check=True)
    return LIBRARY


def options(file):
    """Of QEMU's command line."""
    return ["-plugin", f"file={machine.option_value(build())},counts={machine.option_value(file)}"]


class Counts:
    """Of a machine that was started with options(file). Waits until it is there."""

    def __init__(self, file, seconds=60):
        size, end = struct.calcsize("=Q") * CORES * len(PLACES), time.monotonic() + seconds
        while not file.is_file() or file.stat().st_size < size:
            if time.monotonic() > end:
                raise machine.MachineError(f"QEMU has not made {file}: see why it doesn't take the plugin {LIBRARY}")
            time.sleep(0.1)
        with file.open("rb") as opened:
            self.memory = mmap.mmap(opened.fileno(), size, prot=mmap.PROT_READ)

    def now(self):
        """A dictionary for each core, of instructions since the machine was started."""
        numbers = struct.unpack(f"={CORES * len(PLACES)}Q", self.memory[:])
        return [dict(zip(PLACES, numbers[at:at + len(PLACES)])) for at in range(0, len(numbers), len(PLACES))]


def between(before, after):
    """Instructions of each core, all places together."""
    return [sum(end.values()) - sum(begin.values()) for begin, end in zip(before, after)]
