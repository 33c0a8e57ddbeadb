// A guest's view of its core: memory through stage 2, calls, traps, interrupts, registers.
//
// A guest program is a callable that gets one of these. Every operation may be interrupted by the monitor; when the
// monitor stops the guest, LeaveGuest unwinds the program, which therefore must let exceptions that are not
// GuestException pass. A core without a program is driven from outside through the same class.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <vector>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/hypercall/abi.hpp"
#include "hal/host/core.hpp"
#include "hal/vcpu.hpp"

namespace host {

class Machine;

struct LeaveGuest {};      // the monitor took the core away; only hal/host catches it
struct MachineStopped {};  // power off, reset, halt, or the test ends; only hal/host catches it

// Where a guest of this machine has its exception vector: nothing is fetched there.
inline constexpr std::uint64_t kGuestVector = 0xFFFF'0000'0000'0200;

struct GuestException {  // the guest takes an exception at its EL1
  std::uint64_t esr;     // ESR_EL1
  std::uint64_t far;     // FAR_EL1
};

struct CallResult {
  std::array<std::uint64_t, 18> x;  // x0..x17 after the call
  [[nodiscard]] bool ok() const { return x[0] == 0; }
  // 0 or the number of base::Error.
  [[nodiscard]] int error() const { return x[0] == 0 ? 0 : static_cast<int>(~x[0] + 1); }
};

class GuestCpu {
 public:
  GuestCpu(Machine& machine, Core& core) : machine_(&machine), core_(&core) {}

  [[nodiscard]] base::CoreId core() const { return core_->id; }
  [[nodiscard]] base::PartitionId partition() const { return core_->guest.entry.partition; }
  [[nodiscard]] const hal::GuestEntry& entry() const { return core_->guest.entry; }
  [[nodiscard]] hal::TrapFrame& frame() { return core_->guest.frame; }
  [[nodiscard]] GuestState& state() { return core_->guest; }

  // Memory by intermediate address (MMU off). Throw GuestException when the monitor injects an abort.
  void read(base::Ipa from, base::MutableBytes to);
  void write(base::Ipa to, base::Bytes from);
  [[nodiscard]] std::uint64_t read64(base::Ipa from);
  void write64(base::Ipa to, std::uint64_t value);
  // A load or store of x0 where a device's registers are: the monitor answers it, or nobody does and it is zero.
  // `size`: 1, 2, 4 or 8 bytes, naturally aligned.
  [[nodiscard]] std::uint64_t read_register(base::Ipa from, std::size_t size);
  void write_register(base::Ipa to, std::size_t size, std::uint64_t value);
  [[nodiscard]] std::vector<std::uint8_t> read_vector(base::Ipa from, std::size_t size);
  void fetch(base::Ipa from);  // an instruction
  [[nodiscard]] bool can_read(base::Ipa from);   // false: an exception was taken, and forgotten
  [[nodiscard]] bool can_write(base::Ipa to);    // writes back what it read
  [[nodiscard]] bool can_fetch(base::Ipa from);

  // HVC #0 with x0 = function and the arguments in x1..; registers beyond them are zero.
  CallResult call(cofferdam_abi::Function function, std::initializer_list<std::uint64_t> arguments = {}) {
    return hvc(static_cast<std::uint32_t>(function), arguments);
  }
  CallResult hvc(std::uint64_t function, std::initializer_list<std::uint64_t> arguments = {});
  CallResult smc(std::uint64_t function, std::initializer_list<std::uint64_t> arguments = {});
  // Repeats while the answer is kInProgress or kBusy.
  CallResult call_to_end(cofferdam_abi::Function function, std::initializer_list<std::uint64_t> arguments = {});

  // A trapped system register access, encoding as hal/registers/esr_el2.hpp. Throws GuestException when undefined.
  [[nodiscard]] std::uint64_t read_system_register(std::uint32_t encoding);
  void write_system_register(std::uint32_t encoding, std::uint64_t value);
  // Any syndrome at all; returns whether the guest goes on without an exception (which then stays pending: see
  // forget_exception()).
  bool trap(std::uint64_t esr, std::uint64_t far = 0, std::uint64_t hpfar = 0,
            hal::TrapKind kind = hal::TrapKind::kSynchronous);

  void forget_exception() {
    try {
      throw_if_excepted();
    } catch (const GuestException&) {
    }
  }

  void wait_for_interrupt();  // WFI
  void relax();               // an instruction that does nothing: the place where interrupts arrive
  [[nodiscard]] std::optional<base::Intid> take_interrupt();  // acknowledge and end a virtual interrupt

 private:
  void take_pending_interrupts();
  void deliver(hal::TrapKind kind);  // throws LeaveGuest
  void throw_if_excepted();
  CallResult call_instruction(std::uint64_t esr, std::uint64_t function,
                              std::initializer_list<std::uint64_t> arguments, std::uint64_t pc_after);
  template <typename Work>  // work(physical address) with the translation held
  void access(base::Ipa ipa, std::size_t size, bool write, bool instruction, Work&& work);

  Machine* machine_;
  Core* core_;
};

using GuestProgram = std::function<void(GuestCpu&)>;

}  // namespace host
