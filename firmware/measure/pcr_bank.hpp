// The 32 platform configuration registers of one enclave (nitro-formats section 1.7).
//
// A register starts as zero; extend: PCR := SHA-384(PCR || data), with the raw data of any length. A locked register
// never changes again and there is no unlock: only a new bank (a new enclave) starts over.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/measure/handover.hpp"

namespace measure {

class PcrBank {
 public:
  static constexpr std::uint32_t kCount = 32;
  static constexpr std::uint32_t kLockedAtBoot = 16;  // 0..15 are locked before the enclave's first instruction

  // Errors of all three, in this order: kOutOfRange (no such register), kDenied (locked).
  [[nodiscard]] base::Result<Digest> extend(std::uint32_t index, base::Bytes data);
  [[nodiscard]] base::Status lock(std::uint32_t index);  // locking twice is refused
  // Locks 0..count-1, whatever was locked before. Errors: kOutOfRange when count > 32.
  [[nodiscard]] base::Status lock_range(std::uint32_t count);

  [[nodiscard]] static constexpr bool exists(std::uint32_t index) { return index < kCount; }
  // Precondition of both: exists(index).
  [[nodiscard]] const Digest& value(std::uint32_t index) const { return registers_[index]; }
  [[nodiscard]] bool locked(std::uint32_t index) const { return ((locked_ >> index) & 1) != 0; }
  [[nodiscard]] std::uint32_t locked_mask() const { return locked_; }

 private:
  std::array<Digest, kCount> registers_{};
  std::uint32_t locked_{};
};

}  // namespace measure
