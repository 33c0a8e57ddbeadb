#!/usr/bin/env python3
"""A guest that relies on Arm's architecture only (guests/bare/architecture), booted as `./x run --guest` boots a kernel."""
import pathlib
import re
import struct
import sys
import tempfile

import parent_runs

LEAST = 100  # of its checks with four cores: it must come to its end
KEYS = "pointer authentication: "
VECTORS = "scalable vectors: "
CHANNEL = "debug channel: full"
# QEMU's model, cores, whether the guest must find pointer authentication, SVE, and the monitor's debug channel in place of the
# core's (FEAT_FGT). max: vectors of 2048 bits; neoverse-v1: 256.
MACHINES = (("max", 1, True, True, True), ("max", 4, True, True, True), ("neoverse-v1", 2, True, True, False),
            ("max,sve384=on", 2, True, True, True), (parent_runs.PLAIN_CPU, 2, False, False, True))
LARGE = 100 << 20  # there is not so much room before the boot payload


def asks_for(room, image, folder):
    """The same kernel; its header says that it uses so many bytes (image_size, Documentation/arch/arm64/booting.rst)."""
    content = bytearray(image.read_bytes())
    struct.pack_into("<Q", content, 16, room)
    file = pathlib.Path(folder, "large.bin")
    file.write_bytes(content)
    return file


def main():
    with tempfile.TemporaryDirectory() as folder:
        return check(pathlib.Path(sys.argv[1]), folder)


def check(plain_image, folder):
    checks, runs = parent_runs.Checks(), []
    for model, number, keys, vectors, channel in MACHINES:
        image = asks_for(LARGE, plain_image, folder) if model == parent_runs.PLAIN_CPU else plain_image
        run = parent_runs.Run(["--guest", str(image), "--cpus", str(number), "--cpu", model], seconds=120, append="")
        runs.append(run)
        cores = f"{model}, {number}"
        found = [len(run.lines(f"^PASS {what}")) for what in (KEYS, VECTORS, CHANNEL)]
        checks.expect(f"{cores} cores: pointer authentication {keys}, SVE {vectors}, our debug channel {channel}",
                      found == [3 if keys else 0, 3 if vectors else 0, 1 if channel else 0], found)
        end = run.lines(r"^ARCHITECTURE (\d+) passed, (\d+) failed, (\d+) cores$")
        failed = [match.string for match in run.lines(r"^FAIL ")]
        checks.expect(f"{cores} cores: nothing fails", bool(end) and end[0][2] == "0" and not failed, failed)
        checks.expect(f"{cores} cores: all of it was tried", bool(end) and int(end[0][1]) >= (LEAST if number > 1 else LEAST - 20)
                      and int(end[0][3]) == number, end and end[0].string)
        checks.expect(f"{cores} cores: it switches the machine off", run.status == 0, run.status)
        refusals = re.findall(r"refused: .*", run.log)
        print(f"     {run.seconds:.0f} s; the monitor refused {len(refusals)} times")
    return checks.close(*runs)


if __name__ == "__main__":
    sys.exit(main())
