#include "firmware/attestation/cbor.hpp"

#include <gtest/gtest.h>

#include "tests/unit/firmware/hex_text.hpp"

namespace {

using attestation::CborItem;
using attestation::CborKind;
using attestation::CborLength;
using attestation::CborReader;
using attestation::CborWriter;
using base::Error;
using test_data::from_hex;
using test_data::to_hex;

// Examples of RFC 8949 appendix A.
TEST(CborReader, Heads) {
  const auto first = [](const char* hex) {
    static std::vector<std::uint8_t> bytes;
    bytes = from_hex(hex);
    CborReader reader(bytes);
    return reader.next().value();
  };
  EXPECT_EQ(first("17").number, 23U);
  EXPECT_EQ(first("1818").number, 24U);
  EXPECT_EQ(first("190010").number, 16U);  // not the shortest form: still that number
  EXPECT_EQ(first("1bffffffffffffffff").number, UINT64_MAX);
  EXPECT_EQ(first("3822").kind, CborKind::kNegative);
  EXPECT_EQ(first("3822").number, 34U);
  EXPECT_TRUE(first("6161").is_text("a"));
  EXPECT_FALSE(first("4161").is_text("a"));
  EXPECT_EQ(to_hex(first("420102").bytes), "0102");
  EXPECT_EQ(first("9bffffffffffffffff").number, UINT64_MAX);
  EXPECT_EQ(first("bf").length, CborLength::kIndefinite);
  EXPECT_EQ(first("d2").kind, CborKind::kTag);
  EXPECT_EQ(first("d2").number, 18U);
  EXPECT_EQ(first("d818").number, 24U);
  EXPECT_EQ(first("c0").number, 0U);
  EXPECT_EQ(first("f4").kind, CborKind::kFalse);
  EXPECT_EQ(first("f5").kind, CborKind::kTrue);
  EXPECT_EQ(first("f6").kind, CborKind::kNull);
  EXPECT_EQ(first("f7").kind, CborKind::kOther);
  EXPECT_EQ(first("f93c00").kind, CborKind::kOther);
  EXPECT_EQ(first("fb3ff199999999999a").kind, CborKind::kOther);
  EXPECT_EQ(first("ff").kind, CborKind::kBreak);
}

TEST(CborReader, MalformedHeadsMoveNothing) {
  for (const char* hex : {"", "18", "19ff", "1bffffffffffffff", "1c", "1d", "1e", "1f", "3c", "3f", "41", "5803aabb",
                          "5bffffffffffffffff00", "7bffffffffffffffff", "5c", "7e", "9c", "bd", "dc", "fc", "fd", "fe"}) {
    const auto bytes = from_hex(hex);
    CborReader reader(bytes);
    EXPECT_EQ(reader.next().error(), Error::kInvalidArgument) << hex;
    EXPECT_EQ(reader.position(), 0U) << hex;
  }
}

TEST(CborReader, SkipPassesWholeItems) {
  for (const char* hex : {"00", "8301820203820405", "a26161016162820203", "bf61610161629f0203ffff", "5f42010243030405ff",
                          "7f61616162ff", "d28440a0f640", "9fff", "bfff", "80", "a0", "c1fb41d452d9e2000000", "81818181818180"}) {
    auto bytes = from_hex(hex);
    bytes.push_back(0x18);
    bytes.push_back(0x2a);
    CborReader reader(bytes);
    ASSERT_TRUE(reader.skip().ok()) << hex;
    EXPECT_EQ(reader.next().value().number, 42U) << hex;
    EXPECT_TRUE(reader.at_end());
  }
}

TEST(CborReader, SkipRefusesMalformedNesting) {
  for (const char* hex : {"ff", "81ff", "a1ff", "a100ff", "bf00ff", "5f00ff", "5f6161ff", "7f4161ff", "5f5f4101ffff", "9f00",
                          "8200", "bf0000", "c1", "c1ff", "9bffffffffffffffff00", "bbffffffffffffffff0000",
                          "bb8000000000000000"}) {
    const auto bytes = from_hex(hex);
    CborReader reader(bytes);
    EXPECT_EQ(reader.skip().error(), Error::kInvalidArgument) << hex;
  }
}

TEST(CborReader, DepthIsBounded) {
  for (const char* head : {"81", "9f", "a100", "bf00", "c1", "d2"}) {
    for (const std::size_t depth : {CborReader::kMaxDepth, CborReader::kMaxDepth + 1, std::size_t{4096}}) {
      std::vector<std::uint8_t> bytes;
      for (std::size_t i = 0; i < depth; ++i) {
        for (const std::uint8_t byte : from_hex(head)) bytes.push_back(byte);
      }
      bytes.push_back(0);
      const bool indefinite = head[1] == 'f';
      for (std::size_t i = 0; indefinite && i < depth; ++i) bytes.push_back(0xFF);
      CborReader reader(bytes);
      EXPECT_EQ(reader.skip().ok(), depth == CborReader::kMaxDepth) << head << " " << depth;
    }
  }
}

TEST(CborWriter, ShortestForms) {
  std::array<std::uint8_t, 64> buffer{};
  CborWriter writer(buffer);
  for (const std::uint64_t value : {0ULL, 23ULL, 24ULL, 255ULL, 256ULL, 65535ULL, 65536ULL, 4294967296ULL}) {
    writer.unsigned_number(value);
  }
  writer.bytes(from_hex("0102"));
  writer.text("ab");
  writer.array(24);
  writer.map(2);
  writer.truth(true);
  writer.truth(false);
  writer.null();
  EXPECT_EQ(to_hex(writer.result().value()),
            "0017181818ff19010019ffff1a000100001b0000000100000000420102626162" "9818" "a2" "f5f4f6");
}

TEST(CborWriter, OverflowSticksAndNothingIsWrittenBeyond) {
  std::array<std::uint8_t, 8> buffer{};
  buffer[4] = 0xEE;
  CborWriter writer{std::span(buffer).first(4)};
  writer.text("abcd");  // head fits, text does not
  writer.null();
  EXPECT_EQ(writer.result().error(), Error::kBufferTooSmall);
  EXPECT_EQ(buffer[4], 0xEE);
}

TEST(CborWriter, CounterCountsWhatTheWriterWrites) {
  std::array<std::uint8_t, 512> buffer{};
  const std::vector<std::uint8_t> data(300);
  CborWriter writer(buffer);
  CborWriter counter = CborWriter::counter();
  for (CborWriter* target : {&writer, &counter}) {
    target->map(2);
    target->text("key");
    target->bytes(data);
    target->unsigned_number(70000);
  }
  EXPECT_EQ(counter.size(), writer.size());
  EXPECT_EQ(counter.result().error(), Error::kBufferTooSmall);
}

}  // namespace
