// What the nitro_enclaves driver's refusals mean (include/uapi/linux/nitro_enclaves.h, NE_ERR_*), in words, and what to
// do.
#pragma once

#include <string>

#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {

struct DriverError {
  std::string name;   // "NE_ERR_NO_CPUS_AVAIL_IN_POOL", "EACCES"
  std::string words;  // one sentence without a full stop
  std::string mend;
};
// error: a positive errno or NE_ERR_* value.
[[nodiscard]] DriverError driver_error(int error);

// doing: "add CPU 3", for "The driver refuses to add CPU 3: ...".
[[nodiscard]] Failure driver_failure(ErrorCode code, const std::string& doing, int error);

}  // namespace enclave_cli
