// Addresses and frame ranges that can't be mixed up and can't wrap.
//
// PhysAddr and Ipa are bytes; FrameNumber and FrameCount are in frames of 4 KiB (Arm ARM D8.2, the 4 KiB
// granule). A FrameRange is only made by from_bytes() or by FrameRange::make(), both of which refuse a
// range that would pass the top of the physical address space.
#pragma once

#include <compare>
#include <cstdint>

#include "firmware/base/result.hpp"

namespace base {

inline constexpr std::uint64_t kFrameShift = 12;
inline constexpr std::uint64_t kFrameSize = std::uint64_t{1} << kFrameShift;
inline constexpr std::uint64_t kBlockShift = 21;  // a level-2 block of the 4 KiB granule
inline constexpr std::uint64_t kBlockSize = std::uint64_t{1} << kBlockShift;
inline constexpr std::uint64_t kFramesPerBlock = kBlockSize / kFrameSize;
inline constexpr std::uint64_t kAddressSpaceBits = 48;  // Arm ARM D8.1: without LPA2

// One integer, one meaning. Comparison only; arithmetic is spelled out where it makes sense. `X{}` is zero; a
// plain `X x;` is not initialised, so that a large list of them costs nothing until it is filled.
template <typename Tag, typename T>
struct Distinct {
  T value;
  constexpr Distinct() = default;
  constexpr explicit Distinct(T initial) : value(initial) {}
  constexpr auto operator<=>(const Distinct&) const = default;
};

struct PhysAddr : Distinct<PhysAddr, std::uint64_t> {
  using Distinct::Distinct;
};
struct Ipa : Distinct<Ipa, std::uint64_t> {  // intermediate physical address: what a partition calls physical
  using Distinct::Distinct;
};
struct FrameNumber : Distinct<FrameNumber, std::uint64_t> {
  using Distinct::Distinct;
};
struct FrameCount : Distinct<FrameCount, std::uint64_t> {
  using Distinct::Distinct;
};

[[nodiscard]] constexpr PhysAddr address_of(FrameNumber frame) { return PhysAddr{frame.value << kFrameShift}; }
[[nodiscard]] constexpr FrameNumber frame_of(PhysAddr address) { return FrameNumber{address.value >> kFrameShift}; }
[[nodiscard]] constexpr bool is_aligned(std::uint64_t value, std::uint64_t alignment) {
  return (value & (alignment - 1)) == 0;
}
[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

class FrameRange {
 public:
  constexpr FrameRange() = default;

  // Bytes as a caller claims them. Errors, in this order: kInvalidArgument (size 0), kUnaligned, kOutOfRange.
  [[nodiscard]] static constexpr Result<FrameRange> from_bytes(std::uint64_t address, std::uint64_t size) {
    if (size == 0) return Error::kInvalidArgument;
    if (!is_aligned(address, kFrameSize) || !is_aligned(size, kFrameSize)) return Error::kUnaligned;
    constexpr std::uint64_t kTop = std::uint64_t{1} << kAddressSpaceBits;
    if (address >= kTop || size > kTop - address) return Error::kOutOfRange;
    return FrameRange{FrameNumber{address >> kFrameShift}, FrameCount{size >> kFrameShift}};
  }
  // Precondition: the numbers come from tables that were validated at build time or from another FrameRange.
  [[nodiscard]] static constexpr FrameRange trusted(FrameNumber first, FrameCount count) { return {first, count}; }

  [[nodiscard]] constexpr FrameNumber first() const { return first_; }
  [[nodiscard]] constexpr FrameCount count() const { return count_; }
  [[nodiscard]] constexpr FrameNumber end() const { return FrameNumber{first_.value + count_.value}; }  // one past
  [[nodiscard]] constexpr PhysAddr address() const { return address_of(first_); }
  [[nodiscard]] constexpr std::uint64_t bytes() const { return count_.value << kFrameShift; }
  [[nodiscard]] constexpr bool empty() const { return count_.value == 0; }
  [[nodiscard]] constexpr bool contains(FrameNumber frame) const { return frame >= first_ && frame < end(); }
  [[nodiscard]] constexpr bool contains(const FrameRange& other) const {
    return other.first_ >= first_ && other.end() <= end();
  }
  [[nodiscard]] constexpr bool overlaps(const FrameRange& other) const {
    return first_ < other.end() && other.first_ < end();
  }
  constexpr bool operator==(const FrameRange&) const = default;

 private:
  constexpr FrameRange(FrameNumber first, FrameCount count) : first_(first), count_(count) {}
  FrameNumber first_;
  FrameCount count_;
};

}  // namespace base
