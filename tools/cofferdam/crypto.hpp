// Hashes, certificates and ECDSA for the host program. The only file beside it that knows mbedTLS is crypto.cpp.
//
// A Certificate is what one DER encoding says, read strictly (one encoding, nothing after it, no extension twice);
// whether it may be trusted is chain.hpp's question. Times are Unix seconds.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "tools/cofferdam/bytes.hpp"

namespace cofferdam {

class CryptoError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
inline void require(bool condition, const char* what) {
  if (!condition) throw CryptoError(what);
}

using Digest256 = std::array<std::uint8_t, 32>;
using Digest384 = std::array<std::uint8_t, 48>;
[[nodiscard]] Digest256 sha256(ByteView bytes);
[[nodiscard]] Digest384 sha384(ByteView bytes);
// PCR := SHA-384(PCR || data).
[[nodiscard]] Digest384 extend(const Digest384& pcr, ByteView data);

enum class Curve : std::uint8_t { kP256, kP384, kP521 };
[[nodiscard]] std::string_view name_of(Curve curve);

// ECDSA as COSE has it (RFC 9053): the algorithm is a hash, the signature is r || s at the curve's width.
enum class Algorithm : std::int64_t { kEs256 = -7, kEs384 = -35, kEs512 = -36 };
[[nodiscard]] std::string_view name_of(Algorithm algorithm);
[[nodiscard]] Algorithm algorithm_for(Curve curve);

// A position in DER (X.690). Every step throws CryptoError when the bytes are not as asked for.
class DerReader {
 public:
  explicit DerReader(ByteView bytes) : bytes_(bytes) {}
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }
  [[nodiscard]] int next_tag() const { return at_end() ? -1 : bytes_[0]; }
  ByteView take(int tag);                 // the content of the next element, which must have this tag
  [[nodiscard]] std::uint64_t unsigned_integer(int tag);  // in its shortest form, at most 64 bits

 private:
  ByteView bytes_;
};
inline constexpr int kDerInteger = 0x02;
inline constexpr int kDerBitString = 0x03;
inline constexpr int kDerOctetString = 0x04;
inline constexpr int kDerObjectIdentifier = 0x06;
inline constexpr int kDerSequence = 0x30;
inline constexpr int kDerSet = 0x31;
// "1.2.840...", arcs of any size. Throws CryptoError.
[[nodiscard]] std::string dotted_oid(ByteView oid);
// What can't be shown safely on a terminal is shown as \xx.
[[nodiscard]] std::string printable(ByteView bytes);

struct PublicKey {
  Curve curve{};
  Bytes point;  // uncompressed; on the curve
};
// Checks r and s in [1, n-1]; takes high s too, as half of all real documents have it. Any hash with any curve, as
// RFC 9053 allows; who wants more (algorithm_for) says so.
[[nodiscard]] bool verify(const PublicKey& key, Algorithm algorithm, ByteView message, ByteView signature);

struct Extension {
  std::string oid;  // dotted
  bool critical{};
  Bytes value;      // the content of the OCTET STRING
};

struct BasicConstraints {
  bool critical{};
  bool ca{};
  std::optional<int> path_length;
};

inline constexpr unsigned kDigitalSignature = 0x80;
inline constexpr unsigned kKeyCertSign = 0x04;

struct Certificate {
  Bytes der;
  int version{};
  std::string serial;   // hexadecimal
  std::string subject;  // for people: "CN=..., O=..."
  std::string issuer;
  Bytes subject_raw;    // for comparing
  Bytes issuer_raw;
  std::vector<std::pair<std::string, std::string>> issuer_attributes;  // long names ("commonName"), in order
  std::vector<std::pair<std::string, std::string>> subject_attributes;
  std::int64_t not_before{};
  std::int64_t not_after{};
  PublicKey key;
  std::string signature_algorithm;  // "ecdsa-with-SHA384"
  Bytes signature;                  // DER
  std::optional<BasicConstraints> basic_constraints;
  std::optional<unsigned> key_usage;
  std::vector<Extension> extensions;  // all, in order

  [[nodiscard]] const Extension* extension(std::string_view oid) const;
};

// Throws CryptoError saying what is wrong.
[[nodiscard]] Certificate parse_certificate(ByteView der);
// The same for the certificate of an image's signer, of which only the key and the dates count: any version, issuer and
// extensions, and nothing is read of the latter. Throws CryptoError.
[[nodiscard]] Certificate parse_signer(ByteView der);
// The signature on `certificate` by `issuer`, with ecdsa-with-SHA384 or, for other curves, their own hash.
[[nodiscard]] bool is_signed_by(const Certificate& certificate, const PublicKey& issuer);
// The certificates of a file: PEM (as many as there are) or one DER. Throws CryptoError when there is none.
[[nodiscard]] std::vector<Bytes> certificates_in(ByteView file);

class PrivateKey {
 public:
  // PEM or DER: SEC1 or unencrypted PKCS#8. Throws CryptoError.
  explicit PrivateKey(ByteView file);
  ~PrivateKey();
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
  // Deterministic (RFC 6979): the same message gives the same bytes.
  [[nodiscard]] Bytes sign(ByteView message) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  PublicKey public_key_;
};

}  // namespace cofferdam
