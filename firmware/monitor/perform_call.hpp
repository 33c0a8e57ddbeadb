// A call under the state lock: planned, applied, committed. The same for a guest's HVC and for the command device, which
// makes the parent's calls for it.
#pragma once

#include "firmware/hypercall/plan.hpp"
#include "firmware/monitor/after_commit.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/work.hpp"

namespace monitor {

// An effect that fails turns the whole call into a refusal. What work the transition names is the caller's to do, without
// the lock (do_unlocked_work).
[[nodiscard]] inline partition::Transition perform_call(const hypercall::Caller& caller, const hypercall::Call& call,
                                                        const hypercall::Moment& moment) {
  partition::Transition transition = hypercall::plan(g_state, caller, call, moment);
  base::Status done;
  if (transition.work.kind != partition::WorkKind::kNone) done = do_locked_work(caller, call, transition.work);
  if (done.ok()) done = apply(transition.effects);
  if (!done.ok()) {
    transition.reply = {partition::status_of(done.error()), {}};
    transition.work = {};
    transition.caller_core = partition::CallerCore::kResumes;
    return transition;
  }
  hypercall::commit(g_state, transition);
  // A refusal, as the table of calls means it: PSCI's own numbers and "call again" are none.
  const bool refused = transition.facts.empty() && static_cast<std::int64_t>(transition.reply.status) < 0 &&
                       transition.reply.status != partition::status_of(base::Error::kInProgress) &&
                       !hypercall::is_arm_call(call.function);
  if (refused) ++g_state.counters.refused_calls;
  after_commit(transition);
  return transition;
}

}  // namespace monitor
