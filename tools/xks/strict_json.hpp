// JSON as this folder takes it from others: one object, no name twice, bounded depth. For the files of this folder only.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace xks {

// Nullopt: no JSON, not UTF-8, something behind it, no object, a name twice in an object, or deeper than 8.
[[nodiscard]] std::optional<nlohmann::json> object_from(std::string_view text);
// Nullopt: there is none, or it is no string.
[[nodiscard]] std::optional<std::string> string_at(const nlohmann::json& object, const char* name);

}  // namespace xks
