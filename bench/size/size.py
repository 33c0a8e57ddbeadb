#!/usr/bin/env python3
"""Bytes of an image by source folder, from the linker's map.

  size.py MAP [--json FILE]

text: code and constants; data: initialised; bss: zeroed at start. The goal (docs: benchmarks) is the text of the
monitor without cryptography: third-party code and firmware/crypto are counted apart.
"""
import argparse
import collections
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CRYPTOGRAPHY = ("mbedTLS", "libcbor", "libfdt", "C library", "compiler", "firmware/crypto")
CONTRIBUTION = re.compile(r"^ (\.[\w.$-]+|COMMON)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
LIBRARIES = (("mbedtls", "mbedTLS"), ("cbor", "libcbor"), ("fdt", "libfdt"), ("libc.a", "C library"), ("libgcc", "compiler"))


def sources_by_name():
    """File name without suffix -> folders that have such a source, for members of archives."""
    folders = collections.defaultdict(set)
    for suffix in ("cpp", "S", "c"):
        for top in ("firmware", "hal", "guests"):
            for path in (ROOT / top).rglob(f"*.{suffix}"):
                folders[path.name].add(str(path.parent.relative_to(ROOT)))
    return folders


def folder_of(place, known):
    for sign, name in LIBRARIES:
        if sign in place.split("(")[0]:
            return name
    direct = re.search(r"(firmware|hal|guests|linker)/([\w/-]*?)CMakeFiles/[^/]+\.dir/(?:([\w/-]+)/)?[^/]+\.o(?:bj)?$", place)
    if direct:
        return "/".join(part.strip("/") for part in direct.groups() if part)
    member = re.search(r"lib(\w+?)(?:_[\w-]+)?\.a\((.+?)\.o(?:bj)?\)", place)
    if member:
        library, source = member.groups()
        folders = sorted(known.get(source, ()))
        wanted = {"policy": "firmware", "shell": "firmware", "hal": "hal/aarch64", "rom": "firmware/rom"}.get(library, "")
        folders = [folder for folder in folders if folder.startswith(wanted)] or folders
        if library in ("policy", "shell"):
            folders = [folder for folder in folders if folder != "firmware/rom"] or folders
        if folders:
            return folders[0] if len(folders) == 1 else f"{wanted}/*"
    return "other"


def kind_of(section):
    if section.startswith((".bss", "COMMON", ".tbss")):
        return "bss"
    if section.startswith((".data", ".sdata", ".got", ".init_array")):
        return "data"
    if section.startswith((".text", ".rodata", ".eh_frame", ".vectors", ".init", ".start")):
        return "text"
    return None  # debugging information and notes are not loaded


def sizes(map_text):
    known, table = sources_by_name(), collections.defaultdict(lambda: {"text": 0, "data": 0, "bss": 0})
    body = map_text.split("Linker script and memory map", 1)[-1]
    body = re.sub(r"^( \.[^\s]+)\n\s+", r"\1 ", body, flags=re.MULTILINE)  # long names stand on a line of their own
    for line in body.splitlines():
        match = CONTRIBUTION.match(line)
        if not match or int(match[2], 16) == 0:
            continue
        kind = kind_of(match[1])
        if kind:
            table[folder_of(match[4], known)][kind] += int(match[3], 16)
    return {name: row for name, row in sorted(table.items()) if any(row.values())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("map", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    if not arguments.map.is_file():
        sys.exit(f"size: there is no {arguments.map}; build the images first: ./x build qemu-virt")
    table = sizes(arguments.map.read_text(encoding="utf-8", errors="replace"))
    total = {kind: sum(row[kind] for row in table.values()) for kind in ("text", "data", "bss")}
    own = sum(row["text"] for name, row in table.items() if name not in CRYPTOGRAPHY)
    print(f"{'folder':<28}{'text':>10}{'data':>10}{'bss':>12}")
    for name, row in [*table.items(), ("total", total)]:
        print(f"{name:<28}{row['text']:>10}{row['data']:>10}{row['bss']:>12}")
    print(f"text without cryptography and libraries: {own}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"folders": table, "total": total, "own_text": own}, indent=2) + "\n",
                                  encoding="utf-8")


if __name__ == "__main__":
    main()
