#include "tools/provision/key_file.hpp"

#include <mbedtls/ecp.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <sys/random.h>

#include <algorithm>
#include <iterator>

#include "firmware/crypto/der_writer.hpp"

namespace provision {
namespace {

namespace der = crypto::der;

constexpr std::size_t kMaxKeyFile = 16 * 1024;
constexpr std::array<std::uint8_t, 7> kEcPublicKeyOid{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
constexpr std::array<std::uint8_t, 5> kSecp384r1Oid{0x2b, 0x81, 0x04, 0x00, 0x22};

int system_random(void*, unsigned char* output, std::size_t size) {
  return ::getrandom(output, size, 0) == static_cast<ssize_t>(size) ? 0 : MBEDTLS_ERR_PK_BAD_INPUT_DATA;
}

std::string pem(std::string_view label, ByteView content) {
  const std::string begin = "-----BEGIN " + std::string(label) + "-----\n";
  const std::string end = "-----END " + std::string(label) + "-----\n";
  std::string text(content.size() * 2 + 256, '\0');
  std::size_t length = 0;
  const int error = mbedtls_pem_write_buffer(begin.c_str(), end.c_str(), content.data(), content.size(),
                                             reinterpret_cast<unsigned char*>(text.data()), text.size(), &length);
  if (error != 0) throw ProvisionError("internal: PEM does not fit");
  text.resize(length - 1);  // without the NUL
  return text;
}

// AlgorithmIdentifier { id-ecPublicKey, secp384r1 } (RFC 5480 section 2.1.1).
void write_algorithm(crypto::DerWriter& writer) {
  const std::size_t end = writer.mark();
  writer.value(der::kObjectIdentifier, kSecp384r1Oid);
  writer.value(der::kObjectIdentifier, kEcPublicKeyOid);
  writer.wrap(der::kSequence, end);
}

class ParsedKey {
 public:
  ParsedKey() { mbedtls_pk_init(&key); }
  ~ParsedKey() { mbedtls_pk_free(&key); }
  ParsedKey(const ParsedKey&) = delete;
  ParsedKey& operator=(const ParsedKey&) = delete;
  mbedtls_pk_context key;
};

// mbedTLS wants PEM with the NUL counted.
Bytes read_text(const Path& path) {
  Bytes content = read_file(path, kMaxKeyFile);
  content.push_back(0);
  return content;
}

const mbedtls_ecp_keypair& p384_of(const mbedtls_pk_context& key, const Path& path) {
  const bool curve = mbedtls_pk_get_type(&key) == MBEDTLS_PK_ECKEY &&
                     mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(key)) == MBEDTLS_ECP_DP_SECP384R1;
  if (!curve) throw ProvisionError(path.string() + ": the key is not an elliptic-curve key on P-384");
  return *mbedtls_pk_ec(key);
}

crypto::P384PublicKey point_of(const mbedtls_pk_context& key, const Path& path) {
  crypto::P384PublicKey point{};
  std::size_t length = 0;
  const int error = mbedtls_ecp_write_public_key(&p384_of(key, path), MBEDTLS_ECP_PF_UNCOMPRESSED, &length,
                                                 point.data(), point.size());
  if (error != 0 || length != point.size()) throw ProvisionError(path.string() + ": the public key can't be used");
  return point;
}

bool contains(const Bytes& text, std::string_view what) {
  return std::search(text.begin(), text.end(), what.begin(), what.end()) != text.end();
}

}  // namespace

PrivateKey make_private_key(const measure::Digest& scalar) {
  const auto pair = crypto::P384KeyPair::from_scalar(scalar);
  if (!pair.ok()) throw ProvisionError("the number is no P-384 private key");
  return {scalar, pair.value()};
}

std::string private_key_pem(const PrivateKey& key) {
  // OneAsymmetricKey (RFC 5958) around ECPrivateKey (RFC 5915), written back to front.
  std::array<std::uint8_t, 256> buffer{};
  crypto::DerWriter writer(buffer);
  const std::size_t whole = writer.mark();
  {
    const std::size_t inner = writer.mark();
    const std::size_t ec_key = writer.mark();
    const std::size_t public_part = writer.mark();
    writer.bit_string(key.pair.public_key());
    writer.wrap(der::context_constructed(1), public_part);
    writer.value(der::kOctetString, key.scalar);
    writer.integer(std::uint64_t{1});
    writer.wrap(der::kSequence, ec_key);
    writer.wrap(der::kOctetString, inner);
  }
  write_algorithm(writer);
  writer.integer(std::uint64_t{0});
  writer.wrap(der::kSequence, whole);
  const auto content = writer.result();
  if (!content.ok()) throw ProvisionError("internal: a private key does not fit");
  return pem("PRIVATE KEY", content.value());
}

std::string public_key_pem(const crypto::P384PublicKey& key) {
  std::array<std::uint8_t, 160> buffer{};
  crypto::DerWriter writer(buffer);
  const std::size_t whole = writer.mark();
  writer.bit_string(key);
  write_algorithm(writer);
  writer.wrap(der::kSequence, whole);
  const auto content = writer.result();
  if (!content.ok()) throw ProvisionError("internal: a public key does not fit");
  return pem("PUBLIC KEY", content.value());
}

std::string certificate_pem(ByteView content) { return pem("CERTIFICATE", content); }

PrivateKey read_private_key(const Path& path) {
  const Bytes text = read_text(path);
  ParsedKey parsed;
  if (mbedtls_pk_parse_key(&parsed.key, text.data(), text.size(), nullptr, 0, system_random, nullptr) != 0) {
    throw ProvisionError(path.string() + ": not an unencrypted private key in PEM");
  }
  const mbedtls_ecp_keypair& pair = p384_of(parsed.key, path);
  measure::Digest scalar{};
  std::size_t length = 0;
  if (mbedtls_ecp_write_key_ext(&pair, &length, scalar.data(), scalar.size()) != 0 || length != scalar.size()) {
    throw ProvisionError(path.string() + ": the private key can't be used");
  }
  return make_private_key(scalar);
}

crypto::P384PublicKey read_public_key(const Path& path) {
  const Bytes text = read_text(path);
  if (contains(text, "PRIVATE KEY")) return read_private_key(path).pair.public_key();
  if (contains(text, "BEGIN CERTIFICATE")) {
    mbedtls_x509_crt certificate;
    mbedtls_x509_crt_init(&certificate);
    const int error = mbedtls_x509_crt_parse(&certificate, text.data(), text.size());
    if (error != 0) {
      mbedtls_x509_crt_free(&certificate);
      throw ProvisionError(path.string() + ": not a certificate in PEM");
    }
    const crypto::P384PublicKey point = point_of(certificate.pk, path);
    mbedtls_x509_crt_free(&certificate);
    return point;
  }
  ParsedKey parsed;
  if (mbedtls_pk_parse_public_key(&parsed.key, text.data(), text.size()) != 0) {
    throw ProvisionError(path.string() + ": not a public key, private key or certificate in PEM");
  }
  return point_of(parsed.key, path);
}

Bytes read_certificate_der(const Path& path) {
  const Bytes text = read_text(path);
  mbedtls_x509_crt certificate;
  mbedtls_x509_crt_init(&certificate);
  const bool is_pem = contains(text, "BEGIN CERTIFICATE");
  const int error = mbedtls_x509_crt_parse(&certificate, text.data(), is_pem ? text.size() : text.size() - 1);
  const Bytes content = error == 0 ? Bytes(certificate.raw.p, certificate.raw.p + certificate.raw.len) : Bytes();
  mbedtls_x509_crt_free(&certificate);
  if (content.empty()) throw ProvisionError(path.string() + ": not a certificate");
  return content;
}

}  // namespace provision
