#include <nlohmann/json.hpp>

#include "tools/reference_values/reference_values.hpp"

namespace reference_values {

std::string to_json(const ReferenceValues& values) {
  nlohmann::ordered_json registers = nlohmann::ordered_json::object();
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  for (const ReferenceValue& value : values.platform) {
    registers[std::to_string(value.pcr)] = provision::to_hex(value.value);
    events.push_back({{"pcr", value.pcr}, {"name", value.name}, {"digest", provision::to_hex(value.event)}});
  }
  const nlohmann::ordered_json whole{{"format", 1},
                                     {"security_version", values.security_version},
                                     {"platform_pcrs", registers},
                                     {"events", events}};
  return whole.dump(2) + "\n";
}

}  // namespace reference_values
