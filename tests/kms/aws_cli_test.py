"""The key service through AWS's own command, which brings its SDK and its own idea of the protocol."""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import running_service


class AwsCliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("aws"):
            raise unittest.SkipTest("AWS's command isn't installed (package awscli, where the distribution has it): ./x setup")
        cls.service = running_service.Service(aws=True).start()
        cls.addClassCleanup(cls.service.__exit__)
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="cofferdam-aws-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        # Nothing of the person who runs this: no configuration, no other models of services, no metadata service.
        cls.environment = {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **cls.service.environment,
                           "AWS_CONFIG_FILE": str(cls.folder / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(cls.folder / "none"),
                           "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "", "HOME": str(cls.folder),
                           "AWS_MAX_ATTEMPTS": "1"}
        cls.environment.pop("AWS_CA_BUNDLE", None)

    def run_aws(self, operation, *arguments):
        return subprocess.run(["aws", "--endpoint-url", f"https://localhost:{self.service.port}", "--ca-bundle", self.service.authority,
                               "--output", "json", "kms", operation, *arguments], capture_output=True, text=True, timeout=120, check=False,
                              env=self.environment, cwd=self.folder)

    def aws(self, operation, *arguments):
        done = self.run_aws(operation, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def refused(self, name, operation, *arguments):
        done = self.run_aws(operation, *arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"({name})", done.stderr)

    def test_a_key_from_its_creation_to_a_policy_that_ends_its_use(self):
        key = self.aws("create-key", "--description", "of the command")["KeyMetadata"]["KeyId"]
        self.assertEqual(self.aws("describe-key", "--key-id", key)["KeyMetadata"]["Description"], "of the command")
        self.assertIn(key, [entry["KeyId"] for entry in self.aws("list-keys")["Keys"]])
        (self.folder / "plain").write_bytes(b"\x00\xffthe weights' key")
        context = ("--encryption-context", "model=small")
        blob = self.aws("encrypt", "--key-id", key, "--plaintext", "fileb://plain", *context)["CiphertextBlob"]
        (self.folder / "blob").write_bytes(base64.b64decode(blob))
        opened = self.aws("decrypt", "--ciphertext-blob", "fileb://blob", *context)
        self.assertEqual(base64.b64decode(opened["Plaintext"]), b"\x00\xffthe weights' key")
        self.refused("InvalidCiphertextException", "decrypt", "--ciphertext-blob", "fileb://blob")
        made = self.aws("generate-data-key", "--key-id", key, "--key-spec", "AES_256")
        (self.folder / "blob").write_bytes(base64.b64decode(made["CiphertextBlob"]))
        self.assertEqual(self.aws("decrypt", "--ciphertext-blob", "fileb://blob")["Plaintext"], made["Plaintext"])

        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Resource": "*",
             "Action": ["kms:PutKeyPolicy", "kms:GetKeyPolicy", "kms:Encrypt"]}]}
        (self.folder / "policy.json").write_text(json.dumps(policy))
        self.aws("put-key-policy", "--key-id", key, "--policy-name", "default", "--policy", "file://policy.json")
        self.assertEqual(json.loads(self.aws("get-key-policy", "--key-id", key, "--policy-name", "default")["Policy"]), policy)
        self.refused("AccessDeniedException", "decrypt", "--ciphertext-blob", "fileb://blob")
        self.refused("NotFoundException", "describe-key", "--key-id", "alias/nothing")

    def test_another_authority_is_not_believed(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-keyout", "other.key", "-out", "other.pem"], check=True, capture_output=True, cwd=self.folder)
        done = subprocess.run(["aws", "--endpoint-url", f"https://localhost:{self.service.port}", "--ca-bundle", "other.pem", "kms", "list-keys"],
                              capture_output=True, text=True, timeout=120, check=False, env=self.environment, cwd=self.folder)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("SSL validation failed", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
