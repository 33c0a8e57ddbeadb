"""Writes and reads GGUF files, version 3, little-endian, with tensors of float32 alone.

Source: the GGUF specification of the ggml project (docs/gguf.md): "GGUF", version, number of tensors, number of pairs; the pairs;
one description for each tensor; padding to the alignment; the tensors' data, each padded to the alignment.
"""
import struct

import numpy

MAGIC = b"GGUF"
VERSION = 3
ALIGNMENT = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # gguf_metadata_value_type
TENSOR_F32 = 0                                                  # ggml_type
LIMIT = 1 << 28                                                 # bytes; what the reader takes


def _string(text):
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _scalar(kind, value):
    if kind == STRING:
        return _string(value)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], value)


def pair(key, kind, value):
    """One pair of metadata; a list becomes an array of `kind`."""
    head = _string(key)
    if isinstance(value, list):
        return head + struct.pack("<IIQ", ARRAY, kind, len(value)) + b"".join(_scalar(kind, each) for each in value)
    return head + struct.pack("<I", kind) + _scalar(kind, value)


def _padding(length):
    return -length % ALIGNMENT


def encode(metadata, tensors):
    """The file's bytes. metadata: (key, kind, value) in order; tensors: {name: float32 array}, rows outermost."""
    out = bytearray(MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(metadata)))
    for key, kind, value in metadata:
        out += pair(key, kind, value)
    offset, data = 0, bytearray()
    for name, values in tensors.items():
        if values.dtype != numpy.float32:
            raise ValueError(f"tensor {name} holds {values.dtype}, not float32")
        # The specification names the innermost dimension first.
        shape = values.shape[::-1]
        out += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TENSOR_F32, offset)
        raw = values.astype("<f4").tobytes()
        data += raw + bytes(_padding(len(raw)))
        offset = len(data)
    out += bytes(_padding(len(out)))
    return bytes(out + data)


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        if length > len(self.data) - self.at:
            raise ValueError("the file ends too early")
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def string(self):
        return self.take(self.number("Q")).decode("utf-8")

    def value(self, kind):
        if kind == ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner == ARRAY or count > LIMIT:
                raise ValueError("an array of arrays, or too long")
            return [self.value(inner) for _ in range(count)]
        if kind == STRING:
            return self.string()
        forms = {UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?"}
        if kind not in forms:
            raise ValueError(f"this reader doesn't know values of type {kind}")
        return self.number(forms[kind])


def decode(data):
    """(metadata as {key: value}, {name: array}) of a file that encode() could have written; ValueError otherwise."""
    reader = _Reader(data)
    if len(data) > LIMIT or reader.take(4) != MAGIC or reader.number("I") != VERSION:
        raise ValueError("not a GGUF file of version 3")
    tensor_count, pair_count = reader.number("Q"), reader.number("Q")
    metadata = {}
    for _ in range(pair_count):
        key = reader.string()
        metadata[key] = reader.value(reader.number("I"))
    described = []
    for _ in range(tensor_count):
        name, dimensions = reader.string(), reader.number("I")
        if dimensions not in (1, 2):
            raise ValueError(f"tensor {name} has {dimensions} dimensions")
        shape = [reader.number("Q") for _ in range(dimensions)][::-1]
        kind, offset = reader.number("I"), reader.number("Q")
        if kind != TENSOR_F32:
            raise ValueError(f"tensor {name} is of type {kind}, not float32")
        described.append((name, shape, offset))
    start = reader.at + _padding(reader.at)
    tensors = {}
    for name, shape, offset in described:
        reader.at = start + offset
        count = 1
        for size in shape:
            count *= size
        tensors[name] = numpy.frombuffer(reader.take(4 * count), "<f4").reshape(shape)
    return metadata, tensors
