// Raw noise, before health tests (NIST SP 800-90B) and before the DRBG.
#pragma once

#include <cstdint>

#include "firmware/base/result.hpp"

namespace hal {

// Errors: kNoEntropy when there is no source or it did not answer in a bounded number of tries.
[[nodiscard]] base::Result<std::uint64_t> entropy_sample();

}  // namespace hal
