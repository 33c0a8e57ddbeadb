#include "firmware/vsock/packet.hpp"

#include <gtest/gtest.h>

namespace {

// The fields at the offsets of struct virtio_vsock_hdr (Virtual I/O Device 1.2, 5.10.6), each with bytes of its own.
TEST(Packet, EveryFieldStandsWhereTheSpecificationPutsIt) {
  vsock::HeaderBytes bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i + 1);
  const vsock::Header header = vsock::decode(bytes);
  EXPECT_EQ(header.source_cid, 0x0807'0605'0403'0201U);
  EXPECT_EQ(header.target_cid, 0x100f'0e0d'0c0b'0a09U);
  EXPECT_EQ(header.source_port, 0x1413'1211U);
  EXPECT_EQ(header.target_port, 0x1817'1615U);
  EXPECT_EQ(header.size, 0x1c1b'1a19U);
  EXPECT_EQ(header.type, 0x1e1dU);
  EXPECT_EQ(header.op, 0x201fU);
  EXPECT_EQ(header.flags, 0x2423'2221U);
  EXPECT_EQ(header.buffer_size, 0x2827'2625U);
  EXPECT_EQ(header.forwarded, 0x2c2b'2a29U);
  EXPECT_EQ(vsock::encode(header), bytes);
}

}  // namespace
