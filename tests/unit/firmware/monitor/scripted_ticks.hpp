// The counter that hal::ticks() answers in these tests; log_test.cpp defines the function.
#pragma once

#include <cstdint>

namespace scripted {

inline std::uint64_t ticks{};

}  // namespace scripted
