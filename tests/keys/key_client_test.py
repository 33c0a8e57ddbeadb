#!/usr/bin/python3
"""key-client, and so the enclave's client library, against a key service of another make.

  key_client_test.py --program FILE
"""
import argparse
import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_key_service import HOST, KEY_ARN, Service  # noqa: E402

PROGRAM = None


class Relay:
    """Carries connections to the service and counts them: what stands between enclave and network."""

    def __init__(self, port):
        self.target, self.connections, self.carried = port, 0, bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                inside, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            outside = socket.create_connection(("127.0.0.1", self.target))
            for one, other in ((inside, outside), (outside, inside)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while data := one.recv(65536):
                self.carried += data
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class KeyClient(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.service = self.enterContext(Service(self.folder))
        self.relay = Relay(self.service.port)
        self.addCleanup(self.relay.close)
        # The options of AWS's tool, and where this service differs from AWS's.
        self.words = ["--region", "test-1", "--proxy-port", str(self.relay.port), "--aws-access-key-id", "AKIDEXAMPLE",
                      "--aws-secret-access-key", "secret", "--aws-session-token", "token", "--kms-endpoint", HOST, "--ca", self.service.ca]

    def run_program(self, *words, expect=0, environment=None):
        done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False, cwd=self.folder,
                              env={"PATH": os.environ["PATH"], **(environment or {})})
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def new_data_key(self, context=None):
        plaintext, answer = self.service.operate("GenerateDataKey", {"KeySpec": "AES_256", "EncryptionContext": context or {}})
        return plaintext, answer["CiphertextBlob"]

    def test_decrypt_as_awss_tool(self):
        plaintext, blob = self.new_data_key()
        text = base64.b64encode(plaintext).decode()
        self.assertEqual(self.run_program("decrypt", *self.words, "--ciphertext", blob).stdout, f"PLAINTEXT: {text}\n")
        self.assertEqual(self.run_program(*self.words, "--ciphertext", blob).stdout, text)  # as it was before verbs
        self.assertEqual(self.run_program("decrypt", *self.words, "--ciphertext", blob, "--key-id", KEY_ARN,
                                          "--encryption-algorithm", "SYMMETRIC_DEFAULT").stdout, f"PLAINTEXT: {text}\n")
        self.assertEqual(self.service.calls[-1][1]["KeyId"], KEY_ARN)
        self.assertEqual(self.service.calls[-1][2]["host"], HOST)
        self.assertEqual(self.relay.connections, 3)
        self.assertNotIn(plaintext, self.relay.carried)

    def test_context_and_output_file(self):
        plaintext, blob = self.new_data_key({"artifact": "weights"})
        done = self.run_program("decrypt", *self.words, "-c", blob, "--encryption-context", "artifact=weights", "-o", "key")
        self.assertEqual((self.folder / "key").read_bytes(), plaintext)
        self.assertNotIn(base64.b64encode(plaintext).decode(), done.stdout + done.stderr)
        done = self.run_program("decrypt", *self.words, "-c", blob, "--encryption-context", "artifact=decoy", expect=1)
        self.assertIn("InvalidCiphertextException", done.stderr)
        self.assertIn("encryption context differs", done.stderr)

    def test_generate_data_key(self):
        for verb in ("generate-data-key", "genkey"):
            lines = self.run_program(verb, *self.words, "--key-id", KEY_ARN, "--key-spec", "AES_256").stdout.splitlines()
            self.assertEqual([line.split(": ")[0] for line in lines], ["CIPHERTEXT", "PLAINTEXT"])
            blob, plaintext = (base64.b64decode(line.split(": ")[1]) for line in lines)
            self.assertEqual(len(plaintext), 32)
            found, _ = self.service.operate("Decrypt", {"CiphertextBlob": base64.b64encode(blob).decode()})
            self.assertEqual(found, plaintext)
        made = json.loads(self.run_program("genkey", *self.words, "--key-id", KEY_ARN, "--key-spec", "AES_128", "--json").stdout)
        self.assertEqual((made["KeyId"], len(base64.b64decode(made["Plaintext"]))), (KEY_ARN, 16))

    def test_random(self):
        for verb, size in (("random", 1), ("genrandom", 1024)):
            line = self.run_program(verb, *self.words, "--length", str(size)).stdout
            self.assertEqual(len(base64.b64decode(line.removeprefix("PLAINTEXT: "))), size)
        self.run_program("random", *self.words, "--length", "1025", expect=2)

    def test_each_request_has_a_key_of_its_own(self):
        for _ in range(2):
            self.run_program("random", *self.words)
        documents = [call[1]["Recipient"]["AttestationDocument"] for call in self.service.calls]
        self.assertNotEqual(*documents)

    def test_document(self):
        document = base64.b64decode(self.run_program("document", "--nonce", "00ff77", "--user-data", "aGFsbG8=").stdout)
        self.assertIn(b"\x00\xff\x77", document)
        self.assertIn(b"hallo", document)
        self.run_program("document", "--nonce", "0", expect=2)

    def test_refusals_say_what_mends_them(self):
        _, blob = self.new_data_key()
        for misbehaviour, words in (("refuse", "policy"), ("ignore recipient", "in clear"), ("alter envelope", "does not open")):
            self.service.misbehave = misbehaviour
            done = self.run_program("decrypt", *self.words, "--ciphertext", blob, expect=1)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stdout, "")
        self.service.misbehave = "short key"
        # Said as a wrong padding is: which of them it was would answer questions about the plaintext.
        self.assertIn("does not open", self.run_program("genkey", *self.words, "--key-id", KEY_ARN, expect=1).stderr)

    def test_a_service_that_the_image_does_not_know_gets_nothing(self):
        _, blob = self.new_data_key()
        (self.folder / "elsewhere").mkdir()
        with Service(self.folder / "elsewhere") as other:
            self.run_program("decrypt", *self.words, "--ca", other.ca, "--ciphertext", blob, expect=2)  # given twice
            words = [other.ca if word == self.service.ca else word for word in self.words]
            done = self.run_program("decrypt", *words, "--ciphertext", blob, expect=1)
            self.assertIn("can't reach the key service " + HOST, done.stderr)
        words = ["kms.other.internal" if word == HOST else word for word in self.words]
        self.run_program("decrypt", *words, "--ciphertext", blob, expect=1)  # the certificate is for another name
        self.assertEqual(self.service.calls, [])

    def test_awss_own_service_by_configuration_alone(self):
        _, blob = self.new_data_key()
        at = self.words.index("--kms-endpoint")
        words = self.words[:at] + self.words[at + 2:]
        done = self.run_program("decrypt", *words, "--ciphertext", blob, expect=1)  # the relay leads to a server without that name
        self.assertIn("kms.test-1.amazonaws.com:443", done.stderr)

    def test_no_relay_and_no_credentials(self):
        _, blob = self.new_data_key()
        self.relay.close()
        port = socket.create_server(("127.0.0.1", 0))  # then closed: nobody listens there
        words = [str(port.getsockname()[1]) if word == str(self.relay.port) else word for word in self.words]
        port.close()
        self.assertIn("can't reach", self.run_program("decrypt", *words, "--ciphertext", blob, expect=1).stderr)
        self.assertIn("credentials", self.run_program("decrypt", "--ca", self.service.ca, "--ciphertext", blob, expect=2).stderr)
        self.assertIn("/etc/cofferdam", self.run_program("decrypt", "--ciphertext", blob, expect=2).stderr)
        self.run_program("random", *words, "--length", "0", expect=2)
        self.run_program("decrypt", *words, expect=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program.resolve()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")
