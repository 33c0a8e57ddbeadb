"""A key service for tests of clients: AWS KMS's JSON 1.1 over TLS 1.3, one key, no policies, signatures not checked.

It shares no code with ours: Python's cryptography package and this file. `Service.misbehave` makes it answer wrongly.
"""
import base64
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import threading

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HOST = "kms.test.internal"
KEY_ARN = "arn:aws:kms:test-1:111122223333:key/11111111-2222-3333-4444-555555555555"
SPKI_START = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f00")  # of an RSA-2048 SubjectPublicKeyInfo
SPKI_SIZE = 294


def element(tag, content):
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x81, size]) if size < 0x100 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def open_ended(tag, content):
    return bytes([tag, 0x80]) + content + b"\0\0"


def envelope(plaintext, spki, chunk=1000):
    """CMS EnvelopedData as AWS KMS sends it: BER, indefinite lengths, content in chunks."""
    public_key = serialization.load_der_public_key(spki)
    content_key, iv = os.urandom(32), os.urandom(16)
    sha256 = bytes.fromhex("300d06096086480165030402010500")
    oaep = element(0x30, bytes.fromhex("06092a864886f70d010107")
                   + element(0x30, element(0xa0, sha256)
                             + element(0xa1, element(0x30, bytes.fromhex("06092a864886f70d010108") + sha256))))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    encrypted_key = public_key.encrypt(content_key, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    recipient = element(0x30, element(2, b"\2") + element(0x80, digest.finalize()) + oaep + element(4, encrypted_key))
    pad = 16 - len(plaintext) % 16
    encryptor = Cipher(algorithms.AES(content_key), modes.CBC(iv)).encryptor()
    content = encryptor.update(plaintext + bytes([pad]) * pad) + encryptor.finalize()
    chunks = b"".join(element(4, content[at:at + chunk]) for at in range(0, len(content), chunk))
    algorithm = element(0x30, bytes.fromhex("060960864801650304012a") + element(4, iv))
    encrypted = open_ended(0x30, bytes.fromhex("06092a864886f70d010701") + algorithm + open_ended(0xa0, chunks))
    enveloped = open_ended(0x30, element(2, b"\2") + element(0x31, recipient) + encrypted)
    return open_ended(0x30, bytes.fromhex("06092a864886f70d010703") + open_ended(0xa0, enveloped))


class Refusal(Exception):
    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


class Service:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.key = AESGCM(os.urandom(32))
        self.calls = []  # (operation, request, headers by lower-case names)
        self.misbehave = None
        self.ca = str(self.folder / "ca.pem")
        self.make_certificates()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802, the name is http.server's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = service.answer(self.headers, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):  # a client that refuses the certificate is no news
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def make_certificates(self):
        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True, timeout=60)
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *curve, "-subj", "/CN=test authority", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
        openssl("req", *curve, "-subj", f"/CN={HOST}", "-keyout", "server.key", "-out", "server.csr")
        (self.folder / "names").write_text(f"subjectAltName=DNS:{HOST},DNS:localhost\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "names", "-out", "server.pem")

    def answer(self, headers, body):
        operation = headers["X-Amz-Target"].removeprefix("TrentService.")
        request = json.loads(body)
        self.calls.append((operation, request, {name.lower(): value for name, value in headers.items()}))
        try:
            if self.misbehave == "refuse":
                raise Refusal("AccessDeniedException", "the key policy does not allow this document")
            plaintext, answer = self.operate(operation, request)
        except Refusal as refusal:
            return 400, {"__type": refusal.name, "message": str(refusal)}
        recipient = request.get("Recipient")
        if recipient and self.misbehave != "ignore recipient":
            assert recipient["KeyEncryptionAlgorithm"] == "RSAES_OAEP_SHA_256", recipient
            document = base64.b64decode(recipient["AttestationDocument"])
            at = document.index(SPKI_START)
            ber = bytearray(envelope(plaintext, document[at:at + SPKI_SIZE]))
            if self.misbehave == "alter envelope":
                ber[0x100] ^= 1  # within the encrypted key
            answer["CiphertextForRecipient"] = base64.b64encode(ber).decode()
        else:
            answer["Plaintext"] = base64.b64encode(plaintext).decode()
        return 200, answer

    def operate(self, operation, request):
        context = json.dumps(request.get("EncryptionContext", {}), sort_keys=True).encode()
        if operation == "GenerateRandom":
            return os.urandom(request["NumberOfBytes"]), {}
        if operation == "GenerateDataKey":
            size = {"AES_256": 32, "AES_128": 16}.get(request.get("KeySpec")) or request["NumberOfBytes"]
            plaintext, nonce = os.urandom(size), os.urandom(12)
            blob = nonce + self.key.encrypt(nonce, plaintext, context)
            if self.misbehave == "short key":
                plaintext = plaintext[:-1]
            return plaintext, {"KeyId": KEY_ARN, "CiphertextBlob": base64.b64encode(blob).decode()}
        if operation == "Decrypt":
            blob = base64.b64decode(request["CiphertextBlob"])
            try:
                return self.key.decrypt(blob[:12], blob[12:], context), {"KeyId": KEY_ARN, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
            except InvalidTag:
                raise Refusal("InvalidCiphertextException", "") from None
        raise Refusal("UnknownOperationException", operation)
