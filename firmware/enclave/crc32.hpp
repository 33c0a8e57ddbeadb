// CRC-32/ISO-HDLC, fed in pieces: the checksum of an EIF (zlib's polynomial, reflected; nitro image format, "eif_crc32").
#pragma once

#include <cstdint>

#include "firmware/base/byte_reader.hpp"

namespace enclave {

class Crc32 {
 public:
  void update(base::Bytes bytes);
  [[nodiscard]] constexpr std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_{0xFFFF'FFFFU};
};

}  // namespace enclave
