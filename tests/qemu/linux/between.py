"""Who stands between two ends of a TLS connection: with a key of his own, with one byte changed, with what he recorded."""
import base64
import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import threading

PIECE = 65536
APPLICATION_DATA = 23  # RFC 8446, 5.1: the type of all records behind the hellos


def make_key(folder, name):
    """A certificate for localhost that signs itself, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"], check=True, capture_output=True)
    return certificate, key


class Listener:
    """A port of loopback; `serve(stream)` for each connection on a thread of its own."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self.accept, args=(serve,), daemon=True).start()

    def accept(self, serve):
        while True:
            stream, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self.one, args=(serve, stream), daemon=True).start()

    @staticmethod
    def one(serve, stream):
        with contextlib.suppress(OSError), stream:
            serve(stream)


class TlsInBetween:
    """Ends TLS with his own certificate, or with one that he was given, and passes everything on to `target`."""

    def __init__(self, certificate, key, target):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.target, self.seen = target, b""
        self.listener = Listener(self.serve)
        self.port = self.listener.port

    def serve(self, stream):
        with self.context.wrap_socket(stream, server_side=True) as victim:
            real = ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", self.target)))
            threading.Thread(target=self.carry, args=(real, victim), daemon=True).start()
            self.carry(victim, real)

    def carry(self, source, target):
        with contextlib.suppress(OSError, ValueError):
            while piece := source.recv(PIECE):
                self.seen += piece
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


class OneBitChanged:
    """Passes bytes on, but for one bit at the end of each record of the answer: in it is the tag by which TLS notices."""

    QUESTION, TICKET = 3000, 400  # bytes: a request with a document has more than the hellos before it, an answer more than a session ticket

    def __init__(self, target):
        self.target, self.changed = target, 0
        self.listener = Listener(self.serve)
        self.port = self.listener.port

    def serve(self, victim):
        with socket.create_connection(("127.0.0.1", self.target)) as real:
            asked = threading.Event()
            threading.Thread(target=self.carry, args=(victim, real, asked), daemon=True).start()
            with real.makefile("rb") as records:
                while len(head := records.read(5)) == 5:
                    record = bytearray(records.read(int.from_bytes(head[3:], "big")))
                    if asked.is_set() and head[0] == APPLICATION_DATA and len(record) > self.TICKET:
                        record[-1] ^= 1
                        self.changed += 1
                    victim.sendall(head + record)

    def carry(self, source, target, asked):
        carried = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                carried += len(piece)
                if carried > self.QUESTION:
                    asked.set()
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


class Replay:
    """Answers every request for a document with `document`, an old one, under a key of his own."""

    def __init__(self, certificate, key):
        replay = self
        self.document, self.seen = b"", []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                replay.seen.append(self.path)
                body = json.dumps({"document": base64.b64encode(replay.document).decode()}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                replay.seen.append(self.path)
                self.send_error(500)

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
