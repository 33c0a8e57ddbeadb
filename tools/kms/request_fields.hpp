// The members of a JSON 1.1 request, by their types and bounds. What has the wrong type is SerializationException, what is out of
// bounds ValidationException; null is absent; members that an operation doesn't know are ignored, as AWS does.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cryptography/cryptography.hpp"
#include "tools/strict_json/strict_json.hpp"

namespace kms {

using strict_json::Json;

class Fields {
 public:
  // Throws KmsError: SerializationException unless `body` is one JSON object. An empty body is {}.
  explicit Fields(std::string_view body);

  [[nodiscard]] bool has(std::string_view name) const;
  // Of `least` to `most` characters, without U+0000: ValidationException.
  [[nodiscard]] std::optional<std::string> text(std::string_view name, std::size_t least, std::size_t most) const;
  [[nodiscard]] std::string required_text(std::string_view name, std::size_t least, std::size_t most) const;
  // One of `words`; ValidationException otherwise.
  [[nodiscard]] std::optional<std::string> word(std::string_view name, std::span<const std::string_view> words) const;
  [[nodiscard]] std::optional<std::string> word(std::string_view name, std::initializer_list<std::string_view> words) const {
    return word(name, std::span(words.begin(), words.size()));
  }
  // Base64 of `least` to `most` bytes. Wiped by whoever holds it when it is secret.
  [[nodiscard]] std::optional<cofferdam::Bytes> blob(std::string_view name, std::size_t least, std::size_t most) const;
  [[nodiscard]] cofferdam::Bytes required_blob(std::string_view name, std::size_t least, std::size_t most) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most) const;
  [[nodiscard]] bool flag(std::string_view name) const;  // absent: false
  [[nodiscard]] std::map<std::string, std::string> texts_by_name(std::string_view name, std::size_t most_bytes) const;
  [[nodiscard]] std::optional<Fields> object(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;  // entries of a list; absent: 0

 private:
  Fields() = default;
  [[nodiscard]] const Json* find(std::string_view name) const;
  Json object_;
};

}  // namespace kms
