#!/usr/bin/env python3
"""A language model served out of an enclave: two owners' key services on the host, an untrusted parent in between, a client that
verifies before it speaks. Root in the parent searches its memory and disks, and what crossed the network, for weights, prompt and
answer. Then what must not be served: another image, weights that were altered, an owner who refuses.

  inference.py           the test: an outcome a line
  inference.py --story   the same for people, as ./x demo shows it
"""
import argparse
import base64
import contextlib
import json
import pathlib
import re
import secrets
import socket
import ssl
import subprocess
import sys
import tarfile
import shutil
import tempfile
import threading
import time
import urllib.request

import parent_runs
import shell_enclave

sys.path.insert(0, str(parent_runs.ROOT / "tools/guest"))
sys.path.insert(0, str(parent_runs.ROOT / "tests/kms"))
import inference_image  # noqa: E402

BIN = parent_runs.ROOT / "build/bin"
MODEL = parent_runs.ROOT / "build/model/cofferdam.gguf"
USER = "arn:aws:iam::111122223333:user/enclave-host"
ACCESS, SECRET = "AKIAENCLAVEHOSTAAAAA", "first-secret-of-the-enclave-host-0000000"
KEY_PORTS = {"weights": 8001, "prompts": 8002}  # vsock, of the parent
DOOR, STEP = 8443, 8444  # TCP, of the parent
QUESTION = {"messages": [{"role": "user", "content": "What is Cofferdam?"}], "max_tokens": 24, "temperature": 0, "seed": 1}
CONTEXTS = {"weights": {"artifact": "cofferdam-small"}, "prompts": {"purpose": "prompts"}}

SCRIPT = r"""
ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
nitro-cli allocate --cpu-count 1 --memory 512 >/tmp/allocate.said || cat /tmp/allocate.said
printf 'allowlist:\n- {address: 10.0.2.2, port: WEIGHTS}\n- {address: 10.0.2.2, port: PROMPTS}\n' >/tmp/allow.yaml
cofferdam-relay --allow /tmp/allow.yaml --listen vsock:8001 --connect tcp:10.0.2.2:WEIGHTS --listen vsock:8002 --connect tcp:10.0.2.2:PROMPTS &
cofferdam-relay --listen vsock:8003 --connect tcp:10.0.2.2:WEIGHTS; echo "UNLISTED $?"
# NAME IMAGE LAUNCH: the enclave's words in /tmp/NAME.words until it serves or ends
launch() {
  cp /store/$3.json /store/launch.json
  cofferdam-parent-store --listen vsock:9100 /store >/tmp/$1.words 2>/dev/null & store=$!
  nitro-cli run-enclave --enclave-name $1 --eif-path /$2.eif --cpu-count 1 --memory 512 >/tmp/$1.said 2>&1 || cat /tmp/$1.said
  cid=$(sed -n 's/.*"EnclaveCID": \([0-9]*\).*/\1/p' /tmp/$1.said)
  local tries=0
  while [ $tries -lt 150 ] && ! grep -qE '^(serving|refused|error)' /tmp/$1.words; do sleep 1; tries=$((tries + 1)); done
  sed "s/^/$1 said /" /tmp/$1.words
}
finish() { nitro-cli terminate-enclave --all >/dev/null 2>&1; kill $store; }
step() { echo $1 | nc -l -p STEP >/tmp/told; }  # until the host hangs up
# The host has told the words, masked; the last of them is one that the parent has, of the encrypted weights.
search() {
  local masked mask
  read masked mask </tmp/told
  canary-search --anywhere memory $masked $mask 65536 | sed 's/^/SEARCH /'
  canary-search --anywhere file $masked $mask /dev/vda /dev/nvme0n1 /store/model.artifact | sed 's/^/SEARCH /'
}
launch good inference launch
cofferdam-relay --listen tcp:10.0.2.15:DOOR --connect vsock:$cid:443 & door=$!
step serving
search
kill $door; finish
launch changed changed launch; finish
launch altered inference altered; finish
step revoke
launch revoked inference launch; finish
complaints
exit 9
"""


PATIENCE = 300  # seconds: emulation on a busy machine is slow
MEMORY = 1536   # MiB of the machine: what the parent has left is searched byte by byte
STORY = False   # for people


def tell(text):
    """What happens now, for people."""
    if STORY:
        print(f"== {text}", flush=True)


def token(text):
    if STORY:
        print(text, end="", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Owner:
    """A party with a key service of its own. It hears of the machine's root when the machine is made."""

    def __init__(self, name):
        import attestation_documents  # needs Debian's python3-cryptography
        import running_service        # needs Debian's python3-boto3
        self.name = name
        self.service = running_service.Service(roots=[attestation_documents.Chain().root_pem()], flags=["--allow-development"],
                                               principals=[{"arn": USER, "keys": [{"access_key_id": ACCESS, "secret": SECRET}]}])
        self.service.start()
        self.port = self.service.port
        self.arn = self.service.client().create_key()["KeyMetadata"]["Arn"]

    def allow(self, pcr0):
        condition = {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": pcr0}}
        statements = [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"},
                      {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "kms:Decrypt", "Resource": "*", "Condition": condition}]
        self.service.client().put_key_policy(KeyId=self.arn, PolicyName="default",
                                             Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    def believe(self, root):
        """Starts again at the same port, with the root under which this run's documents are made."""
        service = self.service
        service.stop()
        (service.home / "attestation-root-1.pem").write_bytes(root)
        service.errors = open(service.folder / "stderr", "ab")
        service.process = subprocess.Popen([BIN / "cofferdam-kms", "serve", "--config", service.home / "kms.json", "--port", str(self.port),
                                            *service.flags], stdout=subprocess.PIPE, stderr=service.errors)
        service.process.stdout.readline()

    def description(self):
        return {"host": "localhost", "port": self.port, "region": "us-east-1", "ca_file": f"/etc/cofferdam/{self.name}-ca.pem",
                "key_arn": self.arn, "context": CONTEXTS[self.name], "vsock_port": KEY_PORTS[self.name]}


def lay_out(folder, owners, secret):
    """The parent's files: two images that differ in one letter, and the store; answers the image's PCR0."""
    added, authorities = folder / "added", folder / "authorities/etc/cofferdam"
    (added / "store").mkdir(parents=True)
    authorities.mkdir(parents=True)
    for owner in owners.values():
        shutil.copy(owner.service.authority, authorities / f"{owner.name}-ca.pem")
    service = {"model": "cofferdam-small", "most_bytes": 64 << 20, "threads": 1, "context_tokens": 256, "parallel": 1, "listen_port": 443,
               "parent": "vsock:parent:9100", "owners": {name: owner.description() for name, owner in owners.items()}}
    made = {}
    for name, model in (("inference", "cofferdam-small"), ("changed", "cofferdam-smalk")):
        made[name] = json.loads(inference_image.make(added / f"{name}.eif", {**service, "model": model}, [folder / "authorities"]))["Measurements"]
    weights = owners["weights"]
    subprocess.run([BIN / "cofferdam", "artifact", "encrypt", MODEL, added / "store/model.artifact", "--context", "artifact=cofferdam-small",
                    "--key-id", weights.arn, "--kms-endpoint", f"localhost:{weights.port}", "--ca", weights.service.authority],
                   check=True, stdout=subprocess.DEVNULL, timeout=120, env={"PATH": "/usr/bin", **weights.service.environment})
    altered = bytearray((added / "store/model.artifact").read_bytes())
    altered[len(altered) // 2] ^= 1
    (added / "store/altered.artifact").write_bytes(altered)
    blob = owners["prompts"].service.client().encrypt(KeyId=owners["prompts"].arn, Plaintext=secret.encode(),
                                                      EncryptionContext=CONTEXTS["prompts"])["CiphertextBlob"]
    credential = {"access_key_id": ACCESS, "secret_access_key": SECRET}
    for name, artifact in (("launch", "model.artifact"), ("altered", "altered.artifact")):
        launch = {"artifact": artifact, "weights": credential, "prompts": {**credential, "ciphertext": base64.b64encode(blob).decode()}}
        (added / f"store/{name}.json").write_text(json.dumps(launch), encoding="utf-8")
    for owner in owners.values():
        owner.allow(made["inference"]["PCR0"])
    return made["inference"]["PCR0"]


@contextlib.contextmanager
def step(name, port, running):
    """While the parent waits there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and running.is_alive():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as stream:
            stream.settimeout(5)
            if stream.recv(64) == name.encode() + b"\n":
                yield stream
                return
        time.sleep(0.5)
    yield None


def words_of(port_or_url, body, bearer=None):
    """The pieces of a streamed answer."""
    request = urllib.request.Request(f"{port_or_url}/v1/chat/completions", json.dumps({**body, "stream": True}).encode(),
                                     {"Content-Type": "application/json", **({"Authorization": f"Bearer {bearer}"} if bearer else {})})
    context = ssl._create_unverified_context()  # this program looks at what is served; who serves it, the chat looks at
    pieces = []
    with urllib.request.urlopen(request, timeout=PATIENCE, **({"context": context} if port_or_url.startswith("https") else {})) as answer:
        for line in answer:
            if line.startswith(b"data: {"):
                pieces += [choice["delta"].get("content") for choice in json.loads(line[6:])["choices"]]
    return [piece for piece in pieces if piece]


def status_of(url, method="GET", body=None, bearer=None):
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {bearer}"} if bearer else {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60, context=ssl._create_unverified_context()) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def words_outside(folder):
    """The same program of the same packages with the same model, outside any enclave, by user-mode emulation."""
    root, port = folder / "outside", free_port()
    with tarfile.open(inference_image.ROOTFS) as archive:
        archive.extractall(root)
    line = ["qemu-aarch64-static", "-cpu", "max", "-L", str(root), str(root / "usr/bin/llama-server"), "--model", str(MODEL), "--port", str(port),
            "--host", "127.0.0.1", "--offline", "--no-ui", "--log-disable", "--no-warmup", "--ctx-size", "256", "--parallel", "1", "--threads", "1",
            "--fit", "off", "--no-slots", "--no-cache-prompt", "--cache-ram", "0", "--no-kv-unified"]
    with subprocess.Popen(line, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(120):
                time.sleep(0.5)
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
            return words_of(f"http://127.0.0.1:{port}", QUESTION)
        finally:
            server.kill()


def chat(port, root, pcr0, key_file):
    """What `cofferdam chat` says, an event a line."""
    line = [BIN / "cofferdam", "chat", "--service", f"127.0.0.1:{port}", "--root", root, "--pcr", f"0={pcr0}", "--api-key-file", key_file,
            "--allow-development", "--temperature", "0", "--seed", "1", "--max-tokens", str(QUESTION["max_tokens"]), "--timeout", "300", "--json",
            "--message", QUESTION["messages"][0]["content"]]
    events = []
    with subprocess.Popen([str(word) for word in line], stdout=subprocess.PIPE, text=True) as program:
        for text in program.stdout:
            events.append(json.loads(text))
            if events[-1]["event"] == "verified":
                token(f"   verified: {' '.join(f'{name} {str(value)[:32]}' for name, value in events[-1].items() if name != 'event')}\n   answer: ")
            if events[-1]["event"] == "token":
                token(events[-1]["text"])
        token("\n")
        status = program.wait(timeout=PATIENCE)
    if status and events:
        token(f"   cofferdam chat: {events[-1].get('message') or events[-1]}\n")
    return status, events


class Needles:
    """Eight bytes each of the weights, the prompt and the answer, and of the encrypted weights, which the parent does have."""

    NAMES = ("weights", "prompt", "answer", "the encrypted weights, which it has,")

    def __init__(self, folder, answer):
        weights = MODEL.read_bytes()
        # Of the last quarter: numbers that no other file has, in the clear.
        at = next(at for at in range(len(weights) * 3 // 4, len(weights) - 8) if len(set(weights[at:at + 8])) == 8 and 0 not in weights[at:at + 8])
        artifact = (folder / "added/store/model.artifact").read_bytes()
        self.words = [weights[at:at + 8], QUESTION["messages"][0]["content"].encode()[-8:], answer.encode()[12:20], artifact[len(artifact) // 2:][:8]]

    def masked(self):
        mask = secrets.randbits(64)
        return ",".join(f"{int.from_bytes(word, 'little') ^ mask:#x}" for word in self.words) + f" {mask:#x}\n"

    def check(self, checks, run, capture):
        found = {match[1]: (int(match[2]), [int(hits) for hits in match[3].split(",")]) for match in
                 run.lines(r"^SEARCH canary-search: (\w+): (\d+) words, ([\d,]+) hits")}
        for where in ("memory", "files"):
            words, hits = found.get(where, (0, [0] * 4))
            for name, count in zip(self.NAMES[:3], hits):
                checks.expect(f"root in the parent finds nothing of the {name} in {'its memory' if where == 'memory' else 'disks and store'}",
                              words > 0 and count == 0, f"{count} hits in {words * 8 >> 20} MiB")
            checks.expect(f"and does find {self.NAMES[3]} there", hits[3] > 0, hits[3])
        traffic = capture.read_bytes()
        seen = {name: traffic.count(word) for name, word in zip(self.NAMES, self.words)}
        checks.expect(f"the captured network traffic has none of them, in {len(traffic) >> 10} KiB of TLS", not any(list(seen.values())[:3])
                      and traffic.count(b"\x17\x03\x03") > 10, seen)


class Between:
    """Somebody in between who ends TLS with a key of his own and passes everything on."""

    def __init__(self, folder, port):
        self.port, self.target = free_port(), port
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "mitm.key",
                        "-out", folder / "mitm.pem", "-subj", "/CN=localhost", "-days", "2"], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "mitm.pem", folder / "mitm.key")
        self.seen = b""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            while True:
                with contextlib.suppress(OSError):
                    stream, _ = listener.accept()
                    victim = self.context.wrap_socket(stream, server_side=True)
                    real = ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", self.target)))
                    threading.Thread(target=self.carry, args=(real, victim), daemon=True).start()
                    self.carry(victim, real)

    def carry(self, source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self.seen += piece
                target.sendall(piece)


def check_served(checks, folder, door, root, pcr0, secret):
    url = f"https://127.0.0.1:{door}"
    (folder / "key").write_text(secret + "\n", encoding="utf-8")
    (folder / "another").write_text("0" * len(secret) + "\n", encoding="utf-8")
    tell("The same model and program outside any enclave, to compare")
    outside = words_outside(folder) if shutil.which("qemu-aarch64-static") else None
    began = time.monotonic()
    tell(f"cofferdam chat, on the host: verifies the enclave, then asks: {QUESTION['messages'][0]['content']}")
    status, events = chat(door, root, pcr0, folder / "key")
    tokens = [event["text"] for event in events if event["event"] == "token"]
    checks.expect("the chat verifies the enclave and gets an answer, piece by piece", status == 0 and events[0]["event"] == "verified"
                  and len(tokens) > 3, f"{time.monotonic() - began:.1f} s: {''.join(tokens)!r}" if tokens else events)
    if outside is None:
        print("     not compared with the same program outside: there is no qemu-aarch64-static")
    else:
        checks.expect("token for token that of the same program outside", tokens == outside, outside)
    tell("cofferdam chat, told to expect another image; with another secret; with somebody in between who ends TLS")
    status, events = chat(door, root, pcr0[:-1] + ("0" if pcr0[-1] != "0" else "1"), folder / "key")
    checks.expect("the chat refuses another image", status == 1 and events[-1].get("reason") == "pcr", events[-1:])
    status, events = chat(door, root, pcr0, folder / "another")
    checks.expect("the service refuses another secret", status == 1 and "401" in events[-1]["message"], events[-1:])
    between = Between(folder, door)
    status, events = chat(between.port, root, pcr0, folder / "key")
    checks.expect("the chat refuses whoever ends TLS in between, before a word is sent", status == 1 and events[-1].get("reason") == "tls-key"
                  and b"attestation" in between.seen and secret.encode() not in between.seen and b"Cofferdam?" not in between.seen, events[-1:])
    paths = {path: status_of(f"{url}{path}", bearer=secret) for path in ("/slots", "/props", "/metrics", "/v1/models", "/health", "/")}
    checks.expect("only what is listed is offered", paths == {"/slots": 404, "/props": 404, "/metrics": 404, "/v1/models": 200, "/health": 200, "/": 404}, paths)
    checks.expect("and the model's list only with the secret", status_of(f"{url}/v1/models") == 401)
    return "".join(tokens)


def check_refusals(checks, run):
    said = {name: [match[1] for match in run.lines(rf"^{name} said (.*)$")] for name in ("good", "changed", "altered", "revoked")}
    checks.expect("both owners released their keys to the image", said["good"][-1:] == ["serving cofferdam-small"], said["good"])
    checks.expect("one letter of the image changed: no key", bool(said["changed"]) and re.search(
        "^refused: the owner of the (prompts|weights) does not release the key: .*AccessDeniedException", said["changed"][-1]), said["changed"])
    checks.expect("weights that were altered are not served", said["altered"][-1:] and said["altered"][-1].startswith("refused: the artifact:"), said["altered"])
    checks.expect("an owner who no longer agrees stops the service", said["revoked"][-1:] and re.search(
        "^refused: the owner of the prompts does not release the key: .*AccessDeniedException", said["revoked"][-1]), said["revoked"])
    checks.expect("the relay leads nowhere but to the hosts on its list", bool(run.lines("^UNLISTED 0$")) is False, [m.string for m in run.lines("^UNLISTED")])


def missing_parts():
    for part in (BIN / "cofferdam-kms", MODEL, inference_image.ROOTFS, parent_runs.ROOT / "build/guest-linux/bin/inference-service"):
        if not part.is_file():
            return f"there is no {part.relative_to(parent_runs.ROOT)}; ./x model and ./x inference-image make what it needs"
    return shell_enclave.missing_parts()


def serve_and_refuse(checks, owners, folder):
    """One machine from reset to power-off; answers its run."""
    secret = secrets.token_urlsafe(24)  # 32 characters
    tell("Two owners, a key service each; the model is encrypted under the first one's key, a secret under the second one's")
    pcr0 = lay_out(folder, owners, secret)
    tell(f"Both allow the image with PCR0 {pcr0[:32]}... The machine starts")
    root, capture, door, goes_on = folder / "root.pem", folder / "traffic.pcap", free_port(), free_port()
    script = shell_enclave.WORDS + SCRIPT
    for name, value in (("WEIGHTS", owners["weights"].port), ("PROMPTS", owners["prompts"].port), ("DOOR", DOOR), ("STEP", STEP)):
        script = re.sub(rf"\b{name}\b", str(value), script)
    options = ["--cpus", "2", "--memory", str(MEMORY), "--add", str(folder / "added"), "--root", str(root), "--forward", f"{door}:{DOOR}",
               "--forward", f"{goes_on}:{STEP}", "--capture", str(capture)]
    result, needles = [], None
    running = threading.Thread(target=lambda: result.append(parent_runs.Run(options, script, seconds=900)))
    running.start()
    while running.is_alive() and not (root.is_file() and root.stat().st_size):
        time.sleep(0.1)
    for owner in owners.values():
        owner.believe(root.read_bytes())
    try:
        with step("serving", goes_on, running) as stream:
            checks.expect("the enclave serves", bool(stream))
            if stream:
                needles = Needles(folder, check_served(checks, folder, door, root, pcr0, secret))
                tell("Root in the parent searches all of its memory and its disks; then one letter of the image is changed, then one bit of the weights")
                stream.sendall(needles.masked().encode())
        with step("revoke", goes_on, running) as stream:
            if stream:
                tell("The owner of the prompts withdraws the policy; the same image starts once more")
                owners["prompts"].allow("0" * 96)
    finally:
        running.join()
    if needles and result:
        needles.check(checks, result[0], capture)
    return result[0]


def main():
    global STORY
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--story", action="store_true", help="say what happens, and show the answer as it comes")
    STORY = parser.parse_args().story
    why = missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    checks, owners = parent_runs.Checks(), {}
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        for name in KEY_PORTS:
            owners[name] = Owner(name)
            stack.callback(owners[name].service.__exit__)
        run = serve_and_refuse(checks, owners, pathlib.Path(scratch))
    checks.expect("the script comes to its end", run.status == 9, run.status)
    check_refusals(checks, run)
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
