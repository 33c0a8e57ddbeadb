#!/usr/bin/env python3
"""Tests how packages become an enclave's root (tools/guest/enclave_rootfs.py), with packages made here, and without a network."""
import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/guest"))
import enclave_rootfs  # noqa: E402

CONTROL = "Package: {name}\nVersion: {version}\nArchitecture: arm64\nMaintainer: nobody <nobody@example>\nDescription: for a test\n"


@unittest.skipUnless(shutil.which("dpkg-deb"), "there is no dpkg-deb")
class Packages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        (self.folder / "archives").mkdir()
        self.wanted = []

    def package(self, name, version, files, links=()):
        tree = self.folder / "build" / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN").chmod(0o755)
        (tree / "DEBIAN/control").write_text(CONTROL.format(name=name, version=version), encoding="utf-8")
        for path, (content, mode) in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(content, encoding="utf-8")
            (tree / path).chmod(mode)
        for path, target in links:
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            if target.startswith("="):
                os.link(tree / target[1:], tree / path)
            else:
                (tree / path).symlink_to(target)
        file = self.folder / "archives" / f"{name}_{version.replace(':', '%3a')}_arm64.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(file)], check=True, capture_output=True)
        self.wanted.append(f"{name} {version} arm64")

    def make(self, *options, output="root.tar"):
        (self.folder / "wanted").write_text("".join(f"{line}\n" for line in sorted(self.wanted)), encoding="utf-8")
        goal = self.folder / output
        words = ["enclave_rootfs", "--suite", "here", "--wanted", str(self.folder / "wanted"), "--archives", str(self.folder / "archives"),
                 "--output", str(goal), *map(str, options)]
        before, sys.argv = sys.argv, words
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                enclave_rootfs.main()
        finally:
            sys.argv = before
        return goal

    def members(self, file):
        with tarfile.open(file) as archive:
            return {member.name.removeprefix("./"): (member, archive.extractfile(member).read() if member.isreg() else None) for member in archive}

    def some(self):
        self.package("tool", "1:2.0-1", {"bin/tool": ("tool", 0o4755), "lib/aarch64-linux-gnu/libtool.so.1": ("library", 0o644),
                                         "usr/share/doc/tool/copyright": ("free", 0o644), "usr/share/doc/tool/manual": ("long", 0o644),
                                         "usr/share/man/man1/tool.1": ("manual", 0o644)},
                     [("lib/aarch64-linux-gnu/libtool.so", "libtool.so.1"), ("usr/bin/twin", "=bin/tool")])
        self.package("box", "1", {"bin/busybox": ("box", 0o755)}, [("usr/bin/awk", "mawk")])

    def test_files_lie_on_a_merged_usr(self):
        self.some()
        found = self.members(self.make())
        for name in ("bin", "lib", "sbin"):
            self.assertEqual(found[name][0].linkname, f"usr/{name}")
        self.assertEqual(found["usr/lib/aarch64-linux-gnu/libtool.so.1"][1], b"library")
        self.assertEqual(found["usr/lib/aarch64-linux-gnu/libtool.so"][0].linkname, "libtool.so.1")
        names = {"usr/bin/tool", "usr/bin/twin"}
        linked = [name for name in names if found[name][0].islnk()]
        self.assertEqual(len(linked), 1)
        self.assertEqual({found[linked[0]][0].linkname.removeprefix("./")}, names - set(linked))
        self.assertEqual({found[name][0].mode for name in names}, {0o4755})
        self.assertFalse([name for name in found if name.startswith(("bin/", "lib/"))])

    def test_documents_go_and_licences_stay(self):
        self.some()
        found = self.members(self.make())
        self.assertIn("usr/share/doc/tool/copyright", found)
        self.assertNotIn("usr/share/doc/tool/manual", found)
        self.assertNotIn("usr/share/man/man1/tool.1", found)
        self.assertIn("usr/share/man/man1/tool.1", self.members(self.make("--keep-documents")))

    def test_what_maintainer_scripts_would_have_left(self):
        self.some()
        self.package("authorities", "1", {"usr/share/ca-certificates/x/b.crt": ("B", 0o644), "usr/share/ca-certificates/x/a.crt": ("A\n", 0o644)})
        found = self.members(self.make())
        self.assertEqual(found["etc/ssl/certs/ca-certificates.crt"][1], b"A\nB\n")
        self.assertEqual(found["usr/bin/ls"][0].linkname, "busybox")
        self.assertEqual(found["usr/bin/awk"][0].linkname, "mawk", "a package's command goes before busybox's")
        self.assertIn(b"root:x:0:0:", found["etc/passwd"][1])
        self.assertEqual(found["tmp"][0].mode, 0o1777)

    def test_the_bytes_depend_on_packages_and_folders_alone(self):
        self.some()
        for name, mode, time in (("one", 0o755, 1), ("two", 0o700, 2_000_000_000)):
            (self.folder / name / "app").mkdir(parents=True)
            (self.folder / name / "app/run").write_text("run", encoding="utf-8")
            (self.folder / name / "app/run").chmod(mode)
            (self.folder / name / "app").chmod(mode)
            os.utime(self.folder / name / "app/run", (time, time))
        first, second = self.make("--add", self.folder / "one"), self.make("--add", self.folder / "two", output="second.tar")
        self.assertEqual(first.read_bytes(), second.read_bytes())
        for member, _ in self.members(first).values():
            self.assertEqual((member.mtime, member.uname, member.gname), (0, "", ""))
        self.assertEqual(self.members(first)["app/run"][0].mode, 0o755)

    def test_a_folder_lies_over_the_packages(self):
        self.some()
        (self.folder / "over/bin").mkdir(parents=True)
        (self.folder / "over/bin/tool").write_text("mine", encoding="utf-8")
        found = self.members(self.make("--add", self.folder / "over"))
        self.assertEqual(found["usr/bin/tool"][1], b"mine")
        self.assertEqual(found["bin"][0].linkname, "usr/bin")
        self.assertEqual(found["usr/bin/twin"][1], b"tool", "the other name of the file that went keeps its content")

    def test_the_list_names_what_is_in_and_what_is_out(self):
        self.some()
        goal = self.make("--without", "box", "--asked", "tool")
        listed = json.loads(goal.with_name("root.tar.json").read_text(encoding="utf-8"))
        self.assertEqual([(package["name"], package["version"]) for package in listed["packages"]], [("tool", "1:2.0-1")])
        self.assertEqual(listed["without"], ["box"])
        self.assertEqual(len(listed["packages"][0]["sha256"]), 64)
        self.assertNotIn("usr/bin/busybox", self.members(goal))

    def test_mistakes_are_named_and_leave_no_archive(self):
        self.some()
        with self.assertRaisesRegex(enclave_rootfs.RootfsError, "not among"):
            self.make("--without", "nothing")
        with self.assertRaisesRegex(enclave_rootfs.RootfsError, "no such folder"):
            self.make("--add", self.folder / "absent")
        self.wanted.append("absent 1 arm64")
        with self.assertRaisesRegex(enclave_rootfs.RootfsError, "absent_1_arm64.deb"):
            self.make()
        self.assertFalse((self.folder / "root.tar").exists())


if __name__ == "__main__":
    unittest.main()
