#include "tools/xks/strict_json.hpp"

#include <set>
#include <vector>

namespace xks {

std::optional<nlohmann::json> object_from(std::string_view text) {
  constexpr int kDeepest = 8;
  bool acceptable = true;
  std::vector<std::set<std::string>> names;  // of each object that is open
  using Event = nlohmann::json::parse_event_t;
  const auto watch = [&](int depth, Event event, nlohmann::json& value) {
    if (depth > kDeepest) acceptable = false;
    if (event == Event::object_start) names.emplace_back();
    if (event == Event::object_end && !names.empty()) names.pop_back();
    if (event == Event::key && !names.empty() && !names.back().insert(value.get<std::string>()).second) acceptable = false;
    return acceptable;
  };
  nlohmann::json parsed = nlohmann::json::parse(text, watch, /*allow_exceptions=*/false);
  if (!acceptable || !parsed.is_object()) return std::nullopt;
  return parsed;
}

std::optional<std::string> string_at(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

}  // namespace xks
