#include "tools/kms/request_fields.hpp"

#include <algorithm>

#include "tools/kms/errors.hpp"

namespace kms {
namespace {

constexpr int kDepth = 16;

KmsError wrong_type(std::string_view name, std::string_view wanted) {
  return {ErrorName::kSerialization, "the member '" + std::string(name) + "' must be " + std::string(wanted)};
}

// AWS writes members in its messages with a small first letter.
std::string shown(std::string_view name) {
  std::string text(name);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

void check_length(std::string_view name, std::size_t size, std::size_t least, std::size_t most) {
  if (size < least) throw validation(shown(name), "Member must have length greater than or equal to " + std::to_string(least));
  if (size > most) throw validation(shown(name), "Member must have length less than or equal to " + std::to_string(most));
}

KmsError missing(std::string_view name) { return validation(shown(name), "Member must not be null"); }

}  // namespace

Fields::Fields(std::string_view body) {
  if (body.empty()) {
    object_ = Json::object();
    return;
  }
  std::string why;
  std::optional<Json> parsed = strict_json::parse(body, kDepth, why);
  if (!parsed) throw KmsError(ErrorName::kSerialization, "the request is not JSON: " + why);
  if (!parsed->is_object()) throw KmsError(ErrorName::kSerialization, "the request must be a JSON object");
  object_ = *std::move(parsed);
}

const Json* Fields::find(std::string_view name) const {
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool Fields::has(std::string_view name) const { return find(name) != nullptr; }

std::optional<std::string> Fields::text(std::string_view name, std::size_t least, std::size_t most) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) throw wrong_type(name, "a text");
  std::string text = value->get<std::string>();
  // AWS counts characters; strict_json let only whole ones in.
  const auto characters = std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
  check_length(name, static_cast<std::size_t>(characters), least, most);
  if (text.find('\0') != std::string::npos) throw validation(shown(name), "Member must not contain U+0000");  // no store could keep it
  return text;
}

std::string Fields::required_text(std::string_view name, std::size_t least, std::size_t most) const {
  std::optional<std::string> value = text(name, least, most);
  if (!value) throw missing(name);
  return *std::move(value);
}

std::optional<std::string> Fields::word(std::string_view name, std::span<const std::string_view> words) const {
  std::optional<std::string> value = text(name, 0, 256);
  if (!value || std::find(words.begin(), words.end(), *value) != words.end()) return value;
  std::string list;
  for (const std::string_view word : words) list += (list.empty() ? "" : ", ") + std::string(word);
  throw validation(shown(name), "Member must satisfy enum value set: [" + list + "]");
}

std::optional<cofferdam::Bytes> Fields::blob(std::string_view name, std::size_t least, std::size_t most) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) throw wrong_type(name, "base64");
  std::optional<cofferdam::Bytes> bytes = cofferdam::from_base64(value->get_ref<const std::string&>());
  if (!bytes) throw wrong_type(name, "base64");
  check_length(name, bytes->size(), least, most);
  return bytes;
}

cofferdam::Bytes Fields::required_blob(std::string_view name, std::size_t least, std::size_t most) const {
  std::optional<cofferdam::Bytes> value = blob(name, least, most);
  if (!value) throw missing(name);
  return *std::move(value);
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t least, std::int64_t most) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) throw wrong_type(name, "an integer");
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
    throw validation(shown(name), "Member must have value less than or equal to " + std::to_string(most));
  }
  const auto number = value->get<std::int64_t>();
  if (number < least) throw validation(shown(name), "Member must have value greater than or equal to " + std::to_string(least));
  if (number > most) throw validation(shown(name), "Member must have value less than or equal to " + std::to_string(most));
  return number;
}

bool Fields::flag(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) throw wrong_type(name, "true or false");
  return value->get<bool>();
}

std::map<std::string, std::string> Fields::texts_by_name(std::string_view name, std::size_t most_bytes) const {
  std::map<std::string, std::string> texts;
  const Json* value = find(name);
  if (value == nullptr) return texts;
  if (!value->is_object()) throw wrong_type(name, "an object of texts");
  std::size_t bytes = 0;
  for (const auto& [key, text] : value->items()) {
    if (!text.is_string()) throw wrong_type(name, "an object of texts");
    texts[key] = text.get<std::string>();
    bytes += key.size() + texts[key].size() + 8;
  }
  if (bytes > most_bytes) throw validation(shown(name), "all of it must have at most " + std::to_string(most_bytes) + " bytes");
  return texts;
}

std::optional<Fields> Fields::object(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) throw wrong_type(name, "an object");
  Fields fields;
  fields.object_ = *value;
  return fields;
}

std::size_t Fields::count(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return 0;
  if (!value->is_array()) throw wrong_type(name, "a list");
  return value->size();
}

}  // namespace kms
