#!/usr/bin/env python3
"""The words of ./x: help changes nothing, no word is ignored, and the demo goes on without Linux. Run in folders of the test's own, where
the programs that change a machine only note that they were called."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHANGE_MACHINES = ("apt-get", "apt-cache", "cmake", "ctest", "curl", "dpkg-query", "ninja", "npm", "sudo")
VERBS = sorted(file.stem for file in (ROOT / "tools/x").glob("*.bash"))


class Command(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name) / "clone"
        for name in ("build/host", "build/third_party"):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name / "kept").write_text("")
        shutil.copy(ROOT / "x", self.folder)
        self.called = pathlib.Path(scratch.name) / "called"
        self.programs = pathlib.Path(scratch.name) / "programs"
        self.programs.mkdir()
        for name in CHANGE_MACHINES:
            (self.programs / name).write_text(f"#!/bin/sh\necho {name} >>{self.called}\nexit 1\n")
            (self.programs / name).chmod(0o755)

    def x(self, *words):
        environment = os.environ | {"PATH": f"{self.programs}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(["./x", *words], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=60)

    def files(self):
        return sorted(str(path) for path in self.folder.rglob("*"))


class Words(Command):
    def setUp(self):
        super().setUp()
        (self.folder / "tools").symlink_to(ROOT / "tools")

    def test_help_of_every_verb_changes_nothing(self):
        before = self.files()
        for verb in VERBS:
            for words in ([verb, "--help"], [verb, "-h"], [verb, "surplus", "--help"]):
                if verb == "enclave-rootfs" and "surplus" in words:
                    continue  # its words are read one after the other
                with self.subTest(words=words):
                    result = self.x(*words)
                    self.assertEqual((result.returncode, result.stderr), (0, ""))
                    self.assertTrue(result.stdout.startswith("usage: "), result.stdout)
                    self.assertGreater(len(result.stdout.splitlines()), 1)
        self.assertEqual(self.files(), before)
        self.assertFalse(self.called.exists())

    def test_help_tells_a_verb_and_its_words(self):
        self.assertEqual(self.x("help", "build").stdout, self.x("build", "--help").stdout)
        self.assertIn("usage: ./x build [host|qemu-virt|all]: ", self.x("build", "--help").stdout)
        self.assertIn("\n    qemu-virt  ROM", self.x("build", "--help").stdout)
        self.assertNotIn("shellcheck", self.x("test", "--help").stdout)

    def test_a_word_that_has_no_place_is_refused(self):
        before = self.files()
        for line in ("build host qemu-virt", "test host a b", "bench host target", "bench host host", "clean all", "setup now", "setup linux now", "soak 1 2",
                     "report qemu-virt host", "model a.gguf b.gguf", "help build test", "demo enclaves", "demo --quiet linux"):
            with self.subTest(line=line):
                result = self.x(*line.split())
                self.assertEqual(result.returncode, 1)
                self.assertRegex(result.stderr, r"is a word too many|does not know")
                self.assertIn(f"mend: ./x {line.split()[0]} --help", result.stderr)
        self.assertEqual(self.files(), before)
        self.assertFalse(self.called.exists())

    def test_a_wrong_value_is_refused_before_anything_is_built(self):
        for line in ("build everything", "test hosts", "soak long", "demo --part rom", "demo --seconds 0", "demo --part"):
            with self.subTest(line=line):
                self.assertEqual(self.x(*line.split()).returncode, 1)
        self.assertFalse(self.called.exists())

    def test_words_that_have_a_place_are_taken(self):
        for line in ("setup", "build host", "test host Name", "bench --update target", "bench", "soak 5", "demo --part linux --seconds 9 --quiet"):
            with self.subTest(line=line):
                self.called.unlink(missing_ok=True)
                self.x(*line.split())
                self.assertTrue(self.called.exists())  # it begins to make the machine ready

    def test_a_root_needs_python_and_the_refusal_says_so(self):
        for name in ("bash", "dirname", "mkdir", "sed"):
            (self.programs / name).symlink_to(shutil.which(name))
        (self.programs / "dpkg-deb").symlink_to("apt-get")
        result = subprocess.run([self.programs / "bash", "x", "enclave-rootfs", "--package", "busybox-static", "-o", "rootfs.tar"], cwd=self.folder,
                                env={"PATH": str(self.programs)}, capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn("x: error: python3 is needed", result.stderr)

    def test_clean_keeps_what_was_fetched(self):
        self.assertEqual(self.x("clean").returncode, 0)
        self.assertEqual([path.name for path in (self.folder / "build").iterdir()], ["third_party"])


class Demo(Command):
    """The real verb, in whose folder everything is built at once, and Linux can't be had."""

    def setUp(self):
        super().setUp()
        library = self.folder / "tools/x/lib"
        library.mkdir(parents=True)
        shutil.copy(ROOT / "tools/x/demo.bash", library.parent)
        for name in ("progress", "inference_parts"):
            shutil.copy(ROOT / f"tools/x/lib/{name}.bash", library)
        (library / "ready.bash").write_text("make_ready() { :; }\n")
        (library / "trees.bash").write_text("build() { :; }\n")
        (library / "guest_packages.bash").write_text('make_guest_packages_ready() { fail "no kernel here" "get one"; }\n')
        (library / "guest_programs.bash").write_text('make_guest_programs_ready() { :; }\nmake_packages_ready() { fail "no numpy"; }\n')
        for name, text in (("qemu/assemble.py", ""), ("demo/demo.py", "import sys\nprint('demo.py', *sys.argv[1:])\n"),
                           ("model/make_model.py", "raise SystemExit('no model here')\n")):
            (self.folder / "tools" / name).parent.mkdir()
            (self.folder / "tools" / name).write_text(text)

    def test_it_goes_on_without_linux_and_says_why(self):
        result = self.x("demo", "--quiet")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("demo.py build/demo --quiet\n", result.stdout)
        self.assertIn("no kernel here", result.stderr)
        self.assertIn("there is no Linux parent: see above", result.stdout)
        self.assertIn("there is no inference enclave: see above", result.stdout)

    def test_its_first_part_asks_for_no_linux(self):
        result = self.x("demo", "--part", "enclaves")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("demo.py build/demo --part enclaves\n", result.stdout)


class Trees(unittest.TestCase):
    def test_every_preset_has_the_folder_that_the_verbs_take_it_for_and_none_is_the_language_models(self):
        presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
        default = next(preset["binaryDir"] for preset in presets if preset["name"] == "base")
        model = subprocess.run(["bash", "-c", ". tools/x/lib/inference_parts.bash; dirname $MODEL"], cwd=ROOT, capture_output=True, text=True, check=True)
        for preset in presets:
            if preset["name"] == "base":
                continue
            with self.subTest(preset=preset["name"]):
                tree = preset.get("binaryDir", default).replace("${presetName}", preset["name"]).removeprefix("${sourceDir}/")
                verbs = subprocess.run(["bash", "-c", f". tools/x/lib/trees.bash; tree_of {preset['name']}"], cwd=ROOT, capture_output=True,
                                       text=True, check=True)
                self.assertEqual(verbs.stdout, tree)
                self.assertNotEqual(tree, model.stdout.strip())


if __name__ == "__main__":
    unittest.main(verbosity=2)
