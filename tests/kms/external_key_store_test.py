"""Keys that stay with the customer: custom key stores of the key service against a proxy written from the specification."""
import json
import pathlib
import subprocess
import sys
import time
import unittest

import botocore.exceptions

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import key_proxy
import running_service


class ExternalKeyStoreTest(unittest.TestCase):
    def setUp(self):
        self.service = running_service.Service(aws=True)
        self.addCleanup(self.service.__exit__)
        # The service's own certificate is good for localhost: the proxy shows it too, and the service trusts it.
        self.service.configure(lambda data: data.update(xks_authorities="server.pem"))
        self.service.start()
        self.proxy = key_proxy.KeyProxy(self.service.home / "server.pem", self.service.home / "server-key.pem")
        self.addCleanup(lambda: self.proxy.server.server_close())
        self.addCleanup(lambda: self.proxy.server.shutdown())
        self.kms = self.service.client()

    def refused(self, name, function, /, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            function(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], name, caught.exception)

    def store(self, **changes):
        arguments = {"CustomKeyStoreName": "customer", "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
                     "XksProxyConnectivity": "PUBLIC_ENDPOINT", "XksProxyUriEndpoint": f"https://localhost:{self.proxy.port}",
                     "XksProxyUriPath": key_proxy.PATH,
                     "XksProxyAuthenticationCredential": {"AccessKeyId": key_proxy.ACCESS_KEY_ID, "RawSecretAccessKey": key_proxy.SECRET}}
        arguments.update(changes)
        return arguments

    def state(self, store):
        return self.kms.describe_custom_key_stores(CustomKeyStoreId=store)["CustomKeyStores"][0]

    def created(self, **changes):
        for turn in range(20):
            try:
                return self.kms.create_custom_key_store(**self.store(**changes))["CustomKeyStoreId"]
            except self.kms.exceptions.XksProxyUriUnreachableException as error:  # a busy machine: the service waits for 250 ms
                if "timeout" not in str(error) or turn == 19:
                    raise

    def connected(self):
        store = self.created()
        self.kms.connect_custom_key_store(CustomKeyStoreId=store)
        self.assertEqual(self.state(store)["ConnectionState"], "CONNECTED")
        return store

    def key_in(self, store, name="key-1"):
        return self.kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId=name)["KeyMetadata"]

    def test_a_key_of_the_customer(self):
        store = self.connected()
        key = self.key_in(store)
        self.assertEqual((key["Origin"], key["CustomKeyStoreId"], key["XksKeyConfiguration"]), ("EXTERNAL_KEY_STORE", store, {"Id": "key-1"}))
        context = {"a": "b"}
        for note in (b"", b"twenty bytes of note"):
            self.proxy.note = note
            made = self.kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256", EncryptionContext=context)
            self.assertEqual(self.kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)["Plaintext"], made["Plaintext"])
        self.assertEqual([(call, metadata.get("kmsKeyArn")) for call, metadata in self.proxy.seen if metadata["kmsOperation"] == "CreateKey"],
                         [("metadata", None)])
        big = self.kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p" * 4096)["CiphertextBlob"]
        self.assertEqual(self.kms.decrypt(CiphertextBlob=big)["Plaintext"], b"p" * 4096)
        call, metadata = self.proxy.seen[-1]
        self.assertEqual((call, metadata["kmsOperation"], metadata["kmsKeyArn"]), ("decrypt", "Decrypt", key["Arn"]))
        self.assertTrue(metadata["awsPrincipalArn"].endswith("user/administrator"))
        # The proxy says InvalidCiphertextException: the key service has one name for all that a proxy refuses.
        self.refused("KMSInvalidStateException", self.kms.decrypt, CiphertextBlob=made["CiphertextBlob"])
        self.refused("KMSInvalidStateException", self.kms.decrypt, CiphertextBlob=big[:-1] + bytes([big[-1] ^ 1]))
        self.refused("KMSInvalidStateException", self.kms.re_encrypt, CiphertextBlob=made["CiphertextBlob"], DestinationKeyId=key["KeyId"])
        # Who has the proxy's key alone opens nothing: the local part is under a key of the service's.
        self.refused("XksKeyAlreadyInUseException", self.key_in, store=store)
        self.refused("CustomKeyStoreHasCMKsException", self.delete, store=store)

    def delete(self, store):
        self.kms.disconnect_custom_key_store(CustomKeyStoreId=store)
        self.kms.delete_custom_key_store(CustomKeyStoreId=store)

    def test_unplugged_it_is_dead_within_a_second_and_comes_back(self):
        key = self.key_in(self.connected())["KeyId"]
        blob = self.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        self.proxy.unplug()
        begin = time.monotonic()
        self.refused("KMSInvalidStateException", self.kms.decrypt, CiphertextBlob=blob)
        self.assertLess(time.monotonic() - begin, 1)
        self.refused("KMSInvalidStateException", self.kms.generate_data_key, KeyId=key, KeySpec="AES_256")
        self.proxy.plug_in()
        self.assertEqual(self.kms.decrypt(CiphertextBlob=blob)["Plaintext"], b"x")

    def test_disconnected_it_is_dead(self):
        store = self.connected()
        key = self.key_in(store)["KeyId"]
        blob = self.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        self.kms.disconnect_custom_key_store(CustomKeyStoreId=store)
        self.refused("KMSInvalidStateException", self.kms.decrypt, CiphertextBlob=blob)
        self.refused("CustomKeyStoreInvalidStateException", self.key_in, store=store, name="key-2")
        described = self.kms.describe_key(KeyId=key)["KeyMetadata"]
        self.assertEqual((described["KeyState"], described["Enabled"]), ("Unavailable", False))
        self.kms.connect_custom_key_store(CustomKeyStoreId=store)
        self.assertEqual(self.kms.decrypt(CiphertextBlob=blob)["Plaintext"], b"x")

    def test_what_the_proxy_may_do_wrong(self):
        key = self.key_in(self.connected())["KeyId"]
        blob = self.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        for refusal in (key_proxy.Refusal(403, "AccessDeniedException"), key_proxy.Refusal(429, "ThrottlingException"),
                        key_proxy.Refusal(500, "InternalException"), key_proxy.Refusal(404, "KeyNotFoundException")):
            self.proxy.refusal = refusal
            self.refused("KMSInvalidStateException", self.kms.decrypt, CiphertextBlob=blob)
        self.proxy.refusal = None
        for change in (lambda answer: {}, lambda answer: {"plaintext": "*"}, lambda answer: [answer],
                       lambda answer: {"ciphertext": "AAAA"}):
            self.proxy.change = change
            self.refused("KMSInvalidStateException", self.kms.decrypt, CiphertextBlob=blob)
            self.refused("KMSInvalidStateException", self.kms.encrypt, KeyId=key, Plaintext=b"x")
        # An integrity value that doesn't belong to the ciphertext.
        self.proxy.change = lambda answer: {**answer, "ciphertextDataIntegrityValue": "A" * 43 + "="}
        self.refused("KMSInvalidStateException", self.kms.encrypt, KeyId=key, Plaintext=b"x")

    def test_what_the_proxy_refuses_has_the_specifications_names(self):
        """API specification, "Error codes", KMS Considerations: for CreateKey, and for Create- and UpdateCustomKeyStore."""
        store = self.connected()
        idle = self.created(CustomKeyStoreName="idle", XksProxyUriPath=key_proxy.OTHER_PATH)
        key = self.key_in(store)["KeyId"]
        blob = self.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        unusable, unreachable, invalid = "CustomKeyStoreInvalidStateException", "XksProxyUriUnreachableException", "XksProxyInvalidResponseException"
        for status, name, on_key, on_store in (
                (400, "ValidationException", unusable, invalid), (400, "InvalidStateException", "XksKeyInvalidConfigurationException", None),
                (400, "InvalidKeyUsageException", "XksKeyInvalidConfigurationException", None), (400, "InvalidCiphertextException", unusable, None),
                (401, "AuthenticationFailedException", unusable, "XksProxyIncorrectAuthenticationCredentialException"),
                (403, "AccessDeniedException", "KMSInvalidStateException", None), (404, "KeyNotFoundException", "XksKeyNotFoundException", None),
                (404, "InvalidUriPathException", unusable, "XksProxyInvalidConfigurationException"),
                (429, "ThrottlingException", unusable, unreachable), (503, "DependencyTimeoutException", unusable, unreachable),
                (500, "InternalException", unusable, invalid), (500, "Nonsense", unusable, invalid)):
            with self.subTest(name):
                self.proxy.refusal = key_proxy.Refusal(status, name)
                self.refused(on_key, self.key_in, store=store, name="key-2")
                self.refused("KMSInvalidStateException", self.kms.decrypt, CiphertextBlob=blob)
                if on_store:
                    self.refused(on_store, self.kms.create_custom_key_store, **self.store(CustomKeyStoreName="other"))
                    self.refused(on_store, self.kms.update_custom_key_store, CustomKeyStoreId=idle, NewCustomKeyStoreName="other")
        self.proxy.refusal = None
        self.proxy.unplug()
        self.refused(unusable, self.key_in, store=store, name="key-2")
        self.refused(unreachable, self.kms.update_custom_key_store, CustomKeyStoreId=idle, NewCustomKeyStoreName="other")

    def test_the_audit_log_says_where_a_store_goes(self):
        store = self.created()
        self.refused("XksProxyUriUnreachableException", self.kms.update_custom_key_store, CustomKeyStoreId=store, XksProxyUriEndpoint="https://localhost:1")
        self.kms.update_custom_key_store(CustomKeyStoreId=store, NewCustomKeyStoreName="renamed")
        self.kms.update_custom_key_store(CustomKeyStoreId=store, XksProxyAuthenticationCredential={
            "AccessKeyId": key_proxy.ACCESS_KEY_ID, "RawSecretAccessKey": key_proxy.SECRET})
        shown = subprocess.run([running_service.BIN / "cofferdam-kms", "audit", "show", "--json", "--config", self.service.home / "kms.json"],
                               capture_output=True, timeout=60, check=True).stdout.decode()
        here = f"https://localhost:{self.proxy.port}"
        self.assertEqual([json.loads(line)["detail"] for line in shown.splitlines()],
                         [f"endpoint {here}, path {key_proxy.PATH}, access key id {key_proxy.ACCESS_KEY_ID}, name customer",
                          "endpoint https://localhost:1", "name renamed", f"access key id {key_proxy.ACCESS_KEY_ID}"])
        self.assertNotIn(key_proxy.SECRET, shown)

    def test_stores_are_checked(self):
        for changes, name in (({"XksProxyUriPath": "/wrong/kms/xks/v1"}, "XksProxyInvalidConfigurationException"),
                              ({"XksProxyUriPath": "/customer/other"}, "ValidationException"),
                              ({"XksProxyUriEndpoint": "https://localhost:1"}, "XksProxyUriUnreachableException"),
                              ({"XksProxyAuthenticationCredential": {"AccessKeyId": key_proxy.ACCESS_KEY_ID, "RawSecretAccessKey": "x" * 43}},
                               "XksProxyIncorrectAuthenticationCredentialException"),
                              ({"CustomKeyStoreType": "AWS_CLOUDHSM"}, "UnsupportedOperationException"),
                              ({"CloudHsmClusterId": "cluster-1a23b4cdefg"}, "UnsupportedOperationException"),
                              ({"XksProxyConnectivity": "NONSENSE"}, "ValidationException"),
                              ({"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE"}, "UnsupportedOperationException")):
            self.refused(name, self.kms.create_custom_key_store, **self.store(**changes))
        store = self.connected()
        self.refused("CustomKeyStoreNameInUseException", self.kms.create_custom_key_store, **self.store())
        self.refused("XksProxyUriInUseException", self.kms.create_custom_key_store, **self.store(
            CustomKeyStoreName="twice", XksProxyUriEndpoint=f"https://LOCALHOST:{self.proxy.port}"))
        other = self.created(CustomKeyStoreName="other", XksProxyUriPath=key_proxy.OTHER_PATH)
        self.refused("XksProxyUriInUseException", self.kms.update_custom_key_store, CustomKeyStoreId=other, XksProxyUriPath=key_proxy.PATH)
        for changes, name in (({"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE"}, "UnsupportedOperationException"),
                              ({"CloudHsmClusterId": "cluster-1a23b4cdefg"}, "UnsupportedOperationException"),
                              ({"XksProxyConnectivity": "NONSENSE"}, "ValidationException")):
            self.refused(name, self.kms.update_custom_key_store, CustomKeyStoreId=other, **changes)
        self.kms.update_custom_key_store(CustomKeyStoreId=other, XksProxyConnectivity="PUBLIC_ENDPOINT")
        self.kms.delete_custom_key_store(CustomKeyStoreId=other)
        self.refused("XksKeyNotFoundException", self.key_in, store=store, name="key-3")
        self.proxy.status = "DISABLED"
        self.refused("XksKeyInvalidConfigurationException", self.key_in, store=store)
        self.refused("CustomKeyStoreNotFoundException", self.key_in, store="cks-00000000000000000")
        self.refused("CustomKeyStoreInvalidStateException", self.kms.delete_custom_key_store, CustomKeyStoreId=store)
        self.refused("CustomKeyStoreInvalidStateException", self.kms.update_custom_key_store, CustomKeyStoreId=store,
                     XksProxyUriEndpoint=f"https://localhost:{self.proxy.port}")
        self.kms.update_custom_key_store(CustomKeyStoreId=store, NewCustomKeyStoreName="renamed")
        self.kms.update_custom_key_store(CustomKeyStoreId=store, XksProxyUriPath=key_proxy.OTHER_PATH)
        self.kms.connect_custom_key_store(CustomKeyStoreId=store)  # it is
        self.assertEqual(self.state(store)["ConnectionState"], "CONNECTED")
        self.kms.disconnect_custom_key_store(CustomKeyStoreId=store)
        self.refused("CustomKeyStoreInvalidStateException", self.kms.disconnect_custom_key_store, CustomKeyStoreId=store)
        self.assertEqual(self.kms.describe_custom_key_stores(CustomKeyStoreName="renamed")["CustomKeyStores"][0]["CustomKeyStoreId"], store)
        self.proxy.unplug()
        self.kms.connect_custom_key_store(CustomKeyStoreId=store)
        self.assertEqual((self.state(store)["ConnectionState"], self.state(store)["ConnectionErrorCode"]), ("FAILED", "XKS_PROXY_NOT_REACHABLE"))
        for function in (self.kms.connect_custom_key_store, self.kms.update_custom_key_store, self.kms.delete_custom_key_store):
            self.refused("CustomKeyStoreInvalidStateException", function, CustomKeyStoreId=store)
        self.delete(store)
        self.refused("CustomKeyStoreNotFoundException", self.kms.describe_custom_key_stores, CustomKeyStoreId=store)


if __name__ == "__main__":
    unittest.main()
