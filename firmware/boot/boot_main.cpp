// From the ROM's hand to the parent's first instruction, as a list. Every failure stops the machine and says why.
#include <bit>
#include <cstring>

#include "firmware/board/budget.hpp"
#include "firmware/boot/load_parent.hpp"
#include "firmware/boot/platform_record.hpp"
#include "firmware/crypto/arena.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/measure/handover_check.hpp"
#include "firmware/monitor/answer_status.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/cores.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/identity.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "firmware/monitor/vsock_ports.hpp"
#include "hal/boot_data.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/floating_point.hpp"
#include "hal/interrupts.hpp"
#include "hal/memory.hpp"
#include "hal/message_interrupts.hpp"
#include "hal/power.hpp"
#include "hal/stage2.hpp"
#include "hal/upcalls.hpp"

namespace boot {

namespace {

using monitor::log;
using monitor::LogLine;
using monitor::panic;

void require(base::Status status, std::string_view what) {
  if (status.ok()) return;
  panic(LogLine{}.text(what).text(" (error ").number(static_cast<std::uint8_t>(status.error())).text(")").view());
}

// The board says how much memory there may be, the ROM how much there is.
void adopt_memory(std::uint64_t bytes) {
  constexpr std::uint64_t kRamBase = board::ram_base(board::kBoard);
  constexpr std::uint64_t kMonitorEnd = board::kBoard.monitor.base + board::kBoard.monitor.size;
  const std::uint64_t end = kRamBase + bytes;  // no wrap: measure::validate() has bounded it
  if (end < kMonitorEnd || end <= board::kBoard.parent_entry) {
    panic("the machine has less memory than the monitor and its parent need");
  }
  const monitor::Locked locked{monitor::g_state_lock};
  hypercall::end_memory_at(monitor::g_state, end);
}

// Precondition: there is an identity, and this core is alone. Floating point is ours.
void scatter_connections() {
  const auto random = monitor::generator().generate<sizeof(vsock::ConnectionTable::Secret)>();
  if (!random) panic("no randomness for the vsock switch");
  const monitor::Locked locked{monitor::g_state_lock};
  monitor::scatter_connections(std::bit_cast<vsock::ConnectionTable::Secret>(*random));
}

// 1. Who we are: the ROM's word, checked; then the key that only this code on this device can have.
void take_over_identity() {
  monitor::start_uptime();
  const base::MutableBytes bytes = hal::handover();
  if (bytes.size() < sizeof(measure::Handover)) panic("no handover from the ROM");
  auto& handover = *reinterpret_cast<measure::Handover*>(bytes.data());
  require(measure::validate(handover), "the ROM's handover is malformed");
  adopt_memory(handover.memory_bytes);
  const hal::FloatingPointScope scope;
  crypto::start_arena();
  require(monitor::g_state.platform.adopt(handover), "the ROM's event log is malformed");
  for (std::uint32_t i = 0; i < handover.event_count; ++i) {
    const measure::Event& event = handover.events[i];
    // The manifest's word for the board, measured, must be the board that this image was built for.
    const bool is_board = event.pcr == static_cast<std::uint32_t>(measure::PlatformPcr::kBoard);
    if (is_board && event.digest != board::kBoard.digest) panic("the manifest names another board than the image's");
    log(LogLine{}.text("measured by the ROM into platform PCR").number(event.pcr).text(": ")
            .text({event.name.data(), strnlen(event.name.data(), event.name.size())})
            .text(" ").bytes(base::Bytes{event.digest}.first(16)).text("..."));
  }
  require(monitor::establish_identity(handover), "no identity: no healthy entropy source, or no key");
  scatter_connections();
  crypto::wipe(bytes);
}

// 2. What this machine protects and how: attested, so that a verifier can ask for it.
void measure_configuration() {
  const board::Protections& protections = board::kBoard.protections;
  const std::array<std::uint8_t, 4> facts{std::uint8_t{1}, static_cast<std::uint8_t>(protections.smmu),
                                          static_cast<std::uint8_t>(protections.secure_rom),
                                          static_cast<std::uint8_t>(protections.entropy)};
  const hal::FloatingPointScope scope;
  record(measure::PlatformPcr::kConfiguration, "protections", crypto::sha384(facts));
}

// 3. The parent's address space: its memory, its devices' registers, nothing else.
void build_parent_space() {
  const monitor::Locked locked{monitor::g_state_lock};
  require(hal::stage2::create(base::kParent), "no table for the parent");
  for (const board::MemoryRegion& region : board::kBoard.memory) {
    const std::uint64_t present = board::present_bytes(region, monitor::g_state.memory_end);
    if (present == 0) continue;
    const auto frames = base::FrameRange::from_bytes(region.base, present);
    if (!frames) panic("a memory region of the board is malformed");
    require(hal::stage2::map(base::kParent, base::Ipa{region.base}, *frames, base::Access::kReadWriteExecute),
            "no tables for the parent's memory");
  }
  for (const board::Mmio& window : board::kBoard.mmio) {
    if (window.owner != board::Owner::kParent) continue;
    const auto frames = base::FrameRange::from_bytes(window.base, window.size);
    if (!frames) panic("a device window of the board is malformed");
    require(hal::stage2::map(base::kParent, base::Ipa{window.base}, *frames, base::Access::kDevice),
            "no tables for the parent's devices");
  }
  if (board::kBoard.message_interrupts.offered && hal::message_interrupts::present()) {
    // A device that writes to GICD_SETSPI_NSR writes to GITS_TRANSLATER, which has the same offset. Nothing else of the
    // ITS is in this page.
    const std::uint64_t page = board::kBoard.message_interrupts.its_base + board::kItsMessages;
    const auto frames = base::FrameRange::from_bytes(page, base::kFrameSize);
    if (!frames) panic("the board's ITS is malformed");
    require(hal::stage2::map(base::kParent, base::Ipa{board::kBoard.gic_distributor}, *frames, base::Access::kMessages),
            "no table for messages");
  }
  for (const board::Device& device : board::kBoard.devices) {
    if (device.owner == board::Owner::kMonitor) continue;
    if (device.mmio_size != 0) {
      const auto frames = base::FrameRange::from_bytes(device.mmio_base, device.mmio_size);
      if (!frames) panic("the registers of a device of the board are malformed");
      require(hal::stage2::map(base::kParent, base::Ipa{device.mmio_base}, *frames, base::Access::kDevice),
              "no tables for the registers of the parent's devices");
    }
  }
}

// 4. Every other core into the monitor, parked. One that the machine does not have is nobody's from now on.
void start_cores() {
  const base::CoreId here = hal::current_core();
  std::uint64_t running = 1;
  for (std::uint8_t i = 0; i < board::kBoard.cores.size(); ++i) {
    const base::CoreId core{i};
    if (core == here) continue;
    if (hal::power::start_core(core).ok()) {
      ++running;
    } else {
      const monitor::Locked locked{monitor::g_state_lock};
      monitor::g_state.cores.at(core).owner = base::kMonitor;
    }
  }
  log(LogLine{}.number(running).text(" cores in the monitor, of ").number(board::kBoard.cores.size())
          .text(" that the board may have"));
}

// 6. The parent's devices reach its memory from now on: not before it was measured (5, load_parent.cpp).
void attach_messages(base::StreamId stream) {
  constexpr const board::MessageInterrupts& kMessages = board::kBoard.message_interrupts;
  if (!kMessages.offered || !hal::message_interrupts::present()) return;
  if (!hal::message_interrupts::attach(stream, kMessages.first, kMessages.count).ok()) {
    log(LogLine{}.text("messages of stream ").hex(stream.value).text(" are not delivered"));
  }
}

void attach_parent_devices() {
  const monitor::Locked locked{monitor::g_state_lock};
  if (!hal::device_isolation::present()) return;
  for (const board::Device& device : board::kBoard.devices) {
    if (device.owner == board::Owner::kMonitor) continue;
    require(hal::device_isolation::attach(device.stream, base::kParent), "the SMMU does not answer");
    attach_messages(device.stream);
  }
}

// 7. Interrupts: the board's own come to this core, the others wait for the parent to enable them.
void prepare_interrupts() {
  const monitor::Locked locked{monitor::g_state_lock};
  const base::CoreId here = hal::current_core();
  for (const board::Interrupt& interrupt : board::kBoard.interrupts) {
    if (interrupt.owner != board::Owner::kMonitor) continue;
    const std::uint32_t word = interrupt.intid.value / 32;
    // An SMMU signals events by edges (Arm IHI 0070, 3.18); what else may be wired to the monitor is never enabled at its source.
    hal::interrupts::set_trigger(interrupt.intid, hal::interrupts::Trigger::kEdge);
    hal::interrupts::route(interrupt.intid, here);
    hal::interrupts::change(hal::interrupts::Change::kEnable, here, word, 1U << (interrupt.intid.value % 32));
  }
  monitor::reset_interrupts(base::kParent);
  monitor::reset_parents_vsock();
}

// 8. The parent, on the boot core.
void start_parent(const ParentStart& start) {
  const monitor::Locked locked{monitor::g_state_lock};
  const base::CoreId here = hal::current_core();
  monitor::g_state.cores.at(here).state = partition::CoreState::kRunning;
  base::EffectList effects;
  const base::Effect effect{.kind = base::EffectKind::kStartCore, .partition = base::kParent, .core = here,
                            .ipa = base::Ipa{start.entry}, .argument = start.argument};
  require(effects.push(effect), "no room for one effect");
  require(monitor::apply(effects), "the parent does not start");
}

}  // namespace

}  // namespace boot

namespace hal {

void monitor_main() {
  boot::log(boot::LogLine{}.text("Cofferdam on ").text(board::kBoard.name).text(", board ")
                .bytes(base::Bytes{board::kBoard.digest}.first(8)).text("..."));
  hypercall::initialise(monitor::g_state, monitor::g_frame_storage);
  boot::take_over_identity();
  boot::measure_configuration();
  boot::build_parent_space();
  boot::start_cores();
  const boot::ParentStart start = boot::load_parent();
  boot::attach_parent_devices();
  boot::prepare_interrupts();
  boot::log(boot::LogLine{}.text("starting the parent at ").hex(start.entry));
  boot::start_parent(start);
  monitor::core_loop();
}

}  // namespace hal
