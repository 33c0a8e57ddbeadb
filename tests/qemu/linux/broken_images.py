"""Enclave images, each wrong in one way, and small sound ones of a bare guest: what the tests of the enclaves' life start."""
import gzip
import pathlib
import struct
import subprocess
import sys
import zlib

import parent_runs

sys.path.insert(0, str(parent_runs.ROOT / "tools/qemu"))
import assemble  # noqa: E402

CRC_AT, FLAGS_AT, FIRST_SECTION = 0x220, 0x006, 0x224
AUTHORITY = """[ca]
default_ca = it
[it]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha384
policy = any
x509_extensions = version_3
[any]
commonName = supplied
[version_3]
subjectKeyIdentifier = hash
"""


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def certificates(folder):
    """A key, two certificates that are valid now, the one called plain as AWS's guide to PCR8 makes it (of version 1 before
    OpenSSL 3.2), and one that was valid on one day of 2020."""
    names = {name: folder / f"{name}.pem" for name in ("key", "good", "plain", "expired", "request")}
    openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", names["key"])
    openssl("req", "-x509", "-new", "-key", names["key"], "-subj", "/CN=signer", "-days", "3650", "-out", names["good"])
    openssl("req", "-new", "-key", names["key"], "-subj", "/CN=signer", "-out", names["request"])
    openssl("x509", "-req", "-in", names["request"], "-signkey", names["key"], "-days", "3650", "-out", names["plain"])
    (folder / "index").touch()
    (folder / "serial").write_text("01\n", encoding="utf-8")
    (folder / "authority").write_text(AUTHORITY.format(folder=folder), encoding="utf-8")
    openssl("ca", "-batch", "-config", folder / "authority", "-selfsign", "-keyfile", names["key"], "-in", names["request"],
            "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-notext", "-out", names["expired"])
    return names


def build(output, kernel, mode, ramdisk, *more):
    assemble.run(assemble.TOOLS / "cofferdam", "eif", "build", "--flat-kernel", "--kernel", kernel, "--cmdline", f"mode={mode}",
                 "--ramdisk", ramdisk, "--name", output.stem, "--output", output, *more)
    return output.read_bytes()


def sealed(image):
    """The image with the checksum that it must have now."""
    crc = zlib.crc32(image[FIRST_SECTION:], zlib.crc32(image[:CRC_AT]))
    return image[:CRC_AT] + struct.pack(">I", crc) + image[CRC_AT + 4:]


def changed(image, at, value):
    return image[:at] + value + image[at + len(value):]


def make(goal, scratch):
    """Into the folder goal: quiet.eif (fills its memory and sleeps), leave.eif (signed, ends at once), signed.eif, and the broken ones (large.eif packed: it is mostly zeros)."""
    kernel, ramdisk = assemble.need(assemble.IMAGES / "hostile_enclave.bin"), scratch / "ramdisk"
    ramdisk.write_bytes(b"a ramdisk for an enclave that needs none\n")
    keys = certificates(scratch)
    image = build(goal / "quiet.eif", kernel, "secret", ramdisk)
    build(goal / "leave.eif", kernel, "leave", ramdisk, "--sign-key", keys["key"], "--sign-cert", keys["plain"])
    build(goal / "expired.eif", kernel, "secret", ramdisk, "--sign-key", keys["key"], "--sign-cert", keys["expired"])
    signed = build(goal / "signed.eif", kernel, "secret", ramdisk, "--sign-key", keys["key"], "--sign-cert", keys["good"])
    # The section of the signature is the last, and its last bytes are the signature's own, each a CBOR number.
    last = signed[-1] ^ 1 if signed[-2] == 0x18 and signed[-1] ^ 1 >= 24 else 0x17 - signed[-1]
    broken = {"forged": sealed(signed[:-1] + bytes([last])), "truncated": image[:-100], "checksum": changed(image, CRC_AT, b"\0\0\0\0"),
              "architecture": sealed(changed(image, FLAGS_AT, b"\0\0")), "magic": sealed(changed(image, 0, b".elf")), "empty": b""}
    for name, content in broken.items():
        (goal / f"{name}.eif").write_bytes(content)
    noise = scratch / "noise"
    noise.write_bytes(bytes(4096))
    build(goal / "kernel.eif", noise, "none", ramdisk)
    ramdisk.write_bytes(bytes(60 << 20))
    large = goal / "large.eif"
    large.with_suffix(".eif.gz").write_bytes(gzip.compress(build(large, kernel, "secret", ramdisk)))
    large.unlink()
