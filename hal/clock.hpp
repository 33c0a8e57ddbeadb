// Wall-clock time, for certificates and documents.
#pragma once

#include <cstdint>

namespace hal {

[[nodiscard]] std::uint64_t unix_milliseconds();  // PL031 gives whole seconds; the rest comes from the counter

}  // namespace hal
