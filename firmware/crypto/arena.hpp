// The only memory that mbedTLS may allocate from: a fixed arena.
//
// On the bare machine every allocation fails until start_arena(); an exhausted arena makes the operation answer
// kInternal and gives everything back. On the host mbedTLS uses the C library's heap, so that tools and tests may
// use it from many threads. The arena has no lock: on the bare machine callers hold the monitor's crypto lock.
#pragma once

#include <cstddef>

namespace crypto {

inline constexpr std::size_t kArenaSize = 64 * 1024;  // at least twice what its deepest user needs (tested)

// Once, before any other function of this folder. On the host: nothing happens.
void start_arena();

}  // namespace crypto
