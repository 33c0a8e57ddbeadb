// nitro-cli's JSON about an enclave image: measurements and describe-eif (aws-nitro-enclaves-cli
// src/common/json_output.rs, EifDescribeInfo), key for key and in its order.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/cofferdam/eif_signature.hpp"

namespace cofferdam {

// {"HashAlgorithm": "Sha384 { ... }", "PCR0": ..., "PCR1": ..., "PCR2": ...[, "PCR8": ...]}
[[nodiscard]] nlohmann::ordered_json measurements_json(const EifImage& image);

struct Description {
  nlohmann::ordered_json json;
  std::vector<std::string> problems;  // what nitro-cli shows as "false", in words
};
// Throws BadImage when metadata or signature can't be read.
[[nodiscard]] Description describe_eif(const EifImage& image);

// The metadata section. `custom` is null or what the user gave.
struct EifMetadata {
  std::string image_name;
  std::string image_version;
  std::string build_time;
  std::string build_tool;
  std::string build_tool_version;
  std::string operating_system;
  std::string kernel_version;
  nlohmann::json custom;
};
[[nodiscard]] std::string metadata_section(const EifMetadata& metadata);

}  // namespace cofferdam
