#!/usr/bin/python3
"""cofferdam artifact against an independent implementation of the format and a key service of another make.

  artifact_command_test.py --bin FOLDER
"""
import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import independent_artifact  # noqa: E402
from fake_key_service import KEY_ARN, Service  # noqa: E402

BIN = None
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}


class Artifact(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = pathlib.Path(self.scratch.name)
        (self.folder / "key").write_bytes(os.urandom(32))
        (self.folder / "blob").write_bytes(b"what stands for the key")
        self.plaintext = os.urandom(300_001)
        (self.folder / "plain").write_bytes(self.plaintext)

    def run_command(self, *words, expect=0, environment=None, **options):
        done = subprocess.run([BIN / "cofferdam", "artifact", *words], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              check=False, env={"PATH": os.environ["PATH"], **(environment or {})}, **options)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def offline(self, *words, **options):
        return self.run_command(*words, "--data-key-file", "key", **options)

    def encrypt(self, name="artifact", *words):
        self.offline("encrypt", "plain", name, "--context", "artifact=weights", "--context", "version=3", "--key-id", KEY_ARN,
                     "--encrypted-data-key-file", "blob", *words)
        return (self.folder / name).read_bytes()

    def test_an_independent_reader_reads_ours(self):
        for length in ("4096", "65536", "300001", "100000", "1048576"):
            message = self.encrypt("artifact", "--frame-length", length)
            plaintext, context, keys = independent_artifact.decrypt(message, lambda *_: (self.folder / "key").read_bytes())
            self.assertEqual(plaintext, self.plaintext)
            self.assertEqual(context, {"artifact": "weights", "version": "3"})
            self.assertEqual(keys, [("aws-kms", KEY_ARN, b"what stands for the key")])

    def test_ours_reads_an_independent_writer(self):
        key = (self.folder / "key").read_bytes()
        for size in (0, 1, 4095, 4096, 8192, 100_000):
            for empty_final in (False, True):
                (self.folder / "theirs").write_bytes(independent_artifact.encrypt(
                    self.plaintext[:size], key, [("other", "x", b"1"), ("aws-kms", KEY_ARN, b"2")], {"artifact": "weights", "ä": "ö"},
                    4096, empty_final))
                self.offline("decrypt", "theirs", "out", "--context", "artifact=weights")
                self.assertEqual((self.folder / "out").read_bytes(), self.plaintext[:size])

    def test_a_refusal_says_why_and_leaves_what_was_there(self):
        message = bytearray(self.encrypt())
        (self.folder / "out").write_bytes(b"old")
        for at, word in ((len(message) - 1, "altered"), (len(message) // 2, "altered"), (60, "")):
            altered = bytearray(message)
            altered[at] ^= 1
            (self.folder / "altered").write_bytes(altered)
            self.assertIn(word, self.offline("decrypt", "altered", "out", "--context", "version=3", expect=1).stderr)
        (self.folder / "altered").write_bytes(message[:-40])
        self.assertIn("cut short", self.offline("decrypt", "altered", "out", "--context", "version=3", expect=1).stderr)
        self.assertIn("another artifact", self.offline("decrypt", "artifact", "out", "--context", "artifact=decoy", expect=1).stderr)
        self.assertEqual((self.folder / "out").read_bytes(), b"old")
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"key", "blob", "plain", "artifact", "altered", "out"})

    def test_decrypted_files_are_the_owners_alone(self):
        self.encrypt()
        self.offline("decrypt", "artifact", "out", "--context", "version=3")
        self.assertEqual((self.folder / "out").stat().st_mode & 0o777, 0o600)

    def test_wrong_usage_changes_nothing(self):
        self.encrypt()
        before = (self.folder / "artifact").read_bytes()
        self.offline("decrypt", "artifact", "artifact", "--context", "version=3", expect=2)
        self.offline("decrypt", "artifact", "out", expect=2)  # without a context
        self.offline("encrypt", "plain", "artifact", "--context", "no equals sign", expect=2)
        self.run_command("encrypt", "plain", "artifact", "--context", "a=b", expect=2)  # no key
        self.assertEqual((self.folder / "artifact").read_bytes(), before)

    def test_standard_input(self):
        self.encrypt()
        with open(self.folder / "artifact", "rb") as stream:
            self.offline("decrypt", "-", "out", "--context", "version=3", stdin=stream)
        self.assertEqual((self.folder / "out").read_bytes(), self.plaintext)

    def test_what_a_file_says_does_nothing_to_the_terminal(self):
        hostile = "\x1b]0;title\x07\x1b[2J\u202e\u009b2J\nrefused: nothing"
        (self.folder / "theirs").write_bytes(independent_artifact.encrypt(
            self.plaintext[:9], (self.folder / "key").read_bytes(), [("aws-kms", hostile, b"2")], {"artifact": hostile}, 4096, False))
        for said in (self.offline("decrypt", "theirs", "out", "--context", "artifact=weights", expect=1).stderr,
                     self.run_command("describe", "theirs").stdout):
            self.assertIn("\\x1b]0;title\\x07\\x1b[2J\\u{202e}\\u{9b}2J\\nrefused", said)
            self.assertFalse([letter for letter in said if letter in "\x1b\x07\u202e\u009b"], said)

    def test_describe(self):
        self.encrypt()
        described = json.loads(self.run_command("describe", "artifact", "--json").stdout)
        self.assertEqual(described["Context"], {"artifact": "weights", "version": "3"})
        self.assertEqual(described["EncryptedDataKeys"][0]["Information"], KEY_ARN)
        self.assertIn("version = 3", self.run_command("describe", "artifact").stdout)

    def test_data_keys_of_a_key_service(self):
        (self.folder / "service").mkdir()
        with Service(self.folder / "service") as service:
            words = ("--kms-endpoint", f"localhost:{service.port}", "--ca", service.ca, "--region", "test-1")
            self.run_command("encrypt", "plain", "artifact", "--context", "artifact=weights", "--key-id", "alias/weights", *words,
                             environment=CREDENTIALS)
            operation, request, headers = service.calls[-1]
            self.assertEqual((operation, request["KeyId"], request["EncryptionContext"]),
                             ("GenerateDataKey", "alias/weights", {"artifact": "weights"}))
            self.assertNotIn("Recipient", request)
            self.assertIn("/test-1/kms/aws4_request", headers["authorization"])
            self.assertEqual(headers["x-amz-security-token"], "token")
            message = (self.folder / "artifact").read_bytes()

            def data_key_of(keys, context):
                plaintext, _ = service.operate("Decrypt", {"CiphertextBlob": base64.b64encode(keys[0][2]).decode(),
                                                           "EncryptionContext": context})
                return plaintext
            self.assertEqual(independent_artifact.decrypt(message, data_key_of)[0], self.plaintext)
            self.run_command("decrypt", "artifact", "out", "--context", "artifact=weights", *words, environment=CREDENTIALS)
            self.assertEqual((self.folder / "out").read_bytes(), self.plaintext)
            self.assertEqual(service.calls[-1][1]["KeyId"], KEY_ARN)

            service.misbehave = "refuse"
            done = self.run_command("decrypt", "artifact", "out", "--context", "artifact=weights", *words, environment=CREDENTIALS, expect=1)
            self.assertIn("AccessDeniedException", done.stderr)
            self.assertIn("policy", done.stderr)
            service.misbehave = "short key"
            done = self.run_command("encrypt", "plain", "other", "--context", "a=b", "--key-id", "k", *words, environment=CREDENTIALS, expect=2)
            self.assertIn("32 bytes", done.stderr)
            # An authority that is not the service's: nothing is asked.
            calls = len(service.calls)
            (self.folder / "elsewhere").mkdir()
            with Service(self.folder / "elsewhere") as other:
                self.run_command("decrypt", "artifact", "out", "--context", "artifact=weights", "--kms-endpoint", f"localhost:{service.port}",
                                 "--ca", other.ca, environment=CREDENTIALS, expect=2)
            self.assertEqual(len(service.calls), calls)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args()
    BIN = arguments.bin.resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
