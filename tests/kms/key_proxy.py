"""An XKS proxy (API v1) in Python, from the specification alone: what the key service's side is held against. Keys are in memory."""
import base64
import hashlib
import http.server
import json
import os
import ssl
import threading

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PATH, OTHER_PATH = "/customer/kms/xks/v1", "/another/kms/xks/v1"
ACCESS_KEY_ID, SECRET = "BETWEEN2TAND3CHARACTERS", "between-43-and-64-characters".replace("-", "") * 2


def decoded(body, name):
    return base64.b64decode(body[name], validate=True)


class Refusal(Exception):
    def __init__(self, status, name):
        super().__init__(name)
        self.status, self.name = status, name


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.proxy.plugged_in:
            self.close_connection = True
            return
        try:
            self.check_signature(data)
            status, answer = 200, self.answer(json.loads(data))
        except Refusal as refusal:
            status, answer = refusal.status, {"errorName": refusal.name, "errorMessage": "told by the test's proxy"}
        text = json.dumps(self.server.proxy.change(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def check_signature(self, data):
        given = self.headers.get("Authorization", "")
        names = given.partition("SignedHeaders=")[2].split(",")[0].split(";")
        request = botocore.awsrequest.AWSRequest(method="POST", url=f"https://{self.headers['Host']}{self.path}", data=data,
                                                 headers={n: self.headers[n] for n in names if self.headers.get(n) is not None})
        request.context["timestamp"] = self.headers.get("x-amz-date", "")
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(ACCESS_KEY_ID, self.server.proxy.secret), "kms-xks-proxy",
                                         "us-east-1")
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        if not {"host", "x-amz-date"} <= set(names) or ACCESS_KEY_ID not in given or not given.endswith("Signature=" + signature):
            raise Refusal(401, "AuthenticationFailedException")

    def answer(self, body):
        proxy = self.server.proxy
        base = next((path for path in (PATH, OTHER_PATH) if self.path.startswith(path + "/")), None)
        if not base:
            raise Refusal(404, "InvalidUriPathException")
        if proxy.refusal:
            raise proxy.refusal
        parts = self.path[len(base) + 1:].split("/")
        metadata = body["requestMetadata"]
        proxy.seen.append((parts[-1], metadata))
        if parts == ["health"]:
            return {"xksProxyFleetSize": 1, "xksProxyVendor": "test", "xksProxyModel": "test", "ekmVendor": "test",
                    "ekmFleetDetails": [{"id": "one", "model": "python", "healthStatus": "ACTIVE"}]}
        key = proxy.keys.get(parts[1])
        if key is None:
            raise Refusal(404, "KeyNotFoundException")
        if parts[2] == "metadata":
            return {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": proxy.status}
        given = decoded(body, "additionalAuthenticatedData") if "additionalAuthenticatedData" in body else b""
        note = proxy.note if parts[2] == "encrypt" else decoded(body, "ciphertextMetadata") if "ciphertextMetadata" in body else b""
        associated = len(given).to_bytes(2, "big") + given + bytes([len(note)]) + note
        if parts[2] == "encrypt":
            iv = os.urandom(12)
            sealed = AESGCM(key).encrypt(iv, decoded(body, "plaintext"), associated)
            ciphertext, tag = sealed[:-16], sealed[-16:]
            answer = {"ciphertext": ciphertext, "initializationVector": iv, "authenticationTag": tag}
            if note:
                answer["ciphertextMetadata"] = note
            if "ciphertextDataIntegrityValueAlgorithm" in body:
                answer["ciphertextDataIntegrityValue"] = hashlib.sha256(given + note + iv + ciphertext + tag).digest()
            return {name: base64.b64encode(value).decode() for name, value in answer.items()}
        try:
            plaintext = AESGCM(key).decrypt(decoded(body, "initializationVector"),
                                            decoded(body, "ciphertext") + decoded(body, "authenticationTag"), associated)
        except InvalidTag:
            raise Refusal(400, "InvalidCiphertextException") from None
        return {"plaintext": base64.b64encode(plaintext).decode()}


class KeyProxy:
    def __init__(self, certificate, key):
        self.keys = {"key-1": os.urandom(32), "key-2": os.urandom(32)}
        self.secret, self.status, self.note, self.refusal = SECRET, "ENABLED", b"", None
        self.change, self.seen = (lambda answer: answer), []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.port = 0
        self.plug_in()

    def plug_in(self):
        self.plugged_in = True
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.proxy = self
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def unplug(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        self.plugged_in = False  # connections that are open still end without an answer
