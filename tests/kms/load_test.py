"""Many Recipient decrypts in flight at once: every answer opens to the right secret, and the service's memory stays bounded.

  load_test.py                       1,000 in flight, once (what the tests run)
  load_test.py --rounds 20           more of it
  load_test.py --json                figures for a script: decrypts per second, latencies, memory
"""
import argparse
import base64
import http.client
import json
import pathlib
import resource
import socket
import ssl
import sys
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from cryptography.hazmat.primitives import ciphers, hashes, padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import attestation_documents as documents
import running_service

MOST_MEMORY = 512 << 20  # bytes


def opened(envelope, key):
    """CMS as the service makes it with RSA-2048: fixed offsets (RFC 5652), one chunk. OpenSSL does it in key_service_test."""
    at = envelope.index(bytes.fromhex("04820100")) + 4
    encrypted_key, rest = envelope[at:at + 256], envelope[at + 256:]
    content_key = key.decrypt(encrypted_key, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    at = rest.index(bytes.fromhex("60864801650304012a0410")) + 11
    iv, rest = rest[at:at + 16], rest[at + 16:]
    assert rest[:3] == b"\xa0\x80\x04"
    decryptor = ciphers.Cipher(ciphers.algorithms.AES(content_key), ciphers.modes.CBC(iv)).decryptor()
    unpadder = block_padding.PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(rest[4:4 + rest[3]]) + decryptor.finalize()) + unpadder.finalize()


def memory_of(process):
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")


class Flight:
    """All connections are open before the first request is sent, and all requests are sent before the first answer is read."""

    def __init__(self, service, requests):
        self.service, self.requests = service, requests
        self.context = ssl.create_default_context(cafile=str(service.authority))
        self.credentials = botocore.credentials.Credentials(service.environment["AWS_ACCESS_KEY_ID"],
                                                            service.environment["AWS_SECRET_ACCESS_KEY"])

    def signed(self, body):
        request = botocore.awsrequest.AWSRequest(
            method="POST", url=f"https://localhost:{self.service.port}/", data=body,
            headers={"X-Amz-Target": "TrentService.Decrypt", "Content-Type": "application/x-amz-json-1.1"})
        botocore.auth.SigV4Auth(self.credentials, "kms", "us-east-1").add_auth(request)
        return dict(request.headers.items())

    def fly(self):
        """Answers, seconds in all, and the seconds until each answer was read, sorted."""
        sockets = [self.context.wrap_socket(socket.create_connection(("127.0.0.1", self.service.port), timeout=100),
                                            server_hostname="localhost") for _ in self.requests]
        messages = []
        for body in self.requests:
            headers = {"Host": f"localhost:{self.service.port}", **self.signed(body), "Content-Length": len(body), "Connection": "close"}
            messages.append("".join(["POST / HTTP/1.1\r\n", *(f"{n}: {v if isinstance(v, (str, int)) else v.decode()}\r\n"
                                                              for n, v in headers.items()), "\r\n"]).encode() + body)
        begin = time.monotonic()
        answers, seconds = [], []
        for connection, message in zip(sockets, messages):
            connection.sendall(message)
        for connection in sockets:
            try:
                response = http.client.HTTPResponse(connection)
                response.begin()
                answers.append((response.status, json.loads(response.read())))
            except Exception as error:  # counted below as a wrong answer
                answers.append((0, repr(error)))
            connection.close()
            seconds.append(time.monotonic() - begin)
        return answers, time.monotonic() - begin, sorted(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    chain = documents.Chain()
    keys = [documents.rsa_key() for _ in range(8)]
    with running_service.Service(roots=[chain.root_pem()]) as service:
        kms = service.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        recipients, secrets, bodies = [], [], []
        for i in range(arguments.in_flight):
            if i % 50 == 0:
                chain.new_leaf()  # another enclave under the same authorities
                recipients = [base64.b64encode(chain.document(spki)).decode() for _, spki in keys]
                secret = b"secret %d" % i
                blob = base64.b64encode(kms.encrypt(KeyId=key, Plaintext=secret)["CiphertextBlob"]).decode()
            secrets.append((keys[i % 8][0], secret))
            bodies.append(json.dumps({"CiphertextBlob": blob, "Recipient": {
                "AttestationDocument": recipients[i % 8], "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}}).encode())
        before = memory_of(service.process.pid)
        wrong, seconds, latencies = [], 0.0, []
        for _ in range(arguments.rounds):
            answers, spent, times = Flight(service, bodies).fly()
            seconds += spent
            latencies += times
            for (status, answer), (private, secret) in zip(answers, secrets):
                if status != 200 or "Plaintext" in answer or opened(base64.b64decode(answer["CiphertextForRecipient"]), private) != secret:
                    wrong.append((status, answer))
        memory = memory_of(service.process.pid)
    latencies.sort()
    count = arguments.in_flight * arguments.rounds
    figures = {"in_flight": arguments.in_flight, "decrypts": count, "wrong": len(wrong), "per_second": round(count / seconds, 1),
               "median_ms": round(latencies[len(latencies) // 2] * 1000), "slowest_ms": round(latencies[-1] * 1000),
               "memory_before_mib": before >> 20, "memory_highest_mib": memory >> 20}
    print(json.dumps(figures) if arguments.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))
    if wrong:
        sys.exit(f"{len(wrong)} answers were wrong, the first: {wrong[0]}")
    if memory > MOST_MEMORY:
        sys.exit(f"the service took {memory >> 20} MiB, the bound is {MOST_MEMORY >> 20} MiB")


if __name__ == "__main__":
    main()
