"""A Linux kernel for arm64 as the raw Image that the boot protocol starts, from whatever package it came in.

Kernels come as the Image itself, as the Image in gzip, xz or zstd, or as an "EFI zboot" program that carries it compressed. Layouts:
Linux, Documentation/arch/arm64/booting.rst (Image header), drivers/firmware/efi/libstub/zboot-header.S (zboot).
"""
import gzip
import lzma
import struct
import subprocess
import zlib

IMAGE_MAGIC_AT, IMAGE_MAGIC = 56, b"ARM\x64"
LARGEST = 256 << 20
# For Linux's command line (kernel-parameters.txt): without the tests of its ciphers, half of an emulated boot's instructions, and without the start
# of what nobody uses here and takes a third of the rest: a random number source that measures time, probes for tracing, BPF's structures.
QUICK = "cryptomgr.notests initcall_blacklist=jent_mod_init,init_kprobe_trace,bpf_tcp_ca_kfunc_init,bpf_dummy_struct_ops_init"


class KernelError(Exception):
    """The bytes are no kernel that we can start; the text says why."""


def is_raw_image(content):
    return len(content) >= 64 and content[IMAGE_MAGIC_AT:IMAGE_MAGIC_AT + 4] == IMAGE_MAGIC


def zstd(content):
    try:
        result = subprocess.run(["zstd", "-dcq"], input=content, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise KernelError("the kernel is compressed with zstd, and there is no program zstd; install it") from error
    if result.returncode != 0:
        raise KernelError(f"zstd refuses the kernel: {result.stderr.decode(errors='replace').strip()}")
    return result.stdout


UNPACKERS = {b"gzip": gzip.decompress, b"xzkern": lzma.decompress, b"lzma": lzma.decompress, b"zstd": zstd,
             b"zstd22": zstd}


# By a file's first bytes. lzma alone has none that no instruction has.
PACKED = {b"\x1f\x8b": gzip.decompress, b"\xfd7zXZ\0": lzma.decompress, b"\x28\xb5\x2f\xfd": zstd}
NOT_ENTERED = {b"\x7fELF": "is an ELF file; objcopy -O binary makes a flat binary of it, and Linux's build an Image",
               b"\x02\x21\x4c\x18": "is compressed with lz4; unpack it first (unlz4)",
               b"\x04\x22\x4d\x18": "is compressed with lz4; unpack it first (unlz4)",
               b"BZh": "is compressed with bzip2; unpack it first (bunzip2)",
               b"\x89LZO": "is compressed with lzop; unpack it first (lzop -d)"}


def by_magic(table, content):
    return next((entry for magic, entry in table.items() if content.startswith(magic)), None)


def of_zboot(content):
    """"MZ", 0, "zimg", u32 offset and u32 size of the payload, 8 bytes, the compression's name (32 bytes)."""
    offset, size = struct.unpack_from("<II", content, 8)
    name = content[24:56].split(b"\0")[0]
    if size == 0 or offset + size > len(content):
        raise KernelError(f"the zboot payload ({size} bytes at {offset}) lies outside of the file")
    if name not in UNPACKERS:
        raise KernelError(f"the zboot payload is compressed with '{name.decode(errors='replace')}', which is not known here")
    return UNPACKERS[name](content[offset:offset + size])


def raw_image(content):
    """The raw Image in a kernel file. Bytes that are no kernel file are refused."""
    try:
        if unpack := by_magic(PACKED, content):
            content = unpack(content)
        if content[:2] == b"MZ" and content[4:8] == b"zimg":
            content = of_zboot(content)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise KernelError(f"the compressed kernel is damaged: {error}") from error
    if not is_raw_image(content):
        raise KernelError("no arm64 kernel: the Image header's magic number is missing")
    if len(content) > LARGEST:
        raise KernelError(f"the kernel is {len(content)} bytes long, more than {LARGEST}")
    return content


def bootable(content):
    """As raw_image, but bytes that are no Linux kernel pass as they are: a flat binary is entered at its first byte."""
    if refusal := by_magic(NOT_ENTERED, content):
        raise KernelError(f"the kernel {refusal}")
    packed = by_magic(PACKED, content) or (content[:2] == b"MZ" and content[4:8] == b"zimg")
    return raw_image(content) if packed or is_raw_image(content) else content
