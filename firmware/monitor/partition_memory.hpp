// A partition's memory as the devices that the monitor plays for it reach it. Under the state lock only. Who owns a frame is
// looked up when it is first touched in a visit; owners change under the same lock, so nothing that has left the partition
// is touched.
//
// No cache maintenance: a driver of a virtio device reaches its rings and buffers through the caches, like the monitor
// (the device tree says dma-coherent). A guest that does otherwise reads stale bytes of its own.
#pragma once

#include <array>

#include "firmware/enclave/slot.hpp"
#include "firmware/virtio/guest_memory.hpp"

namespace monitor {

// While one lives, partitions' memories may be touched, and the frames that were stay in reach. It lives and ends under one hold
// of the state lock; not nested. A PartitionMemory that is used meanwhile lives longer.
class [[nodiscard]] MemoryVisit {
 public:
  MemoryVisit();
  ~MemoryVisit();
  MemoryVisit(const MemoryVisit&) = delete;
  MemoryVisit& operator=(const MemoryVisit&) = delete;
};

class PartitionMemory final : public virtio::GuestMemory {
 public:
  constexpr explicit PartitionMemory(base::PartitionId partition) : partition_(partition) {}
  [[nodiscard]] base::Status read(base::Ipa from, base::MutableBytes to) override;
  [[nodiscard]] base::Status write(base::Ipa to, base::Bytes from) override;

 private:
  [[nodiscard]] base::Result<base::PhysAddr> locate(base::Ipa ipa);
  [[nodiscard]] base::Result<base::PhysAddr> enclaves(base::Ipa ipa);
  [[nodiscard]] base::Status check(base::Ipa ipa, std::uint64_t size);
  [[nodiscard]] std::uint8_t* bring(std::uint64_t frame) override;
  [[nodiscard]] std::size_t place_in_hal(std::uint64_t frame) const;
  [[nodiscard]] base::Result<std::size_t> show(base::Ipa ipa);
  template <typename Bytes, typename Copy>
  [[nodiscard]] base::Status for_each_frame(base::Ipa ipa, Bytes bytes, Copy&& copy);

  // Regions where pieces of an enclave's memory were found, by the block that was asked for. They hold for as long as that
  // enclave lives: regions come before its first instruction and go after its last (firmware/enclave/slot.hpp).
  struct Place {
    base::SlotUid uid;
    std::uint64_t begin;  // offset in the enclave's memory
    base::FrameRange frames;
  };
  static constexpr std::size_t kPlaces = 8;
  // What a place of the hal shows, if `visit` is the present one.
  struct Shown {
    std::uint64_t visit;
    std::uint64_t frame;  // the partition's number of it
    base::PartitionId partition;
    AtHand* at_hand;
  };
  static Shown& shown(std::size_t place);
  friend class MemoryVisit;

  base::PartitionId partition_;
  std::array<Place, kPlaces> places_{};
};

}  // namespace monitor
