#!/usr/bin/env python3
"""Lays together what QEMU starts from: the two flashes and the boot payload, for a run, the demonstration, the tests or
the benchmarks.

  assemble.py demo FOLDER    the demonstration's parent and two enclave images
  assemble.py bench FOLDER   the benchmark's parent, and an identity from a fixed seed: the same bytes every time
  ... FOLDER MONITOR         with this image of the monitor, such as monitor-checked.bin, in place of monitor.bin

flash0: ROM and the device's identity. flash1: the signed firmware package. boot-payload.bin: what the parent starts
with; QEMU lays it into the parent's memory, and the monitor measures it there (machine.py).
Needs build/bin (./x build host) and build/qemu-virt/bin (./x build qemu-virt).
"""
import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import sys

import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("COFFERDAM_BIN") or ROOT / "build/bin")  # another tree's, when its tests run
IMAGES = ROOT / "build/qemu-virt/bin"
MONITOR = "monitor.bin"  # which of IMAGES
BOARD = ROOT / "build/qemu-virt/boards/qemu-virt/board.json"
SECURITY_VERSION = 1
PACKAGE_ROOM = 16 << 20  # what the ROM reads of flash1
ALIGNMENT = 4096


class AssemblyError(Exception):
    """A part is missing or a tool refused; the text names cause and mend."""


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AssemblyError(f"{' '.join(str(part) for part in command)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def need(path):
    if not path.is_file():
        raise AssemblyError(f"there is no {path.relative_to(ROOT)}; ./x build makes it")
    return path


def board_digest():
    """Of the description in canonical form, as boardgen writes it (docs/board-xml.md)."""
    return hashlib.sha384(need(BOARD).read_bytes()).hexdigest()


def make_identity(folder, seeded):
    """A manufacturer's root, a device and a signed package. Development only: whoever has the folder has the keys."""
    marks = ["--development"]
    if seeded:
        (folder / "seed").write_bytes(b"the benchmarks' seed, known to all")
        marks += ["--seed", folder / "seed"]
    run(need(TOOLS / "provision"), "root", "--output", folder / "root", *marks)
    run(TOOLS / "provision", "device", "--root", folder / "root", "--output", folder / "identity.bin",
        "--minimum-version", SECURITY_VERSION, "--device-id", "i-0c0ffe7da30000001", *marks)
    run(TOOLS / "provision", "sign", "--root", folder / "root", "--image", need(IMAGES / MONITOR),
        "--board-digest", board_digest(), "--version", SECURITY_VERSION, "--output", folder / "package.bin")
    run(TOOLS / "provision", "flash", "--rom", need(IMAGES / "rom.bin"), "--identity", folder / "identity.bin",
        "--output", folder / "flash0.bin")


def make_image(folder, name, command_line, kernel="enclave.bin"):
    """An EIF of a bare guest; the command line makes one image differ from another."""
    (folder / "ramdisk.bin").write_bytes(b"a ramdisk for an enclave that needs none\n")
    described = run(need(TOOLS / "cofferdam"), "eif", "build", "--flat-kernel", "--kernel", need(IMAGES / kernel),
                    "--cmdline", command_line, "--ramdisk", folder / "ramdisk.bin", "--name", name,
                    "--output", folder / f"{name}.eif")
    (folder / f"{name}.json").write_text(described, encoding="utf-8")
    return (folder / f"{name}.eif").read_bytes()


def payload(pieces):
    """The table of what the parent starts with (firmware/boot/payload.hpp), each piece on a page of its own."""
    header = struct.pack("<8sII", b"COFFPAY1", len(pieces), 0)
    entries, body = b"", b""
    start = -(-(len(header) + 40 * len(pieces)) // ALIGNMENT) * ALIGNMENT
    for name, content in pieces.items():
        entries += struct.pack("<24sQQ", name.encode(), start + len(body), len(content))
        body += content + bytes(-len(content) % ALIGNMENT)
    table = header + entries
    return table + bytes(start - len(table)) + body


def make_flash1(folder, pieces):
    """flash1, and the boot payload beside it."""
    package = folder / "package.bin"
    if package.stat().st_size > PACKAGE_ROOM:
        raise AssemblyError(f"the firmware package does not fit its {PACKAGE_ROOM >> 20} MiB")
    machine.pad_to_flash(package, folder / "flash1.bin")
    (folder / machine.BOOT_PAYLOAD).write_bytes(payload(pieces))


def make_reference_values(folder):
    run(TOOLS / "cofferdam", "reference-values", "--rom", IMAGES / "rom.bin", "--monitor", IMAGES / MONITOR,
        "--board-digest", board_digest(), "--version", SECURITY_VERSION,
        "--signer", folder / "root/firmware-signing-public.pem", "--output", folder / "reference-values.json")


# What each set's parent is, and which enclave images lie beside it: name -> (command line, guest).
HONEST = ("the first enclave", "enclave.bin")
SETS = {
    "demo": ("parent.bin", {"enclave": HONEST, "second": ("the second enclave", "enclave.bin")}),
    "bench": ("bench.bin", {"enclave": HONEST}),
}


def assemble(what, folder):
    folder = pathlib.Path(folder).resolve()
    shutil.rmtree(folder / "root", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    make_identity(folder, seeded=what == "bench")
    parent, images = SETS[what]
    pieces = {"parent": need(IMAGES / parent).read_bytes()}
    for name, (command_line, kernel) in images.items():
        pieces[f"{name}.eif"] = make_image(folder, name, command_line, kernel)
    make_reference_values(folder)
    make_flash1(folder, pieces)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in SETS:
        sys.exit(__doc__)
    MONITOR = sys.argv[3] if len(sys.argv) == 4 else MONITOR
    try:
        assemble(sys.argv[1], sys.argv[2])
    except (AssemblyError, machine.MachineError) as error:
        sys.exit(f"assemble: {error}")
