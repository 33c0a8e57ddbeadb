"""The qemu-virt board as QEMU runs it: one place that knows the command line, the two flashes and the two consoles.

Used by the demonstration, the tests and the benchmarks. A run is always bounded in time and never reads this
process's standard input. Consoles: `parent` is UART0, the parent's own. The secure UART shows what the ROM says
(console `rom`: lines that begin with "rom:") and what the monitor says for itself and for its guests (`main`).
"""
import os
import pathlib
import re
import selectors
import shutil
import subprocess
import time
import xml.etree.ElementTree

BOARD = pathlib.Path(__file__).resolve().parents[2] / "boards/qemu-virt/board.xml"
FLASH_BYTES = 64 << 20
OLDEST = (8, 1)
MODEL = "max"  # of the cores: all that QEMU has, vectors of 2048 bits included
BOOT_PAYLOAD = "boot-payload.bin"  # beside flash1: what the parent starts with (assemble.py)
BOOT_PAYLOAD_ADDRESS = 0x48000000
LINE_LIMIT = 1 << 20  # bytes: what a guest can make us keep of one line


class MachineError(Exception):
    """The machine could not be run, or did not do what a run must; the text names cause and mend."""


def qemu_version(program="qemu-system-aarch64"):
    if not shutil.which(program):
        raise MachineError(f"there is no {program}; ./x setup installs it")
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"version (\d+)\.(\d+)", text)
    if not match or (int(match[1]), int(match[2])) < OLDEST:
        raise MachineError(f"QEMU {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is: {text.splitlines()[0]}; ./x setup")
    return int(match[1]), int(match[2])


def user_network(forward=None):
    """The parent's network. forward: None, cut off from everything; else pairs (port of 127.0.0.1 here, port of the parent),
    and the parent reaches this machine's loopback as 10.0.2.2."""
    if forward is None:
        return "user,id=net,restrict=on"
    return "user,id=net" + "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in forward)


def board_devices(disks=None, instant=False, forward=None, capture=None):
    """The parent's PCI devices. Slot n is StreamID n << 3. disks: (nvme, virtio-blk), two raw files; none: edu only.

    instant: the virtio-blk disk is all zeros, has no file, and answers before the core that asks goes on, so that its
    time is not the host's.
    """
    line = ["-device", "edu,dma_mask=0xffffffffffffffff,addr=1"]
    if disks:
        nvme, block = disks
        virtio = "iommu_platform=on,disable-legacy=on"  # else QEMU's virtio devices pass the SMMU by
        line += ["-drive", f"if=none,id=nvme,format=raw,file={option_value(nvme)}",
                 "-device", "nvme,addr=2,serial=cofferdam,drive=nvme",
                 "-drive", "if=none,id=block,driver=null-co,size=64M,read-zeroes=on" if instant
                 else f"if=none,id=block,format=raw,file={option_value(block)}",
                 "-device", f"virtio-blk-pci,addr=3,drive=block,{virtio}" + (",ioeventfd=off" if instant else ""),
                 "-netdev", user_network(forward), *(["-object", f"filter-dump,id=capture,netdev=net,file={option_value(capture)}"] if capture else []),
                 "-device", f"virtio-net-pci,addr=4,netdev=net,romfile=,{virtio}"]
    return line


def most_memory():
    """MiB: what the board description has room for. A machine may have less."""
    regions = [(int(region.get("base"), 16), region.get("size").split())
               for region in xml.etree.ElementTree.parse(BOARD).iterfind("memory/region")]
    units = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    end = max(base + int(size) * units[unit] for base, (size, unit) in regions)
    return (end - min(base for base, _ in regions)) >> 20


def most_flat_kernel():
    """Bytes: a parent that runs at its entry only ends there before the boot payload begins."""
    return BOOT_PAYLOAD_ADDRESS - int(xml.etree.ElementTree.parse(BOARD).find("parent").get("entry"), 16)


def option_value(path):
    """A path inside one of QEMU's options, where a comma would end it."""
    return str(path).replace(",", ",,")


def emulation(instruction_clock, in_turn):
    line = ["-accel", "tcg,thread=single"] if instruction_clock or in_turn else []
    if instruction_clock:
        # Time, the machine's random numbers and the calendar are the same in every run.
        line += ["-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2025-06-01T00:00:00,clock=vm"]
    return line


def command(flash0, flash1, cores=4, instruction_clock=False, devices=True, memory=2048, disks=None, restart=False, forward=None,
            capture=None, model=MODEL, in_turn=False):
    """The command line. instruction_clock: the guest's counters count instructions (a repeatable clock).

    restart: a reset of the machine starts it again, with the memory that it has; else it ends the run. capture: a file for all that
    crosses the parent's network (pcap). model: QEMU's -cpu. in_turn: one thread of the host runs all cores, one after the other, where
    each has one of its own otherwise: a third less of the host's time for cores that sleep, much more for cores that spin.
    """
    line = ["qemu-system-aarch64",
            "-M", "virt,secure=on,virtualization=on,gic-version=3,iommu=smmuv3",
            "-cpu", model, "-smp", str(cores), "-m", f"{memory}M",
            "-display", "none", "-nodefaults", *([] if restart else ["-no-reboot"]), "-monitor", "none",
            "-bios", str(flash0),
            "-drive", f"if=pflash,unit=1,format=raw,readonly=on,file={option_value(flash1)}"]
    payload = pathlib.Path(flash1).parent / BOOT_PAYLOAD
    if payload.is_file():
        line += ["-device", f"loader,file={option_value(payload)},addr={BOOT_PAYLOAD_ADDRESS:#x},force-raw=on"]
    if qemu_version() < (10, 0):
        line += ["-global", "arm-smmuv3.stage=2"]  # what 10.0 has by default
    return line + (board_devices(disks, instruction_clock, forward, capture) if devices else []) + emulation(instruction_clock, in_turn)


def bare_command(kernel, initrd=None, command_line="", cores=4, memory=2048, instruction_clock=False, disks=None,
                 restart=False, forward=None, capture=None, model=MODEL, in_turn=False):
    """The same board and devices without a monitor: QEMU itself starts the kernel, at EL1."""
    qemu_version()
    line = ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", model, "-smp", str(cores), "-m", f"{memory}M",
            "-display", "none", "-nodefaults", *([] if restart else ["-no-reboot"]), "-monitor", "none",
            "-kernel", str(kernel)]
    if initrd:
        line += ["-initrd", str(initrd)]
    if command_line:
        line += ["-append", command_line]
    return line + board_devices(disks, instruction_clock, forward, capture) + emulation(instruction_clock, in_turn)


def panic_in(log):
    """The line with which the monitor stopped for good, or None. Guests' lines never begin like that."""
    try:
        text = pathlib.Path(log).read_bytes()[:LINE_LIMIT].decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    match = re.search(r"^(?:cofferdam|rom): PANIC.*", text, re.MULTILINE)
    return match[0].rstrip() if match else None


def run_on_terminal(line, log, seconds=None, attended=True):
    """Runs a machine with its first UART on this process's standard output and what the second UART says in a file.

    attended: standard input goes to the UART as well, and Ctrl-A x ends the run. Answers "off" or "time".
    """
    line = [*line, "-chardev", f"stdio,id=parent,signal=off,mux={'on' if attended else 'off'}", "-serial", "chardev:parent",
            "-chardev", f"file,id=log,path={option_value(log)}", "-serial", "chardev:log"]
    pathlib.Path(log).write_bytes(b"")  # an earlier run's panic is not this one's
    end = None if seconds is None else time.monotonic() + seconds
    with subprocess.Popen(line, stdin=None if attended else subprocess.DEVNULL) as machine:
        status = panic = None
        try:
            while status is None and panic is None and (end is None or time.monotonic() < end):
                try:
                    status = machine.wait(timeout=1 if end is None else min(1, max(0, end - time.monotonic())))
                except subprocess.TimeoutExpired:
                    panic = panic_in(log)
        finally:
            if status is None:
                machine.terminate()  # lets QEMU put the terminal back
                try:
                    machine.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    machine.kill()
    if panic:
        raise MachineError(f"{panic}; see {log}")
    if status is None:
        return "time"
    if status != 0:
        raise MachineError(f"QEMU ended with status {status}; what it said stands above")
    return "off"


def pad_to_flash(source, target):
    """Copies an image to a file of the flash's size: QEMU wants exactly that."""
    content = pathlib.Path(source).read_bytes()
    if len(content) > FLASH_BYTES:
        raise MachineError(f"{source} is larger than the flash ({len(content)} of {FLASH_BYTES} bytes)")
    pathlib.Path(target).write_bytes(content)
    os.truncate(target, FLASH_BYTES)


def run(flash0, flash1, seconds, on_line=None, stop_after=None, **options):
    """Runs the machine until it powers off, a line matches stop_after, or the time is over.

    on_line(console, text) is called for every line as it comes. Answers (lines, how): lines is a list of
    (console, text); how is "off", "stopped" or "time".
    """
    log_read, log_write = os.pipe()
    line = command(flash0, flash1, **options)
    line += ["-chardev", "stdio,id=parent,signal=off", "-serial", "chardev:parent",
             "-chardev", f"file,id=log,path=/dev/fd/{log_write}", "-serial", "chardev:log"]
    lines, how = [], "off"
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          pass_fds=[log_write]) as machine, selectors.DefaultSelector() as selector:
        os.close(log_write)
        pending = {"parent": b"", "log": b"", "qemu": b""}
        streams = {"parent": machine.stdout.fileno(), "log": log_read, "qemu": machine.stderr.fileno()}
        for name, descriptor in streams.items():
            selector.register(descriptor, selectors.EVENT_READ, name)
        end = time.monotonic() + seconds
        stopped = False

        def take(console, raw):
            nonlocal stopped
            text = raw.rstrip(b"\r").decode("utf-8", errors="replace")
            if console == "log":
                console = "rom" if text.startswith("rom:") else "main"
            lines.append((console, text))
            if on_line:
                on_line(console, text)
            stopped = stopped or bool(stop_after and re.search(stop_after, text))

        try:
            while selector.get_map() and not stopped:
                left = end - time.monotonic()
                if left <= 0:
                    how = "time"
                    break
                for key, _ in selector.select(min(left, 1)):
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fd)
                        if pending[key.data]:
                            take(key.data, pending[key.data])
                            pending[key.data] = b""
                        continue
                    *whole, rest = (pending[key.data] + data).split(b"\n")
                    pending[key.data] = rest[:LINE_LIMIT]
                    for raw in whole:
                        take(key.data, raw)
            if stopped:
                how = "stopped"
        finally:
            if machine.poll() is None and how != "off":
                machine.kill()
            try:
                status = machine.wait(timeout=10)
            except subprocess.TimeoutExpired:
                machine.kill()
                status = machine.wait()
            os.close(log_read)
    if how == "off" and status != 0:
        said = "; ".join(text for console, text in lines if console == "qemu")
        raise MachineError(f"QEMU ended with status {status}: {said or 'it said nothing'}")
    return lines, how


def block_between(lines, begin, end):
    """The lines of the main console between two marker lines, or None when the markers are not both there."""
    inside, found = False, []
    for console, text in lines:
        if console != "main":
            continue
        if end in text and inside:
            return found
        if inside:
            found.append(text.strip())
        elif begin in text:
            inside, found = True, []
    return None
