#!/usr/bin/env python3
"""xks_calls.py COFFERDAM_XKS [--seconds 5] [--clients 8]: calls per second of a proxy with a SoftHSM token, over kept connections.

Prints one line of JSON: decrypt calls per second and their median and 99th percentile in milliseconds. The clients are Python
processes on the same machine: what they cost is in the figures.
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import multiprocessing
import pathlib
import ssl
import statistics
import subprocess
import tempfile
import time

METADATA = {"awsPrincipalArn": "arn:p", "kmsKeyArn": "arn:k", "kmsOperation": "Decrypt", "kmsRequestId": "1"}


class Caller:
    def __init__(self, folder, port):
        told = json.loads((folder / "key-service.json").read_text())
        self.path, self.key = told["XksProxyUriPath"], told["XksKeyId"]
        self.identifier = told["XksProxyAuthenticationCredential"]["AccessKeyId"]
        self.secret = told["XksProxyAuthenticationCredential"]["RawSecretAccessKey"]
        self.host = f"localhost:{port}"
        self.connection = http.client.HTTPSConnection("localhost", port, timeout=10,
                                                      context=ssl.create_default_context(cafile=told["authority"]))

    def call(self, name, fields):
        body = json.dumps({"requestMetadata": METADATA, "encryptionAlgorithm": "AES_GCM", **fields})
        target = f"{self.path}/keys/{self.key}/{name}"
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/x/kms-xks-proxy/aws4_request"
        canonical = f"POST\n{target}\n\nhost:{self.host}\nx-amz-date:{now}\n\nhost;x-amz-date\n{hashlib.sha256(body.encode()).hexdigest()}"
        key = ("AWS4" + self.secret).encode()
        for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        self.connection.request("POST", target, body, {
            "Host": self.host, "Content-Type": "application/json", "X-Amz-Date": now,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.identifier}/{scope}, SignedHeaders=host;x-amz-date, Signature={key.hex()}"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {text}")
        return json.loads(text)


def client(folder, port, seconds, results):
    caller = Caller(folder, port)
    sealed = caller.call("encrypt", {"plaintext": base64.b64encode(bytes(32)).decode()})
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        caller.call("decrypt", sealed)
        times.append(time.monotonic() - begin)
    results.put(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proxy")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "setup"
        subprocess.run([options.proxy, "init", folder], check=True, capture_output=True, timeout=60)
        configuration = json.loads((folder / "xks.json").read_text())
        configuration["audit"] = "audit.jsonl"
        (folder / "xks.json").write_text(json.dumps(configuration))
        with subprocess.Popen([options.proxy, "serve", "--config", folder / "xks.json"], stdout=subprocess.PIPE, text=True) as server:
            try:
                port = json.loads(server.stdout.readline())["port"]
                results = multiprocessing.Queue()
                clients = [multiprocessing.Process(target=client, args=(folder, port, options.seconds, results)) for _ in range(options.clients)]
                for process in clients:
                    process.start()
                times = sorted(moment for _ in clients for moment in results.get(timeout=options.seconds + 30))
                for process in clients:
                    process.join()
            finally:
                server.terminate()
    print(json.dumps({"call": "decrypt", "clients": options.clients, "per_second": round(len(times) / options.seconds),
                      "median_ms": round(statistics.median(times) * 1000, 2), "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 2)}))


if __name__ == "__main__":
    main()
