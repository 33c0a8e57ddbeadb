// The registers of a virtio device under any sequence of accesses, with a device behind them that pushes, interrupts
// and breaks. Chosen by the first byte, the shape of virtio-nsm or of virtio-vsock.
#include <array>
#include <cstdint>
#include <span>

#include "firmware/virtio/mmio_transport.hpp"
#include "tests/fuzz/demand.hpp"

namespace {

using virtio::MmioDevice;
using virtio::MmioEvent;
using Kind = virtio::MmioEvent::Kind;

constexpr std::array<std::uint8_t, 8> kCid{16, 0, 0, 0, 0, 0, 0, 0};
constexpr std::uint64_t kFeatures = 6;

// What drivers do use, most useful first; anything else comes as a free offset.
constexpr std::array<std::uint16_t, 20> kRegisters{0x70, 0x70, 0x44, 0x50, 0x64, 0x30, 0x38, 0x20, 0x24, 0x14,
                                                   0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0x60, 0x10, 0x34, 0xfc};

struct Seen {
  std::uint8_t status;
  std::uint64_t features;
  bool line;
  std::array<std::uint32_t, virtio::kMaxQueues> generations;
  std::array<bool, virtio::kMaxQueues> ready;
  bool operator==(const Seen&) const = default;
};

Seen look(const MmioDevice& device) {
  Seen seen{device.state().status(), device.state().features(), device.interrupt_line(), {}, {}};
  for (std::size_t i = 0; i < virtio::kMaxQueues; ++i) {
    seen.generations[i] = device.queue(i).generation();
    seen.ready[i] = device.queue(i).ready();
  }
  return seen;
}

void check_state(const MmioDevice& device, bool vsock) {
  const std::uint8_t status = device.state().status();
  const bool features_ok = (status & virtio::status::kFeaturesOk) != 0;
  const bool driver_ok = (status & virtio::status::kDriverOk) != 0;
  const bool broken = device.state().needs_reset();
  DEMAND(!driver_ok || features_ok);
  DEMAND(device.live() == (driver_ok && !broken));
  const std::uint64_t features = device.state().features();
  const std::uint64_t offered = virtio::kFeatureVersion1 | (vsock ? kFeatures : 0);
  DEMAND((features & ~offered) == 0);
  DEMAND(features_ok == ((features & virtio::kFeatureVersion1) != 0));
  DEMAND(device.interrupt_line() == (*device.read(0x60, 4) != 0));
  DEMAND(!device.interrupt_line() || driver_ok);  // nobody is interrupted who is not up
  DEMAND(*device.read(0x70, 4) == status);
  DEMAND(*device.read(0x00, 4) == 0x74726976 && *device.read(0x04, 4) == 2);
  DEMAND(*device.read(0x08, 4) == (vsock ? 19U : 33U));
  DEMAND(*device.read(0x100, 8) == (vsock ? 16U : 0U));
  for (std::size_t i = 0; i < virtio::kMaxQueues; ++i) {
    DEMAND(!device.queue(i).ready() || (!broken && i < device.queues()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool vsock = data[0] % 2 != 0;
  MmioDevice device{};
  if (vsock) {
    DEMAND(device.reset({19, kFeatures, 3, 128, kCid}).ok());
  } else {
    DEMAND(device.reset({33, 0, 1, 16, {}}).ok());
  }
  const std::span<const std::uint8_t> input(data + 1, size - 1);
  for (std::size_t at = 0; at + 6 <= input.size(); at += 6) {
    const std::span<const std::uint8_t> step = input.subspan(at, 6);
    std::uint64_t value = step[2] | std::uint64_t{step[3]} << 8 | std::uint64_t{step[4]} << 16;
    if (step[5] >= 128) value |= std::uint64_t{step[5]} << 24 | std::uint64_t{step[5]} << 56;
    const Seen before = look(device);
    const bool was_live = device.live();
    if (step[0] < 8) {
      device.fail();
      DEMAND(device.state().needs_reset());
      DEMAND(!was_live || device.interrupt_line());
    } else if (step[0] < 24) {
      device.raise_used();
      DEMAND(device.interrupt_line() == (before.line || was_live));
    } else {
      const bool known = step[0] < 224;
      const std::uint64_t offset =
          known ? kRegisters[step[1] % kRegisters.size()] : std::uint64_t{step[1]} << 4 | (step[5] & 15U);
      const std::uint32_t bytes = known ? 4 : step[0] % 10U;
      const auto read = device.read(offset, bytes);
      DEMAND(look(device) == before);
      const auto event = device.write(offset, bytes, value);
      DEMAND(event.ok() == read.ok());
      const Seen after = look(device);
      if (!event.ok() || offset >= MmioDevice::kConfigSpace) DEMAND(after == before);
      if (event.ok()) {
        DEMAND(event->line_changed == (after.line != before.line));
        const bool reset = event->kind == Kind::kReset;
        DEMAND(reset == (offset == 0x70 && (value & 0xff) == 0));
        DEMAND(reset || (before.status & ~after.status) == 0);
        DEMAND(!reset || (after.status == 0 && !after.line));
        for (std::size_t i = 0; i < virtio::kMaxQueues; ++i) {
          DEMAND(!reset || (!after.ready[i] && after.generations[i] != before.generations[i]));
          DEMAND(after.ready[i] == before.ready[i] || after.generations[i] != before.generations[i]);
        }
        DEMAND((event->kind == Kind::kDriverOk) == (!was_live && device.live()) || device.state().needs_reset());
        if (event->kind == Kind::kNotify) {
          DEMAND(offset == 0x50 && device.live() && event->queue < device.queues());
          DEMAND(device.queue(event->queue).ready());
        }
      }
    }
    check_state(device, vsock);
  }
  return 0;
}
