"""Hold your own key: cofferdam-kms in front of cofferdam-xks in front of a token that belongs to the customer."""
import pathlib
import sys
import time
import unittest

import botocore.exceptions

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "xks")]
import attestation_documents as documents
import running_proxy
import running_service
from key_service_test import opened_by_openssl, recipient

running_proxy.PROXY = str(running_service.BIN / "cofferdam-xks")


class HoldYourOwnKeyTest(unittest.TestCase):
    def test_released_to_the_enclave_while_the_customer_agrees(self):
        proxy = running_proxy.Proxy()
        self.addCleanup(proxy.close)
        chain = documents.Chain()
        private, spki = documents.rsa_key()
        service = running_service.Service(roots=[chain.root_pem()])
        self.addCleanup(service.__exit__)
        service.configure(lambda data: data.update(xks_authorities=str(proxy.folder / "authority.pem")))
        kms = service.start().client()
        store = kms.create_custom_key_store(
            CustomKeyStoreName="customer", CustomKeyStoreType="EXTERNAL_KEY_STORE", XksProxyConnectivity="PUBLIC_ENDPOINT",
            XksProxyUriEndpoint=f"https://localhost:{proxy.port}", XksProxyUriPath=proxy.path,
            XksProxyAuthenticationCredential=proxy.credential)["CustomKeyStoreId"]
        kms.connect_custom_key_store(CustomKeyStoreId=store)
        key = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store, XksKeyId=running_proxy.KEY)["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"the weights' key", EncryptionContext={"model": "small"})["CiphertextBlob"]

        def released():
            answer = kms.decrypt(CiphertextBlob=blob, EncryptionContext={"model": "small"}, Recipient=recipient(chain.document(spki)))
            return opened_by_openssl(answer["CiphertextForRecipient"], private)

        self.assertEqual(released(), b"the weights' key")
        port = proxy.port
        proxy.stop(kill=True)
        begin = time.monotonic()
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            released()
        self.assertEqual(caught.exception.response["Error"]["Code"], "KMSInvalidStateException")
        self.assertLess(time.monotonic() - begin, 1)
        configuration = proxy.configuration()
        configuration["listen"]["port"] = port
        proxy.write(configuration)
        proxy.start()
        self.assertEqual(released(), b"the weights' key")


if __name__ == "__main__":
    unittest.main()
