// From the ROM's hand to the parent's first instruction, as a list. Every failure stops the machine and says why.
#include <cstring>

#include "firmware/boot/payload.hpp"
#include "firmware/crypto/arena.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/measure/handover_check.hpp"
#include "firmware/monitor/answer_status.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/cores.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/identity.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"
#include "hal/boot_data.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/floating_point.hpp"
#include "hal/memory.hpp"
#include "hal/power.hpp"
#include "hal/stage2.hpp"
#include "hal/upcalls.hpp"

namespace boot {

namespace {

using monitor::log;
using monitor::LogLine;
using monitor::panic;

// Where the parent finds the payload; a board's parent memory must reach that far.
constexpr std::uint64_t kPayloadAddress = board::kBoard.memory[0].base + 0x0400'0000;

void require(base::Status status, std::string_view what) {
  if (status.ok()) return;
  panic(LogLine{}.text(what).text(" (error ").number(static_cast<std::uint8_t>(status.error())).text(")").view());
}

void record(measure::PlatformPcr pcr, std::string_view name, const measure::Digest& digest) {
  require(monitor::g_state.platform.record(pcr, name, digest), "the event log is full");
  log(LogLine{}.text("measured into platform PCR").number(static_cast<std::uint32_t>(pcr)).text(": ").text(name)
          .text(" ").bytes(base::Bytes{digest}.first(16)).text("..."));
}

// 1. Who we are: the ROM's word, checked; then the key that only this code on this device can have.
void take_over_identity() {
  monitor::start_uptime();
  const base::MutableBytes bytes = hal::handover();
  if (bytes.size() < sizeof(measure::Handover)) panic("no handover from the ROM");
  auto& handover = *reinterpret_cast<measure::Handover*>(bytes.data());
  require(measure::validate(handover), "the ROM's handover is malformed");
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
    const auto frames = base::FrameRange::from_bytes(region.base, region.size);
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

// 4. The parent's program: laid into its memory, then measured there, then never touched again.
struct ParentStart {
  std::uint64_t entry;
};

void clean(std::uint64_t address, std::uint64_t bytes) {
  const std::uint64_t first = address & ~(base::kFrameSize - 1);
  const auto frames = base::FrameRange::from_bytes(first, base::align_up(address + bytes, base::kFrameSize) - first);
  if (!frames) panic("a piece of the boot payload is empty");
  hal::clean_frames(*frames);
}

ParentStart load_parent() {
  const base::Bytes payload = hal::payload();
  if (payload.empty()) return {board::kBoard.parent_entry};  // the host machine's guests are programs, not bytes
  const auto size = payload_size(payload);
  const auto parent = find_piece(payload, "parent");
  if (!size || !parent) panic("the boot payload is malformed or has no piece named parent");
  const auto fits = [](std::uint64_t address, std::uint64_t bytes) {
    const board::MemoryRegion& memory = board::kBoard.memory[0];
    return address >= memory.base && bytes <= memory.base + memory.size - address;
  };
  if (!fits(board::kBoard.parent_entry, parent->size) || !fits(kPayloadAddress, *size) ||
      board::kBoard.parent_entry + parent->size > kPayloadAddress) {
    panic("the boot payload does not fit the parent's memory");
  }
  hal::write_bytes(base::PhysAddr{board::kBoard.parent_entry}, payload.subspan(parent->offset, parent->size));
  hal::write_bytes(base::PhysAddr{kPayloadAddress}, payload.first(*size));
  // The parent starts with its caches off: what is measured below is what lies in memory, not in a cache.
  clean(board::kBoard.parent_entry, parent->size);
  clean(kPayloadAddress, *size);

  const hal::FloatingPointScope scope;
  const auto digest_of = [](std::uint64_t address, std::uint64_t bytes) {
    crypto::Sha384 hash;
    std::array<std::uint8_t, 4096> piece;
    for (std::uint64_t done = 0; done < bytes; done += piece.size()) {
      const std::size_t count = bytes - done < piece.size() ? bytes - done : piece.size();
      hal::read_bytes(base::PhysAddr{address + done}, base::MutableBytes{piece}.first(count));
      hash.update(base::Bytes{piece}.first(count));
    }
    return hash.finish();
  };
  record(measure::PlatformPcr::kParentKernel, "parent", digest_of(board::kBoard.parent_entry, parent->size));
  record(measure::PlatformPcr::kParentInitrd, "payload", digest_of(kPayloadAddress, *size));
  return {board::kBoard.parent_entry};
}

// 5. The parent's devices reach its memory from now on: not before it was measured.
void attach_parent_devices() {
  const monitor::Locked locked{monitor::g_state_lock};
  if (!hal::device_isolation::present()) return;
  for (const board::Device& device : board::kBoard.devices) {
    if (device.owner == board::Owner::kMonitor) continue;
    require(hal::device_isolation::attach(device.stream, base::kParent), "the SMMU does not answer");
  }
}

// 6. Every other core into the monitor, parked. One that the machine does not have is nobody's from now on.
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

// 7. The parent, on the boot core.
void start_parent(const ParentStart& start) {
  const monitor::Locked locked{monitor::g_state_lock};
  const base::CoreId here = hal::current_core();
  monitor::g_state.cores.at(here).state = partition::CoreState::kRunning;
  base::EffectList effects;
  const base::Effect effect{.kind = base::EffectKind::kStartCore, .partition = base::kParent, .core = here,
                            .ipa = base::Ipa{start.entry}};
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
  const boot::ParentStart start = boot::load_parent();
  boot::attach_parent_devices();
  boot::start_cores();
  boot::log(boot::LogLine{}.text("starting the parent at ").hex(start.entry));
  boot::start_parent(start);
  monitor::core_loop();
}

}  // namespace hal
