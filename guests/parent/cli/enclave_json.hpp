// nitro-cli's JSON about running enclaves, key for key and in its order (aws-nitro-enclaves-cli
// src/common/json_output.rs).
#pragma once

#include "guests/parent/cli/control_channel.hpp"
#include "guests/parent/cli/cpu_pool.hpp"

namespace enclave_cli {

struct EnclaveDescription {
  std::string name;
  std::string id;  // enclave_id()
  std::int64_t process_id{};
  std::uint64_t cid{};
  CpuList cpus;
  std::uint64_t memory_mib{};
  bool debug{};
};

// {"EnclaveName", "EnclaveID", "ProcessID", "EnclaveCID", "NumberOfCPUs", "CPUIDs", "MemoryMiB"}
[[nodiscard]] Json run_json(const EnclaveDescription& enclave);
// The same, "State", "Flags"; then "Measurements" unless null; then, with metadata, "ImageName", "ImageVersion" and
// "Metadata". image: describe_eif's JSON, or null.
[[nodiscard]] Json describe_json(const EnclaveDescription& enclave, std::string_view state, const Json& image,
                                 bool with_metadata);
// {"EnclaveName", "EnclaveID", "Terminated": true}
[[nodiscard]] Json terminate_json(const EnclaveDescription& enclave);

// "i-0123456789abcdef0-enc19b0": the board's asset tag where the machine has one.
[[nodiscard]] std::string enclave_id(KernelFiles& files, std::uint64_t slot_uid);

[[nodiscard]] std::string pretty(const Json& json);  // as nitro-cli indents, with a newline at the end

}  // namespace enclave_cli
