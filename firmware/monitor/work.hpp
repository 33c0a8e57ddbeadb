// Bounded pieces of work that a call asks for and that don't run under the state lock.
#pragma once

#include "firmware/hypercall/call.hpp"
#include "firmware/partition/transition.hpp"

namespace monitor {

// While the state lock is still held: what must be taken over from, or handed to, the caller's memory at this
// moment. Errors: kNotOwned when the caller's memory is not what the plan saw (can't happen under the lock).
[[nodiscard]] base::Status do_locked_work(const hypercall::Caller& caller, const hypercall::Call& call,
                                          const partition::Work& work);  // precondition: some work
// Without the lock. Answers what the caller is told.
[[nodiscard]] partition::Reply do_unlocked_work(const hypercall::Caller& caller, const hypercall::Call& call,
                                                const partition::Work& work, const partition::Reply& planned);

}  // namespace monitor
