// What run-enclave is asked for, by options or by a JSON file (nitro-cli's keys).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "guests/parent/cli/boot_wait.hpp"
#include "guests/parent/cli/cpu_pool.hpp"

namespace enclave_cli {

struct RunRequest {
  std::string eif_path;
  std::string name;  // empty: the image's file name
  std::uint64_t memory_mib{};
  std::optional<std::uint32_t> cpu_count;
  CpuList cpu_ids;
  std::uint64_t cid{};  // 0: the monitor chooses
  bool debug{};
  bool attach_console{};
  std::optional<Milliseconds> boot_timeout;
};

// "512", "512M", "2G", "1T": MiB without a unit. Throws Failure E03.
[[nodiscard]] std::uint64_t memory_in_mib(const std::string& text);
// Throws Failure E03: a CID that no enclave can have.
void check_cid(std::uint64_t cid);
// The file of --config. Unknown keys are answered in `ignored`. Throws Failure E19, E17 (no such JSON), E01, E02.
[[nodiscard]] RunRequest request_from_config(const std::string& path, std::vector<std::string>& ignored);
// `wanted`, or the image's file name without .eif; with _1, _2, ... behind it while one is taken.
[[nodiscard]] std::string free_name(const std::string& wanted, const std::string& eif_path,
                                    const std::vector<std::string>& taken);

}  // namespace enclave_cli
