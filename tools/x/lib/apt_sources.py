#!/usr/bin/env python3
"""What this machine's own apt sources say, so that no archive's address has to stand in this repository.

  apt_sources.py backports CODENAME   prints a sources entry for CODENAME-backports, derived from the entry that
                                      provides CODENAME itself (same address, same options, same key)
  apt_sources.py guest CODENAME       prints the sources that packages for the Linux guest come from: the distribution's
                                      own entries for any architecture, and for bookworm its backports, which have Linux 6.12
  apt_sources.py suite NAME CODENAME  prints the sources of a suite for any architecture: of the machine's own release as its
                                      entries say it, of another one at the address of the entry that provides CODENAME
  apt_sources.py archives             prints the base address of every archive, one a line

Both formats of sources are read: one line (*.list) and deb822 (*.sources). Nothing is changed.
"""
import pathlib
import re
import sys

APT = pathlib.Path("/etc/apt")
ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>.*)$")


def one_line_entries(text):
    for line in text.splitlines():
        match = ONE_LINE.match(line.split("#", 1)[0].strip())
        if match:
            yield {"uris": [match["uri"]], "suites": [match["suite"]], "options": match["options"] or ""}


def deb822_entries(text):
    for stanza in re.split(r"\n\s*\n", text):
        fields, last = {}, None
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                fields[last] = f"{fields[last]}\n{line}" if last else ""
            elif ":" in line:
                last, value = line.split(":", 1)
                last = last.strip().lower()
                fields[last] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        if "deb" in fields.get("types", "").split() and fields.get("uris") and fields.get("suites"):
            yield {"uris": fields["uris"].split(), "suites": fields["suites"].split(), "fields": fields}


def entries():
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".list":
            yield from one_line_entries(text)
        elif file.suffix == ".sources":
            yield from deb822_entries(text)


def stanza_like(entry, suites, dropped=()):
    """An entry for other suites of the same archive: same address, same key, same options but the dropped ones."""
    lines = ["Types: deb", f"URIs: {' '.join(entry['uris'])}", f"Suites: {' '.join(suites)}", "Components: main"]
    if "fields" in entry:  # keep the key and options; the address, suite and components are ours
        options = entry["fields"].items()
    else:
        names = {"arch": "architectures"}
        pairs = [option.partition("=") for option in entry["options"].split()]
        options = [(names.get(name, name), value.replace(",", " ")) for name, _, value in pairs]
    ours = ("types", "uris", "suites", "components", "enabled", *dropped)
    lines += [f"{name.title()}: {value}" for name, value in options if name not in ours]
    return "\n".join(lines) + "\n"


def backports(codename):
    for entry in entries():
        if codename in entry["suites"]:
            return stanza_like(entry, [f"{codename}-backports"])
    sys.exit(f"apt_sources: no entry of {APT} provides the suite {codename}")


def guest(codename):
    stanzas = []
    for entry in entries():
        suites = [suite for suite in entry["suites"] if suite in (codename, f"{codename}-updates", f"{codename}-security")]
        if codename == "bookworm" and codename in suites:  # Linux 6.12 is newer than this release
            suites.append(f"{codename}-backports")
        if suites:
            stanzas.append(stanza_like(entry, suites, dropped=("architectures",)))
    if not stanzas:
        sys.exit(f"apt_sources: no entry of {APT} provides the suite {codename}")
    return "\n".join(stanzas)


def suite(name, codename):
    if name == codename:
        return guest(codename)
    for entry in entries():
        if codename in entry["suites"]:
            return stanza_like(entry, [name], dropped=("architectures",))
    sys.exit(f"apt_sources: no entry of {APT} provides the suite {codename}, whose address {name} would be looked for at")


def archives():
    known = []
    for entry in entries():
        for uri in entry["uris"]:
            uri = uri.rstrip("/")
            if uri.startswith(("http://", "https://", "file:/")) and uri not in known:
                known.append(uri)
            elif uri.startswith("mirror+file:/"):  # a file that lists addresses, as Ubuntu's cloud images have it
                listed = pathlib.Path(uri.removeprefix("mirror+file:"))
                if listed.is_file():
                    for line in listed.read_text(encoding="utf-8").splitlines():
                        address = line.split("\t")[0].strip().rstrip("/")
                        if address.startswith("http") and address not in known:
                            known.append(address)
    return "".join(f"{uri}\n" for uri in known)


if __name__ == "__main__":
    if sys.argv[1:2] == ["backports"] and len(sys.argv) == 3:
        print(backports(sys.argv[2]), end="")
    elif sys.argv[1:2] == ["guest"] and len(sys.argv) == 3:
        print(guest(sys.argv[2]), end="")
    elif sys.argv[1:2] == ["suite"] and len(sys.argv) == 4:
        print(suite(sys.argv[2], sys.argv[3]), end="")
    elif sys.argv[1:] == ["archives"]:
        print(archives(), end="")
    else:
        sys.exit(__doc__)
