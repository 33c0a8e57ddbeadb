#include "tests/model/call_witness.hpp"

#include "firmware/hypercall/plan.hpp"

// As the linker's --wrap names them: calls of NAME go to __wrap_NAME, and __real_NAME is what was called. A NAME that
// nobody calls any more leaves __real_NAME without a definition, and the program does not link.
#define WITNESS(result, name, mangled, ...)                   \
  result real_##name(__VA_ARGS__) asm("__real_" mangled);     \
  result witness_##name(__VA_ARGS__) asm("__wrap_" mangled);  \
  result witness_##name(__VA_ARGS__)

namespace model {

constinit OwnershipMap g_ownership{};
constinit Asked g_last_asked{};
constinit std::uint64_t g_commits = 0;

namespace {

using hypercall::Call;
using hypercall::Caller;
using hypercall::SystemState;
using hypercall::Transition;

Asked pending{};  // what was planned last

}  // namespace

WITNESS(void, initialise, "_ZN9hypercall10initialiseERNS_11SystemStateERNS_12FrameStorageE", SystemState& state,
        hypercall::FrameStorage& storage) {
  real_initialise(state, storage);
  g_ownership.begin();
}

WITNESS(void, end_memory_at, "_ZN9hypercall13end_memory_atERNS_11SystemStateEm", SystemState& state, std::uint64_t end) {
  real_end_memory_at(state, end);
  g_ownership.end_memory_at(end);
}

WITNESS(Transition, plan, "_ZN9hypercall4planERKNS_11SystemStateERKNS_6CallerERKNS_4CallERKNS_6MomentE",
        const SystemState& state, const Caller& caller, const Call& call, const hypercall::Moment& moment) {
  pending = {.kind = AskedKind::kCall, .caller = caller.partition(), .core = caller.core(), .function = call.function,
             .arguments = call.arguments};
  return real_plan(state, caller, call, moment);
}

WITNESS(Transition, plan_scrubbed, "_ZN9hypercall13plan_scrubbedERKNS_11SystemStateEN4base9SlotIndexE",
        const SystemState& state, base::SlotIndex slot) {
  pending = {.kind = AskedKind::kScrubbed, .slot = slot};
  about_to_return(g_ownership.scrubbing(slot));
  return real_plan_scrubbed(state, slot);
}

WITNESS(Transition, plan_load_step,
        "_ZN9hypercall14plan_load_stepERKNS_11SystemStateEN4base9SlotIndexENS_11LoadOutcomeENS3_3IpaES6_NS3_5ErrorEh",
        const SystemState& state, base::SlotIndex slot, hypercall::LoadOutcome outcome, base::Ipa entry,
        base::Ipa device_tree, base::Error error, std::uint8_t image_error) {
  pending = {.kind = AskedKind::kLoaded, .slot = slot};
  return real_plan_load_step(state, slot, outcome, entry, device_tree, error, image_error);
}

WITNESS(Transition, plan_core_left, "_ZN9hypercall14plan_core_leftERKNS_11SystemStateEN4base6CoreIdE",
        const SystemState& state, base::CoreId core) {
  pending = {.kind = AskedKind::kCoreLeft, .core = core};
  return real_plan_core_left(state, core);
}

// A plan whose effects were refused by the machine is never committed.
WITNESS(base::Status, apply, "_ZN7monitor5applyERKN4base9FixedListINS0_6EffectELm12EEE", const base::EffectList& effects) {
  const base::Status applied = real_apply(effects);
  if (!applied.ok()) pending = {};
  return applied;
}

WITNESS(Transition, plan_fault, "_ZN9hypercall10plan_faultERKNS_11SystemStateERKNS_6CallerEN13cofferdam_abi12FaultCounterE",
        const SystemState& state, const Caller& caller, cofferdam_abi::FaultCounter kind) {
  pending = {};
  return real_plan_fault(state, caller, kind);
}

WITNESS(Transition, plan_terminate, "_ZN9hypercall14plan_terminateERKNS_11SystemStateEN4base9SlotIndexE",
        const SystemState& state, base::SlotIndex slot) {
  pending = {};
  return real_plan_terminate(state, slot);
}

WITNESS(void, commit, "_ZN9hypercall6commitERNS_11SystemStateERKN9partition10TransitionE", SystemState& state,
        const Transition& transition) {
  real_commit(state, transition);
  ++g_commits;
  const Answered answered{.x0 = transition.reply.status, .x1 = transition.reply.values[0],
                          .unfinished = transition.work.kind == partition::WorkKind::kScrub ||
                                        transition.work.kind == partition::WorkKind::kLoad};
  g_last_asked = pending;
  pending = {};
  witnessed(g_ownership.step(g_last_asked, answered));
}

}  // namespace model
