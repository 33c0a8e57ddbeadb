// The CPUs that the driver may give to enclaves: its parameter ne_cpus, a list like "1-3,7".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guests/parent/cli/environment.hpp"

namespace enclave_cli {

inline constexpr const char* kPoolFile = "/sys/module/nitro_enclaves/parameters/ne_cpus";

using CpuList = std::vector<std::uint32_t>;

// The kernel's form, bounded: ascending ranges joined by commas. Throws Failure E23 (not a number), E24 (no range).
[[nodiscard]] CpuList parse_cpu_list(std::string_view text);
[[nodiscard]] std::string cpu_list_text(CpuList cpus);  // "1-3,7"

// Throws Failure E19: the driver is not there.
[[nodiscard]] CpuList read_cpu_pool(KernelFiles& files);

// Whether the pool can give what run-enclave asks for. Throws Failure E20 (twice the same), E21 (not in the pool),
// E22 (too many, or none). What running enclaves hold the driver alone knows.
void check_cpu_choice(const CpuList& pool, const std::optional<std::uint32_t>& count, const CpuList& ids);

}  // namespace enclave_cli
