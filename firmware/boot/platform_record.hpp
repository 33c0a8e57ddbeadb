// One measurement of the platform: into its register, into the event log, and onto the console.
#pragma once

#include <string_view>

#include "firmware/measure/platform_log.hpp"

namespace boot {

// Panics when the log is full: a measurement that is not recorded must not have happened.
void record(measure::PlatformPcr pcr, std::string_view name, const measure::Digest& digest);

}  // namespace boot
