#!/usr/bin/env python3
"""What an enclave pays while another one starts: instructions of the monitor on the running enclave's core, quiet and meanwhile.

  neighbour.py [--json FILE]

Three enclaves' lives: idle, computing, and answering the parent byte by byte; for each a quiet span, then one in which an enclave
of 512 MiB starts. Cores run in threads of their own (no -icount), so figures differ a little from run to run. Waiting for the
monitor's locks is in them, and is longer than on real cores where the machine has fewer cores than the guest. Run by ./x bench linux.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/guest"), str(ROOT / "tools/qemu"), str(ROOT / "tests/qemu/linux")]
import instruction_counter  # noqa: E402
import shell_enclave  # noqa: E402

SECONDS, QUIET_SECONDS, LIVES = 1200, 10, ("idle", "computing", "answering")
MARK = re.compile(r"^MARK (\w+) (\w+) (\w+) (\d+)")  # life, span, begin or end, rounds of one byte so far
SCRIPT = shell_enclave.WORDS + r"""
nitro-cli allocate --cpu-count 2 --memory 1024 >/tmp/allocate.said || cat /tmp/allocate.said
start running; running=$cid
ask $running 'vsock-load serve 7100 >/dev/null 2>&1 </dev/null &' >/dev/null
until vsock-load latency $running 7100 --rounds 1 >/dev/null 2>&1; do usleep 200000; done
echo 0 >/tmp/rounds
answering() { rounds=0; while [ -f /tmp/go ]; do vsock-load latency $running 7100 --rounds 10 >/dev/null 2>&1 && rounds=$((rounds + 10)); echo $rounds >/tmp/rounds; done; }
mark() { echo "MARK $1 $2 $3 $(cat /tmp/rounds)"; usleep 300000; }
for life in LIVES; do
  case $life in
    computing) ask $running 'while :; do :; done >/dev/null 2>&1 </dev/null & echo $! >/tmp/busy' >/dev/null ;;
    answering) ask $running 'kill $(cat /tmp/busy)' >/dev/null; touch /tmp/go; answering & ;;
  esac
  sleep 2
  mark $life quiet begin; sleep QUIET; mark $life quiet end
  mark $life start begin
  nitro-cli run-enclave --enclave-name next --eif-path /shell.eif --cpu-count 1 --memory 512 >/tmp/next.said 2>&1 || cat /tmp/next.said
  mark $life start end
  nitro-cli terminate-enclave --enclave-name next >/dev/null 2>&1
  sleep 2
done
rm /tmp/go; wait
exit 9
"""


def observe(command, file):
    """(life, span, begin or end) -> (time, rounds, counts of each core)."""
    marks = {}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace") as machine:
        counts = instruction_counter.Counts(file)
        for line in machine.stdout:
            match = MARK.match(line.replace("\r", ""))
            if match:
                marks[match.groups()[:3]] = (time.monotonic(), int(match[4]), counts.now())
            elif not line.startswith("START running status 0"):
                print(f"bench: {line.rstrip()}", file=sys.stderr)
    return marks, machine.returncode


def figures_of(marks):
    # The core that is neither the parent's (0 and 1) nor at rest while only one enclave runs.
    begin, end = (marks["computing", "quiet", when][2] for when in ("begin", "end"))
    core = max((2, 3), key=lambda index: sum(end[index].values()) - sum(begin[index].values()))
    figures = {}
    for life in LIVES:
        for span in ("quiet", "start"):
            (began, rounds_began, before), (ended, rounds_ended, after) = (marks[life, span, when] for when in ("begin", "end"))
            monitor = {index: after[index]["monitor"] - before[index]["monitor"] for index in (0, 1, core)}
            figures[life, span] = {"seconds": round(ended - began, 2), "rounds": rounds_ended - rounds_began,
                                   "monitor": monitor[core], "monitor_parent": monitor[0] + monitor[1]}
    return figures


def measure():
    with tempfile.TemporaryDirectory(prefix="bench-neighbour-") as name:
        folder = pathlib.Path(name)
        (folder / "aboard").mkdir()
        shell_enclave.make(folder / "aboard")
        script = SCRIPT.replace("LIVES", " ".join(LIVES)).replace("QUIET", str(QUIET_SECONDS))
        command = [sys.executable, str(ROOT / "tools/guest/run.py"), "--cpus", "4", "--seconds", str(SECONDS),
                   "--add", str(folder / "aboard"), "--count", str(folder / "counts"), "--", "sh", "-c", script]
        marks, status = observe(command, folder / "counts")
    if status != 9 or len(marks) != 4 * len(LIVES):
        print(f"bench: exit status {status}, {len(marks)} marks", file=sys.stderr)
        return {}
    return figures_of(marks)


def show(figures):
    print(f"{'a running enclave, its core':30} {'quiet, a second':>18} {'meanwhile, a second':>20} {'a round, quiet':>15} {'meanwhile':>10}")
    for life in LIVES:
        cells = [figures[life, span] for span in ("quiet", "start")]
        each = [f"{cell['monitor'] / cell['seconds']:,.0f}" for cell in cells]
        rounds = [f"{cell['monitor'] / cell['rounds']:,.0f}" if cell["rounds"] else "-" for cell in cells]
        print(f"{life:30} {each[0]:>18} {each[1]:>20} {rounds[0]:>15} {rounds[1]:>10}    ({cells[1]['seconds']} s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    figures = measure()
    if not figures:
        return 1
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps({" ".join(key): figure for key, figure in figures.items()}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
