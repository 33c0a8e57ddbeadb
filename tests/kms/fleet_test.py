"""Two instances of the service on one PostgreSQL store, boto3 against both: what one does holds at the other with the next request."""
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import unittest

import botocore.exceptions

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import attestation_documents as documents
import running_postgresql
import running_service
from key_service_test import opened_by_openssl, recipient

HOST = "arn:aws:iam::111122223333:user/enclave-host"
HOST_KEY = ("AKIAENCLAVEHOSTAAAAA", "first-secret-of-the-enclave-host-0000000")
THREADS, CONNECTIONS = 64, 16  # what the configuration's defaults are


class FleetTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Room for the two instances, not for one connection of each of their threads.
        cls.database = running_postgresql.Postgresql(most_connections=2 * CONNECTIONS + 8)
        cls.addClassCleanup(cls.database.close)
        cls.chain = documents.Chain()
        cls.private, cls.spki = documents.rsa_key()
        cls.service = running_service.Service(
            roots=[cls.chain.root_pem()],
            principals=[{"arn": HOST, "keys": [{"access_key_id": HOST_KEY[0], "secret": HOST_KEY[1]}]}])
        cls.addClassCleanup(cls.service.__exit__)
        cls.service.configure(lambda data: data.update(store=cls.database.url()))
        cls.service.start()
        cls.twin = cls.service.twin()
        cls.addClassCleanup(cls.twin.stop)
        cls.one, cls.two = cls.service.client(), cls.twin.client()
        cls.hosts = [instance.client(*HOST_KEY) for instance in (cls.service, cls.twin)]

    def refused(self, name, function, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            function(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], name, caught.exception)

    def policy(self, *approved):
        released = {"Effect": "Allow", "Principal": {"AWS": HOST}, "Action": "kms:Decrypt", "Resource": "*",
                    "Condition": {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": list(approved)}}}
        everything = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [everything, released]})

    def test_a_key_of_one_is_a_key_of_the_other(self):
        key = self.one.create_key(Policy=self.policy(documents.pcr_hex(0x10)))["KeyMetadata"]["KeyId"]
        blob = self.two.encrypt(KeyId=key, Plaintext=b"the weights' key")["CiphertextBlob"]
        self.assertEqual(self.one.decrypt(CiphertextBlob=blob)["Plaintext"], b"the weights' key")
        self.two.create_alias(AliasName="alias/of-the-fleet", TargetKeyId=key)
        self.assertEqual(self.one.describe_key(KeyId="alias/of-the-fleet")["KeyMetadata"]["KeyId"], key)
        asked = recipient(self.chain.document(self.spki))
        for host in self.hosts:
            answer = host.decrypt(CiphertextBlob=blob, Recipient=asked)
            self.assertNotIn("Plaintext", answer)
            self.assertEqual(opened_by_openssl(answer["CiphertextForRecipient"], self.private), b"the weights' key")

        # Disabled at one, it is dead at both with the next request; no instance remembers that it was alive.
        for here in (self.one, self.two):
            here.disable_key(KeyId=key)
            for host in self.hosts:
                self.refused("DisabledException", host.decrypt, CiphertextBlob=blob, Recipient=asked)
            for kms in (self.one, self.two):
                self.refused("DisabledException", kms.encrypt, KeyId=key, Plaintext=b"x")
            here.enable_key(KeyId=key)
        # An image that is no longer approved is refused by both.
        self.one.put_key_policy(KeyId=key, PolicyName="default", Policy=self.policy(documents.pcr_hex(0x30)))
        for host in self.hosts:
            self.refused("AccessDeniedException", host.decrypt, CiphertextBlob=blob, Recipient=asked)

    def test_the_connections_fit_the_threads(self):
        key = self.one.create_key()["KeyMetadata"]["KeyId"]
        clients = [instance.client(connections=THREADS) for instance in (self.service, self.twin)]

        def turn(number):
            kms = clients[number % 2]
            blob = kms.encrypt(KeyId=key, Plaintext=b"%d" % number)["CiphertextBlob"]
            return clients[(number + 1) % 2].decrypt(CiphertextBlob=blob)["Plaintext"] == b"%d" % number

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            self.assertEqual(list(pool.map(turn, range(300))), [True] * 300)
        used = int(self.database.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'kms' AND pid <> pg_backend_pid()"))
        self.assertLessEqual(used, 2 * CONNECTIONS)
        self.assertGreaterEqual(used, 2)

    def test_both_write_one_log(self):
        for kms in (self.one, self.two, self.one):
            kms.generate_random(NumberOfBytes=1)
        audit = subprocess.run([running_service.BIN / "cofferdam-kms", "audit", "verify", "--config", self.service.home / "kms.json"],
                               capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(audit.returncode, 0, audit.stdout + audit.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
