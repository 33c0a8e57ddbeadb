// CiphertextForRecipient against the bytes that real ones have (RFC 5652, and what AWS sends).
#include "tools/kms/cms_envelope.hpp"

#include <gtest/gtest.h>

namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cofferdam::to_hex;
using cryptography::KeyKind;
using cryptography::PrivateKey;

class Walk {
 public:
  explicit Walk(ByteView bytes) : rest_(bytes) {}
  void expect(std::string_view hex) {
    const std::size_t size = hex.size() / 2;
    ASSERT_GE(rest_.size(), size);
    EXPECT_EQ(to_hex(rest_.first(size)), hex);
    rest_ = rest_.subspan(size);
  }
  Bytes take(std::size_t size) {
    if (rest_.size() < size) throw std::out_of_range("the envelope ends early");
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return {taken.begin(), taken.end()};
  }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

 private:
  ByteView rest_;
};

const PrivateKey& key_2048() {
  static const PrivateKey key = PrivateKey::generate(KeyKind::kRsa2048);
  return key;
}

Bytes opened(ByteView envelope, const PrivateKey& key) {
  Walk walk(envelope);
  walk.expect("3080" "06092a864886f70d010703" "a080" "3080" "020102");
  walk.expect("3182016b" "30820167" "020102" "8020");
  EXPECT_EQ(to_hex(walk.take(32)), to_hex(cryptography::sha256(key.public_key().spki())));
  walk.expect("303c06092a864886f70d010107302fa00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d"
              "06096086480165030402010500");
  walk.expect("04820100");
  const auto content_key = key.decrypt_oaep(cryptography::Hash::kSha256, walk.take(256));
  walk.expect("3080" "06092a864886f70d010701" "301d060960864801650304012a0410");
  const Bytes iv = walk.take(16);
  walk.expect("a080");
  Bytes content;
  while (true) {
    const std::uint8_t tag = walk.take(1)[0];
    std::size_t size = walk.take(1)[0];
    if (tag == 0 && size == 0) break;
    EXPECT_EQ(tag, 0x04);
    if (size == 0x81) {
      size = walk.take(1)[0];
      EXPECT_GE(size, 0x80U);
    } else if (size == 0x82) {
      size = walk.take(1)[0] * 256U;
      size += walk.take(1)[0];
      EXPECT_GE(size, 0x100U);
    }
    EXPECT_LE(size, 1000U);
    const Bytes chunk = walk.take(size);
    content.insert(content.end(), chunk.begin(), chunk.end());
  }
  walk.expect("0000000000000000");
  EXPECT_EQ(walk.left(), 0U);
  if (!content_key) return {};
  const auto plaintext = cryptography::decrypt_cbc(content_key->view(), iv, content);
  return plaintext ? Bytes(plaintext->view().begin(), plaintext->view().end()) : Bytes{};
}

TEST(KmsCmsEnvelope, HasTheBytesOfRealOnes) {
  for (const std::size_t size : {1U, 16U, 32U, 999U, 1000U, 1024U, 4096U}) {
    const Bytes plaintext = cryptography::random_bytes(size);
    EXPECT_EQ(opened(kms::envelope_for(key_2048().public_key(), plaintext), key_2048()), plaintext) << size;
  }
}

TEST(KmsCmsEnvelope, OfADataKeyHasTheLengthOfRealOnes) {
  // Samples of AWS: 457 to 493 bytes for small secrets.
  const std::size_t size = kms::envelope_for(key_2048().public_key(), Bytes(32)).size();
  EXPECT_GE(size, 457U);
  EXPECT_LE(size, 493U);
}

TEST(KmsCmsEnvelope, IsFreshEachTime) {
  const Bytes plaintext(32);
  EXPECT_NE(kms::envelope_for(key_2048().public_key(), plaintext), kms::envelope_for(key_2048().public_key(), plaintext));
}

}  // namespace
