// A partition's memory as a device that the monitor plays reaches it: by the partition's own addresses.
#pragma once

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"

namespace virtio {

// Both copy whole or fail before the first byte. Any address, any length up to 64 KiB; a range may cross frames.
// Errors: kOutOfRange (not all of it is the partition's own memory, or the range wraps).
// Not shared with devices' registers: what is not RAM is out of range.
// An aligned range of 2, 4 or 8 bytes is one access: the driver changes ring indices meanwhile, on another core.
class GuestMemory {
 public:
  [[nodiscard]] virtual base::Status read(base::Ipa from, base::MutableBytes to) = 0;
  [[nodiscard]] virtual base::Status write(base::Ipa to, base::Bytes from) = 0;

 protected:
  ~GuestMemory() = default;  // never owned through this type
};

}  // namespace virtio
