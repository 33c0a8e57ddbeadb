"""The parent's first root file system: busybox, our first process, the kernel's modules, our own tools.

The same inputs give the same bytes. Not compressed: under emulation, unpacking costs more than reading.
"""
import lzma
import pathlib
import re
import shlex

import cpio

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "build/guest-packages"
OURS = ROOT / "build/guest-linux"  # programs and modules of guests/parent
FOR_ENCLAVES = {"enclave-init", "inference-service", "key-client"}  # of OURS; no use here, and 13 of 31 MB that each boot would hash
STATUS = ROOT / "build/qemu-virt/bin/cofferdam-status"  # knows the monitor's interface, and is built with the images
# What the first process loads; what these depend on is found out from the modules themselves.
MODULES = ["virtio_mmio", "virtio_blk", "virtio_net", "vsock", "vmw_vsock_virtio_transport", "nitro_enclaves"]
# Beside them, for whoever wants to load them by hand.
MODULES_ABOARD = ["arm_smccc_trng", "nsm", "sbsa_gwdt", "virtio-rng"]
BOX_PLACES = ("bin/busybox", "usr/bin/busybox")
# busybox makes the links of its other commands itself, from inside, when it is asked to.
APPLETS = """[ [[ ash awk base64 basename blockdev cat chgrp chmod chown chroot cksum clear cmp cp cut date dd devmem df dirname
dmesg du echo egrep env expr false fgrep find free grep gunzip gzip head hexdump hostname id ifconfig insmod ip kill
killall ln losetup ls lsmod md5sum mkdir mkfifo mknod mktemp modinfo more mount mv nc nproc od pidof ping poweroff printenv
printf ps pwd readlink reboot renice reset rm rmdir rmmod route sed seq setsid sh sha256sum sha512sum sleep sort stat
strings stty sync sysctl tail tar taskset tee test time timeout top touch tr true truncate tty udhcpc umount uname uniq
uptime usleep vi watch wc wget which whoami xargs xxd yes zcat""".split()


class InitramfsError(Exception):
    """A part is missing; the text names it and what makes it."""


def kernel_release():
    release = PACKAGES / "release"
    if not release.is_file():
        raise InitramfsError("there is no build/guest-packages; ./x run fetches it")
    return release.read_text(encoding="utf-8").strip()


def kernel_file():
    return PACKAGES / "boot" / f"vmlinuz-{kernel_release()}"


class Modules:
    """The kernel package's modules by name; '-' and '_' mean the same, as for modprobe."""

    def __init__(self, folder):
        self.files = {self.key(path.name.split(".")[0]): path for path in folder.rglob("*.ko*")}
        if not self.files:
            raise InitramfsError(f"no kernel modules in {folder}; remove build/guest-packages and run again")

    @staticmethod
    def key(name):
        return name.replace("-", "_")

    def content(self, name):
        path = self.files.get(self.key(name))
        if path is None:
            return None  # built into the kernel, or unknown to it
        return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()

    def in_order(self, names, seen=None):
        """(name, content) of the modules and of what they depend on, those first."""
        seen = set() if seen is None else seen
        for name in map(self.key, names):
            content = self.content(name)
            if name in seen or content is None:
                continue
            seen.add(name)
            match = re.search(rb"(?:^|\0)depends=([^\0]*)\0", content)
            yield from self.in_order(match[1].decode().split(",") if match and match[1] else [], seen)
            yield name, content


def busybox():
    for place in BOX_PLACES:
        if (PACKAGES / place).is_file():
            return (PACKAGES / place).read_bytes()
    raise InitramfsError("no busybox in build/guest-packages; remove that folder and run again")


def add_ours(archive):
    programs = [*OURS.glob("bin/*"), *([STATUS] if STATUS.is_file() else [])]
    for path in sorted((path for path in programs if path.name not in FOR_ENCLAVES), key=lambda path: path.name):
        archive.file(f"bin/{path.name}", path.read_bytes(), 0o755)
    if (OURS / "bin/cofferdam-cli").is_file():
        archive.link("bin/nitro-cli", "cofferdam-cli")  # scripts written for that name work
    for path in sorted(OURS.glob("modules/*.ko")):
        archive.file(f"lib/modules/{path.name}", path.read_bytes())


def command_file(command, script):
    if command:
        return shlex.join(command)
    return "exec sh -l" if script is None else "exec sh /etc/cofferdam/script"


def parent(command=(), added=(), report=(), script=None):
    """The archive's bytes. command: words; none of it and no script: a shell on the console. added: folders laid over
    the root. report: names of the disks that may carry the exit status."""
    archive = cpio.Archive()
    for folder in ("bin", "dev", "etc/cofferdam", "lib/modules", "proc", "root", "sys", "tmp"):
        archive.folder(folder)
    archive.link("sbin", "bin")
    archive.device("dev/console", "c", 5, 1)
    archive.device("dev/null", "c", 1, 3, 0o666)
    archive.file("init", (ROOT / "guests/parent/init").read_bytes(), 0o755)
    archive.file("bin/busybox", busybox(), 0o755)
    for applet in APPLETS:
        archive.link(f"bin/{applet}", "busybox")
    modules = Modules(PACKAGES / "lib/modules" / kernel_release())
    ordered = list(modules.in_order(MODULES))
    for name, content in [*ordered, *modules.in_order(MODULES_ABOARD)]:
        archive.file(f"lib/modules/{name}.ko", content)
    add_ours(archive)
    archive.file("lib/modules/load", "".join(f"{name}\n" for name, _ in ordered).encode())
    for folder in map(pathlib.Path, added):
        if (folder / "init").exists():
            raise InitramfsError(f"{folder} has an init of its own; give it with --guest and --initrd")
        archive.tree(folder)
        if folder.resolve().name not in archive.entries:
            archive.link(folder.resolve().name, ".")
    archive.file("etc/cofferdam/settings", f"INTERACTIVE={'yes' if not command and script is None else 'no'}\nREPORT='{' '.join(report)}'\n".encode())
    archive.file("etc/cofferdam/command", (command_file(command, script) + "\n").encode(), 0o755)
    if script is not None:
        archive.file("etc/cofferdam/script", script)
    archive.file("etc/passwd", b"root::0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    archive.file("etc/profile", b"PS1='parent# '\n")
    return archive.bytes()
