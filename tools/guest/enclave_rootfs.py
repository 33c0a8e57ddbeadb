#!/usr/bin/env python3
"""Lays the files of Debian packages together as one root file system, a tar archive. ./x enclave-rootfs calls it.

No maintainer script runs. What they would have left and a program needs is done here: the links of a merged /usr, users and
groups, the bundle of certificate authorities, the commands of a busybox that is there. The archive depends on the packages and on
the folders that are laid over them, and on nothing else: sorted, every time 0, owners as numbers.
"""
import argparse
import copy
import hashlib
import io
import json
import os
import pathlib
import stat
import subprocess
import sys
import tarfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import initramfs  # noqa: E402

MERGED = ("bin", "lib", "sbin")  # those that arm64 has
DOCUMENTS = ("usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/lintian/", "usr/share/bug/",
             "usr/share/doc-base/", "usr/share/linda/")
LINKS_FOLLOWED = 40
AUTHORITIES, BUNDLE = "usr/share/ca-certificates/", "etc/ssl/certs/ca-certificates.crt"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
GROUP = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
NAMES = "passwd: files\ngroup: files\nhosts: files dns\n"


class RootfsError(Exception):
    """Something can't become part of the root; the text names it."""


class Root:
    """path without a leading slash -> (TarInfo, content or None). Names of one file share one content, a bytearray."""

    def __init__(self):
        self.entries = {}
        self.folder("", 0o755)

    def place(self, path):
        """Where a path lies when links on the way are followed; folders on the way are made."""
        left, here, followed = [part for part in path.split("/") if part not in ("", ".")], "", 0
        while left:
            part = left.pop(0)
            if part == "..":
                here = here.rpartition("/")[0]
                continue
            there = f"{here}/{part}" if here else part
            entry = self.entries.get(there)
            if left and entry and entry[0].issym():
                followed += 1
                if followed > LINKS_FOLLOWED:
                    raise RootfsError(f"/{path} leads through too many links")
                target = entry[0].linkname
                left = [step for step in target.split("/") if step not in ("", ".")] + left
                here = "" if target.startswith("/") else here
                continue
            if left and entry and not entry[0].isdir():
                raise RootfsError(f"/{there} would be a folder and something else")
            if left and not entry:
                self.folder(there)
            here = there
        return here

    def add(self, path, info, content=None):
        goal = self.place(path)
        old = self.entries.get(goal)
        if old and info.isdir() and old[0].issym():
            goal = self.place(f"{path}/.x").rpartition("/")[0]
            old = self.entries.get(goal)
        if old and old[0].isdir() != info.isdir():
            raise RootfsError(f"/{goal} would be a folder and something else")
        info.name = goal
        self.entries[goal] = (info, content)

    def _info(self, kind, mode):
        info = tarfile.TarInfo()
        info.type, info.mode = kind, mode
        return info

    def folder(self, path, mode=0o755):
        self.entries.setdefault(path, (self._info(tarfile.DIRTYPE, mode), None))

    def file(self, path, content, mode=0o644):
        self.add(path, self._info(tarfile.REGTYPE, mode), bytearray(content))

    def link(self, path, target):
        info = self._info(tarfile.SYMTYPE, 0o777)
        info.linkname = target
        self.add(path, info)

    def has(self, path):
        return self.place(path) in self.entries

    def second_name(self, path, target):
        info, content = self.entries.get(self.place(target), (None, None))
        if content is None:
            raise RootfsError(f"/{path} is a second name of /{target}, which is not there")
        self.add(path, copy.copy(info), content)

    def size(self):
        return sum(map(len, {id(content): content for _, content in self.entries.values() if content is not None}.values()))

    def write(self, file):
        first_names = {}
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(self.entries):
                info, content = self.entries[path]
                info.name = f"./{path}" if path else "."
                info.mtime, info.uname, info.gname, info.pax_headers, info.size = 0, "", "", {}, 0
                if content is not None:
                    first = first_names.setdefault(id(content), info.name)
                    if first != info.name:
                        info.type, info.linkname, content = tarfile.LNKTYPE, first, None
                    else:
                        info.size = len(content)
                archive.addfile(info, io.BytesIO(content) if content is not None else None)


def is_document(path):
    return path.startswith(DOCUMENTS) and not (path.startswith("usr/share/doc/") and path.endswith("/copyright"))


def add_package(root, deb, keep_documents):
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], capture_output=True, check=False)
    if unpacked.returncode != 0:
        raise RootfsError(f"{deb} can't be unpacked; remove it and run again: {unpacked.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(unpacked.stdout)) as archive:
        for member in archive:
            path = member.name.removeprefix("./").strip("/")
            if path in ("", ".") or (not keep_documents and is_document(path)):
                continue
            if ".." in path.split("/"):
                raise RootfsError(f"{deb} has the path {member.name}")
            if member.islnk():
                root.second_name(path, member.linkname.removeprefix("./"))
            else:
                root.add(path, member, bytearray(archive.extractfile(member).read()) if member.isreg() else None)


def add_folder(root, folder):
    for path in sorted(folder.rglob("*")):
        goal, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
        if stat.S_ISLNK(mode):
            root.link(goal, os.readlink(path))
        elif stat.S_ISDIR(mode):
            root.place(f"{goal}/.x")
        elif stat.S_ISREG(mode):  # what this user's umask left does not matter
            root.file(goal, path.read_bytes(), 0o755 if mode & stat.S_IXUSR else 0o644)
        else:
            raise RootfsError(f"{path} is neither a file nor a folder nor a link")


def merge_usr(root):
    for name in MERGED:
        root.folder("usr")
        root.folder(f"usr/{name}")
        root.link(name, f"usr/{name}")


def finish(root):
    """What maintainer scripts would have left."""
    for name, mode in (("dev", 0o755), ("etc", 0o755), ("proc", 0o755), ("root", 0o700), ("run", 0o755), ("sys", 0o755), ("tmp", 0o1777), ("var", 0o755)):
        root.folder(name, mode)
    for path, text in (("etc/passwd", PASSWD), ("etc/group", GROUP), ("etc/hosts", HOSTS), ("etc/nsswitch.conf", NAMES)):
        if not root.has(path):
            root.file(path, text.encode())
    authorities = sorted(path for path in root.entries if path.startswith(AUTHORITIES) and path.endswith(".crt"))
    if authorities and not root.has(BUNDLE):
        root.file(BUNDLE, b"".join(root.entries[path][1].rstrip(b"\n") + b"\n" for path in authorities))
    for box in ("usr/bin/busybox", "bin/busybox"):
        if root.has(box):
            for applet in initramfs.APPLETS:
                if not root.has(f"usr/bin/{applet}") and not root.has(f"usr/sbin/{applet}"):
                    root.link(f"usr/bin/{applet}", "busybox")
            break


def file_of(archives, name, version, architecture):
    return archives / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", required=True)
    parser.add_argument("--wanted", required=True, type=pathlib.Path, help='file with "NAME VERSION ARCHITECTURE" lines')
    parser.add_argument("--archives", required=True, type=pathlib.Path, help="folder with their .deb files")
    parser.add_argument("--asked", default="", help="the packages that were asked for, for the list")
    parser.add_argument("--without", action="append", default=[], metavar="NAME")
    parser.add_argument("--add", action="append", default=[], type=pathlib.Path, metavar="DIR")
    parser.add_argument("--keep-documents", action="store_true")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    root, listed = Root(), []
    merge_usr(root)
    lines = [line.split() for line in arguments.wanted.read_text(encoding="utf-8").splitlines()]
    absent = sorted(set(arguments.without) - {name for name, _, _ in lines})
    if absent:
        raise RootfsError(f"--without {' '.join(absent)}: not among the packages that are needed")
    for name, version, architecture in lines:
        if name in arguments.without:
            continue
        deb = file_of(arguments.archives, name, version, architecture)
        if not deb.is_file():
            raise RootfsError(f"apt did not lay down {deb.name}; run again with --update")
        add_package(root, deb, arguments.keep_documents)
        listed.append({"name": name, "version": version, "architecture": architecture,
                       "sha256": hashlib.sha256(deb.read_bytes()).hexdigest()})
        print(f"   {name} {version}")
    for folder in arguments.add:
        if not folder.is_dir():
            raise RootfsError(f"--add {folder}: there is no such folder")
        add_folder(root, folder)
    finish(root)
    whole = io.BytesIO()
    root.write(whole)
    manifest = {"suite": arguments.suite, "asked": arguments.asked.split(), "without": sorted(arguments.without), "packages": listed,
                "files": len(root.entries), "bytes": root.size(), "sha256": hashlib.sha256(whole.getvalue()).hexdigest()}
    partial = arguments.output.with_name(arguments.output.name + ".partial")
    partial.write_bytes(whole.getvalue())
    partial.replace(arguments.output)
    arguments.output.with_name(arguments.output.name + ".json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    print(f"   {arguments.output}: {len(listed)} packages, {len(root.entries)} files, {root.size() / (1 << 20):.1f} MiB; "
          f"sha256 {manifest['sha256']}")
    print(f"   {arguments.output}.json lists the packages")


if __name__ == "__main__":
    try:
        main()
    except (RootfsError, OSError) as problem:
        sys.exit(f"x: error: {problem}")
