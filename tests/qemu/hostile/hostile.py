#!/usr/bin/env python3
"""Runs a hostile guest on QEMU from reset and holds what it prints against what must come of it.

  hostile.py parent|enclaves --images TREE --tools FOLDER --folder SCRATCH [--monitor IMAGE] [--seconds N]

parent    guests/bare/hostile_parent.cpp: every system register, foreign addresses, SMCs, calls from all cores at once
enclaves  guests/bare/warden.cpp: hostile_enclave.bin in each of its modes, beside an honest enclave that must not notice
--monitor with this image of the monitor in place of monitor.bin; what monitor-checked.bin counted is printed

By QEMU's instruction clock: the same run every time, whatever the load of this machine.
"""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/qemu"))
import assemble  # noqa: E402
import machine  # noqa: E402

SECONDS = 240
# How each mode ends: kSlotInfo's reason (1 it exited, 2 the parent stopped it, 3 its faults stopped it).
MODES = {"sweep": 3, "undefined": 2, "unmapped": 3, "calls": 2, "spin": 2, "console": 2, "smc": 1, "secret": 2, "registers": 2}
# What a partition can make the monitor print: its budget at once (32 lines), then one line in 250 ms.
MOST_LINES_OF_ONE = 64


# No count is 0 (tests/checked/after_trap.cpp).
CHECKED = re.compile(r"cofferdam: checked: [1-9]\d* traps, [1-9]\d* commits, [1-9]\d* moves, [1-9]\d* walks .* nothing amiss")


def image_of(folder, kernel, name, command_line):
    (folder / "ramdisk.bin").write_bytes(b"a ramdisk for an enclave that needs none\n")
    assemble.run(assemble.need(assemble.TOOLS / "cofferdam"), "eif", "build", "--flat-kernel", "--kernel",
                 assemble.need(assemble.IMAGES / kernel), "--cmdline", command_line, "--ramdisk",
                 folder / "ramdisk.bin", "--name", name, "--output", folder / f"{name}.eif")
    return (folder / f"{name}.eif").read_bytes()


def boot(case, folder, seconds):
    folder.mkdir(parents=True, exist_ok=True)
    assemble.shutil.rmtree(folder / "root", ignore_errors=True)
    assemble.make_identity(folder, seeded=True)
    parent = "hostile_parent.bin" if case == "parent" else "warden.bin"
    pieces = {"parent": assemble.need(assemble.IMAGES / parent).read_bytes()}
    if case == "enclaves":
        pieces["enclave.eif"] = image_of(folder, "enclave.bin", "honest", "the honest enclave")
        for mode in MODES:
            pieces[f"hostile-{mode}"] = image_of(folder, "hostile_enclave.bin", mode, f"mode={mode}")
    assemble.make_flash1(folder, pieces)
    machine.pad_to_flash(folder / "flash0.bin", folder / "flash0.padded")
    lines, how = machine.run(folder / "flash0.padded", folder / "flash1.bin", seconds, instruction_clock=True)
    return [text for console, text in lines if console == "main"], how


def breaches(case, lines, how):
    text = "\n".join(lines)
    if how != "off":
        yield f"the machine did not power off ({how})"
    if "PANIC" in text:
        yield "the monitor panicked"
    if case == "parent":
        yield from parent_breaches(text)
    else:
        yield from enclave_breaches(text)


def parent_breaches(text):
    for part in ("after the sweep", "after foreign addresses", "after secure calls", "after calls from all cores",
                 "after splitting"):
        if f"BEAT {part} ok" not in text:
            yield f"the monitor did not answer {part}"
    sweep = re.search(r"SWEEP reads (\d+) refused (\d+) writes (\d+) refused (\d+)", text)
    if not sweep or int(sweep[1]) != 1 << 15 or not 0 < int(sweep[2]) < int(sweep[1]):
        yield f"the sweep of the registers is not whole: {sweep and sweep[0]}"
    foreign = re.search(r"FOREIGN tried (\d+) refused (\d+)", text)
    if not foreign or int(foreign[1]) == 0 or foreign[1] != foreign[2]:
        yield f"an address that is not the parent's was reached: {foreign and foreign[0]}"
    if not re.search(r"CALLS from 4 cores at once", text):
        yield "not all cores called"
    for line in ("SLOTS in use 0", "ARENA refused calls 0 faults of the neighbour 0", "RESULT lived"):
        if line not in text:
            yield f"missing: {line}"


def enclave_breaches(text):
    for mode, reason in MODES.items():
        found = re.search(rf"HOSTILE hostile-{mode} state (\d+) reason (\d+) code \d+, words not zero (\d+), registers not zero (\d+), (.*)", text)
        if not found:
            yield f"{mode}: no report"
            continue
        if int(found[1]) != 0xFFFF or int(found[2]) != reason:
            yield f"{mode}: ended in state {found[1]} for reason {found[2]}, not {reason}"
        if int(found[3]) != 0:
            yield f"{mode}: {found[3]} words of its memory came back to the parent"
        if int(found[4]) != 0:
            yield f"{mode}: {found[4]} bytes of its cores' registers came back to the parent"
        if found[5].strip() != "honest enclave alive":
            yield f"{mode}: {found[5]}"
    between = re.split(r"HOSTILE hostile-", text)
    for part in between:
        count = part.count("cofferdam: refused: an enclave")
        if count > MOST_LINES_OF_ONE:
            yield f"one enclave made the monitor print {count} lines"
    if "RESULT failures 0" not in text:
        yield "the warden counted failures"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=("parent", "enclaves"))
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--monitor", default=assemble.MONITOR)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    arguments = parser.parse_args()
    assemble.MONITOR = arguments.monitor
    assemble.IMAGES = arguments.images / "bin"
    assemble.BOARD = arguments.images / "boards/qemu-virt/board.json"
    assemble.TOOLS = arguments.tools
    assemble.ROOT = pathlib.Path("/")
    try:
        lines, how = boot(arguments.case, arguments.folder.resolve(), arguments.seconds)
    except (assemble.AssemblyError, machine.MachineError) as error:
        sys.exit(f"hostile: {error}")
    found = list(breaches(arguments.case, lines, how))
    if "checked" in arguments.monitor:
        counted = [line for line in lines if CHECKED.match(line)]
        print("\n".join(counted) or "no count of checks")
        found += [] if counted else ["the monitor did not count its checks"]
    for line in found:
        print(f"hostile {arguments.case}: {line}")
    if found:
        print("\n".join(lines[-80:]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
