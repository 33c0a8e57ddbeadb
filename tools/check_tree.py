#!/usr/bin/env python3
"""Rules about the source tree that no compiler checks (docs/architecture.md gives the reasons).

  check_tree.py [--root FOLDER]   prints every breach as file:line: rule: what, exit status 1 when there is one
  check_tree.py --self-test       plants one breach of each rule in a scratch tree and demands that it is found

Rules: ranks (a folder includes only folders of lower rank; docs/architecture.md lists the same ranks), cycles (no
include cycle), owners (each third-party header has one owner), own-header (a source includes its own header first),
names (nothing called common, util, misc, helpers), paths (documents name only paths that exist), shown (documents name
only tests that exist), machine (no path or archive of one machine), mirror (a unit test stands in the folder that
mirrors its source's), markers (nothing left to do), pins (the version of a pinned source stands where its digest does,
and nowhere else).
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

# Lower may not know higher, and folders of one rank do not know each other.
FIRMWARE_RANK = {
    "base": 0,
    "board": 1, "crypto": 1,
    "partition": 2, "measure": 2, "vgic": 2, "emulation": 2, "virtio": 2, "pci": 2,
    "enclave": 3, "vsock": 3, "nitro": 3,
    "attestation": 4,
    "hypercall": 5,
    "monitor": 6,
    "boot": 7, "rom": 7,
}
RANKS_SHOWN, RANK_ROW = "docs/architecture.md", re.compile(r"\| (\d+) \|([^|]*)\|")
REACHES_HAL = {"monitor", "boot", "rom"}
HAL_LAYOUTS = ("vgic", "hal/registers/")  # the format of list registers is the model's business too; it is data, no machine
HAL_MAY_INCLUDE = ("hal/", "firmware/base/", "firmware/board/", "firmware/measure/handover.hpp")
HOST_MACHINE_MAY_INCLUDE = (*HAL_MAY_INCLUDE, "firmware/hypercall/abi.hpp")  # its cores run scripted guests
GUESTS_MAY_INCLUDE = ("guests/", "firmware/hypercall/abi.hpp")
ENCLAVE_CLI = "guests/parent/cli/"  # reads and writes enclave images as the host's tool does
ENCLAVE_CLI_MAY_INCLUDE = (*GUESTS_MAY_INCLUDE, "tools/cofferdam/", "tools/command_line/")
CARRIERS = ("guests/relay/", "guests/parent/store/")
CARRIERS_MAY_INCLUDE = (*GUESTS_MAY_INCLUDE, "tools/command_line/")
# Programs of enclaves that hold keys share formats and protocols with the host's.
KEY_PROGRAMS = ("guests/enclave/keys/", "guests/enclave/key_client/", "guests/enclave/inference/")
KEY_PROGRAMS_MAY_INCLUDE = (*GUESTS_MAY_INCLUDE, "tools/artifact/", "tools/cofferdam/bytes.hpp", "tools/command_line/", "tools/cryptography/", "tools/https/",
                            "tools/kmsclient/", "tools/sigv4/")
TOOLS_MAY_NOT_INCLUDE = ("hal/", "firmware/monitor/", "firmware/boot/", "guests/")

# Third-party header (a prefix of the include) -> the only places that may name it.
OWNERS = {
    "mbedtls/": ("firmware/crypto/", "tools/cofferdam/crypto.cpp", "tools/provision/key_file.cpp"),
    "psa/": ("firmware/crypto/",),
    "cbor.h": ("firmware/attestation/cbor.cpp", "tools/cofferdam/cbor.cpp", "tools/reference_values/corim.cpp"),
    "cbor/": ("firmware/attestation/cbor.cpp", "tools/cofferdam/cbor.cpp"),
    "tinyxml2.h": ("tools/boardgen/",),
    "libfdt.h": ("firmware/enclave/device_tree.cpp", "firmware/boot/amend_device_tree.cpp",
                 "firmware/rom/memory_present.cpp", "tools/boardgen/", "tests/unit/firmware/rom/memory_present_test.cpp",
                 "tests/unit/firmware/enclave/device_tree_test.cpp", "tests/unit/firmware/boot/amend_device_tree_test.cpp"),
    "archive.h": ("tools/cofferdam/image/archive_input.cpp",),
    "archive_entry.h": ("tools/cofferdam/image/archive_input.cpp",),
    "openssl/": ("tools/cryptography/", "tools/https/"),
    "httplib.h": ("tools/https/",),
    "p11-kit/": ("tools/pkcs11/", "tests/xks/slow_module.cpp"),
    "sqlite3.h": ("tools/kms/store/sqlite.cpp", "tests/unit/tools/kms/store/"),
    "libpq-fe.h": ("tools/kms/store/postgresql.cpp",),
    "CLI/": ("tools/command_line/",),
    "nlohmann/": ("tools/", "tests/", "guests/parent/cli/", "guests/enclave/key_client/", "guests/enclave/keys/", "guests/enclave/inference/"),
    "gtest/": ("tests/",),
    "gmock/": ("tests/",),
    "benchmark/": ("bench/",),
}
CODE_FOLDERS = ("firmware", "hal", "guests", "tools", "tests", "bench")
CODE_SUFFIXES = (".hpp", ".h", ".cpp", ".c", ".S")
TEXT_SUFFIXES = CODE_SUFFIXES + (".py", ".bash", ".cmake", ".txt", ".md", ".xml", ".ld", ".json", "")
BAD_NAMES = {"common", "util", "utils", "misc", "helper", "helpers"}
TOP_LEVEL = ("boards", "linker", "hal", "firmware", "guests", "tools", "tests", "bench", "docs")

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')
DOCUMENT_PATH = re.compile(r"`((?:\./)?(?:" + "|".join(TOP_LEVEL) + r")/[\w./*{},<>-]*|x|\.ci/run)`")
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:" + "work|home|root|Users" + r")/\w")
ARCHIVE_HOST = re.compile(r"\b[\w.-]*(?:" + "debian|ubuntu" + r")\.(?:org|com|net)\b")
# `Suite.Test` or `Suite.*`, with what GoogleTest puts around them for parameters.
TEST_NAME = re.compile(r"`(?:[A-Z]\w+/)?([A-Z]\w+)\.(\w+|\*)(?:/\w+)*`")
TEST_DEFINITION = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)")
SHOWS_TESTS = ("docs/threat-model.md", "docs/invariants.md")
PINS = "tools/x/lib/sources.bash"
PINNED_VERSION = re.compile(r"(?:_|VERSION=)(\d+\.\d+\.\d+)")  # mbedtls_1.2.3.orig.tar.gz, HTTPLIB_VERSION=1.2.3
MARKER = re.compile(r"\b(?:" + "TO" + "DO|FIX" + "ME|XX" + "X)\\b")


def tracked_files(root):
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, capture_output=True, check=False) if (root / ".git").exists() else None
    if listing and listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
        return sorted(name for name in names if name and (root / name).is_file())
    return sorted(str(path.relative_to(root)) for path in root.rglob("*")
                  if path.is_file() and not str(path.relative_to(root)).startswith(("build", ".git")))


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = tracked_files(root)
        self.breaches = []
        self.lines = {}
        for name in self.files:
            if pathlib.Path(name).suffix in TEXT_SUFFIXES:
                self.lines[name] = (root / name).read_text(encoding="utf-8", errors="replace").splitlines()

    def breach(self, name, line, rule, what):
        self.breaches.append(f"{name}:{line}: {rule}: {what}")

    def code(self):
        return [name for name in self.files
                if name.split("/")[0] in CODE_FOLDERS and pathlib.Path(name).suffix in CODE_SUFFIXES]

    def includes(self, name):
        for number, line in enumerate(self.lines[name], 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match[1]


def layer_of(path):
    """The folder under firmware/ that a path belongs to, or None."""
    parts = path.split("/")
    return parts[1] if parts[0] == "firmware" and len(parts) > 2 else None


def check_ranks(tree):
    for name in tree.code():
        top, layer = name.split("/")[0], layer_of(name)
        if top == "firmware" and layer not in FIRMWARE_RANK:
            tree.breach(name, 1, "ranks", f"firmware/{layer} has no rank; give it one in tools/check_tree.py")
            continue
        for number, target in tree.includes(name):
            other = layer_of(target)
            ours = target.split("/")[0] in TOP_LEVEL
            if top == "firmware" and other and other != layer and FIRMWARE_RANK.get(other, 99) >= FIRMWARE_RANK[layer]:
                tree.breach(name, number, "ranks", f"firmware/{layer} may not include {target}: not of lower rank")
            layout = layer == HAL_LAYOUTS[0] and target.startswith(HAL_LAYOUTS[1])
            if top == "firmware" and target.startswith("hal/") and layer not in REACHES_HAL and not layout:
                tree.breach(name, number, "ranks", f"only {', '.join(sorted(REACHES_HAL))} include hal, not firmware/{layer}")
            if top == "firmware" and target.startswith(("tools/", "tests/", "guests/", "bench/")):
                tree.breach(name, number, "ranks", f"firmware may not include {target}")
            hal_may_include = HOST_MACHINE_MAY_INCLUDE if name.startswith("hal/host/") else HAL_MAY_INCLUDE
            if top == "hal" and ours and not target.startswith(hal_may_include):
                tree.breach(name, number, "ranks", f"hal may not include {target}")
            guest_may_include = ENCLAVE_CLI_MAY_INCLUDE if name.startswith(ENCLAVE_CLI) else GUESTS_MAY_INCLUDE
            if name.startswith(CARRIERS):
                guest_may_include = CARRIERS_MAY_INCLUDE
            if name.startswith(KEY_PROGRAMS):
                guest_may_include = KEY_PROGRAMS_MAY_INCLUDE
            if top == "guests" and ours and not target.startswith(guest_may_include):
                tree.breach(name, number, "ranks", f"guests know only the call interface, not {target}")
            if top == "tools" and target.startswith(TOOLS_MAY_NOT_INCLUDE):
                tree.breach(name, number, "ranks", f"host programs may not include {target}")


def check_documented_ranks(tree):
    listed, first = {}, 0
    for number, line in enumerate(tree.lines.get(RANKS_SHOWN, ()), 1):
        match = RANK_ROW.match(line)
        if match:
            first = first or number
            listed |= {folder: int(match[1]) for folder in re.findall(r"`firmware/(\w+)`", match[2])}
    for folder in sorted(listed.keys() | FIRMWARE_RANK.keys()) if RANKS_SHOWN in tree.lines else ():
        if listed.get(folder) != FIRMWARE_RANK.get(folder):
            tree.breach(RANKS_SHOWN, first, "ranks", f"firmware/{folder} has rank {listed.get(folder)} here, {FIRMWARE_RANK.get(folder)} in tools/check_tree.py")


def check_cycles(tree):
    known = set(tree.code())
    edges = {name: [(n, t) for n, t in tree.includes(name) if t in known] for name in known}
    state = {}

    def visit(name, trail):
        state[name] = "open"
        for number, target in edges[name]:
            if state.get(target) == "open":
                cycle = trail[trail.index(target):] if target in trail else [target]
                tree.breach(name, number, "cycles", " -> ".join([*cycle, target]))
            elif target not in state:
                visit(target, [*trail, target])
        state[name] = "closed"

    for name in sorted(known):
        if name not in state:
            visit(name, [name])


def check_owners(tree):
    for name in tree.code():
        tested = name.removeprefix("tests/unit/")  # a unit test may see what the source that it tests sees
        for number, target in tree.includes(name):
            for prefix, owners in OWNERS.items():
                if target.startswith(prefix) and not name.startswith(owners) and not tested.startswith(owners):
                    tree.breach(name, number, "owners", f"{target} belongs to {', '.join(owners)}")


# A header that its own source includes before all others needs nobody's includes: each compile of that source shows it.
# tests/tree compiles the headers without a source of their own.
def check_own_header(tree):
    for name in tree.code():
        if name.endswith(".hpp") and "#pragma once" not in tree.lines[name]:
            tree.breach(name, 1, "own-header", "there is no '#pragma once'")
        header = name.removesuffix(".cpp") + ".hpp"
        if name.endswith(".cpp") and header in tree.lines:
            number, first = next(iter(tree.includes(name)), (1, "nothing"))
            if first != header:
                tree.breach(name, number, "own-header", f"{header} comes first, not {first}")


def check_names(tree):
    for name in tree.files:
        for part in name.split("/"):
            if part.split(".")[0].lower() in BAD_NAMES:
                tree.breach(name, 1, "names", f"'{part}' does not say what question it answers")


def exists(root, path):
    path = path.removeprefix("./").rstrip("/")
    for choice in expand_braces(path):
        pattern = re.sub(r"<[^>]*>", "*", choice)
        if not (any(root.glob(pattern)) if "*" in pattern else (root / pattern).exists()):
            return False
    return True


def expand_braces(text):
    match = re.search(r"\{([^{}]*)\}", text)
    if not match:
        return [text]
    return [option for part in match[1].split(",")
            for option in expand_braces(text[:match.start()] + part + text[match.end():])]


def check_paths(tree):
    for name, lines in tree.lines.items():
        if not name.endswith(".md"):
            continue
        for number, line in enumerate(lines, 1):
            for path in DOCUMENT_PATH.findall(line):
                if not exists(tree.root, path):
                    tree.breach(name, number, "paths", f"{path} does not exist")


def check_shown(tree):
    defined = {}
    for name, lines in tree.lines.items():
        if name.startswith("tests/") and name.endswith(".cpp"):
            for match in TEST_DEFINITION.finditer("\n".join(lines)):
                defined.setdefault(match[1], set()).add(match[2])
    for name in SHOWS_TESTS:
        for number, line in enumerate(tree.lines.get(name, ()), 1):
            for suite, test in TEST_NAME.findall(line):
                if suite not in defined or (test != "*" and test not in defined[suite]):
                    tree.breach(name, number, "shown", f"there is no test {suite}.{test}")


def check_machine(tree):
    for name, lines in tree.lines.items():
        for number, line in enumerate(lines, 1):
            for pattern in (MACHINE_PATH, ARCHIVE_HOST):
                match = pattern.search(line)
                if match:
                    tree.breach(name, number, "machine", f"'{match[0]}' belongs to one machine")


def check_mirror(tree):
    source_folders = {str(pathlib.Path(name).parent) for name in tree.code() if not name.startswith("tests/")}
    for name in tree.files:
        if not name.startswith("tests/unit/") or not name.endswith("_test.cpp"):
            continue
        folder = str(pathlib.Path(name.removeprefix("tests/unit/")).parent)
        if folder not in source_folders:
            tree.breach(name, 1, "mirror", f"there is no source in {folder} that this would test")


def check_markers(tree):
    for name, lines in tree.lines.items():
        for number, line in enumerate(lines, 1):
            match = MARKER.search(line)
            if match:
                tree.breach(name, number, "markers", f"'{match[0]}': do it, or write it into docs/not-covered.md")


# What names a version keeps to it when the pin moves on.
def check_pins(tree):
    versions = set(PINNED_VERSION.findall("\n".join(tree.lines.get(PINS, ()))))
    pinned = re.compile(r"(?<![\d.])(?:" + "|".join(map(re.escape, versions)) + r")(?!\d)") if versions else None
    if not pinned:
        tree.breach(PINS, 1, "pins", "no version is found here")
        return
    for name, lines in tree.lines.items():
        for number, line in enumerate(lines, 1):
            match = pinned.search(line) if name != PINS else None
            if match:
                tree.breach(name, number, "pins", f"the version {match[0]} stands in {PINS} alone")


CHECKS = {"ranks": check_ranks, "documented ranks": check_documented_ranks, "cycles": check_cycles, "owners": check_owners, "own-header": check_own_header,
          "names": check_names,
          "paths": check_paths, "shown": check_shown, "machine": check_machine, "mirror": check_mirror, "markers": check_markers,
          "pins": check_pins}


def breaches_of(root):
    tree = Tree(root)
    if not tree.code():
        sys.exit(f"check_tree: no source under {root}")
    for check in CHECKS.values():
        check(tree)
    return tree.breaches


# One breach of each rule: rule, file, text. The scratch tree holds nothing else that is wrong.
PLANTED = [
    ("ranks", "firmware/partition/a.hpp", '#include "firmware/hypercall/abi.hpp"\n'),
    ("ranks", "firmware/partition/b.hpp", '#include "firmware/measure/peer.hpp"\n'),
    ("ranks", "firmware/enclave/c.cpp", '#include "hal/cpu.hpp"\n'),
    ("ranks", "firmware/vgic/machine.cpp", '#include "hal/interrupts.hpp"\n'),
    ("ranks", "hal/d.hpp", '#include "firmware/partition/e.hpp"\n'),
    ("ranks", "guests/bare/f.cpp", '#include "firmware/base/result.hpp"\n'),
    ("ranks", "guests/parent/f.cpp", '#include "tools/cofferdam/fine.hpp"\n'),
    ("ranks", "guests/bare/g.cpp", '#include "tools/command_line/fine.hpp"\n'),
    ("ranks", "tools/eif/g.cpp", '#include "firmware/monitor/h.hpp"\n'),
    ("ranks", "firmware/unranked/i.hpp", "\n"),
    ("ranks", "docs/architecture.md", "| 0 | `firmware/base` | the vocabulary |\n"),
    ("cycles", "firmware/base/one.hpp", '#include "firmware/base/two.hpp"\n'),
    ("owners", "firmware/attestation/j.cpp", "#include <mbedtls/sha512.h>\n"),
    ("owners", "tools/eif/k.cpp", "#include <tinyxml2.h>\n"),
    ("own-header", "firmware/base/fine.cpp", "#include <cstdint>\n#include \"firmware/base/fine.hpp\"\n"),
    ("own-header", "firmware/base/unguarded.hpp", "#include <cstdint>\n"),
    ("names", "firmware/base/" + "util.hpp", "\n"),
    ("paths", "README.md", "see `firmware/nowhere/l.hpp`\n"),
    ("shown", "docs/threat-model.md", "shown by `Vault.HoldsWater`\n"),
    ("machine", "docs/m.md", "unpack it in /" + "home/somebody\n"),
    ("machine", "tools/n.bash", "curl http://archive.deb" + "ian.org/x\n"),
    ("mirror", "tests/unit/firmware/absent/a_test.cpp", "\n"),
    ("markers", "firmware/base/o.cpp", "// TO" + "DO later\n"),
    ("pins", "tools/cmake/p.cmake", "set(water ${COFFERDAM_THIRD_PARTY}/water-17.8.9)\n"),
    ("pins", "docs/q.md", "it links foam 17.3.0.\n"),
]
SOUND = {
    "firmware/base/two.hpp": '#pragma once\n#include "firmware/base/one.hpp"\n',
    "firmware/base/fine.hpp": "#pragma once\n#include <cstdint>\n",
    "firmware/hypercall/abi.hpp": '#pragma once\n#include "firmware/base/fine.hpp"\n',
    "firmware/boot/start.cpp": '#include "hal/cpu.hpp"\n#include "firmware/hypercall/abi.hpp"\n',
    "firmware/vgic/layout.cpp": '#include "hal/registers/gicv3.hpp"\n',
    "firmware/crypto/hash.cpp": "#include <mbedtls/sha512.h>\n",
    "hal/cpu.hpp": '#pragma once\n#include "firmware/measure/handover.hpp"\n',
    "firmware/measure/handover.hpp": '#pragma once\n#include "firmware/base/fine.hpp"\n',
    "guests/parent/cli/fine.cpp": '#include "tools/cofferdam/fine.hpp"\n#include "tools/command_line/fine.hpp"\n',
    "tools/command_line/fine.cpp": "#include <CLI/CLI.hpp>\n",
    "guests/bare/fine.cpp": '#include "firmware/hypercall/abi.hpp"\n',
    "tests/unit/firmware/base/fine_test.cpp": '#include "firmware/base/fine.hpp"\n',
    PINS: '"water|water_17.8.9.orig.tar.gz|00|w/water|"\nFOAM_VERSION=17.3.0\n',
    "tools/cmake/fine.cmake": "set(water ${COFFERDAM_THIRD_PARTY}/water)  # 117.8.9 and 17.8.91 are others\n",
    "docs/fine.md": "see `firmware/base/fine.hpp`, `firmware/{base,boot}` and `firmware/*/abi.hpp`\n",
}


def write_all(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def self_test():
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        sound = {name: text for name, text in SOUND.items() if name != "firmware/base/two.hpp"}
        write_all(root, sound)
        false_alarms = breaches_of(root)
        for line in false_alarms:
            print(f"self-test: sound tree refused: {line}")
        missed += len(false_alarms)
        for rule, name, text in PLANTED:
            write_all(root, {name: text} | ({"firmware/base/two.hpp": SOUND["firmware/base/two.hpp"]} if rule == "cycles" else {}))
            if not any(f": {rule}: " in line for line in breaches_of(root)):
                print(f"self-test: the breach of '{rule}' planted in {name} was not found")
                missed += 1
            (root / name).unlink()
            (root / "firmware/base/two.hpp").unlink(missing_ok=True)
    print(f"self-test: {len(PLANTED)} planted breaches, {missed} mistakes")
    return 1 if missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    breaches = breaches_of(arguments.root.resolve())
    print("".join(f"{line}\n" for line in breaches) + f"check_tree: {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
