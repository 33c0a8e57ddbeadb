"""The demonstration's second part: Debian's Linux, unmodified, is the parent, and its root tries three attacks."""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/qemu"), str(ROOT / "tools/guest")]
import assemble  # noqa: E402
import initramfs  # noqa: E402
import kernel_image  # noqa: E402
import machine  # noqa: E402

DISK_BYTES = 64 << 20
COMMAND_LINE = f"console=ttyAMA0 quiet panic=-1 {kernel_image.QUICK}"
# What root does there. Lines begin with who speaks, as on the monitor's console.
SCRIPT = rb"""
echo "== Linux is the parent: what it sees"
echo "linux: $(uname -srm)"
echo "linux: $(nproc) cores online, $(($(sed -n 's/MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024)) MiB of memory"
dmesg | sed -n 's/.*\(GICv3: [0-9]* SPIs.*\)/linux: \1/p; s/.*\(psci: PSCIv.*\)/linux: \1/p'
for device in /sys/bus/pci/devices/*; do
  driver=none
  [ -L $device/driver ] && driver=$(basename $(readlink $device/driver))
  echo "linux: PCI $(basename $device) $(cat $device/vendor):$(cat $device/device), driver $driver"
done
echo "== cofferdam-status: what the monitor shows the parent"
cofferdam-status | cut -c 1-110 | sed 's/^/status: /'
echo "== Root attacks: the processor and a device at the monitor's memory, a register of the monitor's level"
attack read 0x40000000
attack dma-read 0x40200000
attack register 3 4 1 1 0
echo "== What the monitor counted"
cofferdam-status | grep -E '^(faults|DMA)' | cut -c 1-110 | sed 's/^/status: counted: /'
"""
FAREWELL = b'echo "linux: powers off"\nexit 0\n'

# As EXPECTED in demo.py: what it shows, console, pattern, how often.
EXPECTED = [
    ("Debian's Linux 6.12 is the parent", "parent", r"^linux: Linux 6\.12\.\S+ aarch64", 1),
    ("with four cores", "parent", r"^linux: 4 cores online", 1),
    ("its kernel, initrd, command line and device tree are measured before it runs", "main",
     r"measured into platform PCR\d+: (kernel|initrd|command line|parent device tree)", 4),
    ("it drives its PCI devices", "parent", r"^linux: PCI .* driver (nvme|virtio-pci)", 3),
    ("cofferdam-status shows version, uptime, memory and cores", "parent", r"^status: (monitor|up|memory KiB|cores): ", 4),
    ("and what was measured", "parent", r"^status: event: PCR", 6),
    ("root can't read the monitor", "parent", r"^attack: read 0x40000000: refused", 1),
    ("root's device can't either", "parent", r"^attack: edu reads 0x40200000: refused", 1),
    ("root has no register of the monitor's level", "parent", r"^attack: the register: refused", 1),
    ("the processor's attempt and the device's are counted", "parent", r"^status: counted: faults: stage2 [1-9]\d* dma [1-9]", 1),
    ("the SMMU's report names the device", "parent", r"^status: counted: DMA fault .* stream 8 read from 40200000", 1),
    ("Linux switches the machine off", "main", r"cofferdam: the parent switched the machine off", 1),
]


def ready():
    """Why there is no Linux parent, or None."""
    try:
        initramfs.kernel_release()
    except initramfs.InitramfsError as error:
        return str(error)
    return None


def run(folder, seconds, on_line, more_script=b"", added=()):
    """As machine.run: (lines, how). more_script: what root does after SCRIPT; added: folders laid over its root."""
    folder.mkdir(parents=True, exist_ok=True)
    assemble.shutil.rmtree(folder / "root", ignore_errors=True)
    assemble.make_identity(folder, seeded=False)
    assemble.make_flash1(folder, {"kernel": kernel_image.raw_image(initramfs.kernel_file().read_bytes()),
                                  "initrd": initramfs.parent(added=added, script=SCRIPT + more_script + FAREWELL), "cmdline": COMMAND_LINE.encode()})
    disks = tuple(folder / f"{name}.img" for name in ("nvme", "block"))
    for disk in disks:
        disk.touch()
        os.truncate(disk, DISK_BYTES)
    return machine.run(folder / "flash0.bin", folder / "flash1.bin", seconds, on_line=on_line, disks=disks)
