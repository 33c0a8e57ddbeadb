#include "firmware/measure/pcr_bank.hpp"

#include <gtest/gtest.h>

#include "firmware/measure/launch_bank.hpp"
#include "tests/unit/firmware/filled_digest.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using measure::Digest;
using measure::launch_bank;
using measure::LaunchMeasurement;
using measure::LaunchMode;
using measure::PcrBank;
using test_data::bytes_of;
using test_data::filled;
using test_data::to_hex;

// The example of AWS's documentation.
TEST(PcrBank, RoleVector) {
  PcrBank bank;
  const auto value = bank.extend(3, bytes_of("arn:aws:iam::123456789012:role/Webserver"));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(to_hex(value.value()),
            "78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef4fc1f1a452e315b9e98f9e312e6921e6");
  EXPECT_EQ(bank.value(3), value.value());
}

TEST(PcrBank, ExtendHashesOldValueThenRawData) {
  for (const std::size_t length : {0U, 1U, 47U, 48U, 49U, 4000U}) {
    PcrBank bank;
    std::vector<std::uint8_t> expected(48, 0);
    const std::vector<std::uint8_t> data(length, 0x5A);
    for (int round = 0; round < 2; ++round) {
      expected.insert(expected.end(), data.begin(), data.end());
      const Digest digest = crypto::sha384(expected);
      ASSERT_EQ(bank.extend(31, data).value(), digest) << length;
      expected.assign(digest.begin(), digest.end());
    }
  }
}

TEST(PcrBank, ErrorsInOrderAndWithoutEffect) {
  PcrBank bank;
  ASSERT_TRUE(bank.lock(16).ok());
  const PcrBank before = bank;
  EXPECT_EQ(bank.extend(32, bytes_of("x")).error(), Error::kOutOfRange);
  EXPECT_EQ(bank.extend(0xFFFFFFFF, bytes_of("x")).error(), Error::kOutOfRange);
  EXPECT_EQ(bank.lock(32).error(), Error::kOutOfRange);
  EXPECT_EQ(bank.lock_range(33).error(), Error::kOutOfRange);
  EXPECT_EQ(bank.lock_range(0xFFFFFFFF).error(), Error::kOutOfRange);
  EXPECT_EQ(bank.extend(16, bytes_of("x")).error(), Error::kDenied);
  EXPECT_EQ(bank.lock(16).error(), Error::kDenied);
  EXPECT_EQ(bank.locked_mask(), before.locked_mask());
  for (std::uint32_t i = 0; i < PcrBank::kCount; ++i) EXPECT_EQ(bank.value(i), before.value(i));
}

TEST(PcrBank, LockMatrix) {
  for (std::uint32_t range = 0; range <= PcrBank::kCount; ++range) {
    PcrBank bank;
    ASSERT_TRUE(bank.lock_range(range).ok());
    ASSERT_TRUE(bank.lock_range(range).ok()) << "idempotent";
    for (std::uint32_t i = 0; i < PcrBank::kCount; ++i) {
      EXPECT_EQ(bank.locked(i), i < range);
      EXPECT_EQ(bank.extend(i, {}).ok(), i >= range) << range << " " << i;
      EXPECT_EQ(bank.lock(i).ok(), i >= range);
    }
  }
}

TEST(PcrBank, LockRangeKeepsOtherLocks) {
  PcrBank bank;
  ASSERT_TRUE(bank.lock(20).ok());
  ASSERT_TRUE(bank.lock_range(2).ok());
  EXPECT_EQ(bank.locked_mask(), (1U << 20U) | 3U);
}

TEST(LaunchBank, Production) {
  LaunchMeasurement measurement;
  measurement.image = filled(1);
  measurement.boot = filled(2);
  measurement.application = crypto::sha384({});
  measurement.signer = filled(4);
  measurement.role = "arn:aws:iam::123456789012:role/Webserver";
  measurement.instance = "i-0123456789abcdef0";
  const PcrBank bank = launch_bank(measurement, LaunchMode::kProduction);
  PcrBank expected;
  ASSERT_TRUE(expected.extend(0, filled(1)).ok());
  ASSERT_TRUE(expected.extend(1, filled(2)).ok());
  ASSERT_TRUE(expected.extend(3, bytes_of(measurement.role)).ok());
  ASSERT_TRUE(expected.extend(4, bytes_of(measurement.instance)).ok());
  ASSERT_TRUE(expected.extend(8, filled(4)).ok());
  // An image without a second ramdisk has this constant (nitro-formats 1.7).
  EXPECT_EQ(to_hex(bank.value(2)),
            "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a");
  for (const std::uint32_t i : {0U, 1U, 3U, 4U, 8U}) EXPECT_EQ(bank.value(i), expected.value(i)) << i;
  for (const std::uint32_t i : {5U, 6U, 7U, 9U, 15U, 16U, 31U}) EXPECT_EQ(bank.value(i), Digest{}) << i;
  EXPECT_EQ(bank.locked_mask(), 0xFFFFU);
}

TEST(LaunchBank, DebugHasZeroWhereAKeyPolicyLooks) {
  LaunchMeasurement measurement;
  measurement.image = filled(1);
  measurement.signer = filled(4);
  measurement.instance = "i-0123456789abcdef0";
  const PcrBank bank = launch_bank(measurement, LaunchMode::kDebug);
  for (const std::uint32_t i : {0U, 1U, 2U, 8U}) EXPECT_EQ(bank.value(i), Digest{}) << i;
  EXPECT_EQ(bank.value(4), launch_bank(measurement, LaunchMode::kProduction).value(4));
  EXPECT_EQ(bank.locked_mask(), 0xFFFFU);
}

TEST(LaunchBank, UnsignedImageAndNoRoleStayZero) {
  const PcrBank bank = launch_bank({}, LaunchMode::kProduction);
  for (const std::uint32_t i : {3U, 4U, 8U}) EXPECT_EQ(bank.value(i), Digest{}) << i;
}

TEST(LaunchBank, DigestCoversEveryPart) {
  LaunchMeasurement measurement{filled(1), filled(2), filled(3), filled(4), {}, {}};
  const Digest digest = launch_digest(measurement, LaunchMode::kProduction);
  EXPECT_EQ(to_hex(digest), 
            "3958f976ba09212aaacfdf67999793626918715426727fbf180a229fbfb9e23632950dd6995f37896e2861b227f85f64");
  EXPECT_NE(launch_digest(measurement, LaunchMode::kDebug), digest);
  measurement.signer = std::nullopt;
  EXPECT_NE(launch_digest(measurement, LaunchMode::kProduction), digest);
}

}  // namespace
