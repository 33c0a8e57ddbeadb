"""The key service through boto3, which knows nothing of it: every operation, every refusal, and Recipient decoded by OpenSSL."""
import base64
import hashlib
import json
import os
import pathlib
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import attestation_documents as documents
import running_service

USER = "arn:aws:iam::111122223333:user/enclave-host"
USER_KEYS = [("AKIAENCLAVEHOSTAAAAA", "first-secret-of-the-enclave-host-0000000"),
             ("AKIAENCLAVEHOSTBBBBB", "second-secret-of-the-enclave-host-000000")]
OAEP_256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
OAEP_1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


def recipient(document):
    return {"AttestationDocument": document, "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}


def opened_by_openssl(envelope, key):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "envelope").write_bytes(envelope)
        (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                           serialization.NoEncryption()))
        return subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", folder / "envelope",
                               "-inkey", folder / "key.pem"], check=True, capture_output=True, timeout=30).stdout


class KeyServiceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.chain = documents.Chain()
        cls.other_chain = documents.Chain()
        cls.key, cls.spki = documents.rsa_key()
        cls.service = running_service.Service(
            roots=[cls.chain.root_pem()],
            principals=[{"arn": USER, "keys": [{"access_key_id": i, "secret": s} for i, s in USER_KEYS]}])
        cls.service.start()
        cls.kms = cls.service.client()
        cls.user = cls.service.client(*USER_KEYS[0])

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def refused(self, name, function, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            function(**arguments)
        response = caught.exception.response
        self.assertEqual(response["Error"]["Code"], name, response["Error"].get("Message"))
        self.assertEqual(len(response["ResponseMetadata"]["RequestId"]), 36)
        return response

    def new_key(self, **arguments):
        return self.kms.create_key(**arguments)["KeyMetadata"]["KeyId"]

    def put_policy(self, key, policy, **arguments):
        self.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy, **arguments)

    def policy(self, *statements):
        everything = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [everything, *statements]})

    def released_to(self, **pcrs):
        return {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*",
                "Condition": {"StringEqualsIgnoreCase": {f"kms:RecipientAttestation:{k}": v for k, v in pcrs.items()}}}

    # --- keys

    def test_life_of_a_key(self):
        created = self.kms.create_key(Description="of the test")["KeyMetadata"]
        key, arn = created["KeyId"], created["Arn"]
        self.assertEqual(arn, f"arn:aws:kms:us-east-1:111122223333:key/{key}")
        self.assertLess(abs(created["CreationDate"].timestamp() - time.time()), 60)
        self.assertEqual(self.kms.describe_key(KeyId=arn)["KeyMetadata"]["Description"], "of the test")
        blob = self.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        self.kms.disable_key(KeyId=key)
        self.refused("DisabledException", self.kms.encrypt, KeyId=key, Plaintext=b"x")
        self.refused("DisabledException", self.kms.decrypt, CiphertextBlob=blob)
        self.kms.enable_key(KeyId=key)
        self.refused("ValidationException", self.kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=6)
        scheduled = self.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        self.assertEqual(scheduled["KeyState"], "PendingDeletion")
        self.assertLess(abs(scheduled["DeletionDate"].timestamp() - time.time() - 7 * 86400), 60)
        self.refused("KMSInvalidStateException", self.kms.decrypt, CiphertextBlob=blob)
        self.refused("KMSInvalidStateException", self.kms.enable_key, KeyId=key)
        self.refused("KMSInvalidStateException", self.kms.schedule_key_deletion, KeyId=key)
        self.refused("KMSInvalidStateException", self.kms.update_key_description, KeyId=key, Description="too late")
        withdrawn = self.policy({"Effect": "Deny", "Principal": {"AWS": USER}, "Action": "kms:CancelKeyDeletion", "Resource": "*"})
        self.put_policy(key, withdrawn)  # AWS's key states: a policy can be changed in each of them
        self.assertEqual(self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"], withdrawn)
        self.assertEqual(self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "PendingDeletion")
        self.assertEqual(self.kms.cancel_key_deletion(KeyId=key)["KeyId"], arn)
        self.assertEqual(self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")
        self.kms.enable_key(KeyId=key)
        self.assertEqual(self.kms.decrypt(CiphertextBlob=blob)["Plaintext"], b"x")
        self.kms.update_key_description(KeyId=key, Description="another")
        self.assertEqual(self.kms.describe_key(KeyId=key)["KeyMetadata"]["Description"], "another")

    def test_keys_are_listed_in_pages(self):
        made = {self.new_key() for _ in range(5)}
        listed = {key["KeyId"] for page in self.kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
                  for key in page["Keys"]}
        self.assertLessEqual(made, listed)
        self.refused("InvalidMarkerException", self.kms.list_keys, Marker="???")
        self.refused("ValidationException", self.kms.list_keys, Limit=1001)

    def test_names_of_keys(self):
        self.refused("NotFoundException", self.kms.describe_key, KeyId="1234abcd-12ab-34cd-56ef-1234567890ab")
        self.refused("NotFoundException", self.kms.describe_key, KeyId="alias/nothing")
        self.refused("NotFoundException", self.kms.describe_key, KeyId="nonsense")
        self.refused("InvalidArnException", self.kms.describe_key, KeyId="arn:aws:s3:::bucket")
        key, other = self.new_key(), self.new_key()
        self.kms.create_alias(AliasName="alias/of-the-test", TargetKeyId=key)
        for name in ("alias/of-the-test", "arn:aws:kms:us-east-1:111122223333:alias/of-the-test"):
            self.assertEqual(self.kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"], key)
        self.refused("AlreadyExistsException", self.kms.create_alias, AliasName="alias/of-the-test", TargetKeyId=other)
        self.refused("InvalidAliasNameException", self.kms.create_alias, AliasName="of-the-test", TargetKeyId=other)
        self.kms.update_alias(AliasName="alias/of-the-test", TargetKeyId=other)
        self.assertEqual(self.kms.describe_key(KeyId="alias/of-the-test")["KeyMetadata"]["KeyId"], other)
        self.assertEqual([a["AliasName"] for a in self.kms.list_aliases(KeyId=other)["Aliases"]], ["alias/of-the-test"])
        self.kms.delete_alias(AliasName="alias/of-the-test")
        self.refused("NotFoundException", self.kms.describe_key, KeyId="alias/of-the-test")

    def test_what_is_not_made(self):
        for arguments in ({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, {"KeySpec": "HMAC_256"}, {"MultiRegion": True},
                          {"Origin": "EXTERNAL"}, {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
                          {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}):
            self.refused("UnsupportedOperationException", self.kms.create_key, **arguments)
        self.refused("ValidationException", self.kms.create_key, KeySpec="RSA_2048")
        self.refused("ValidationException", self.kms.create_key, KeySpec="SOMETHING")
        self.refused("UnknownOperationException", self.kms.create_grant, KeyId="a", GranteePrincipal=USER, Operations=["Decrypt"])

    # --- data

    def test_encrypt_and_decrypt(self):
        key, other = self.new_key(), self.new_key()
        context = {"Project": "alpha", "Stage": "ü"}
        blob = self.kms.encrypt(KeyId=key, Plaintext=b"p" * 4096, EncryptionContext=context)["CiphertextBlob"]
        answer = self.kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
        self.assertEqual(answer["Plaintext"], b"p" * 4096)
        self.assertEqual(answer["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT")
        self.assertEqual(self.kms.decrypt(CiphertextBlob=blob, EncryptionContext=context, KeyId=key)["KeyId"], answer["KeyId"])
        self.refused("IncorrectKeyException", self.kms.decrypt, CiphertextBlob=blob, EncryptionContext=context, KeyId=other)
        self.refused("InvalidCiphertextException", self.kms.decrypt, CiphertextBlob=blob)
        self.refused("InvalidCiphertextException", self.kms.decrypt, CiphertextBlob=blob, EncryptionContext={"Project": "alpha"})
        self.refused("InvalidCiphertextException", self.kms.decrypt, CiphertextBlob=blob[:-1] + bytes([blob[-1] ^ 1]),
                     EncryptionContext=context)
        self.refused("InvalidCiphertextException", self.kms.decrypt, CiphertextBlob=b"nonsense")
        self.refused("ValidationException", self.kms.encrypt, KeyId=key, Plaintext=b"p" * 4097)
        self.refused("InvalidKeyUsageException", self.kms.encrypt, KeyId=key, Plaintext=b"p", EncryptionAlgorithm="RSAES_OAEP_SHA_256")

    def test_asymmetric_keys(self):
        key = self.new_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
        public = serialization.load_der_public_key(self.kms.get_public_key(KeyId=key)["PublicKey"])
        for algorithm, oaep, most in (("RSAES_OAEP_SHA_256", OAEP_256, 190), ("RSAES_OAEP_SHA_1", OAEP_1, 214)):
            blob = self.kms.encrypt(KeyId=key, Plaintext=b"p" * most, EncryptionAlgorithm=algorithm)["CiphertextBlob"]
            for ciphertext in (blob, public.encrypt(b"p" * most, oaep)):
                answer = self.kms.decrypt(KeyId=key, CiphertextBlob=ciphertext, EncryptionAlgorithm=algorithm)
                self.assertEqual(answer["Plaintext"], b"p" * most)
            self.refused("ValidationException", self.kms.encrypt, KeyId=key, Plaintext=b"p" * (most + 1), EncryptionAlgorithm=algorithm)
            self.refused("ValidationException", self.kms.decrypt, CiphertextBlob=blob, EncryptionAlgorithm=algorithm)
            self.refused("InvalidCiphertextException", self.kms.decrypt, KeyId=key, CiphertextBlob=bytes(256), EncryptionAlgorithm=algorithm)
        self.refused("InvalidKeyUsageException", self.kms.encrypt, KeyId=key, Plaintext=b"p")
        self.refused("InvalidKeyUsageException", self.kms.generate_data_key, KeyId=key, KeySpec="AES_256")
        self.refused("UnsupportedOperationException", self.kms.get_public_key, KeyId=self.new_key())

    def test_re_encrypt(self):
        key, other = self.new_key(), self.new_key()
        blob = self.kms.encrypt(KeyId=key, Plaintext=b"moved", EncryptionContext={"a": "1"})["CiphertextBlob"]
        answer = self.kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext={"a": "1"}, DestinationKeyId=other,
                                     DestinationEncryptionContext={"b": "2"})
        self.assertTrue(answer["SourceKeyId"].endswith(key))
        self.assertTrue(answer["KeyId"].endswith(other))
        self.assertEqual(self.kms.decrypt(CiphertextBlob=answer["CiphertextBlob"], EncryptionContext={"b": "2"})["Plaintext"], b"moved")
        self.refused("IncorrectKeyException", self.kms.re_encrypt, CiphertextBlob=blob, SourceKeyId=other, DestinationKeyId=key)
        only_from = self.policy({"Effect": "Deny", "Principal": "*", "Action": "kms:ReEncryptTo", "Resource": "*"})
        self.put_policy(other, only_from)
        self.refused("AccessDeniedException", self.kms.re_encrypt, CiphertextBlob=blob, SourceEncryptionContext={"a": "1"},
                     DestinationKeyId=other)

    def test_data_keys(self):
        key = self.new_key()
        for arguments, size in (({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)):
            made = self.kms.generate_data_key(KeyId=key, **arguments)
            self.assertEqual(len(made["Plaintext"]), size)
            self.assertEqual(self.kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"], made["Plaintext"])
        hidden = self.kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
        self.assertNotIn("Plaintext", hidden)
        self.assertEqual(len(self.kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]), 32)
        self.refused("ValidationException", self.kms.generate_data_key, KeyId=key)
        self.refused("ValidationException", self.kms.generate_data_key, KeyId=key, KeySpec="AES_256", NumberOfBytes=32)
        self.refused("ValidationException", self.kms.generate_data_key, KeyId=key, NumberOfBytes=1025)
        self.assertEqual(len(self.kms.generate_random(NumberOfBytes=100)["Plaintext"]), 100)
        self.refused("ValidationException", self.kms.generate_random, NumberOfBytes=1025)

    def test_data_key_pairs(self):
        key = self.new_key()
        for spec in ("RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"):
            made = self.kms.generate_data_key_pair(KeyId=key, KeyPairSpec=spec)
            private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
            self.assertEqual(private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
                             made["PublicKey"])
            self.assertEqual(self.kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"])["Plaintext"], made["PrivateKeyPlaintext"])
        self.assertNotIn("PrivateKeyPlaintext", self.kms.generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec="ECC_NIST_P256"))

    # --- policies

    def test_policies(self):
        key = self.new_key()
        self.refused("AccessDeniedException", self.user.describe_key, KeyId=key)
        self.refused("AccessDeniedException", self.user.create_key)
        self.refused("AccessDeniedException", self.user.generate_random, NumberOfBytes=1)
        policy = self.policy({"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "kms:Encrypt", "Resource": "*",
                              "Condition": {"StringEquals": {"kms:EncryptionContext:Project": "alpha"}}})
        self.put_policy(key, policy)
        self.assertEqual(self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"], policy)
        self.assertEqual(self.kms.list_key_policies(KeyId=key)["PolicyNames"], ["default"])
        self.user.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"Project": "alpha"})
        self.refused("AccessDeniedException", self.user.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext={"Project": "beta"})
        self.refused("AccessDeniedException", self.user.encrypt, KeyId=key, Plaintext=b"x")
        # The name's case doesn't matter, so that nobody goes past a policy by it; two names are two values.
        self.user.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"PROJECT": "alpha"})
        self.refused("AccessDeniedException", self.user.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext={"Project": "alpha", "project": "beta"})
        self.refused("AccessDeniedException", self.user.put_key_policy, KeyId=key, PolicyName="default", Policy=policy)
        lockout = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "kms:*",
                                                                     "Resource": "*"}})
        self.refused("MalformedPolicyDocumentException", self.kms.put_key_policy, KeyId=key, PolicyName="default", Policy=lockout)
        self.refused("MalformedPolicyDocumentException", self.kms.create_key, Policy=lockout)
        self.refused("MalformedPolicyDocumentException", self.kms.put_key_policy, KeyId=key, PolicyName="default", Policy="{}")
        self.assertEqual(self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"], policy)
        self.put_policy(key, lockout, BypassPolicyLockoutSafetyCheck=True)
        self.refused("AccessDeniedException", self.kms.get_key_policy, KeyId=key, PolicyName="default")
        self.assertEqual(self.user.get_key_policy(KeyId=key, PolicyName="default")["Policy"], lockout)

    # --- Recipient

    def secret_under(self, *statements):
        key = self.new_key(Policy=self.policy(*statements))
        return key, self.kms.encrypt(KeyId=key, Plaintext=b"the weights' key")["CiphertextBlob"]

    def test_released_to_the_approved_image_only(self):
        _, blob = self.secret_under(self.released_to(ImageSha384=documents.pcr_hex(0x10).upper(), PCR4=documents.pcr_hex(0x14)))
        answer = self.user.decrypt(CiphertextBlob=blob, Recipient=recipient(self.chain.document(self.spki)))
        self.assertNotIn("Plaintext", answer)
        envelope = answer["CiphertextForRecipient"]
        self.assertEqual(opened_by_openssl(envelope, self.key), b"the weights' key")
        self.assertEqual(envelope[:21].hex(), "308006092a864886f70d010703a080308002010231")
        self.assertIn(hashlib.sha256(self.spki).digest(), envelope)
        self.refused("AccessDeniedException", self.user.decrypt, CiphertextBlob=blob)
        for changed in ({0: b"\x20" * 48}, {4: b"\x20" * 48}):
            self.refused("AccessDeniedException", self.user.decrypt, CiphertextBlob=blob,
                         Recipient=recipient(self.chain.document(self.spki, pcrs=changed)))

    def test_documents_that_are_refused(self):
        _, blob = self.secret_under(self.released_to(ImageSha384=documents.pcr_hex(0x10)))
        zero = {i: bytes(48) for i in range(3)}
        expired = documents.Chain(seconds=100, begin=int(time.time()) - 1000)
        cases = {
            "debug": self.chain.document(self.spki, pcrs=zero),
            "foreign": self.other_chain.document(self.spki),
            "altered signature": self.chain.document(self.spki, spoil=True),
            "no public key": self.chain.document(),
            "no RSA key": self.chain.document(b"no key at all"),
            "RSA-1024": self.chain.document(documents.rsa_key(1024)[1]),
            "elliptic key": self.chain.document(self.chain.keys[0].public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)),
            "nonsense": b"nonsense",
            "expired": expired.document(self.spki),
            "cut": self.chain.document(self.spki)[:-1],
            "followed": self.chain.document(self.spki) + b"x",
            }
        for what, document in cases.items():
            with self.subTest(what):
                for operation, arguments in ((self.user.decrypt, {"CiphertextBlob": blob}), (self.kms.generate_random, {"NumberOfBytes": 8})):
                    answer = self.refused("ValidationException", operation, Recipient=recipient(document), **arguments)
                    self.assertIn("attestation document", answer["Error"]["Message"])
        self.refused("ValidationException", self.user.decrypt, CiphertextBlob=blob,
                     Recipient={"AttestationDocument": self.chain.document(self.spki)})

    def test_debug_and_development_only_when_asked_for(self):
        chain = documents.Chain(unit="DEVELOPMENT")
        development = recipient(chain.document(self.spki))
        debug = recipient(chain.document(self.spki, pcrs={i: bytes(48) for i in range(3)}))
        allowed = {(): (), ("--allow-development",): (development,), ("--allow-development", "--allow-debug"): (development, debug)}
        for flags, taken in allowed.items():
            with running_service.Service(roots=[chain.root_pem()], flags=flags) as service:
                kms = service.client()
                for asked in (development, debug):
                    if asked in taken:
                        answer = kms.generate_random(NumberOfBytes=9, Recipient=asked)
                        self.assertEqual(len(opened_by_openssl(answer["CiphertextForRecipient"], self.key)), 9)
                    else:
                        refusal = self.refused("ValidationException", kms.generate_random, NumberOfBytes=9, Recipient=asked)
                        self.assertIn("debug" if flags else "development", refusal["Error"]["Message"])

    def test_what_else_is_refused_with_a_document_that_is_good(self):
        approved = self.released_to(ImageSha384=documents.pcr_hex(0x10))
        asked = recipient(self.chain.document(self.spki))
        # A key whose policy says nothing of the enclave, and one whose statement went away.
        key, blob = self.secret_under()
        self.refused("AccessDeniedException", self.user.decrypt, CiphertextBlob=blob, Recipient=asked)
        self.refused("AccessDeniedException", self.user.generate_data_key, KeyId=key, KeySpec="AES_256", Recipient=asked)
        key, blob = self.secret_under(approved)
        self.user.decrypt(CiphertextBlob=blob, Recipient=asked)
        self.put_policy(key, self.policy())
        self.refused("AccessDeniedException", self.user.decrypt, CiphertextBlob=blob, Recipient=asked)
        # A key that is disabled, or about to be deleted.
        key, blob = self.secret_under(approved)
        self.kms.disable_key(KeyId=key)
        self.refused("DisabledException", self.user.decrypt, CiphertextBlob=blob, Recipient=asked)
        self.refused("DisabledException", self.user.generate_data_key, KeyId=key, KeySpec="AES_256", Recipient=asked)
        self.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        self.refused("KMSInvalidStateException", self.user.decrypt, CiphertextBlob=blob, Recipient=asked)

    def test_a_replayed_document_helps_its_enclave_only(self):
        """There is no nonce: who recorded a document and a ciphertext may ask again. What he gets is for the key in the document."""
        _, blob = self.secret_under({**self.released_to(ImageSha384=documents.pcr_hex(0x10)), "Principal": "*"})
        recorded = self.chain.document(self.spki)
        first = self.user.decrypt(CiphertextBlob=blob, Recipient=recipient(recorded))
        replayed = self.kms.decrypt(CiphertextBlob=blob, Recipient=recipient(recorded))  # somebody else, later
        self.assertEqual(set(replayed) - {"ResponseMetadata"}, set(first) - {"ResponseMetadata"})
        self.assertNotIn("Plaintext", replayed)
        envelope = replayed["CiphertextForRecipient"]
        self.assertNotEqual(envelope, first["CiphertextForRecipient"])  # another content key each time
        self.assertNotIn(b"the weights' key", envelope)
        self.assertEqual(opened_by_openssl(envelope, self.key), b"the weights' key")
        thief, thief_spki = documents.rsa_key()
        with self.assertRaises(subprocess.CalledProcessError):
            opened_by_openssl(envelope, thief)
        # His own key in the recorded document is another document, which nobody signed.
        exchanged = recorded.replace(self.spki, thief_spki)
        self.assertEqual(len(exchanged), len(recorded))
        refusal = self.refused("ValidationException", self.user.decrypt, CiphertextBlob=blob, Recipient=recipient(exchanged))
        self.assertIn("signature", refusal["Error"]["Message"])

    def test_a_document_is_no_older_and_no_younger_than_it_may_be(self):
        limited = self.released_to(ImageSha384=documents.pcr_hex(0x10))
        limited["Condition"]["NumericLessThanEquals"] = {"cofferdam:RecipientAttestation:AgeSeconds": "600"}
        _, blob = self.secret_under(limited)

        def asked(age, chain=self.chain):
            return recipient(chain.document(self.spki, changes={"timestamp": int((time.time() - age) * 1000)}))
        for age in (0, 500, -240):  # clocks differ a little
            self.user.decrypt(CiphertextBlob=blob, Recipient=asked(age))
        for age in (660, 3600):
            self.refused("AccessDeniedException", self.user.decrypt, CiphertextBlob=blob, Recipient=asked(age))
        # Its age would be less than nothing for as long as its chain is valid.
        for age in (-360, -3600, -86400):
            refusal = self.refused("ValidationException", self.user.decrypt, CiphertextBlob=blob, Recipient=asked(age))
            self.assertIn("future", refusal["Error"]["Message"])
        # Chains that are valid no longer, or not yet, whatever the document says of its time.
        now = int(time.time())
        for begin in (now - 86400, now + 86400):
            chain = documents.Chain(begin=begin)
            with running_service.Service(roots=[chain.root_pem()]) as service:
                refusal = self.refused("ValidationException", service.client().generate_random, NumberOfBytes=8, Recipient=asked(0, chain))
                self.assertIn("validity", refusal["Error"]["Message"])

    def test_every_altered_byte_of_a_document_is_noticed(self):
        """No byte of it may be changed on its way (by the parent, say); some sixty of them, everywhere in it."""
        _, blob = self.secret_under(self.released_to(ImageSha384=documents.pcr_hex(0x10)))
        document = self.chain.document(self.spki)
        for at in range(0, len(document), len(document) // 60):
            altered = document[:at] + bytes([document[at] ^ 0x01]) + document[at + 1:]
            with self.subTest(at=at):
                self.refused("ValidationException", self.user.decrypt, CiphertextBlob=blob, Recipient=recipient(altered))

    def test_an_altered_envelope_is_not_what_was_sent(self):
        """CMS as AWS sends it has no tag of its own (TLS keeps it whole): an altered one never opens to the secret."""
        _, blob = self.secret_under(self.released_to(ImageSha384=documents.pcr_hex(0x10)))
        envelope = self.user.decrypt(CiphertextBlob=blob, Recipient=recipient(self.chain.document(self.spki)))["CiphertextForRecipient"]
        for at in (len(envelope) // 2, len(envelope) - 20, len(envelope) - 40):
            altered = envelope[:at] + bytes([envelope[at] ^ 0x01]) + envelope[at + 1:]
            try:
                self.assertNotEqual(opened_by_openssl(altered, self.key), b"the weights' key")
            except subprocess.CalledProcessError:
                pass  # most are no envelope any more

    def test_a_service_whose_clock_is_off_by_a_day_releases_nothing(self):
        clock = os.environ.get("COFFERDAM_SHIFTED_CLOCK")
        if not clock:
            self.skipTest("COFFERDAM_SHIFTED_CLOCK names kms_shifted_clock.so of the build's tests/kms")
        for offset in (86400, -86400):
            there = documents.Chain(begin=int(time.time()) + offset - 60)  # made by the service's clock
            service = running_service.Service(roots=[self.chain.root_pem(), there.root_pem()])
            service.added = {"LD_PRELOAD": clock, "SHIFTED_CLOCK_SECONDS": str(offset)}
            with self.subTest(offset=offset), service:
                self.refused("InvalidSignatureException", service.client().list_keys)

                def ask(document, service=service, offset=offset):
                    """Signed by the service's clock, so that the document decides."""
                    return self.raw("GenerateRandom", {"NumberOfBytes": 8, "Recipient": {
                        "AttestationDocument": base64.b64encode(document).decode(), "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}},
                                    skew=offset, service=service)
                status, answer = ask(self.chain.document(self.spki))
                self.assertEqual((status, answer["__type"]), (400, "ValidationException"), answer)
                self.assertIn("validity", answer["message"])
                status, answer = ask(there.document(self.spki, changes={"timestamp": int((time.time() + offset) * 1000)}))
                self.assertEqual(status, 200, answer)

    def test_another_public_key_gets_nothing_that_ours_opens(self):
        _, blob = self.secret_under(self.released_to(ImageSha384=documents.pcr_hex(0x10)))
        other, other_spki = documents.rsa_key(3072)
        envelope = self.user.decrypt(CiphertextBlob=blob, Recipient=recipient(self.chain.document(other_spki)))["CiphertextForRecipient"]
        self.assertEqual(opened_by_openssl(envelope, other), b"the weights' key")
        with self.assertRaises(subprocess.CalledProcessError):
            opened_by_openssl(envelope, self.key)

    def test_every_operation_with_a_recipient(self):
        key, _ = self.secret_under(self.released_to(ImageSha384=documents.pcr_hex(0x10)))
        asked = recipient(self.chain.document(self.spki))
        made = self.user.generate_data_key(KeyId=key, KeySpec="AES_256", Recipient=asked)
        self.assertNotIn("Plaintext", made)
        self.assertEqual(opened_by_openssl(made["CiphertextForRecipient"], self.key),
                         self.open_as_administrator(key, made["CiphertextBlob"]))
        pair = self.user.generate_data_key_pair(KeyId=key, KeyPairSpec="RSA_4096", Recipient=asked)
        self.assertNotIn("PrivateKeyPlaintext", pair)
        private = opened_by_openssl(pair["CiphertextForRecipient"], self.key)
        self.assertEqual(private, self.open_as_administrator(key, pair["PrivateKeyCiphertextBlob"]))
        self.assertEqual(len(opened_by_openssl(self.kms.generate_random(NumberOfBytes=1024, Recipient=asked)["CiphertextForRecipient"],
                                               self.key)), 1024)

    def open_as_administrator(self, key, blob):
        return self.kms.decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"]

    def test_conditions_of_our_own(self):
        root = hashlib.sha256(self.chain.der(0)).hexdigest()
        statement = self.released_to(ImageSha384=documents.pcr_hex(0x10))
        statement["Condition"].update({"StringEquals": {"cofferdam:RecipientAttestation:RootSha256": root},
                                       "NumericLessThan": {"cofferdam:RecipientAttestation:AgeSeconds": "300"},
                                       "Bool": {"cofferdam:RecipientAttestation:Debug": "false"}})
        _, blob = self.secret_under(statement)
        document = self.chain.document(self.spki)
        self.user.decrypt(CiphertextBlob=blob, Recipient=recipient(document))
        old = self.chain.document(self.spki, changes={"timestamp": int(time.time() - 301) * 1000})
        self.refused("AccessDeniedException", self.user.decrypt, CiphertextBlob=blob, Recipient=recipient(old))
        statement["Condition"]["Bool"]["cofferdam:RecipientAttestation:SmmuActive"] = "true"
        _, blob = self.secret_under(statement)  # this chain says nothing of a platform
        self.refused("AccessDeniedException", self.user.decrypt, CiphertextBlob=blob, Recipient=recipient(document))

    def test_an_update_is_approved_by_policy(self):
        key, blob = self.secret_under(self.released_to(ImageSha384=documents.pcr_hex(0x10)))
        update = recipient(self.chain.document(self.spki, pcrs={0: b"\x30" * 48}))
        self.refused("AccessDeniedException", self.user.decrypt, CiphertextBlob=blob, Recipient=update)
        self.put_policy(key, self.policy(self.released_to(ImageSha384=[documents.pcr_hex(0x10), documents.pcr_hex(0x30)])))
        self.user.decrypt(CiphertextBlob=blob, Recipient=update)

    def test_dry_run(self):
        key = self.new_key()
        self.refused("DryRunOperationException", self.kms.encrypt, KeyId=key, Plaintext=b"x", DryRun=True)
        blob = self.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        self.refused("DryRunOperationException", self.kms.decrypt, CiphertextBlob=blob, DryRun=True)
        self.kms.disable_key(KeyId=key)
        self.refused("DisabledException", self.kms.decrypt, CiphertextBlob=blob, DryRun=True)

    # --- who asks

    def raw(self, operation, body, skew=0, change=None, target=None, sign=True, unsigned=None, service=None):
        service = service or self.service
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        if operation:
            headers["X-Amz-Target"] = target or f"TrentService.{operation}"
        url = f"https://localhost:{service.port}/"
        request = botocore.awsrequest.AWSRequest(method="POST", url=url, data=data, headers=headers)
        if sign:
            credentials = botocore.credentials.Credentials(service.environment["AWS_ACCESS_KEY_ID"],
                                                           service.environment["AWS_SECRET_ACCESS_KEY"])
            real = botocore.auth.datetime
            try:
                if skew:
                    class Moved(real.datetime):
                        @classmethod
                        def utcnow(cls):
                            return real.datetime.utcnow() + real.timedelta(seconds=skew)
                    botocore.auth.datetime = type("module", (), {"datetime": Moved})
                botocore.auth.SigV4Auth(credentials, "kms", "us-east-1").add_auth(request)
            finally:
                botocore.auth.datetime = real
        sent = {**dict(request.headers.items()), **(unsigned or {})}
        if change:
            data = change(sent, data) or data
        context = ssl.create_default_context(cafile=str(service.authority))
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=sent), context=context, timeout=30) as answer:
                self.assertEqual(answer.headers["Content-Type"], "application/x-amz-json-1.1")
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            self.assertEqual(error.headers["Content-Type"], "application/x-amz-json-1.1")
            self.assertTrue(error.headers["x-amzn-RequestId"])
            return error.code, json.loads(error.read())

    def test_signatures(self):
        def error(**arguments):
            status, answer = self.raw("ListKeys", {}, **arguments)
            self.assertEqual(status, 400, answer)
            return answer["__type"]
        self.assertEqual(self.raw("ListKeys", {})[0], 200)
        self.assertEqual(error(sign=False), "MissingAuthenticationTokenException")
        self.assertEqual(error(skew=86400), "InvalidSignatureException")
        self.assertEqual(error(skew=-86400), "InvalidSignatureException")
        self.assertEqual(error(skew=-301), "InvalidSignatureException")
        self.assertEqual(self.raw("ListKeys", {}, skew=-240)[0], 200)

        def alter(headers, _):
            text = headers["Authorization"]
            headers["Authorization"] = text[:-1] + ("0" if text[-1] != "0" else "1")
        self.assertEqual(error(change=alter), "InvalidSignatureException")
        self.assertEqual(error(change=lambda headers, data: b'{"Limit": 1}'), "InvalidSignatureException")

        def cut(headers, _):
            headers["Authorization"] = headers["Authorization"].split(", Signature")[0]
        self.assertEqual(error(change=cut), "IncompleteSignatureException")
        status, answer = self.raw(None, {}, unsigned={"X-Amz-Target": "TrentService.ListKeys"})
        self.assertEqual((status, answer["__type"]), (400, "IncompleteSignatureException"))
        stranger = self.service.client("AKIASTRANGERAAAAAAAA", "x" * 40)
        self.refused("UnrecognizedClientException", stranger.list_keys)
        self.refused("InvalidSignatureException", self.service.client(USER_KEYS[0][0], "x" * 40).list_keys)
        self.refused("InvalidSignatureException", self.service.client(region="eu-west-1").list_keys)

    def test_two_access_keys_of_one_principal(self):
        key = self.new_key(Policy=self.policy({"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "kms:DescribeKey", "Resource": "*"}))
        for credential in USER_KEYS:
            self.service.client(*credential).describe_key(KeyId=key)

    def test_malformed_requests(self):
        for body, name in ((b"[]", "SerializationException"), (b"{", "SerializationException"),
                           (b'{"Limit": "many"}', "SerializationException"), (b'{"Limit": 0}', "ValidationException"),
                           (b"[" * 100000, "SerializationException"), (b'{"Limit": 1, "Limit": 2}', "SerializationException")):
            status, answer = self.raw("ListKeys", body)
            self.assertEqual((status, answer["__type"]), (400, name))
        self.assertEqual(self.raw("ListKeys", {}, target="TrentService.Nothing")[1]["__type"], "UnknownOperationException")
        self.assertEqual(self.raw("ListKeys", {}, target="Other.ListKeys")[1]["__type"], "UnknownOperationException")
        self.assertEqual(self.raw("Encrypt", {"Plaintext": "*", "KeyId": "x"})[1]["__type"], "SerializationException")
        for operation, body, name in (("CreateKey", {"Description": "a\0b"}, "ValidationException"), ("DescribeKey", {"KeyId": "a\0b"}, "ValidationException"),
                                      ("CreateAlias", {"AliasName": "alias/a\0b", "TargetKeyId": "x"}, "ValidationException"),
                                      ("CreateCustomKeyStore", {"CustomKeyStoreName": "a\0b"}, "ValidationException"),
                                      ("DescribeCustomKeyStores", {"CustomKeyStoreName": "a\0b"}, "ValidationException"),
                                      ("ListAliases", {"Marker": base64.b64encode(b"alias/a\0b").decode()}, "InvalidMarkerException"),
                                      ("DescribeCustomKeyStores", {"Marker": base64.b64encode(b"a\0b").decode()}, "InvalidMarkerException")):
            with self.subTest(operation=operation, body=body):
                status, answer = self.raw(operation, body)
                self.assertEqual((status, answer["__type"]), (400, name), answer)

    def test_tls(self):
        context = ssl.create_default_context(cafile=str(self.service.authority))
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                self.assertEqual(connection.version(), "TLSv1.3")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=10) as plain:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname="localhost")


class RestartTest(unittest.TestCase):
    def test_keys_and_credentials_survive_and_change(self):
        with running_service.Service(aws=True) as service:
            kms = service.client()
            key = kms.create_key()["KeyMetadata"]["KeyId"]
            blob = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
            self.assertEqual(service.stop(), 0)
            service.start()
            kms = service.client()
            self.assertEqual(kms.decrypt(CiphertextBlob=blob)["Plaintext"], b"kept")
            file = service.home / "principals.json"
            data = json.loads(file.read_text())
            data["principals"][0]["keys"][0].update(access_key_id="AKIAROTATEDAAAAAAAAA", secret="r" * 40)
            file.write_text(json.dumps(data))
            time.sleep(1.1)  # the service looks once a second
            service.client("AKIAROTATEDAAAAAAAAA", "r" * 40).list_keys()
            with self.assertRaises(botocore.exceptions.ClientError):
                kms.list_keys()

    def test_the_audit_log_has_what_was_asked_and_shows_changes(self):
        chain = documents.Chain()
        _, spki = documents.rsa_key()
        with running_service.Service(roots=[chain.root_pem()]) as service:
            kms = service.client()
            key = kms.create_key()["KeyMetadata"]["KeyId"]
            blob = kms.encrypt(KeyId=key, Plaintext=b"kept", EncryptionContext={"a": "b"})["CiphertextBlob"]
            for context, document in (({"a": "b"}, chain.document(spki)), ({}, chain.document(spki)), ({"a": "b"}, b"nonsense")):
                try:
                    kms.decrypt(CiphertextBlob=blob, EncryptionContext=context, Recipient=recipient(document))
                except botocore.exceptions.ClientError:
                    pass
            with self.assertRaises(botocore.exceptions.ClientError):
                service.client("AKIASTRANGERAAAAAAAA", "x" * 40).list_keys()
            service.stop()

            def audit(*arguments):
                return subprocess.run([running_service.BIN / "cofferdam-kms", "audit", *arguments, "--config", service.home / "kms.json"],
                                      capture_output=True, timeout=60)
            entries = [json.loads(line) for line in audit("show", "--json").stdout.splitlines()]
            pcr0 = documents.pcr_hex(0x10)
            self.assertEqual([(e["operation"], e["outcome"], e["key"], e["recipient_pcr0"]) for e in entries],
                             [("CreateKey", "Success", key, None), ("Encrypt", "Success", key, None), ("Decrypt", "Success", key, pcr0),
                              ("Decrypt", "InvalidCiphertextException", key, pcr0), ("Decrypt", "ValidationException", key, ""),
                              ("Authenticate", "UnrecognizedClientException", "", None)])
            self.assertTrue(all(e["principal"].endswith("user/administrator") for e in entries[:-1]))
            self.assertEqual(audit("verify").returncode, 0)
            database = sqlite3.connect(service.home / "keys.db")
            database.execute("DROP TRIGGER audit_is_not_changed")
            database.execute("UPDATE audit SET outcome = 'AccessDeniedException' WHERE sequence = 3")
            database.commit()
            database.close()
            self.assertEqual(audit("verify").returncode, 1)

    def test_the_audit_log_says_what_was_changed_and_for_whom_it_was_refused(self):
        chain = documents.Chain()
        _, spki = documents.rsa_key()
        asked, pcr0 = recipient(chain.document(spki)), documents.pcr_hex(0x10)
        policy = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}})
        digest = "policy SHA-256 " + hashlib.sha256(policy.encode()).hexdigest()
        user = {"arn": USER, "keys": [{"access_key_id": USER_KEYS[0][0], "secret": USER_KEYS[0][1]}]}
        with running_service.Service(roots=[chain.root_pem()], principals=[user]) as service:
            kms, host = service.client(), service.client(*USER_KEYS[0])

            def refused(function, **arguments):
                with self.assertRaises(botocore.exceptions.ClientError):
                    function(**arguments)
            one, two = (kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"] for _ in range(2))
            kms.create_alias(AliasName="alias/weights", TargetKeyId=one)
            kms.update_alias(AliasName="alias/weights", TargetKeyId=two)
            kms.delete_alias(AliasName="alias/weights")
            refused(kms.delete_alias, AliasName="alias/weights")
            refused(kms.put_key_policy, KeyId=one, PolicyName="default", Policy="{}")
            refused(host.decrypt, CiphertextBlob=b"nonsense", Recipient=asked)
            refused(host.decrypt, KeyId="alias/nothing", CiphertextBlob=b"nonsense", Recipient=recipient(b"nonsense"))
            refused(host.generate_random, NumberOfBytes=8, Recipient=asked)
            refused(host.generate_data_key, KeyId=one, KeySpec="AES_256", Recipient=recipient(b"nonsense"))
            refused(host.generate_data_key_pair, KeyId="alias/nothing", KeyPairSpec="ECC_NIST_P256", Recipient=asked)
            service.stop()
            shown = subprocess.run([running_service.BIN / "cofferdam-kms", "audit", "show", "--json", "--config", service.home / "kms.json"],
                                   capture_output=True, timeout=60, check=True).stdout
        entries = [json.loads(line) for line in shown.splitlines()]
        self.assertEqual([(e["operation"], e["outcome"], e["key"], e["detail"]) for e in entries[:7]],
                         [("CreateKey", "Success", one, digest), ("CreateKey", "Success", two, digest),
                          ("CreateAlias", "Success", one, "alias/weights"), ("UpdateAlias", "Success", two, f"alias/weights, before of {one}"),
                          ("DeleteAlias", "Success", two, "alias/weights"), ("DeleteAlias", "NotFoundException", "alias/weights", "alias/weights"),
                          ("PutKeyPolicy", "MalformedPolicyDocumentException", one, "policy SHA-256 " + hashlib.sha256(b"{}").hexdigest())])
        self.assertEqual([(e["operation"], e["outcome"], e["key"], e["recipient_pcr0"]) for e in entries[7:]],
                         [("Decrypt", "InvalidCiphertextException", "", pcr0), ("Decrypt", "NotFoundException", "alias/nothing", ""),
                          ("GenerateRandom", "AccessDeniedException", "", pcr0), ("GenerateDataKey", "ValidationException", one, ""),
                          ("GenerateDataKeyPair", "NotFoundException", "alias/nothing", pcr0)])

    def test_a_wrong_configuration_is_refused(self):
        service = running_service.Service(aws=True)
        service.configure(lambda data: data.update(attestation={}))
        with self.assertRaisesRegex(RuntimeError, "no document could be verified"):
            with service:
                pass


if __name__ == "__main__":
    unittest.main()
