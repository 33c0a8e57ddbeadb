// A partition's memory as a device that the monitor plays reaches it: by the partition's own addresses.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "firmware/base/address.hpp"
#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"

namespace virtio {

static_assert(std::endian::native == std::endian::little);  // as rings and packets are

// Both copy whole or fail before the first byte. Any address, any length up to 64 KiB; a range may cross frames.
// Errors: kOutOfRange (not all of it is the partition's own memory, or the range wraps).
// Not shared with devices' registers: what is not RAM is out of range.
// An aligned range of 2, 4 or 8 bytes is one access: the driver changes ring indices meanwhile, on another core.
class GuestMemory {
 public:
  [[nodiscard]] virtual base::Status read(base::Ipa from, base::MutableBytes to) = 0;
  [[nodiscard]] virtual base::Status write(base::Ipa to, base::Bytes from) = 0;

  // The same, without a call where a frame is at hand.
  [[nodiscard]] base::Status copy_in(base::Ipa from, base::MutableBytes to) {
    const std::uint8_t* const near = at_hand(from, to.size());
    if (near == nullptr) return read(from, to);
    __builtin_memcpy(to.data(), near, to.size());
    std::atomic_signal_fence(std::memory_order_seq_cst);  // what is looked at from here on is the copy: the compiler may not read again
    return {};
  }
  [[nodiscard]] base::Status copy_out(base::Ipa to, base::Bytes from) {
    std::uint8_t* const near = at_hand(to, from.size());
    if (near == nullptr) return write(to, from);
    __builtin_memcpy(near, from.data(), from.size());
    return {};
  }
  // One field of 2, 4 or 8 bytes, aligned.
  template <typename T>
  [[nodiscard]] base::Result<T> load(base::Ipa from) {
    const std::uint8_t* const near = at_hand(from, sizeof(T));
    if (near != nullptr) return *reinterpret_cast<const volatile T*>(near);
    alignas(T) std::array<std::uint8_t, sizeof(T)> bytes;
    MON_TRY(read(from, bytes));
    T value{};
    __builtin_memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  template <typename T>
  [[nodiscard]] base::Status store(base::Ipa to, T value) {
    std::uint8_t* const near = at_hand(to, sizeof(T));
    if (near != nullptr) {
      *reinterpret_cast<volatile T*>(near) = value;
      return {};
    }
    alignas(T) std::array<std::uint8_t, sizeof(T)> bytes;
    __builtin_memcpy(bytes.data(), &value, sizeof value);
    return write(to, bytes);
  }

 protected:
  ~GuestMemory() = default;  // never owned through this type

  // A frame whose bytes may be touched where they are, as long as `visit` is the present one.
  struct AtHand {
    std::uint64_t visit;  // 0: none
    std::uint64_t frame;
    std::uint8_t* bytes;
  };
  static constexpr std::size_t kAtHand = 16;
  [[nodiscard]] AtHand& place_of(std::uint64_t frame) { return at_hand_[frame % kAtHand]; }
  // Brings a frame at hand. Null: it can't be, or it is not this memory's; read() and write() know.
  [[nodiscard]] virtual std::uint8_t* bring(std::uint64_t /*frame*/) { return nullptr; }
  inline static constinit std::uint64_t present_visit_{1};

 private:
  [[nodiscard]] std::uint8_t* at_hand(base::Ipa ipa, std::uint64_t size) {
    const std::uint64_t frame = ipa.value >> base::kFrameShift;
    const std::uint64_t offset = ipa.value % base::kFrameSize;
    if (size > base::kFrameSize - offset) return nullptr;
    const AtHand& place = place_of(frame);
    const bool there = place.visit == present_visit_ && place.frame == frame;
    std::uint8_t* const bytes = there ? place.bytes : bring(frame);
    return bytes == nullptr ? nullptr : bytes + offset;
  }

  std::array<AtHand, kAtHand> at_hand_{};
};

}  // namespace virtio
