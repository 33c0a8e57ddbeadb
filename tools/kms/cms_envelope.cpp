#include "tools/kms/cms_envelope.hpp"

#include <algorithm>
#include <initializer_list>

namespace kms {
namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;

constexpr std::size_t kChunk = 1000;

// X.690 section 8.1: tag, definite length in its shortest form, content.
Bytes element(std::uint8_t tag, ByteView content) {
  Bytes bytes{tag};
  if (content.size() < 0x80) {
    bytes.push_back(static_cast<std::uint8_t>(content.size()));
  } else if (content.size() <= 0xff) {
    bytes.insert(bytes.end(), {0x81, static_cast<std::uint8_t>(content.size())});
  } else {
    bytes.insert(bytes.end(), {0x82, static_cast<std::uint8_t>(content.size() >> 8), static_cast<std::uint8_t>(content.size())});
  }
  bytes.insert(bytes.end(), content.begin(), content.end());
  return bytes;
}

Bytes joined(std::initializer_list<ByteView> parts) {
  Bytes all;
  for (const ByteView part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

const Bytes kEnvelopedData{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03};  // 1.2.840.113549.1.7.3
const Bytes kData{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};           // 1.2.840.113549.1.7.1
const Bytes kAes256Cbc{0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a};      // 2.16.840.1.101.3.4.1.42
const Bytes kVersion2{0x02, 0x01, 0x02};
// RFC 4055 section 4.1: id-RSAES-OAEP, hash [0] SHA-256, mgf [1] MGF1 with SHA-256; the label stays the default, empty.
const Bytes kOaepSha256{0x30, 0x3c, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2f, 0xa0,
                        0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
                        0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30,
                        0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00};
const Bytes kIndefiniteSequence{0x30, 0x80};
const Bytes kIndefiniteZero{0xa0, 0x80};  // context tag 0, constructed
const Bytes kEndOfContents{0x00, 0x00};

}  // namespace

Bytes envelope_for(const cryptography::PublicKey& key, ByteView plaintext) {
  const cryptography::SecretBytes content_key = cryptography::random_secret(cryptography::kAes256Key);
  const Bytes iv = cryptography::random_bytes(cryptography::kCbcIv);
  const std::optional<Bytes> encrypted_key = key.encrypt_oaep(cryptography::Hash::kSha256, content_key.view());
  if (!encrypted_key) throw cryptography::CryptographyError("a content key does not fit the recipient's key");
  const Bytes content = cryptography::encrypt_cbc(content_key.view(), iv, plaintext);

  const Bytes recipient = element(0x30, joined({kVersion2, element(0x80, cryptography::sha256(key.spki())), kOaepSha256,
                                                element(0x04, *encrypted_key)}));
  Bytes bytes = joined({kIndefiniteSequence, kEnvelopedData, kIndefiniteZero, kIndefiniteSequence, kVersion2,
                        element(0x31, recipient), kIndefiniteSequence, kData,
                        element(0x30, joined({kAes256Cbc, element(0x04, iv)})), kIndefiniteZero});
  for (std::size_t at = 0; at < content.size(); at += kChunk) {
    const Bytes chunk = element(0x04, ByteView(content).subspan(at, std::min(kChunk, content.size() - at)));
    bytes.insert(bytes.end(), chunk.begin(), chunk.end());
  }
  // [0] of the content, EncryptedContentInfo, EnvelopedData, [0] EXPLICIT, ContentInfo.
  for (int open = 0; open < 5; ++open) bytes.insert(bytes.end(), kEndOfContents.begin(), kEndOfContents.end());
  return bytes;
}

}  // namespace kms
