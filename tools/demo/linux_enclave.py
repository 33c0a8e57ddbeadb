"""The third part of the demonstration, in the second one's machine: the Linux parent starts an enclave from an image with the
driver and the commands of Nitro Enclaves; the enclave attests itself through /dev/nsm for a nonce that the host chose; here,
on the host, that is verified; the enclave ends and everything is back."""
import json
import pathlib
import re
import secrets
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/guest")]
import enclave_image  # noqa: E402
import kernel_image  # noqa: E402

CID, PORT, MEMORY_MIB = 16, 5000, 512
PROGRAM = ROOT / "build/guest-linux/bin/attest"
BEGIN, END = "-----BEGIN ATTESTATION DOCUMENT-----", "-----END ATTESTATION DOCUMENT-----"

# What root does. `flat` makes one line of the commands' JSON.
SCRIPT = f"""
flat() {{ tr -d '\\n' | sed 's/  */ /g; s/^/linux: /; s/$/\\n/' | cut -c 1-230; }}
memory() {{ cofferdam-status | grep -E '^(memory|cores)' | sed "s/^/status: $1: /"; }}
echo "== Cores and hugepages set aside for enclaves: nitro-cli allocate"
nitro-cli allocate --cpu-count 2 --memory {MEMORY_MIB} | flat
memory before
echo "== An enclave from the image, in production mode: nitro-cli run-enclave, describe-enclaves"
nitro-cli run-enclave --cpu-count 2 --memory {MEMORY_MIB} --enclave-cid {CID} --eif-path /hello.eif 2>&1 >/tmp/run | sed 's/^/linux: /'
nitro-cli describe-enclaves | flat
memory meanwhile
echo "== Its document, from /dev/nsm, for the nonce that the host chose"
echo "{BEGIN}"
attest ask {CID} {PORT} document NONCE | base64 -d | xxd -p -c 32
echo "{END}"
echo "== The end: nitro-cli terminate-enclave"
nitro-cli terminate-enclave --all 2>/dev/null | flat
memory after
nitro-cli allocate --release | flat
echo "linux: $(nproc) cores are online again"
"""

# As EXPECTED in demo.py.
EXPECTED = [
    ("two cores and the memory are set aside", "parent", r'^linux: {.*"CPUIDs": ?\[ ?\d, \d ?\].*"MemoryMiB": ?512', 1),
    ("the unmodified driver starts the enclave", "parent", r"^linux: Started enclave with enclave-cid: 16, memory: 512 MiB", 1),
    ("it runs in production mode", "parent", r'^linux: .*"EnclaveCID": ?16.*"State": ?"RUNNING".*"Flags": ?"NONE"', 1),
    ("its cores and memory are no longer the parent's", "parent", r"^status: meanwhile: cores: 4 in all, 2 parent, 2 enclaves", 1),
    ("it is terminated", "parent", r'^linux: .*"Terminated": ?true', 1),
    ("all four cores are online again", "parent", r"^linux: 4 cores are online again", 1),
]


def ready():
    """Why no image can be made, or None."""
    for path in (PROGRAM, enclave_image.PROGRAMS / "enclave-init", enclave_image.COFFERDAM):
        if not path.is_file():
            return f"there is no {path.relative_to(ROOT)}; ./x demo makes it"
    return None


class Enclave:
    """The images, and what is asked of the one that runs."""

    def __init__(self, folder):
        self.folder = folder
        self.nonce = secrets.token_hex(20)
        self.aboard = folder / "aboard"
        for name in (self.aboard, folder / "program"):
            shutil.rmtree(name, ignore_errors=True)
        self.aboard.mkdir(parents=True)
        (folder / "program/bin").mkdir(parents=True)
        shutil.copy(enclave_image.need(PROGRAM, "./x run makes it"), folder / "program/bin/attest")
        self.measurements = self.make(self.aboard / "hello.eif", "hello", PORT)
        self.make(folder / "other.eif", "other", PORT + 1)

    def make(self, output, name, port):
        text = enclave_image.make(output, ["/bin/attest", "serve", str(port)], [self.folder / "program"], name=name, with_tools=False,
                                  append=kernel_image.QUICK)
        (self.folder / f"{name}.json").write_text(text, encoding="utf-8")
        return json.loads(text)["Measurements"]

    def show(self):
        size = (self.aboard / "hello.eif").stat().st_size >> 20
        print(f"   hello.eif, {size} MiB: Linux, and a program that answers with attestation documents")
        for name in ("PCR0", "PCR1", "PCR2"):
            print(f"   {name} {self.measurements[name]}", flush=True)

    def script(self):
        return SCRIPT.replace("NONCE", self.nonce).encode()

    def document(self, lines):
        """The document that the parent's console showed, or None."""
        shown = [text for console, text in lines if console == "parent"]
        if BEGIN not in shown or END not in shown:
            return None
        try:
            return bytes.fromhex("".join(shown[shown.index(BEGIN) + 1:shown.index(END)]))
        except ValueError:
            return None


def memory_line(lines, when):
    return [text.split(": ", 2)[2] for console, text in lines if console == "parent" and text.startswith(f"status: {when}: ")]


def checks(enclave, lines, verify, title):
    """(what, seen), as demo.verifications: `verify` runs cofferdam verify on the folder's document."""
    yield ("PCR0 on the monitor's console is the image's",
           any(re.match(rf"cofferdam: enclave \d starts, PCR0 {enclave.measurements['PCR0'][:32]}", text) for _, text in lines))
    before = memory_line(lines, "before")
    yield "afterwards all memory and cores are where they were", len(before) == 2 and memory_line(lines, "after") == before
    document = enclave.document(lines)
    if not document:
        yield "the enclave's document", False
        return
    (enclave.folder / "document.bin").write_bytes(document)
    title("cofferdam verify, on the host: the device's root, the host's nonce, hello.eif's PCRs")
    policy = ["--allow-development", "--policy", enclave.folder / "hello.json"]
    status, text = verify(enclave.folder, *policy, "--nonce", enclave.nonce)
    print(text)
    yield "the enclave's document is accepted", status == 0
    title("cofferdam verify, asked for something else")
    for what, options in [("with another nonce it is refused", [*policy, "--nonce", secrets.token_hex(20)]),
                          ("for another image's PCRs it is refused", ["--allow-development", "--policy", enclave.folder / "other.json",
                                                                      "--nonce", enclave.nonce])]:
        status, text = verify(enclave.folder, *options)
        print(f"   {text.splitlines()[0] if text else 'no answer'}")
        yield what, status == 1
