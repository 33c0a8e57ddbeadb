// A virtqueue whose driver writes what it likes when it likes: honest chains, single bytes of the rings, and changes
// between two of the device's own reads. Chosen by the first byte, a bare queue or the commands of virtio-nsm.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "firmware/virtio/nsm_queue.hpp"
#include "tests/fuzz/demand.hpp"
#include "tests/unit/firmware/virtio/ring_driver.hpp"

namespace {

using virtio::Chain;
using virtio::Queue;
using virtio_test::kMemoryBase;

constexpr std::size_t kMemorySize = 0x8000;
constexpr std::uint64_t kRing = kMemoryBase + 0x1000;
constexpr std::uint64_t kData = kMemoryBase + 0x4000;

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool empty() const { return position_ == bytes_.size(); }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : bytes_[position_++]; }
  std::uint32_t upto(std::uint32_t most) { return (byte() | std::uint32_t{byte()} << 8) % (most + 1); }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t position_{0};
};

struct World {
  World(Input& source, std::uint16_t queue_size) : input(source), size(queue_size), driver(memory, kRing, queue_size) {
    DEMAND(queue.configure(driver.layout()).ok());
  }

  void poke() {
    const std::uint64_t length = driver.end() - kRing;
    const std::uint64_t at = kRing + input.upto(static_cast<std::uint32_t>(length - 1));
    *memory.at(at) = input.byte();
  }
  // A driver that is honest for once; with it come the interesting lies.
  void add() {
    const std::uint8_t form = input.byte();
    std::vector<virtio_test::Buffer> buffers;
    const std::size_t count = 1 + form % 4;
    for (std::size_t i = 0; i < count; ++i) {
      buffers.push_back({kData + input.upto(0x3fff), input.upto(form < 128 ? 64 : 5000), i >= (form >> 2) % 5U});
    }
    static_cast<void>(driver.add(buffers));
  }
  void configure() {
    Queue::Layout layout = driver.layout();
    const std::uint8_t form = input.byte();
    if ((form & 1) != 0) layout.size = static_cast<std::uint16_t>(input.upto(0xffff));
    if ((form & 2) != 0) layout.descriptors.value += input.upto(0xffff);
    if ((form & 4) != 0) layout.available.value = ~std::uint64_t{0} - input.upto(0xffff);
    if ((form & 8) != 0) layout.used.value -= input.upto(0xffff);
    const std::uint32_t generation = queue.generation();
    const bool ready = queue.ready();
    const bool done = queue.configure(layout).ok();
    DEMAND(done == (generation != queue.generation()));
    DEMAND(queue.ready() == (done || ready));
    if (!done) return;
    now = layout;
    size = layout.size;
    held.clear();
  }
  void begin(std::uint8_t choice) {
    memory.reads.clear();
    memory.writes.clear();
    memory.after_read = nullptr;
    if (choice < 128) return;
    const std::uint64_t at = kRing + input.upto(static_cast<std::uint32_t>(driver.end() - kRing - 1));
    const std::uint8_t flip = input.byte();
    memory.after_read = [this, at, flip](std::uint64_t, std::size_t) { *memory.at(at) ^= flip; };
  }

  static void check(const Chain& chain, std::uint16_t size) {
    DEMAND(chain.head < size);
    DEMAND(chain.count >= 1 && chain.count <= std::min<std::size_t>(size, virtio::kMaxChainLength));
    DEMAND(std::uint64_t{chain.readable_bytes()} + chain.writable_bytes() <= virtio::kMaxChainBytes);
    for (std::size_t i = 0; i < chain.count; ++i) {
      const virtio::Descriptor& descriptor = chain.descriptors[i];
      DEMAND(descriptor.size == 0 || descriptor.address.value + (descriptor.size - 1) >= descriptor.address.value);
      DEMAND(i == 0 || descriptor.writable || !chain.descriptors[i - 1].writable);
    }
  }
  [[nodiscard]] bool in_used_ring(std::uint64_t address, std::size_t bytes) const {
    const std::uint64_t used = now.used.value;
    return address >= used + 2 && address + bytes <= used + 4 + 8U * size;
  }

  void step() {
    const std::uint8_t choice = input.byte();
    begin(choice);
    switch (choice % 8) {
      case 0:
        poke();
        return;
      case 1:
        add();
        return;
      case 2: {
        const auto popped = queue.pop(memory);
        DEMAND(memory.writes.empty());
        DEMAND(memory.reads.size() <= 2 + virtio::kMaxChainLength);
        if (!popped.ok() || !popped->has_value()) return;
        check(**popped, size);
        held.push_back(**popped);
        DEMAND(held.size() <= size);
        return;
      }
      case 3: {
        if (held.empty()) {
          DEMAND(!queue.push(memory, input.byte(), 0).ok());
          DEMAND(memory.writes.empty());
          return;
        }
        const Chain chain = held[input.byte() % held.size()];
        const auto pushed = queue.push(memory, chain.head, input.byte());
        DEMAND(memory.writes.size() <= 2);
        for (const auto& [address, bytes] : memory.writes) DEMAND(in_used_ring(address, bytes));
        if (pushed.ok()) {
          held.erase(std::find_if(held.begin(), held.end(), [&](const Chain& c) { return c.head == chain.head; }));
        }
        return;
      }
      case 4: {
        if (held.empty()) return;
        std::array<std::uint8_t, 600> bytes{};
        const Chain& chain = held[input.byte() % held.size()];
        const std::uint32_t offset = input.upto(700);
        const std::uint32_t count = input.upto(600);
        if (virtio::read_chain(memory, chain, offset, std::span(bytes).first(count)).ok()) {
          DEMAND(offset + count <= chain.readable_bytes());
        }
        DEMAND(memory.writes.empty());
        if (virtio::write_chain(memory, chain, offset, std::span(bytes).first(count)).ok()) {
          DEMAND(offset + count <= chain.writable_bytes());
        }
        for (const auto& [address, length] : memory.writes) DEMAND(in_writable_part(chain, address, length));
        return;
      }
      case 5: {
        const auto available = queue.available(memory);
        DEMAND(!available.ok() || *available + held.size() <= size);
        static_cast<void>(queue.wants_interrupt(memory));
        DEMAND(memory.writes.empty());
        return;
      }
      case 6:
        configure();
        return;
      default:
        static_cast<void>(driver.collect());
        return;
    }
  }
  [[nodiscard]] static bool in_writable_part(const Chain& chain, std::uint64_t address, std::size_t length) {
    return std::any_of(chain.descriptors.begin(), chain.descriptors.begin() + chain.count, [&](const auto& descriptor) {
      return descriptor.writable && address >= descriptor.address.value &&
             address + length <= descriptor.address.value + descriptor.size;
    });
  }

  void nsm_step() {
    const std::uint8_t choice = input.byte();
    begin(choice);
    bool broken = false;
    switch (choice % 6) {
      case 0:
        poke();
        return;
      case 1:
        add();
        return;
      case 2: {
        const auto taken = nsm.take(queue, memory, request);
        DEMAND(memory.writes.empty());
        broken = !taken.ok();
        if (broken) break;
        const bool command =
            taken->kind == virtio::NsmTaken::Kind::kRequest || taken->kind == virtio::NsmTaken::Kind::kTooLong;
        DEMAND(command || taken->capacity == 0);
        DEMAND(taken->kind == virtio::NsmTaken::Kind::kRequest || taken->bytes == 0);
        DEMAND(taken->bytes <= virtio::kNsmMaxRequest);
        DEMAND((taken->kind == virtio::NsmTaken::Kind::kBusy) == in_flight);
        if (!command) break;
        DEMAND(!in_flight);
        in_flight = true;
        capacity = taken->capacity;
        ticket = taken->ticket;
        break;
      }
      case 3: {
        const std::vector<std::uint8_t> answer(input.upto(300));
        const auto finished = nsm.finish(queue, memory, ticket, answer);
        if (!in_flight) {
          DEMAND(finished.ok() && !*finished && memory.writes.empty() && memory.reads.empty());
        } else if (answer.size() > capacity) {
          DEMAND(!finished.ok() && finished.error() == base::Error::kBufferTooSmall && memory.writes.empty());
        } else {
          in_flight = false;
          broken = !finished.ok();
        }
        break;
      }
      case 4:
        broken = true;
        break;  // the device's reset
      default:
        static_cast<void>(driver.collect());
        return;
    }
    if (!broken) return;
    in_flight = false;
    if (input.byte() % 2 == 0) queue.reset();
    DEMAND(queue.configure(driver.layout()).ok());
  }

  Input& input;
  std::uint16_t size;
  virtio_test::ByteMemory memory{kMemorySize};
  virtio_test::RingDriver driver;
  Queue queue{};
  Queue::Layout now = driver.layout();
  std::vector<Chain> held;

  virtio::NsmQueue nsm{};
  bool in_flight{false};
  std::uint32_t capacity{0};
  std::uint32_t ticket{0};
  std::array<std::uint8_t, virtio::kNsmMaxRequest> request{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input({data, size});
  const std::uint8_t choice = input.byte();
  World world(input, static_cast<std::uint16_t>(1U << (choice >> 1) % 9));
  while (!input.empty()) {
    if (choice % 2 == 0) {
      world.step();
    } else {
      world.nsm_step();
    }
  }
  return 0;
}
