#!/usr/bin/env python3
"""What one program needs of a root: roots made up here, with ELF files of a few bytes, the odd ones and the hostile."""
import io
import pathlib
import struct
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/guest"))
import program_closure  # noqa: E402
from program_closure import ClosureError  # noqa: E402

LIB = "usr/lib/aarch64-linux-gnu"
LOADER = "/lib/ld-linux-aarch64.so.1"


def elf(needed=(), interpreter=None, search=None, tag=program_closure.DT_RUNPATH):
    """A 64-bit little-endian ELF file that is loaded at another address than its place in the file."""
    base, header, entry = 0x10000, 64, 56
    strings, dynamic = b"\0", []
    for name in needed:
        dynamic.append((program_closure.DT_NEEDED, len(strings)))
        strings += name.encode() + b"\0"
    if search is not None:
        dynamic.append((tag, len(strings)))
        strings += search.encode() + b"\0"
    at = header + 3 * entry
    text = (interpreter or "").encode() + b"\0"
    table = at + len(text)
    tags = table + len(strings)
    dynamic += [(program_closure.DT_STRTAB, base + table), (program_closure.DT_NULL, 0), (program_closure.DT_NEEDED, 0)]  # nothing counts after the end
    size = tags + 16 * len(dynamic)
    segments = [(program_closure.PT_LOAD, 0, base, size), (program_closure.PT_DYNAMIC, tags, base + tags, 16 * len(dynamic))]
    if interpreter:
        segments.append((program_closure.PT_INTERP, at, base + at, len(text)))
    content = b"\x7fELF\x02\x01".ljust(32, b"\0") + struct.pack("<Q", header) + b"\0" * 14 + struct.pack("<HH", entry, len(segments)) + b"\0" * 6
    for kind, where, address, length in segments:
        content += struct.pack("<IIQQQQQQ", kind, 4, where, address, address, length, length, 1)
    return content.ljust(at, b"\0") + text + strings + b"".join(struct.pack("<QQ", *each) for each in dynamic)


class Link(str):
    """The target of a symbolic link."""


class Hard(str):
    """The other name of a hard link."""


class ClosureTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def root(self, files, prefix="./"):
        target = self.path / "root.tar"
        with tarfile.open(target, "w") as out:
            folders = {str(parent) for name in files for parent in pathlib.PurePosixPath(name).parents if str(parent) != "."}
            for folder in sorted(folders - set(files)):
                member = tarfile.TarInfo(prefix + folder)
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                out.addfile(member)
            for name, content in files.items():
                member = tarfile.TarInfo(prefix + name)
                if isinstance(content, (Link, Hard)):
                    member.type, member.linkname = (tarfile.SYMTYPE, str(content)) if isinstance(content, Link) else (tarfile.LNKTYPE, prefix + content)
                    out.addfile(member)
                    continue
                member.size, member.mode = len(content), 0o755
                out.addfile(member, io.BytesIO(content))
        return target

    def kept(self, files, programs=("/usr/bin/program",), patterns=()):
        archive = program_closure.Archive(self.root(files))
        self.addCleanup(archive.file.close)
        return program_closure.closure(archive, programs, patterns)

    def files_kept(self, files, *arguments):
        return {path for path in self.kept(files, *arguments) if path in files}

    def fault(self, files, *arguments):
        with self.assertRaises(ClosureError) as caught:
            self.kept(files, *arguments)
        return str(caught.exception)

    def test_what_is_needed_and_no_more(self):
        files = {"usr/bin/program": elf(["liba.so.1"], LOADER), "usr/bin/other": elf(["libc.so.6"]), f"{LIB}/liba.so.1": Link("liba.so.1.2"),
                 f"{LIB}/liba.so.1.2": elf(["libb.so"]), f"{LIB}/libb.so": elf(), f"{LIB}/libc.so.6": elf(), "lib": Link("usr/lib"),
                 "usr/lib/ld-linux-aarch64.so.1": Link("aarch64-linux-gnu/ld.so"), f"{LIB}/ld.so": elf(), "etc/shadow": b"x"}
        self.assertEqual(self.files_kept(files), set(files) - {"usr/bin/other", f"{LIB}/libc.so.6", "etc/shadow"})
        self.assertIn("usr/lib", self.kept(files))

    def test_a_library_that_is_missing_is_named_with_who_needs_it(self):
        self.assertEqual(self.fault({"usr/bin/program": elf(["libgone.so.3"])}), "the root has no /libgone.so.3, which /usr/bin/program needs")
        self.assertIn("/lib/ld-linux-aarch64.so.1, which /usr/bin/program needs", self.fault({"usr/bin/program": elf([], LOADER)}))
        self.assertEqual(self.fault({"usr/bin/other": elf()}), "the root has no /usr/bin/program")
        self.assertIn("which /usr/lib/liba.so needs", self.fault({"usr/bin/program": elf(["liba.so"]), "usr/lib/liba.so": elf(["libgone.so"])}))
        self.assertEqual(self.fault({"usr/bin/program": elf()}, ["usr/bin/program"], ["usr/lib/none*"]), "nothing in the root matches usr/lib/none*")
        self.assertIn("/usr/lib/liba.so", self.fault({"usr/bin/program": elf(["liba.so"]), "usr/lib/liba.so": Link("gone.so")}) + " /usr/lib/liba.so")

    def test_libraries_that_need_each_other(self):
        files = {"usr/bin/program": elf(["liba.so"]), "usr/lib/liba.so": elf(["libb.so", "liba.so"]), "usr/lib/libb.so": elf(["liba.so"])}
        self.assertEqual(self.files_kept(files), set(files))

    def test_links_that_lead_in_a_circle(self):
        self.assertIn("too many links", self.fault({"usr/bin/program": Link("again"), "usr/bin/again": Link("program")}))
        self.assertIn("too many links", self.fault({"usr/bin/program": Link("program/program")}))

    def test_links_of_every_kind(self):
        files = {"usr/bin/program": Link("/etc/alternatives/program"), "etc/alternatives/program": Link("../../opt/./real/program"), "opt/real": Link("version-2"),
                 "opt/version-2/program": elf()}
        self.assertEqual(self.files_kept(files), set(files))
        # As a kernel takes it, '/..' is '/': nothing leads out of the archive.
        files = {"usr/bin/program": Link("../../../../../etc/passwd"), "etc/passwd": b"x"}
        self.assertEqual(self.files_kept(files), set(files))

    def test_places_of_libraries(self):
        for tag in (program_closure.DT_RPATH, program_closure.DT_RUNPATH):
            files = {"opt/bin/program": elf(["libown.so"], search="/nowhere:$ORIGIN/../private", tag=tag), "opt/private/libown.so": elf(), "usr/lib/libown.so": elf()}
            self.assertEqual(self.files_kept(files, ["/opt/bin/program"]), {"opt/bin/program", "opt/private/libown.so"})

    def test_a_script_brings_its_interpreter(self):
        files = {"usr/bin/program": b"#! /usr/bin/env sh\necho\n", "usr/bin/env": elf(["liba.so"]), "usr/lib/liba.so": elf(), "usr/bin/sh": elf(), "usr/bin/echo": elf()}
        self.assertEqual(self.files_kept(files), {"usr/bin/program", "usr/bin/env", "usr/lib/liba.so"})
        files = {"usr/bin/program": b"#!/usr/bin/first\n", "usr/bin/first": b"#!/usr/bin/second -x\n", "usr/bin/second": elf()}
        self.assertEqual(self.files_kept(files), set(files))
        self.assertEqual(self.fault({"usr/bin/program": b"#!/bin/gone -e\n"}), "the root has no /bin/gone, which /usr/bin/program needs")
        self.assertEqual(self.files_kept({"usr/bin/program": b"#!\n"}), {"usr/bin/program"})
        self.assertEqual(self.files_kept({"usr/bin/program": b"#!/usr/bin/program\n"}), {"usr/bin/program"})

    def test_a_program_that_is_another_name_of_a_file(self):
        files = {"usr/bin/first": elf(["liba.so"]), "usr/bin/program": Hard("usr/bin/first"), "usr/lib/liba.so": elf()}
        self.assertEqual(self.files_kept(files), {"usr/bin/program", "usr/lib/liba.so"})

    def test_files_beside_it(self):
        files = {"usr/bin/program": elf(), "usr/lib/plugins/one.so": elf(["liba.so"]), "usr/lib/plugins/two.txt": b"x", "usr/lib/liba.so": elf(), "usr/lib/plugins/deep/x.so": elf()}
        self.assertEqual(self.files_kept(files, ["usr/bin/program"], ["/usr/lib/plugins/*.so"]), set(files) - {"usr/lib/plugins/two.txt"})

    def test_a_file_that_breaks_off_is_named(self):
        whole = elf(["liba.so"], LOADER, "/x")
        files = {"usr/lib/liba.so": elf(), LOADER[1:]: elf()}
        for length in range(6, len(whole)):
            try:
                self.kept({**files, "usr/bin/program": whole[:length]})
            except ClosureError as problem:
                self.assertIn("/usr/bin/program", str(problem))
        wild = bytearray(whole)
        wild[32:40] = b"\xff" * 8
        self.assertIn("/usr/bin/program", self.fault({**files, "usr/bin/program": bytes(wild)}))

    def test_what_is_written(self):
        files = {"usr/bin/program": elf(["liba.so"]), "usr/share/first": elf(), "usr/lib/liba.so": Hard("usr/share/first"), "etc/passwd": b"root", "etc/shadow": b"x",
                 "var/lib": Link("/usr/lib")}
        target = self.path / "small.tar"
        source = self.root(files)
        written, size = program_closure.write(source, target, ["/usr/bin/program"], added=["etc/passwd", "/var/lib", "not/there"])
        self.assertEqual(written, target)
        with tarfile.open(target) as archive:
            names = archive.getnames()
            self.assertEqual(names, sorted(names))
            self.assertEqual(set(names), {"usr", "usr/bin", "usr/bin/program", "usr/lib", "usr/lib/liba.so", "etc/passwd", "var/lib"})
            self.assertEqual(archive.extractfile("usr/lib/liba.so").read(), elf())
            self.assertTrue(archive.getmember("usr/lib/liba.so").isreg(), "its other name was left out")
        self.assertEqual(size, len(files["usr/bin/program"]) + len(elf()) + 4)
        again = self.path / "again.tar"
        program_closure.write(source, again, ["/usr/bin/program"], added=["var/lib", "etc/passwd"])
        self.assertEqual(target.read_bytes(), again.read_bytes())


if __name__ == "__main__":
    unittest.main()
