#!/usr/bin/env python3
"""What an inference enclave would refuse at its start is refused when its image is made, with the enclave's own words."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/guest"))
import enclave_image  # noqa: E402
import inference_image  # noqa: E402

AUTHORITY = "-----BEGIN CERTIFICATE-----\n"


def owner(name):
    return {"host": "kms.test", "region": "us-east-1", "ca_file": f"/etc/cofferdam/{name}-ca.pem", "key_arn": f"arn:aws:kms:us-east-1:1:key/{name}",
            "context": {"artifact": name}, "vsock_port": 8001}


def service():
    return {"model": "small", "most_bytes": 1024, "threads": 1, "context_tokens": 256, "parallel": 1, "listen_port": 443, "parent": "vsock:parent:9100",
            "owners": {"weights": owner("weights"), "prompts": owner("prompts")}}


class ServiceFile(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="inference-image-test-")
        self.addCleanup(scratch.cleanup)
        self.added = pathlib.Path(scratch.name) / "added"
        (self.added / "etc/cofferdam").mkdir(parents=True)
        for name in ("weights", "prompts"):
            (self.added / f"etc/cofferdam/{name}-ca.pem").write_text(AUTHORITY, encoding="utf-8")

    def fault(self, changed):
        """Before anything else is asked for, so that this test needs no guest's packages."""
        with self.assertRaises(enclave_image.ImageError) as refused:
            inference_image.make(self.added / "x.eif", changed, [self.added], rootfs=self.added / "none")
        return str(refused.exception)

    def test_a_good_one_is_taken(self):
        inference_image.check(json.dumps(service()), [self.added])
        self.assertIn("there is no", self.fault(service()))  # the packages, which come next

    def test_members_that_the_enclave_does_not_know_or_lacks(self):
        changed = service()
        changed["owners"]["weights"]["contxt"] = changed["owners"]["weights"].pop("context")
        self.assertEqual(self.fault(changed), "service.json: owners.weights.contxt is unknown")
        changed = service()
        del changed["owners"]["prompts"]["ca_file"]
        self.assertEqual(self.fault(changed), "service.json: owners.prompts.ca_file is missing, or no text")
        changed = service()
        changed["threads"] = "2"
        self.assertIn("threads", self.fault(changed))

    def test_what_is_no_object(self):
        for changed in ([], "x", None, service() | {"owners": []}, service() | {"owners": {"weights": 1, "prompts": owner("prompts")}}):
            self.assertIn("object", self.fault(changed))

    def test_an_authority_that_is_not_added(self):
        (self.added / "etc/cofferdam/weights-ca.pem").unlink()
        self.assertEqual(self.fault(service()), "service.json names /etc/cofferdam/weights-ca.pem, which no --add holds")
        (self.added / "etc/cofferdam/weights-ca.pem").write_text("nothing", encoding="utf-8")
        self.assertIn("ca_file holds no certificate", self.fault(service()))

    def test_a_member_that_stands_twice(self):
        text = json.dumps(service()).replace('"model"', '"model": "other", "model"', 1)
        with self.assertRaises(enclave_image.ImageError) as refused:
            inference_image.check(text, [self.added])
        self.assertIn("model twice", str(refused.exception))

    def test_the_command_says_it_in_one_line(self):
        (self.added / "service.json").write_text("[]", encoding="utf-8")
        run = subprocess.run([sys.executable, ROOT / "tools/guest/inference_image.py", "--service", self.added / "service.json", "-o", self.added / "x.eif"],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        inference_image.CHECK = pathlib.Path(sys.argv.pop(1))
    unittest.main()
