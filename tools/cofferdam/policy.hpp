// What a document must show to be accepted: registers, platform registers, age.
//
// A policy comes from --pcr, from a policy file, or from both; then both must be met. Three forms of file (JSON):
//   nitro-cli's describe-eif or build-enclave output   {"Measurements": {"PCR0": HEX, ...}, ...}
//   its Measurements alone                             {"HashAlgorithm": "Sha384 { ... }", "PCR0": HEX, ...}
//   an allow-list    {"pcrs": {"0": HEX or [HEX, ...]}, "platform": {"1": HEX or [HEX, ...]},
//                     "min_security_version": N, "max_age_seconds": N}
// Unknown keys, keys that stand twice and values that are not 48 bytes are refused: a slip of the pen must not make a
// policy weaker than its writer believes.
#pragma once

#include <map>

#include "tools/cofferdam/document.hpp"
#include "tools/cofferdam/refusal.hpp"

namespace cofferdam {

using Allowed = std::map<unsigned, std::vector<Bytes>>;  // register -> any of these values

struct Policy {
  std::string source;  // for messages: "--pcr" or the file's name
  Allowed pcrs;
  Allowed platform;
  std::optional<std::uint64_t> min_security_version;  // of the monitor, as the ROM signed it
  std::optional<std::uint64_t> max_age_seconds;
};

// Throws Unreadable.
[[nodiscard]] Policy parse_policy(std::string_view json, const std::string& source);
// The output of `cofferdam reference-values`: the platform registers of an honest build and, at least, its security
// version. Throws Unreadable.
[[nodiscard]] Policy parse_reference_values(std::string_view json, const std::string& source);
// "N=HEX" of each --pcr. Throws Unreadable.
[[nodiscard]] Policy policy_of_flags(const std::vector<std::string>& flags);

// Throws Refusal: kDebug, kPcr, kAge. What the platform shows is platform.hpp's.
void check_policy(const Policy& policy, const Document& document, std::int64_t time, bool allow_debug);

// Throws Refusal with `reason` unless `actual` has every register at one of its allowed values.
void check_registers(const Allowed& allowed, const std::map<unsigned, Bytes>& actual, Reason reason,
                     const std::string& name, const std::string& source);

}  // namespace cofferdam
