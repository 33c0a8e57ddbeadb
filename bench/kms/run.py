#!/usr/bin/python3
"""Recipient decrypts per second of the running key service, and its processor time for each: with a document whose chain it knows, with
a new enclave's each time, and for comparison a plain Decrypt. The clients run beside it on the same machine, so the processor time of
the service (user and system, all threads) is the figure that compares machines; where it goes, bench/host/key_service_benchmark.cpp says.

  bench/kms/run.py [--json FILE] [--decrypts 1000] [--clients 16]
"""
import argparse
import base64
import http.client
import json
import os
import pathlib
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/kms"))
import attestation_documents as documents
import load_test
import running_service


def processor_seconds(process):
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(service, bodies, clients, keep_alive):
    flight = load_test.Flight(service, bodies)
    prepared = [(body, flight.signed(body)) for body in bodies]
    failures = []

    def client(part):
        connection = None
        for body, headers in part:
            if connection is None or not keep_alive:
                connection = http.client.HTTPSConnection("localhost", service.port, context=flight.context, timeout=60)
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                failures.append(response.status)

    threads = [threading.Thread(target=client, args=(prepared[i::clients],)) for i in range(clients)]
    used, begin = processor_seconds(service.process.pid), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, used = time.monotonic() - begin, processor_seconds(service.process.pid) - used
    if failures:
        sys.exit(f"{len(failures)} requests failed")
    return {"per_second": round(len(bodies) / seconds, 1), "processor_ms_each": round(used / len(bodies) * 1000, 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--decrypts", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    arguments = parser.parse_args()
    chain = documents.Chain()
    _, spki = documents.rsa_key()
    with running_service.Service(roots=[chain.root_pem()]) as service:
        kms = service.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = base64.b64encode(kms.encrypt(KeyId=key, Plaintext=bytes(32))["CiphertextBlob"]).decode()

        def with_recipient(document):
            return json.dumps({"CiphertextBlob": blob, "Recipient": {
                "AttestationDocument": base64.b64encode(document).decode(), "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}}).encode()

        plain = json.dumps({"CiphertextBlob": blob}).encode()
        known = with_recipient(chain.document(spki))
        strangers = []
        for _ in range(arguments.decrypts // 4):
            chain.new_leaf()
            strangers.append(with_recipient(chain.document(spki)))
        count, clients = arguments.decrypts, arguments.clients
        figures = {"recipient_known_chain": run(service, [known] * count, clients, True),
                   "recipient_new_enclaves": run(service, strangers, clients, True),
                   "plain_decrypt": run(service, [plain] * count, clients, True),
                   "recipient_new_connections": run(service, [known] * (count // 4), clients, False),
                   "memory_highest_mib": load_test.memory_of(service.process.pid) >> 20}
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
