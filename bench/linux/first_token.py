"""Instructions from a request to the first piece of its streamed answer, and for each further piece: asked of the whole inference
service in its enclave (TLS, gateway, llama-server; relays and vsock on the parent's core), and of the same llama-server with the
same model and options in a Linux without a monitor.

A plugin of QEMU counts each core by itself, so what the other one does meanwhile is not mixed in.
"""
import http.client
import json
import pathlib
import secrets
import shutil
import ssl
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/guest"), str(ROOT / "tools/qemu"), str(ROOT / "tests/qemu/linux")]
import inference_image  # noqa: E402
import instruction_counter  # noqa: E402
import program_closure  # noqa: E402
from inference_parties import MODEL, PATIENCE, QUESTION, Machine, ParentFiles, fill_in, free_port, two_owners  # noqa: E402

DOOR, ROUNDS, IDLE_SECONDS, SECONDS = 8443, 7, 3, 1500
SERVICE = r"""
ways WEIGHTS PROMPTS
launch good inference good --enclave-cid 20
cofferdam-relay --listen tcp:10.0.2.15:DOOR --connect vsock:20:443 2>/dev/null &
step serving; finish
exit 9
"""
# The options are those of guests/enclave/inference/model_process.cpp.
BARE = f"""
ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
mount -t proc proc /llama/proc; mount -t sysfs sysfs /llama/sys
exec chroot /llama /usr/bin/llama-server --model /model.gguf --host 10.0.2.15 --port {DOOR} --offline --no-ui --log-disable --no-warmup \
  --ctx-size 256 --parallel 1 --threads 1 --fit off --no-slots --no-cache-prompt --cache-ram 0 --no-kv-unified
"""


def connection_to(port, tls):
    if not tls:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=ssl._create_unverified_context())


def healthy(connection):
    connection.request("GET", "/health")
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200 and not answer.will_close


def ask(connection, counts, secret):
    """Of each core: instructions to the first piece, of each further piece; and the pieces."""
    before, first, pieces = counts.now(), None, 0
    connection.request("POST", "/v1/chat/completions", json.dumps({**QUESTION, "stream": True}),
                       {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"})
    with connection.getresponse() as answer:
        for line in answer:
            if line.startswith(b"data: {") and any(choice["delta"].get("content") for choice in json.loads(line[6:])["choices"]):
                first, pieces = first or counts.now(), pieces + 1
    after = counts.now()
    return (instruction_counter.between(before, first), [count / (pieces - 1) for count in instruction_counter.between(first, after)])


def one_round(port, counts, tls, secret):
    connection = connection_to(port, tls)
    if not healthy(connection):  # so that connecting, and TLS's handshake, are over
        raise OSError("the service does not keep its connection")
    return ask(connection, counts, secret)


def asked(port, counts, tls, secret):
    """The medians of several requests, core by core, each over a connection that stands."""
    before = counts.now()
    time.sleep(IDLE_SECONDS)
    idle = [count / IDLE_SECONDS for count in instruction_counter.between(before, counts.now())]
    rounds = [one_round(port, counts, tls, secret) for _ in range(ROUNDS)]
    medians = [[round(statistics.median(core)) for core in zip(*(each[which] for each in rounds))][:2] for which in (0, 1)]
    return {"first": medians[0], "further": medians[1], "idle_second": [round(count) for count in idle[:2]]}


def in_enclave():
    with tempfile.TemporaryDirectory(prefix="bench-first-") as name, two_owners() as owners:
        folder, door, secret = pathlib.Path(name), free_port(), secrets.token_urlsafe(24)
        files = ParentFiles(folder, owners, secret)
        pcr0 = files.image("inference")
        for owner in owners.values():
            owner.allow(pcr0)
        script = fill_in(SERVICE, WEIGHTS=owners["weights"].port, PROMPTS=owners["prompts"].port, DOOR=DOOR)
        machine = Machine(folder, files, owners, script, [(door, DOOR)], seconds=SECONDS, more=["--count", str(folder / "counts")])
        try:
            with machine.step("serving") as stream:
                return asked(door, instruction_counter.Counts(folder / "counts"), True, secret) if stream else {}
        finally:
            machine.finish()


def bare(code):
    """code: the one of ggml's libraries to leave, so that it is the enclave's."""
    with tempfile.TemporaryDirectory(prefix="bench-first-") as name:
        folder, door, end = pathlib.Path(name), free_port(), time.monotonic() + PATIENCE
        program_closure.write(inference_image.ROOTFS, folder / "llama.tar", [inference_image.SERVER], inference_image.BACKENDS, inference_image.KEPT)
        tree = folder / "bare/llama"
        tree.mkdir(parents=True)
        with tarfile.open(folder / "llama.tar") as archive:
            archive.extractall(tree)
        shutil.copy(MODEL, tree / "model.gguf")
        for other in tree.glob("usr/lib/aarch64-linux-gnu/ggml/backends*/libggml-cpu*"):
            if other.name != code:
                other.unlink()
        command = [sys.executable, str(ROOT / "tools/guest/run.py"), "--bare", "--cpus", "2", "--seconds", str(SECONDS), "--add", str(folder / "bare"),
                   "--forward", f"{door}:{DOOR}", "--count", str(folder / "counts"), "--", "sh", "-c", BARE]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as machine:
            try:
                counts = instruction_counter.Counts(folder / "counts")
                while time.monotonic() < end:
                    try:
                        if healthy(connection_to(door, False)):
                            return asked(door, counts, False, "")
                    except (OSError, http.client.HTTPException):
                        time.sleep(1)
                return {}
            finally:
                machine.terminate()


def measure(code):
    return {"enclave": in_enclave(), "bare": bare(code)}


def show(figures):
    for which, meaning in (("first", "from a request to the answer's first piece"), ("further", "each further piece")):
        enclave, without = (figures.get(side, {}).get(which, [0, 0]) for side in ("enclave", "bare"))
        print(f"  {meaning}: the enclave's core {enclave[1]:,}, the parent's {enclave[0]:,}; without a monitor {sum(without):,}")
