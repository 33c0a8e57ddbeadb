#include "firmware/boot/payload.hpp"

#include <algorithm>

namespace boot {

base::Result<Payload> Payload::parse(base::Bytes table, std::uint64_t available) {
  const base::Error malformed = base::Error::kInvalidArgument;
  base::ByteReader reader{table.first(std::min(table.size(), kMaxPayloadTable))};
  const auto magic = reader.little_endian<std::uint64_t>();
  const auto count = reader.little_endian<std::uint32_t>();
  const auto zero = reader.little_endian<std::uint32_t>();
  if (!zero || magic.value() != kPayloadMagic || count.value() > kMaxPayloadEntries) return malformed;
  Payload payload;
  payload.count_ = count.value();
  payload.size_ = kPayloadHeaderSize + payload.count_ * kPayloadEntrySize;
  if (payload.size_ > available) return malformed;
  for (std::uint32_t i = 0; i < payload.count_; ++i) {
    Entry& entry = payload.entries_[i];
    const auto name = reader.take(kNameSize);
    const auto offset = reader.little_endian<std::uint64_t>();
    const auto size = reader.little_endian<std::uint64_t>();
    if (!size) return malformed;
    std::copy(name.value().begin(), name.value().end(), entry.name.begin());
    entry.piece = {offset.value(), size.value()};
    if (entry.piece.offset > available || entry.piece.size > available - entry.piece.offset) return malformed;
    payload.size_ = std::max(payload.size_, entry.piece.offset + entry.piece.size);
  }
  return payload;
}

base::Result<PayloadPiece> Payload::find(std::string_view name) const {
  if (name.size() > kNameSize) return base::Error::kOutOfRange;
  std::array<char, kNameSize> padded{};
  std::copy(name.begin(), name.end(), padded.begin());
  for (std::uint32_t i = 0; i < count_; ++i) {
    if (entries_[i].name == padded) return entries_[i].piece;
  }
  return base::Error::kOutOfRange;
}

}  // namespace boot
