// The header of a virtio-vsock packet (Virtual I/O Device 1.2, section 5.10.6), as bytes and as a value.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"

namespace vsock {

// Context ids. A CID travels as 64 bits; the upper half must be zero (5.10.4).
inline constexpr std::uint32_t kMonitorCid = 0;
inline constexpr std::uint32_t kParentCid = 3;  // what the Nitro Enclaves driver calls the parent
inline constexpr std::uint32_t kFirstEnclaveCid = 4;
inline constexpr std::uint32_t kAnyCid = 0xFFFF'FFFF;

inline constexpr std::uint16_t kTypeStream = 1;
inline constexpr std::uint32_t kMaxPayload = 64 * 1024;  // bytes of one packet, as Linux's drivers send them

enum class Op : std::uint16_t {
  kInvalid = 0,
  kRequest = 1,
  kResponse = 2,
  kReset = 3,
  kShutdown = 4,
  kData = 5,  // OP_RW, the only one with a payload
  kCreditUpdate = 6,
  kCreditRequest = 7,
};
inline constexpr std::uint16_t kLastOp = 7;

// Bits of `flags` of a kShutdown; no other flag means anything for streams.
inline constexpr std::uint32_t kShutdownReceive = 1;  // the sender will receive no more
inline constexpr std::uint32_t kShutdownSend = 2;

struct Header {
  std::uint64_t source_cid;
  std::uint64_t target_cid;
  std::uint32_t source_port;
  std::uint32_t target_port;
  std::uint32_t size;  // bytes of payload
  std::uint16_t type;
  std::uint16_t op;  // as it came; see known()
  std::uint32_t flags;
  std::uint32_t buffer_size;  // buf_alloc: the sender's receive space for this connection, bytes
  std::uint32_t forwarded;    // fwd_cnt: bytes that the sender has taken out of it, modulo 2^32

  [[nodiscard]] bool is(Op which) const { return op == static_cast<std::uint16_t>(which); }
  [[nodiscard]] bool known() const { return op != 0 && op <= kLastOp; }
};

inline constexpr std::size_t kHeaderSize = 44;  // little-endian, packed
using HeaderBytes = std::array<std::uint8_t, kHeaderSize>;

// A Header's first kHeaderSize bytes are the packet's: all machines here are little-endian, as the packet is.
[[nodiscard]] inline base::MutableBytes wire_bytes(Header& header) {
  return {reinterpret_cast<std::uint8_t*>(&header), kHeaderSize};
}
[[nodiscard]] inline base::Bytes wire_bytes(const Header& header) {
  return {reinterpret_cast<const std::uint8_t*>(&header), kHeaderSize};
}

// Any 44 bytes are a header; whether it makes sense is the switch's question.
[[nodiscard]] Header decode(const HeaderBytes& bytes);
[[nodiscard]] HeaderBytes encode(const Header& header);

}  // namespace vsock
