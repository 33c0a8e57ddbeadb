#!/usr/bin/env python3
"""calls_test.py COFFERDAM_XKS SLOW_MODULE: what the four calls give an honest client."""
import base64
import hashlib
import json
import os
import signal
import subprocess
import threading

from running_proxy import KEY, METADATA, ProxyTest, b64, main, wait_until

# botocore is Debian's package: the interpreter that runs this test may be another.
BOTOCORE = """
import json, ssl, sys, urllib.request
import botocore.auth, botocore.awsrequest, botocore.credentials
url, identifier, secret, authority, body = sys.argv[1:]
request = botocore.awsrequest.AWSRequest("POST", url, headers={"Content-Type": "application/json"}, data=body.encode())
botocore.auth.SigV4Auth(botocore.credentials.Credentials(identifier, secret), "kms-xks-proxy", "eu-central-1").add_auth(request)
sent = urllib.request.Request(url, data=body.encode(), headers=dict(request.headers), method="POST")
print(urllib.request.urlopen(sent, context=ssl.create_default_context(cafile=authority), timeout=10).read().decode())
"""


class Calls(ProxyTest):
    def test_the_four_calls(self):
        proxy = self.proxy()
        metadata = proxy.curl(f"/keys/{KEY}/metadata", {"requestMetadata": METADATA})
        self.assertEqual((metadata.status, metadata.json),
                         (200, {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}))
        health = proxy.health().json
        self.assertEqual((health["xksProxyFleetSize"], health["ekmFleetDetails"][0]["healthStatus"]), (1, "ACTIVE"))
        for name in ("xksProxyVendor", "xksProxyModel", "ekmVendor"):
            self.assertTrue(health[name])
        for associated in (None, b"project=nile,department=marketing", os.urandom(8192)):
            for plaintext in (b"x", b"Hello World!", os.urandom(4300), os.urandom(8192)):
                fields = {"additionalAuthenticatedData": b64(associated)} if associated else {}
                sealed = proxy.encrypt(plaintext, **fields)
                self.assertEqual(sealed.status, 200, sealed.text)
                self.assertNotIn("ciphertextDataIntegrityValue", sealed.json)
                self.assertEqual(len(base64.b64decode(sealed.json["ciphertext"])), len(plaintext))
                opened = proxy.decrypt(sealed.json, **fields)
                self.assertEqual(base64.b64decode(opened.json["plaintext"]), plaintext)

    def test_the_integrity_value_is_that_of_the_specification(self):
        proxy = self.proxy()
        associated = b"project=nile,department=marketing"
        sealed = proxy.encrypt(additionalAuthenticatedData=b64(associated), ciphertextDataIntegrityValueAlgorithm="SHA_256").json
        parts = [base64.b64decode(sealed[name]) for name in ("ciphertextMetadata", "initializationVector", "ciphertext", "authenticationTag")]
        self.assertEqual([len(part) for part in parts[1:]], [12, 12, 16])
        self.assertLessEqual(len(parts[0]), 20)
        self.assertEqual(base64.b64decode(sealed["ciphertextDataIntegrityValue"]), hashlib.sha256(associated + b"".join(parts)).digest())

    def test_botocore_signs_so_too(self):
        if subprocess.run(["/usr/bin/python3", "-c", "import botocore"], capture_output=True, check=False).returncode:
            self.skipTest("python3-boto3 isn't installed: ./x setup")
        proxy = self.proxy()
        url = f"https://localhost:{proxy.port}{proxy.path}/keys/{KEY}/metadata"
        result = subprocess.run(["/usr/bin/python3", "-c", BOTOCORE, url, proxy.credential["AccessKeyId"],
                                 proxy.credential["RawSecretAccessKey"], proxy.folder / "authority.pem",
                                 json.dumps({"requestMetadata": METADATA})], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["keySpec"], "AES_256")

    def test_a_key_of_another_length_says_so(self):
        proxy = self.proxy(lambda configuration: configuration["keys"].append({**configuration["keys"][0], "id": "short", "label": "short"}))
        proxy.stop()
        raw = proxy.scratch / "raw"
        raw.write_bytes(b"a 128 bit secret")  # letters: softhsm2-util ends a key early at some bytes, one random key in ten
        token = proxy.configuration()["token"]
        subprocess.run(["softhsm2-util", "--import", raw, "--aes", "--token", token["label"], "--label", "short", "--id", "0a0b", "--pin",
                        (proxy.folder / token["pin_file"]).read_text().strip()], check=True, capture_output=True, timeout=60,
                       env={**proxy.environment, "SOFTHSM2_CONF": str(proxy.folder / token["softhsm_configuration"])})
        proxy.start()
        specs = [proxy.curl(f"/keys/{key}/metadata", {"requestMetadata": METADATA}).json["keySpec"] for key in (KEY, "short")]
        self.assertEqual(specs, ["AES_256", "AES_128"])

    def test_a_uri_prefix(self):
        proxy = self.proxy(arguments=["--uri-prefix", "/customer_1/a-b"])
        self.assertEqual(proxy.path, "/customer_1/a-b/kms/xks/v1")
        self.assertEqual(proxy.health().status, 200)
        self.refused(proxy.curl("!/kms/xks/v1/health", {}), 404, "InvalidUriPathException")

    def test_two_credentials_and_a_key_that_is_read_again(self):
        second = ("CDEFGHIJKLMNOPQRSTUVWX", "0123456789012345678901234567890123456789abc")

        def add(configuration):
            configuration["credentials"].append({"access_key_id": second[0], "secret": second[1]})
        proxy = self.proxy(add)
        self.assertEqual(proxy.health().status, 200)
        self.assertEqual(proxy.health(user=":".join(second)).status, 200)
        self.assertEqual({line["accessKeyId"] for line in proxy.audit()}, {proxy.credential["AccessKeyId"], second[0]})
        sealed = proxy.encrypt().json
        configuration = proxy.configuration()
        configuration["credentials"].pop()
        configuration["keys"][0]["enabled"] = False
        proxy.write(configuration)
        proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: proxy.encrypt().status == 400, 5, "the key isn't disabled")
        self.refused(proxy.encrypt(), 400, "InvalidStateException")
        self.refused(proxy.decrypt(sealed), 400, "InvalidStateException")
        self.assertEqual(proxy.curl(f"/keys/{KEY}/metadata", {"requestMetadata": METADATA}).json["keyStatus"], "DISABLED")
        self.refused(proxy.health(user=":".join(second)), 401, "AuthenticationFailedException")
        # A broken file changes nothing.
        proxy.write({"keys": []})
        proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any(line.get("event") == "configuration-refused" for line in proxy.audit()), 5, "no refusal is logged")
        self.assertEqual(proxy.health().status, 200)

    def test_whom_it_listens_to_stays_until_it_is_started_anew(self):
        proxy = self.proxy()
        configuration = proxy.configuration()
        configuration["tls"].update(client_ca="authority.pem", client_name="cks.kms.eu-central-1.amazonaws.com")
        proxy.write(configuration)
        proxy.read_again()
        self.assertEqual(proxy.health().status, 200)

    def test_many_at_once(self):
        proxy = self.proxy()
        failures = []

        def patient(call, *arguments, **more):  # as KMS is: on a busy machine the key manager may take longer than the proxy waits
            for _ in range(20):
                answer = call(*arguments, **more)
                if answer.status == 200 or answer.json.get("errorName") != "DependencyTimeoutException":
                    break
            return answer

        def work(number):
            for turn in range(4):
                plaintext = f"{number}-{turn}".encode() * 100
                sealed = patient(proxy.encrypt, plaintext, ciphertextDataIntegrityValueAlgorithm="SHA_256")
                opened = patient(proxy.decrypt, sealed.json) if sealed.status == 200 else sealed
                if opened.status != 200 or base64.b64decode(opened.json["plaintext"]) != plaintext:
                    failures.append(opened.text)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_nothing_secret_is_logged(self):
        proxy = self.proxy()
        plaintext = os.urandom(32)
        sealed = proxy.encrypt(plaintext).json
        proxy.decrypt(sealed)
        log = (proxy.folder / "audit.jsonl").read_text()
        for secret in (b64(plaintext), plaintext.hex(), proxy.credential["RawSecretAccessKey"], (proxy.folder / "pin").read_text().strip(),
                       sealed["ciphertext"]):
            self.assertNotIn(secret, log)
        self.assertIn(METADATA["kmsRequestId"], log)
        self.assertEqual((proxy.folder / "audit.jsonl").stat().st_mode & 0o77, 0)


if __name__ == "__main__":
    main()
