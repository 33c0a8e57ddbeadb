#!/usr/bin/env python3
"""Pinned sources (tools/x/lib/sources.bash): what lies unpacked is what is pinned now. Archives made here, and no network."""
import hashlib
import io
import pathlib
import subprocess
import tarfile
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Sources(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.downloads = self.folder / "build/downloads"
        self.downloads.mkdir(parents=True)
        self.library = self.folder / "build/third_party/water"
        (self.folder / "tools").symlink_to(ROOT / "tools")

    def bash(self, script):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", "source tools/x/lib/progress.bash; source tools/x/lib/sources.bash; " + script],
                              cwd=self.folder, capture_output=True, text=True, check=False)

    def pin(self, version, files):
        """Lays the archive of a version where a download would lie; the line that pins it."""
        archive = self.downloads / f"water_{version}.orig.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(f"water-{version}/{name}")
                member.size = len(text)
                member.mtime = 1_000_000_000
                tar.addfile(member, io.BytesIO(text.encode()))
        return f"water|{archive.name}|{hashlib.sha256(archive.read_bytes()).hexdigest()}|w/water|file:///nowhere"

    def ready(self, pin):
        result = self.bash(f"make_source_ready '{pin}'")
        self.assertEqual(result.returncode, 0, result.stderr)
        return {file.name: file.read_text() for file in self.library.iterdir()}

    def test_a_pin_that_changed_replaces_what_lies_there(self):
        first = self.pin("1.0.0", {"water.c": "leaks", "gone.c": "too"})
        self.assertEqual(self.ready(first), {"water.c": "leaks", "gone.c": "too"})
        self.assertEqual(self.ready(self.pin("1.0.1", {"water.c": "holds"})), {"water.c": "holds"})
        self.assertEqual(self.ready(first), {"water.c": "leaks", "gone.c": "too"})

    def test_what_is_compiled_from_the_version_before_is_older_than_every_file(self):
        before = time.time() - 1
        self.ready(self.pin("1.0.0", {"water.c": "leaks"}))
        self.assertGreater((self.library / "water.c").stat().st_mtime, before)

    def test_what_is_pinned_and_there_stays(self):
        pin = self.pin("1.0.0", {"water.c": "holds"})
        self.ready(pin)
        (self.library / "mark").write_text("")
        self.assertIn("mark", self.ready(pin))

    def test_an_archive_with_another_digest_is_not_unpacked(self):
        pin = self.pin("1.0.0", {"water.c": "holds"})
        self.ready(pin)
        self.pin("1.0.0", {"water.c": "leaks"})
        result = self.bash(f"make_source_ready '{pin}'")
        self.assertEqual(result.returncode, 0)  # what lies there is the pinned one
        other = pin.split("|")
        other[2] = "0" * 64
        result = self.bash(f"curl() {{ return 1; }}; python3() {{ :; }}; make_source_ready '{'|'.join(other)}'")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no address has", result.stderr)

    def test_the_one_header_follows_its_digest(self):
        header = self.folder / "build/third_party/cpp-httplib/httplib.h"
        for version, text in (("1.0.0", "leaks"), ("1.0.1", "holds")):
            (self.downloads / f"httplib-{version}.h").write_text(text)
            digest = hashlib.sha256(text.encode()).hexdigest()
            script = (self.folder / "sources.bash")
            script.write_text(f"HTTPLIB_VERSION={version} HTTPLIB_SHA256={digest}\nmake_httplib_ready\n")
            result = self.bash("source ./sources.bash")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(header.read_text(), text)

    def cmake(self, line):
        """What tools/cmake/pinned.cmake says of the scratch folder, with the project's own pins."""
        script = self.folder / "check.cmake"
        script.write_text(f"set(COFFERDAM_THIRD_PARTY {self.folder}/build/third_party)\ninclude({ROOT}/tools/cmake/pinned.cmake)\n{line}\n")
        done = subprocess.run(["cmake", "-P", script], capture_output=True, text=True, check=False)
        done.stderr = " ".join(done.stderr.split())  # cmake breaks lines where the scratch folder's path leaves it no room
        return done

    def test_cmake_takes_what_is_pinned_and_nothing_else(self):
        pinned = self.bash('printf "%s\\n" "${PINNED_SOURCES[@]}"').stdout.splitlines()
        self.assertEqual(len(pinned), 3)
        for name, _, digest, *_ in (line.split("|") for line in pinned):
            with self.subTest(name=name):
                source, stamp = self.folder / "build/third_party" / name / "a.c", self.folder / f"build/third_party/{name}.sha256"
                source.parent.mkdir(parents=True)
                source.write_text("")
                line = f"cofferdam_pinned({name} a.c)"
                self.assertIn("is not the pinned", self.cmake(line).stderr)  # of no known version
                stamp.write_text("0" * 64 + "\n")
                self.assertIn("is not the pinned", self.cmake(line).stderr)
                stamp.write_text(digest + "\n")
                self.assertEqual(self.cmake(line).returncode, 0)
                source.unlink()
                self.assertIn("is not the pinned", self.cmake(line).stderr)

    def test_cmake_takes_no_other_header_than_the_pinned_one(self):
        header = self.folder / "httplib.h"
        line = f"cofferdam_pinned_header({header} HTTPLIB_SHA256)"
        self.assertIn("is not the pinned", self.cmake(line).stderr)
        header.write_text("leaks")
        self.assertIn("is not the pinned", self.cmake(line).stderr)
        installed = ROOT / "build/third_party/cpp-httplib/httplib.h"
        if not installed.is_file():
            self.skipTest("there is no build/third_party/cpp-httplib; ./x setup fetches it")
        self.assertEqual(self.cmake(f"cofferdam_pinned_header({installed} HTTPLIB_SHA256)").returncode, 0)

    def test_no_folder_carries_a_version(self):
        result = self.bash('printf "%s\\n" "${PINNED_SOURCES[@]%%|*}" "$HTTPLIB_FOLDER"')
        self.assertEqual(result.stdout.split(), ["mbedtls", "libcbor", "dtc", "build/third_party/cpp-httplib"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
