"""Writes cpio archives of the format "newc", as Linux unpacks them for its first root file system.

The bytes depend on what was added and on nothing else: entries are sorted, every time is 0, everything is root's,
and inode numbers count up. Format: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
"""
import os
import pathlib
import stat

TRAILER = "TRAILER!!!"


class CpioError(Exception):
    """Something can't go into the archive; the text names it."""


class Archive:
    def __init__(self):
        self.entries = {}  # path without a leading slash -> (mode, content, (major, minor))

    def _add(self, path, mode, content=b"", device=(0, 0)):
        path = path.strip("/")
        if not path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
            raise CpioError(f"'{path}' is not a path for an archive")
        there = self.entries.get(path)
        if there and stat.S_ISDIR(there[0]) != stat.S_ISDIR(mode):
            raise CpioError(f"/{path} would be a folder and something else")
        parent = path.rpartition("/")[0]
        if parent and not stat.S_ISDIR(self.entries.get(parent, (stat.S_IFDIR,))[0]):
            raise CpioError(f"/{parent} would be a folder and something else")
        if parent and parent not in self.entries:
            self.folder(parent)
        self.entries[path] = (mode, bytes(content), device)

    def folder(self, path, mode=0o755):
        self._add(path, stat.S_IFDIR | mode)

    def file(self, path, content, mode=0o644):
        self._add(path, stat.S_IFREG | mode, content)

    def link(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, kind, major, minor, mode=0o600):
        self._add(path, {"c": stat.S_IFCHR, "b": stat.S_IFBLK}[kind] | mode, device=(major, minor))

    def tree(self, source, target=""):
        """What lies in the folder source, with its modes, links as links. Only folders, files and links."""
        source = pathlib.Path(source)
        for folder, names, files in os.walk(source):
            names.sort()
            inside = pathlib.Path(folder).relative_to(source).as_posix()
            base = "/".join(part for part in (target.strip("/"), "" if inside == "." else inside) if part)
            if base:
                self.folder(base, stat.S_IMODE(os.stat(folder).st_mode))
            for name in sorted(files) + [name for name in names if (pathlib.Path(folder) / name).is_symlink()]:
                path, goal = pathlib.Path(folder) / name, f"{base}/{name}" if base else name
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    self.link(goal, os.readlink(path))
                elif stat.S_ISREG(mode):
                    self.file(goal, path.read_bytes(), stat.S_IMODE(mode))
                else:
                    raise CpioError(f"{path} is neither a file nor a folder nor a link")

    def bytes(self):
        blocks = [_entry(number, path, *self.entries[path]) for number, path in enumerate(sorted(self.entries), 1)]
        blocks.append(_entry(0, TRAILER, 0, b"", (0, 0)))
        content = b"".join(blocks)
        return content + bytes(-len(content) % 512)


def _entry(inode, path, mode, content, device):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, device[0], device[1], len(name), 0)
    head = b"070701" + "".join(f"{field:08X}" for field in fields).encode() + name
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
