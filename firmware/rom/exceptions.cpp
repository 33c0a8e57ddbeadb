#include "firmware/rom/exceptions.hpp"

#include "firmware/rom/core_park.hpp"
#include "firmware/rom/descend.hpp"
#include "firmware/rom/machine.hpp"
#include "firmware/rom/undefined.hpp"

namespace rom {
namespace {

struct ResidentFacts {
  psci::EntryWindow window;
  std::uint32_t present;
};
constinit ResidentFacts facts{};

constexpr std::uint64_t kClassShift = 26;  // ESR.EC
constexpr std::uint64_t kClassSmc64 = 0x17;
constexpr std::uint64_t kModeMask = 0x1f;
constexpr std::uint64_t kModeEl2h = 0x9;
constexpr std::uint64_t kModeEl2t = 0x8;

std::uint32_t this_core() {
  std::uint64_t affinity = 0;
  asm volatile("mrs %0, mpidr_el1" : "=r"(affinity));
  return psci::core_number(affinity & 0xff'ffff);
}

psci::Reply reply_of(core_park::StartResult result) {
  switch (result) {
    case core_park::StartResult::kStarted: return psci::Reply::kSuccess;
    case core_park::StartResult::kAlreadyOn: return psci::Reply::kAlreadyOn;
    case core_park::StartResult::kPending: return psci::Reply::kOnPending;
    case core_park::StartResult::kNoAnswer: return psci::Reply::kInternalFailure;
  }
  return psci::Reply::kInternalFailure;
}

// PSCI 5.7: 0 on, 1 off, 2 on its way.
std::int64_t affinity_info(core_park::CoreState state) {
  switch (state) {
    case core_park::CoreState::kOn: return 0;
    case core_park::CoreState::kAbsent:
    case core_park::CoreState::kOff: return 1;
    case core_park::CoreState::kClaimed:
    case core_park::CoreState::kStarting: return 2;
  }
  return 1;
}

// One call's text stays in one piece, whatever the callers do. A turn is short, because what the UART does not take is
// dropped; who waits longer than many turns gives up, so that no core is held at EL3.
constinit std::uint32_t console_taken = 0;
constexpr std::uint32_t kTriesForTurn = 1'000'000;

psci::Reply write_text(const psci::Registers& registers, std::size_t size) {
  std::uint32_t tries = 0;
  while (__atomic_exchange_n(&console_taken, 1, __ATOMIC_ACQUIRE) != 0) {
    if (++tries == kTriesForTurn) return psci::Reply::kInternalFailure;
    asm volatile("yield");
  }
  for (std::size_t i = 0; i < size; ++i) machine::console_write_character(psci::text_byte(registers, i));
  __atomic_store_n(&console_taken, 0, __ATOMIC_RELEASE);
  return psci::Reply::kSuccess;
}

std::int64_t carry_out(const psci::Decision& decision, const psci::Registers& registers) {
  switch (decision.action) {
    case psci::Action::kReply: return decision.reply;
    case psci::Action::kCpuOn:
      return static_cast<std::int64_t>(
          reply_of(core_park::start_core(decision.core, decision.entry, decision.context)));
    case psci::Action::kAffinityInfo: return affinity_info(core_park::state(decision.core));
    case psci::Action::kCpuOff: rom_restart_park(this_core());
    case psci::Action::kSystemOff: machine::power_off();
    case psci::Action::kSystemReset: machine::restart();
    case psci::Action::kWriteText: return static_cast<std::int64_t>(write_text(registers, decision.text_size));
  }
  return static_cast<std::int64_t>(psci::Reply::kNotSupported);
}

void serve_call(LowerFrame& frame) {
  const std::uint64_t mode = frame.spsr & kModeMask;
  const psci::Caller caller{mode == kModeEl2h || mode == kModeEl2t};
  const psci::Registers registers{frame.x[0], frame.x[1], frame.x[2], frame.x[3],
                                  frame.x[4], frame.x[5], frame.x[6], frame.x[7]};
  const psci::Decision decision = psci::decode(registers, caller, facts.window, facts.present);
  frame.x[0] = static_cast<std::uint64_t>(carry_out(decision, registers));
}

void refuse_instruction(LowerFrame& frame) {
  Trapped trapped{};
  trapped.esr = frame.esr;
  trapped.spsr = frame.spsr;
  asm volatile("mrs %0, hcr_el2" : "=r"(trapped.hcr));
  asm volatile("mrs %0, sctlr_el1" : "=r"(trapped.sctlr_el1));
  asm volatile("mrs %0, sctlr_el2" : "=r"(trapped.sctlr_el2));
  asm volatile("mrs %0, vbar_el1" : "=r"(trapped.vbar_el1));
  asm volatile("mrs %0, vbar_el2" : "=r"(trapped.vbar_el2));
  const Injection injection = make_undefined(trapped);
  if (injection.to_el2) {
    asm volatile("msr esr_el2, %0; msr elr_el2, %1; msr spsr_el2, %2" ::"r"(injection.esr), "r"(frame.elr),
                 "r"(frame.spsr));
  } else {
    asm volatile("msr esr_el1, %0; msr elr_el1, %1; msr spsr_el1, %2" ::"r"(injection.esr), "r"(frame.elr),
                 "r"(frame.spsr));
  }
  frame.elr = injection.pc;
  frame.spsr = injection.spsr;
}

}  // namespace

void set_resident_facts(psci::EntryWindow window, std::uint32_t present) { facts = {window, present}; }

}  // namespace rom

void rom_lower_exception(rom::LowerFrame* frame) {
  if ((frame->esr >> rom::kClassShift & 0x3f) == rom::kClassSmc64) {
    rom::serve_call(*frame);
  } else {
    rom::refuse_instruction(*frame);
  }
}

void rom_fatal_exception(std::uint64_t vector, std::uint64_t esr, std::uint64_t elr, std::uint64_t far) {
  namespace machine = rom::machine;
  machine::console_write("rom: STOPPED: exception at EL3, vector ");
  machine::console_write_hex(vector);
  machine::console_write(" esr ");
  machine::console_write_hex(esr);
  machine::console_write(" elr ");
  machine::console_write_hex(elr);
  machine::console_write(" far ");
  machine::console_write_hex(far);
  machine::console_write("\n");
  machine::power_off();
}
