#!/usr/bin/env python3
"""What the monitor costs Linux: the same kernel and workloads with and without it, in instructions; and how often the
parent's cores come to the monitor, by cause, idle and busy.

  run.py [--json FILE] [--only bare|monitor] [--cpus N]

QEMU's clock counts instructions, so a counter's nanosecond is one. When all cores idle, that clock jumps to the next
timer: processor, tick, syscall and disk (its device answers at once) don't idle and repeat within a percent; boot, pipe and
network wait, and their ratio is an estimate. Run by ./x bench linux, which builds what is needed.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = re.compile(r"^WORKLOAD (\w+) (\d+) (\d+) (\d+)\s*$", re.MULTILINE)
WORKLOADS = ["boot", "processor", "tick", "syscall", "pipe", "disk", "network"]
SECONDS = 900
IDLE_SECONDS = 5
# What `cofferdam-status --json` counts, before and after: (label, what the parent does meanwhile).
PERIODS = [("idle", f"sleep {IDLE_SECONDS}"), ("busy", "workload tick pipe disk network >/dev/null")]


def exits(text):
    """Traps a second of all cores together, by cause, in each period."""
    found = [json.loads(line) for line in re.findall(r"^STATUS \w+\n(\{.*\})\s*$", text, re.MULTILINE)]
    totals = []
    for status in found:
        causes = {}
        for core in status["cores"]:
            for cause, count in core["traps"].items():
                causes[cause] = causes.get(cause, 0) + count
        totals.append((status["machine"][0]["uptime_ms"], causes))
    rates = {}
    for (label, _), (begin, before), (end, after) in zip(PERIODS, totals, totals[1:]):
        seconds = (end - begin) / 1000
        rates[label] = {cause: round((after[cause] - before[cause]) / seconds, 1) for cause in after}
    return rates


def measure(bare, cpus):
    inside = "workload boot processor tick syscall pipe disk; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; workload network"
    if not bare:
        inside += "; echo STATUS start; cofferdam-status --json"
        inside += "".join(f"; {work}; echo STATUS {label}; cofferdam-status --json" for label, work in PERIODS)
    command = [sys.executable, str(ROOT / "tools/guest/run.py"), "--instructions", "--cpus", str(cpus), "--seconds", str(SECONDS)]
    command += (["--bare"] if bare else []) + ["--", "sh", "-c", inside]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    figures = {}
    for name, count, ticks, frequency in LINE.findall(result.stdout):
        instructions = int(ticks) * 1_000_000_000 // int(frequency)
        figures[name] = {"count": int(count), "instructions": instructions, "each": round(instructions / max(int(count), 1), 2)}
    if not bare:
        figures["exits"] = exits(result.stdout)
    missing = [name for name in WORKLOADS if name not in figures]
    if missing or result.returncode != 0:
        print(f"bench: {'bare' if bare else 'under the monitor'}: exit status {result.returncode}, no figure for "
              f"{', '.join(missing) or 'nothing'}: {result.stderr.strip()[-400:]}", file=sys.stderr)
    return figures


def show(figures):
    print(f"{'workload':12} {'bare, each':>16} {'monitor, each':>16} {'ratio':>9}")
    for name in WORKLOADS:
        bare, monitor = (figures.get(way, {}).get(name) for way in ("bare", "monitor"))
        cells = [f"{figure['each']:16,.2f}" if figure else f"{'-':>16}" for figure in (bare, monitor)]
        ratio = f"{monitor['each'] / bare['each']:9.4f}" if bare and monitor and bare["each"] else f"{'-':>9}"
        print(f"{name:12} {cells[0]} {cells[1]} {ratio}")
    rates = figures.get("monitor", {}).get("exits", {})
    if rates:
        print(f"\n{'exits a second':22} " + " ".join(f"{label:>10}" for label in rates))
        for cause in next(iter(rates.values())):
            if any(rate[cause] for rate in rates.values()):
                print(f"{cause:22} " + " ".join(f"{rate[cause]:10,.1f}" for rate in rates.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--only", choices=["bare", "monitor"])
    parser.add_argument("--cpus", type=int, default=2)
    arguments = parser.parse_args()
    ways = [arguments.only] if arguments.only else ["bare", "monitor"]
    figures = {way: measure(way == "bare", arguments.cpus) for way in ways}
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0 if all(set(WORKLOADS) <= set(found) for found in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
