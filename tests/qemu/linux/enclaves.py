#!/usr/bin/env python3
"""Linux in enclaves, in production and in debug mode: /dev/nsm, a document that is verified on the host, the console."""
import base64
import json
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile

import parent_runs
import shell_enclave

SCRIPT = r"""
nitro-cli allocate --cpu-count 2 --memory 512 >/tmp/allocate.said || cat /tmp/allocate.said
balance before
start production; production=$cid
start debug --debug-mode; debug=$cid
echo "DESCRIBE $(nitro-cli describe-enclaves 2>/dev/null | tr -d '\n')"
ask $production 'nsm-check --document --nonce NONCE --user-data USER --public-key KEY 2>&1' | sed 's/^/DOCUMENT /'
ask $debug 'nsm-check --document --nonce NONCE 2>&1' | sed 's/^/DEBUGDOC /'
ask $production 'nsm-check 2>&1' | sed 's/^/production /'
ask $debug 'nsm-check --debug 2>&1' | sed 's/^/debug /'
for cid in $production $debug; do
  ask $cid 'echo "HWRNG $(cat /sys/class/misc/hw_random/rng_current) $(dd if=/dev/hwrng bs=32 count=1 2>/dev/null | xxd -p | tr -d "\n")"'
done
ask $production 'echo "CONSOLES $(wc -l </proc/consoles) $(ls /proc/device-tree | grep -c serial)"'
# AWS's init opens it three times before the heartbeat, and ends where it can't.
ask $production ': </dev/console >/dev/console 2>/dev/console && echo "OPENED"; echo "nobody reads $((6 * 7))" >/dev/console'
vsock-pipe connect 0 $((10000 + production)) 0 </dev/null; echo "DIRECT $?"
ask $debug 'echo "a word for the console" >/dev/console'
nitro-cli console --enclave-name production --disconnect-timeout 2 >/tmp/console 2>&1; echo "REFUSED $? $(head -n 1 /tmp/console)"
nitro-cli console --enclave-name debug --disconnect-timeout 4 >/tmp/console 2>&1; echo "READ $?"
sed 's/^/console /' /tmp/console
nitro-cli terminate-enclave --all >/tmp/end 2>&1; echo "TERMINATE $? $(grep -c '"Terminated": true' /tmp/end)"
balance after
complaints
exit 9
"""
FIELDS = ("nonce", "user_data", "public_key")


class Verifier:
    """`cofferdam verify` under the run's root: the verdict and what the document says."""

    def __init__(self, folder, root):
        self.folder, self.root = folder, root

    def __call__(self, document, *options, measurements=None):
        words = [shell_enclave.enclave_image.COFFERDAM, "verify", "--json", "--allow-development", "--root", self.root, *options]
        if measurements:
            policy = pathlib.Path(self.folder, "policy.json")
            policy.write_text(json.dumps({"Measurements": measurements}), encoding="utf-8")
            words += ["--policy", policy]
        file = pathlib.Path(self.folder, "document.bin")
        file.write_bytes(document)
        result = subprocess.run([*map(str, words), str(file)], capture_output=True, text=True, check=False)
        return json.loads(result.stdout) if result.stdout.startswith("{") else {"verdict": "error", "reason": result.stderr.strip()}


def document_of(run, tag):
    lines = [match[1] for match in run.lines(rf"^{tag} ([A-Za-z0-9+/=]+)$")]
    return base64.b64decode(lines[0]) if len(lines) == 1 else b""


def check_document(checks, run, verify, measurements, fields):
    document = document_of(run, "DOCUMENT")
    checks.expect("the production enclave's document reaches the host", len(document) > 1000, f"{len(document)} bytes")
    good = verify(document, "--nonce", fields["nonce"], measurements=measurements)
    checks.expect("it is accepted under our root, with the image's PCRs and the parent's nonce",
                  good["verdict"] == "accepted" and not good["debug"], good.get("message") or good["reason"])
    said = good.get("document", {})
    checks.expect("it holds what the parent gave", all(said.get(name) == fields[name] for name in FIELDS))
    if not document:
        return

    def refused(what, reasons, *arguments, **more):
        verdict = verify(*arguments, **more)
        checks.expect(f"refused with {what}", verdict["verdict"] == "refused" and verdict["reason"] in reasons, verdict["reason"])

    for name in ("PCR0", "PCR1", "PCR2"):
        digit = "1" if measurements[name][7] == "0" else "0"
        other = {**measurements, name: measurements[name][:7] + digit + measurements[name][8:]}
        refused(f"another {name}", ("pcr",), document, measurements=other)
    refused("another nonce", ("nonce",), document, "--nonce", fields["nonce"][:-2] + ("00" if fields["nonce"][-2:] != "00" else "01"))
    for place in (len(document) // 3, len(document) - 5):
        changed = bytearray(document)
        changed[place] ^= 1
        verdict = verify(bytes(changed))
        checks.expect(f"refused with another byte {place}", verdict["verdict"] != "accepted", verdict["reason"][:60])
    debug = document_of(run, "DEBUGDOC")
    refused("the debug enclave's in its place", ("debug", "pcr"), debug, measurements=measurements)
    alone = verify(debug, "--nonce", fields["nonce"])
    checks.expect("which is genuine, and says that it is a debug enclave's", alone["verdict"] == "accepted" and alone["debug"],
                  alone["reason"])


def check_nsm(checks, run):
    for mode in ("production", "debug"):
        good = len(run.lines(rf"^{mode} ok \d+ - "))
        bad = [match.string for match in run.lines(rf"^{mode} not ok ")]
        end = run.lines(rf"^{mode} nsm-check: all (\d+) hold$")
        checks.expect(f"{mode}: every demand on /dev/nsm holds", bool(end) and good == int(end[0][1]) and good > 130 and not bad, bad or good)
    random = [match[1] for match in run.lines(r"^HWRNG nsm-hwrng ([0-9a-f]{64})$")]
    checks.expect("both have random bytes of nsm-hwrng, and not the same", len(set(random)) == 2, len(random))


def check_console(checks, run):
    refused = run.lines(r"^REFUSED (\d+) (.*)$")
    checks.expect("a production enclave has no console, and nitro-cli says so", bool(refused) and refused[0][1] == "44"
                  and "production mode and has no console" in refused[0][2], refused and refused[0].string)
    checks.expect("its kernel finds a serial port, /dev/console opens, and its port is closed",
                  all(run.lines(line) for line in (r"^CONSOLES 1 1$", "^OPENED$", "^DIRECT 1$")), [m.string for m in run.lines("^(CONSOLES|OPENED|DIRECT)")])
    checks.expect("what is written there is nowhere to be read", "nobody reads 42" not in run.output + run.log)
    said = "\n".join(match[1] for match in run.lines(r"^console (.*)$"))
    checks.expect("the debug enclave's console is readable: kernel, first process, program",
                  bool(run.lines("^READ 0$")) and all(word in said for word in ("Linux version ", "init: starting /bin/vsock-pipe", "a word for the console")),
                  said[-200:])


def main():
    why = shell_enclave.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    fields = {"nonce": secrets.token_hex(32), "user_data": secrets.token_hex(100), "public_key": secrets.token_hex(294)}
    script = SCRIPT.replace("NONCE", fields["nonce"]).replace("USER", fields["user_data"]).replace("KEY", fields["public_key"])
    checks = parent_runs.Checks()
    with tempfile.TemporaryDirectory() as scratch:
        added = pathlib.Path(scratch, "added")
        added.mkdir()
        measurements = json.loads(shell_enclave.make(added))["Measurements"]
        root = pathlib.Path(scratch, "root.pem")
        run = parent_runs.Run([*parent_runs.usual_cores(), "--cpus", "3", "--add", str(added), "--root", str(root)], shell_enclave.WORDS + script)
        checks.expect("the script comes to its end", run.status == 9, run.status)
        described = run.lines(r"^DESCRIBE (.*)$")
        flags = re.findall(r'"Flags": "(\w+)"', described[0][1]) if described else []
        checks.expect("both enclaves run", sorted(flags) == ["DEBUG_MODE", "NONE"] and len(run.lines("^START .* status 0$")) == 2, flags)
        check_document(checks, run, Verifier(scratch, root), measurements, fields)
    check_nsm(checks, run)
    check_console(checks, run)
    checks.expect("both end when they are told to", bool(run.lines("^TERMINATE 0 2$")), [m.string for m in run.lines("^TERMINATE")])
    shell_enclave.check_balance(checks, run, "before", "after")
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
