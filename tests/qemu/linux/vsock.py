#!/usr/bin/env python3
"""vsock between the parent and its enclaves: sums, random closes, a neighbour that never reads, and who may not reach whom.

COFFERDAM_VSOCK_MIB: how much is sent in all, half each way (32 here, 1024 in ./x soak).
"""
import re
import sys
import tempfile

import parent_runs
import shell_enclave

CONNECTIONS = 64
SCRIPT = r"""
nitro-cli allocate --cpu-count 2 --memory 512 >/tmp/allocate.said || cat /tmp/allocate.said
balance before
start busy; busy=$cid
start stalled; stalled=$cid
ask $busy 'vsock-load serve 7100 >/dev/null 2>&1 &' >/dev/null
vsock-load serve 7200 >/tmp/served 2>&1 & served=$!
until_there() { for attempt in $(seq 100); do vsock-load latency $busy 7100 --rounds 1 >/dev/null 2>&1 && return; usleep 100000; done; echo "nobody answers at $busy"; }
until_there
load() {  # both ways, at the same time
  ask $busy "vsock-load run 3 7200 --connections $2 --parallel $2 --most $3 --closes 25 --seed 5 2>&1" >/tmp/out &
  vsock-load run $busy 7100 --connections $2 --parallel $2 --most $3 --closes 25 --seed 9 >/tmp/in 2>&1
  wait $!
  sed "s/^/LOAD $1 in /" /tmp/in; sed "s/^/LOAD $1 out /" /tmp/out
}
load free CONNECTIONS MOST
echo "STREAM parent $(vsock-load throughput $busy 7100 --mib QUARTER 2>&1 | tr '\n' ' ')"
echo "STREAM enclave $(ask $busy 'vsock-load throughput 3 7200 --mib QUARTER 2>&1' | tr '\n' ' ')"
# The neighbour takes connections and reads nothing, and sends to somebody who does not read.
ask $stalled 'vsock-pipe listen 7300 sleep 100000 >/dev/null 2>&1 &' >/dev/null
vsock-pipe listen 7400 sleep 100000 & listener=$!
for number in 1 2 3 4; do vsock-pipe connect $stalled 7300 60 </dev/zero >/dev/null 2>&1 & stuck="$stuck $!"; done
ask $stalled 'for number in 1 2 3 4; do vsock-pipe connect 3 7400 </dev/zero >/dev/null 2>&1 & done' >/dev/null
sleep 3
alive=0; for pid in $stuck; do kill -0 $pid && alive=$((alive + 1)); done; echo "STUCK $alive"
load beside-stalled 16 65536
echo "LATENCY $(vsock-load latency $busy 7100 --rounds 50 2>&1)"
echo "NEIGHBOUR $(ask $busy "vsock-pipe connect $stalled 7300 0 2>&1 </dev/null; echo status \$?" | tr '\n' ' ')"
vsock-pipe connect $busy 7999 0 </dev/null >/tmp/closed 2>&1; echo "CLOSED $? $(cat /tmp/closed)"
vsock-pipe connect 99 7000 0 </dev/null >/tmp/closed 2>&1; echo "NOBODY $? $(cat /tmp/closed)"
# Who was connected to an enclave that ends is told.
nitro-cli terminate-enclave --enclave-name stalled >/dev/null 2>&1
alive=0; for pid in $stuck; do for attempt in $(seq 100); do kill -0 $pid 2>/dev/null || break; usleep 100000; done; kill -0 $pid 2>/dev/null && alive=$((alive + 1)); done
echo "FREED $alive"
load after 16 65536
kill $listener $served
nitro-cli terminate-enclave --all >/tmp/end 2>&1; echo "TERMINATE $?"
balance after
complaints
exit 9
"""


def check_load(checks, run, name, connections):
    for way in ("in", "out"):
        end = run.lines(rf"^LOAD {name} {way} vsock-load: (\d+) connections, (\d+) whole, (\d+) cut on purpose, (\d+) failed, (\d+) wrong, (\d+) bytes")
        counts = tuple(map(int, end[0].groups())) if len(end) == 1 else ()
        holds = len(counts) == 6 and counts[0] == connections == counts[1] + counts[2] and counts[2] > 0 and counts[3] == counts[4] == 0
        checks.expect(f"{name}, {'to the enclave' if way == 'in' else 'to the parent'}: {connections} connections, their bytes right, some closed early",
                      holds, [m.string for m in run.lines(f"^LOAD {name} {way}")][-3:])


def main():
    why = shell_enclave.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    mib = parent_runs.environment_count("COFFERDAM_VSOCK_MIB", 32)
    # A stream each way from each side: a quarter each of half of it; the connections have the other half.
    quarter, most = max(1, mib // 8), max(1, mib // 2) * (1 << 20) // CONNECTIONS
    script = SCRIPT.replace("CONNECTIONS", str(CONNECTIONS)).replace("MOST", str(most)).replace("QUARTER", str(quarter))
    with tempfile.TemporaryDirectory() as added:
        shell_enclave.make(added)
        run = parent_runs.Run([*parent_runs.usual_cores(), "--cpus", "4", "--add", added], shell_enclave.WORDS + script, parent_runs.SECONDS + mib * 4)
    checks = parent_runs.Checks()
    checks.expect("the script comes to its end", run.status == 9, run.status)
    check_load(checks, run, "free", CONNECTIONS)
    for side in ("parent", "enclave"):
        line = run.lines(rf"^STREAM {side} vsock-load: sent {quarter} MiB in .* vsock-load: received {quarter} MiB in ")
        checks.expect(f"{quarter} MiB each way, from the {side}", bool(line), [m.string for m in run.lines(f"^STREAM {side}")])
    checks.expect("who sends to a neighbour that never reads waits", bool(run.lines("^STUCK 4$")), [m.string for m in run.lines("^STUCK")])
    check_load(checks, run, "beside-stalled", 16)
    checks.expect("the other enclave answers meanwhile", bool(run.lines("vsock-load: latency of 50 rounds")),
                  [m.string for m in run.lines("vsock-load: latency")])
    neighbour = run.lines("^NEIGHBOUR (.*)$")
    checks.expect("an enclave does not reach another", bool(neighbour) and re.search(r"status [^0]", neighbour[0][1]) is not None,
                  neighbour and neighbour[0].string)
    checks.expect("a port where nobody listens, and a CID that nobody has, refuse", bool(run.lines("^CLOSED 1 ")) and bool(run.lines("^NOBODY 1 ")),
                  [m.string for m in run.lines("^(CLOSED|NOBODY)")])
    checks.expect("who was connected to an enclave that ends is told", bool(run.lines("^FREED 0$")), [m.string for m in run.lines("^FREED")])
    check_load(checks, run, "after", 16)
    checks.expect("the other ends when it is told to", bool(run.lines("^TERMINATE 0$")))
    shell_enclave.check_balance(checks, run, "before", "after")
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
