#!/usr/bin/env python3
"""Tests what lays the Linux parent together (tools/guest, the boot payload of tools/qemu) without running a machine."""
import bz2
import contextlib
import gzip
import io
import lzma
import os
import pathlib
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/guest"), str(ROOT / "tools/qemu")]
import assemble  # noqa: E402
import cpio  # noqa: E402
import initramfs  # noqa: E402
import kernel_image  # noqa: E402
import machine  # noqa: E402
import run  # noqa: E402


def entries_of(archive):
    """An independent reading of newc: [(name, fields, content)], fields in the order of the format."""
    found, at = [], 0
    while True:
        assert archive[at:at + 6] == b"070701", at
        fields = [int(archive[at + 6 + 8 * n:at + 14 + 8 * n], 16) for n in range(13)]
        name_size, size = fields[11], fields[6]
        name = archive[at + 110:at + 110 + name_size - 1].decode()
        start = -(-(at + 110 + name_size) // 4) * 4
        content = archive[start:start + size]
        at = -(-(start + size) // 4) * 4
        if name == "TRAILER!!!":
            return found, archive[at:]
        found.append((name, fields, content))


class Archives(unittest.TestCase):
    def test_bytes_depend_on_content_alone(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "one").mkdir()
            (folder / "one/b").write_text("b")
            (folder / "one/a").write_text("a")
            (folder / "one/to").symlink_to("a")
            os.utime(folder / "one/a", (1, 1))
            first = cpio.Archive()
            first.tree(folder / "one")
            first.device("dev/console", "c", 5, 1)
            os.utime(folder / "one/a", (2, 2))
            second = cpio.Archive()
            second.device("dev/console", "c", 5, 1)
            second.tree(folder / "one")
            self.assertEqual(first.bytes(), second.bytes())

    def test_entries_are_sorted_and_belong_to_root_at_time_zero(self):
        archive = cpio.Archive()
        archive.file("z/deep/file", b"12345", 0o640)
        archive.link("a", "z")
        archive.device("n", "c", 1, 3, 0o666)
        entries, rest = entries_of(archive.bytes())
        self.assertEqual([name for name, _, _ in entries], ["a", "n", "z", "z/deep", "z/deep/file"])
        self.assertEqual(rest.strip(b"\0"), b"")
        by_name = {name: (fields, content) for name, fields, content in entries}
        self.assertEqual({fields[2:4] == [0, 0] and fields[5] == 0 for _, fields, _ in entries}, {True})
        self.assertEqual(by_name["z/deep/file"][1], b"12345")
        self.assertEqual(by_name["z/deep/file"][0][1], 0o100640)
        self.assertEqual(by_name["a"], (by_name["a"][0], b"z"))
        self.assertEqual(by_name["n"][0][9:11], [1, 3])
        self.assertEqual(len({fields[0] for _, fields, _ in entries}), len(entries))

    def test_paths_that_leave_the_root_or_clash_are_refused(self):
        archive = cpio.Archive()
        archive.file("bin", b"")
        for path in ("", "../x", "a//b", "a/./b", "bin/x"):
            with self.subTest(path), self.assertRaises(cpio.CpioError):
                archive.file(path, b"")
        with self.assertRaises(cpio.CpioError):
            archive.folder("bin")

    def test_a_folder_with_a_pipe_in_it_is_refused(self):
        with tempfile.TemporaryDirectory() as name:
            os.mkfifo(f"{name}/pipe")
            with self.assertRaises(cpio.CpioError):
                cpio.Archive().tree(name)


RAW = bytes(56) + b"ARM\x64" + bytes(range(64)) * 50


def zboot(name, payload, offset=64, size=None):
    head = b"MZ\0\0zimg" + struct.pack("<II", offset, len(payload) if size is None else size) + bytes(8)
    return (head + name.ljust(32, b"\0")).ljust(64, b"\0") + payload


class Kernels(unittest.TestCase):
    def test_every_package_gives_the_raw_image(self):
        for what, content in {"raw": RAW, "gzip": gzip.compress(RAW), "zboot gzip": zboot(b"gzip", gzip.compress(RAW)),
                              "zboot xz": zboot(b"xzkern", lzma.compress(RAW)),
                              "zboot in gzip": gzip.compress(zboot(b"gzip", gzip.compress(RAW)))}.items():
            with self.subTest(what):
                self.assertEqual(kernel_image.raw_image(content), RAW)

    def test_damage_is_refused(self):
        good = gzip.compress(RAW)
        for what, content in {"no kernel": b"x" * 100, "empty": b"", "cut gzip": good[:-20], "cut zboot": zboot(b"gzip", good)[:-1],
                              "payload outside": zboot(b"gzip", good, offset=1 << 31), "no payload": zboot(b"gzip", b""),
                              "unknown name": zboot(b"brotli", good), "not compressed": zboot(b"gzip", RAW),
                              "raw inside is no kernel": zboot(b"gzip", gzip.compress(b"y" * 100))}.items():
            with self.subTest(what), self.assertRaises(kernel_image.KernelError):
                kernel_image.raw_image(content)

    def test_a_flat_binary_passes_as_it_is(self):
        self.assertEqual(kernel_image.bootable(b"\x1f\x20\x03\xd5"), b"\x1f\x20\x03\xd5")
        branch = struct.pack("<I", 0x1400_005D)  # as an lzma file may begin
        self.assertEqual(kernel_image.bootable(branch), branch)

    def test_what_is_packed_is_unpacked_or_refused_but_never_entered(self):
        for what, content in {"gzip": gzip.compress(RAW), "xz": lzma.compress(RAW), "zboot": zboot(b"gzip", gzip.compress(RAW))}.items():
            with self.subTest(what):
                self.assertEqual(kernel_image.bootable(content), RAW)
        for mend, content in {"objcopy -O binary": b"\x7fELF\x02\x01\x01", "unlz4": b"\x02\x21\x4c\x18", "lz4": b"\x04\x22\x4d\x18",
                              "bunzip2": bz2.compress(RAW), "lzop": b"\x89LZO\0", "damaged": lzma.compress(RAW)[:-20],
                              "magic number": lzma.compress(b"no kernel")}.items():
            with self.subTest(mend), self.assertRaisesRegex(kernel_image.KernelError, mend):
                kernel_image.bootable(content)

    @unittest.skipUnless(shutil.which("zstd"), "there is no program zstd")
    def test_zstd_is_unpacked_by_the_program(self):
        packed = subprocess.run(["zstd", "-cq"], input=RAW, capture_output=True, check=True).stdout
        self.assertEqual(kernel_image.bootable(packed), RAW)
        with self.assertRaisesRegex(kernel_image.KernelError, "zstd refuses"):
            kernel_image.bootable(packed[:-20])


class Payloads(unittest.TestCase):
    def test_pieces_lie_on_pages_behind_the_table(self):
        pieces = {"kernel": b"k" * 5000, "initrd": b"i", "cmdline": b"console=ttyAMA0"}
        table = assemble.payload(pieces)
        magic, count, zero = struct.unpack_from("<8sII", table)
        self.assertEqual((magic, count, zero), (b"COFFPAY1", 3, 0))
        for index, (name, content) in enumerate(pieces.items()):
            raw_name, offset, size = struct.unpack_from("<24sQQ", table, 16 + 40 * index)
            self.assertEqual(raw_name.rstrip(b"\0").decode(), name)
            self.assertEqual(offset % 4096, 0)
            self.assertEqual(table[offset:offset + size], content)

    def test_the_loader_gets_the_payload_beside_flash1(self):
        with tempfile.TemporaryDirectory() as name:
            flash1 = pathlib.Path(name) / "flash1.bin"
            self.assertNotIn("addr=0x48000000", " ".join(machine.command("flash0.bin", flash1)))
            (pathlib.Path(name) / machine.BOOT_PAYLOAD).write_bytes(assemble.payload({"parent": b"p"}))
            self.assertIn(f"loader,file={name}/{machine.BOOT_PAYLOAD},addr=0x48000000,force-raw=on",
                          machine.command("flash0.bin", flash1))


class Emulation(unittest.TestCase):
    def threads_of_cores(self, cores, in_turn):
        """Those of a machine that is made, and stopped before its first instruction."""
        with tempfile.TemporaryDirectory() as name:
            flashes = [pathlib.Path(name) / f"flash{n}.bin" for n in (0, 1)]
            for flash in flashes:
                flash.touch()
                os.truncate(flash, 64 << 20)
            line = [*machine.command(*flashes, cores=cores, memory=64, devices=False, in_turn=in_turn), "-S", "-serial", "none",
                    "-name", "machine,debug-threads=on", "-qmp", f"unix:{name}/control,server=on,wait=off"]
            with subprocess.Popen(line, stdin=subprocess.DEVNULL) as emulator:
                try:
                    with socket.socket(socket.AF_UNIX) as control:
                        for _ in range(600):  # it listens and greets before it makes the cores, and answers when all is made
                            if control.connect_ex(f"{name}/control") == 0:
                                break
                            time.sleep(0.1)
                        control.settimeout(60)
                        control.sendall(b'{"execute": "qmp_capabilities"}')
                        answers = b""
                        while b'"return"' not in answers:
                            more = control.recv(4096)
                            self.assertTrue(more, answers)
                            answers += more
                    return sum((task / "comm").read_text().rstrip().endswith("/TCG") for task in pathlib.Path(f"/proc/{emulator.pid}/task").iterdir())
                finally:
                    emulator.kill()

    def test_cores_have_a_thread_each_or_one_in_turn(self):
        self.assertEqual(self.threads_of_cores(3, in_turn=False), 3)
        self.assertEqual(self.threads_of_cores(3, in_turn=True), 1)


class Runs(unittest.TestCase):
    def test_a_flat_binary_ends_before_the_boot_payload(self):
        with tempfile.NamedTemporaryFile() as file:
            arguments = run.parse(["--guest", file.name])
            for size, header in ((62 << 20, b""), ((62 << 20) + 1, RAW)):
                file.truncate(0)
                file.seek(0)
                file.write(header)
                file.truncate(size)
                self.assertEqual(len(run.pieces_of(arguments, [])["kernel"]), size)
            file.seek(0)
            file.write(bytes(len(RAW)))
            file.flush()
            with self.assertRaisesRegex(kernel_image.KernelError, "more than 65011712"):
                run.pieces_of(arguments, [])

    def refused(self, *words):
        with self.assertRaises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()) as said:
            run.parse(list(words))
        self.assertNotEqual(ended.exception.code, 0)
        return said.getvalue()

    def test_what_makes_no_sense_is_refused_with_a_reason(self):
        self.assertIn("1 to 8", self.refused("--cpus", "9"))
        self.assertIn("256 MiB", self.refused("--memory", "16"))
        self.assertIn("at most 8192 MiB", self.refused("--memory", "8193"))
        self.assertIn("COMMAND", self.refused("--"))
        self.assertIn("no such folder", self.refused("--add", "/nowhere/at/all"))
        self.assertIn("--guest", self.refused("--initrd", __file__))
        self.assertIn("--guest", self.refused("--guest", __file__, "--", "true"))

    def test_what_stands_behind_the_dashes_is_the_commands(self):
        arguments = run.parse(["--cpus", "2", "--", "sh", "-c", "exit 3", "--", "--bare"])
        self.assertEqual(arguments.command, ["sh", "-c", "exit 3", "--", "--bare"])
        self.assertFalse(arguments.bare)

    def test_words_survive_the_shell_inside(self):
        words = ["printf", "%s", "a b'c\"$(reboot)\n*"]
        self.assertEqual(shlex.split(initramfs.command_file(words, None)), words)

    def test_the_status_comes_from_the_last_block_or_not_at_all(self):
        with tempfile.TemporaryDirectory() as name:
            disks, report = run.make_disks(pathlib.Path(name), None)

            def write(disk, block):
                with disk.open("r+b") as file:
                    file.seek(-512, os.SEEK_END)
                    file.write(block.ljust(512, b"\0"))

            self.assertIsNone(run.reported_status(disks, report))
            write(disks[1], b"COFFEXIT 7\n")
            self.assertEqual(run.reported_status(disks, report), 7)
            for spoilt in (b"COFFEXIT 300\n", b"COFFEXIT 7\nmore", b"COFFEXIT -1\n", b"exit 7"):
                write(disks[1], spoilt)
                self.assertIsNone(run.reported_status(disks, report), spoilt)

    def test_a_disk_of_ones_own_is_never_read_for_the_status(self):
        with tempfile.TemporaryDirectory() as name:
            own = pathlib.Path(name) / "own.img"
            own.write_bytes(b"COFFEXIT 0\n".ljust(512, b"\0"))
            disks, report = run.make_disks(pathlib.Path(name), own)
            self.assertEqual(report, ["nvme0n1"])
            self.assertIsNone(run.reported_status(disks, report))

    def test_modules_come_after_what_they_depend_on(self):
        with tempfile.TemporaryDirectory() as name:
            for module, needs in {"net": "failover_one,base", "failover-one": "base", "base": ""}.items():
                pathlib.Path(name, f"{module}.ko.xz").write_bytes(lzma.compress(b"\0depends=" + needs.encode() + b"\0name=x\0"))
            modules = initramfs.Modules(pathlib.Path(name))
            self.assertEqual([module for module, _ in modules.in_order(["net", "base", "built_in"])], ["base", "failover_one", "net"])


if __name__ == "__main__":
    unittest.main()
