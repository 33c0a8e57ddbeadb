// Policies of the verifier: any text is either an error or demands something, and what it demands is 48-byte values.
#include <algorithm>

#include "tests/fuzz/demand.hpp"
#include "tools/cofferdam/policy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const cofferdam::Policy policy = cofferdam::parse_policy(text, "policy");
    DEMAND(!policy.pcrs.empty() || !policy.platform.empty() || policy.max_age_seconds);
    for (const cofferdam::Allowed* allowed : {&policy.pcrs, &policy.platform}) {
      for (const auto& [index, values] : *allowed) {
        DEMAND(index < 32 && !values.empty());
        DEMAND(std::all_of(values.begin(), values.end(), [](const cofferdam::Bytes& v) { return v.size() == 48; }));
      }
    }
  } catch (const cofferdam::Unreadable&) {
  }
  try {
    (void)cofferdam::parse_reference_values(text, "values");
  } catch (const cofferdam::Unreadable&) {
  }
  try {
    (void)cofferdam::policy_of_flags({std::string(text)});
  } catch (const cofferdam::Unreadable&) {
  }
  return 0;
}
