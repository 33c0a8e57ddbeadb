#include "firmware/pci/msix_table.hpp"

namespace pci {

namespace {

constexpr std::uint64_t kAddressLow = 0x0;  // of an entry: PCI 3.0 figure 6-11
constexpr std::uint64_t kAddressHigh = 0x4;
constexpr std::uint64_t kData = 0x8;

[[nodiscard]] bool is_access(std::uint64_t offset, std::uint32_t size, std::uint64_t bytes) {
  return (size == 4 || size == 8) && offset % size == 0 && offset < bytes;
}

}  // namespace

std::uint32_t MsixTable::word_at(std::uint64_t offset) const {
  const Entry& entry = entries_[offset / kMsixEntrySize];
  switch (offset % kMsixEntrySize) {
    case kAddressLow:
      return entry.address_low;
    case kAddressHigh:
      return entry.address_high;
    case kData:
      return entry.data;
    default:
      return entry.unmasked ? 0 : 1;
  }
}

void MsixTable::set_word(std::uint64_t offset, std::uint32_t value) {
  Entry& entry = entries_[offset / kMsixEntrySize];
  switch (offset % kMsixEntrySize) {
    case kAddressLow:
      entry.address_low = value & ~std::uint32_t{3};
      break;
    case kAddressHigh:
      entry.address_high = value;
      break;
    case kData:
      entry.data = value;
      break;
    default:
      entry.unmasked = (value & 1) == 0;
      break;
  }
}

std::uint64_t MsixTable::read_table(std::uint64_t offset, std::uint32_t size) const {
  if (!is_access(offset, size, std::uint64_t{count_} * kMsixEntrySize)) return ~std::uint64_t{0};
  const std::uint64_t low = word_at(offset);
  return size == 4 ? low : low | std::uint64_t{word_at(offset + 4)} << 32;
}

Messages MsixTable::write_table(std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
  if (!is_access(offset, size, std::uint64_t{count_} * kMsixEntrySize)) return {};
  set_word(offset, static_cast<std::uint32_t>(value));
  if (size == 8) set_word(offset + 4, static_cast<std::uint32_t>(value >> 32));
  return due();
}

std::uint64_t MsixTable::read_pending(std::uint64_t offset, std::uint32_t size) const {
  if (!is_access(offset, size, kPendingBytes)) return ~std::uint64_t{0};
  const std::uint64_t bits = pending_ >> (8 * offset);
  return size == 4 ? bits & 0xFFFF'FFFF : bits;
}

Messages MsixTable::set_control(bool enabled, bool masked) {
  enabled_ = enabled;
  masked_ = masked;
  if (!enabled) pending_ = 0;
  return due();
}

std::optional<Message> MsixTable::raise(std::uint32_t vector) {
  if (vector >= count_ || !enabled_) return std::nullopt;
  const Entry& entry = entries_[vector];
  if (masked_ || !entry.unmasked) {
    pending_ |= std::uint64_t{1} << vector;
    return std::nullopt;
  }
  return Message{std::uint64_t{entry.address_high} << 32 | entry.address_low, entry.data};
}

Messages MsixTable::due() {
  Messages messages;
  if (!enabled_ || masked_) return messages;
  for (std::uint32_t vector = 0; vector < count_; ++vector) {
    const std::uint64_t bit = std::uint64_t{1} << vector;
    if ((pending_ & bit) == 0 || !entries_[vector].unmasked) continue;
    pending_ &= ~bit;
    if (const auto message = raise(vector)) (void)messages.push(*message);  // one for each vector: it fits
  }
  return messages;
}

}  // namespace pci
