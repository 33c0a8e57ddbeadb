#!/usr/bin/python3
"""`cofferdam chat` against a service that is honest, and against one that cheats in one way at a time.

  chat_test.py PATH_OF_COFFERDAM

What is demanded of every refusal: exit code 1, the reason in words, and that neither the API key nor the prompt reached the service.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import fake_service
    from attestation_documents import Chain
    from fake_service import API_KEY, PCR0, Behaviour, FakeService, TlsKey
except ImportError as missing:
    print(f"skipped: {missing} (Debian package python3-cryptography)")
    sys.exit(77)

COFFERDAM = sys.argv.pop(1)
PROMPT = "What is the secret of the 4711 project?"


class Chat(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.chain = Chain()
        self.tls = TlsKey(self.folder, "tls")
        self.write("root.pem", self.chain.root_pem())
        self.write("policy.json", json.dumps({"pcrs": {"0": PCR0.hex()}}).encode())
        self.write("key", API_KEY.encode() + b"\n")

    def write(self, name, data):
        (self.folder / name).write_bytes(data)
        return str(self.folder / name)

    def run_chat(self, port, *more, text=None, policy=True, root=True, message=True):
        command = [COFFERDAM, "chat", "--service", f"127.0.0.1:{port}", "--api-key-file", str(self.folder / "key"), "--timeout", "20"]
        command += ["--root", str(self.folder / "root.pem")] if root else []
        command += ["--policy", str(self.folder / "policy.json")] if policy else []
        command += ["--message", PROMPT] if message else []
        return subprocess.run([*command, *more], input=text or b"", capture_output=True, timeout=60, check=False)

    def refused(self, behaviour, *words, reason=None, options=(), **how):
        """The whole outcome of a refusal before anything was told."""
        with FakeService(behaviour) as service:
            ended = self.run_chat(service.port, *options, **how)
            as_events = self.run_chat(service.port, *options, "--json", **how)
        said = ended.stderr.decode()
        self.assertEqual(ended.returncode, 1, said)
        self.assertTrue(said.startswith("refused: "), said)
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(ended.stdout, b"")
        events = [json.loads(line) for line in as_events.stdout.splitlines()]
        self.assertEqual(as_events.returncode, 1)
        self.assertEqual([event["event"] for event in events], ["refused"])
        self.assertEqual(events[0]["reason"], reason)
        self.assert_told_nothing(service)

    def assert_told_nothing(self, service):
        self.assertTrue(service.requests, "the service was never asked")
        for method, target, headers, body in service.requests:
            self.assertEqual((method, body), ("GET", b""))
            for secret in (API_KEY, PROMPT, "project"):
                self.assertNotIn(secret, target + str(headers))

    def test_an_honest_service_is_spoken_to(self):
        with FakeService(Behaviour(self.chain, self.tls)) as service:
            ended = self.run_chat(service.port, "--system", "Be brief.", "--max-tokens", "9", "--temperature", "0", "--seed", "3")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(ended.stdout, b"Hello there.\n")
        for word in (PCR0.hex(), "test root", self.tls.spki_digest.hex()):
            self.assertIn(word, ended.stderr.decode())
        (_, first, first_headers, _), (_, _, headers, body) = service.requests
        self.assertRegex(first, r"^/v1/attestation\?nonce=[0-9a-f]{64}$")
        self.assertNotIn("authorization", first_headers)
        self.assertEqual(headers["authorization"], f"Bearer {API_KEY}")
        self.assertEqual(json.loads(body), {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}],
                                            "stream": True, "max_tokens": 9, "temperature": 0.0, "seed": 3})
        self.assertEqual(service.connections, 1)

    def test_each_verification_has_a_nonce_of_its_own(self):
        with FakeService(Behaviour(self.chain, self.tls)) as service:
            for _ in range(2):
                self.assertEqual(self.run_chat(service.port).returncode, 0)
        asked = [target for method, target, _, _ in service.requests if method == "GET"]
        self.assertEqual(len(set(asked)), 2)

    def test_a_conversation_is_kept_and_shown_as_events(self):
        answers = [["One", "."], ["Two", "."]]
        with FakeService(Behaviour(self.chain, self.tls, answers=answers, split=3)) as service:
            ended = self.run_chat(service.port, "--json", "--message", "And then?")
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        self.assertEqual([event["event"] for event in events], ["verified", "token", "token", "answer", "token", "token", "answer"])
        self.assertEqual(events[0]["pcr0"], PCR0.hex())
        self.assertEqual(events[0]["tls_key_sha256"], self.tls.spki_digest.hex())
        self.assertEqual(events[6], {"event": "answer", "text": "Two.", "finish_reason": "stop"})
        last = json.loads(service.requests[-1][3])
        self.assertEqual([(each["role"], each["content"]) for each in last["messages"]],
                         [("user", PROMPT), ("assistant", "One."), ("user", "And then?")])

    def test_prompts_come_from_standard_input_too(self):
        with FakeService(Behaviour(self.chain, self.tls, answers=[["One."], ["Two."]])) as service:
            ended = self.run_chat(service.port, message=False, text=b"first\n\nsecond\n")
        self.assertEqual((ended.returncode, ended.stdout), (0, b"One.\nTwo.\n"))

    def test_another_image_is_refused(self):
        other = {0: bytes([0x5b]) * 48, 1: bytes([1]) * 48, 2: bytes([2]) * 48}
        self.refused(Behaviour(self.chain, self.tls, pcrs=other), "PCR0", reason="pcr")

    def test_a_replayed_document_is_refused(self):
        self.refused(Behaviour(self.chain, self.tls, nonce=bytes(32)), "nonce", reason="nonce")

    def test_a_man_in_the_middle_is_refused(self):
        # The genuine enclave's document, passed on over a connection that ends elsewhere.
        enclave = TlsKey(self.folder, "enclave")
        self.refused(Behaviour(self.chain, self.tls, bound_to=enclave.spki_digest), "another TLS key", reason="tls-key")

    def test_a_document_that_names_no_key_is_refused(self):
        self.refused(Behaviour(self.chain, self.tls, bound_to=b""), "names no TLS key", reason="tls-key")
        self.refused(Behaviour(self.chain, self.tls, bound_to=self.tls.spki_digest[:31]), "names no TLS key", reason="tls-key")

    def test_an_expired_chain_is_refused(self):
        old = Chain(begin=int(time.time()) - 86400)
        self.write("root.pem", old.root_pem())
        self.refused(Behaviour(old, self.tls), "valid from", reason="validity")

    def test_a_foreign_root_is_refused(self):
        self.refused(Behaviour(Chain(), self.tls), "root", reason="root")
        self.refused(Behaviour(self.chain, self.tls), "AWS", reason="root", root=False, options=["--aws-root"])

    def test_an_altered_document_is_refused(self):
        self.refused(Behaviour(self.chain, self.tls, change_document=-1), "signature", reason="signature")

    def test_a_debug_enclave_is_refused(self):
        debug = {index: bytes(48) for index in range(3)}
        self.refused(Behaviour(self.chain, self.tls, pcrs=debug), "debug", reason="debug")

    def test_a_development_identity_needs_to_be_allowed(self):
        development = Chain(unit="DEVELOPMENT")
        self.write("root.pem", development.root_pem())
        self.refused(Behaviour(development, self.tls), "--allow-development", reason="development")
        with FakeService(Behaviour(development, self.tls)) as service:
            ended = self.run_chat(service.port, "--allow-development")
        self.assertEqual(ended.returncode, 0)
        self.assertIn("DEVELOPMENT IDENTITY", ended.stderr.decode())

    def test_what_is_no_document_is_refused(self):
        for body in (b"hello", b"[]", b'{"document": 7}', b'{"document": "!!"}', b'{"document": ""}', b'{"document": "aGVsbG8="}',
                     json.dumps({"document": "A" * 100000}).encode()):
            with self.subTest(body=body[:20]):
                self.refused(Behaviour(self.chain, self.tls, attestation=body), "document", reason="not-a-document")

    def test_a_connection_with_another_key_gets_nothing(self):
        other = TlsKey(self.folder, "other")
        with FakeService(Behaviour(self.chain, self.tls, later_tls=other)) as service:
            ended = self.run_chat(service.port)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("another TLS key", ended.stderr.decode())
        self.assertEqual(service.connections, 2)
        self.assert_told_nothing(service)

    def test_a_connection_that_ended_is_made_again(self):
        with FakeService(Behaviour(self.chain, self.tls, idle_end=True, answers=[["One."], ["Two."]])) as service:
            program = subprocess.Popen([COFFERDAM, "chat", "--service", f"127.0.0.1:{service.port}", "--api-key-file", str(self.folder / "key"),
                                        "--root", str(self.folder / "root.pem"), "--pcr", f"0={PCR0.hex()}"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(program.kill)
            said = []
            for number, question in enumerate((b"first\n", b"second\n")):
                service.wait_until_ended(number + 1)
                program.stdin.write(question)
                program.stdin.flush()
                said.append(program.stdout.readline())
            _, errors = program.communicate(timeout=20)
        self.assertEqual((program.returncode, said), (0, [b"One.\n", b"Two.\n"]), errors)
        self.assertEqual(service.connections, 3)

    def test_a_wrong_api_key_is_told(self):
        self.write("key", b"not-the-key\n")
        with FakeService(Behaviour(self.chain, self.tls)) as service:
            ended = self.run_chat(service.port)
        self.assertEqual((ended.returncode, ended.stdout), (1, b""))
        self.assertIn("refused: the service refuses: HTTP 401: Invalid API Key", ended.stderr.decode())

    def test_an_answer_that_breaks_off_is_told(self):
        for behaviour in (Behaviour(self.chain, self.tls, cut_after=2), Behaviour(self.chain, self.tls, end_without_done=True)):
            with FakeService(behaviour) as service:
                ended = self.run_chat(service.port)
            self.assertEqual(ended.returncode, 1)
            self.assertTrue(ended.stdout.startswith(b"Hello there"), ended.stdout)
            self.assertIn("broke off", ended.stderr.decode())

    def test_an_answer_cannot_drive_the_terminal(self):
        hostile = [["a\x1b]0;owned\x07b", "\x9b2J", "\r\u202ec", "\u00fc\n"]]
        with FakeService(Behaviour(self.chain, self.tls, answers=hostile)) as service:
            ended = self.run_chat(service.port)
        self.assertEqual(ended.stdout.decode(), "a\\x1b]0;owned\\x07b\\u{9b}2J\\x0d\\u{202e}c\u00fc\n\n")

    def test_hostile_streams_end(self):
        for raw, word in ((b"data: " + b"x" * 300000, "262144"), (b"data: {]\n\n", "no JSON"), (b"data: 7\n\n", "no JSON"),
                          (b'data: {"error":{"message":"out of \x1b[31mmemory"}}\n\n', "service"),
                          (b'data: {"error":{"message":"context is full"}}\n\n', "context is full")):
            with self.subTest(raw=raw[:20]), FakeService(Behaviour(self.chain, self.tls, raw=raw)) as service:
                ended = self.run_chat(service.port)
                self.assertEqual(ended.returncode, 1)
                self.assertIn(word, ended.stderr.decode())
                self.assertNotIn(b"\x1b", ended.stderr)

    def test_what_the_caller_has_wrong_is_said_before_a_connection(self):
        with FakeService(Behaviour(self.chain, self.tls)) as service:
            for how, word in (({"policy": False}, "--policy"), ({"root": False}, "--root")):
                ended = self.run_chat(service.port, **how)
                self.assertEqual(ended.returncode, 2)
                self.assertIn(word, ended.stderr.decode())
            for more in (["--aws-root"], ["--max-tokens", "0"], ["--policy", "absent.json"], ["--message", b"\xff"], ["--message", ""]):
                self.assertEqual(self.run_chat(service.port, *more).returncode, 2, more)
            for content in (b"", b"two words\n", b"a\r\nX-Injected: b", b"x" * 5000):
                self.write("key", content)
                self.assertEqual(self.run_chat(service.port).returncode, 2, content[:20])
        self.assertEqual(service.connections, 0)

    def test_no_service_is_told(self):
        ended = self.run_chat(1)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("refused: 127.0.0.1:1", ended.stderr.decode())


if __name__ == "__main__":
    unittest.main()
