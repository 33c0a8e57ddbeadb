// JSON from strangers: bounded depth, no key twice in an object, nothing behind it, UTF-8 throughout.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace kms {

using Json = nlohmann::json;

// Nullopt: not so; `why` says it in a sentence.
[[nodiscard]] std::optional<Json> parse_strict_json(std::string_view text, int depth, std::string& why);

}  // namespace kms
