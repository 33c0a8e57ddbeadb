// Holds the two specifications against each other: the one that fits into a monitor (ownership_map.hpp), which the
// witness keeps in step with every commit, and the one that the lockstep oracle keeps in step with every call.
#pragma once

#include <optional>
#include <string>

#include "tests/model/ownership_spec.hpp"

namespace model {

// At rest, between two operations. nullopt: they say the same.
[[nodiscard]] std::optional<std::string> disagreement(const Spec& spec);

}  // namespace model
