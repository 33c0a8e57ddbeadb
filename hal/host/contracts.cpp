// The free functions of hal/*.hpp, except stage2 (stage2_tables.cpp), over the one machine.
#include <algorithm>

#include "hal/alarm.hpp"
#include "hal/boot_data.hpp"
#include "hal/clock.hpp"
#include "hal/console.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/entropy.hpp"
#include "hal/floating_point.hpp"
#include "hal/host/machine.hpp"
#include "hal/interrupts.hpp"
#include "hal/memory.hpp"
#include "hal/power.hpp"
#include "hal/registers/esr_el2.hpp"
#include "hal/vcpu.hpp"

namespace hal {
namespace {

using host::Event;
using host::EventKind;
using host::Machine;

constexpr unsigned kMostWindows = 2;
constexpr std::uint64_t kGarbage = 0xDEAD'F10A'7DEA'DF10;

Event frames_event(EventKind kind, base::FrameRange frames) {
  return {.kind = kind, .address = frames.address().value, .count = frames.count().value};
}

// What an exception at EL1 does to the registers of the guest that resumes (Arm ARM D1.3.4).
void take_exception_at_el1(TrapFrame& frame, std::uint64_t esr) {
  host::GuestState& guest = Machine::this_core().guest;
  guest.elr_el1 = frame.pc;
  guest.esr_el1 = esr;
  guest.far_el1 = frame.far;
  guest.spsr_el1 = frame.pstate;
  frame.pc = host::kGuestVector;
  frame.pstate = 0x3C5;
}

}  // namespace

base::MutableBytes handover() { return Machine::current().handover(); }
std::optional<base::PhysAddr> payload() { return std::nullopt; }  // guests are programs of the test
std::uint64_t unix_milliseconds() { return Machine::current().unix_milliseconds(); }
void console_write(std::string_view text) { Machine::current().console_write(text); }

base::CoreId current_core() { return Machine::this_core().id; }
void relax() { Machine::current().yield(); }
void wait_for_event() { Machine::current().wait_for_event(); }
void signal_cores() { Machine::current().signal_cores(); }
std::uint64_t ticks() { return Machine::current().ticks(); }
void set_alarm(std::uint64_t tick) { Machine::current().set_alarm(Machine::this_core(), tick); }
void clear_alarm() { Machine::current().set_alarm(Machine::this_core(), std::nullopt); }
std::uint64_t ticks_per_second() { return 1'000'000'000; }
CoreProtections core_protections() {
  return {.repeat_tlbi = Machine::current().repeat_tlbi(), .pointer_authentication = false, .branch_targets = false};
}
SpeculationImmunity speculation_immunity() { return {true, true, true}; }
void halt() {
  Machine::current().power(host::PowerState::kHalted);
  throw host::MachineStopped{};
}

base::Result<std::uint64_t> entropy_sample() { return Machine::current().entropy(); }

FloatingPointScope::FloatingPointScope() {
  host::Core& core = Machine::this_core();
  Machine::current().check(!core.floating_point_scope, "FloatingPointScope is nested");
  core.floating_point_scope = true;
  core.saved_floating_point = core.guest.floating_point;
  for (host::FloatingPointRegister& value : core.guest.floating_point) value.fill(kGarbage);
}
FloatingPointScope::~FloatingPointScope() {
  host::Core& core = Machine::this_core();
  core.guest.floating_point = core.saved_floating_point;
  core.floating_point_scope = false;
}

Window::Window(base::FrameRange frames) : bytes_(), index_() {
  Machine& machine = Machine::current();
  host::Core& core = Machine::this_core();
  machine.check(core.open_windows < kMostWindows, "a core opens a third window");
  machine.check(!frames.empty() && machine.memory().contains(frames.address(), frames.bytes()),
                "a window lies outside RAM");
  machine.check((frames.address().value >> base::kBlockShift) ==
                    ((frames.address().value + frames.bytes() - 1) >> base::kBlockShift),
                "a window crosses a 2 MiB boundary");
  index_ = static_cast<std::uint8_t>(core.open_windows++);
  bytes_ = {machine.memory().at(frames.address()), frames.bytes()};
  machine.emit(frames_event(EventKind::kWindowOpen, frames));
  if (machine.recorder() != nullptr) machine.recorder()->read(frames.address(), bytes_);
}
Window::~Window() {
  Machine& machine = Machine::current();
  --Machine::this_core().open_windows;
  machine.emit(frames_event(EventKind::kWindowClose, machine.memory().frames_at(bytes_)));
}

void clean_frames(base::FrameRange frames) { Machine::current().emit(frames_event(EventKind::kClean, frames)); }

void scrub_frames(base::FrameRange frames) {
  Machine& machine = Machine::current();
  machine.check(machine.memory().contains(frames.address(), frames.bytes()), "scrub_frames: outside RAM");
  if (!machine.sabotage().ignore_scrub) machine.memory().zero(frames);
  machine.emit(frames_event(EventKind::kScrub, frames));
}

void read_bytes(base::PhysAddr from, base::MutableBytes to) {
  Machine& machine = Machine::current();
  if (!machine.memory().contains(from, to.size())) {
    machine.violation("read_bytes: outside RAM");
    std::fill(to.begin(), to.end(), std::uint8_t{0});
    return;
  }
  machine.memory().read(from, to);
  if (machine.recorder() != nullptr) machine.recorder()->read(from, to);
}

void write_bytes(base::PhysAddr to, base::Bytes from) {
  Machine& machine = Machine::current();
  if (!machine.memory().contains(to, from.size())) {
    machine.violation("write_bytes: outside RAM");
    return;
  }
  machine.memory().write(to, from);
}

std::uint8_t* show_frame(std::size_t place, base::PhysAddr frame) {
  Machine& machine = Machine::current();
  machine.check(place < kShownFrames && base::is_aligned(frame.value, base::kFrameSize) &&
                    machine.memory().contains(frame, base::kFrameSize),
                "show_frame: no frame of RAM, or no such place");
  Machine::this_core().shown_frames.at(place) = frame;
  return nullptr;
}

void release_frames() { Machine::this_core().shown_frames.fill({}); }

void read_shown(std::size_t place, std::uint64_t offset, base::MutableBytes to) {
  const auto frame = Machine::this_core().shown_frames.at(place);
  Machine::current().check(frame && offset <= base::kFrameSize && to.size() <= base::kFrameSize - offset,
                           "read_shown: outside of a frame that is shown");
  if (frame) read_bytes(base::PhysAddr{frame->value + offset}, to);
}

void write_shown(std::size_t place, std::uint64_t offset, base::Bytes from) {
  const auto frame = Machine::this_core().shown_frames.at(place);
  Machine::current().check(frame && offset <= base::kFrameSize && from.size() <= base::kFrameSize - offset,
                           "write_shown: outside of a frame that is shown");
  if (frame) write_bytes(base::PhysAddr{frame->value + offset}, from);
}

void run_guest(const GuestEntry& guest) { Machine::current().run_guest(Machine::this_core(), guest); }

bool is_big_endian(const TrapFrame&) { return Machine::this_core().guest.big_endian; }

void inject_undefined(TrapFrame& frame) {
  take_exception_at_el1(frame, registers::esr_el2::make(registers::esr_el2::ExceptionClass::kUnknown, 0));
}
void inject_system_error(TrapFrame& frame) {  // a guest of this machine never masks it
  take_exception_at_el1(frame, registers::esr_el2::make(registers::esr_el2::ExceptionClass::kSystemError, 0));
}
void inject_external_abort(TrapFrame& frame, bool instruction) {
  using registers::esr_el2::ExceptionClass;
  constexpr std::uint64_t kExternal = 0x10;
  take_exception_at_el1(frame, registers::esr_el2::make(instruction ? ExceptionClass::kInstructionAbortSame
                                                                    : ExceptionClass::kDataAbortSame,
                                                        kExternal));
}

namespace device_isolation {

bool present() { return Machine::current().board().smmu_base != 0; }

base::Status attach(base::StreamId stream, base::PartitionId partition) {
  Machine& machine = Machine::current();
  machine.check(machine.smmu().stream_exists(stream), "device_isolation::attach: no such stream");
  machine.check(machine.root_of(partition).has_value(), "device_isolation::attach: no address space");
  return machine.write_stream(stream, partition, host::FallibleStep::kStreamAttach);
}

base::Status detach(base::StreamId stream) {
  Machine& machine = Machine::current();
  machine.check(machine.smmu().stream_exists(stream), "device_isolation::detach: no such stream");
  return machine.write_stream(stream, base::kMonitor, host::FallibleStep::kStreamDetach);
}

base::Status invalidate(base::PartitionId partition) { return Machine::current().invalidate_smmu(partition); }

std::optional<Fault> take_fault() {
  Machine& machine = Machine::current();
  if (host::ReplayInputs* inputs = machine.replay_inputs()) {
    const auto words = inputs->take("fault");
    if (words.size() != 4) return std::nullopt;
    return Fault{.stream = base::StreamId{static_cast<std::uint32_t>(words[0])},
                 .address = words[1],
                 .type = static_cast<std::uint8_t>(words[2]),
                 .write = words[3] != 0};
  }
  const auto fault = machine.smmu().take_fault();
  if (machine.recorder() != nullptr) machine.recorder()->fault(fault);
  return fault;
}

}  // namespace device_isolation

namespace interrupts {

// The model has neither levels nor an active state: raise_interrupt() is a signal, and an acknowledged one is done.
void change(Change what, base::CoreId core, std::uint32_t word, std::uint32_t mask) {
  Machine& machine = Machine::current();
  for (std::uint32_t i = 0; i < 32; ++i) {
    if ((mask >> i & 1) == 0) continue;
    const base::Intid intid{32 * word + i};
    switch (what) {
      case Change::kEnable: machine.enable(intid, core); break;
      case Change::kDisable: machine.disable(intid); break;
      case Change::kSetPending: machine.signal(intid); break;
      case Change::kClearPending: machine.drop_pending(intid); break;
      case Change::kDeactivate: break;
    }
  }
}
void set_trigger(base::Intid, Trigger) {}
void route(base::Intid intid, base::CoreId core) { Machine::current().route(intid, core); }
std::uint32_t pending(base::CoreId, std::uint32_t) { return 0; }  // one that is disabled never waits
void kick(base::CoreId core) { Machine::current().make_pending(core, kKick); }
base::Intid acknowledge() { return Machine::current().acknowledge(Machine::this_core()); }
std::size_t list_registers() { return host::kListRegisters; }
void read_list_registers(std::span<std::uint64_t> values) {
  Machine& machine = Machine::current();
  if (values.empty()) return;
  if (auto* inputs = machine.replay_inputs(); inputs != nullptr) {
    const auto words = inputs->take("lists");
    std::copy_n(words.begin(), std::min(words.size(), values.size()), values.begin());
    return;
  }
  machine.read_list_registers(Machine::this_core(), values);
  if (machine.recorder() != nullptr) machine.recorder()->list_registers(values);
}
void write_list_registers(std::span<const std::uint64_t> values) {
  Machine::current().write_list_registers(Machine::this_core(), values);
}
VirtualState virtual_state() { return {.group0_enabled = true, .group1_enabled = true}; }  // as take_virtual() does
void watch(const Watch& wanted, const VirtualState&) { Machine::this_core().no_pending_watched = wanted.no_pending; }

}  // namespace interrupts

namespace power {

base::Status start_core(base::CoreId core) { return Machine::current().start_core(core); }
void system_off() {
  Machine::current().power(host::PowerState::kOff);
  throw host::MachineStopped{};
}
void system_reset() {
  Machine::current().power(host::PowerState::kReset);
  throw host::MachineStopped{};
}

}  // namespace power

}  // namespace hal
