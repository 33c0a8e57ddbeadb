#!/usr/bin/env python3
"""Root in the parent's Linux tries everything (guests/parent/attack): refused, counted, and everybody goes on.

COFFERDAM_CALLS: random calls of each kind (4000 here, 200000 in ./x soak). COFFERDAM_STRIDE: bytes from one address that
is tried to the next (a large one here, 4096 in ./x soak).
"""
import json
import re
import sys
import time

import parent_runs

MIB = 1 << 20
# Everything on the board that the parent does not have: name, base, size.
FOREIGN = [
    ("secure flash", 0x0, 64 * MIB), ("flash", 0x04000000, 64 * MIB), ("its", 0x08080000, 128 << 10),
    ("redistributors of nobody", 0x081a0000, 14 * MIB), ("fw_cfg", 0x09020000, 4096), ("gpio", 0x09030000, 4096),
    ("secure uart", 0x09040000, 4096), ("smmu", 0x09050000, 128 << 10), ("secure gpio", 0x090b0000, 4096),
    ("virtio-mmio", 0x0a000000, 16 << 10), ("platform bus", 0x0c000000, 32 * MIB), ("secure ram", 0x0e000000, 16 * MIB),
    ("monitor", 0x40000000, 64 * MIB), ("beyond ram", 0xc0000000, 64 * MIB), ("pcie high", 0x8000000000, 64 * MIB)]
# Bus addresses that no device of the parent may reach.
DMA = [0x40000000, 0x40200000, 0x43fff000, 0x0e000000, 0x04000000, 0x08001000, 0x08080000, 0x08090000, 0x080a0000, 0x09020000,
       0x09050000, 0x0a000000, 0xc0000000]
MESSAGE_REGISTER = 0x08000040  # GICD_SETSPI_NSR: devices write there, and read nothing
MESSAGES = [0, 1, 31, 32, 106, 223, 224, 287, 288, 1019, 8191, 8192, 0xFFFFFFFF]
# From here on Linux has no memory: what an enclave is given. MEM is Linux's own option.
DONATED, DONATED_BYTES, MEM = 0xA0000000, 2 * MIB, "mem=1200M"
CALL = {"allocate": 0xC6000010, "free": 0xC6000011, "donate": 0xC6000020}


def sweep_step(size, stride):
    return max(512 if size <= 16 << 10 else 4096, min(stride, size // 16))


def script(calls, stride):
    lines = ["alive() { echo \"ALIVE $1 $(cat /sys/devices/system/cpu/online)\"; }",
             "try() { name=$1; shift; said=$(attack \"$@\" 2>&1); echo \"TRY $name status $? $(echo $said)\"; }",
             # Repeats while the monitor answers kInProgress, -16.
             f"free_slot() {{ while attack call hvc {CALL['free']:#x} $1 | head -n 1 | grep -q 'x0 = 0xfffffffffffffff0'; do :; done; }}",
             "dd if=/dev/urandom of=/tmp/data bs=1M count=2 2>/dev/null",
             "try control read 0x44200000"]
    for name, base, size in FOREIGN:
        lines.append(f"try 'sweep {name}' sweep {base:#x} {size:#x} {sweep_step(size, stride):#x}")
    lines.append("alive sweeps")
    for address in DMA:
        lines += [f"try 'dma {address:#x}' dma-read {address:#x}", f"try 'dma {address:#x}' dma-write {address:#x} 0x123456789abcdef"]
    for address in DMA[:2] + DMA[3:5]:
        lines += [f"try 'dma {address:#x}' nvme-read {address:#x}", f"try 'dma {address:#x}' nvme-write {address:#x}"]
    lines += [f"try 'dma {MESSAGE_REGISTER:#x}' dma-read {MESSAGE_REGISTER:#x}", "alive dma"]
    # An enclave's memory: donated, then tried, then given back.
    lines += [f"attack write {DONATED:#x} 0x5ec7e7; uid=$(attack call hvc {CALL['allocate']:#x} | sed -n 's/^x1 = //p')",
              f"echo \"ENCLAVE $uid $(attack call hvc {CALL['donate']:#x} $uid {DONATED:#x} {DONATED_BYTES:#x} | head -n 1)\"",
              f"try 'enclave sweep' sweep {DONATED:#x} {DONATED_BYTES:#x} 0x8000",
              *[f"try 'dma enclave' {how} {DONATED:#x} {value}" for how, value in
                (("dma-read", ""), ("dma-write", "0x1234"), ("nvme-read", ""), ("nvme-write", ""))],
              "free_slot $uid", f"try 'after free' read {DONATED:#x}", "alive enclave"]
    lines += [f"try message dma-write {MESSAGE_REGISTER:#x} {event:#x}" for event in MESSAGES]
    lines += ["alive messages", "try gic gic", "alive gic", "try pci pci", "alive pci",
              "try 'registers read' registers", "try 'registers write' registers write",
              "try 'registers instructions' registers instructions", "alive registers",
              f"try 'calls hvc' calls hvc {calls} SEED", f"try 'calls smc' calls smc {calls} SEED", "alive calls"]
    lines += ["for core in 1 2 3; do for on in 0 1; do echo $on >/sys/devices/system/cpu/cpu$core/online; done; done",
              "dd if=/tmp/data of=/dev/vda bs=1M conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches",
              "dd if=/dev/vda bs=1M count=2 2>/dev/null | cmp - /tmp/data && echo 'DISK same'",
              "dmesg | grep -E 'BUG|Oops|stall|Unable to handle' | sed 's/^/complaint /'",
              "alive end", "echo \"JSON $(cofferdam-status --json)\"", "exit 9"]
    return "\n".join(lines).replace("SEED", str(int(time.time()) % 100000)) + "\n"


def counts(text, what):
    match = re.search(rf"attack: {what}: (\d+) refused, (\d+) went through", text)
    return (int(match[1]), int(match[2])) if match else (0, -1)


def check_attempts(checks, run):
    tries = {}
    for match in run.lines(r"^TRY (.*) status (\d+) (.*)$"):
        tries.setdefault(match[1], []).append((int(match[2]), match[3]))
    checks.expect("the tool reads what is the parent's own", tries.get("control", [(None,)])[0][0] == 0, tries.get("control"))
    for name in [f"sweep {name}" for name, *_ in FOREIGN] + ["enclave sweep"]:
        text = tries.get(name, [(None, "")])[0][1]
        sums = [counts(text, what) for what in ("loads", "stores", "jumps to where loads were refused")]
        checks.expect(f"{name}: every load, store and jump is refused", all(sum_[0] > 0 and sum_[1] == 0 for sum_ in sums), sums)
    dma = {name: found for name, found in tries.items() if name.startswith("dma ")}
    through = {name: found for name, found in dma.items() if any(status != 3 for status, _ in found)}
    checks.expect(f"{sum(map(len, dma.values()))} accesses of edu and nvme to what is not the parent's are refused",
                  len(dma) == len(DMA) + 2 and not through, through or "")
    checks.expect("messages with any number are sent", len(tries.get("message", [])) == len(MESSAGES), len(tries.get("message", [])))
    for name in ("gic", "registers read", "registers write", "registers instructions", "calls hvc", "calls smc"):
        checks.expect(f"{name}: comes to its end", tries.get(name, [(None,)])[0][0] == 0, tries.get(name))
    checks.expect("pci: nothing opens and nothing is hidden", tries.get("pci", [(None,)])[0][0] == 3, tries.get("pci"))
    after = tries.get("after free", [(None, "")])[0]
    checks.expect("freed memory comes back as zeros", after[0] == 0 and after[1].endswith("done, 0x0"), after)
    checks.expect("the donation was accepted", bool(run.lines(r"^ENCLAVE 0x[0-9a-f]+ x0 = 0x0$")),
                  [m.string for m in run.lines("^ENCLAVE")])


def main():
    why = parent_runs.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    calls = parent_runs.environment_count("COFFERDAM_CALLS", 4000)
    stride = parent_runs.environment_count("COFFERDAM_STRIDE", MIB)
    run = parent_runs.Run(["--cpus", "4"], script(calls, stride), parent_runs.SECONDS + calls // 20,
                          append=f"{MEM} {parent_runs.kernel_image.QUICK}")
    checks = parent_runs.Checks()
    checks.expect("the script comes to its end", run.status == 9, run.status)
    check_attempts(checks, run)
    alive = [match[1] for match in run.lines(r"^ALIVE (\w+) 0-3$")]
    checks.expect("Linux goes on with its four cores after each", alive == ["sweeps", "dma", "enclave", "messages", "gic", "pci",
                                                                           "registers", "calls", "end"], alive)
    checks.expect("disks work, and the kernel complains of nothing", "DISK same\n" in run.output and not run.lines("^complaint "),
                  [m.string for m in run.lines("^complaint ")])
    found = run.lines(r"^JSON (\{.*\})$")
    status = json.loads(found[0][1]) if found else {"cores": [{"faults": {}}], "dma_faults": []}
    faults = status["cores"][0]["faults"]
    checks.expect("cofferdam-status counts them", all(faults.get(kind, 0) > least for kind, least in
                                                      (("stage2", 500), ("dma", 20), ("undefined", 100), ("refused_calls", 0))), faults)
    checks.expect("and shows the SMMU's last faults with stream and address",
                  any(fault["stream"] in (8, 16) and fault["address"] >> 12 for fault in status["dma_faults"]),
                  status["dma_faults"][-1:])
    most = 64 + 4 * int(run.seconds)  # firmware/monitor/log.hpp: 32 lines at once, then four a second
    checks.expect(f"the monitor's log is bounded: {most} lines", 0 < run.refusals() <= most, run.refusals())
    checks.expect("the monitor did not panic", "PANIC" not in run.log)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
