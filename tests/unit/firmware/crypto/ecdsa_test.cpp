#include <gtest/gtest.h>

#include <algorithm>

#include "firmware/crypto/ecdsa_p384.hpp"
#include "firmware/crypto/ecdsa_verify.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using crypto::Curve;
using crypto::Hash;
using crypto::P384KeyPair;
using test_data::bytes_of;
using test_data::from_hex;
using test_data::to_hex;

P384KeyPair rfc6979_key() {
  return P384KeyPair::from_scalar(from_hex("6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8"
                                           "96D5724E4C70A825F872C9EA60D2EDF5"))
      .value();
}

crypto::Digest counting_seed() {
  crypto::Digest seed{};
  for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<std::uint8_t>(i);
  return seed;
}

// RFC 6979 A.2.6, SHA-384.
TEST(EcdsaP384, Rfc6979) {
  const P384KeyPair key = rfc6979_key();
  EXPECT_EQ(to_hex(key.public_key()),
            "04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13"
            "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720");
  EXPECT_EQ(to_hex(key.sign(crypto::sha384(bytes_of("sample"))).value()),
            "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46"
            "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8");
  EXPECT_EQ(to_hex(key.sign(crypto::sha384(bytes_of("test"))).value()),
            "8203b63d3c853e8d77227fb377bcf7b7b772e97892a80f36ab775d509d7a5feb0542a7f0812998da8f1dd3ca3cf023db"
            "ddd0760448d42d8a43af45af836fce4de8be06b485e9b61b827c2f13173923e06a739f040649a667bf3b828246baa5a5");
}

// Computed with independent integer arithmetic from the rule in ecdsa_p384.hpp.
TEST(EcdsaP384, KeyFromSeed) {
  const auto key = P384KeyPair::from_seed(counting_seed());
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(to_hex(key.value().public_key()),
            "04326bf2fb05ba32904585da360850548f3c6636de3597f5cb72b3a6f96c34b7f363eedf015dce14b3739ae0ec2d823700"
            "f37a2b2611988ab9902ec0f0cc42b538d5db2e4979d374c528e0ef49cd4c55e9be53bb878c87446835b8bf89a106ffca");
}

TEST(EcdsaP384, ScalarMustBeInRange) {
  const auto order = from_hex("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973");
  auto last = order;
  --last.back();
  EXPECT_EQ(P384KeyPair::from_scalar(std::vector<std::uint8_t>(48, 0)).error(), Error::kInvalidArgument);
  EXPECT_EQ(P384KeyPair::from_scalar(order).error(), Error::kInvalidArgument);
  EXPECT_EQ(P384KeyPair::from_scalar(std::vector<std::uint8_t>(47, 1)).error(), Error::kInvalidArgument);
  EXPECT_TRUE(P384KeyPair::from_scalar(last).ok());
}

TEST(EcdsaP384, WipeLeavesNothing) {
  P384KeyPair key = rfc6979_key();
  key.wipe();
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&key);
  EXPECT_TRUE(std::all_of(bytes, bytes + sizeof key, [](std::uint8_t byte) { return byte == 0; }));
  EXPECT_FALSE(key.sign({}).ok());
}

TEST(EcdsaVerify, AcceptsOwnSignatureAndNothingElse) {
  const P384KeyPair key = rfc6979_key();
  const auto message = bytes_of("document");
  const auto signature = key.sign(crypto::sha384(message)).value();
  EXPECT_TRUE(crypto::verify_p384(key.public_key(), crypto::sha384(message), signature).ok());
  // In pieces, under the general name.
  EXPECT_TRUE(crypto::verify(Curve::kP384, Hash::kSha384, key.public_key(),
                             {std::span(message).first(3), std::span(message).subspan(3)}, signature)
                  .ok());
  EXPECT_EQ(crypto::verify(Curve::kP384, Hash::kSha512, key.public_key(), {message}, signature).error(),
            Error::kBadSignature);
  for (std::size_t bit = 0; bit < 8 * signature.size(); bit += 7) {
    auto changed = signature;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_EQ(crypto::verify_p384(key.public_key(), crypto::sha384(message), changed).error(), Error::kBadSignature);
  }
  EXPECT_EQ(crypto::verify_p384(key.public_key(), crypto::sha384(bytes_of("documenu")), signature).error(),
            Error::kBadSignature);
}

TEST(EcdsaVerify, AcceptsHighS) {
  // (r, n - s) is as good a signature as (r, s): half of the real ones are that way round.
  const auto order = from_hex("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973");
  const P384KeyPair key = rfc6979_key();
  const crypto::Digest digest = crypto::sha384(bytes_of("sample"));
  auto signature = key.sign(digest).value();
  int borrow = 0;
  for (std::size_t i = 48; i-- > 0;) {
    const int difference = order[i] - signature[48 + i] - borrow;
    borrow = difference < 0 ? 1 : 0;
    signature[48 + i] = static_cast<std::uint8_t>(difference);
  }
  EXPECT_TRUE(crypto::verify_p384(key.public_key(), digest, signature).ok());
}

TEST(EcdsaVerify, RefusesDegenerateSignatures) {
  const P384KeyPair key = rfc6979_key();
  const auto order = from_hex("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973");
  const std::vector<std::uint8_t> zero(48, 0);
  const std::vector<std::uint8_t> one = [] {
    std::vector<std::uint8_t> bytes(48, 0);
    bytes.back() = 1;
    return bytes;
  }();
  for (const auto& r : {zero, one, order}) {
    for (const auto& s : {zero, one, order}) {
      crypto::P384Signature signature{};
      std::copy(r.begin(), r.end(), signature.begin());
      std::copy(s.begin(), s.end(), signature.begin() + 48);
      EXPECT_EQ(crypto::verify_p384(key.public_key(), {}, signature).error(), Error::kBadSignature);
    }
  }
}

TEST(EcdsaVerify, RefusesPointsOffTheCurve) {
  const P384KeyPair key = rfc6979_key();
  const crypto::Digest digest = crypto::sha384({});
  const auto signature = key.sign(digest).value();
  auto off_curve = key.public_key();
  off_curve[96] = static_cast<std::uint8_t>(off_curve[96] ^ 1);
  EXPECT_EQ(crypto::verify_p384(off_curve, digest, signature).error(), Error::kInvalidArgument);
  auto compressed = key.public_key();
  compressed[0] = 0x02;
  EXPECT_EQ(crypto::verify_p384(compressed, digest, signature).error(), Error::kInvalidArgument);
  crypto::P384PublicKey too_large{};  // coordinates of p and above
  too_large.fill(0xFF);
  too_large[0] = 0x04;
  EXPECT_EQ(crypto::verify_p384(too_large, digest, signature).error(), Error::kInvalidArgument);
  EXPECT_EQ(crypto::verify(Curve::kP256, Hash::kSha256, key.public_key(), {}, signature).error(),
            Error::kInvalidArgument);
}

}  // namespace
