#include "firmware/monitor/answer_nsm.hpp"

#include <algorithm>

#include "firmware/attestation/leaf_certificate.hpp"
#include "firmware/attestation/nsm_engine.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/hypercall/plan.hpp"
#include "firmware/measure/platform_log.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/identity.hpp"
#include "firmware/monitor/load_enclave.hpp"
#include "firmware/monitor/slot_memory.hpp"
#include "hal/clock.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/floating_point.hpp"

namespace monitor {

using attestation::NsmCost;
using attestation::PlatformFlag;
using attestation::PlatformState;
using base::SlotIndex;
using enclave::Slot;
using hypercall::Call;
using hypercall::Caller;

namespace {

// One request being answered, one a core at a time.
struct Job {
  std::array<std::uint8_t, attestation::kMaxNsmRequest> request;
  std::size_t request_size;
  std::array<std::uint8_t, attestation::kMaxNsmResponse> response;
  measure::PcrBank bank;
  PlatformState state;
};
constinit std::array<Job, board::kMaxCores> g_jobs{};

// A leaf is good for the slot's present occupant and for the ledger as it stood when it was issued.
struct Leaf {
  base::SlotUid uid{};
  std::uint64_t ledger_records{};
  attestation::LeafIdentity identity{};
};
constinit std::array<Leaf, board::kMaxEnclaves> g_leaves{};  // crypto lock

// Callers hold the state lock, inside a FloatingPointScope.
[[nodiscard]] PlatformState state_of(SlotIndex slot_index) {
  const Slot& slot = g_state.slots[slot_index.value];
  PlatformState state;
  state.platform_bank = measure::digest_of(g_state.platform.bank());
  state.launch_digest = launch_digest(slot_index);
  state.ledger = g_state.ledger.head();
  state.cores = static_cast<std::uint32_t>(
      __builtin_popcountll(g_state.cores.owned_by(base::partition_of(slot_index))));
  state.memory = slot.memory_bytes;
  for (const enclave::Channel& channel : slot.channels) state.shared_memory += channel.frames.bytes();
  if (slot.mode == enclave::Mode::kDebug) state.set(PlatformFlag::kDebugEnclave);
  if (is_development()) state.set(PlatformFlag::kDevelopmentIdentity);
  if (hal::device_isolation::present()) state.set(PlatformFlag::kSmmuActive);
  if (board::kBoard.protections.secure_rom) state.set(PlatformFlag::kSecretBehindRom);
  const hal::CoreProtections protections = hal::core_protections();
  if (protections.repeat_tlbi) state.set(PlatformFlag::kRepeatTlbi);
  if (protections.pointer_authentication) state.set(PlatformFlag::kPointerAuthentication);
  if (protections.branch_targets) state.set(PlatformFlag::kBranchTargets);
  state.set(PlatformFlag::kMemoryExclusive);  // invariant `exclusive`; what is shared on purpose is counted above
  return state;
}

// Callers hold the crypto lock.
[[nodiscard]] base::Status renew_leaf(SlotIndex slot, base::SlotUid uid, std::string_view module_id,
                                      const PlatformState& state, std::uint64_t unix_seconds) {
  Leaf& leaf = g_leaves[slot.value];
  const bool good = leaf.uid == uid && leaf.ledger_records == state.ledger.records &&
                    !leaf.identity.needs_renewal(unix_seconds);
  if (good) return {};
  auto seed = generator().generate<48>();
  if (!seed) return seed.error();
  const crypto::WipeOnExit wipe_seed{*seed};
  auto issued = attestation::issue_leaf(
      {.module_id = module_id, .region = board::kBoard.name, .slot = uid, .unix_seconds = unix_seconds, .state = state},
      {.key = attestation_key(), .certificate = certificate_chain().back()}, *seed);
  if (!issued) return issued.error();
  const crypto::WipeOnExit wipe_issued{*issued};
  leaf.identity.wipe();
  leaf = {uid, state.ledger.records, *issued};
  return {};
}

[[nodiscard]] base::Result<base::Bytes> answer(SlotIndex slot, base::SlotUid uid, Job& job, std::size_t capacity) {
  const base::Bytes request = base::Bytes{job.request}.first(job.request_size);
  const std::uint64_t now = hal::unix_milliseconds();
  const attestation::ModuleId module_id = attestation::module_id_of(device_id(), uid);
  const Locked locked{g_crypto_lock};
  if (attestation::nsm_cost(request) == NsmCost::kSignature) {
    const base::Status renewed = renew_leaf(slot, uid, module_id.view(), job.state, now / 1000);
    if (!renewed.ok()) {
      return attestation::error_response(attestation::NsmError::kInternalError,
                                         base::MutableBytes{job.response}.first(capacity));
    }
  }
  return attestation::answer_nsm_request(request, job.bank,
                                         {.module_id = module_id.view(),
                                          .unix_milliseconds = now,
                                          .random = generator(),
                                          .leaf = g_leaves[slot.value].identity,
                                          .ca_bundle = certificate_chain()},
                                         base::MutableBytes{job.response}.first(capacity));
}

[[nodiscard]] Job& job_here() { return g_jobs[hal::current_core().value]; }

}  // namespace

base::MutableBytes nsm_request_buffer() { return job_here().request; }

void take_nsm_request(SlotIndex slot, std::size_t size) {
  Job& job = job_here();
  job.request_size = size;
  job.bank = g_state.slots[slot.value].pcrs;
  if (size > job.request.size()) return;
  const hal::FloatingPointScope scope;
  const base::Bytes request = base::Bytes{job.request}.first(size);
  if (attestation::nsm_cost(request) == NsmCost::kSignature) job.state = state_of(slot);
}

base::Result<base::Bytes> answer_nsm_request(SlotIndex slot, std::size_t capacity) {
  Job& job = job_here();
  capacity = std::min(capacity, job.response.size());
  const hal::FloatingPointScope scope;
  return
      job.request_size > job.request.size()
          ? attestation::error_response(attestation::NsmError::kInputTooLarge, base::MutableBytes{job.response}.first(capacity))
          : answer(slot, g_state.slots[slot.value].uid, job, capacity);
}

void end_nsm_request(SlotIndex slot, bool delivered) {
  if (delivered) g_state.slots[slot.value].pcrs = job_here().bank;
  hypercall::Transition done;
  done.add(partition::Fact{.kind = partition::FactKind::kNsmBusy, .slot = slot});
  hypercall::commit(g_state, done);
}

base::Status take_nsm_call(const Caller& caller, const Call& call) {
  const SlotMemory memory{g_state.slots[caller.slot().value]};
  const std::uint64_t size = call.arguments[1];  // bounded by the plan
  MON_TRY(memory.read(call.arguments[0] - board::kBoard.enclave_ram_base, nsm_request_buffer().first(size)));
  take_nsm_request(caller.slot(), size);
  return {};
}

partition::Reply answer_nsm_call(const Caller& caller, const Call& call) {
  // The slot stays this enclave's while a core of it is in the monitor.
  const base::Result<base::Bytes> response = answer_nsm_request(caller.slot(), call.arguments[3]);
  const Locked locked{g_state_lock};
  base::Status written;
  if (response) {
    const SlotMemory memory{g_state.slots[caller.slot().value]};
    written = memory.write(call.arguments[2] - board::kBoard.enclave_ram_base, *response);
  } else {
    written = response.error();
  }
  end_nsm_request(caller.slot(), written.ok());
  if (!written.ok()) return {partition::status_of(written.error()), {}};
  return {0, {response->size(), 0, 0}};
}

void forget_leaf(SlotIndex slot) {
  const base::SlotUid present = [&] {
    const Locked locked{g_state_lock};
    return g_state.slots[slot.value].uid;
  }();
  const hal::FloatingPointScope scope;
  const Locked locked{g_crypto_lock};
  Leaf& leaf = g_leaves[slot.value];
  // A new occupant may have its own leaf by now; losing that one too would only mean that it is issued again.
  if (leaf.uid == present) return;
  leaf.identity.wipe();
  leaf.uid = base::SlotUid{};
}

}  // namespace monitor
