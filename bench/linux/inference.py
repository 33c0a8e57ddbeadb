#!/usr/bin/env python3
"""What a language model costs in an enclave and without a monitor, in instructions: Debian's llama-bench with the project's model.

  inference.py [--json FILE]

The same packages and the same model, once as an enclave's program under the monitor, once in a Linux that QEMU starts itself.
QEMU's clock counts instructions, so llama-bench's nanoseconds are instructions, of all cores together: the others idle. ggml chooses its
code by the core's features: each says which it took, and a third run has the enclave's alone. Then the time
to the first token of the whole service (first_token.py). Run by ./x bench linux, which builds what is needed.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/guest"))
import enclave_image  # noqa: E402
import first_token  # noqa: E402
import inference_image  # noqa: E402
import program_closure  # noqa: E402

MODEL = ROOT / "build/model/cofferdam.gguf"
SECONDS, PROMPT, ANSWER, PORT, MEMORY_MIB = 1500, 64, 64, 7000, 512
BENCH = f"/usr/bin/llama-bench -m /model.gguf -p {PROMPT} -n {ANSWER} -r 3 -t 1 -o json"
# An enclave's kernel goes on testing its ciphers (its thread cryptomgr_test, some 220 M instructions) when the first process runs
# already, on the same core: one that has slept finds it at rest.
REST = "sleep 5"
IN_ENCLAVE = f"""
nitro-cli allocate --cpu-count 1 --memory {MEMORY_MIB} >/dev/null || exit 1
nitro-cli run-enclave --cpu-count 1 --memory {MEMORY_MIB} --enclave-cid 20 --eif-path /bench.eif >/dev/null || exit 1
nitro-cli describe-enclaves >/dev/null
echo '{REST}; {BENCH} 2>&1' | vsock-pipe connect 20 {PORT} 600
"""
# The tree is below /llama: the parent's own folders stay as they are.
BARE = f"mount -t proc proc /llama/proc; mount -t sysfs sysfs /llama/sys; {REST}; chroot /llama {BENCH} 2>&1"


def run(added, script, *options):
    command = [sys.executable, str(ROOT / "tools/guest/run.py"), "--instructions", "--cpus", "2", "--seconds", str(SECONDS), "--add", str(added),
               *options, "--", "sh", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    text = result.stdout.replace("\r", "")
    array = re.search(r"^\[\s*\{.*^\]", text, re.MULTILINE | re.DOTALL)
    if not array:
        print(f"bench: exit status {result.returncode}: {text[-600:]} {result.stderr[-400:]}", file=sys.stderr)
        return {}
    tests = json.loads(array[0])
    figures = {"prompt" if test["n_prompt"] else "answer": round(test["avg_ns"] / (test["n_prompt"] or test["n_gen"])) for test in tests}
    backend = re.search(r"load_backend: loaded CPU backend from \S*/(\S+)", text)
    return figures | {"code": backend[1] if backend else "unknown"}


def measure():
    with tempfile.TemporaryDirectory(prefix="bench-inference-") as name:
        folder = pathlib.Path(name)
        small, _ = program_closure.write(inference_image.ROOTFS, folder / "llama.tar", ["usr/bin/llama-bench"], inference_image.BACKENDS,
                                         inference_image.KEPT)
        model = folder / "model"
        model.mkdir()
        shutil.copy(MODEL, model / "model.gguf")
        (folder / "parent").mkdir()
        enclave_image.make(folder / "parent/bench.eif", ["/bin/vsock-pipe", "listen", str(PORT), "/bin/sh"], [model], name="bench", rootfs=[small])
        tree = folder / "bare/llama"
        tree.mkdir(parents=True)
        with tarfile.open(small) as archive:
            archive.extractall(tree)
        shutil.copy(MODEL, tree / "model.gguf")
        figures = {"enclave": run(folder / "parent", IN_ENCLAVE), "bare": run(folder / "bare", BARE, "--bare")}
        for other in tree.glob("usr/lib/aarch64-linux-gnu/ggml/backends*/libggml-cpu*"):
            if other.name != figures["enclave"].get("code"):
                other.unlink()
        return figures | {"bare, same code": run(folder / "bare", BARE, "--bare")}


def missing(figures, first):
    return [name for name, side in figures.items() if "answer" not in side] + [name for name, side in first.items() if "first" not in side]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    figures = measure()
    print(f"  {'':20} {'a token of the prompt':>24} {'a token of the answer':>24}   code")
    for name, side in figures.items():
        print(f"  {name:20} {side.get('prompt', 0):24,} {side.get('answer', 0):24,}   {side.get('code')}")
    first = first_token.measure(figures["enclave"].get("code"))
    first_token.show(first)
    if arguments.json:
        arguments.json.write_text(json.dumps({**figures, "first token": first}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 1 if missing(figures, first) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (enclave_image.ImageError, program_closure.ClosureError, OSError) as problem:
        sys.exit(f"bench: {problem}")
