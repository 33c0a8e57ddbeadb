// One core of the simulated machine: what it holds, and the stack it runs on.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "firmware/base/ids.hpp"
#include "hal/host/fiber.hpp"
#include "hal/host/translation_cache.hpp"
#include "hal/memory.hpp"
#include "hal/vcpu.hpp"

namespace host {

enum class Waiting : std::uint8_t {
  kNo,          // runs, or would if it were its turn
  kForEvent,    // monitor, wait_for_event()
  kInGuestIdle, // a guest program in WFI
  kDriven,      // in a guest that has no program: the test drives it from outside
};

using FloatingPointRegister = std::array<std::uint64_t, 2>;

struct GuestState {  // what a guest can reach on this core
  hal::GuestEntry entry{};
  hal::TrapFrame frame{};
  std::array<FloatingPointRegister, 32> floating_point{};
  std::uint64_t elr_el1{};
  std::uint64_t esr_el1{};
  std::uint64_t far_el1{};
  std::uint64_t spsr_el1{};
  bool big_endian{};  // SCTLR_EL1.EE
  std::uint64_t scratch_el1{};  // stands for every other EL1 system register
};

inline constexpr std::size_t kListRegisters = 4;  // as QEMU's cores have; GICv3 allows 1 to 16

struct Core {
  explicit Core(base::CoreId core_id) : id(core_id) {}

  const base::CoreId id;
  TranslationCache tlb;
  GuestState guest;
  bool in_guest{};             // between entering and leaving a guest
  unsigned open_windows{};
  std::array<std::optional<base::PhysAddr>, hal::kShownFrames> shown_frames{};
  bool floating_point_scope{};
  std::array<FloatingPointRegister, 32> saved_floating_point{};

  // Guarded by Machine's wake mutex.
  bool event{};                               // the event register of WFE
  std::set<base::Intid> pending;              // physical interrupts
  std::optional<std::uint64_t> alarm;         // CNTHP_CVAL_EL2, while it is enabled
  std::array<std::uint64_t, kListRegisters> list_registers{};  // ICH_LR<n>_EL2
  std::atomic<bool> no_pending_watched{};     // ICH_HCR_EL2.NPIE
  [[nodiscard]] bool has_virtual_interrupt() const {
    return std::any_of(list_registers.begin(), list_registers.end(), [](std::uint64_t value) { return value != 0; });
  }
  std::atomic<bool> interrupt_pending{};      // !pending.empty(), readable without the lock

  // Deterministic machine only.
  std::unique_ptr<Fiber> fiber;
  Waiting waiting{Waiting::kNo};
  bool outside{};              // the test runs this core's trap on its own stack just now
  bool told_to_leave{};        // handle_trap answered kLeave to the test
  // Machine of threads only.
  std::thread thread;
  std::atomic<bool> started{};
};


}  // namespace host
