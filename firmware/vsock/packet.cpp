#include "firmware/vsock/packet.hpp"

namespace vsock {

namespace {

template <typename T>
[[nodiscard]] T take(const HeaderBytes& bytes, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) value = (value << 8) | bytes[offset + i];
  return static_cast<T>(value);
}

template <typename T>
void put(HeaderBytes& bytes, std::size_t offset, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[offset + i] = static_cast<std::uint8_t>(std::uint64_t{value} >> (8 * i));
  }
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
