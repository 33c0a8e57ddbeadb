"""Reads and writes encrypted artifacts from the specification alone (AWS Encryption SDK, message 2, suite 0x0478): a second
implementation that the tests hold ours against. It checks less than ours; it is for well-formed messages."""
import os
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SUITE = b"\x04\x78"


def keys_of(data_key, message_id):
    def derive(info):
        return HKDF(hashes.SHA512(), 32, message_id, info).derive(data_key)
    return AESGCM(derive(SUITE + b"DERIVEKEY")), derive(b"COMMITKEY")


def iv(number):
    return number.to_bytes(12, "big")


def frame_aad(message_id, final, number, length):
    name = b"AWSKMSEncryptionClient Final Frame" if final else b"AWSKMSEncryptionClient Frame"
    return message_id + name + struct.pack(">IQ", number, length)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert self.at + size <= len(self.data), "cut short"
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def field(self):
        return self.take(self.number(2))


def decrypt(message, data_key_of):
    """(plaintext, context, [(provider, information, ciphertext)]); data_key_of gets the list and the context."""
    reader = Reader(message)
    assert reader.take(3) == b"\x02" + SUITE
    message_id = reader.take(32)
    context, section = {}, Reader(reader.field())
    if section.data:
        for _ in range(section.number(2)):
            key = section.field().decode()
            context[key] = section.field().decode()
        assert section.at == len(section.data)
    encrypted = [(reader.field().decode(), reader.field().decode(), reader.field()) for _ in range(reader.number(2))]
    assert reader.take(1) == b"\x02", "not framed"
    frame_length = reader.number(4)
    commitment = reader.take(32)
    header = message[:reader.at]
    key, expected = keys_of(data_key_of(encrypted, context), message_id)
    assert commitment == expected, "another key"
    key.decrypt(iv(0), reader.take(16), header)
    plaintext, number, final = b"", 0, False
    while not final:
        number += 1
        found = reader.number(4)
        final = found == 0xFFFFFFFF
        if final:
            found = reader.number(4)
        assert found == number, (found, number)
        nonce = reader.take(12)
        length = reader.number(4) if final else frame_length
        plaintext += key.decrypt(nonce, reader.take(length + 16), frame_aad(message_id, final, number, length))
    assert reader.at == len(message), "something follows"
    return plaintext, context, encrypted


def encrypt(plaintext, data_key, encrypted_keys, context, frame_length, empty_final=False):
    def field(data):
        return struct.pack(">H", len(data)) + data
    message_id = os.urandom(32)
    key, commitment = keys_of(data_key, message_id)
    pairs = b"".join(field(k.encode()) + field(v.encode()) for k, v in sorted(context.items()))
    header = b"\x02" + SUITE + message_id + field(struct.pack(">H", len(context)) + pairs if context else b"")
    header += struct.pack(">H", len(encrypted_keys))
    for provider, information, ciphertext in encrypted_keys:
        header += field(provider.encode()) + field(information.encode()) + field(ciphertext)
    header += b"\x02" + struct.pack(">I", frame_length) + commitment
    message = header + key.encrypt(iv(0), b"", header)
    pieces = [plaintext[at:at + frame_length] for at in range(0, len(plaintext), frame_length)] or [b""]
    if empty_final and len(pieces[-1]) == frame_length:
        pieces.append(b"")
    for number, piece in enumerate(pieces, 1):
        final = number == len(pieces)
        message += b"\xff" * 4 if final else b""
        message += struct.pack(">I", number) + iv(number)
        message += struct.pack(">I", len(piece)) if final else b""
        message += key.encrypt(iv(number), piece, frame_aad(message_id, final, number, len(piece)))
    return message
