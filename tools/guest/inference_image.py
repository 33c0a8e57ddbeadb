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
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import enclave_image  # noqa: E402
import initramfs  # noqa: E402
import program_closure  # noqa: E402

ROOTFS = initramfs.ROOT / "build/inference/llama.tar"
SERVER = "usr/bin/llama-server"
# Loaded by name at run time: the one for the cores that are there. Others than those for CPUs find nothing in an enclave.
BACKENDS = ["usr/lib/aarch64-linux-gnu/ggml/backends*/libggml-cpu*"]
KEPT = ["dev", "proc", "sys", "tmp", "run", "var", "root", "etc", "etc/passwd", "etc/group", "etc/hosts", "etc/nsswitch.conf"]


def make(output, service, added=(), rootfs=ROOTFS, **more):
    """Writes the image; answers the measurements as JSON text."""
    enclave_image.need(pathlib.Path(rootfs), "./x inference-image makes it")
    program = enclave_image.need(enclave_image.PROGRAMS / "inference-service", "./x run makes it")
    with tempfile.TemporaryDirectory(prefix="inference-image-") as scratch:
        folder = pathlib.Path(scratch)
        small, _ = program_closure.write(rootfs, folder / "llama.tar", [SERVER], BACKENDS, KEPT)
        own = folder / "own"
        (own / "usr/bin").mkdir(parents=True)
        (own / "etc/cofferdam").mkdir(parents=True)
        shutil.copy(program, own / "usr/bin/inference-service")
        (own / "etc/cofferdam/service.json").write_text(json.dumps(service, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        for owner in service.get("owners", {}).values():
            authority = owner.get("ca_file", "").lstrip("/")
            if not any((pathlib.Path(place) / authority).is_file() for place in added):
                raise enclave_image.ImageError(f"service.json names /{authority}, which no --add holds")
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
    service = json.loads(arguments.service.read_text(encoding="utf-8"))
    print(make(arguments.output, service, arguments.add, arguments.rootfs, append=arguments.append), end="")


if __name__ == "__main__":
    try:
        main()
    except (enclave_image.ImageError, initramfs.InitramfsError, program_closure.ClosureError, ValueError, OSError) as problem:
        sys.exit(f"x inference-image: {problem}")
