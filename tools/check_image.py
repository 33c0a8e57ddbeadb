#!/usr/bin/env python3
"""Rules about the finished images that no compiler checks (docs/invariants.md names what they protect).

  check_image.py RULE BUILD-FOLDER     checks one rule on the images of an aarch64 build tree
  check_image.py RULE --self-test      builds something that breaks the rule and demands that it is found

segments      no loadable segment is both writable and executable
constructors  no .init_array, .ctors or .fini_array: nothing runs before the entry point
runtime       no operator new, no exceptions, no C heap: memory is static, or mbedTLS's arena
policy        what the policy archives call outside themselves is on a short list: nothing of the machine
registers     no FP/SIMD register outside cryptography: a guest's stay as they are
scope         from the trap handler, cryptography is reached only through functions that save the guest's registers
"""
import pathlib
import re
import subprocess
import sys
import tempfile

CROSS = "aarch64-linux-gnu-"
IMAGES = ("monitor.elf", "rom.elf")

# What freestanding code may call outside itself. The first line: the compiler itself does so.
MEMORY_FUNCTIONS = {"memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "__popcountdi2",
                    "__stack_chk_fail", "__stack_chk_guard", "_ZSt21__glibcxx_assert_failPKciS0_S0_"}
LIBRARY_FUNCTIONS = {"strcmp", "strncmp", "strchr", "strrchr", "strnlen", "strstr", "strcpy", "strncpy",
                     "snprintf", "vsnprintf", "abort", "ldexp"}  # picolibc's, for mbedTLS, libcbor and libfdt
# The C library's floating point, reached from libcbor's half-precision decoder only.
MATHEMATICS = re.compile(r"^(ldexp|scalbn|_scalbn|__math_\w+|copysign|__\w+tf\w*|__\w+df\w*)$")
# What the policy may never reach, whoever defines it.
FORBIDDEN_RUNTIME = re.compile(
    r"^(_Zn[wa]|_Zd[la]|__cxa_|_Unwind_|__gxx_personality|malloc$|calloc$|realloc$|free$|sbrk$|_sbrk$|atexit$|_ZSt.*throw)")
# Calls that the code rules out at run time, with the reason.
RULED_OUT = {
    # Absorbs when 1,024 records wait; every call adds at most 8 and ends by absorbing when 256 wait (ledger_upkeep).
    ("_ZN9hypercall12_GLOBAL__N_110commit_one", "_ZN7measure11BasicLedgerILm1024EE6absorb"),
    ("_ZN9hypercall12_GLOBAL__N_16record", "_ZN7measure11BasicLedgerILm1024EE6absorb"),
}
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


def fp_instructions(file):
    """(member of the archive, function, instruction) wherever an operand is an FP/SIMD register."""
    member, function = file.name, ""
    for line in run(CROSS + "objdump", "--disassemble", "--no-show-raw-insn", file).splitlines():
        header = re.match(r"(\S+):\s+file format", line)
        label = re.match(r"[0-9a-f]+ <(.*)>:", line)
        if header:
            member = header[1]
        elif label:
            function = label[1]
        else:
            fields = line.split("\t")
            operands = re.sub(r"[0-9a-f]+ <[^>]*>|//.*", "", fields[2]) if len(fields) > 2 else ""
            if fields[0].strip().endswith(":") and FP_OPERAND.search(operands):
                yield member, function, " ".join(fields[1:3])


def check_registers(file, exempt):
    """One line for each function, not for each instruction."""
    named = set()
    for member, function, instruction in fp_instructions(file):
        if function not in named and not exempt(function):
            named.add(function)
            yield f"{file.name}({member}): {function}: {instruction}"


def check_scope(elf):
    """Follows direct calls. A function that saves the guest's registers may use cryptography; no other may lead there."""
    calls, function = {}, ""
    for line in run(CROSS + "objdump", "--disassemble", "--no-show-raw-insn", elf).splitlines():
        label = re.match(r"[0-9a-f]+ <(.*)>:", line)
        if label:
            function = label[1]
            calls[function] = set()
            continue
        fields = line.split("\t")
        target = re.match(r"[0-9a-f]+ <([^+>]+)>", fields[2].strip()) if len(fields) > 2 else None
        if target and fields[1].strip() in ("bl", "b") and target[1] != function:
            if not any(function.startswith(a) and target[1].startswith(b) for a, b in RULED_OUT):
                calls[function].add(target[1])
    uses = {function for _, function, _ in fp_instructions(elf) if not function.startswith("hal_")}
    saves = {name for name, targets in calls.items()
             if any(t == "hal_save_floating_point" or t.startswith("_ZN3hal18FloatingPointScopeC") for t in targets)}
    roots = [name for name in calls if name.startswith("_ZN3hal11handle_trap")]
    if not roots:
        yield f"{elf.name}: has no trap handler"
    trail = {root: root for root in roots}
    open_ends = list(roots)
    while open_ends:
        name = open_ends.pop()
        if name in uses:
            path = [name]
            while trail[path[-1]] != path[-1]:
                path.append(trail[path[-1]])
            yield f"{elf.name}: uses FP/SIMD registers that were not saved: {' <- '.join(path)}"
        for target in calls.get(name, set()) - saves - trail.keys():
            trail[target] = name
            open_ends.append(target)


def breaches(rule, folder):
    if rule == "scope":
        for elf in find(folder, "monitor.elf"):
            yield from check_scope(elf)
    elif rule == "policy":
        policy = find(folder, "libpolicy_*.a")
        libraries = [path for path in sorted(folder.rglob("lib*.a"))
                     if re.match(r"lib(mbed|cbor|fdt)", path.name)]
        yield from check_policy(policy, libraries)
    elif rule == "registers":
        def saves_and_restores(function):
            return function.startswith("hal_") and function.endswith("_floating_point")
        for archive in [*find(folder, "libpolicy_*.a", "libshell_*.a"), *sorted(folder.rglob("libhal_*.a"))]:
            if archive.name != "libpolicy_core.a":
                yield from check_registers(archive, saves_and_restores)
        # What was linked besides: everything but cryptography, which runs under hal::FloatingPointScope.
        cryptography = set().union(*(symbols("defined", path) for path in sorted(folder.rglob("lib*.a"))
                                     if re.match(r"lib(policy_core|mbed|cbor)", path.name)))
        for elf in find(folder, "monitor.elf"):
            yield from check_registers(elf, lambda function: function in cryptography or saves_and_restores(function)
                                       or MATHEMATICS.match(function))
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
    "registers": "double scale(double x) { return x * 2; } extern \"C\" void _start() {}",
    "scope": "double kept; __attribute__((noinline)) void hash() { kept = kept * 2; }\n"
             "namespace hal { void handle_trap(int) { hash(); } } extern \"C\" void _start() {}",
}
GOOD_SOURCE = """
int value = 1;
void set(int x) { value = x; }
double kept;
extern "C" __attribute__((noinline)) void hal_save_floating_point() { value = 3; }
"""
GOOD_IN = {  # the other rules' sound source has no floating point in it
    "scope": """
__attribute__((noinline)) void hash() { kept = kept * 2; }
__attribute__((noinline)) void saved() { hal_save_floating_point(); hash(); }
namespace hal { void handle_trap(int) { saved(); } }
extern "C" void _start() {}
""",
}
SOUND_START = "extern \"C\" void _start() { set(2); }"


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
    good = found_in(rule, GOOD_SOURCE + GOOD_IN.get(rule, SOUND_START))
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
