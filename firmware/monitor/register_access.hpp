// One load or store of a guest at a device's registers, decoded.
#pragma once

#include <cstdint>

#include "firmware/base/address.hpp"

namespace monitor {

struct RegisterAccess {
  base::Ipa address{};
  std::uint8_t size{};    // 1, 2, 4 or 8 bytes; `address` is a multiple of it
  bool write{};
  std::uint64_t value{};  // of a write, no bit set above its size
};

struct AccessResult {
  bool answered{};        // false: no register answers there; the access is a fault
  std::uint64_t value{};  // of a read
};

}  // namespace monitor
