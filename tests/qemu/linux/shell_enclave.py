"""The enclave of these tests: a Linux from an EIF that gives the parent a shell, and the words of the parent's script for it.

What is asked of it is typed in the parent (`ask CID COMMANDS`), so one image serves every test.
"""
import pathlib
import sys

import parent_runs

sys.path.insert(0, str(parent_runs.ROOT / "tools/guest"))
import enclave_image  # noqa: E402

PORT = 7000
# A production enclave that hears nothing in so many seconds is not asked any further: emulation on a busy machine is slow.
PATIENCE = 60
WORDS = f"""
exec 2>&1
ask() {{ printf '%s\\n' "$2" | vsock-pipe connect $1 {PORT} {PATIENCE}; }}  # CID COMMANDS
# NAME OPTIONS: the enclave's CID in $cid; what was said is in /tmp/NAME.said.
start() {{
  local name=$1; shift
  nitro-cli run-enclave --enclave-name $name --eif-path /shell.eif --cpu-count 1 --memory 256 "$@" >/tmp/$name.said 2>&1
  echo "START $name status $?"
  cid=$(sed -n 's/.*"EnclaveCID": \\([0-9]*\\).*/\\1/p' /tmp/$name.said)
  [ -n "$cid" ] || sed "s/^/$name: /" /tmp/$name.said
}}
# What must be as it was when no enclave is left: how the parent's memory and cores are, and what the monitor holds.
balance() {{
  cofferdam-status | sed -n "s/^memory KiB: \\([0-9]*\\) in all, \\([0-9]*\\) parent (\\([0-9]*\\) shared), \\([0-9]*\\) enclaves, \\([0-9]*\\) being scrubbed.*/BALANCE $1 memory all=\\1 parent=\\2 shared=\\3 enclaves=\\4 scrubbing=\\5/p
s/^cores: /BALANCE $1 cores /p; s/^slot /BALANCE $1 slot /p"
  echo "BALANCE $1 hugepages $(sed -n 's/^HugePages_\\(Total\\|Free\\): *//p' /proc/meminfo | tr '\\n' ' ')"
  echo "BALANCE $1 online $(cat /sys/devices/system/cpu/online), pool $(cat /sys/module/nitro_enclaves/parameters/ne_cpus)"
}}
complaints() {{ dmesg | grep -E 'BUG|Oops|WARNING|stall|Unable to handle|hung' | sed 's/^/complaint /'; }}
"""


def missing_parts():
    """Why no enclave can be run here, or None."""
    for part in (enclave_image.COFFERDAM, "build/guest-linux/bin/enclave-init", "build/guest-linux/bin/vsock-pipe",
                 "build/guest-linux/bin/cofferdam-cli"):
        if not (parent_runs.ROOT / part).is_file():
            return f"there is no {part}; ./x test qemu and ./x run make it"
    return parent_runs.missing_parts()


def make(folder, programs=()):
    """shell.eif in the folder, which goes into the parent with --add; answers its measurements as JSON text."""
    return enclave_image.make(pathlib.Path(folder, "shell.eif"), ["/bin/vsock-pipe", "listen", str(PORT), "/bin/sh"], programs, append=parent_runs.kernel_image.QUICK)


def check_balance(checks, run, before, after):
    """What `balance` said at two times is the same, and no slot is in use."""
    seen = [[match[1] for match in run.lines(rf"^BALANCE {when} (.*)$")] for when in (before, after)]
    checks.expect("memory, cores, hugepages and slots are as they were", len(seen[0]) >= 4 and seen[0] == seen[1]
                  and not any(line.startswith("slot") for line in seen[1]), seen[1] if seen[0] == seen[1] else seen)


def check_kernel(checks, run):
    complaints = [match.string for match in run.lines("^complaint ")]
    checks.expect("the parent's kernel complains of nothing, and the monitor goes on", not complaints and "PANIC" not in run.log, complaints)
