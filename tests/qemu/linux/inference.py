#!/usr/bin/env python3
"""A language model served out of an enclave: two owners' key services on the host, an untrusted parent in between, a client that
verifies before it speaks. Root in the parent searches its memory and disks, and what crossed the network, for weights, prompt and
answer. Then what must not be served: another image, weights that were altered. All other refusals: inference_refusals.py.

  inference.py           the test: an outcome a line
  inference.py --story   the same for people, as ./x demo shows it
"""
import argparse
import contextlib
import json
import pathlib
import re
import secrets
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request

import between
import parent_runs
import shell_enclave
from inference_parties import MODEL, PATIENCE, QUESTION, Machine, ParentFiles, chat, fill_in, free_port, inference_image, missing_parts, status_of, two_owners

DOOR = 8443    # TCP, of the parent
MEMORY = 1536  # MiB of the machine: what the parent has left is searched byte by byte
STORY = False  # for people

SCRIPT = r"""
ways WEIGHTS PROMPTS
cofferdam-relay --listen vsock:8003 --connect tcp:10.0.2.2:WEIGHTS; echo "UNLISTED $?"
# The host has told the words, masked; the last of them is one that the parent has, of the encrypted weights.
search() {
  local masked mask
  read masked mask </tmp/told
  canary-search --anywhere memory $masked $mask 65536 | sed 's/^/SEARCH /'
  canary-search --anywhere file $masked $mask /dev/vda /dev/nvme0n1 /store/model.artifact | sed 's/^/SEARCH /'
}
launch good inference good
cofferdam-relay --listen tcp:10.0.2.15:DOOR --connect vsock:$cid:443 & door=$!
step serving
search
kill $door; finish
launch changed changed good; finish
launch altered small altered; finish
complaints
exit 9
"""


def tell(text):
    """What happens now, for people."""
    if STORY:
        print(f"== {text}", flush=True)


def token(text):
    if STORY:
        print(text, end="", flush=True)


def lay_out(folder, owners, secret):
    """The parent's files: the image; a small one for the starts that are refused, and that with one letter changed; the store. Answers the
    files and the image's PCR0."""
    files = ParentFiles(folder, owners, secret)
    pcr0, small = files.image("inference"), files.image_without_server("small")
    files.image_without_server("changed", model="cofferdam-smalk")
    altered = bytearray((files.store / "model.artifact").read_bytes())
    altered[len(altered) // 2] ^= 1
    files.artifact("altered", altered)
    for owner in owners.values():
        owner.allow(pcr0, small)
    return files, pcr0


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


def narrated(event):
    if event["event"] == "verified":
        token(f"   verified: {' '.join(f'{name} {str(value)[:32]}' for name, value in event.items() if name != 'event')}\n   answer: ")
    elif event["event"] == "token":
        token(event["text"])
    else:
        token(f"\n   cofferdam chat: {event.get('message')}\n" if event["event"] == "refused" else "\n")


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


def check_served(checks, folder, door, root, pcr0, secret):
    url = f"https://127.0.0.1:{door}"
    (folder / "key").write_text(secret + "\n", encoding="utf-8")
    (folder / "another").write_text("0" * len(secret) + "\n", encoding="utf-8")
    tell("The same model and program outside any enclave, to compare")
    outside = words_outside(folder) if shutil.which("qemu-aarch64-static") else None
    began = time.monotonic()
    tell(f"cofferdam chat, on the host: verifies the enclave, then asks: {QUESTION['messages'][0]['content']}")
    status, events = chat(door, root, pcr0, folder / "key", narrated)
    tokens = [event["text"] for event in events if event["event"] == "token"]
    checks.expect("the chat verifies the enclave and gets an answer, piece by piece", status == 0 and events[0]["event"] == "verified"
                  and len(tokens) > 3, f"{time.monotonic() - began:.1f} s: {''.join(tokens)!r}" if tokens else events)
    if outside is None:
        print("     not compared with the same program outside: there is no qemu-aarch64-static")
    else:
        checks.expect("token for token that of the same program outside", tokens == outside, outside)
    tell("cofferdam chat, told to expect another image; with another secret; with somebody in between who ends TLS")
    status, events = chat(door, root, pcr0[:-1] + ("0" if pcr0[-1] != "0" else "1"), folder / "key", narrated)
    checks.expect("the chat refuses another image", status == 1 and events[-1].get("reason") == "pcr", events[-1:])
    status, events = chat(door, root, pcr0, folder / "another", narrated)
    checks.expect("the service refuses another secret", status == 1 and "401" in events[-1]["message"], events[-1:])
    mallory = between.TlsInBetween(*between.make_key(folder, "mallory"), door)
    status, events = chat(mallory.port, root, pcr0, folder / "key", narrated)
    checks.expect("the chat refuses whoever ends TLS in between, before a word is sent", status == 1 and events[-1].get("reason") == "tls-key"
                  and b"attestation" in mallory.seen and secret.encode() not in mallory.seen and b"Cofferdam?" not in mallory.seen, events[-1:])
    paths = {path: status_of(f"{url}{path}", bearer=secret) for path in ("/slots", "/props", "/metrics", "/v1/models", "/health", "/")}
    checks.expect("only what is listed is offered", paths == {"/slots": 404, "/props": 404, "/metrics": 404, "/v1/models": 200, "/health": 200, "/": 404}, paths)
    checks.expect("and the model's list only with the secret", status_of(f"{url}/v1/models") == 401)
    return "".join(tokens)


def check_refusals(checks, run):
    said = {name: [match[1] for match in run.lines(rf"^{name} said (.*)$")] for name in ("good", "changed", "altered")}
    checks.expect("both owners released their keys to the image", said["good"][-1:] == ["serving cofferdam-small"], said["good"])
    checks.expect("one letter of the image changed: no key", bool(said["changed"]) and re.search(
        "^refused: the owner of the (prompts|weights) does not release the key: .*AccessDeniedException", said["changed"][-1]), said["changed"])
    checks.expect("weights that were altered are not served", said["altered"][-1:] and said["altered"][-1].startswith("refused: the artifact:"), said["altered"])
    checks.expect("the relay leads nowhere but to the hosts on its list", bool(run.lines("^UNLISTED 0$")) is False, [m.string for m in run.lines("^UNLISTED")])


def serve_and_refuse(checks, owners, folder):
    """One machine from reset to power-off; answers its run."""
    secret = secrets.token_urlsafe(24)  # 32 characters
    tell("Two owners, a key service each; the model is encrypted under the first one's key, a secret under the second one's")
    files, pcr0 = lay_out(folder, owners, secret)
    tell(f"Both allow the image with PCR0 {pcr0[:32]}... The machine starts")
    capture, door, needles = folder / "traffic.pcap", free_port(), None
    script = fill_in(SCRIPT, WEIGHTS=owners["weights"].port, PROMPTS=owners["prompts"].port, DOOR=DOOR)
    machine = Machine(folder, files, owners, script, [(door, DOOR)], MEMORY, capture, more=parent_runs.usual_cores())
    try:
        with machine.step("serving") as stream:
            checks.expect("the enclave serves", bool(stream))
            if stream:
                needles = Needles(folder, check_served(checks, folder, door, machine.root, pcr0, secret))
                tell("Root in the parent searches all of its memory and its disks; then one letter of the image is changed, then one bit of the weights")
                stream.sendall(needles.masked().encode())
    finally:
        run = machine.finish()
    if needles:
        needles.check(checks, run, capture)
    return run


def main():
    global STORY
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--story", action="store_true", help="say what happens, and show the answer as it comes")
    STORY = parser.parse_args().story
    why = missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    checks = parent_runs.Checks()
    with tempfile.TemporaryDirectory() as scratch, two_owners() as owners:
        run = serve_and_refuse(checks, owners, pathlib.Path(scratch))
    checks.expect("the script comes to its end", run.status == 9, run.status)
    check_refusals(checks, run)
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
