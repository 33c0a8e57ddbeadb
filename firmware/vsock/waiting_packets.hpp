// Packets that were taken from a transmit ring and are not yet given back: which wait for which destination.
#pragma once

#include <array>
#include <cstdint>

#include "board_tables.hpp"
#include "firmware/virtio/queue.hpp"
#include "firmware/vsock/packet.hpp"

namespace vsock {

struct WaitingPacket {
  virtio::Chain chain;
  Header header;
  std::uint32_t sent;  // bytes of payload that were delivered
  bool refused;        // to be answered with RST before it is given back
  std::uint16_t next;  // reference of the next in its list
};

// First in, first out, linked through the packets; 0 is none. All zero when empty.
struct PacketList {
  std::uint16_t first{};
  std::uint16_t last{};
  std::uint16_t descriptors{};  // of all its chains
  [[nodiscard]] bool empty() const { return first == 0; }
};

// A packet is named by its reference, from 1. The parent's come from a pool, each enclave has one.
class WaitingPackets {
 public:
  using Reference = std::uint16_t;
  static constexpr std::size_t kOfParent = virtio::kMaxQueueSize;

  [[nodiscard]] WaitingPacket& at(Reference reference) { return packets_[reference - 1]; }
  // 0: all are in use.
  [[nodiscard]] Reference take();
  void give_back(Reference reference);  // one of take()
  [[nodiscard]] static constexpr Reference of_enclave(std::size_t slot) {
    return static_cast<Reference>(kOfParent + slot + 1);
  }

  void append(PacketList& list, Reference reference);
  // `previous`: the one before it in the list, 0 for the first.
  void unlink(PacketList& list, Reference previous, Reference reference);

 private:
  std::array<WaitingPacket, kOfParent + board::kMaxEnclaves> packets_{};
  Reference free_{};
  std::uint16_t touched_{};
};

}  // namespace vsock
