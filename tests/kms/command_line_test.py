"""What cofferdam-kms and provision answer to a wrong use, and what they refuse to begin with."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import running_service


def run(program, *arguments, **environment):
    return subprocess.run([running_service.BIN / program, *arguments], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, **environment})


class CommandLineTest(unittest.TestCase):
    def test_a_wrong_use_is_2_and_help_is_0(self):
        for program in ("cofferdam-kms", "provision"):
            for arguments in ((), ("nonsense",), ("--nonsense",)):
                self.assertEqual(run(program, *arguments).returncode, 2, (program, arguments))
            self.assertEqual(run(program, "--help").returncode, 0)
            self.assertIn("2 a wrong option", run(program, "--help").stdout)
        self.assertEqual(run("cofferdam-kms", "serve").returncode, 2)
        self.assertEqual(run("provision", "root").returncode, 2)

    def test_init_shows_its_pins_to_no_other_program(self):
        with tempfile.TemporaryDirectory() as folder:
            made = run("cofferdam-kms", "init", f"{folder}/kms", "--aws", PATH=folder)
            self.assertEqual(made.returncode, 0, made.stderr)

    def test_a_pin_that_others_may_read_is_refused(self):
        service = running_service.Service(aws=True)
        self.addCleanup(service.__exit__)
        (service.home / "pin").chmod(0o640)
        for arguments in (("serve", "--port", "0"), ("audit", "verify"), ("rewrap",)):
            refused = run("cofferdam-kms", *arguments, "--config", service.home / "kms.json")
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("chmod 600", refused.stderr)

    def test_what_serve_keeps_secret_others_may_not_read(self):
        service = running_service.Service(aws=True)
        self.addCleanup(service.__exit__)
        for name in ("server-key.pem", "principals.json"):
            (service.home / name).chmod(0o604)
            refused = run("cofferdam-kms", "serve", "--port", "0", "--config", service.home / "kms.json")
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn(f"chmod 600 {service.home / name}", refused.stderr)
            (service.home / name).chmod(0o600)


if __name__ == "__main__":
    unittest.main()
