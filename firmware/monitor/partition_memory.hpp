// A partition's memory as the devices that the monitor plays for it reach it. Under the state lock only: who owns a frame
// is looked up for every piece, so nothing that has left the partition is touched.
//
// No cache maintenance: a driver of a virtio device reaches its rings and buffers through the caches, like the monitor
// (the device tree says dma-coherent). A guest that does otherwise reads stale bytes of its own.
#pragma once

#include "firmware/virtio/guest_memory.hpp"

namespace monitor {

class PartitionMemory final : public virtio::GuestMemory {
 public:
  constexpr explicit PartitionMemory(base::PartitionId partition) : partition_(partition) {}
  [[nodiscard]] base::Status read(base::Ipa from, base::MutableBytes to) override;
  [[nodiscard]] base::Status write(base::Ipa to, base::Bytes from) override;

 private:
  base::PartitionId partition_;
};

}  // namespace monitor
