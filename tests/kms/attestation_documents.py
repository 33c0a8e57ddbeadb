"""Attestation documents of a chain that the test makes itself: root to leaf, P-384, COSE_Sign1 (ES384), as AWS documents them.

Written from the published formats (nitro-formats: COSE_Sign1 of RFC 9052, CBOR of RFC 8949, the document of AWS's Nitro Enclaves), and
not from the project's own code.
"""
import datetime
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID


def head(major, value):
    for size, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << (8 * size):
            return bytes([major << 5 | code]) + value.to_bytes(size, "big")
    raise ValueError(value)


def cbor(value):
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(cbor(item) for item in value)
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
    raise TypeError(value)


def key_usage(**chosen):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: chosen.get(name, False) for name in names})


def certificate(name, key, issuer_name, issuer_key, path_length, seconds, begin, units=None):
    def named(text):
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, text)]
        unit = (units or {}).get(text)
        if unit:
            parts.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
        return x509.Name(parts)
    leaf = path_length is None
    start = datetime.datetime.utcfromtimestamp(begin)
    builder = (x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer_name)).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(start)
               .not_valid_after(start + datetime.timedelta(seconds=seconds))
               .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None if leaf else path_length), critical=True)
               .add_extension(key_usage(digital_signature=leaf, key_cert_sign=not leaf), critical=True))
    return builder.sign(issuer_key, hashes.SHA384())


class Chain:
    """Three authorities and a leaf; `document` signs whatever it is asked to."""

    def __init__(self, seconds=7200, begin=None, unit=None):
        begin = int(time.time()) - 60 if begin is None else begin
        self.keys = [ec.generate_private_key(ec.SECP384R1()) for _ in range(4)]
        names = ["test root", "test device", "test monitor", "test enclave"]
        self.certificates = []
        for i, name in enumerate(names):
            above = max(i - 1, 0)
            self.certificates.append(certificate(name, self.keys[i], names[above], self.keys[above],
                                                 None if i == 3 else 2 - i, seconds, begin, {names[1]: unit}))

    def der(self, index):
        return self.certificates[index].public_bytes(serialization.Encoding.DER)

    def new_leaf(self, seconds=7200):
        """The same authorities, another enclave."""
        self.keys[3] = ec.generate_private_key(ec.SECP384R1())
        self.certificates[3] = certificate("another enclave", self.keys[3], "test monitor", self.keys[2], None, seconds,
                                           int(time.time()) - 60)

    def root_pem(self):
        return self.certificates[0].public_bytes(serialization.Encoding.PEM)

    def document(self, public_key=None, pcrs=None, changes=None, spoil=False):
        registers = {i: bytes(48) for i in range(16)}
        registers.update({0: bytes([0x10]) * 48, 1: bytes([0x11]) * 48, 2: bytes([0x12]) * 48, 4: bytes([0x14]) * 48})
        registers.update(pcrs or {})
        payload = {"module_id": "i-0123456789abcdef0-enc0123456789abcdef", "digest": "SHA384",
                   "timestamp": int(time.time() * 1000), "pcrs": registers, "certificate": self.der(3),
                   "cabundle": [self.der(i) for i in range(3)]}
        if public_key is not None:
            payload["public_key"] = public_key
        payload.update(changes or {})
        protected, content = cbor({1: -35}), cbor(payload)
        signed = cbor(["Signature1", protected, b"", content])
        r, s = decode_dss_signature(self.keys[3].sign(signed, ec.ECDSA(hashes.SHA384())))
        signature = bytearray(r.to_bytes(48, "big") + s.to_bytes(48, "big"))
        if spoil:
            signature[17] ^= 1
        return cbor([protected, {}, content, bytes(signature)])


def rsa_key(bits=2048):
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key, key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pcr_hex(byte):
    return (bytes([byte]) * 48).hex()
