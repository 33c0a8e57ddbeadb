// P-384 keys and certificates as PEM files that openssl reads and writes: PKCS #8, SubjectPublicKeyInfo, X.509.
//
// key_file.cpp is the only file of this program that knows mbedTLS.
#pragma once

#include <string>

#include "firmware/crypto/ecdsa_p384.hpp"
#include "tools/provision/bytes_and_files.hpp"

namespace provision {

// A private key and its public point.
struct PrivateKey {
  measure::Digest scalar{};  // secret
  crypto::P384KeyPair pair;
};
[[nodiscard]] PrivateKey make_private_key(const measure::Digest& scalar);

[[nodiscard]] std::string private_key_pem(const PrivateKey& key);  // "BEGIN PRIVATE KEY"
[[nodiscard]] std::string public_key_pem(const crypto::P384PublicKey& key);
[[nodiscard]] std::string certificate_pem(ByteView der);

// Also takes SEC 1 ("BEGIN EC PRIVATE KEY"), as openssl ecparam writes it. Not encrypted, P-384 only.
[[nodiscard]] PrivateKey read_private_key(const Path& path);
// From a public key, a private key or a certificate.
[[nodiscard]] crypto::P384PublicKey read_public_key(const Path& path);
[[nodiscard]] Bytes read_certificate_der(const Path& path);  // PEM or DER

}  // namespace provision
