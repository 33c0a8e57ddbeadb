#include "guests/enclave/keys/cms_envelope.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace enclave_keys {
namespace {

// Identifier octets (X.690, 8.1.2) of what an envelope has.
constexpr std::uint8_t kInteger = 0x02, kOctets = 0x04, kNull = 0x05, kObject = 0x06, kSequence = 0x30, kSet = 0x31,
                       kTag0 = 0x80, kTag0Constructed = 0xA0, kTag1Constructed = 0xA1;
constexpr std::size_t kMostDepth = 10;  // the hash of the mask generation lies that deep
constexpr std::size_t kBlock = 16, kContentKey = 32, kRsaBlock = 256;

// Contents of OBJECT IDENTIFIERs.
constexpr std::uint8_t kEnvelopedData[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03};
constexpr std::uint8_t kData[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
constexpr std::uint8_t kOaep[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07};
constexpr std::uint8_t kMgf1[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08};
constexpr std::uint8_t kSha256[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};
constexpr std::uint8_t kAes256Cbc[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a};

[[noreturn]] void refuse(std::string_view what) {
  throw BadEnvelope("the key service's envelope can't be used: " + std::string(what));
}

// Goes through elements in their order. A constructed one is entered and left; it ends where its length or its
// end-of-contents says (X.690, 8.1.3 and 8.1.5), and nothing may be left in it.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) { open_[0] = {.end = bytes.size(), .marked = false}; }

  [[nodiscard]] bool at_end() const {
    return open_[depth_].marked ? left() >= 2 && bytes_[at_] == 0 && bytes_[at_ + 1] == 0 : left() == 0;
  }
  [[nodiscard]] bool is_next(std::uint8_t tag) const { return !at_end() && left() > 0 && bytes_[at_] == tag; }

  ByteView primitive(std::uint8_t tag, const char* what) {
    const std::optional<std::size_t> length = start(tag, what);
    if (!length) refuse(std::string(what) + " has no length of its own");
    const ByteView content = bytes_.subspan(at_, *length);
    at_ += *length;
    return content;
  }
  void enter(std::uint8_t tag, const char* what) {
    const std::optional<std::size_t> length = start(tag, what);
    if (depth_ + 1 == open_.size()) refuse("it is nested too deep");
    const std::size_t end = length ? at_ + *length : open_[depth_].end;
    open_[++depth_] = {.end = end, .marked = !length};
  }
  void leave(const char* what) {
    if (!at_end()) refuse("something unknown stands at the end of " + std::string(what) + ", or its end is missing");
    if (open_[depth_].marked) at_ += 2;
    --depth_;
  }
  void expect_end() const {
    if (!at_end()) refuse("something follows it");
  }

 private:
  struct Open {
    std::size_t end;
    bool marked;  // the length is indefinite
  };
  [[nodiscard]] std::size_t left() const { return open_[depth_].end - at_; }
  std::uint8_t byte() {
    if (left() == 0) refuse("it is cut short");
    return bytes_[at_++];
  }
  // Nullopt: indefinite.
  std::optional<std::size_t> start(std::uint8_t tag, const char* what) {
    if (left() == 0) refuse("it is cut short before " + std::string(what));
    if (bytes_[at_] != tag) refuse(std::string(what) + " is not where it should be");
    ++at_;
    const std::uint8_t first = byte();
    if (first == 0x80) return std::nullopt;
    std::size_t length = first;
    if (first > 0x80) {
      if (first > 0x82) refuse("a length is out of bounds");
      length = 0;
      for (int count = first & 0x7F; count > 0; --count) length = length << 8 | byte();
      if (length < (first == 0x81 ? 0x80U : 0x100U)) refuse("a length is not written in its shortest form");
    }
    if (length > left()) refuse("it is cut short within " + std::string(what));
    return length;
  }

  ByteView bytes_;
  std::size_t at_{};
  std::array<Open, kMostDepth + 1> open_{};
  std::size_t depth_{};
};

void expect_object(Reader& reader, ByteView identifier, const char* what) {
  if (!cofferdam::equal(reader.primitive(kObject, what), identifier)) refuse(std::string(what) + " is another");
}
void expect_version(Reader& reader, const char* what) {
  const ByteView version = reader.primitive(kInteger, what);
  if (version.size() != 1 || version[0] != 2) refuse(std::string(what) + " is not 2");
}

// AlgorithmIdentifier of SHA-256; its parameters are NULL or absent (RFC 5754, 2).
void expect_sha256(Reader& reader, const char* what) {
  reader.enter(kSequence, what);
  expect_object(reader, kSha256, what);
  if (reader.is_next(kNull) && !reader.primitive(kNull, what).empty()) refuse("a NULL has content");
  reader.leave(what);
}

// RSAES-OAEP-params (RFC 8017, A.2.1). The label's source is left out: it has its default, an empty label.
void expect_oaep_sha256(Reader& reader) {
  reader.enter(kSequence, "the key encryption algorithm");
  expect_object(reader, kOaep, "the key encryption algorithm");
  reader.enter(kSequence, "the OAEP parameters");
  reader.enter(kTag0Constructed, "the OAEP hash");
  expect_sha256(reader, "the OAEP hash");
  reader.leave("the OAEP hash");
  reader.enter(kTag1Constructed, "the mask generation");
  reader.enter(kSequence, "the mask generation");
  expect_object(reader, kMgf1, "the mask generation");
  expect_sha256(reader, "the hash of the mask generation");
  reader.leave("the mask generation");
  reader.leave("the mask generation");
  reader.leave("the OAEP parameters");
  reader.leave("the key encryption algorithm");
}

void read_recipient(Reader& reader, Envelope& envelope) {
  reader.enter(kSequence, "the recipient");
  expect_version(reader, "the recipient's version");
  envelope.key_identifier = reader.primitive(kTag0, "the recipient's key identifier");
  expect_oaep_sha256(reader);
  envelope.encrypted_key = reader.primitive(kOctets, "the encrypted key");
  if (envelope.encrypted_key.size() != kRsaBlock) refuse("the encrypted key has not the 256 bytes of RSA-2048");
  reader.leave("the recipient");
}

void read_content(Reader& reader, Envelope& envelope) {
  reader.enter(kSequence, "the content");
  expect_object(reader, kData, "the content's type");
  reader.enter(kSequence, "the content's algorithm");
  expect_object(reader, kAes256Cbc, "the content's algorithm");
  envelope.iv = reader.primitive(kOctets, "the IV");
  if (envelope.iv.size() != kBlock) refuse("the IV has not 16 bytes");
  reader.leave("the content's algorithm");
  if (reader.is_next(kTag0)) {
    const ByteView whole = reader.primitive(kTag0, "the encrypted content");
    envelope.ciphertext.assign(whole.begin(), whole.end());
  } else {
    reader.enter(kTag0Constructed, "the encrypted content");
    for (std::size_t chunks = 0; !reader.at_end(); ++chunks) {
      if (chunks == kMostChunks) refuse("the content has too many chunks");
      const ByteView chunk = reader.primitive(kOctets, "a chunk of the content");
      envelope.ciphertext.insert(envelope.ciphertext.end(), chunk.begin(), chunk.end());
    }
    reader.leave("the encrypted content");
  }
  if (envelope.ciphertext.empty() || envelope.ciphertext.size() % kBlock != 0)
    refuse("the content is not in whole blocks");
  reader.leave("the content");
}

}  // namespace

Envelope read_envelope(ByteView ber) {
  if (ber.size() > kMostEnvelope) refuse("it is longer than 4608 bytes");
  Envelope envelope;
  Reader reader(ber);
  reader.enter(kSequence, "the envelope");
  expect_object(reader, kEnvelopedData, "the envelope's type");
  reader.enter(kTag0Constructed, "the enveloped data");
  reader.enter(kSequence, "the enveloped data");
  expect_version(reader, "the version");
  reader.enter(kSet, "the recipients");
  read_recipient(reader, envelope);
  reader.leave("the recipients");
  read_content(reader, envelope);
  reader.leave("the enveloped data");
  reader.leave("the enveloped data");
  reader.leave("the envelope");
  reader.expect_end();
  return envelope;
}

SecretBytes open_envelope(ByteView ber, const cryptography::PrivateKey& key, std::optional<std::size_t> length) {
  const Envelope envelope = read_envelope(ber);
  const cryptography::Digest256 identifier = cryptography::sha256(key.public_key().spki());
  if (!cofferdam::equal(envelope.key_identifier, identifier)) refuse("it is for another key than this enclave's");
  constexpr const char* kDoesNotOpen = "it does not open with this enclave's key";
  const auto content_key = key.decrypt_oaep(cryptography::Hash::kSha256, envelope.encrypted_key);
  if (!content_key || content_key->size() != kContentKey) refuse(kDoesNotOpen);
  auto plaintext = cryptography::decrypt_cbc(content_key->view(), envelope.iv, envelope.ciphertext);
  if (!plaintext) refuse(kDoesNotOpen);
  // Said as the others: what tells a wrong padding from a wrong length answers questions about the plaintext.
  if (length && plaintext->size() != *length) refuse(kDoesNotOpen);
  return std::move(*plaintext);
}

}  // namespace enclave_keys
