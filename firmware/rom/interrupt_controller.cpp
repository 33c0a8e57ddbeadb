#include "firmware/rom/interrupt_controller.hpp"

#include "firmware/rom/layout.hpp"
#include "firmware/rom/mmio.hpp"
#include "firmware/rom/psci.hpp"

namespace rom::interrupt_controller {
namespace {

// Distributor (IHI 0069 12.9) and redistributor (12.11): offsets and bits.
constexpr std::uint64_t kControl = layout::kGicDistributor + 0x0000;
constexpr std::uint64_t kType = layout::kGicDistributor + 0x0004;
constexpr std::uint64_t kGroup = layout::kGicDistributor + 0x0080;
constexpr std::uint64_t kGroupModifier = layout::kGicDistributor + 0x0d00;
constexpr std::uint32_t kEnableGroup0 = 1 << 0;
constexpr std::uint32_t kAffinitySecure = 1 << 4;
constexpr std::uint32_t kAffinityNonSecure = 1 << 5;
constexpr std::uint32_t kWritePending = std::uint32_t{1} << 31;

constexpr std::uint64_t kTypeLow = 0x0008;   // bit 4: Last
constexpr std::uint64_t kTypeHigh = 0x000c;  // affinity
constexpr std::uint64_t kWaker = 0x0014;
constexpr std::uint32_t kProcessorSleep = 1 << 1;
constexpr std::uint32_t kChildrenAsleep = 1 << 2;
constexpr std::uint64_t kSgiFrame = 0x1'0000;
constexpr std::uint64_t kCoreGroup = kSgiFrame + 0x0080;
constexpr std::uint64_t kCoreEnable = kSgiFrame + 0x0100;
constexpr std::uint64_t kCorePriority = kSgiFrame + 0x0400;
constexpr std::uint64_t kCoreGroupModifier = kSgiFrame + 0x0d00;

constexpr std::uint32_t kWakeInterrupt = 15;
constexpr std::uint32_t kWakeBit = std::uint32_t{1} << kWakeInterrupt;
constexpr std::uint32_t kSpuriousFirst = 1020;

std::uint64_t frame_at(std::uint64_t index) {
  return layout::kGicRedistributors + index * layout::kGicRedistributorStride;
}

// The redistributor of this core: the frame whose affinity is the core's. Bounded by the cores the ROM has room for.
std::uint64_t frame_of(std::uint32_t core) {
  for (std::uint64_t index = 0; index < layout::kMaxCores; ++index) {
    if (psci::core_number(mmio_read(frame_at(index) + kTypeHigh)) == core) return frame_at(index);
    if ((mmio_read(frame_at(index) + kTypeLow) & 0x10) != 0) break;
  }
  return 0;
}

}  // namespace

std::uint32_t start() {
  mmio_write(kControl, 0);
  while ((mmio_read(kControl) & kWritePending) != 0) {
  }
  mmio_write(kControl, kAffinitySecure | kAffinityNonSecure);
  const std::uint32_t lines = mmio_read(kType) & 0x1f;  // 32 * (lines + 1) interrupts
  for (std::uint64_t word = 1; word <= lines; ++word) {
    mmio_write(kGroup + 4 * word, 0xffff'ffff);
    mmio_write(kGroupModifier + 4 * word, 0);
  }
  mmio_write(kControl, kAffinitySecure | kAffinityNonSecure | kEnableGroup0);
  while ((mmio_read(kControl) & kWritePending) != 0) {
  }

  std::uint32_t present = 0;
  for (std::uint64_t index = 0; index < layout::kMaxCores; ++index) {
    const std::uint32_t core = psci::core_number(mmio_read(frame_at(index) + kTypeHigh));
    if (core < layout::kMaxCores) present |= std::uint32_t{1} << core;
    if ((mmio_read(frame_at(index) + kTypeLow) & 0x10) != 0) break;
  }
  return present;
}

void start_core(std::uint32_t core) {
  const std::uint64_t frame = frame_of(core);
  if (frame == 0) return;  // a core without a redistributor is not in `present` and is never started
  mmio_write(frame + kWaker, mmio_read(frame + kWaker) & ~kProcessorSleep);
  while ((mmio_read(frame + kWaker) & kChildrenAsleep) != 0) {
  }
  mmio_write(frame + kCoreGroup, 0xffff'ffff & ~kWakeBit);
  mmio_write(frame + kCoreGroupModifier, 0);
  mmio_write(frame + kCorePriority + 4 * (kWakeInterrupt / 4), 0);  // SGIs 12..15: the highest
  mmio_write(frame + kCoreEnable, kWakeBit);
  // System registers for all levels; the levels below may choose for themselves (SRE | DFB | DIB | Enable).
  asm volatile("msr s3_6_c12_c12_5, %0; isb" ::"r"(std::uint64_t{0xf}));  // ICC_SRE_EL3
  asm volatile("msr s3_6_c12_c12_7, xzr" ::);                              // ICC_IGRPEN1_EL3
}

void listen_for_wake() {
  asm volatile("msr s3_0_c4_c6_0, %0" ::"r"(std::uint64_t{0xff}));          // ICC_PMR_EL1
  asm volatile("msr s3_0_c12_c12_6, %0; isb" ::"r"(std::uint64_t{1}));      // ICC_IGRPEN0_EL1
}

void stop_listening() {
  asm volatile("msr s3_0_c12_c12_6, xzr" ::);
  asm volatile("msr s3_0_c4_c6_0, xzr; isb" ::);
}

void acknowledge_wake() {
  std::uint64_t intid = 0;
  asm volatile("mrs %0, s3_0_c12_c8_0; dsb sy" : "=r"(intid));  // ICC_IAR0_EL1
  if (intid < kSpuriousFirst) asm volatile("msr s3_0_c12_c8_1, %0; isb" ::"r"(intid));  // ICC_EOIR0_EL1
}

void wake(std::uint32_t core) {
  const std::uint64_t target = std::uint64_t{1} << (core & 0xf);
  const std::uint64_t cluster = core >> 4;
  const std::uint64_t value = target | cluster << 16 | std::uint64_t{kWakeInterrupt} << 24;
  asm volatile("dsb ish; msr s3_0_c12_c11_7, %0; isb" ::"r"(value));  // ICC_SGI0R_EL1
}

}  // namespace rom::interrupt_controller
