#include "firmware/vsock/packet.hpp"

#include <bit>
#include <cstddef>

namespace vsock {

static_assert(std::endian::native == std::endian::little);
static_assert(offsetof(Header, target_cid) == 8 && offsetof(Header, source_port) == 16 && offsetof(Header, target_port) == 20 &&
              offsetof(Header, size) == 24 && offsetof(Header, type) == 28 && offsetof(Header, op) == 30 &&
              offsetof(Header, flags) == 32 && offsetof(Header, buffer_size) == 36 && offsetof(Header, forwarded) == 40);

Header decode(const HeaderBytes& bytes) {
  Header header{};
  __builtin_memcpy(&header, bytes.data(), kHeaderSize);
  return header;
}

HeaderBytes encode(const Header& header) {
  HeaderBytes bytes{};
  __builtin_memcpy(bytes.data(), &header, kHeaderSize);
  return bytes;
}

}  // namespace vsock
