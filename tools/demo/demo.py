#!/usr/bin/env python3
"""The demonstration: boots QEMU from reset, shows both consoles as they come, and says what was expected and what was
seen. Exit status 1 when anything expected is missing.

  demo.py FOLDER [--part enclaves|linux|inference] [--seconds N] [--quiet]

enclaves: a small parent builds enclaves, one attests itself, what it attested is verified, the parent attacks it;
FOLDER was filled by assemble.py demo. linux: Linux is the parent (linux_parent.py), and starts an enclave from an image
(linux_enclave.py). inference: a language model for two owners, whose test tells its own story (tests/qemu/linux/inference.py).
Without --part: all.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/qemu"), str(ROOT / "tools/demo")]
import assemble  # noqa: E402
import linux_enclave  # noqa: E402
import linux_parent  # noqa: E402
import machine  # noqa: E402

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
NOT_RUN = 77
PAINT = {"rom": "35", "cofferdam": "36", "parent": "33", "linux": "33", "status": "36", "enclave": "32", "attack": "31", "title": "1"}
HEX_LINE = re.compile(r"^[0-9a-f]{2,64}$")
BLOCKS = {"ATTESTATION DOCUMENT": "document.bin", "EVENT LOG": "event-log.bin", "LEDGER": "ledger.bin"}

# What the consoles must say: (what it shows, console, pattern, how often).
EXPECTED = [
    ("the ROM accepts the monitor's signature and version", "rom", r"signature and version accepted", 1),
    ("the ROM measures the monitor and certifies its key", "rom", r"key derived and certified", 1),
    ("the monitor starts the parent", "main", r"cofferdam: starting the parent", 1),
    ("the enclave is measured before it runs", "main", r"cofferdam: enclave \d+ starts, PCR0", 2),
    ("the processor can't read, write or execute the enclave's memory", "main",
     r"attack: (read|write|execute) the enclave's secret .*: refused", 3),
    ("the processor can't read, write or execute the monitor", "main",
     r"attack: (read|write|execute) the monitor .*: refused", 3),
    ("a device can't read the enclave's memory", "main", r"attack: a device reads the enclave's secret .*: refused", 1),
    ("a device can't read the monitor", "main", r"attack: a device reads the monitor .*: refused", 1),
    ("the SMMU reports each of the device's attempts", "main", r"cofferdam: refused: device stream 0x8 (read|wrote)", 4),
    ("memory can't be given away twice", "main", r"attack: donate the enclave's memory again: refused", 1),
    ("a donated core can't be started by the parent", "main", r"attack: start the enclave's core ourselves: refused", 1),
    ("the enclave finds its secret as it was", "main", r"enclave: my secret is as it was", 1),
    ("the destroyed enclaves' memory is all zero", "main", r"are mine again; 0 words of them are not zero", 2),
    ("the parent counts no breach and no failure", "main", r"RESULT attacks not refused: 0, steps failed: 0", 1),
    ("the machine switches itself off", "main", r"cofferdam: the parent switched the machine off", 1),
]


def paint(kind, text):
    return f"\x1b[{PAINT[kind]}m{text}\x1b[0m" if COLOUR and kind in PAINT else text


def title(text):
    print(paint("title", f"== {text}"), flush=True)


class Screen:
    """Shows lines as they come; of a block of hexadecimal lines only its begin."""

    def __init__(self):
        self.block, self.count = None, 0

    def line(self, console, text):
        begin = re.match(r"-----BEGIN (.*)-----", text)
        end = re.match(r"-----END (.*)-----", text)
        if begin:
            self.block, self.count = begin[1], 0
        elif end and self.block:
            print(f"   {self.block.lower()}: {self.count} bytes", flush=True)
            self.block = None
        elif self.block and HEX_LINE.match(text):
            if self.count == 0:
                print(f"   {self.block.lower()}: {text}...", flush=True)
            self.count += len(text) // 2
        else:
            kind = "rom" if console == "rom" else text.split(":", 1)[0]
            print("   " + paint("title" if text.startswith("==") else kind, text), flush=True)


def save_blocks(folder, lines):
    for name, file in BLOCKS.items():
        block = machine.block_between(lines, f"-----BEGIN {name}-----", f"-----END {name}-----")
        if block is None:
            raise machine.MachineError(f"the console shows no block {name}")
        try:
            (folder / file).write_bytes(bytes.fromhex("".join(block)))
        except ValueError as error:
            raise machine.MachineError(f"the block {name} is damaged: {error}") from error


def nonce_of(lines):
    for console, text in lines:
        match = re.match(r"NONCE ([0-9a-f]+)$", text) if console == "main" else None
        if match:
            return match[1]
    raise machine.MachineError("the console shows no nonce")


def verify(folder, *options):
    result = subprocess.run([assemble.TOOLS / "cofferdam", "verify", "--root", folder / "root/root.pem", *options,
                             folder / "document.bin"], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def verifications(folder, nonce):
    """Accepted as it is; refused as soon as one thing that the verifier asks for is another."""
    honest = ["--nonce", nonce, "--policy", folder / "enclave.json", "--reference-values",
              folder / "reference-values.json", "--event-log", folder / "event-log.bin", "--ledger", folder / "ledger.bin"]
    title("cofferdam verify, with the device's root, the nonce, the image's PCRs and the build's reference values")
    status, text = verify(folder, "--allow-development", *honest)
    print(text)
    yield "the document is accepted", status == 0
    title("cofferdam verify, asked for something else")
    cases = [
        ("with another nonce it is refused", ["--allow-development", "--nonce", "00112233"]),
        ("for another enclave's PCRs it is refused", ["--allow-development", "--policy", folder / "second.json"]),
        ("three years before it was made it is refused", ["--allow-development", "--time", "1700000000"]),
        ("as a development identity it is refused unless allowed", honest),
    ]
    for what, options in cases:
        status, text = verify(folder, *options)
        print(f"   {text.splitlines()[0] if text else 'no answer'}")
        yield what, status == 1


def seen_in(lines, how, expected, seconds):
    for what, console, pattern, times in expected:
        yield what, sum(1 for at, text in lines if at == console and re.search(pattern, text)) >= times
    yield f"the machine ends by itself within {seconds} s", how == "off"


def save_console(folder, lines):
    (folder / "console.log").write_text("".join(f"{console}: {text}\n" for console, text in lines), encoding="utf-8")


def show_enclaves(folder, seconds, on_line):
    title("Part 1: enclaves. QEMU, from reset" + (" (magenta: the ROM; the rest: the monitor and its guests)" if COLOUR else ""))
    lines, how = machine.run(folder / "flash0.bin", folder / "flash1.bin", seconds, on_line=on_line)
    save_console(folder, lines)
    results = list(seen_in(lines, how, EXPECTED, seconds))
    try:
        save_blocks(folder, lines)
        results += verifications(folder, nonce_of(lines))
    except machine.MachineError as error:
        results.append((f"an attestation document to verify ({error})", False))
    return results


def show_linux(folder, seconds, on_line):
    title("Part 2: Linux is the parent and starts an enclave from an image. The image first")
    enclave = linux_enclave.Enclave(folder)
    enclave.show()
    title("QEMU, from reset")
    lines, how = linux_parent.run(folder, seconds, on_line, enclave.script(), [enclave.aboard])
    save_console(folder, lines)
    results = list(seen_in(lines, how, linux_parent.EXPECTED + linux_enclave.EXPECTED, seconds))
    return results + list(linux_enclave.checks(enclave, lines, verify, title))


def show_inference(folder, quiet):
    title("Part 3: a language model for two owners, who trust neither this machine's operator nor one another")
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    # Debian's python3 has what the owners' clients need.
    command = ["/usr/bin/python3", "-u", str(ROOT / "tests/qemu/linux/inference.py"), "--story"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program, \
            (folder / "console.log").open("w", encoding="utf-8") as log:
        line = ""
        while character := program.stdout.read(1):  # an answer is shown as it comes
            log.write(character)
            if not quiet:
                print(("   " if not line else "") + character, end="", flush=True)
            line += character
            if character == "\n":
                match = re.match(r"(yes |NO  ) (.*)", line)
                if match:
                    results.append((match[2].split(": ")[0], match[1] == "yes "))
                line = ""
        status = program.wait()
    if status == NOT_RUN:
        return [("the inference service (" + (folder / "console.log").read_text(encoding="utf-8").strip() + ")", False)]
    return results + [("its story comes to its end", status == 0)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--part", choices=("enclaves", "linux", "inference"), help="only this part")
    parser.add_argument("--seconds", type=int, default=240, help="the longest that QEMU may run for one part")
    parser.add_argument("--quiet", action="store_true", help="show the summary only")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    on_line = None if arguments.quiet else Screen().line
    results, logs = [], []
    if arguments.part in (None, "enclaves"):
        results += show_enclaves(folder, arguments.seconds, on_line)
        logs.append(folder / "console.log")
    if arguments.part in (None, "linux"):
        why = linux_parent.ready() or linux_enclave.ready()
        if why and arguments.part:
            print(f"skipped: {why}")
            return NOT_RUN
        if why:
            results.append((f"Linux as the parent ({why})", False))
        else:
            results += show_linux(folder / "linux", arguments.seconds, on_line)
            logs.append(folder / "linux/console.log")
    if arguments.part in (None, "inference"):
        results += show_inference(folder / "inference", arguments.quiet)
        logs.append(folder / "inference/console.log")
    title("What was to be seen")
    for what, seen in results:
        print("   " + (paint("enclave", "yes    ") if seen else paint("attack", "MISSING")) + " " + what)
    missing = [what for what, seen in results if not seen]
    title(f"{len(results) - len(missing)} of {len(results)} seen; the consoles are in {' and '.join(map(str, logs))}")
    return 1 if missing else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (linux_parent.assemble.AssemblyError, linux_parent.initramfs.InitramfsError, linux_enclave.enclave_image.ImageError,
            machine.MachineError) as problem:
        sys.exit(f"demo: {problem}")
    except KeyboardInterrupt:
        sys.exit("demo: stopped")
