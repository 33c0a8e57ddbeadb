#include "firmware/boot/load_parent.hpp"

#include <algorithm>
#include <cstring>

#include "board_tables.hpp"
#include "firmware/base/fixed_list.hpp"
#include "firmware/board/budget.hpp"
#include "firmware/boot/kernel_image.hpp"
#include "firmware/boot/amend_device_tree.hpp"
#include "firmware/boot/payload.hpp"
#include "firmware/boot/platform_record.hpp"
#include "firmware/crypto/drbg.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/identity.hpp"
#include "firmware/monitor/panic.hpp"
#include "hal/boot_data.hpp"
#include "hal/floating_point.hpp"
#include "hal/memory.hpp"
#include "parent_device_tree.hpp"

namespace boot {

namespace {

using measure::PlatformPcr;
using monitor::panic;

alignas(8) constinit std::array<std::uint8_t, board::kParentDeviceTreeRoom> g_device_tree{};

struct Range {
  std::uint64_t base;
  std::uint64_t size;
  [[nodiscard]] bool contains(const Range& other) const {
    return other.base >= base && other.size <= size && other.base - base <= size - other.size;
  }
  [[nodiscard]] bool overlaps(const Range& other) const {
    return base < other.base + other.size && other.base < base + size;
  }
};

// What the machine has of the region that the parent starts in.
[[nodiscard]] Range parent_memory() {
  constexpr const board::MemoryRegion& kRegion = board::kBoard.memory[0];
  return {kRegion.base, board::present_bytes(kRegion, monitor::g_state.memory_end)};
}

[[nodiscard]] base::FrameRange frames_around(std::uint64_t address, std::uint64_t size) {
  const std::uint64_t first = address & ~(base::kFrameSize - 1);
  const auto frames = base::FrameRange::from_bytes(first, base::align_up(address + size, base::kFrameSize) - first);
  if (!frames) panic("a piece of the boot payload is empty");
  return *frames;
}

[[nodiscard]] std::uint64_t left_of_block(std::uint64_t address) { return base::kBlockSize - address % base::kBlockSize; }

// Bytes inside one block, in place.
class View {
 public:
  View(std::uint64_t address, std::uint64_t size)
      : window_(frames_around(address, size)), bytes_(window_.bytes().subspan(address % base::kFrameSize, size)) {}
  [[nodiscard]] base::MutableBytes bytes() const { return bytes_; }

 private:
  hal::Window window_;
  base::MutableBytes bytes_;
};

[[nodiscard]] measure::Digest digest_of(const Range& range) {
  crypto::Sha384 hash;
  for (std::uint64_t done = 0; done < range.size;) {
    const std::uint64_t address = range.base + done;
    const std::uint64_t size = std::min(range.size - done, left_of_block(address));
    hash.update(View{address, size}.bytes());
    done += size;
  }
  return hash.finish();
}

// The parent starts with its caches off: what is measured is what lies in memory, not in a cache.
void clean(const Range& range) { hal::clean_frames(frames_around(range.base, range.size)); }

void copy(const Range& from, std::uint64_t to) {
  for (std::uint64_t done = 0; done < from.size;) {
    const std::uint64_t size =
        std::min({from.size - done, left_of_block(from.base + done), left_of_block(to + done)});
    const View source{from.base + done, size};
    const View target{to + done, size};
    std::memcpy(target.bytes().data(), source.bytes().data(), size);
    done += size;
  }
}

class ParentLoader {
 public:
  explicit ParentLoader(std::uint64_t address) : address_(address) {
    std::array<std::uint8_t, kMaxPayloadTable> table;
    if (!memory_.contains({address, table.size()})) panic("the boot payload lies outside the parent's memory");
    const std::uint64_t available = memory_.size - (address - memory_.base);
    hal::read_bytes(base::PhysAddr{address}, table);
    const auto payload = Payload::parse(table, available);
    if (!payload) panic("the boot payload is malformed, or was not laid into memory");
    payload_ = *payload;
    all_ = {address, payload_.size()};
    clean(all_);
  }

  ParentStart load() {
    const auto flat = payload_.find("parent");
    const auto kernel = flat ? flat : payload_.find("kernel");
    if (!kernel || kernel->size == 0) panic("the boot payload has no piece named kernel or parent");
    const Range image = place(at(*kernel));
    const hal::FloatingPointScope scope;
    record(PlatformPcr::kParentKernel, "kernel", digest_of(image));
    if (flat) {  // everything that lies beside it is the program's to read
      record(PlatformPcr::kParentInitrd, "payload", digest_of(all_));
      return {image.base, 0};
    }
    const Range tree{image.base - kTreeRoom, kTreeRoom};
    return {image.base, write_device_tree(tree)};
  }

 private:
  static constexpr std::uint64_t kTreeRoom = kKernelAlignment;  // below the kernel, alone in its 2 MiB (booting.rst)

  [[nodiscard]] Range at(const PayloadPiece& piece) const { return {address_ + piece.offset, piece.size}; }

  [[nodiscard]] Range place(const Range& from) const {
    std::array<std::uint8_t, kKernelHeaderSize> header{};
    hal::read_bytes(base::PhysAddr{from.base},
                    base::MutableBytes{header}.first(std::min<std::uint64_t>(from.size, header.size())));
    constexpr std::uint64_t base = board::kBoard.parent_entry;
    const auto placement = place_kernel(header, from.size, memory_.base + memory_.size - base);
    if (!placement) panic("the parent's kernel is malformed or larger than its memory");
    Range room{base + placement->offset, placement->room};
    if (room.overlaps(all_)) {
      if (!placement->anywhere) panic("the parent's kernel reaches into the boot payload");
      room.base = base::align_up(all_.base + all_.size + kTreeRoom, kKernelAlignment) + placement->offset;
      if (!memory_.contains(room)) panic("the parent's memory does not hold its kernel behind the boot payload");
    }
    copy(from, room.base);
    const Range image{room.base, from.size};
    clean(image);
    return image;
  }

  [[nodiscard]] std::uint64_t write_device_tree(const Range& room) {
    if (!memory_.contains(room)) panic("the board leaves no room for a device tree below the parent's entry");
    if (room.overlaps(all_)) panic("the boot payload lies where the parent's device tree goes");
    std::array<std::uint8_t, kMaxCommandLine> command_line;
    BootFacts facts;
    if (const auto text = payload_.find("cmdline")) {
      if (text->size > command_line.size()) panic("the parent's command line is too long");
      const auto bytes = base::MutableBytes{command_line}.first(text->size);
      hal::read_bytes(base::PhysAddr{at(*text).base}, bytes);
      if (std::find(bytes.begin(), bytes.end(), 0) != bytes.end()) panic("the parent's command line contains a NUL");
      facts.command_line = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    record(PlatformPcr::kParentCommandLine, "command line",
           crypto::sha384({reinterpret_cast<const std::uint8_t*>(facts.command_line.data()), facts.command_line.size()}));
    if (const auto initrd = payload_.find("initrd"); initrd && initrd->size != 0) {
      facts.initrd = at(*initrd).base;
      facts.initrd_size = initrd->size;
      record(PlatformPcr::kParentInitrd, "initrd", digest_of(at(*initrd)));
    }
    base::FixedList<std::uint64_t, board::kMaxCores> absent;
    for (std::uint8_t i = 0; i < board::kBoard.cores.size(); ++i) {
      if (monitor::g_state.cores.at(base::CoreId{i}).owner != base::kMonitor) continue;
      if (!absent.push(board::kBoard.cores[i].mpidr).ok()) panic("more cores than the board has");
    }
    facts.absent_cores = absent.view();
    facts.redistributor_bytes = monitor::g_state.cores.end_of_present() * board::kBoard.gic_redistributor_stride;
    std::array<PresentMemory, board::kBoard.memory.size()> present;
    std::transform(board::kBoard.memory.begin(), board::kBoard.memory.end(), present.begin(), [](const auto& region) {
      return PresentMemory{region.base, board::present_bytes(region, monitor::g_state.memory_end)};
    });
    facts.memory = present;
    const auto size = amend_device_tree(board::kParentDeviceTree, facts, g_device_tree);
    if (!size) panic("the parent's device tree can't be completed");
    const auto tree = base::MutableBytes{g_device_tree}.first(*size);
    record(PlatformPcr::kDeviceTree, "parent device tree", crypto::sha384(tree));

    auto random = monitor::generator().generate<8 + kRngSeedSize>();
    if (!random) panic("no randomness for the parent's seeds");
    const crypto::WipeOnExit wipe_random{*random};
    std::uint64_t kaslr = 0;
    for (std::size_t i = 0; i < 8; ++i) kaslr = kaslr << 8 | (*random)[i];
    const std::span<const std::uint8_t, kRngSeedSize> seed = std::span{*random}.last<kRngSeedSize>();
    if (!plant_seeds(tree, kaslr, seed).ok()) panic("no place for the parent's seeds");
    hal::write_bytes(base::PhysAddr{room.base}, tree);
    clean(Range{room.base, tree.size()});
    crypto::wipe(tree);
    return room.base;
  }

  Range memory_{parent_memory()};
  std::uint64_t address_;
  Payload payload_{};
  Range all_{};
};

}  // namespace

ParentStart load_parent() {
  const auto payload = hal::payload();
  if (!payload) return {board::kBoard.parent_entry, 0};  // this machine's guests are programs, not bytes
  return ParentLoader{payload->value}.load();
}

}  // namespace boot
