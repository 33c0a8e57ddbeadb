// A guest, its devices and its machine, driven by bytes: the same steps for the controller (in its machine) and for the
// specification. No GoogleTest, so that the fuzzer runs it too.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace vgic_model {

// Every kick, physical interrupt and maintenance interrupt is served at once; then the guest must not be able to tell the
// controller from the specification. Answers the first difference, or nothing.
[[nodiscard]] std::string run_lockstep(std::span<const std::uint8_t> choices);

// Kicks and interrupts are served late, in any order. Then it is about what must hold nevertheless: nothing lost, no more
// taken than came, nothing taken that is disabled once RWP is 0, nothing left active in the machine.
[[nodiscard]] std::string run_late(std::span<const std::uint8_t> choices);

// Anything at any offset, any order of ends and deactivations: no forbidden list register, no action about another's
// interrupt, no storm.
[[nodiscard]] std::string run_hostile(std::span<const std::uint8_t> choices);

}  // namespace vgic_model
