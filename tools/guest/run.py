#!/usr/bin/env python3
"""Boots Linux, or another kernel, as the parent under the monitor.

  ./x run                      a root shell in the parent, the attack tools aboard
  ./x run -- COMMAND...        runs COMMAND in the parent and exits with its status (124: the time was over,
                               125: it could not be run, or ended without reporting one)
  ./x run --guest IMAGE        another kernel: a Linux Image (also in gzip, xz, zstd or EFI zboot) or a flat binary with Linux's arm64 boot
                               protocol, its console on the terminal

Without a terminal on standard input, what comes there is a script for the shell in the parent, read before it boots.
COMMAND's output is standard output; everything else that ./x has to say goes to standard error. What the monitor
says is written to build/run/monitor.log.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/qemu"))
import assemble  # noqa: E402
import initramfs  # noqa: E402
import instruction_counter  # noqa: E402
import kernel_image  # noqa: E402
import cpio  # noqa: E402
import machine  # noqa: E402

RUNS = ROOT / "build/run"
DISK_BYTES = 64 << 20
BLOCK = 512
SCRIPT_LIMIT = 16 << 20
COMMAND_LINE = "console=ttyAMA0 quiet panic=-1"
REPORT = re.compile(rb"COFFEXIT (\d{1,3})\n\0*$")
SECONDS = 1800
TIME_OVER, NO_REPORT = 124, 125


def port_pair(text):
    match = re.fullmatch(r"(\d{1,5}):(\d{1,5})", text)
    if not match or not all(0 < int(port) < 65536 for port in match.groups()):
        raise argparse.ArgumentTypeError(f"'{text}' is no pair of ports, HERE:THERE")
    return int(match[1]), int(match[2])


def parse(words):
    most = machine.most_memory()
    parser = argparse.ArgumentParser(prog="./x run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage="./x run [OPTION]... [-- COMMAND...]")
    parser.add_argument("--add", metavar="DIR", action="append", default=[], type=pathlib.Path,
                        help="lay what DIR holds over the parent's root: DIR/bin/tool is /bin/tool there (and, unless that "
                             "name is taken, /NAME-OF-DIR/bin/tool); may be given more than once")
    parser.add_argument("--cpus", metavar="N", type=int, default=4, help="cores of the machine, 1 to 8 (default: 4)")
    parser.add_argument("--memory", metavar="MIB", type=int, default=2048,
                        help=f"the machine's memory in MiB, 256 to {most} (with --bare any amount from 256), of which the "
                             "monitor keeps 64 (default: 2048)")
    parser.add_argument("--bare", action="store_true", help="the same under plain QEMU, without the monitor, to compare")
    parser.add_argument("--guest", metavar="IMAGE", type=pathlib.Path, help="boot this kernel in place of the Linux parent")
    parser.add_argument("--initrd", metavar="FILE", type=pathlib.Path, help="with --guest: its initrd")
    parser.add_argument("--append", metavar="TEXT", default="", help="more words for the kernel's command line")
    parser.add_argument("--disk", metavar="FILE", type=pathlib.Path,
                        help="the raw file behind the virtio-blk disk, kept with its changes (default: 64 MiB of zeros)")
    parser.add_argument("--forward", metavar="HERE:THERE", action="append", type=port_pair,
                        help="gives the parent a network: connections to port HERE of this machine's 127.0.0.1 reach its port THERE, and it "
                             "reaches this machine's loopback as 10.0.2.2 (default: it is cut off); may be given more than once")
    parser.add_argument("--capture", metavar="FILE", type=pathlib.Path, help="record what crosses the parent's network there (pcap)")
    parser.add_argument("--seconds", metavar="N", type=int,
                        help="stop after N seconds (default: 1800 with a COMMAND or script, else without end)")
    parser.add_argument("--log", metavar="FILE", type=pathlib.Path, help="where the monitor's words go")
    parser.add_argument("--root", metavar="FILE", type=pathlib.Path,
                        help="write the certificate there under which the documents of this run's enclaves are verified")
    parser.add_argument("--monitor", metavar="IMAGE", default=assemble.MONITOR,
                        help="an image of build/qemu-virt/bin in place of monitor.bin: monitor-checked.bin holds itself "
                             "against a specification at every trap")
    parser.add_argument("--restart", action="store_true",
                        help="a reset that the parent asks for, or a panic, starts it again (default: ends the run)")
    parser.add_argument("--cpu", metavar="MODEL", default=machine.MODEL,
                        help="QEMU's model of the cores, such as max,sve512=on or neoverse-n1 (default: max)")
    parser.add_argument("--in-turn", action="store_true",
                        help="emulate the cores one after the other in one thread of the host: less work for it, unless they spin, and no two "
                             "at the same instant (default: a thread each)")
    parser.add_argument("--instructions", action="store_true", help="the machine's clock counts instructions (one thread), and the virtio-blk disk is all zeros")
    parser.add_argument("--count", metavar="FILE", type=pathlib.Path,
                        help="keep there, while it runs, how many instructions each core has executed (tools/qemu/instruction_counter.py); not with --instructions or --in-turn")
    own, command = words, []
    if "--" in words:
        own, command = words[:words.index("--")], words[words.index("--") + 1:]
        if not command:
            parser.error("there is no COMMAND behind --")
    arguments = parser.parse_args(own)
    arguments.command = command
    arguments.script = None
    if not 1 <= arguments.cpus <= 8:
        parser.error(f"--cpus {arguments.cpus}: the board has 1 to 8 cores")
    if arguments.memory < 256:
        parser.error(f"--memory {arguments.memory}: at least 256 MiB")
    if arguments.memory > most and not arguments.bare:
        parser.error(f"--memory {arguments.memory}: boards/qemu-virt/board.xml has room for at most {most} MiB")
    if arguments.guest and (command or arguments.add):
        parser.error("--guest boots a kernel of your own: COMMAND and --add are for the Linux parent")
    if arguments.count and (arguments.instructions or arguments.in_turn):  # QEMU 10 tells a plugin which core translated, not which executes, if one thread runs all
        parser.error("--count tells cores apart only where each has a thread of its own: not with --instructions or --in-turn")
    if arguments.root and arguments.bare:
        parser.error("--root: without the monitor there is no identity, and nothing to verify")
    if arguments.initrd and not arguments.guest:
        parser.error("--initrd is for --guest; --add DIR brings files into the Linux parent")
    for folder in arguments.add:
        if not folder.is_dir():
            parser.error(f"--add {folder}: there is no such folder")
    for file in (arguments.guest, arguments.initrd, arguments.disk):
        if file and not file.is_file():
            parser.error(f"there is no file {file}")
    return arguments


def make_disks(folder, disk):
    """(nvme, virtio-blk) and the names, inside, of those that may carry the report."""
    made = {}
    for name in ("nvme", "block"):
        made[name] = folder / f"{name}.img"
        made[name].touch()
        os.truncate(made[name], DISK_BYTES)
    if disk:
        return (made["nvme"], disk.resolve()), ["nvme0n1"]
    return (made["nvme"], made["block"]), ["nvme0n1", "vda"]


def reported_status(disks, report):
    """The status that the parent's first process wrote into a disk's last block, or None."""
    for disk, _ in zip(disks, report):
        with disk.open("rb") as file:
            file.seek(-BLOCK, os.SEEK_END)
            match = REPORT.match(file.read(BLOCK))
        if match and int(match[1]) < 256:
            return int(match[1])
    return None


def script_of(file):
    """What a pipe brings: a terminal line drops what arrives before the shell is there, so it goes in with the files."""
    script = file.read(SCRIPT_LIMIT + 1)
    if len(script) > SCRIPT_LIMIT:
        raise initramfs.InitramfsError(f"standard input brings more than {SCRIPT_LIMIT >> 20} MiB of script")
    return script


def pieces_of(arguments, report):
    """What the parent starts with: kernel, perhaps an initrd, the command line."""
    if arguments.guest:
        kernel = kernel_image.bootable(arguments.guest.read_bytes())
        most = machine.most_flat_kernel()
        if not arguments.bare and len(kernel) > most and not kernel_image.is_raw_image(kernel):
            raise kernel_image.KernelError(f"the flat binary is {len(kernel)} bytes long, more than {most}; with the header "
                                           "of a Linux Image it may be longer")
        pieces = {"kernel": kernel}
        if arguments.initrd:
            pieces["initrd"] = arguments.initrd.read_bytes()
        return pieces | {"cmdline": arguments.append.encode()}
    return {"kernel": kernel_image.raw_image(initramfs.kernel_file().read_bytes()),
            "initrd": initramfs.parent(arguments.command, arguments.add, report, arguments.script),
            "cmdline": f"{COMMAND_LINE} {arguments.append}".strip().encode()}


def command_line(folder, arguments, pieces, disks):
    options = {"cores": arguments.cpus, "memory": arguments.memory, "disks": disks,
               "instruction_clock": arguments.instructions, "restart": arguments.restart, "forward": arguments.forward, "capture": arguments.capture,
               "model": arguments.cpu, "in_turn": arguments.in_turn}
    if arguments.bare:
        for name in ("kernel", "initrd"):
            if name in pieces:
                (folder / name).write_bytes(pieces[name])
        return machine.bare_command(folder / "kernel", folder / "initrd" if "initrd" in pieces else None,
                                    pieces["cmdline"].decode(), **options)
    assemble.make_identity(folder, seeded=arguments.instructions)
    if arguments.root:
        arguments.root.write_bytes((folder / "root/root.pem").read_bytes())
    assemble.make_flash1(folder, {name: content for name, content in pieces.items() if content})
    return machine.command(folder / "flash0.bin", folder / "flash1.bin", **options)


def run(arguments):
    assemble.MONITOR = arguments.monitor
    RUNS.mkdir(parents=True, exist_ok=True)
    log = arguments.log or RUNS / "monitor.log"
    if not arguments.command and not arguments.guest and not sys.stdin.isatty():
        arguments.script = script_of(sys.stdin.buffer)
    bounded = bool(arguments.command) or arguments.script is not None
    seconds = arguments.seconds or (SECONDS if bounded else None)
    with tempfile.TemporaryDirectory(dir=RUNS, prefix="run-") as name:
        folder = pathlib.Path(name)
        disks, report = make_disks(folder, arguments.disk)
        line = command_line(folder, arguments, pieces_of(arguments, report), disks)
        line += instruction_counter.options(arguments.count.resolve()) if arguments.count else []
        if not bounded:
            print(f"x run: {'plain QEMU' if arguments.bare else 'under the monitor'}; Ctrl-A x ends it"
                  + ("" if arguments.guest else ", and so does the end of the shell"), file=sys.stderr, flush=True)
        how = machine.run_on_terminal(line, log, seconds, attended=not bounded)
        if how == "time":
            print(f"x run: stopped after {seconds} s", file=sys.stderr)
            return TIME_OVER
        if arguments.guest:
            return 0
        status = reported_status(disks, report)
        if status is None and bounded:
            where = "" if arguments.bare else f"; the monitor's words are in {log}"
            print(f"x run: the parent ended without reporting an exit status{where}", file=sys.stderr)
            return NO_REPORT
        return status or 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the machine ends and its files go
    try:
        sys.exit(run(parse(sys.argv[1:])))
    except (assemble.AssemblyError, cpio.CpioError, initramfs.InitramfsError, kernel_image.KernelError,
            machine.MachineError, OSError, subprocess.CalledProcessError) as problem:
        print(f"x run: {problem}", file=sys.stderr)
        sys.exit(NO_REPORT)
    except KeyboardInterrupt:
        sys.exit(130)
