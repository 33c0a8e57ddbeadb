#!/usr/bin/env python3
"""Four cores come and go while disks and network work; then what cofferdam-status shows is read, as text and as JSON.

Before and afterwards, devices' messages must come to the monitor on the core that Linux wants them on, and nowhere else first.

COFFERDAM_HOTPLUG: how often each core goes (4 here, 100 in ./x soak).
"""
import json
import sys

import parent_runs

SCRIPT = r"""
# Linux before 6.17 counts a core's fair server as a task that runs there, and warns when it runs while the core goes off: on a
# machine whose host lets processors stand still for a second. Without it, a warning is somebody else's.
for file in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do [ -f $file ] && echo 0 >$file && echo "FAIR $(cat $file)"; done
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
seen() { awk -v name=$1 -v core=$2 '$NF == name { print $(core + 2) }' /proc/interrupts; }
count() {  # NAME INTERRUPT CORE: how often Linux saw it there, its IPIs and ticks there, ticks on core 0, and the monitor's counters
  ipis=$(awk -v core=$3 '/^ *IPI/ { sum += $(core + 2) } END { print sum }' /proc/interrupts)
  echo "COUNT $1 $3 $(seen $2 $3) $ipis $(seen arch_timer $3) $(seen arch_timer 0) $(cofferdam-status --json)"
}
read_disk() { taskset 8 dd if=/dev/nvme0n1 of=/dev/null bs=4k count=1000 iflag=direct 2>/dev/null; }
# Linux spreads the queues of a disk; those of the network are root's to move.
count disk nvme0q4 3
read_disk
count disk nvme0q4 3
for line in $(awk '/virtio1-(in|out)put/ { sub(":", "", $1); print $1 }' /proc/interrupts); do
  echo 4 >/proc/irq/$line/smp_affinity || echo "IRQ $line does not move"
done
ping -c 1 -W 10 10.0.2.2 >/dev/null
count network virtio1-input.0 2
ping -c 300 -A -W 10 10.0.2.2 | grep transmitted
count network virtio1-input.0 2
dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
touch /tmp/go
work_on() {  # DISK: written, its cache dropped, read, compared, until told to stop
  rounds=0
  while [ -f /tmp/go ] || [ $rounds -lt 2 ]; do
    dd if=/tmp/data of=/dev/$1 bs=256k conv=fsync 2>/dev/null || echo "DISK $1 write failed"
    echo 1 >/proc/sys/vm/drop_caches
    dd if=/dev/$1 bs=256k count=16 2>/dev/null | cmp - /tmp/data || echo "DISK $1 differs"
    rounds=$((rounds + 1))
  done
  echo "DISK $1 rounds $rounds"
}
talk() {
  sent=0 lost=0
  while [ -f /tmp/go ]; do
    ping -c 5 -W 10 -s 1400 10.0.2.2 >/dev/null || lost=$((lost + 1))
    sent=$((sent + 1))
  done
  echo "NETWORK rounds $sent lost $lost"
}
work_on vda & work_on nvme0n1 & talk &
failed=0
for round in $(seq ROUNDS); do
  for core in 3 2 1 0; do
    file=/sys/devices/system/cpu/cpu$core/online
    [ -f $file ] || continue
    echo 0 >$file || failed=$((failed + 1))
    [ "$(cat $file)" = 0 ] || failed=$((failed + 1))
    echo 1 >$file || failed=$((failed + 1))
    [ "$(cat $file)" = 1 ] || failed=$((failed + 1))
  done
done
echo "HOTPLUG rounds ROUNDS failed $failed files $(ls /sys/devices/system/cpu/cpu*/online | wc -l)"
rm /tmp/go
wait
echo "online $(cat /sys/devices/system/cpu/online)"
count again nvme0q4 3
read_disk
count again nvme0q4 3
for core in 0 1 2 3; do taskset $((1 << core)) true && echo "runs on $core"; done
dmesg | grep -E 'BUG|WARNING|Oops|stall|failed to come online|timeout|I/O error' | sed 's/^/complaint /'
cofferdam-status | sed 's/^/TEXT /'
echo "JSON $(cofferdam-status --json)"
exit 0
"""


def check_status(checks, run):
    texts = [match.string[5:] for match in run.lines(r"^TEXT ")]
    for what, start in (("version", "monitor: interface"), ("uptime", "up: "), ("memory", "memory KiB: "), ("counters", "faults: "),
                        ("a measured kernel", "event: PCR"), ("traps of a core", "core 0: traps")):
        found = [text for text in texts if text.startswith(start)]
        checks.expect(f"cofferdam-status shows {what}", bool(found), found[0] if found else "")
    found = run.lines(r"^JSON (\{.*\})$")
    try:
        status = json.loads(found[0][1])
        names = [event["name"] for event in status["events"]]
        checks.expect("cofferdam-status --json names what was measured",
                      {"kernel", "initrd", "parent"} <= {name.split(".")[0] for name in names}, names)
        checks.expect("cofferdam-status --json counts four cores and 8 MiB or more of memory",
                      status["machine"][0]["cores"] == 4 and status["machine"][0]["parent"] > 8 << 20, status["machine"])
        traps = status["cores"][1]["traps"]
        checks.expect("no trap per timer tick or WFI: the counters say why core 1 trapped", traps["wfx"] == 0, traps)
    except (IndexError, KeyError, ValueError) as error:
        checks.expect("cofferdam-status --json is JSON with its sections", False, repr(error))


def check_messages(checks, run):
    """Passed on from another core, a message would be a physical interrupt there and a kick (SGI) of the core it is for.

    Linux's own IPIs to that core are kicks too, and taken off: how many it sends depends on where it runs ping.
    """
    for name in ("disk", "network", "again"):
        counts = run.lines(rf"^COUNT {name} (\d+) (\d+) (\d+) (\d+) (\d+) (\{{.*\}})$")
        if len(counts) != 2:
            checks.expect(f"{name}: messages are counted twice", False, len(counts))
            continue
        before, after = counts
        core = int(before[1])
        messages, ipis, ticks, boot_ticks = (int(after[i]) - int(before[i]) for i in (2, 3, 4, 5))
        traps = [[at["traps"] for at in json.loads(one[6])["cores"]] for one in counts]

        def grown(at, cause):
            return traps[1][at][cause] - traps[0][at][cause]

        here, passed_on = grown(core, "physical_interrupt") - ticks, grown(core, "sgi") - ipis
        boot = grown(0, "physical_interrupt") - boot_ticks
        checks.expect(f"{name}: messages come to core {core}, which Linux wants them on, and to no other first",
                      messages >= 100 and here > 0.9 * messages and passed_on < messages / 4 and boot < messages / 4,
                      f"{messages} messages; core {core}: {here} interrupts, {passed_on} kicks; boot core: {boot}; "
                      f"ticks and {ipis} IPIs apart")


def main():
    why = parent_runs.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    rounds = parent_runs.environment_count("COFFERDAM_HOTPLUG", 4)
    run = parent_runs.Run([*parent_runs.usual_core(), "--cpus", "4"], SCRIPT.replace("ROUNDS", str(rounds)), parent_runs.SECONDS + 20 * rounds)
    checks = parent_runs.Checks()
    checks.expect("the script comes to its end", run.status == 0, run.status)
    checks.expect("the fair server of every core is off", len(run.lines("^FAIR 0$")) == 4, [m.string for m in run.lines("^FAIR ")])
    hotplug = run.lines(r"^HOTPLUG rounds (\d+) failed (\d+) files (\d+)")
    checks.expect("every core goes and comes back", bool(hotplug) and hotplug[0][2] == "0" and int(hotplug[0][3]) >= 3,
                  hotplug and hotplug[0].string)
    checks.expect("all are online at the end and run programs", "online 0-3\n" in run.output and len(run.lines("^runs on ")) == 4)
    for disk in ("vda", "nvme0n1"):
        done = run.lines(rf"^DISK {disk} rounds (\d+)")
        checks.expect(f"{disk}: what is read is what was written", bool(done) and not run.lines(rf"DISK {disk} (differs|write)"),
                      done and done[0].string)
    network = run.lines(r"^NETWORK rounds (\d+) lost (\d+)")
    checks.expect("the network answers", bool(network) and int(network[0][1]) > 0 and network[0][2] == "0",
                  network and network[0].string)
    checks.expect("the kernel complains of nothing", not run.lines(r"^complaint "), [m.string for m in run.lines(r"^complaint ")])
    checks.expect("nothing was refused", run.refusals() == 0, run.refusals())
    check_messages(checks, run)
    check_status(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
