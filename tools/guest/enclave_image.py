#!/usr/bin/env python3
"""Makes the standard test image of an enclave: Debian's cloud kernel, our first process and its modules, busybox, a program.

  python3 tools/guest/enclave_image.py --program DIR --command /bin/app ARGUMENT -o x.eif

What DIR holds is laid over the root that the command runs in: DIR/bin/app is /bin/app there. busybox and its commands are
there already, and the programs of guests/enclave: nsm-check, attest, vsock-load, vsock-pipe, canary, misbehave. Prints the measurements.
Needs build/guest-packages and build/guest-linux, which ./x run makes, and build/bin/cofferdam (./x build host).
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "qemu")]
import assemble  # noqa: E402
import initramfs  # noqa: E402

COFFERDAM = assemble.TOOLS / "cofferdam"
PROGRAMS = initramfs.OURS / "bin"
OURS = ("nsm-check", "attest", "vsock-load", "vsock-pipe", "canary", "misbehave")
# What an enclave's devices need; modules that these depend on are found out from themselves.
MODULES = ["virtio_mmio", "vsock", "vmw_vsock_virtio_transport", "nsm"]


class ImageError(Exception):
    """A part is missing or refused; the text names it and the mend."""


def need(path, mend):
    if not path.is_file():
        raise ImageError(f"there is no {path}; {mend}")
    return path


def lay_modules(folder):
    """The modules unpacked into the folder; their files in the order of loading."""
    modules = initramfs.Modules(initramfs.PACKAGES / "lib/modules" / initramfs.kernel_release())
    files = []
    for name, content in modules.in_order(MODULES):
        (folder / f"{name}.ko").write_bytes(content)
        files.append(folder / f"{name}.ko")
    return files


def lay_root(folder, programs, with_tools):
    """busybox, its commands, and what the caller brings."""
    (folder / "bin").mkdir()
    if with_tools:
        (folder / "bin/busybox").write_bytes(initramfs.busybox())
        (folder / "bin/busybox").chmod(0o755)
        for applet in initramfs.APPLETS:
            os.symlink("busybox", folder / "bin" / applet)
        for name in OURS:
            shutil.copy(need(PROGRAMS / name, "./x run makes it"), folder / "bin" / name)
    (folder / "etc").mkdir()
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="utf-8")
    (folder / "etc/group").write_text("root:x:0:\n", encoding="utf-8")
    for program in programs:
        for path in sorted(program.rglob("*")):
            goal = folder / path.relative_to(program)
            if path.is_dir() and not path.is_symlink():
                goal.mkdir(parents=True, exist_ok=True)
            else:
                goal.unlink(missing_ok=True)
                shutil.copy2(path, goal, follow_symlinks=False)


def make(output, command, programs=(), *, append="", console=None, environment=(), name="test", with_tools=True, rootfs=(), more=()):
    """Writes the image; answers what cofferdam printed, the measurements as JSON text. `rootfs`: folders or tar archives
    below the rest; `more`: further options of cofferdam eif build."""
    with tempfile.TemporaryDirectory(prefix="enclave-image-") as scratch:
        folder = pathlib.Path(scratch)
        (folder / "modules").mkdir()
        (folder / "root").mkdir()
        words = [need(COFFERDAM, "./x build host makes it"), "eif", "build", "--kernel", initramfs.kernel_file(),
                 "--init", need(PROGRAMS / "enclave-init", "./x run makes it"), "--name", name, "--output", output]
        for module in lay_modules(folder / "modules"):
            words += ["--module", module]
        lay_root(folder / "root", [pathlib.Path(program) for program in programs], with_tools)
        for root in [*rootfs, folder / "root"]:
            words += ["--rootfs", root]
        for variable in environment:
            words += ["--env", variable]
        if append:
            words.append(f"--append={append}")
        if console:
            words += ["--console", console]
        words += [*more, "--", *command]
        result = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ImageError(result.stderr.strip())
        if result.stderr:
            print(result.stderr, end="", file=sys.stderr)
        return result.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", metavar="DIR", type=pathlib.Path, action="append", default=[], help="laid over the root; may be given again")
    parser.add_argument("--rootfs", metavar="DIR|TAR", type=pathlib.Path, action="append", default=[],
                        help="a root of your own below it, as ./x enclave-rootfs makes one")
    parser.add_argument("--bare", action="store_true", help="no busybox and no test programs in the root")
    parser.add_argument("--command", metavar="WORD", nargs=argparse.REMAINDER, required=True,
                        help="what the enclave runs; the last option, but for -o FILE at its very end")
    parser.add_argument("--append", metavar="TEXT", default="", help="more words for the kernel's command line")
    parser.add_argument("--console", metavar="TTY", help="the console on the command line")
    parser.add_argument("--env", metavar="NAME=VALUE", action="append", default=[])
    parser.add_argument("--name", default="test", help="name in the image's metadata")
    parser.add_argument("-o", "--output", metavar="FILE", type=pathlib.Path)
    arguments = parser.parse_args()
    command, output = arguments.command, arguments.output
    if output is None and len(command) > 2 and command[-2] in ("-o", "--output"):
        command, output = command[:-2], pathlib.Path(command[-1])
    if output is None or not command:
        parser.error("--command WORD... and -o FILE are needed")
    for folder in arguments.program:
        if not folder.is_dir():
            parser.error(f"--program {folder}: there is no such folder")
    print(make(output, command, arguments.program, append=arguments.append, console=arguments.console, environment=arguments.env,
               name=arguments.name, with_tools=not arguments.bare, rootfs=arguments.rootfs), end="")


if __name__ == "__main__":
    try:
        main()
    except (ImageError, initramfs.InitramfsError, OSError) as problem:
        sys.exit(f"enclave_image: {problem}")
