#include "firmware/crypto/sha384.hpp"

#include <gtest/gtest.h>

#include "tests/unit/firmware/hex_text.hpp"

namespace {

using crypto::Sha384;
using test_data::bytes_of;
using test_data::to_hex;

constexpr const char* kEmptyDigest =
    "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b";

// FIPS 180-4 examples (NIST, "SHA384.pdf") and the well-known million.
TEST(Sha384, KnownAnswers) {
  EXPECT_EQ(to_hex(crypto::sha384({})), kEmptyDigest);
  EXPECT_EQ(to_hex(crypto::sha384(bytes_of("abc"))),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(to_hex(crypto::sha384(bytes_of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                                           "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"))),
            "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039");
  EXPECT_EQ(to_hex(crypto::sha384(std::vector<std::uint8_t>(1'000'000, 'a'))),
            "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d8985");
}

TEST(Sha384, FreshHashIsTheEmptyMessage) {
  const Sha384 hash;
  EXPECT_EQ(to_hex(hash.finish()), kEmptyDigest);
}

TEST(Sha384, EverySplitGivesTheSameDigest) {
  const std::vector<std::uint8_t> message = [] {
    std::vector<std::uint8_t> bytes;
    for (std::uint64_t i = 0; i < 400; ++i) bytes.push_back(static_cast<std::uint8_t>(test_data::number(i)));
    return bytes;
  }();
  const crypto::Digest whole = crypto::sha384(message);
  for (std::size_t split = 0; split <= message.size(); ++split) {
    Sha384 hash;
    hash.update(std::span(message).first(split));
    hash.update(std::span(message).subspan(split));
    ASSERT_EQ(hash.finish(), whole) << split;
  }
}

TEST(Sha384, ReadingDoesNotEndTheHashAndACopyIsAFork) {
  Sha384 hash;
  hash.update(bytes_of("a"));
  const crypto::Digest of_a = hash.finish();
  EXPECT_EQ(of_a, hash.finish());
  Sha384 fork = hash;
  fork.update(bytes_of("x"));
  hash.update(bytes_of("bc"));
  EXPECT_EQ(hash.finish(), crypto::sha384(bytes_of("abc")));
  EXPECT_EQ(fork.finish(), crypto::sha384(bytes_of("ax")));
  EXPECT_EQ(of_a, crypto::sha384(bytes_of("a")));
}

}  // namespace
