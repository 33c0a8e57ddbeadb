"""From a root file system, a tar archive, what one program needs: itself, its interpreter (a script's too), its libraries, and what is
asked for beside.

A library that a program loads by name at run time (dlopen) is in no list; its pattern has to be given.
"""
import fnmatch
import io
import pathlib
import posixpath
import struct
import tarfile

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB, DT_RPATH, DT_RUNPATH = 0, 1, 5, 15, 29
LINKS_FOLLOWED = 40


class ClosureError(Exception):
    """A file that is needed is not in the root, or is no program; the text names it."""


def elf_needs(content):
    """(interpreter or None, needed libraries, search path) of a 64-bit little-endian ELF file (gABI, chapters 4 and 5);
    None: it is no ELF file."""
    if content[:6] != b"\x7fELF\x02\x01":
        return None
    offset, = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", content, offset + number * size) for number in range(count)]
    loads = [(address, where, in_file) for kind, _, where, address, _, in_file, _, _ in headers if kind == PT_LOAD]

    def text(at):
        return content[at:content.index(b"\0", at)].decode()

    interpreter, dynamic, needed, search = None, [], [], ""
    for kind, _, where, _, _, in_file, _, _ in headers:
        if kind == PT_INTERP:
            interpreter = text(where)
        elif kind == PT_DYNAMIC:
            dynamic = list(struct.iter_unpack("<QQ", content[where:where + in_file // 16 * 16]))
    strings = 0
    for tag, value in dynamic:
        if tag == DT_STRTAB:
            strings = next(value - address + where for address, where, in_file in loads if address <= value < address + in_file)
    for tag, value in dynamic:
        if tag == DT_NULL:
            break
        if tag == DT_NEEDED:
            needed.append(text(strings + value))
        elif tag in (DT_RPATH, DT_RUNPATH):
            search = text(strings + value)
    return interpreter, needed, search


def script_needs(content):
    """As elf_needs, for a script (execve(2), "Interpreter scripts"); what it calls itself is nobody's to know."""
    words = content[2:].split(b"\n", 1)[0].split() if content[:2] == b"#!" else []
    return (words[0].decode(), [], "") if words else None


class Archive:
    """A tar archive's members by path, without a leading slash."""

    def __init__(self, path):
        self.file = tarfile.open(path)  # pylint: disable=consider-using-with
        self.members = {posixpath.normpath(member.name): member for member in self.file.getmembers()}

    def content(self, path):
        return self.file.extractfile(self.members[path]).read()

    def real(self, path, kept=None):
        """Where a path lies; the links on the way are put into `kept`. None: nowhere."""
        left, here, followed = [part for part in path.split("/") if part], "", 0
        while left:
            part = left.pop(0)
            if part == "..":
                here = posixpath.dirname(here)
                continue
            there = posixpath.join(here, part)
            member = self.members.get(there)
            if member is None:
                return None
            if kept is not None:
                kept.add(there)
            if member.issym():
                followed += 1
                if followed > LINKS_FOLLOWED:
                    raise ClosureError(f"/{path} leads through too many links")
                here = "" if member.linkname.startswith("/") else here
                left = [step for step in member.linkname.split("/") if step not in ("", ".")] + left
                continue
            here = there
        return here


def closure(archive, programs, patterns):
    """The paths to keep. patterns: of files beside the programs, with `*`; what is a program among them brings its libraries."""
    kept, done = set(), set()
    first = [program.lstrip("/") for program in programs]
    for pattern in patterns:
        found = fnmatch.filter(sorted(archive.members), pattern.lstrip("/"))
        if not found:
            raise ClosureError(f"nothing in the root matches {pattern}")
        first += [path for path in found if not archive.members[path].isdir()]
    folders = sorted({posixpath.dirname(path) for path in archive.members if ".so" in path and path.startswith("usr/lib/")},
                     key=lambda folder: (folder.count("/"), folder))
    left = [(path, "") for path in first]
    while left:
        path, wanted_by = left.pop()
        where = archive.real(path, kept)
        if where is None:
            raise ClosureError(f"the root has no /{path}" + (f", which {wanted_by} needs" if wanted_by else ""))
        if where in done:
            continue
        done.add(where)
        member = archive.members[where] if where else None
        content = archive.content(where) if member and (member.isreg() or member.islnk()) else b""
        try:
            needs = elf_needs(content) or script_needs(content)
        except (struct.error, StopIteration, ValueError, IndexError, OverflowError) as problem:
            raise ClosureError(f"/{where} is no whole program: its headers lead nowhere") from problem
        if needs is None:
            continue
        interpreter, libraries, search = needs
        if interpreter:
            left.append((interpreter.lstrip("/"), f"/{where}"))
        places = [place.replace("$ORIGIN", "/" + posixpath.dirname(where)).lstrip("/") for place in search.split(":") if place]
        for library in libraries:
            at = next((f"{place}/{library}" for place in [*places, *folders] if archive.real(f"{place}/{library}")), library)
            left.append((at, f"/{where}"))
    for path in [*kept]:
        while path := posixpath.dirname(path):
            kept.add(path)
    return kept


def write(source, target, programs, patterns=(), added=()):
    """The archive `target` with what the programs need of the archive `source`; `added`: paths kept as they are, folders too."""
    archive = Archive(source)
    kept = closure(archive, programs, patterns) | {path.lstrip("/") for path in added if path.lstrip("/") in archive.members}
    size = 0
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as out:
        for path in sorted(kept):
            member = archive.members[path]
            member.name = path
            if member.islnk():  # its first name may be left out
                content, member.type = archive.content(path), tarfile.REGTYPE
                member.size = len(content)
                out.addfile(member, io.BytesIO(content))
            else:
                out.addfile(member, archive.file.extractfile(member) if member.isreg() else None)
            size += member.size
    return pathlib.Path(target), size
