// Wall-clock time, for certificates, documents and guests' clocks.
//
// It can't fail, takes no lock and may be read on every core at any time. A board without an RTC counts from 1970
// on when it starts.
#pragma once

#include <cstdint>

namespace hal {

[[nodiscard]] std::uint64_t unix_milliseconds();  // since 1970. PL031 gives whole seconds; the rest comes from the counter

}  // namespace hal
