"""A cofferdam-xks with a set-up of its own in a folder that is removed, and curl as its client."""
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROXY = sys.argv[1] if len(sys.argv) > 1 else ""
SLOW_MODULE = sys.argv[2] if len(sys.argv) > 2 else ""
KEY = "cofferdam-key-1"
METADATA = {"awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice",
            "kmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd",
            "kmsOperation": "Encrypt", "kmsRequestId": "4112f4d6-db54-4af4-ae30-c55a22a8dfae"}


def b64(data):
    return base64.b64encode(data).decode()


class Answer:
    def __init__(self, status, body, seconds):
        self.status, self.text, self.seconds = status, body, seconds

    @property
    def json(self):
        return json.loads(self.text)


class Proxy:
    def __init__(self, change=None, environment=None, arguments=()):
        if not shutil.which("softhsm2-util"):
            raise unittest.SkipTest("softhsm2 isn't installed: ./x setup")
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="cofferdam-xks-"))
        self.folder = self.scratch / "setup"
        self.environment = {**os.environ, **(environment or {})}
        self.environment.pop("SOFTHSM2_CONF", None)
        subprocess.run([PROXY, "init", self.folder, *arguments], check=True, capture_output=True, env=self.environment, timeout=60)
        self.credential = json.loads((self.folder / "key-service.json").read_text())["XksProxyAuthenticationCredential"]
        self.path = json.loads((self.folder / "key-service.json").read_text())["XksProxyUriPath"]
        self.process = None
        configuration = self.configuration()
        configuration["audit"] = "audit.jsonl"
        if change:
            change(configuration)
        self.write(configuration)
        self.start()

    def configuration(self):
        return json.loads((self.folder / "xks.json").read_text())

    def write(self, configuration):
        (self.folder / "xks.json").write_text(json.dumps(configuration))

    def start(self):
        self.process = subprocess.Popen([PROXY, "serve", "--config", self.folder / "xks.json"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=self.environment)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the proxy didn't start: " + self.process.stderr.read())
        self.port = json.loads(line)["port"]

    def stop(self, kill=False):
        if self.process:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(timeout=20)
            self.process.stdout.close()
            self.process.stderr.close()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def read_again(self):
        def read():
            return sum(line.get("event") == "configuration-read" for line in self.audit())
        before = read()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: read() > before, 5, "the configuration isn't read")

    def audit(self):
        return [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]

    def curl_arguments(self, path, body, *options, service="kms-xks-proxy", user=None, sign=True, content_type="application/json"):
        user = user or f"{self.credential['AccessKeyId']}:{self.credential['RawSecretAccessKey']}"
        signing = ["--aws-sigv4", f"aws:amz:eu-central-1:{service}", "--user", user] if sign else []
        data = ["--data-binary", body if isinstance(body, str) else json.dumps(body)] if body is not None else []
        return ["curl", "--silent", "--max-time", "10", "--cacert", str(self.folder / "authority.pem"), *signing,
                "--header", f"Content-Type: {content_type}", *data, "--write-out", "\n%{http_code} %{time_total}", *options,
                f"https://localhost:{self.port}{path}"]

    def curl(self, path, body, *options, **how):
        full = path if path.startswith("!") else self.path + path
        result = subprocess.run(self.curl_arguments(full.lstrip("!"), body, *options, **how), capture_output=True, text=True,
                                check=False, timeout=30)
        text, _, last = result.stdout.rpartition("\n")
        status, seconds = last.split()
        return Answer(int(status), text, float(seconds))

    def encrypt(self, plaintext=b"Hello World!", key=KEY, metadata=None, **fields):
        return self.curl(f"/keys/{key}/encrypt", {"requestMetadata": metadata or METADATA, "plaintext": b64(plaintext),
                                                  "encryptionAlgorithm": "AES_GCM", **fields})

    def decrypt(self, sealed, key=KEY, metadata=None, **fields):
        names = ("ciphertext", "ciphertextMetadata", "initializationVector", "authenticationTag")
        body = {"requestMetadata": {**(metadata or METADATA), "kmsOperation": "Decrypt"}, "encryptionAlgorithm": "AES_GCM",
                **{name: sealed[name] for name in names if name in sealed}, **fields}
        return self.curl(f"/keys/{key}/decrypt", {name: value for name, value in body.items() if value is not None})

    def health(self, **how):
        return self.curl("/health", {"requestMetadata": {"kmsOperation": "KmsHealthCheck", "kmsRequestId": "1"}}, **how)


def wait_until(holds, seconds, message):
    """Returns how long it took."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if holds():
            return time.monotonic() - begin
        time.sleep(0.02)
    raise AssertionError(f"{message} within {seconds} s")


class ProxyTest(unittest.TestCase):
    def proxy(self, *arguments, **how):
        proxy = Proxy(*arguments, **how)
        self.addCleanup(proxy.close)
        return proxy

    def refused(self, answer, status, name):
        self.assertEqual((answer.status, answer.json["errorName"]), (status, name), answer.text)
        message = answer.json["errorMessage"]
        self.assertLess(len(message), 512)
        self.assertTrue(all(" " <= character <= "~" for character in message), message)


def main():
    unittest.main(argv=sys.argv[:1], verbosity=2)
