#include "firmware/vsock/packet.hpp"

#include <bit>

namespace vsock {

namespace {

// All machines here are little-endian, as the packet is: a field is one load or store (std::memcpy would be a call in a
// freestanding program).
static_assert(std::endian::native == std::endian::little);

template <typename T>
[[nodiscard]] T take(const HeaderBytes& bytes, std::size_t offset) {
  T value{};
  __builtin_memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <typename T>
void put(HeaderBytes& bytes, std::size_t offset, T value) {
  __builtin_memcpy(bytes.data() + offset, &value, sizeof value);
}

}  // namespace

Header decode(const HeaderBytes& bytes) {
  return {.source_cid = take<std::uint64_t>(bytes, 0),
          .target_cid = take<std::uint64_t>(bytes, 8),
          .source_port = take<std::uint32_t>(bytes, 16),
          .target_port = take<std::uint32_t>(bytes, 20),
          .size = take<std::uint32_t>(bytes, 24),
          .type = take<std::uint16_t>(bytes, 28),
          .op = take<std::uint16_t>(bytes, 30),
          .flags = take<std::uint32_t>(bytes, 32),
          .buffer_size = take<std::uint32_t>(bytes, 36),
          .forwarded = take<std::uint32_t>(bytes, 40)};
}

HeaderBytes encode(const Header& header) {
  HeaderBytes bytes{};
  put(bytes, 0, header.source_cid);
  put(bytes, 8, header.target_cid);
  put(bytes, 16, header.source_port);
  put(bytes, 20, header.target_port);
  put(bytes, 24, header.size);
  put(bytes, 28, header.type);
  put(bytes, 30, header.op);
  put(bytes, 32, header.flags);
  put(bytes, 36, header.buffer_size);
  put(bytes, 40, header.forwarded);
  return bytes;
}

}  // namespace vsock
