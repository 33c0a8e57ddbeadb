"""A stand-in for the inference service: TLS with a key of its own, documents under a chain of its own, and every way to cheat."""
import base64
import dataclasses
import datetime
import hashlib
import json
import pathlib
import socket
import ssl
import sys
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kms"))
import attestation_documents  # noqa: E402

API_KEY = "test-key-7f31"
PCR0 = bytes([0x5a]) * 48


class TlsKey:
    """A TLS key with a certificate that it signs itself, in a folder."""

    def __init__(self, folder, name):
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "enclave")])
        certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
                       .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
                       .sign(key, hashes.SHA256()))
        self.spki_digest = hashlib.sha256(key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).digest()
        path = pathlib.Path(folder) / f"{name}.pem"
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) +
                         certificate.public_bytes(serialization.Encoding.PEM))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(path)


@dataclasses.dataclass
class Behaviour:
    chain: attestation_documents.Chain
    tls: TlsKey
    pcrs: dict = dataclasses.field(default_factory=lambda: {0: PCR0, 1: bytes([1]) * 48, 2: bytes([2]) * 48})
    nonce: bytes = None               # None: the one asked for
    bound_to: bytes = None            # user_data; None: this key's digest; b"": none at all
    attestation: bytes = None         # the whole body instead of a document
    later_tls: TlsKey = None          # shown by every connection after the first
    idle_end: bool = False            # every connection ends, unannounced, when its exchange is over
    answers: list = dataclasses.field(default_factory=lambda: [["Hello", " there", "."]])  # pieces, one list a turn
    cut_after: int = None             # pieces; then the connection ends
    end_without_done: bool = False
    split: int = None                 # bytes of one write, so that events fall apart
    raw: bytes = None                 # the whole event stream instead of pieces
    change_document: int = None       # a byte of the document to flip


class FakeService:
    """Serves until closed. `requests` holds (method, target, headers, body) of all that came, over every connection."""

    def __init__(self, behaviour):
        self.behaviour, self.requests, self.connections, self.turn = behaviour, [], 0, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A connection of our own wakes accept(); close() alone would leave it there.
        self.stopping = True
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            pass
        self.thread.join(10)
        self.socket.close()

    def wait_until_ended(self, connections):
        limit = time.monotonic() + 20
        while self.ended < connections and time.monotonic() < limit:
            time.sleep(0.005)

    stopping, ended = False, 0

    def serve(self):
        while True:
            raw, _ = self.socket.accept()
            if self.stopping:
                raw.close()
                return
            raw.settimeout(20)
            first = self.connections == 0
            self.connections += 1
            tls = self.behaviour.tls if first or not self.behaviour.later_tls else self.behaviour.later_tls
            try:
                with tls.context.wrap_socket(raw, server_side=True) as connection:
                    while self.exchange(connection) and not self.behaviour.idle_end:
                        pass
            except (OSError, ssl.SSLError):
                pass
            self.ended += 1

    def exchange(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return False
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        self.requests.append((method, target, headers, body))
        url = urllib.parse.urlparse(target)
        if method == "GET" and url.path == "/v1/attestation":
            return self.attest(connection, bytes.fromhex(urllib.parse.parse_qs(url.query)["nonce"][0]))
        if method == "POST" and url.path == "/v1/chat/completions":
            return self.answer(connection, headers, json.loads(body))
        return self.whole(connection, "404 Not Found", b'{"error":{"message":"no such path"}}')

    def whole(self, connection, status, body, close=False):
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                           f"{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n".encode() + body)
        return not close

    def attest(self, connection, nonce):
        this = self.behaviour
        bound = this.tls.spki_digest if this.bound_to is None else this.bound_to
        document = bytearray(this.chain.document(pcrs=this.pcrs, changes={**({"user_data": bound} if bound else {}), "nonce": this.nonce or nonce}))
        if this.change_document is not None:
            document[this.change_document] ^= 1
        body = this.attestation or json.dumps({"document": base64.b64encode(bytes(document)).decode()}).encode()
        return self.whole(connection, "200 OK", body, close=this.later_tls is not None)

    def answer(self, connection, headers, request):
        this = self.behaviour
        if headers.get("authorization") != f"Bearer {API_KEY}":
            return self.whole(connection, "401 Unauthorized", b'{"error":{"message":"Invalid API Key","type":"authentication_error"}}')
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        pieces = this.answers[self.turn % len(this.answers)]
        self.turn += 1
        stream = b""
        for index, piece in enumerate(pieces):
            if this.cut_after == index:
                self.chunks(connection, stream)
                return False
            stream += b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}).encode() + b"\n\n"
        stream += b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
        if not this.end_without_done:
            stream += b"data: [DONE]\n\n"
        self.chunks(connection, this.raw if this.raw is not None else stream)
        connection.sendall(b"0\r\n\r\n")
        return True

    def chunks(self, connection, data):
        size = self.behaviour.split or len(data) or 1
        for at in range(0, len(data), size):
            piece = data[at:at + size]
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
