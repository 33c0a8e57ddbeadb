// What was encrypted comes back, and nothing else ever does.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tools/artifact/decryptor.hpp"
#include "tools/artifact/encryptor.hpp"

namespace {

using artifact::BadArtifact;
using artifact::Bytes;
using artifact::ByteView;
using artifact::Context;
using artifact::Decryptor;

const Bytes kKey(32, 0x5a);
const Context kContext{{"artifact", "weights"}, {"version", "3"}};
constexpr std::size_t kFrame = 16, kFrameHead = 4 + 12, kTag = 16, kFrameSize = kFrameHead + kFrame + kTag;

Bytes plaintext_of(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  return bytes;
}

Bytes encrypt(ByteView plaintext, std::uint32_t frame = kFrame, const Bytes& key = kKey,
              const Context& context = kContext) {
  Bytes out;
  artifact::EncryptorOptions options;
  options.data_keys = {{"aws-kms", "arn:one", Bytes(8, 1)}, {"aws-kms", "arn:two", Bytes(3, 2)}};
  options.context = context;
  options.frame_length = frame;
  artifact::Encryptor encryptor(options, key,
                                [&](ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  for (std::size_t at = 0; at < plaintext.size(); at += 5)
    encryptor.write(plaintext.subspan(at, std::min<std::size_t>(5, plaintext.size() - at)));
  encryptor.finish();
  return out;
}

// Gives at most `piece` bytes at once, as a socket does.
artifact::Source source_of(const Bytes& bytes, std::size_t piece = 7) {
  return [&bytes, piece, at = std::size_t{0}](std::span<std::uint8_t> out) mutable {
    const std::size_t count = std::min({out.size(), piece, bytes.size() - at});
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
    at += count;
    return count;
  };
}

// What was given out before an error is kept in `given`.
Bytes decrypt_into(Bytes& given, const Bytes& message, const Bytes& key = kKey, const Context& required = kContext) {
  Decryptor decryptor(source_of(message));
  decryptor.require(required);
  decryptor.unlock(key);
  while (const auto frame = decryptor.next()) given.insert(given.end(), frame->begin(), frame->end());
  return given;
}
Bytes decrypt(const Bytes& message, const Bytes& key = kKey, const Context& required = kContext) {
  Bytes given;
  return decrypt_into(given, message, key, required);
}

std::string refusal(const Bytes& message, const Bytes& key = kKey, const Context& required = kContext) {
  try {
    static_cast<void>(decrypt(message, key, required));
  } catch (const BadArtifact& error) {
    return error.what();
  }
  return "";
}

std::size_t body_at(const Bytes& message) {
  Bytes raw;
  static_cast<void>(artifact::read_header(source_of(message), raw));
  return raw.size() + kTag;
}
Bytes cut(const Bytes& message, std::size_t from, std::size_t to) {
  return Bytes(message.begin() + static_cast<std::ptrdiff_t>(from), message.begin() + static_cast<std::ptrdiff_t>(to));
}
Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

class Lengths : public testing::TestWithParam<std::size_t> {};
TEST_P(Lengths, ComeBackWhole) {
  const Bytes plaintext = plaintext_of(GetParam());
  const Bytes message = encrypt(plaintext);
  EXPECT_EQ(decrypt(message), plaintext);
  // Full last frames are final frames: no empty one follows.
  const std::size_t frames = std::max<std::size_t>(1, (GetParam() + kFrame - 1) / kFrame);
  EXPECT_EQ(message.size(), body_at(message) + frames * (kFrameHead + kTag) + 8 + GetParam());
}
INSTANTIATE_TEST_SUITE_P(AroundFrames, Lengths, testing::Values(0, 1, 15, 16, 17, 31, 32, 33, 1000));

TEST(Artifact, SaysWhatItIs) {
  const Bytes message = encrypt(plaintext_of(40));
  const Decryptor decryptor(source_of(message));
  EXPECT_EQ(decryptor.header().context, kContext);
  EXPECT_EQ(decryptor.header().frame_length, kFrame);
  ASSERT_EQ(decryptor.header().data_keys.size(), 2U);
  EXPECT_EQ(decryptor.header().data_keys[1].information, "arn:two");
  EXPECT_EQ(decryptor.header().data_keys[1].ciphertext, Bytes(3, 2));
}

TEST(Artifact, EveryAlteredByteIsRefusedAndNoWrongByteGiven) {
  const Bytes plaintext = plaintext_of(40);
  const Bytes message = encrypt(plaintext);
  for (std::size_t at = 0; at < message.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xff}) {
      Bytes altered = message;
      altered[at] = static_cast<std::uint8_t>(altered[at] ^ change);
      Bytes given;
      EXPECT_THROW(static_cast<void>(decrypt_into(given, altered)), BadArtifact) << "byte " << at;
      EXPECT_TRUE(std::equal(given.begin(), given.end(), plaintext.begin())) << "byte " << at;
    }
  }
}

TEST(Artifact, EveryCutIsRefused) {
  const Bytes message = encrypt(plaintext_of(40));
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_NE(refusal(cut(message, 0, size)).find("cut short"), std::string::npos) << size;
  }
}

TEST(Artifact, CutAtAFrameIsRefused) {
  const Bytes message = encrypt(plaintext_of(64));
  EXPECT_NE(refusal(cut(message, 0, body_at(message) + 2 * kFrameSize)).find("cut short"), std::string::npos);
}

TEST(Artifact, NothingMayFollow) {
  Bytes message = encrypt(plaintext_of(40));
  message.push_back(0);
  EXPECT_NE(refusal(message).find("follows"), std::string::npos);
  const Bytes once = encrypt(plaintext_of(8));
  EXPECT_NE(refusal(joined({once, once})).find("follows"), std::string::npos);
}

TEST(Artifact, ReorderedDuplicatedAndMissingFramesAreRefused) {
  const Bytes message = encrypt(plaintext_of(64));
  const std::size_t body = body_at(message);
  const Bytes header = cut(message, 0, body), one = cut(message, body, body + kFrameSize),
              two = cut(message, body + kFrameSize, body + 2 * kFrameSize),
              rest = cut(message, body + 2 * kFrameSize, message.size());
  ASSERT_EQ(decrypt(joined({header, one, two, rest})), plaintext_of(64));
  EXPECT_NE(refusal(joined({header, two, one, rest})).find("frame 2 stands where frame 1"), std::string::npos);
  EXPECT_NE(refusal(joined({header, one, one, two, rest})).find("stands where"), std::string::npos);
  EXPECT_NE(refusal(joined({header, one, rest})).find("stands where"), std::string::npos);
  // Renumbered frames are no better: number and IV are authenticated.
  Bytes renumbered = two;
  renumbered[3] = 1;
  EXPECT_NE(refusal(joined({header, renumbered, two, rest})).find("IV"), std::string::npos);
  renumbered[15] = 1;
  EXPECT_NE(refusal(joined({header, renumbered, two, rest})).find("altered"), std::string::npos);
}

TEST(Artifact, AnotherArtifactsFrameUnderTheSameKeyIsRefused) {
  const Bytes ours = encrypt(plaintext_of(64)), other = encrypt(plaintext_of(64));
  const std::size_t body = body_at(ours);
  const Bytes mixed =
      joined({cut(ours, 0, body), cut(other, body, body + kFrameSize), cut(ours, body + kFrameSize, ours.size())});
  EXPECT_NE(refusal(mixed).find("belongs to another artifact"), std::string::npos);
}

TEST(Artifact, AnotherArtifactIsRefusedByItsContext) {
  const Bytes other = encrypt(plaintext_of(8), kFrame, kKey, {{"artifact", "decoy"}, {"version", "3"}});
  EXPECT_NE(refusal(other).find("another artifact"), std::string::npos);
  EXPECT_NE(refusal(encrypt(plaintext_of(8), kFrame, kKey, {{"artifact", "weights"}})).find("has no version"),
            std::string::npos);
  EXPECT_EQ(decrypt(encrypt(plaintext_of(8)), kKey, {{"artifact", "weights"}}),
            plaintext_of(8));  // more than required is fine
}

TEST(Artifact, AnotherKeyIsRefusedByTheCommitment) {
  EXPECT_NE(refusal(encrypt(plaintext_of(8)), Bytes(32, 1)).find("commits"), std::string::npos);
  EXPECT_NE(refusal(encrypt(plaintext_of(8)), Bytes(16, 0x5a)).find("32 bytes"), std::string::npos);
}

TEST(Artifact, OtherKindsAreRefusedByName) {
  const auto with = [](std::uint8_t version, std::uint8_t high, std::uint8_t low) {
    Bytes message = encrypt(plaintext_of(8));
    message[0] = version;
    message[1] = high;
    message[2] = low;
    return refusal(message);
  };
  EXPECT_NE(with(1, 0x01, 0x78).find("commitment"), std::string::npos);
  EXPECT_NE(with(2, 0x05, 0x78).find("signed"), std::string::npos);
  EXPECT_NE(with(2, 0x01, 0x78).find("0x0178"), std::string::npos);
  EXPECT_NE(with('A', 'g', 'R').find("base64"), std::string::npos);
}

TEST(Artifact, LimitsOfWhatIsWritten) {
  artifact::EncryptorOptions options;
  options.data_keys = {{"aws-kms", "arn", {}}};
  const auto make = [&] { artifact::Encryptor(options, kKey, [](ByteView) {}); };
  EXPECT_NO_THROW(make());
  options.frame_length = 0;
  EXPECT_THROW(make(), std::invalid_argument);
  options.frame_length = artifact::kMostFrame + 1;
  EXPECT_THROW(make(), std::invalid_argument);
  options.frame_length = 1;
  options.context = {{"aws-crypto-public-key", "x"}};
  EXPECT_THROW(make(), std::invalid_argument);
  options.context = {{"name", std::string(artifact::kMostContext, 'x')}};
  EXPECT_THROW(make(), std::invalid_argument);
  options.context = {};
  options.data_keys.clear();
  EXPECT_THROW(make(), std::invalid_argument);
}

TEST(Artifact, LyingLengthsTakeNoMemory) {
  Bytes message = encrypt(plaintext_of(8));
  const std::size_t frame_length = body_at(message) - kTag - 32 - 4;
  message[frame_length] = 0xff;  // 4 GiB
  EXPECT_NE(refusal(message).find("are accepted"), std::string::npos);
}

TEST(Artifact, AfterARefusalNothingMoreComes) {
  Bytes message = encrypt(plaintext_of(64));
  message[body_at(message) + kFrameSize + kFrameHead] ^= 1;  // in the second frame
  Decryptor decryptor(source_of(message));
  EXPECT_THROW(static_cast<void>(decryptor.next()), std::logic_error);  // before unlock()
  decryptor.unlock(kKey);
  ASSERT_TRUE(decryptor.next());
  EXPECT_THROW(static_cast<void>(decryptor.next()), BadArtifact);
  EXPECT_THROW(static_cast<void>(decryptor.next()), std::logic_error);
}

}  // namespace
