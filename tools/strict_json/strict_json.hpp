// JSON from strangers: bounded depth, no name twice in an object, nothing behind it, UTF-8 throughout.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace strict_json {

using Json = nlohmann::json;

// `depth`: how many objects and arrays may stand in each other. Nullopt: not so; `why` says it in a sentence.
[[nodiscard]] std::optional<Json> parse(std::string_view text, int depth, std::string& why);
// Nullopt: it is no object, too.
[[nodiscard]] std::optional<Json> parse_object(std::string_view text, int depth);
// Nullopt: there is none, or it is no string.
[[nodiscard]] std::optional<std::string> string_at(const Json& object, const char* name);

}  // namespace strict_json
