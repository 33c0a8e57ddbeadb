// A switch with a parent and two enclaves. The input is what their drivers and the monitor do: packets of every kind,
// bytes of the rings and of packets that change at any time, ports that come and go, in any order, between single
// steps.
//
// Each guest's memory is painted with a byte of its own and its payloads are made of it, so that a byte that strays is
// seen: no byte of one enclave may ever be written into another's memory, nor into the parent's for a port that it does
// not own.
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "firmware/base/byte_reader.hpp"
#include "firmware/vsock/switch.hpp"
#include "tests/fuzz/demand.hpp"

namespace {

using vsock::Op;

static_assert(board::kMaxEnclaves >= 2);
constexpr std::size_t kGuests = 3;  // the parent, then the enclaves
constexpr std::size_t kRam = 0x8000;
constexpr std::uint16_t kRing = 8;
// The rings of one queue, behind them eight buffers.
constexpr std::uint64_t kAvailable = 0x100;
constexpr std::uint64_t kUsed = 0x180;
constexpr std::uint64_t kBuffers = 0x400;
constexpr std::uint32_t kBufferSize = 0x700;
constexpr std::uint64_t kQueueBytes = 0x4000;
constexpr std::array<std::uint8_t, kGuests> kPaint{0xA0, 0xB1, 0xC2};
constexpr std::array<std::uint32_t, kGuests> kCids{3, 16, 17};

std::size_t g_writer_of_step = 0;  // bytes written in the present step

struct Ram final : virtio::GuestMemory {
  std::array<std::uint8_t, kRam> bytes{};
  std::size_t guest{};

  base::Status read(base::Ipa from, base::MutableBytes to) override {
    if (from.value > kRam || to.size() > kRam - from.value) return base::Error::kOutOfRange;
    std::memcpy(to.data(), bytes.data() + from.value, to.size());
    return {};
  }
  base::Status write(base::Ipa to, base::Bytes from) override {
    if (to.value > kRam || from.size() > kRam - to.value) return base::Error::kOutOfRange;
    g_writer_of_step += from.size();
    // Long runs of another enclave's paint come from nowhere but its memory.
    if (guest != 0) {
      const std::uint8_t foreign = kPaint[3 - guest];
      std::size_t run = 0;
      for (const std::uint8_t byte : from) {
        run = byte == foreign ? run + 1 : 0;
        DEMAND(run < 24);
      }
    }
    std::memcpy(bytes.data() + to.value, from.data(), from.size());
    return {};
  }
  template <typename T>
  void set(std::uint64_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  }
};

struct Guest {
  Ram ram;
  std::array<virtio::Queue, 2> queues{};
  std::array<std::uint16_t, 2> available{};

  void paint() {
    ram.bytes.fill(kPaint[ram.guest]);
    for (std::uint64_t base = 0; base < 2 * kQueueBytes; base += kQueueBytes) {
      std::memset(ram.bytes.data() + base, 0, kBuffers);
    }
    available = {};
  }
  // One descriptor `index` of queue `q`, announced.
  void announce(std::size_t q, std::uint16_t index, std::uint32_t size) {
    const std::uint64_t base = q * kQueueBytes;
    ram.set(base + 16U * index, base + kBuffers + std::uint64_t{index} * kBufferSize);
    ram.set(base + 16U * index + 8, size);
    ram.set(base + 16U * index + 12, static_cast<std::uint32_t>(q == 0 ? 2 : 0));
    ram.set(base + kAvailable + 4 + 2U * (available[q] % kRing), index);
    ram.set(base + kAvailable + 2, ++available[q]);
  }
};

struct World {
  vsock::Switch vsock{};
  std::array<Guest, kGuests> guests{};
};

[[nodiscard]] base::PartitionId port_of(std::size_t guest) {
  return base::PartitionId{static_cast<std::uint8_t>(guest + 1)};
}

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool empty() const { return at_ >= bytes_.size(); }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : bytes_[at_++]; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_{0};
};

void connect(World& world, std::size_t guest) {
  Guest& g = world.guests[guest];
  for (std::size_t q = 0; q < 2; ++q) {
    const std::uint64_t base = q * kQueueBytes;
    DEMAND(g.queues[q].configure({kRing, base::Ipa{base}, base::Ipa{base + kAvailable}, base::Ipa{base + kUsed}}).ok());
  }
  if (world.vsock.connect(port_of(guest), {&g.queues[0], &g.queues[1], &g.ram, kRing}).ok()) g.paint();
}

void send(World& world, std::size_t guest, Input& input) {
  constexpr std::array<std::uint32_t, 6> kTargets{3, 16, 17, 0, 99, 0xFFFF'FFFF};
  Guest& g = world.guests[guest];
  const std::uint8_t choice = input.byte();
  const std::uint8_t shape = input.byte();
  const bool data = choice % 8 == 5;
  const std::uint32_t size = data ? std::uint32_t{input.byte()} * 6 : 0;
  std::uint32_t target = guest == 0 ? kTargets[1 + shape % 2] : kTargets[0];
  if (shape % 8 == 7) target = kTargets[input.byte() % kTargets.size()];
  std::uint32_t port = 1U + (shape >> 3) % 4;
  if (target == 0) port = vsock::kConsolePortBase + 16U + (shape >> 3) % 2;
  const vsock::Header header{.source_cid = (shape >> 5) == 7 ? input.byte() : kCids[guest],
                             .target_cid = target,
                             .source_port = 1U + (shape >> 5) % 4,
                             .target_port = port,
                             .size = size,
                             .type = static_cast<std::uint16_t>(choice >= 0xF8 ? choice : 1),
                             .op = static_cast<std::uint16_t>(choice % 8),
                             .flags = shape,
                             .buffer_size = 0x1000,
                             .forwarded = std::uint32_t{shape} * 8};
  const auto index = static_cast<std::uint16_t>(input.byte() % kRing);
  const vsock::HeaderBytes bytes = vsock::encode(header);
  const std::uint64_t at = kQueueBytes + kBuffers + std::uint64_t{index} * kBufferSize;
  std::memset(g.ram.bytes.data() + at, kPaint[guest], kBufferSize);
  std::memcpy(g.ram.bytes.data() + at, bytes.data(), bytes.size());
  g.announce(1, index, vsock::kHeaderSize + size);
  world.vsock.kick(port_of(guest), vsock::QueueKind::kTransmit);
}

void operate(World& world, Input& input, std::uint64_t& now) {
  const std::uint8_t operation = input.byte();
  const std::size_t guest = operation % kGuests;
  Guest& g = world.guests[guest];
  const base::SlotIndex slot{static_cast<std::uint8_t>(guest == 0 ? 0 : guest - 1)};
  switch (operation / kGuests % 12) {
    case 0:
    case 1:
    case 2:
    case 3:
      send(world, guest, input);
      break;
    case 4:
    case 5: {
      const std::uint8_t index = input.byte();
      g.announce(0, index % kRing, index >= 0xF0 ? index : kBufferSize);
      world.vsock.kick(port_of(guest), vsock::QueueKind::kReceive);
      break;
    }
    case 6: {  // a byte of the rings, at any time
      const std::uint64_t at = std::uint64_t{input.byte()} * 2 + (input.byte() % 2 != 0 ? kQueueBytes : 0);
      g.ram.bytes[at] = input.byte();
      world.vsock.kick(port_of(guest), vsock::QueueKind::kTransmit);
      world.vsock.kick(port_of(guest), vsock::QueueKind::kReceive);
      break;
    }
    case 7: {  // a byte of a packet that may be under way
      const std::uint64_t at =
          kQueueBytes + kBuffers + std::uint64_t{input.byte() % 8U} * kBufferSize + input.byte() % 64;
      g.ram.bytes[at] = input.byte();
      break;
    }
    case 8:
      world.vsock.console_write(slot, input.byte());
      break;
    case 9: {
      const std::uint8_t how = input.byte();
      if (how % 4 == 0) world.vsock.disconnect(port_of(guest));
      if (guest == 0 || how % 4 == 0) break;
      if (how % 4 == 1) world.vsock.detach(slot);
      if (how % 4 == 2) world.vsock.forget(slot);
      if (how % 4 == 3) static_cast<void>(world.vsock.attach(slot, kCids[guest], (how & 4) != 0));
      break;
    }
    case 10:
      connect(world, guest);
      break;
    case 11:
      now += std::uint64_t{input.byte()} * 1000;
      break;
  }
}

// False: nothing more to do.
bool step(World& world, std::uint64_t now) {
  g_writer_of_step = 0;
  const vsock::StepReport report = world.vsock.step(now);
  DEMAND(!report.quiet || report.worked);
  if (report.quiet && !report.impatient) DEMAND(!world.vsock.step(now).worked);
  DEMAND(report.worked || (report.interrupt.empty() && report.broken.empty()));
  DEMAND(((report.interrupt.bits | report.broken.bits) & ~std::uint64_t{0b1110}) == 0);
  // A fragment with its header, and ring elements for it and for what goes back.
  DEMAND(g_writer_of_step <= vsock::kHeaderSize + vsock::kFragmentSize + 2 * (8 + 2));
  return report.worked;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World& world = *new World;
  world = World{};
  for (std::size_t guest = 0; guest < kGuests; ++guest) world.guests[guest].ram.guest = guest;
  for (std::size_t guest = 1; guest < kGuests; ++guest) {
    DEMAND(world.vsock.attach(base::SlotIndex{static_cast<std::uint8_t>(guest - 1)}, kCids[guest], guest == 1).ok());
  }
  for (std::size_t guest = 0; guest < kGuests; ++guest) connect(world, guest);
  Input input(std::span<const std::uint8_t>(data, size));
  std::uint64_t now = 1;
  std::uint64_t packets_offered = 0;
  while (!input.empty()) {
    operate(world, input, now);
    ++packets_offered;
    if (input.byte() % 2 == 0) static_cast<void>(step(world, now));
  }
  // It comes to rest: rings of eight, packets of at most 64 KiB, three tables of bounded length.
  std::size_t steps = 0;
  while (step(world, now)) DEMAND(++steps < 20'000);
  for (std::size_t guest = 0; guest < kGuests; ++guest) {
    const vsock::Counters counters = world.vsock.counters(port_of(guest));
    // Each operation offers at most eight chains, however its ring's bytes change.
    DEMAND(counters.packets + counters.dropped <= 2 * kRing * (packets_offered + 1));
    DEMAND(counters.bytes <= counters.packets * vsock::kMaxPayload + vsock::kMaxPayload * 2 * (packets_offered + 1));
  }
  return 0;
}
