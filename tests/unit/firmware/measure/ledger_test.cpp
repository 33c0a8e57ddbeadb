#include "firmware/measure/ledger.hpp"

#include <gtest/gtest.h>

#include "tests/unit/firmware/hex_text.hpp"

namespace {

using measure::BasicLedger;
using measure::LedgerEntry;
using measure::LedgerKind;
using test_data::number;
using test_data::to_hex;

void put(std::vector<std::uint8_t>& bytes, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

// The published layout, written without the ledger's own types.
void put_record(std::vector<std::uint8_t>& bytes, std::uint64_t sequence, const LedgerEntry& entry) {
  put(bytes, sequence, 8);
  put(bytes, static_cast<std::uint64_t>(entry.kind), 1);
  put(bytes, entry.from, 1);
  put(bytes, entry.to, 1);
  put(bytes, 0, 1);
  put(bytes, entry.detail, 4);
  put(bytes, entry.first, 8);
  put(bytes, entry.count, 8);
}

LedgerEntry entry(std::uint64_t i) {
  return {static_cast<LedgerKind>(1 + i % 10), static_cast<std::uint8_t>(number(i)),
          static_cast<std::uint8_t>(number(i) >> 8), static_cast<std::uint32_t>(number(i) >> 16), number(i + 1),
          number(i + 2)};
}

// Computed with Python: struct.pack("<QBBBBIQQ", ...) and hashlib.
TEST(Ledger, KnownAnswer) {
  measure::Ledger ledger;
  ledger.append({LedgerKind::kDonate, 1, 2, 0, 0x44200, 512});
  ledger.append({LedgerKind::kCoreDonate, 1, 2, 3, 0, 0});
  ledger.append({LedgerKind::kEnclaveStart, 0, 2, 1, 0x1943c5eaab3ad6a, 0});
  EXPECT_EQ(to_hex(ledger.head().digest), 
            "9d9a21fe78bd40690ac936ec58c0ad8410b92d8b9fea3d8b8ef20fa3192663896510e83166c2f4d4623c6b0fbdfdd042");
  EXPECT_EQ(ledger.head().records, 3U);
}

TEST(Ledger, EmptyHeadIsTheEmptyHash) {
  const measure::Ledger ledger;
  EXPECT_EQ(ledger.head().digest, crypto::sha384({}));
  EXPECT_EQ(ledger.head().records, 0U);
}

// Whenever the ledger hashes, the head is that of the plain concatenation; the ring never loses an unhashed record.
TEST(Ledger, HeadEqualsTheConcatenationWheneverItIsAbsorbed) {
  for (const std::uint64_t absorb_every : {1U, 3U, 16U, 17U, 1000U}) {
    BasicLedger<16> ledger;
    std::vector<std::uint8_t> bytes;
    for (std::uint64_t i = 0; i < 200; ++i) {
      ledger.append(entry(i));
      put_record(bytes, i, entry(i));
      if (i % absorb_every == 0) ledger.absorb();
      ASSERT_EQ(ledger.head().digest, crypto::sha384(bytes)) << i << " " << absorb_every;
      ASSERT_EQ(ledger.head().records, i + 1);
      ASSERT_LE(ledger.pending(), 16U);
    }
  }
}

TEST(Ledger, AbsorbIsDueAfterAQuarter) {
  BasicLedger<16> ledger;
  for (std::uint64_t i = 0; i < 3; ++i) ledger.append(entry(i));
  EXPECT_FALSE(ledger.absorb_due());
  ledger.append(entry(3));
  EXPECT_TRUE(ledger.absorb_due());
  ledger.absorb();
  EXPECT_EQ(ledger.pending(), 0U);
}

TEST(Ledger, ReadsTheLastRecordsOnly) {
  BasicLedger<16> ledger;
  for (std::uint64_t i = 0; i < 100; ++i) ledger.append(entry(i));
  EXPECT_FALSE(ledger.read(83).has_value());
  EXPECT_FALSE(ledger.read(100).has_value());
  EXPECT_FALSE(ledger.read(UINT64_MAX).has_value());
  for (std::uint64_t i = 84; i < 100; ++i) {
    const auto record = ledger.read(i);
    ASSERT_TRUE(record.has_value());
    std::vector<std::uint8_t> expected;
    put_record(expected, i, entry(i));
    EXPECT_EQ(to_hex({reinterpret_cast<const std::uint8_t*>(&*record), sizeof *record}), to_hex(expected));
  }
}

}  // namespace
