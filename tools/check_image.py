#!/usr/bin/env python3
"""Rules about the finished images that no compiler checks (docs/invariants.md names what they protect).

  check_image.py RULE BUILD-FOLDER     checks one rule on the images of an aarch64 build tree
  check_image.py RULE --self-test      builds something that breaks the rule and demands that it is found

segments      no loadable segment is both writable and executable
constructors  no .init_array, .ctors or .fini_array: nothing runs before the entry point
runtime       no operator new, no exceptions, no C heap: memory is static, or mbedTLS's arena
policy        what the policy archives call outside themselves is on a short list: nothing of the machine
registers     no FP/SIMD register outside cryptography: a guest's stay as they are
"""
import pathlib
import re
import subprocess
import sys
import tempfile

CROSS = "aarch64-linux-gnu-"
IMAGES = ("monitor.elf", "rom.elf")

# What freestanding code may call outside itself. The first line: the compiler itself does so.
MEMORY_FUNCTIONS = {"memcpy", "memmove", "memset", "memcmp",
                    "__stack_chk_fail", "__stack_chk_guard", "_ZSt21__glibcxx_assert_failPKciS0_S0_"}
LIBRARY_FUNCTIONS = {"strlen", "strcmp", "strncmp", "strchr", "strstr", "strcpy", "strncpy", "memchr",
                     "snprintf", "vsnprintf", "abort"}  # picolibc's, for mbedTLS and libcbor
# What the policy may never reach, whoever defines it.
FORBIDDEN_RUNTIME = re.compile(
    r"^(_Zn[wa]|_Zd[la]|__cxa_|_Unwind_|__gxx_personality|malloc$|calloc$|realloc$|free$|sbrk$|_sbrk$|atexit$|_ZSt.*throw)")
# v0.16b, q0, d0, s0, h0, b0 as an operand; system registers such as s3_0_c1 are not.
FP_OPERAND = re.compile(r"(?<![\w.])(?:v\d{1,2}\.\d*[bhsdq]|[qdshb]\d{1,2})(?![\w.])")


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"check_image: {' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout


def find(folder, *names):
    files = [path for name in names for path in sorted(folder.rglob(name))]
    for name in names:
        if not any(path.match(name) for path in files):
            sys.exit(f"check_image: {folder} has no {name}; build the images first: ./x build qemu-virt")
    return files


def check_segments(elf):
    for line in run(CROSS + "readelf", "--program-headers", "--wide", elf).splitlines():
        fields = line.split()
        if fields[:1] == ["LOAD"]:
            flags = "".join(fields[6:-1])
            if "W" in flags and "E" in flags:
                yield f"{elf.name}: a segment at {fields[2]} is writable and executable"


def check_constructors(elf):
    for line in run(CROSS + "readelf", "--section-headers", "--wide", elf).splitlines():
        match = re.match(r"\s*\[\s*\d+\]\s+(\.(?:pre)?(?:init_array|ctors|fini_array|dtors)\S*)\s+\S+\s+\S+\s+\S+\s+(\S+)", line)
        if match and int(match[2], 16) > 0:
            yield f"{elf.name}: section {match[1]} holds {int(match[2], 16)} bytes"


def symbols(kind, file):
    option = {"defined": "--defined-only", "undefined": "--undefined-only", "all": "--no-sort"}[kind]
    text = run(CROSS + "nm", "--format=posix", option, file)
    return {line.split()[0] for line in text.splitlines() if len(line.split()) >= 2}


def check_runtime(elf):
    for name in sorted(symbols("all", elf)):
        if FORBIDDEN_RUNTIME.match(name):
            yield f"{elf.name}: has {name}"


def check_policy(policy_archives, library_archives):
    own = set().union(*(symbols("defined", file) for file in [*policy_archives, *library_archives]))
    for file in policy_archives:
        for name in sorted(symbols("undefined", file) - own - MEMORY_FUNCTIONS):
            yield f"{file.name}: calls {name}, which is not policy"
    for file in library_archives:
        for name in sorted(symbols("undefined", file) - own - MEMORY_FUNCTIONS - LIBRARY_FUNCTIONS):
            yield f"{file.name}: calls {name}"


def check_registers(file, exempt):
    member, function = file.name, ""
    for line in run(CROSS + "objdump", "--disassemble", "--no-show-raw-insn", file).splitlines():
        header = re.match(r"(\S+):\s+file format", line)
        label = re.match(r"[0-9a-f]+ <(.*)>:", line)
        if header:
            member = header[1]
        elif label:
            function = label[1]
        elif not exempt(member):
            fields = line.split("\t")
            operands = re.sub(r"<[^>]*>|//.*", "", fields[2]) if len(fields) > 2 else ""
            if fields[0].strip().endswith(":") and FP_OPERAND.search(operands):
                yield f"{file.name}({member}): {function}: {' '.join(fields[1:3])}"


def breaches(rule, folder):
    if rule == "policy":
        policy = find(folder, "libpolicy_*.a")
        libraries = [path for path in sorted(folder.rglob("lib*.a"))
                     if re.match(r"lib(mbed|cbor)", path.name)]
        yield from check_policy(policy, libraries)
    elif rule == "registers":
        for archive in find(folder, "libpolicy_*.a", "libshell_*.a"):
            if archive.name != "libpolicy_core.a":  # hashes and curves are the exception, under FloatingPointScope
                yield from check_registers(archive, lambda member: False)
        for archive in sorted(folder.rglob("libhal_*.a")):
            yield from check_registers(archive, lambda member: "floating_point" in member)
    else:
        check = {"segments": check_segments, "constructors": check_constructors, "runtime": check_runtime}[rule]
        for elf in find(folder, *IMAGES):
            yield from check(elf)


# Something that breaks the rule, and something like it that does not.
BAD_SOURCE = {
    "segments": "int value = 1; extern \"C\" void _start() { value = 2; }",
    "constructors": "int value(); int kept = value(); int value() { return 1; } extern \"C\" void _start() {}",
    "runtime": "int* make() { return new int; } extern \"C\" void _start() {}\n"
               "void* operator new(unsigned long) { return nullptr; }",
    "policy": "namespace hal { void console_write(char); } void plan() { hal::console_write('a'); }",
    "registers": "double scale(double x) { return x * 2; }",
}
GOOD_SOURCE = "int value = 1; void set(int x) { value = x; } extern \"C\" void _start() { set(2); }"


def build(folder, source, name, *flags):
    (folder / "case.cpp").write_text(source, encoding="utf-8")
    compiled = folder / f"{name}.o"
    run(CROSS + "g++", "-std=c++23", "-O1", "-ffreestanding", "-fno-pic", "-c", folder / "case.cpp", "-o", compiled)
    if name.endswith(".a"):
        run(CROSS + "ar", "rc", folder / name, compiled)
    else:
        run(CROSS + "g++", "-nostdlib", "-nostartfiles", "-static", *flags, compiled, "-o", folder / name)


def found_in(rule, source, *flags):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for name in IMAGES if rule != "policy" else ():  # what calls the machine does not link without it
            build(folder, source, name, *flags)
        for name in ("libpolicy_core.a", "libpolicy_board.a", "libshell_board.a"):
            build(folder, source, name)
        return list(breaches(rule, folder))


def self_test(rule):
    bad = found_in(rule, BAD_SOURCE[rule], *(["-Wl,--omagic"] if rule == "segments" else []))
    good = found_in(rule, GOOD_SOURCE)
    print(f"self-test of '{rule}': planted: {bad or 'NOT FOUND'}; sound: {good or 'nothing found'}")
    return 0 if bad and not good else 1


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in BAD_SOURCE:
        sys.exit(__doc__)
    rule = sys.argv[1]
    if sys.argv[2] == "--self-test":
        return self_test(rule)
    found = list(breaches(rule, pathlib.Path(sys.argv[2])))
    print("".join(f"{line}\n" for line in found) + f"check_image: {rule}: {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
