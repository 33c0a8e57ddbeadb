#include "firmware/measure/dice.hpp"

#include <gtest/gtest.h>

#include "firmware/measure/tcb_info.hpp"
#include "tests/unit/firmware/filled_digest.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using measure::Digest;
using test_data::filled;
using test_data::to_hex;

measure::LayerMeasurement layer() { return {filled(0x11), filled(0x22), 7, 1}; }

Digest device_secret() {
  Digest secret{};
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(100 + i);
  return secret;
}

// Computed with Python's hashlib and hmac from the rules in dice.hpp.
TEST(Dice, KnownAnswers) {
  const Digest measurement = measure::digest_of(layer());
  EXPECT_EQ(to_hex(measurement),
            "bafc520e392ccfd8a63035f40247d328e39eaa36c6b5653fa4e1c99a349a7677882f55a54fdce6b86e15bf637169d72b");
  const Digest cdi = measure::derive_cdi(device_secret(), measurement).value();
  EXPECT_EQ(to_hex(cdi),
            "ac98bd7546cae563db33863ae1a2a4a76682607d4c04a3a5200f44075c737228638dfab49d7f9907919f71343a03a2ce");
  EXPECT_EQ(to_hex(measure::attestation_seed(cdi).value()),
            "5c3269c2cd2c245621a0f3f78cb3ff452164b0d9de8dafb055b09c18209863872cd4a9c525c784195c1130549546fccd");
  EXPECT_EQ(to_hex(measure::device_key_seed(device_secret()).value()),
            "5463283fe7036335d46ad69c019d4c9356397271c235e43326369abb6437363f5a05df651a3b7a779485eb2926b456a6");
}

TEST(Dice, EveryPartOfTheLayerChangesTheIdentity) {
  const auto cdi_of = [](const measure::LayerMeasurement& measurement) {
    return measure::derive_cdi(device_secret(), measure::digest_of(measurement)).value();
  };
  const Digest original = cdi_of(layer());
  auto changed = layer();
  changed.code[47] ^= 1;
  EXPECT_NE(cdi_of(changed), original);
  changed = layer();
  changed.configuration[0] ^= 1;
  EXPECT_NE(cdi_of(changed), original);
  changed = layer();
  changed.security_version = 8;
  EXPECT_NE(cdi_of(changed), original);
  changed = layer();
  changed.development = 0;
  EXPECT_NE(cdi_of(changed), original);
}

measure::TcbInfo info() { return {"Cofferdam", "qemu-virt", "1.0.0", 7, 1, filled(0xC0), filled(0xB0), 0}; }

TEST(TcbInfo, KnownBytes) {
  std::array<std::uint8_t, 256> buffer{};
  const auto der = measure::write_tcb_info(info(), buffer);
  ASSERT_TRUE(der.ok());
  const std::string digest_head = "303d06096086480165030402020430";
  std::string expected = "3081a3";
  expected += "8009" "436f6666657264616d";
  expected += "8109" "71656d752d76697274";
  expected += "8205" "312e302e30";
  expected += "830107" "840101";
  expected += "a67e";
  expected += digest_head + to_hex(filled(0xC0)) + digest_head + to_hex(filled(0xB0));
  EXPECT_EQ(to_hex(der.value()), expected);  // no bit set: no flags

  auto development = info();
  development.flags = measure::kTcbNotSecure;
  EXPECT_EQ(to_hex(measure::write_tcb_info(development, buffer).value().last(4)), "87020640");
}

TEST(TcbInfo, ReadsWhatItWrites) {
  for (const int bits : {0x00, 0x40, 0x50, 0x10, 0xF0, 0x80}) {
    const auto flags = static_cast<std::uint8_t>(bits);
    auto written = info();
    written.flags = flags;
    written.security_version = 0xFFFFFFFF;
    std::array<std::uint8_t, 256> buffer{};
    const auto der = measure::write_tcb_info(written, buffer).value();
    const auto read = measure::read_tcb_info(der);
    ASSERT_TRUE(read.ok()) << bits;
    EXPECT_EQ(read.value().vendor, "Cofferdam");
    EXPECT_EQ(read.value().model, "qemu-virt");
    EXPECT_EQ(read.value().version, "1.0.0");
    EXPECT_EQ(read.value().security_version, 0xFFFFFFFF);
    EXPECT_EQ(read.value().layer, 1U);
    EXPECT_EQ(read.value().code, filled(0xC0));
    EXPECT_EQ(read.value().configuration, filled(0xB0));
    EXPECT_EQ(read.value().flags, flags);
  }
}

TEST(TcbInfo, RefusesWhatDoesNotFitOrIsCutShort) {
  auto too_long = info();
  too_long.model = "a name of more than thirty-two letters";
  std::array<std::uint8_t, 256> buffer{};
  EXPECT_EQ(measure::write_tcb_info(too_long, buffer).error(), Error::kTooLarge);
  for (std::size_t size = 0; size < 166; ++size) {
    EXPECT_EQ(measure::write_tcb_info(info(), std::span(buffer).first(size)).error(), Error::kBufferTooSmall) << size;
  }
  const auto der = measure::write_tcb_info(info(), buffer).value();
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_EQ(measure::read_tcb_info(der.first(size)).error(), Error::kInvalidArgument) << size;
  }
  std::vector<std::uint8_t> longer(der.begin(), der.end());
  longer.push_back(0);
  EXPECT_EQ(measure::read_tcb_info(longer).error(), Error::kInvalidArgument);
  // Flags in other forms: empty, no bit set, wrong count of unused bits, an unknown bit.
  for (const char* flags : {"870100", "87020600", "87020440", "87020308"}) {
    const auto tail = test_data::from_hex(flags);
    std::vector<std::uint8_t> changed(der.begin(), der.end());
    changed.insert(changed.end(), tail.begin(), tail.end());
    changed[2] = static_cast<std::uint8_t>(changed[2] + tail.size());
    EXPECT_EQ(measure::read_tcb_info(changed).error(), Error::kInvalidArgument) << flags;
  }
}

}  // namespace
