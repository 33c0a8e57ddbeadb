#include "firmware/monitor/command_device.hpp"

#include <array>

#include "firmware/hypercall/nitro_commands.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/later.hpp"
#include "firmware/monitor/moment.hpp"
#include "firmware/monitor/perform_call.hpp"
#include "firmware/monitor/power.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "firmware/nitro/command_device.hpp"
#include "firmware/nitro/pci_function.hpp"
#include "firmware/pci/bridge.hpp"
#include "hal/cpu.hpp"

namespace monitor {

namespace {

using hypercall::Caller;
using hypercall::NitroStep;
using nitro::CommandDevice;

// Calls in one piece; each does at most one chunk of scrubbing or measuring.
constexpr int kCallsAtOnce = 8;
// Commands are the parent's, and so for ever is the boot core.
constexpr base::CoreId kBootCore = [] {
  std::uint8_t core = 0;
  while (!board::kBoard.cores[core].boot) ++core;
  return base::CoreId{core};
}();

// All guarded by the state lock. `g_step` is the next thing to do for the command that runs.
constinit std::array<pci::Function, 1> g_functions{pci::Function{nitro::kPciFunction}};
constinit pci::Bridge g_bridge{g_functions};
constinit CommandDevice g_device{};
constinit hypercall::NitroCommand g_command{};
constinit NitroStep g_step{};
constinit bool g_runs{false};      // a command was taken and is not completed
constinit bool g_attended{false};  // some core is at it

// A message is a write to GICD_SETSPI_NSR (Arm IHI 0069, 12.9.30). Anything else is no address of a message here.
void send(const pci::Message& message) {
  constexpr std::uint64_t kSetSpi = 0x40;
  if (message.address != board::kBoard.gic_distributor + kSetSpi) return;
  send_message_to_parent(base::Intid{message.data});
}

void raise(std::uint32_t vector) {
  if (const auto message = g_functions[0].raise(vector)) send(*message);
}

void send_all(const pci::Messages& messages) {
  for (const pci::Message& message : messages) send(message);
}

// The device's registers in BAR 3. Answers whether there is a command to begin with.
[[nodiscard]] bool write_register(std::uint64_t offset, const RegisterAccess& access) {
  switch (g_device.write(offset, access.size, access.value)) {
    case CommandDevice::Outcome::kNothing: return false;
    case CommandDevice::Outcome::kRequest: return true;
    case CommandDevice::Outcome::kReply: raise(CommandDevice::kReplyVector); return false;
  }
  return false;
}

// State lock held. False: there is no command.
[[nodiscard]] bool begin_if_asked() {
  if (g_runs) return true;
  const auto request = g_device.take_request();
  if (!request) return false;
  g_runs = true;
  g_step = g_command.begin(*request, g_state);
  return true;
}

// State lock held.
void complete() {
  g_runs = false;
  if (g_device.complete(g_step.reply)) raise(CommandDevice::kReplyVector);
}

enum class Progress : std::uint8_t { kNone, kSome, kWaits };  // kNone: there is no command, and this core is no longer at it

// One call of the command, or its end.
[[nodiscard]] Progress go_one_step() {
  hypercall::Call call{};
  partition::Transition performed;
  const base::CoreId core = hal::current_core();
  const Caller caller = Caller::parents_device(core);
  bool waits = false;
  {
    const hypercall::Moment moment = moment_for(static_cast<std::uint32_t>(hypercall::Function::kSlotAllocate));
    const Locked locked{g_state_lock};
    if (machine_ends() || !begin_if_asked()) {
      g_attended = false;  // in one with the look: who asks from now on finds nobody at it
      return Progress::kNone;
    }
    if (g_step.kind == NitroStep::Kind::kReply) {
      complete();
      return Progress::kSome;
    }
    call = g_step.call;
    waits = g_step.waits;
    performed = perform_call(caller, call, moment);
  }
  if (performed.work.kind != partition::WorkKind::kNone) {
    performed.reply = do_unlocked_work(caller, call, performed.work, performed.reply);
  }
  const Locked locked{g_state_lock};
  g_step = g_command.next(g_state, performed.reply);
  return waits ? Progress::kWaits : Progress::kSome;
}

[[nodiscard]] bool attend() {
  const Locked locked{g_state_lock};
  if (g_attended) return false;
  g_attended = true;
  return true;
}

}  // namespace

AccessResult access_bridge_configuration(const RegisterAccess& access, std::uint64_t offset) {
  const Locked locked{g_state_lock};
  if (!access.write) return {true, g_bridge.read_config(offset, access.size)};
  send_all(g_bridge.write_config(offset, access.size, access.value));
  return {true, 0};
}

AccessResult access_bridge_memory(const RegisterAccess& access) {
  constexpr std::uint64_t kNobody = ~std::uint64_t{0};
  bool asked = false;
  AccessResult result{true, 0};
  {
    const Locked locked{g_state_lock};
    const auto target = g_bridge.decode(access.address.value);
    if (!target) return {true, kNobody};  // as a bridge answers for nobody
    pci::Function& function = g_bridge.function(target->function);
    if (function.is_msix(target->bar, target->offset)) {
      if (!access.write) return {true, function.read_msix(target->bar, target->offset, access.size)};
      send_all(function.write_msix(target->bar, target->offset, access.size, access.value));
    } else if (target->bar != CommandDevice::kBarIndex) {
      result.value = kNobody;
    } else if (access.write) {
      asked = write_register(target->offset, access);
    } else {
      result.value = g_device.read(target->offset, access.size);
    }
  }
  if (asked) leave_for_later(Later::kCommand, kBootCore);
  return result;
}

CommandLeft go_on_with_command() {
  if (!attend()) return CommandLeft::kNothing;  // who is at it looks again before it goes
  Progress progress = Progress::kSome;
  for (int i = 0; progress == Progress::kSome && i < kCallsAtOnce; ++i) progress = go_one_step();
  if (progress == Progress::kNone) return CommandLeft::kNothing;
  const Locked locked{g_state_lock};
  g_attended = false;
  return progress == Progress::kWaits ? CommandLeft::kWaits : CommandLeft::kMore;
}

void tell_of_end() {
  if (g_device.event()) raise(CommandDevice::kEventVector);
}

}  // namespace monitor
