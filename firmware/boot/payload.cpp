#include "firmware/boot/payload.hpp"

#include <algorithm>

namespace boot {

namespace {

constexpr std::size_t kHeaderSize = 16;
constexpr std::size_t kEntrySize = 40;
constexpr std::size_t kNameSize = 24;

[[nodiscard]] base::Result<std::uint32_t> entries(base::Bytes payload) {
  base::ByteReader reader{payload};
  MON_TRY_ASSIGN(const auto magic, reader.little_endian<std::uint64_t>());
  MON_TRY_ASSIGN(const auto count, reader.little_endian<std::uint32_t>());
  if (magic != kPayloadMagic || count > kMaxPayloadEntries) return base::Error::kInvalidArgument;
  if (payload.size() < kHeaderSize + count * kEntrySize) return base::Error::kInvalidArgument;
  return count;
}

[[nodiscard]] base::Result<PayloadPiece> piece(base::Bytes payload, std::uint32_t index) {
  base::ByteReader reader{payload.subspan(kHeaderSize + index * kEntrySize + kNameSize)};
  MON_TRY_ASSIGN(const auto offset, reader.little_endian<std::uint64_t>());
  MON_TRY_ASSIGN(const auto size, reader.little_endian<std::uint64_t>());
  const std::uint64_t limit = std::min<std::uint64_t>(payload.size(), kMaxPayloadSize);
  if (offset > limit || size > limit - offset) return base::Error::kInvalidArgument;
  return PayloadPiece{offset, size};
}

[[nodiscard]] bool has_name(base::Bytes payload, std::uint32_t index, std::string_view name) {
  const base::Bytes field = payload.subspan(kHeaderSize + index * kEntrySize, kNameSize);
  if (name.size() > kNameSize) return false;
  for (std::size_t i = 0; i < kNameSize; ++i) {
    if (field[i] != (i < name.size() ? static_cast<std::uint8_t>(name[i]) : 0)) return false;
  }
  return true;
}

}  // namespace

base::Result<std::uint64_t> payload_size(base::Bytes payload) {
  MON_TRY_ASSIGN(const std::uint32_t count, entries(payload));
  std::uint64_t end = kHeaderSize + count * kEntrySize;
  for (std::uint32_t i = 0; i < count; ++i) {
    MON_TRY_ASSIGN(const PayloadPiece found, piece(payload, i));
    end = std::max(end, found.offset + found.size);
  }
  return end;
}

base::Result<PayloadPiece> find_piece(base::Bytes payload, std::string_view name) {
  MON_TRY_ASSIGN(const std::uint32_t count, entries(payload));
  for (std::uint32_t i = 0; i < count; ++i) {
    if (has_name(payload, i, name)) return piece(payload, i);
  }
  return base::Error::kOutOfRange;
}

}  // namespace boot
