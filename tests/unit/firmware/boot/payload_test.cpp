// The boot payload is bytes of somebody else: every field of its table at its extremes.
#include "firmware/boot/payload.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace {

using base::Error;
using boot::Payload;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHeader = boot::kPayloadHeaderSize, kEntry = boot::kPayloadEntrySize, kOffsetAt = 24, kSizeAt = 32;

// All of the payload lies where the table is, as in a memory that ends with it.
base::Result<Payload> parse(const Bytes& payload) { return Payload::parse(payload, payload.size()); }

void put(Bytes& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

struct Piece {
  std::string name;
  Bytes data;
};
Bytes payload_of(const std::vector<Piece>& pieces, std::size_t tail = 0) {
  Bytes bytes(kHeader + kEntry * pieces.size());
  const std::string magic = "COFFPAY1";
  std::copy(magic.begin(), magic.end(), bytes.begin());
  put(bytes, 8, pieces.size(), 4);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::size_t entry = kHeader + kEntry * i;
    std::copy(pieces[i].name.begin(), pieces[i].name.end(), bytes.begin() + static_cast<std::ptrdiff_t>(entry));
    put(bytes, entry + kOffsetAt, bytes.size(), 8);
    put(bytes, entry + kSizeAt, pieces[i].data.size(), 8);
    bytes.insert(bytes.end(), pieces[i].data.begin(), pieces[i].data.end());
  }
  bytes.resize(bytes.size() + tail, 0xFF);  // erased flash behind it
  return bytes;
}
const std::vector<Piece> kPieces{
    {"parent", Bytes(100, 1)}, {"image", Bytes(5000, 2)}, {std::string(24, 'n'), Bytes(1, 3)}};

TEST(Payload, FindsEachPieceByItsWholeName) {
  const Bytes bytes = payload_of(kPieces, 4096);
  const auto payload = parse(bytes);
  ASSERT_TRUE(payload.ok());
  for (const Piece& piece : kPieces) {
    const auto found = payload->find(piece.name);
    ASSERT_TRUE(found.ok()) << piece.name;
    ASSERT_EQ(found->size, piece.data.size());
    EXPECT_TRUE(
        std::equal(piece.data.begin(), piece.data.end(), bytes.begin() + static_cast<std::ptrdiff_t>(found->offset)));
  }
  for (const std::string& name : {std::string{"par"}, std::string{"parents"}, std::string(25, 'n'),
                                  std::string(23, 'n'), std::string{"parent\0", 7} + "x"}) {
    const auto found = payload->find(name);
    ASSERT_FALSE(found.ok()) << name;
    EXPECT_EQ(found.error(), Error::kOutOfRange);
  }
}

TEST(Payload, EndsWithItsLastPiece) {
  const Bytes exact = payload_of(kPieces);
  EXPECT_EQ(parse(exact)->size(), exact.size());
  EXPECT_EQ(parse(payload_of(kPieces, 4096))->size(), exact.size());
  EXPECT_EQ(parse(payload_of({}, 64))->size(), kHeader);
}

TEST(Payload, TheTableIsEnoughWhenThePiecesLieBehindIt) {
  const Bytes bytes = payload_of(kPieces);
  const Bytes table(bytes.begin(), bytes.begin() + kHeader + kEntry * 3);
  EXPECT_TRUE(Payload::parse(table, bytes.size()).ok());
  EXPECT_FALSE(Payload::parse(table, bytes.size() - 1).ok()) << "the last piece ends outside of the memory";
}

void expect_refused(const Bytes& bytes) {
  const auto payload = parse(bytes);
  ASSERT_FALSE(payload.ok());
  EXPECT_EQ(payload.error(), Error::kInvalidArgument);
}

TEST(Payload, EveryTruncationIsRefused) {
  const Bytes sound = payload_of(kPieces);
  for (std::size_t size = 0; size < sound.size(); size += size < 200 ? 1 : 97) {
    expect_refused(Bytes(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(size)));
  }
}

TEST(Payload, MagicAndCountAreChecked) {
  for (std::size_t i = 0; i < 8; ++i) {
    Bytes payload = payload_of(kPieces);
    payload[i] ^= 1;
    expect_refused(payload);
  }
  for (const std::uint32_t count : {boot::kMaxPayloadEntries + 1, 0x7FFF'FFFFU, 0xFFFF'FFFFU}) {
    Bytes payload = payload_of(kPieces, 1 << 16);
    put(payload, 8, count, 4);
    expect_refused(payload);
  }
}

TEST(Payload, TheTableHoldsNoMoreThanItsBound) {
  EXPECT_TRUE(parse(payload_of(std::vector<Piece>(boot::kMaxPayloadEntries, {"piece", Bytes(1, 1)}))).ok());
  expect_refused(payload_of(std::vector<Piece>(boot::kMaxPayloadEntries + 1, {"piece", Bytes(1, 1)})));
}

TEST(Payload, APieceOutsideOfWhatIsAvailableIsRefused) {
  const std::uint64_t end = payload_of(kPieces).size();
  const std::pair<std::uint64_t, std::uint64_t> pieces[] = {{0, end + 1},
                                                            {1, end},
                                                            {end, 1},
                                                            {end + 1, 0},
                                                            {~std::uint64_t{0}, 1},
                                                            {1, ~std::uint64_t{0}},
                                                            {std::uint64_t{1} << 63, std::uint64_t{1} << 63}};
  for (const auto& [offset, size] : pieces) {
    Bytes payload = payload_of(kPieces);
    put(payload, kHeader + kEntry + kOffsetAt, offset, 8);
    put(payload, kHeader + kEntry + kSizeAt, size, 8);
    expect_refused(payload);
  }
  Bytes payload = payload_of(kPieces);  // the last byte that there is
  put(payload, kHeader + kEntry + kOffsetAt, end - 1, 8);
  put(payload, kHeader + kEntry + kSizeAt, 1, 8);
  EXPECT_TRUE(parse(payload).ok());
}

TEST(Payload, NoBytesMakeItReadOutside) {
  std::mt19937_64 random{5};
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = payload_of(kPieces);
    bytes.resize(random() % bytes.size());
    for (int change = 0; change < 4 && !bytes.empty(); ++change) {
      bytes[random() % std::min<std::size_t>(bytes.size(), 140)] = static_cast<std::uint8_t>(random());
    }
    const auto payload = parse(bytes);
    if (!payload.ok()) continue;
    EXPECT_LE(payload->size(), bytes.size());
    if (const auto piece = payload->find("parent"); piece.ok()) {
      EXPECT_LE(piece->size, bytes.size());
      EXPECT_LE(piece->offset, bytes.size() - piece->size);
    }
  }
}

}  // namespace
