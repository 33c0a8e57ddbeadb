#!/usr/bin/env python3
"""refusals_test.py COFFERDAM_XKS SLOW_MODULE: every refusal of the API, by its name and status, each asked for with curl."""
import base64
import json
import os
import shutil
import subprocess

from running_proxy import KEY, METADATA, PROXY, ProxyTest, b64, main


def changed(text):
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return b64(bytes(data))


class Refusals(ProxyTest):
    def setUp(self):
        self.served = self.proxy(self.configure)

    @staticmethod
    def configure(configuration):
        key = configuration["keys"][0]
        configuration["keys"] += [
            {**key, "id": "disabled", "enabled": False}, {**key, "id": "only-encrypt", "usage": ["ENCRYPT"]},
            {**key, "id": "only-decrypt", "usage": ["DECRYPT"]}, {**key, "id": "gone", "label": "not-in-the-token"},
            {**key, "id": "guarded", "policy": {"kmsKeyArn": ["arn:aws:kms:*:key/guarded"], "awsPrincipalArn": ["*:user/Alice"],
                                                "kmsOperation": ["Encrypt", "Decrypt"]}}]

    def test_authentication(self):
        proxy = self.served
        identifier, secret = proxy.credential["AccessKeyId"], proxy.credential["RawSecretAccessKey"]
        name = "AuthenticationFailedException"
        another = secret[:-1] + ("x" if secret[-1] != "x" else "y")
        self.refused(proxy.health(user=f"{identifier}:{another}"), 401, name)
        self.refused(proxy.health(user=f"{'A' * 20}:{secret}"), 401, name)
        self.refused(proxy.health(service="kms"), 401, name)
        self.refused(proxy.health(sign=False), 401, name)
        body = {"requestMetadata": {"kmsOperation": "a", "kmsRequestId": "b"}}
        self.refused(proxy.curl("/health", body, "--header", "Authorization: Bearer x", sign=False), 401, name)
        # Signed an hour ago, and replayed with another body.
        old = {"X-Amz-Date": "20200101T000000Z"}
        self.refused(proxy.curl("/health", body, *[part for key, value in old.items() for part in ("--header", f"{key}: {value}")]), 401, name)
        self.assertTrue(all("kmsRequestId" not in line and "accessKeyId" not in line for line in proxy.audit()))

    def test_strangers_do_not_fill_the_audit(self):
        proxy = self.served
        before = len(proxy.audit())
        # Some hundred requests on one connection: curl counts them up.
        answer = subprocess.run(proxy.curl_arguments(proxy.path + "/keys/[1-300]/decrypt", {}, sign=False), capture_output=True, text=True,
                                check=False, timeout=60)
        self.assertEqual(answer.stdout.count("AuthenticationFailedException"), 300)
        self.assertLessEqual(len(proxy.audit()), before + 10)
        self.assertEqual(proxy.encrypt().status, 200)
        self.assertEqual(proxy.audit()[-1]["call"], "encrypt")
        proxy.stop()
        told = proxy.audit()[-1]
        self.assertEqual(told["event"], "strangers-refused")
        self.assertGreaterEqual(told["count"], 290)

    def test_paths_and_methods(self):
        proxy = self.served
        for path in ("/nothing", "/keys", f"/keys/{KEY}", f"/keys/{KEY}/sign", f"/keys/{KEY}/encrypt/", f"/keys/{KEY}/encrypt?a=b", "/health/",
                     "/keys/a%2Fb/encrypt", "/keys//encrypt", f"/keys/{'k' * 129}/encrypt", "/keys/a b/encrypt".replace(" ", "%20")):
            self.refused(proxy.curl(path, {}), 404, "InvalidUriPathException")
        for path in ("/health", f"/keys/{KEY}/metadata", f"/keys/{KEY}/encrypt", f"/keys/{KEY}/decrypt"):
            self.assertEqual(proxy.curl(path, None, "--request", "GET").status, 405)
            self.assertEqual(proxy.curl(path, None, "--request", "GET", sign=False).status, 405)
            self.assertEqual(proxy.curl(path, {}, "--request", "PUT").status, 405)

    def test_keys(self):
        proxy = self.served
        sealed = proxy.encrypt().json
        for key in ("nobody", "gone"):
            self.refused(proxy.encrypt(key=key), 404, "KeyNotFoundException")
            self.refused(proxy.decrypt(sealed, key=key), 404, "KeyNotFoundException")
            self.refused(proxy.curl(f"/keys/{key}/metadata", {"requestMetadata": METADATA}), 404, "KeyNotFoundException")
        self.assertEqual(proxy.curl("/keys/disabled/metadata", {"requestMetadata": METADATA}).json["keyStatus"], "DISABLED")
        self.refused(proxy.encrypt(key="disabled"), 400, "InvalidStateException")
        self.refused(proxy.decrypt(sealed, key="disabled"), 400, "InvalidStateException")
        self.refused(proxy.encrypt(key="only-decrypt"), 400, "InvalidKeyUsageException")
        self.refused(proxy.decrypt(sealed, key="only-encrypt"), 400, "InvalidKeyUsageException")
        self.assertEqual(proxy.decrypt(sealed, key="only-decrypt").status, 200)
        self.assertEqual(proxy.curl("/keys/only-encrypt/metadata", {"requestMetadata": METADATA}).json["keyUsage"], ["ENCRYPT"])

    def test_the_customers_policy(self):
        proxy = self.served
        allowed = {**METADATA, "kmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/guarded"}
        self.assertEqual(proxy.encrypt(key="guarded", metadata=allowed).status, 200)
        # CreateKey: there is no ARN yet.
        unborn = {name: value for name, value in allowed.items() if name != "kmsKeyArn"}
        self.assertEqual(proxy.curl("/keys/guarded/metadata", {"requestMetadata": unborn}).status, 200)
        self.refused(proxy.curl("/keys/guarded/metadata", {"requestMetadata": {**unborn, "awsPrincipalArn": "arn:aws:iam::1:user/Bob"}}), 403,
                     "AccessDeniedException")
        self.refused(proxy.encrypt(key="guarded", metadata=unborn), 400, "ValidationException")
        for change in ({"kmsKeyArn": METADATA["kmsKeyArn"]}, {"awsPrincipalArn": "arn:aws:iam::1:user/Bob"}, {"kmsOperation": "ReEncrypt"}):
            self.refused(proxy.encrypt(key="guarded", metadata={**allowed, **change}), 403, "AccessDeniedException")
        self.refused(proxy.curl("/keys/guarded/metadata", {"requestMetadata": METADATA}), 403, "AccessDeniedException")

    def test_bodies(self):
        proxy = self.served
        encrypt = {"requestMetadata": METADATA, "plaintext": "SGVsbG8=", "encryptionAlgorithm": "AES_GCM"}

        def without(name):
            return {key: value for key, value in METADATA.items() if key != name}
        bad = [*({**encrypt, "requestMetadata": without(name)} for name in METADATA), {**encrypt, "requestMetadata": 1},
               {**encrypt, "requestMetadata": {**METADATA, "kmsRequestId": 7}}, {**encrypt, "requestMetadata": {**METADATA, "kmsKeyArn": "a" * 2049}},
               {**encrypt, "plaintext": ""}, {**encrypt, "plaintext": 5}, {**encrypt, "plaintext": "SGVsbG8"}, {**encrypt, "plaintext": "SGV sbG8="},
               {**encrypt, "plaintext": "SGVsbG9="}, {**encrypt, "encryptionAlgorithm": "AES_CBC"}, {**encrypt, "encryptionAlgorithm": None},
               {**encrypt, "additionalAuthenticatedData": "%"}, {**encrypt, "ciphertextDataIntegrityValueAlgorithm": "MD5"},
               "", "[]", "{", "null", json.dumps(encrypt) + "x", '{"plaintext":"SGVsbG8=",' + json.dumps(encrypt)[1:],
               '{"a":' * 9 + "1" + "}" * 9]
        for body in bad:
            with self.subTest(body=str(body)[:100]):
                self.refused(proxy.curl(f"/keys/{KEY}/encrypt", body), 400, "ValidationException")
        self.refused(proxy.curl(f"/keys/{KEY}/encrypt", encrypt, content_type="text/plain"), 400, "ValidationException")
        # Fields of the future, optional ones, and those that the specification reserves.
        more = {**encrypt, "new": {}, "requestMetadata": {**METADATA, "kmsViaService": "ebs", "kmsRecipientAttestationPCR0": "00"}}
        self.assertEqual(proxy.curl(f"/keys/{KEY}/encrypt", more).status, 200)
        for name, size in (("plaintext", 8193), ("additionalAuthenticatedData", 8193)):
            self.refused(proxy.curl(f"/keys/{KEY}/encrypt", {**encrypt, name: b64(os.urandom(size))}), 501, "UnsupportedOperationException")
        (proxy.scratch / "large").write_text("{" + " " * 70000 + "}")
        self.assertEqual(proxy.curl(f"/keys/{KEY}/encrypt", f"@{proxy.scratch / 'large'}").status, 413)

    def test_ciphertexts(self):
        proxy = self.served
        associated = {"additionalAuthenticatedData": b64(b"a=b")}
        sealed = proxy.encrypt(**associated).json
        name = "InvalidCiphertextException"
        self.assertEqual(proxy.decrypt(sealed, **associated).status, 200)
        for field in ("ciphertext", "ciphertextMetadata", "initializationVector", "authenticationTag"):
            self.refused(proxy.decrypt({**sealed, field: changed(sealed[field])}, **associated), 400, name)
            self.refused(proxy.decrypt({key: value for key, value in sealed.items() if key != field}, **associated), 400, name)
            self.refused(proxy.decrypt({**sealed, field: "%"}, **associated), 400, name)
        self.refused(proxy.decrypt(sealed), 400, name)
        self.refused(proxy.decrypt(sealed, additionalAuthenticatedData=b64(b"a=c")), 400, name)
        self.refused(proxy.decrypt({**sealed, "initializationVector": b64(bytes(13))}, **associated), 400, name)
        self.refused(proxy.decrypt({**sealed, "authenticationTag": b64(bytes(12))}, **associated), 400, name)
        self.refused(proxy.decrypt({**sealed, "ciphertextMetadata": b64(bytes(21))}, **associated), 400, name)
        # The metadata doesn't pass for associated data, nor the other way round: their lengths are authenticated.
        alone = proxy.encrypt().json
        moved = {key: value for key, value in alone.items() if key != "ciphertextMetadata"}
        self.refused(proxy.decrypt(moved, additionalAuthenticatedData=alone["ciphertextMetadata"]), 400, name)
        # And the token still works.
        self.assertEqual(proxy.decrypt(sealed, **associated).status, 200)

    def test_mutual_tls(self):
        folder = self.served.folder
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=clients", "-keyout", folder / "ca.key", "-out", folder / "ca.pem"], check=True, capture_output=True)
        for name in ("cks.kms.eu-central-1.amazonaws.com", "somebody"):
            subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                            "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr"], check=True, capture_output=True)
            subprocess.run(["openssl", "x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
                            "-days", "2", "-out", folder / f"{name}.pem"], check=True, capture_output=True)

        proxy = self.proxy()
        proxy.stop()
        shutil.copy(folder / "ca.pem", proxy.folder / "clients.pem")
        configuration = proxy.configuration()
        configuration["tls"].update(client_ca="clients.pem", client_name="cks.kms.eu-central-1.amazonaws.com")
        proxy.write(configuration)
        proxy.start()

        def health(*options):
            return proxy.curl("/health", {"requestMetadata": {"kmsOperation": "a", "kmsRequestId": "b"}}, *options)

        def identity(name):
            return "--cert", str(folder / f"{name}.pem"), "--key", str(folder / f"{name}.key")
        self.assertEqual(health(*identity("cks.kms.eu-central-1.amazonaws.com")).status, 200)
        self.refused(health(*identity("somebody")), 401, "AuthenticationFailedException")
        self.assertEqual(health().status, 0)
        self.assertEqual(proxy.audit()[-2]["client"], "cks.kms.eu-central-1.amazonaws.com")
        # What it listens to stays until it is started anew: the name, too.
        del configuration["tls"]["client_name"]
        proxy.write(configuration)
        proxy.read_again()
        self.refused(health(*identity("somebody")), 401, "AuthenticationFailedException")

    def test_configurations(self):
        proxy = self.served
        good = proxy.configuration()

        def check(configuration, *, mode=0o600):
            path = proxy.folder / "try.json"
            path.write_text(configuration if isinstance(configuration, str) else json.dumps(configuration))
            path.chmod(mode)
            return subprocess.run([PROXY, "check", "--config", path], capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(check(good).returncode, 0)
        key = good["keys"][0]
        bad = [({**good, "keyz": []}, "keyz"), ({**good, "keys": [{**key, "polcy": {}}]}, "polcy"), ({**good, "keys": [key, key]}, "twice"),
               ({**good, "keys": [{**key, "id": "a/b"}]}, "keys[0].id"), ({**good, "keys": [{**key, "enabled": "no"}]}, "enabled"),
               ({**good, "credentials": []}, "credentials"), ({**good, "credentials": [{"access_key_id": "short", "secret": "x" * 43}]}, "access_key_id"),
               ({**good, "tls": {**good["tls"], "minimum": "1.1"}}, "minimum"), ({**good, "uri_prefix": "no-slash"}, "uri_prefix"),
               ({**good, "token": {**good["token"], "pin_file": "none"}}, "none"), ("{", "JSON"), ('{"keys":[],"keys":[]}', "twice")]
        for configuration, word in bad:
            result = check(configuration)
            self.assertEqual(result.returncode, 2, result.stdout)
            self.assertIn(word, result.stderr)
            self.assertNotIn(good["credentials"][0]["secret"], result.stderr)
        self.assertIn("chmod 600", check(good, mode=0o644).stderr)
        again = subprocess.run([PROXY, "init", proxy.folder], capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(again.returncode, 2)
        self.assertIn("isn't empty", again.stderr)
        self.assertEqual(subprocess.run([PROXY, "--help"], capture_output=True, check=False, timeout=30).returncode, 0)
        self.assertEqual(subprocess.run([PROXY, "nonsense"], capture_output=True, check=False, timeout=30).returncode, 2)


if __name__ == "__main__":
    main()
