// Keeps an OwnershipMap in step with the shipped monitor, without a line in it: the linker leads the calls of the
// policy's doors (hypercall::plan..., hypercall::commit) through this file (call_witness.cmake), in any program that
// links the monitor's archives. Everything here runs under the state lock, as commit() does.
#pragma once

#include "tests/model/ownership_map.hpp"

namespace model {

extern OwnershipMap g_ownership;
extern Asked g_last_asked;            // what the last commit was about
extern std::uint64_t g_commits;

// Defined by the program. After each commit: what the specification has against it, if anything.
void witnessed(const std::optional<Objection>& objection);

// Defined by the program. Before the frames go back to the parent: they have been scrubbed, and nobody reaches them.
void about_to_return(FrameRun frames);

}  // namespace model
