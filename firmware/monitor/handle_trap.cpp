// What happens when a guest enters the monitor: take the call, plan, apply, commit, work, reply.
#include "firmware/hypercall/plan.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/ledger_upkeep.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/work.hpp"
#include "hal/clock.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/interrupts.hpp"
#include "hal/registers/esr_el2.hpp"
#include "hal/upcalls.hpp"

namespace monitor {

namespace {

using hal::AfterTrap;
using hal::TrapFrame;
using hal::registers::esr_el2::ExceptionClass;
using hypercall::Call;
using hypercall::Caller;
using hypercall::Transition;
using partition::CallerCore;

// The interrupt a guest sees when a channel of its was notified: the last SPI of the GIC's first 1,020 INTIDs.
constexpr base::Intid kDoorbell{1019};

[[nodiscard]] hypercall::Moment moment_for(std::uint32_t function) {
  if (function != static_cast<std::uint32_t>(cofferdam_abi::Function::kSlotAllocate)) return {};
  return {hal::unix_milliseconds(), static_cast<std::uint16_t>(hal::ticks())};
}

void write_reply(TrapFrame& frame, const partition::Reply& reply) {
  frame.x[0] = reply.status;
  frame.x[1] = reply.values[0];
  frame.x[2] = reply.values[1];
  frame.x[3] = reply.values[2];
}

// The locked part: plan, apply, commit. An effect that fails turns the whole call into a refusal.
[[nodiscard]] Transition perform(const Caller& caller, const Call& call, const hypercall::Moment& moment) {
  Transition transition = hypercall::plan(g_state, caller, call, moment);
  base::Status done;
  if (transition.work.kind != partition::WorkKind::kNone) done = do_locked_work(caller, call, transition.work);
  if (done.ok()) done = apply(transition.effects);
  if (!done.ok()) {
    transition.reply = {partition::status_of(done.error()), {}};
    transition.work = {};
    transition.caller_core = CallerCore::kResumes;
    return transition;
  }
  hypercall::commit(g_state, transition);
  // A refusal, as the table of calls means it: PSCI's own numbers and "call again" are none.
  const bool refused = transition.facts.empty() && static_cast<std::int64_t>(transition.reply.status) < 0 &&
                       transition.reply.status != partition::status_of(base::Error::kInProgress) &&
                       !hypercall::is_power_call(call.function);
  if (refused) ++g_state.counters.refused_calls;
  keep_ledger_folded();
  return transition;
}

[[nodiscard]] AfterTrap after(base::CoreId core, CallerCore caller_core) {
  const bool told_to_stop = g_mailboxes[core.value].stop.load(std::memory_order_acquire);
  return told_to_stop || caller_core == CallerCore::kLeavesGuest ? AfterTrap::kLeave : AfterTrap::kResume;
}

[[gnu::noinline, gnu::cold]] void take_dma_faults() {
  constexpr int kMostAtOnce = 8;
  for (int i = 0; i < kMostAtOnce; ++i) {
    g_state_lock.lock();
    const auto fault = hal::device_isolation::take_fault();
    if (fault) ++g_state.counters.dma_faults;
    g_state_lock.unlock();
    if (!fault) return;
    log_about(base::kParent, LogLine{}.text("refused: device stream ").hex(fault->stream.value)
                                 .text(fault->write ? " wrote to " : " read from ").hex(fault->address)
                                 .text(", which is not its partition's (SMMU event ").hex(fault->type).text(")"));
  }
}

[[nodiscard]] AfterTrap handle_call(TrapFrame& frame) {
  const base::CoreId core = hal::current_core();
  if (frame.x[0] == static_cast<std::uint64_t>(cofferdam_abi::Function::kVersion)) {
    write_reply(frame, hypercall::version_reply());  // depends on nothing, so it waits for nobody
    return after(core, CallerCore::kResumes);
  }
  const Call call{static_cast<std::uint32_t>(frame.x[0]),
                  {frame.x[1], frame.x[2], frame.x[3], frame.x[4], frame.x[5], frame.x[6]}};
  if (call.function == static_cast<std::uint32_t>(cofferdam_abi::Function::kFaultCounters)) take_dma_faults();
  const hypercall::Moment moment = moment_for(call.function);
  g_state_lock.lock();
  const Caller caller = Caller::on(g_state.cores, core);
  Transition performed = perform(caller, call, moment);
  g_state_lock.unlock();
  if (performed.work.kind != partition::WorkKind::kNone) {
    performed.reply = do_unlocked_work(caller, call, performed.work, performed.reply);
  }
  write_reply(frame, performed.reply);
  return after(core, performed.caller_core);
}

// Counts the fault; an enclave that does not stop doing it is stopped.
[[nodiscard]] CallerCore count_fault(cofferdam_abi::FaultCounter kind, const LogLine& line) {
  const base::CoreId core = hal::current_core();
  g_state_lock.lock();
  const Caller caller = Caller::on(g_state.cores, core);
  const Transition transition = hypercall::plan_fault(g_state, caller, kind);
  if (!apply(transition.effects).ok()) panic("a faulting enclave could not be stopped");
  hypercall::commit(g_state, transition);
  keep_ledger_folded();
  g_state_lock.unlock();
  log_about(caller.partition(), line);
  return transition.caller_core;
}

[[nodiscard]] std::string_view owner_name(base::PartitionId partition) {
  return partition == base::kParent ? "the parent" : "an enclave";
}

[[nodiscard, gnu::noinline, gnu::cold]] AfterTrap handle_abort(TrapFrame& frame, bool instruction) {
  const base::CoreId core = hal::current_core();
  const base::PartitionId partition = g_state.cores.at(core).owner;  // stable while this core runs it
  const base::Ipa page = hal::registers::esr_el2::fault_page(frame.hpfar);
  const CallerCore caller_core = count_fault(
      cofferdam_abi::FaultCounter::kStage2,
      LogLine{}.text("refused: ").text(owner_name(partition)).text(" on core ").number(core.value)
          .text(instruction ? " fetched from " : " accessed ").hex(page.value | (frame.far & (base::kFrameSize - 1)))
          .text(", which is not its own"));
  hal::inject_external_abort(frame, instruction);
  return after(core, caller_core);
}

[[nodiscard, gnu::noinline, gnu::cold]] AfterTrap handle_undefined(TrapFrame& frame) {
  const base::CoreId core = hal::current_core();
  const base::PartitionId partition = g_state.cores.at(core).owner;
  const CallerCore caller_core =
      count_fault(cofferdam_abi::FaultCounter::kUndefined,
                  LogLine{}.text("refused: ").text(owner_name(partition)).text(" on core ").number(core.value)
                      .text(" executed what it does not have, syndrome ").hex(frame.esr));
  hal::inject_undefined(frame);
  return after(core, caller_core);
}

[[nodiscard, gnu::noinline, gnu::cold]] AfterTrap handle_synchronous(TrapFrame& frame) {
  constexpr std::uint64_t kInstruction = 4;
  switch (hal::registers::esr_el2::exception_class(frame.esr)) {
    case ExceptionClass::kSmc64:  // a trapped SMC has not been stepped over (Arm ARM D1.3.1)
      frame.pc += kInstruction;
      return handle_call(frame);
    case ExceptionClass::kWfx:
      frame.pc += kInstruction;
      return after(hal::current_core(), CallerCore::kResumes);
    case ExceptionClass::kDataAbortLower: return handle_abort(frame, false);
    case ExceptionClass::kInstructionAbortLower: return handle_abort(frame, true);
    default: return handle_undefined(frame);
  }
}

[[nodiscard, gnu::noinline, gnu::cold]] AfterTrap handle_interrupt() {
  take_dma_faults();
  const base::CoreId core = hal::current_core();
  const base::Intid intid = hal::interrupts::acknowledge();
  if (intid == hal::interrupts::kSpurious) return after(core, CallerCore::kResumes);
  if (intid == hal::interrupts::kKick) {
    hal::interrupts::end(intid);
    if (g_mailboxes[core.value].doorbell.exchange(false, std::memory_order_acq_rel)) {
      static_cast<void>(hal::interrupts::inject_here(kDoorbell));  // full list registers: the bit in kChannelPending stays
    }
  } else {
    // Injected while active, so that the guest's own deactivation ends the hardware interrupt. One that finds no list
    // register is switched off: a level-triggered line would storm otherwise.
    const bool injected = hal::interrupts::inject_here(intid);
    hal::interrupts::end(intid);
    if (!injected) hal::interrupts::disable(intid);
  }
  return after(core, CallerCore::kResumes);
}

}  // namespace

}  // namespace monitor

namespace hal {

AfterTrap handle_trap(TrapKind kind, TrapFrame& frame) {
  switch (kind) {
    case TrapKind::kSynchronous:
      if (registers::esr_el2::exception_class(frame.esr) == registers::esr_el2::ExceptionClass::kHvc64) [[likely]] {
        return monitor::handle_call(frame);
      }
      return monitor::handle_synchronous(frame);
    case TrapKind::kInterrupt: return monitor::handle_interrupt();
    case TrapKind::kSystemError: return monitor::handle_undefined(frame);
  }
  return AfterTrap::kLeave;
}

[[gnu::noinline, gnu::cold]] void handle_own_exception(std::uint64_t esr, std::uint64_t elr, std::uint64_t far) {
  monitor::panic(monitor::LogLine{}.text("exception in the monitor, syndrome ").hex(esr).text(" at ").hex(elr)
                     .text(", address ").hex(far).view());
}

}  // namespace hal
