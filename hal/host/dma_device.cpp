#include "hal/host/dma_device.hpp"

#include <algorithm>
#include <mutex>

#include "hal/host/machine.hpp"
#include "hal/registers/smmuv3.hpp"

namespace host {

template <typename Work>
bool DmaDevice::access(std::uint64_t address, std::size_t size, bool write, Work&& work) {
  namespace smmu = hal::registers::smmuv3;
  Smmu& model = machine_.smmu();
  const auto fault = [&](std::uint64_t at, std::uint8_t type) {
    model.report({.stream = stream_, .address = at, .type = type, .write = write});
    return false;
  };
  if (!model.stream_exists(stream_)) return fault(address, smmu::kEventBadStreamId);
  for (std::size_t done = 0; done < size;) {
    const std::uint64_t at = address + done;
    const std::size_t count = std::min<std::size_t>(size - done, base::kFrameSize - (at & (base::kFrameSize - 1)));
    const base::Ipa page{at & ~(base::kFrameSize - 1)};
    const std::lock_guard lock(model.cache().mutex());
    const auto partition = model.partition_of(stream_);
    if (!partition) return false;  // an entry that aborts records no event (IHI 0070, 5.2 Config)
    auto translation = model.cache().find(*partition, page);
    if (!translation) {
      translation = machine_.walk(*partition, page);
      if (!translation) return fault(at, smmu::kEventTranslation);
      model.cache().fill(*partition, page, *translation);
    }
    if (translation->access == (write ? base::Access::kReadOnly : base::Access::kMessages)) {
      return fault(at, smmu::kEventPermission);
    }
    const base::PhysAddr physical{base::address_of(translation->frame).value | (at & (base::kFrameSize - 1))};
    if (!machine_.memory().contains(physical, count)) return false;  // no memory there: the bus answers with an error
    work(physical, done, count);
    done += count;
  }
  return true;
}

bool DmaDevice::read(std::uint64_t address, base::MutableBytes to) {
  return access(address, to.size(), false, [&](base::PhysAddr physical, std::size_t done, std::size_t count) {
    machine_.memory().read(physical, to.subspan(done, count));
  });
}

bool DmaDevice::write(std::uint64_t address, base::Bytes from) {
  return access(address, from.size(), true, [&](base::PhysAddr physical, std::size_t done, std::size_t count) {
    machine_.memory().write(physical, from.subspan(done, count));
  });
}

}  // namespace host
