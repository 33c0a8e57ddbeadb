// What happens when a guest enters the monitor: take the call, plan, apply, commit, work, reply.
#include "firmware/hypercall/plan.hpp"
#include "firmware/monitor/answer_status.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/dma_faults.hpp"
#include "firmware/monitor/emulate_access.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/handle_interrupt.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/moment.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/perform_call.hpp"
#include "firmware/monitor/trap_counters.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "firmware/monitor/work.hpp"
#include "hal/cpu.hpp"
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
using cofferdam_abi::TrapCause;
using partition::CallerCore;

void write_reply(TrapFrame& frame, std::uint32_t function, const partition::Reply& reply) {
  frame.x[0] = reply.status;
  if (hypercall::answers_in_x0_alone(function)) return;
  frame.x[1] = reply.values[0];
  frame.x[2] = reply.values[1];
  frame.x[3] = reply.values[2];
}

[[nodiscard]] AfterTrap after(base::CoreId core, CallerCore caller_core) {
  const bool told_to_stop = g_mailboxes[core.value].stop.load(std::memory_order_acquire);
  return told_to_stop || caller_core == CallerCore::kLeavesGuest ? AfterTrap::kLeave : AfterTrap::kResume;
}

// Calls are made with immediate 0 (DEN 0028 section 2.9); with any other, x0 names a function of nobody's.
[[nodiscard]] std::uint32_t function_of(const TrapFrame& frame) {
  if (hal::registers::esr_el2::CallImmediate::get(frame.esr) != 0) return hypercall::kFunctionOfNobody;
  return static_cast<std::uint32_t>(frame.x[0]);
}

[[nodiscard]] AfterTrap handle_call(TrapFrame& frame) {
  count_trap(TrapCause::kHypercall);
  const base::CoreId core = hal::current_core();
  const std::uint32_t function = function_of(frame);
  if (function == static_cast<std::uint32_t>(cofferdam_abi::Function::kVersion)) {
    write_reply(frame, function, hypercall::version_reply());  // depends on nothing, so it waits for nobody
    return after(core, CallerCore::kResumes);
  }
  const Call call{function,
                  {frame.x[1], frame.x[2], frame.x[3], frame.x[4], frame.x[5], frame.x[6]}};
  const bool shows_faults = function == static_cast<std::uint32_t>(cofferdam_abi::Function::kFaultCounters) ||
                            function == static_cast<std::uint32_t>(cofferdam_abi::Function::kStatusRead);
  if (shows_faults) take_waiting_dma_faults();
  const hypercall::Moment moment = moment_for(call.function);
  g_state_lock.lock();
  const Caller caller = Caller::on(g_state.cores, core);
  Transition performed = perform_call(caller, call, moment);
  g_state_lock.unlock();
  if (performed.work.kind != partition::WorkKind::kNone) {
    performed.reply = do_unlocked_work(caller, call, performed.work, performed.reply);
  }
  write_reply(frame, function, performed.reply);
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
  after_commit(transition);
  g_state_lock.unlock();
  log_about(caller.partition(), line);
  return transition.caller_core;
}

[[nodiscard]] std::string_view owner_name(base::PartitionId partition) {
  return partition == base::kParent ? "the parent" : "an enclave";
}

[[nodiscard, gnu::noinline, gnu::cold]] AfterTrap handle_abort(TrapFrame& frame, bool instruction) {
  count_trap(TrapCause::kStage2Fault);
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

// What a guest's access broke asynchronously, at a device or in memory, is told to that guest.
[[nodiscard, gnu::noinline, gnu::cold]] AfterTrap handle_system_error(TrapFrame& frame) {
  count_trap(TrapCause::kOther);
  const base::CoreId core = hal::current_core();
  const base::PartitionId partition = g_state.cores.at(core).owner;
  const CallerCore caller_core =
      count_fault(cofferdam_abi::FaultCounter::kStage2,
                  LogLine{}.text("refused: ").text(owner_name(partition)).text(" on core ").number(core.value)
                      .text(" caused a system error, syndrome ").hex(frame.esr));
  hal::inject_system_error(frame);
  return after(core, caller_core);
}

// The registers of the virtual interrupt controller that trap; the machine has answered the ones that are its own.
[[nodiscard]] bool write_system_register(TrapFrame& frame) {
  const auto access = hal::registers::esr_el2::decode_system_register(frame.esr);
  const base::CoreId core = hal::current_core();
  const std::uint64_t value = access.rt == 31 ? 0 : frame.x[access.rt];
  if (!write_interrupt_register(core, g_state.cores.at(core).owner, access, value)) return false;
  hal::step_over(frame);
  return true;
}

[[nodiscard]] AfterTrap handle_synchronous(TrapFrame& frame) {
  switch (hal::registers::esr_el2::exception_class(frame.esr)) {
    case ExceptionClass::kSmc64:  // a trapped SMC has not been stepped over (Arm ARM D1.3.1)
      hal::step_over(frame);
      return handle_call(frame);
    case ExceptionClass::kWfx:
      count_trap(TrapCause::kWfx);
      hal::step_over(frame);
      return after(hal::current_core(), CallerCore::kResumes);
    case ExceptionClass::kDataAbortLower:
      if (emulate_access(frame)) return after(hal::current_core(), CallerCore::kResumes);
      return handle_abort(frame, false);
    case ExceptionClass::kSystemRegister:
      count_trap(TrapCause::kSystemRegister);
      if (write_system_register(frame)) return after(hal::current_core(), CallerCore::kResumes);
      return handle_undefined(frame);
    case ExceptionClass::kInstructionAbortLower: return handle_abort(frame, true);
    default:
      count_trap(TrapCause::kOther);
      return handle_undefined(frame);
  }
}

// A core that goes takes its interrupts' state along before anybody else's code can run on it.
[[nodiscard, gnu::noinline, gnu::cold]] AfterTrap leave() {
  const base::CoreId core = hal::current_core();
  leave_interrupts(core, g_state.cores.at(core).owner);
  return AfterTrap::kLeave;
}

[[nodiscard]] AfterTrap leaving(AfterTrap result) {
  if (result == AfterTrap::kLeave) [[unlikely]] return leave();
  return result;
}

}  // namespace

}  // namespace monitor

namespace hal {

AfterTrap handle_trap(TrapKind kind, TrapFrame& frame) {
  switch (kind) {
    case TrapKind::kSynchronous:
      if (registers::esr_el2::exception_class(frame.esr) == registers::esr_el2::ExceptionClass::kHvc64) [[likely]] {
        return monitor::leaving(monitor::handle_call(frame));
      }
      return monitor::leaving(monitor::handle_synchronous(frame));
    case TrapKind::kInterrupt:
      monitor::handle_interrupt();
      return monitor::leaving(monitor::after(hal::current_core(), partition::CallerCore::kResumes));
    case TrapKind::kSystemError: return monitor::leaving(monitor::handle_system_error(frame));
  }
  return AfterTrap::kLeave;
}

[[gnu::noinline, gnu::cold]] void handle_own_exception(std::uint64_t esr, std::uint64_t elr, std::uint64_t far) {
  monitor::panic(monitor::LogLine{}.text("exception in the monitor, syndrome ").hex(esr).text(" at ").hex(elr)
                     .text(", address ").hex(far).view());
}

}  // namespace hal
