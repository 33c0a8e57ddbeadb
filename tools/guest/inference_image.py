#!/usr/bin/env python3
"""Makes the image of an inference enclave: llama-server of Debian's packages with what it needs, our service, who owns the keys.

  ./x inference-image --service service.json --add DIR -o inference.eif

service.json says what the service is and whose keys it needs (docs/inference-service.md); the files that it names (ca_file) are
laid into the root from DIR. All of it is measured; weights, prompts and credentials are not in the image. Prints the measurements.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import enclave_image  # noqa: E402
import initramfs  # noqa: E402
import program_closure  # noqa: E402

ROOTFS = initramfs.ROOT / "build/inference/llama.tar"
CHECK = enclave_image.assemble.TOOLS / "inference-check"
SERVER = "usr/bin/llama-server"
# Loaded by name at run time: the one for the cores that are there. Others than those for CPUs find nothing in an enclave.
BACKENDS = ["usr/lib/aarch64-linux-gnu/ggml/backends*/libggml-cpu*"]
KEPT = ["dev", "proc", "sys", "tmp", "run", "var", "root", "etc", "etc/passwd", "etc/group", "etc/hosts", "etc/nsswitch.conf"]


def check(text, added):
    """Refuses a service.json that the enclave would refuse at its start, when its PCR0 is in the owners' policies already."""
    enclave_image.need(pathlib.Path(CHECK), "./x build host makes it")
    result = subprocess.run([str(CHECK), *map(str, added)], input=text, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise enclave_image.ImageError(result.stderr.strip())


def make(output, service, added=(), rootfs=ROOTFS, **more):
    """Writes the image; answers the measurements as JSON text."""
    text = json.dumps(service, indent=2, sort_keys=True) + "\n"
    check(text, added)
    enclave_image.need(pathlib.Path(rootfs), "./x inference-image makes it")
    program = enclave_image.need(enclave_image.PROGRAMS / "inference-service", "./x run makes it")
    with tempfile.TemporaryDirectory(prefix="inference-image-") as scratch:
        folder = pathlib.Path(scratch)
        small, _ = program_closure.write(rootfs, folder / "llama.tar", [SERVER], BACKENDS, KEPT)
        own = folder / "own"
        (own / "usr/bin").mkdir(parents=True)
        (own / "etc/cofferdam").mkdir(parents=True)
        shutil.copy(program, own / "usr/bin/inference-service")
        (own / "etc/cofferdam/service.json").write_text(text, encoding="utf-8")
        return enclave_image.make(output, ["/usr/bin/inference-service"], [own, *added], name="inference", with_tools=False,
                                  rootfs=[small], **more)


def main():
    parser = argparse.ArgumentParser(prog="./x inference-image", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", metavar="FILE", type=pathlib.Path, required=True, help="service.json")
    parser.add_argument("--add", metavar="DIR", type=pathlib.Path, action="append", default=[], help="laid over the root: the authorities' files")
    parser.add_argument("--rootfs", metavar="TAR", type=pathlib.Path, default=ROOTFS, help="packages with llama-server (default: build/inference/llama.tar)")
    parser.add_argument("--append", metavar="TEXT", default="", help="more words for the kernel's command line")
    parser.add_argument("-o", "--output", metavar="FILE", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    text = arguments.service.read_text(encoding="utf-8")
    check(text, arguments.add)  # as it stands: json would pass over a member that stands twice
    print(make(arguments.output, json.loads(text), arguments.add, arguments.rootfs, append=arguments.append), end="")


if __name__ == "__main__":
    try:
        main()
    except (enclave_image.ImageError, initramfs.InitramfsError, program_closure.ClosureError, ValueError, OSError) as problem:
        sys.exit(f"x inference-image: {problem}")
