#!/usr/bin/env python3
"""Boots the ROM in QEMU from reset, with a stand-in for the monitor, and checks what ran and what was said.

Each case makes its own manufacturer and device with `provision` (from a fixed seed), spoils one thing, and demands the
ROM's own message for it; except in the good cases the stand-in must never run. Exit 0: as demanded.
"""
import argparse
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent
ROOT = SOURCE.parents[2]
sys.path.insert(0, str(ROOT / "tools" / "qemu"))
import machine  # noqa: E402: the one place that knows QEMU's command line
CROSS = "aarch64-linux-gnu-"
BOARD_DIGEST = hashlib.sha384(b"board of the ROM's test").hexdigest()
SECURITY_VERSION = 5
PAGE = 4096
# Offsets in the manifest (firmware/measure/handover.hpp).
LOAD_ADDRESS, IMAGE_DIGEST, BOARD, SIGNER, SIGNATURE = 24, 40, 88, 168, 272


class Failure(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Failure(text)


def run(*command, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result.stdout


class Device:
    """A manufacturer, a device, a package and the two flash images, in one work folder."""

    def __init__(self, tools, work):
        self.tools, self.work = tools, work
        work.mkdir(parents=True, exist_ok=True)
        for old in sorted(work.rglob("*"), reverse=True):
            old.rmdir() if old.is_dir() else old.unlink()
        (work / "seed").write_bytes(b"a seed for the ROM's tests, known to all")
        self.seed = ["--development", "--seed", work / "seed"]
        self.build_payload()
        self.make_root("root", *self.seed)
        run(tools.provision, "device", "--root", work / "root", "--output", work / "identity.bin",
            "--minimum-version", SECURITY_VERSION, "--device-id", "i-0123456789abcdef0", *self.seed)
        self.sign("root", SECURITY_VERSION)

    def make_root(self, name, *options):
        run(self.tools.provision, "root", "--output", self.work / name, *options)

    def build_payload(self, source=SOURCE / "payload.cpp"):
        run(CROSS + "g++", "-std=c++23", "-O2", "-ffreestanding", "-fno-pic", "-mgeneral-regs-only", "-mstrict-align",
            "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-exceptions", "-fno-rtti", f"-I{ROOT}",
            "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-T", SOURCE / "payload.ld",
            SOURCE / "payload.S", source, "-o", self.work / "payload.elf")
        run(CROSS + "objcopy", "-O", "binary", self.work / "payload.elf", self.work / "payload.bin")

    def sign(self, root, version):
        run(self.tools.provision, "sign", "--root", self.work / root, "--image", self.work / "payload.bin",
            "--board-digest", BOARD_DIGEST, "--version", version, "--output", self.work / "package.bin")
        self.package = bytearray((self.work / "package.bin").read_bytes())
        self.identity = bytearray((self.work / "identity.bin").read_bytes())

    def boot(self, timeout=60, memory=2048):
        """Returns what the ROM said and what the stand-in said. memory: MiB."""
        (self.work / "identity.bin").write_bytes(self.identity)
        rom = self.tools.rom.read_bytes()
        demand(len(rom) == 0x40000, "rom.bin is the whole code region")
        (self.work / "flash0.bin").write_bytes(rom + self.identity)
        flash1 = self.work / "flash1.bin"
        flash1.write_bytes(self.package)
        with open(flash1, "r+b") as file:
            file.truncate(64 << 20)
        command = [part for part in machine.command(self.work / "flash0.bin", flash1, memory=memory) if part != "-no-reboot"]
        command += ["-serial", f"file:{self.work / 'uart0.log'}", "-serial", f"file:{self.work / 'secure.log'}"]
        try:
            subprocess.run([str(part) for part in command], timeout=timeout, check=True, capture_output=True, text=True)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"the machine did not power off in {timeout} s\n{self.logs()}") from error
        except subprocess.CalledProcessError as error:
            raise Failure(f"QEMU failed: {error.stderr}") from error
        return self.logs()

    def logs(self):
        read = lambda name: (self.work / name).read_text(errors="replace").replace("\r", "")  # noqa: E731
        return read("secure.log"), read("uart0.log")

    def refused(self, message, **options):
        rom, payload = self.boot(**options)
        demand(f"rom: REFUSED: {message}" in rom, f"the ROM did not say '{message}' but:\n{rom}")
        demand("entering the monitor" not in rom, f"the ROM went on:\n{rom}")
        demand(payload == "", f"the stand-in ran:\n{payload}")


def extend(digest):
    return hashlib.sha384(bytes(48) + digest).hexdigest()


def parse_handover(data):
    magic, development, count = struct.unpack_from("<QII", data)
    offset, events = 16, []
    for _ in range(8):
        pcr, name, digest = struct.unpack_from("<I28s48s", data, offset)
        events.append((pcr, name.rstrip(b"\0").decode(), digest))
        offset += 80
    cdi = data[offset:offset + 48]
    certificates, reserved = struct.unpack_from("<II", data, offset + 48)
    offset += 56
    chain = []
    for _ in range(4):
        size, = struct.unpack_from("<I", data, offset)
        chain.append((data[offset + 4:offset + 4 + size], data[offset + 4 + size:offset + 1028]))
        offset += 1028
    return {"magic": magic, "development": development, "events": events[:count], "cdi": cdi, "reserved": reserved,
            "certificates": certificates, "chain": chain, "device_id": data[offset:offset + 32].rstrip(b"\0").decode(),
            "memory": struct.unpack_from("<Q", data, offset + 32)[0]}


def check_chain(work, chain):
    names = ["root", "manufacturer", "device", "monitor"]
    for name, (der, padding) in zip(names, chain):
        demand(not any(padding), f"bytes after the {name} certificate")
        (work / f"{name}.der").write_bytes(der)
        run("openssl", "x509", "-inform", "DER", "-in", work / f"{name}.der", "-out", work / f"{name}.pem")
    (work / "middle.pem").write_text((work / "manufacturer.pem").read_text() + (work / "device.pem").read_text())
    run("openssl", "verify", "-x509_strict", "-attime", 1735689600 + 86400, "-CAfile", work / "root.pem",
        "-untrusted", work / "middle.pem", work / "monitor.pem")
    text = run("openssl", "x509", "-in", work / "monitor.pem", "-noout", "-text")
    demand("CA:TRUE, pathlen:0" in text, "the monitor's certificate signs leaves and nothing else")
    demand("OU = DEVELOPMENT" in text, "the monitor's certificate says that it is a development one")
    demand("2.23.133.5.4.1" in text, "the monitor's certificate has a TcbInfo")


def check_good(device):
    work = device.work
    rom, payload = device.boot()
    demand("REFUSED" not in rom and "STOPPED" not in rom, f"the ROM stopped:\n{rom}")
    facts = {}
    for line in payload.splitlines():
        name, _, value = line.partition(" ")
        facts.setdefault(name, []).append(value)
    value = lambda name: int(facts[name][0], 16)  # noqa: E731
    signed = lambda number: number - (1 << 64) if number >> 63 else number  # noqa: E731
    demand("payload ends" in payload, f"the stand-in did not reach its end:\n{payload}\n{rom}")

    demand(value("current_el") == 8, "entered at EL2")
    demand(value("x0") == 0x40100000, "x0 is the handover's address")
    demand(value("x1_to_x29") == 0, "every other register is zero")
    demand(value("sctlr_el2") & 0x1005 == 0, "MMU and caches are off at EL2")
    demand(value("cntfrq") != 0, "the counter's frequency is set")
    for name in ("read_secure_ram", "read_uds", "read_rom", "read_secure_uart", "read_power_pins"):
        syndrome = value(name)
        demand(syndrome >> 26 == 0x25 and syndrome & 0x3f == 0x10, f"{name}: an external abort, not {syndrome:x}")
    demand(value("smmu_gbpa") >> 20 & 1 == 1, "the SMMU aborts every stream")
    demand(value("gic_group1") == 0, "interrupt groups can't be seen or changed from below")
    demand(value("gic_spis") == 0xffffffff, f"every SPI is non-secure, not {value('gic_spis'):x}")
    demand(value("gic_private") == 0xffff7fff, f"all but the ROM's SGI 15 are non-secure, not {value('gic_private'):x}")

    answers = {"psci_version": 0x10001, "unknown_call": -1, "wide_call": -1, "on_unknown_core": -2, "on_wild_core": -2,
               "on_outside_image": -9, "on_in_secure_ram": -9, "on_unaligned": -9, "on_self": -4, "info_self": 0,
               "info_off": 1, "info_level": -2, "smc_from_el1": -1,
               "text": 0, "text_too_long": -2, "text_with_escape": -2, "text_hidden": -2}
    for name, wanted in answers.items():
        demand(signed(value(name)) == wanted, f"{name}: {wanted}, not {signed(value(name))}")
    demand(value("sve_syndrome") == 0, f"SVE is EL2's, no exception {value('sve_syndrome'):x}")
    demand(value("sme_syndrome") == 1 << 25, f"SME is undefined at EL2, not {value('sme_syndrome'):x}")
    demand([int(v, 16) for v in facts["on"]] == [0] * 6, "every core starts, twice")
    demand([signed(int(v, 16)) for v in facts["on_again"]] == [-4] * 6, "a running core is not started again")
    demand([int(v, 16) for v in facts["info_off_again"]] == [1] * 6, "CPU_OFF is seen")
    demand([int(v, 16) for v in facts["core_runs"]] == [1, 2, 3, 1, 2, 3], "the cores that were asked for")
    demand([int(v, 16) for v in facts["core_level"]] == [8] * 6, "every core enters at EL2")
    demand([int(v, 16) for v in facts["core_context"]] == [0x1001, 0x1002, 0x1003, 0x2001, 0x2002, 0x2003], "context")
    demand("cpu_off" not in facts, "CPU_OFF does not return")
    said = [line for line in rom.splitlines() if line and not line.startswith("rom: ")]
    demand(said[:1] == ["payload: text by way of the ROM, 48 bytes long."], f"the text that was to be shown: {said[:1]}")
    lines = [f"core {core}: " + chr(ord("a") + core) * 39 for core in range(4) for _ in range(50)]
    demand(sorted(said[1:]) == lines, f"each call's text in one piece, from four cores at once:\n{rom}")

    handover = parse_handover(bytes.fromhex(facts["handover"][0]))
    demand(handover["magic"] == int.from_bytes(b"COFFHOV2", "little"), "magic")
    demand(handover["development"] == 1 and handover["reserved"] == 0, "marked as development")
    demand(handover["device_id"] == "i-0123456789abcdef0", "device id")
    demand(handover["certificates"] == 4, "four certificates")
    demand(handover["memory"] == 2048 << 20, f"all of the machine's memory: {handover['memory']}")
    demand(len(set(handover["cdi"])) > 8, "a secret that looks like one")
    check_chain(work, handover["chain"])

    # The log, computed here from the files alone.
    signer = hashlib.sha384(bytes(device.package[SIGNER:SIGNER + 97])).digest()
    image = hashlib.sha384(bytes(device.package[PAGE:])).digest()
    wanted = [(0, "rom", hashlib.sha384(device.tools.rom.read_bytes() + signer).digest()),
              (1, "monitor", hashlib.sha384(image + struct.pack("<I", SECURITY_VERSION)).digest()),
              (2, "board", bytes.fromhex(BOARD_DIGEST))]
    demand(handover["events"] == wanted, f"the log: {handover['events']}\nwanted: {wanted}")
    # ... and what the published reference values say that an honest boot shows.
    values = json.loads(run(device.tools.cofferdam, "reference-values", "--rom", device.tools.rom,
                            "--monitor", work / "payload.bin", "--board-digest", BOARD_DIGEST,
                            "--version", SECURITY_VERSION,
                            "--signer", work / "root" / "firmware-signing-public.pem", "--format", "json"))
    shown = values["platform_pcrs"]
    demand(shown == {str(pcr): extend(digest) for pcr, _, digest in wanted}, f"reference values: {shown}")


def case_good(device):
    check_good(device)


def case_reset(device):
    """SYSTEM_RESET comes back through the ROM, with all that memory still holds from before."""
    source = (SOURCE / "payload.cpp").read_text()
    once = source.replace("  payload_smc(kSystemOff, 0, 0, 0);",
                          "  const std::uint64_t marker = 0x4300'0000;  // RAM keeps it over the reset\n"
                          "  if (device_register(marker) == 0x1234567) payload_smc(kSystemOff, 0, 0, 0);\n"
                          "  device_register(marker) = 0x1234567;\n"
                          "  payload_smc(kSystemReset, 0, 0, 0);")
    demand(once != source, "the payload was changed")
    (device.work / "payload.cpp").write_text(once)
    device.build_payload(device.work / "payload.cpp")
    device.sign("root", SECURITY_VERSION)
    rom, payload = device.boot()
    demand(rom.count("entering the monitor") == 2, f"two boots:\n{rom}")
    demand(payload.count("payload ends") == 2, f"two whole runs, cores included:\n{payload}")
    handovers = re.findall(r"handover ([0-9a-f]+)", payload)
    demand(len(handovers) == 2 and handovers[0] == handovers[1], "the same software has the same identity again")


def case_altered_image(device):
    device.package[PAGE + 1000] ^= 1
    device.refused("image: the image's digest differs from the manifest's")


def case_altered_signature(device):
    device.package[SIGNATURE + 95] ^= 1
    device.refused("manifest: the manifest's signature does not verify")


def case_altered_field(device):
    device.package[BOARD] ^= 0x80
    device.refused("manifest: the manifest's signature does not verify")


def case_rolled_back(device):
    device.sign("root", SECURITY_VERSION - 1)
    device.refused("manifest: the security version is below this device's minimum (rollback)")


def case_wrong_signer(device):
    device.make_root("other", "--development")
    device.sign("other", SECURITY_VERSION)
    device.refused("manifest: the signer is not the one this device trusts")


def case_wrong_load_address(device):
    """Signed for a board whose monitor lies elsewhere."""
    run(device.tools.provision, "sign", "--root", device.work / "root", "--image", device.work / "payload.bin",
        "--board-digest", BOARD_DIGEST, "--version", SECURITY_VERSION, "--load-address", "0x80200000",
        "--output", device.work / "package.bin")
    device.package = bytearray((device.work / "package.bin").read_bytes())
    device.refused("manifest: the load address is not the monitor's on this board")


def case_unsigned(device):
    device.package[:PAGE] = bytes(PAGE)
    device.refused("manifest: the firmware package holds no manifest")


def case_blank_identity(device):
    device.identity = bytearray(b"\xff" * 0x10000)
    device.refused("identity: the identity area holds no identity: the device was never provisioned")


def case_damaged_identity(device):
    device.identity[60] ^= 1  # a bit of the secret
    device.refused("identity: the identity is damaged: its digest does not match")


def case_foreign_certificate(device):
    """Another device's certificate and a secret that does not belong to it."""
    body = bytearray(device.identity[:-48])
    body[60] ^= 1
    device.identity = body + hashlib.sha384(bytes(body)).digest()
    device.refused("identity: the device certificate is not for the key of this device's secret")


def case_little_memory(device):
    device.refused("memory: the machine has less than the monitor needs", memory=32)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    cases = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}
    parser.add_argument("--case", required=True, choices=cases)
    parser.add_argument("--rom", required=True, type=pathlib.Path)
    parser.add_argument("--provision", required=True, type=pathlib.Path)
    parser.add_argument("--cofferdam", required=True, type=pathlib.Path)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    tools = parser.parse_args()
    try:
        cases[tools.case](Device(tools, tools.work.resolve()))
    except Failure as failure:
        sys.exit(f"{tools.case}: {failure}")


if __name__ == "__main__":
    main()
