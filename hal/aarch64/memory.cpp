// Windows onto partitions' frames, and cache maintenance through them.
#include "hal/memory.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "hal/aarch64/monitor_map.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/registers/stage1_el2.hpp"
#include "hal/upcalls.hpp"

namespace hal {

namespace aarch64 {
namespace {

namespace format = registers::stage1_el2;

// One bit for each window in use, by core: no core looks at another's.
constinit std::array<std::uint8_t, kCores> in_use{};
// One bit for each place of a single frame that shows one.
constinit std::array<std::uint32_t, kCores> shown{};
static_assert(kShownFrames <= 32);

constexpr std::uint64_t kPagesOneByOne = 16;
constexpr std::uint64_t kMisuse = 0xFFFF'0004;

void put(TranslationTable& table, std::uint64_t index, std::uint64_t descriptor) {
  const_cast<volatile std::uint64_t&>(table[index]) = descriptor;
}

std::uint64_t window_address(std::uint64_t window) { return kWindowBase + window * kWindowSize; }

void open(std::uint64_t window, base::FrameRange frames) {
  CoreTables& tables = hal_core_tables[this_core().index];
  const std::uint64_t first = frames.address().value;
  if (frames.bytes() == kWindowSize) {
    put(tables.window_level2, window, first | format::kData | format::kValid);
  } else {
    TranslationTable& pages = tables.window_level3[window];
    std::uint64_t descriptor = first | format::kData | format::kTableOrPage | format::kValid;
    for (std::uint64_t page = 0; page < frames.count().value; ++page, descriptor += base::kFrameSize) {
      put(pages, page, descriptor);
    }
    put(tables.window_level2, window, reinterpret_cast<std::uint64_t>(&pages) | format::kTableOrPage | format::kValid);
  }
  asm volatile("dsb nshst" : : : "memory");
  isb();
}

void close(std::uint64_t window, std::uint64_t pages_used) {
  CoreTables& tables = hal_core_tables[this_core().index];
  put(tables.window_level2, window, 0);
  asm volatile("dsb nshst" : : : "memory");
  // This core is the only one whose walker ever sees these tables.
  if (pages_used <= kPagesOneByOne) {
    for (std::uint64_t page = 0; page < pages_used; ++page) {
      put(tables.window_level3[window], page, 0);
      asm volatile("tlbi vae2, %0" : : "r"((window_address(window) >> base::kFrameShift) + page) : "memory");
    }
  } else {
    if (pages_used < base::kFramesPerBlock) {
      for (std::uint64_t page = 0; page < pages_used; ++page) put(tables.window_level3[window], page, 0);
    }
    asm volatile("tlbi alle2" : : : "memory");
  }
  dsb_nsh();
  isb();
}

// A window of one frame for one memcpy: what rings and packets are made of. It has a place of its own, so there is nothing
// to look for; nothing is called meanwhile, so the place is free.
class OnePage {
 public:
  explicit OnePage(base::PhysAddr frame) : entry_(&hal_core_tables[this_core().index].window_level3[kPagePlace][0]) {
    *const_cast<volatile std::uint64_t*>(entry_) = frame.value | format::kData | format::kTableOrPage | format::kValid;
    asm volatile("dsb nshst" : : : "memory");
    isb();
  }
  ~OnePage() {
    *const_cast<volatile std::uint64_t*>(entry_) = 0;
    asm volatile("dsb nshst" : : : "memory");
    asm volatile("tlbi vae2, %0" : : "r"(window_address(kPagePlace) >> base::kFrameShift) : "memory");
    dsb_nsh();
    isb();
  }
  OnePage(const OnePage&) = delete;
  OnePage& operator=(const OnePage&) = delete;
  [[nodiscard]] std::uint8_t* bytes() const { return reinterpret_cast<std::uint8_t*>(window_address(kPagePlace)); }

 private:
  std::uint64_t* entry_;
};

// The first page is OnePage's.
std::uint64_t shown_address(std::size_t place) { return window_address(kPagePlace) + (place + 1) * base::kFrameSize; }

void forget_translation(std::size_t place) {
  asm volatile("tlbi vae2, %0" : : "r"(shown_address(place) >> base::kFrameShift) : "memory");
}

// Calls work(window bytes) for each piece that a window can hold.
template <typename Work>
void for_each_window(base::FrameRange frames, Work&& work) {
  std::uint64_t frame = frames.first().value;
  const std::uint64_t end = frames.end().value;
  while (frame < end) {
    const std::uint64_t block_end = (frame / base::kFramesPerBlock + 1) * base::kFramesPerBlock;
    const std::uint64_t count = std::min(end, block_end) - frame;
    const Window window(base::FrameRange::trusted(base::FrameNumber{frame}, base::FrameCount{count}));
    work(window.bytes());
    frame += count;
  }
}

// The work is cache lines and blocks by the thousand: eight in a round, where a frame is a whole number of rounds.
constexpr std::uint64_t kAtOnce = 8;

// Precondition: whole frames, which a line divides (CTR_EL0.DminLine: at most 2 KiB).
void clean(base::Bytes bytes) {
  const std::uint64_t line = std::uint64_t{4} << ((HAL_READ_REGISTER(ctr_el0) >> 16) & 0xF);
  std::uint64_t at = reinterpret_cast<std::uint64_t>(bytes.data());
  const std::uint64_t end = at + bytes.size();
  if (line * kAtOnce <= base::kFrameSize) {
    while (at < end) {
      asm volatile(".rept 8\n dc civac, %0\n add %0, %0, %1\n .endr" : "+r"(at) : "r"(line) : "memory");
    }
  }
  for (; at < end; at += line) asm volatile("dc civac, %0" : : "r"(at) : "memory");
  dsb_sy();
}

void zero(base::MutableBytes bytes) {
  const std::uint64_t dczid = HAL_READ_REGISTER(dczid_el0);
  if ((dczid & 0x10) != 0) {  // DZP: DC ZVA prohibited
    std::memset(bytes.data(), 0, bytes.size());
    return;
  }
  const std::uint64_t block = std::uint64_t{4} << (dczid & 0xF);  // at most 2 KiB: divides a frame
  std::uint64_t at = reinterpret_cast<std::uint64_t>(bytes.data());
  const std::uint64_t end = at + bytes.size();
  if (block * kAtOnce <= base::kFrameSize) {
    while (at < end) {
      asm volatile(".rept 8\n dc zva, %0\n add %0, %0, %1\n .endr" : "+r"(at) : "r"(block) : "memory");
    }
  }
  for (; at < end; at += block) asm volatile("dc zva, %0" : : "r"(at) : "memory");
}

}  // namespace
}  // namespace aarch64

Window::Window(base::FrameRange frames) : index_(0) {
  std::uint8_t& used = aarch64::in_use[aarch64::this_core().index];
  while (index_ < aarch64::kWindows && (used & (1U << index_)) != 0) ++index_;
  const std::uint64_t offset = frames.first().value % base::kFramesPerBlock;
  if (index_ == aarch64::kWindows || frames.empty() || frames.count().value > base::kFramesPerBlock - offset) {
    handle_own_exception(aarch64::kMisuse, reinterpret_cast<std::uint64_t>(__builtin_return_address(0)),
                         frames.address().value);
  }
  used = static_cast<std::uint8_t>(used | (1U << index_));
  aarch64::open(index_, frames);
  bytes_ = {reinterpret_cast<std::uint8_t*>(aarch64::window_address(index_)), frames.bytes()};
}

Window::~Window() {
  aarch64::close(index_, bytes_.size() >> base::kFrameShift);
  std::uint8_t& used = aarch64::in_use[aarch64::this_core().index];
  used = static_cast<std::uint8_t>(used & ~(1U << index_));
}

void clean_frames(base::FrameRange frames) { aarch64::for_each_window(frames, aarch64::clean); }

void scrub_frames(base::FrameRange frames) {
  aarch64::for_each_window(frames, [](base::MutableBytes bytes) {
    aarch64::zero(bytes);
    aarch64::clean(bytes);
  });
}

namespace {

// The frames around [address, address + size), and where the bytes start in them.
struct Cover {
  base::FrameRange frames;
  std::uint64_t offset;
};
Cover cover(base::PhysAddr address, std::uint64_t size) {
  const std::uint64_t offset = address.value % base::kFrameSize;
  return {base::FrameRange::trusted(base::frame_of(address),
                                    base::FrameCount{(offset + size + base::kFrameSize - 1) >> base::kFrameShift}),
          offset};
}

}  // namespace

void read_bytes(base::PhysAddr from, base::MutableBytes to) {
  if (to.empty()) return;
  if (const std::uint64_t offset = from.value % base::kFrameSize; to.size() <= base::kFrameSize - offset) {
    const aarch64::OnePage page(base::PhysAddr{from.value - offset});
    std::memcpy(to.data(), page.bytes() + offset, to.size());
    return;
  }
  const Cover covered = cover(from, to.size());
  std::uint64_t offset = covered.offset;
  aarch64::for_each_window(covered.frames, [&to, &offset](base::MutableBytes bytes) {
    const std::size_t part = std::min<std::size_t>(bytes.size() - offset, to.size());
    std::memcpy(to.data(), bytes.data() + offset, part);
    to = to.subspan(part);
    offset = 0;
  });
}

void write_bytes(base::PhysAddr to, base::Bytes from) {
  if (from.empty()) return;
  if (const std::uint64_t offset = to.value % base::kFrameSize; from.size() <= base::kFrameSize - offset) {
    const aarch64::OnePage page(base::PhysAddr{to.value - offset});
    std::memcpy(page.bytes() + offset, from.data(), from.size());
    return;
  }
  const Cover covered = cover(to, from.size());
  std::uint64_t offset = covered.offset;
  aarch64::for_each_window(covered.frames, [&from, &offset](base::MutableBytes bytes) {
    const std::size_t part = std::min<std::size_t>(bytes.size() - offset, from.size());
    std::memcpy(bytes.data() + offset, from.data(), part);
    from = from.subspan(part);
    offset = 0;
  });
}

std::uint8_t* show_frame(std::size_t place, base::PhysAddr frame) {
  namespace format = registers::stage1_el2;
  const std::uint64_t core = aarch64::this_core().index;
  aarch64::TranslationTable& pages = aarch64::hal_core_tables[core].window_level3[aarch64::kPagePlace];
  if ((aarch64::shown[core] >> place & 1) != 0) {  // another frame there: break before make (Arm ARM D8.14.1)
    aarch64::put(pages, place + 1, 0);
    asm volatile("dsb nshst" : : : "memory");
    aarch64::forget_translation(place);
    aarch64::dsb_nsh();
  }
  aarch64::shown[core] |= std::uint32_t{1} << place;
  aarch64::put(pages, place + 1, frame.value | format::kData | format::kTableOrPage | format::kValid);
  asm volatile("dsb nshst" : : : "memory");
  aarch64::isb();
  return reinterpret_cast<std::uint8_t*>(aarch64::shown_address(place));
}

void release_frames() {
  const std::uint64_t core = aarch64::this_core().index;
  const std::uint32_t places = std::exchange(aarch64::shown[core], 0);
  if (places == 0) return;
  aarch64::TranslationTable& pages = aarch64::hal_core_tables[core].window_level3[aarch64::kPagePlace];
  for (std::uint32_t rest = places; rest != 0; rest &= rest - 1) {
    aarch64::put(pages, static_cast<std::size_t>(std::countr_zero(rest)) + 1, 0);
  }
  asm volatile("dsb nshst" : : : "memory");
  for (std::uint32_t rest = places; rest != 0; rest &= rest - 1) {
    aarch64::forget_translation(static_cast<std::size_t>(std::countr_zero(rest)));
  }
  aarch64::dsb_nsh();
  aarch64::isb();
}

void read_shown(std::size_t place, std::uint64_t offset, base::MutableBytes to) {
  std::memcpy(to.data(), reinterpret_cast<const std::uint8_t*>(aarch64::shown_address(place) + offset), to.size());
}

void write_shown(std::size_t place, std::uint64_t offset, base::Bytes from) {
  std::memcpy(reinterpret_cast<std::uint8_t*>(aarch64::shown_address(place) + offset), from.data(), from.size());
}

}  // namespace hal
