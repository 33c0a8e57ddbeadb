// Cryptography of the programs around the monitor: the key service, the key proxy, the clients in enclaves. Everything here
// is OpenSSL's libcrypto behind types that can't be confused; no other folder names its headers. (The monitor itself and the
// verifier of documents use mbedTLS: docs/decisions/0024 says why both.)
//
// Failures that only a broken machine or a wrong caller can cause throw CryptographyError; what an input can cause is nullopt.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cofferdam/bytes.hpp"

namespace cryptography {

using cofferdam::Bytes;
using cofferdam::ByteView;

class CryptographyError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Bytes that are wiped when they are dropped or replaced; they move and are never copied by accident.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size) : bytes_(size) {}
  explicit SecretBytes(Bytes bytes) : bytes_(std::move(bytes)) {}
  ~SecretBytes() { wipe(); }
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  [[nodiscard]] static SecretBytes copy_of(ByteView bytes) { return SecretBytes(Bytes(bytes.begin(), bytes.end())); }
  [[nodiscard]] ByteView view() const { return bytes_; }
  [[nodiscard]] std::span<std::uint8_t> writable() { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  void wipe();

 private:
  Bytes bytes_;
};

void fill_random(std::span<std::uint8_t> out);
[[nodiscard]] Bytes random_bytes(std::size_t size);
[[nodiscard]] SecretBytes random_secret(std::size_t size);

using Digest256 = std::array<std::uint8_t, 32>;
[[nodiscard]] Digest256 sha256(ByteView bytes);
[[nodiscard]] Digest256 hmac_sha256(ByteView key, ByteView bytes);
enum class Hash : std::uint8_t { kSha1, kSha256, kSha384, kSha512 };
// RFC 5869, extract and expand. `size` at most 255 times the hash's.
[[nodiscard]] SecretBytes hkdf(Hash hash, ByteView secret, ByteView salt, ByteView info, std::size_t size);
// In a time that doesn't depend on where they differ.
[[nodiscard]] bool equal_in_constant_time(ByteView a, ByteView b);

inline constexpr std::size_t kAes256Key = 32, kGcmTag = 16, kGcmIv = 12, kCbcIv = 16;
struct Sealed {
  Bytes ciphertext;
  std::array<std::uint8_t, kGcmTag> tag{};
};
// AES-256-GCM (SP 800-38D). The key has 32 bytes, the IV 12 to 16.
[[nodiscard]] Sealed seal(ByteView key, ByteView iv, ByteView associated, ByteView plaintext);
[[nodiscard]] std::optional<SecretBytes> open(ByteView key, ByteView iv, ByteView associated, ByteView ciphertext, ByteView tag);

// AES-256-CBC with PKCS#7 padding, for CMS content (RFC 3565). It authenticates nothing.
[[nodiscard]] Bytes encrypt_cbc(ByteView key, ByteView iv, ByteView plaintext);
[[nodiscard]] std::optional<SecretBytes> decrypt_cbc(ByteView key, ByteView iv, ByteView ciphertext);

// The public half of any key, SubjectPublicKeyInfo as DER.
enum class KeyKind : std::uint8_t { kRsa2048, kRsa3072, kRsa4096, kP256, kP384, kP521, kSecp256k1 };
class PublicKey {
 public:
  // Nullopt: no SubjectPublicKeyInfo, something behind it, or a kind that isn't in the list.
  [[nodiscard]] static std::optional<PublicKey> from_spki(ByteView der);
  [[nodiscard]] KeyKind kind() const;
  [[nodiscard]] const Bytes& spki() const;
  // RSAES-OAEP (RFC 8017) with MGF1 of the same hash and an empty label. RSA keys only. Nullopt: too long for the key.
  [[nodiscard]] std::optional<Bytes> encrypt_oaep(Hash hash, ByteView plaintext) const;
  struct State;

 private:
  std::shared_ptr<const State> state_;
  friend class PrivateKey;
};
class PrivateKey {
 public:
  [[nodiscard]] static PrivateKey generate(KeyKind kind);
  [[nodiscard]] static std::optional<PrivateKey> from_pkcs8(ByteView der);
  [[nodiscard]] const PublicKey& public_key() const;
  [[nodiscard]] SecretBytes pkcs8() const;
  [[nodiscard]] std::string pkcs8_pem() const;
  [[nodiscard]] std::optional<SecretBytes> decrypt_oaep(Hash hash, ByteView ciphertext) const;
  struct State;

 private:
  [[nodiscard]] static PrivateKey from_state(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
  PublicKey public_key_;
};

// A certificate that the key signs for itself: X.509 v3, valid from an hour ago for `days` (at most 825), for the names given
// (DNS names or IPv4 addresses). For TLS servers whose key is believed for another reason than who signed it.
[[nodiscard]] std::string self_signed_pem(const PrivateKey& key, const std::string& common_name,
                                          const std::vector<std::string>& names, int days);

// A certificate for `subject`, signed by `signing_key`: of its own when `issuer_pem` is empty. Names and days as above.
enum class CertificatePurpose : std::uint8_t { kAuthority, kServer, kClient };
struct CertificateRequest {
  const PublicKey& subject;
  const PrivateKey& signing_key;
  std::string issuer_pem;
  std::string common_name;  // 1 to 64 characters
  std::vector<std::string> names;
  int days{};
  CertificatePurpose purpose{};
};
[[nodiscard]] std::string issue(const CertificateRequest& request);
// SubjectPublicKeyInfo of a certificate (DER). Nullopt: none.
[[nodiscard]] std::optional<Bytes> spki_of_certificate(ByteView der);

}  // namespace cryptography
