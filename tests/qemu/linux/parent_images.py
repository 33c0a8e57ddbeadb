#!/usr/bin/env python3
"""Enclave images in the parent: build-enclave makes the bytes that the host's tool makes of the same sources, and run-enclave
refuses a damaged image before anything is taken for it.
"""
import hashlib
import pathlib
import subprocess
import sys
import tempfile

import broken_images
import parent_runs
import shell_enclave

OPTIONS = "--flat-kernel --kernel {0}/kernel --init {0}/init --rootfs {0}/{1} --name n --cmdline x=y --cmd /bin/app --cmd listen"
REFUSED = {"checksum": 35, "truncated": 35, "magic": 35, "forged": 59, "expired": 59}
SCRIPT = f"""
nitro-cli allocate --cpu-ids 1 --memory 128 >/dev/null
for name in {' '.join(REFUSED)}; do
  nitro-cli run-enclave --eif-path /$name.eif --cpu-count 1 --memory 64 >/tmp/said 2>&1
  echo "REFUSED $name $? taken $(grep -c allocating /tmp/said)"
done
for root in root root.tar; do
  nitro-cli build-enclave --output-file /tmp/built.eif {OPTIONS.format('/sources', '$root')} >/tmp/said 2>&1 || cat /tmp/said
  echo "BUILT $root $(sha256sum </tmp/built.eif)"
done
gzip /sources/root.tar
nitro-cli build-enclave --output-file /tmp/none.eif {OPTIONS.format('/sources', 'root.tar.gz')} >/tmp/said 2>&1
echo "PACKED $? $(grep -c 'unpack it first (gunzip' /tmp/said)"
nitro-cli build-enclave --output-file /tmp/none.eif --docker-uri hello >/tmp/said 2>&1
echo "DOCKER $? $(grep -c 'docker export.*--rootfs root.tar' /tmp/said) $(ls /tmp/none.eif 2>/dev/null)"
exit 9
"""


def make_sources(folder):
    (folder / "root/bin").mkdir(parents=True)
    (folder / "root/etc").mkdir()
    programs = parent_runs.ROOT / "build/guest-linux/bin"
    (folder / "root/bin/app").write_bytes((programs / "vsock-pipe").read_bytes())
    (folder / "root/bin/app").chmod(0o755)
    (folder / "root/etc/conf").write_text("a=b\n", encoding="utf-8")
    (folder / "root/link").symlink_to("bin/app")
    (folder / "init").write_bytes((programs / "enclave-init").read_bytes())
    (folder / "kernel").write_bytes(broken_images.assemble.need(broken_images.assemble.IMAGES / "hostile_enclave.bin").read_bytes())
    subprocess.run(["tar", "--format=pax", "-cf", folder / "root.tar", "-C", folder / "root", "."], check=True)


def built_here(folder, root):
    image = folder.parent.parent / "here.eif"
    words = [shell_enclave.enclave_image.COFFERDAM, "eif", "build", *OPTIONS.format(folder, root).split(), "-o", image]
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return hashlib.sha256(image.read_bytes()).hexdigest()


def main():
    why = shell_enclave.missing_parts()
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    with tempfile.TemporaryDirectory() as scratch:
        added, keys = pathlib.Path(scratch, "added"), pathlib.Path(scratch, "keys")
        added.mkdir()
        keys.mkdir()
        broken_images.make(added, keys)
        make_sources(added / "sources")
        here = {root: built_here(added / "sources", root) for root in ("root", "root.tar")}
        run = parent_runs.Run(["--cpus", "2", "--add", str(added)], shell_enclave.WORDS + SCRIPT, 300)
    checks = parent_runs.Checks()
    checks.expect("the script comes to its end", run.status == 9, run.status)
    refused = {match[1]: (int(match[2]), int(match[3])) for match in run.lines(r"^REFUSED (\S+) (\d+) taken (\d+)$")}
    checks.expect("damaged images have their codes, and nothing was taken for them", refused == {name: (code, 0) for name, code in REFUSED.items()},
                  refused)
    there = {match[1]: match[2] for match in run.lines(r"^BUILT (\S+) ([0-9a-f]{64})")}
    checks.expect("a folder and its archive become the bytes that the host's tool makes", there == here, "" if there == here else (there, here))
    checks.expect("a compressed archive is refused, with what unpacks it", bool(run.lines("^PACKED 48 1$")), [m.string for m in run.lines("^PACKED")])
    checks.expect("without Docker the way that works is named", bool(run.lines("^DOCKER 50 1 $")), [m.string for m in run.lines("^DOCKER")])
    print(f"     {run.seconds:.0f} s")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())
