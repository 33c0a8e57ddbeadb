#!/usr/bin/env python3
"""What an enclave costs, in instructions: its start by phases, attestation documents, vsock.

  enclaves.py [--json FILE]

QEMU's clock counts the instructions of all cores together (one thread), so a figure holds what every core did meanwhile: the
monitor, the driver, the parent's program and the enclave's. When all cores idle, that clock jumps to the next timer: a phase
that waits is an upper bound. The phases of a start are told from the driver's system calls, which the parent's kernel traces,
and from the enclave's kernel log. Run by ./x bench linux, which builds what is needed.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/guest"))
import enclave_image  # noqa: E402

SECONDS = 1500
CID, MEMORY_MIB, DOCUMENTS, MIB, ROUNDS = 20, 512, 20, 8, 500
WORKLOAD = re.compile(r"^WORKLOAD (\w+) (\d+) (\d+) (\d+)\s*$", re.MULTILINE)
# "  nitro-cli-99  [000] .....  6.123456: sys_ioctl(fd: 5, cmd: 8008ae20, arg: ...)" and "... sys_ioctl -> 0x0"
CALL = re.compile(r"-(\d+) +\[\d+\] \S+ +(\d+\.\d+): sys_ioctl(?:\(fd: \w+, cmd: (?:0x)?(\w+),| -> )", re.MULTILINE)
TYPE = 0xAE  # include/uapi/linux/nitro_enclaves.h
CALLS = {0x20: "create", 0x21: "cores", 0x22: "place", 0x23: "memory", 0x24: "start"}
# Inside the parent. The enclave answers on two ports. Rounds are measured last and on one core: shortly after a start both kernels
# do other work, which one clock for all cores counts too.
SCRIPT = f"""
trace=/sys/kernel/debug/tracing
nitro-cli allocate --cpu-count 1 --memory {MEMORY_MIB} >/dev/null || exit 1
echo mono >$trace/trace_clock
for way in enter exit; do echo 1 >$trace/events/syscalls/sys_${{way}}_ioctl/enable; done
workload clocks
nitro-cli run-enclave --cpu-count 1 --memory {MEMORY_MIB} --enclave-cid {CID} --eif-path /bench.eif >/dev/null || exit 1
workload clocks
for way in enter exit; do echo 0 >$trace/events/syscalls/sys_${{way}}_ioctl/enable; done
grep sys_ioctl $trace/trace
nitro-cli describe-enclaves >/dev/null  # it measures the image on a core of its own: that is over when this answers
attest ask {CID} 5000 measure {DOCUMENTS}
vsock-load latency {CID} 5001 --rounds {ROUNDS} >/dev/null
usleep 2000000
taskset 1 vsock-load latency {CID} 5001 --rounds {ROUNDS}
vsock-load throughput {CID} 5001 --mib {MIB} --plain 1
"""
PHASES = [
    ("command", "nitro-cli, to the driver's first call: reads and checks the image"),
    ("memory taken", "hugepages taken, the image copied into them"),
    ("memory given", "memory leaves the parent: the driver's calls and the monitor"),
    ("cores given", "a core leaves the parent"),
    ("measured", "NE_START_ENCLAVE: the monitor hashes the image, zeroes the rest; until the call returns"),
    ("kernel", "the enclave's kernel, from its clock's start to its first process"),
    ("first process", "devices, modules, the heartbeat; until nitro-cli has ended"),
]


class Clock:
    """The parent's CLOCK_MONOTONIC, in nanoseconds, as ticks of the counter, from two readings of both."""

    def __init__(self, readings):
        (self.time, self.ticks), (time, ticks) = readings[0], readings[-1]
        self.rate = (ticks - self.ticks) / (time - self.time)

    def __call__(self, time):
        return self.ticks + (time - self.time) * self.rate


def driver_calls(text, clock):
    """(name, entered, left) of each of the driver's calls, in ticks."""
    open_calls, calls = {}, []
    for thread, seconds, command in CALL.findall(text):
        at = clock(float(seconds) * 1e9)
        if command:
            number = int(command, 16)
            open_calls[thread] = (CALLS.get(number & 0xFF) if number >> 8 & 0xFF == TYPE else None, at)
        elif thread in open_calls:
            name, entered = open_calls.pop(thread)
            if name:
                calls.append((name, entered, at))
    return calls


def start_phases(text, figures):
    readings = [(int(count), int(ticks)) for name, count, ticks, _ in WORKLOAD.findall(text) if name == "clocks"]
    if len(readings) < 2 or "init_begins" not in figures:
        return {}
    calls = driver_calls(text, Clock(readings))
    spent = {name: sum(left - entered for which, entered, left in calls if which == name) for name in CALLS.values()}
    if not all(spent[name] for name in ("create", "memory", "start")):
        return {}
    begin, end = readings[0][1], readings[-1][1]
    created = min(left for name, _, left in calls if name == "create")
    start_entered, started = next((entered, left) for name, entered, left in calls if name == "start")
    init = figures["init_begins"]["ticks"]
    return {"command": created - begin,
            "memory taken": start_entered - created - spent["memory"] - spent["cores"],
            "memory given": spent["memory"], "cores given": spent["cores"],
            "measured": started - start_entered, "kernel": init - started, "first process": end - init}


def measure():
    with tempfile.TemporaryDirectory(prefix="bench-enclave-") as name:
        folder = pathlib.Path(name)
        services = folder / "program/bin/services"
        services.parent.mkdir(parents=True)
        services.write_text("#!/bin/sh\n/bin/attest serve 5000 &\nexec /bin/vsock-load serve 5001\n", encoding="utf-8")
        services.chmod(0o755)
        (folder / "aboard").mkdir()
        image = folder / "aboard/bench.eif"
        enclave_image.make(image, ["/bin/services"], [folder / "program"], name="bench")
        size = image.stat().st_size
        command = [sys.executable, str(ROOT / "tools/guest/run.py"), "--instructions", "--cpus", "3", "--seconds", str(SECONDS),
                   "--add", str(folder / "aboard"), "--", "sh", "-c", SCRIPT]
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    text = result.stdout.replace("\r", "")
    figures = {}
    for name, count, ticks, frequency in WORKLOAD.findall(text):
        instructions = int(ticks) * 1_000_000_000 // int(frequency)
        figures[name] = {"count": int(count), "ticks": int(ticks), "instructions": instructions,
                         "each": round(instructions / max(int(count), 1), 2)}
    frequency = next((int(line[3]) for line in WORKLOAD.findall(text) if line[0] == "clocks"), 1)
    phases = {name: round(ticks * 1_000_000_000 / frequency) for name, ticks in start_phases(text, figures).items()}
    if result.returncode != 0 or not phases:
        print(f"bench: exit status {result.returncode}, {len(phases)} phases: {text[-400:]} {result.stderr.strip()[-400:]}", file=sys.stderr)
    return {"image_bytes": size, "start": phases, **{name: figure for name, figure in figures.items() if name != "clocks"}}


OPERATIONS = [
    ("document_first", "the enclave's first document (its key is made and certified), a document"),
    ("document", "a later one, a document"),
    ("vsock_round_trip", "vsock, one byte there and back, the client on core 0, the median of a round"),
    ("vsock_to_enclave", "vsock, parent to enclave, a byte"),
    ("vsock_from_enclave", "vsock, enclave to parent, a byte"),
]


def show(figures):
    total = sum(figures["start"].values())
    print(f"start of an enclave of {MEMORY_MIB} MiB, image of {figures['image_bytes'] >> 20} MiB, one core: {total / 1e6:,.0f} M instructions")
    for name, meaning in PHASES:
        if name in figures["start"]:
            print(f"  {name:14} {figures['start'][name] / 1e6:10,.1f} M {100 * figures['start'][name] / total:6.1f}%  {meaning}")
    for name, meaning in OPERATIONS:
        if name in figures:
            print(f"  {figures[name]['each']:14,.2f}  {meaning}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    figures = measure()
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0 if figures["start"] and all(name in figures for name, _ in OPERATIONS) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except enclave_image.ImageError as problem:
        sys.exit(f"bench: {problem}")
