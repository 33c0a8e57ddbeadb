#include "firmware/monitor/load_enclave.hpp"

#include "firmware/attestation/eif_signature.hpp"
#include "firmware/enclave/device_tree.hpp"
#include "firmware/enclave/loader.hpp"
#include "firmware/measure/launch_bank.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/enclave_devices.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/identity.hpp"
#include "firmware/monitor/after_commit.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "firmware/monitor/slot_memory.hpp"
#include "hal/clock.hpp"
#include "hal/cpu.hpp"
#include "hal/floating_point.hpp"

namespace monitor {

using base::SlotIndex;
using enclave::Loader;
using enclave::LoadPhase;
using enclave::Slot;
using hypercall::LoadOutcome;

namespace {

constinit std::array<Loader, board::kMaxEnclaves> g_loaders{};
constinit std::array<measure::Digest, board::kMaxEnclaves> g_launch_digests{};
constinit std::array<std::optional<crypto::Digest>, board::kMaxEnclaves> g_signers{};
constinit attestation::SignatureScratch g_signature_scratch{};  // under g_crypto_lock
constinit std::array<std::array<std::uint8_t, base::kFrameSize>, board::kMaxCores> g_chunks{};
// Written before a slot runs and only while it is busy.
constinit std::array<std::array<std::uint8_t, 8192>, board::kMaxEnclaves> g_device_trees{};

// A signed image names the key that signed it; an image whose signature is wrong does not run.
void check_signature(SlotIndex slot, Loader& loader) {
  g_signers[slot.value].reset();
  if (!loader.signature().empty()) {
    const Locked locked{g_crypto_lock};
    const auto signer = attestation::verify_eif_signature(loader.signature(), loader.measurement().pcr0,
                                                          hal::unix_milliseconds() / 1000, g_signature_scratch);
    if (!signer) return loader.refuse_signature(signer.error());
    g_signers[slot.value] = *signer;
  }
  loader.approve();
}

// The last step: device tree in place, registers filled. Everything else of the memory is zero by now.
[[nodiscard]] base::Status prepare(SlotIndex slot_index, const Loader& loader, const SlotMemory& memory,
                                   std::uint32_t cores, measure::PcrBank& bank) {
  const Slot& slot = g_state.slots[slot_index.value];
  const std::uint64_t ram = board::kBoard.enclave_ram_base;
  const enclave::Placement& placement = loader.placement();
  auto& blob = g_device_trees[slot_index.value];
  MON_TRY_ASSIGN(const std::size_t size,
                 enclave::write_device_tree({.memory_base = ram,
                                             .memory_size = slot.memory_bytes,
                                             .initrd = ram + placement.initrd,
                                             .initrd_size = placement.initrd_size,
                                             .cores = cores,
                                             .distributor = board::kBoard.gic_distributor,
                                             .redistributor = board::kBoard.gic_redistributor,
                                             .redistributor_stride = board::kBoard.gic_redistributor_stride,
                                             .stdout_path = slot.mode == enclave::Mode::kDebug,
                                             .command_line = loader.command_line()},
                                            blob));
  MON_TRY(memory.write(placement.device_tree, base::Bytes{blob}.first(size)));
  const measure::LaunchMeasurement launch{.image = loader.measurement().image,
                               .boot = loader.measurement().boot,
                               .application = loader.measurement().application,
                               .signer = g_signers[slot_index.value],
                               .role = {},
                               .instance = device_id()};
  const measure::LaunchMode mode = slot.mode == enclave::Mode::kDebug ? measure::LaunchMode::kDebug
                                                                      : measure::LaunchMode::kProduction;
  bank = measure::launch_bank(launch, mode);
  crypto::Sha384 hash;  // docs/attestation-format.md, "Launch digest"
  hash.update(measure::launch_digest(launch, mode));
  hash.update(crypto::sha384(base::Bytes{blob}.first(size)));
  g_launch_digests[slot_index.value] = hash.finish();
  return {};
}

[[nodiscard]] LoadOutcome outcome_of(const Loader& loader, bool touched) {
  switch (loader.phase()) {
    case LoadPhase::kParse:
    case LoadPhase::kMeasure:
    case LoadPhase::kMeasured:
    case LoadPhase::kMove:
    case LoadPhase::kZero: return LoadOutcome::kMore;
    case LoadPhase::kReady: return LoadOutcome::kReady;
    case LoadPhase::kRefused: return touched ? LoadOutcome::kRefusedTouched : LoadOutcome::kRefusedUntouched;
  }
  return LoadOutcome::kRefusedTouched;
}

void say(SlotIndex slot, const Loader& loader, LoadOutcome outcome, const measure::PcrBank& bank) {
  LogLine line;
  line.text("enclave ").number(slot.value);
  switch (outcome) {
    case LoadOutcome::kMore: return;
    case LoadOutcome::kReady:
      line.text(" starts, PCR0 ").bytes(base::Bytes{bank.value(0)}.first(16)).text("...");
      break;
    case LoadOutcome::kRefusedUntouched:
    case LoadOutcome::kRefusedTouched:
      line.text(" does not start: ");
      if (loader.image_error() != enclave::EifError::kNone) {
        line.text(enclave::describe(loader.image_error()));
      } else {
        line.text("error ").number(static_cast<std::uint8_t>(loader.error()));
      }
      break;
  }
  log(line);  // one line for each start that the parent asks for: never lost among its faults
}

}  // namespace

void begin_loading(SlotIndex slot, std::uint64_t image_offset) {
  g_loaders[slot.value].begin(image_offset, g_state.slots[slot.value].memory_bytes);
}

const measure::Digest& launch_digest(SlotIndex slot) { return g_launch_digests[slot.value]; }

partition::Reply load_step(SlotIndex slot) {
  Loader& loader = g_loaders[slot.value];
  const bool touched = loader.phase() == LoadPhase::kMove || loader.phase() == LoadPhase::kZero;
  measure::PcrBank bank;
  {
    const hal::FloatingPointScope scope;
    SlotMemory memory{g_state.slots[slot.value]};
    loader.step(memory, g_chunks[hal::current_core().value], board::kBoard.limits.scrub_chunk);
    if (loader.phase() == LoadPhase::kMeasured) check_signature(slot, loader);
    if (loader.phase() == LoadPhase::kReady) {
      const auto cores = static_cast<std::uint32_t>(
          __builtin_popcountll(g_state.cores.owned_by(base::partition_of(slot))));
      if (const base::Status ready = prepare(slot, loader, memory, cores, bank); !ready) loader.refuse(ready.error());
    }
  }
  const LoadOutcome outcome = outcome_of(loader, touched);
  say(slot, loader, outcome, bank);
  const Locked locked{g_state_lock};
  const std::uint64_t ram = board::kBoard.enclave_ram_base;
  const hypercall::Transition transition = hypercall::plan_load_step(
      g_state, slot, outcome, base::Ipa{ram + loader.placement().entry},
      base::Ipa{ram + loader.placement().device_tree}, loader.error(),
      static_cast<std::uint8_t>(loader.image_error()));
  // The registers are what the document will state: they are there before the first instruction.
  const bool starts = outcome == LoadOutcome::kReady && g_state.slots[slot.value].state == enclave::SlotState::kLoading;
  if (starts) {  // not one that was stopped meanwhile
    g_state.slots[slot.value].pcrs = bank;
    reset_interrupts(base::partition_of(slot));
    reset_enclave_devices(slot);
  }
  static_cast<void>(apply(transition.effects).ok());  // only effects that can't fail
  hypercall::commit(g_state, transition);
  after_commit(transition);
  return transition.reply;
}

}  // namespace monitor
