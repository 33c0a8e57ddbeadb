"""What the monitor executes on each core while Linux runs: by function, and how often it is entered.

A run with `options(...)` given to tools/guest/run.py, --instructions and a script that says `workload mark` leaves a file; `read`
answers the counts between the first mark and the second, between the second and the third, and so on. ./x bench linux builds
the plugin (count_monitor).

  monitor_counts.py FILE [--core N] [--per N] [SPAN]    the functions of a span, most instructions first; --per: divided by N
"""
import argparse
import bisect
import collections
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "build/bin/libcount_monitor.so"
MONITOR = ROOT / "build/qemu-virt/bin/monitor.elf"
# hal/aarch64/vectors.S: where guests enter (Arm ARM, "Exception vectors": from a lower level, AArch64).
ENTRIES = {"synchronous": 0x400, "interrupt": 0x480, "fast interrupt": 0x500, "error": 0x580}


class Symbols:
    """The monitor's functions by address."""

    def __init__(self, elf=MONITOR):
        text = subprocess.run(["aarch64-linux-gnu-nm", "-nC", str(elf)], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in text.splitlines()]
        self.place = {row[2]: int(row[0], 16) for row in rows}
        code = [(int(row[0], 16), row[2]) for row in rows if row[1] in "tTwW" and not row[2].startswith("$")]
        self.addresses = [address for address, _ in code]
        self.names = [name for _, name in code]
        self.low, self.high = self.place["__text_start"], self.place["__text_end"]

    def name(self, address):
        return self.names[bisect.bisect_right(self.addresses, address) - 1]


class Span:
    """Between two marks, or from the start to one."""

    def __init__(self, monitor):
        self.monitor = monitor  # (core, address): count

    def __sub__(self, earlier):
        return Span(self.monitor - earlier.monitor)

    def instructions(self, core=None):
        return sum(count for (at, _), count in self.monitor.items() if core in (None, at))

    def entries(self, symbols, core=None):
        """How often guests came, by kind."""
        vectors = {symbols.place["hal_vectors"] + offset: kind for kind, offset in ENTRIES.items()}
        found = collections.Counter()
        for (at, address), count in self.monitor.items():
            if address in vectors and core in (None, at):
                found[vectors[address]] += count
        return found

    def functions(self, symbols, core=None):
        found = collections.Counter()
        for (at, address), count in self.monitor.items():
            if core in (None, at):
                found[symbols.name(address)] += count
        return found


def options(symbols, out):
    """For tools/guest/run.py."""
    return ["--plugin", f"{PLUGIN},low={symbols.low:#x},high={symbols.high:#x},"
            f"stacks={symbols.place['hal_core_stacks']:#x},stride={symbols.place['CORE_STACK_STRIDE']:#x},out={out}"]


def read(file):
    """The spans between marks; the last one ends with the run."""
    totals = []
    with open(file, encoding="ascii") as lines:
        for line in lines:
            word, *rest = line.split()
            if word == "mark":
                totals.append(Span(collections.Counter()))
            else:
                totals[-1].monitor[int(rest[0]), int(rest[1], 16)] = int(rest[2])
    return [later - earlier for earlier, later in zip(totals, totals[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("span", type=int, nargs="?", default=0)
    parser.add_argument("--core", type=int)
    parser.add_argument("--per", type=int, default=1)
    arguments = parser.parse_args()
    symbols, span = Symbols(), read(arguments.file)[arguments.span]
    print(f"{span.instructions(arguments.core) / arguments.per:12,.1f} in all")
    for kind, count in span.entries(symbols, arguments.core).items():
        print(f"{count / arguments.per:12,.1f} entries: {kind}")
    for name, count in span.functions(symbols, arguments.core).most_common(60):
        print(f"{count / arguments.per:12,.1f} {name[:130]}")


if __name__ == "__main__":
    sys.exit(main())
