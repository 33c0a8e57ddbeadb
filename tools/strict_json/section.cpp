#include "tools/strict_json/section.hpp"

namespace strict_json {

Section::Section(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) throw Unfit(where_.empty() ? "the whole is no object" : where_ + " is no object");
}

void Section::fail(const std::string& name, const std::string& what) const { throw Unfit(within(name) + " " + what); }

const Json* Section::find(const char* name) {
  known_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() ? nullptr : &*found;
}

Section Section::section(const char* name) {
  static const Json kEmpty = Json::object();
  const Json* value = find(name);
  return {value == nullptr ? kEmpty : *value, within(name)};
}

std::string Section::text(const char* name, std::string otherwise) {
  const Json* value = find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) fail(name, "is no string");
  return value->get<std::string>();
}

std::string Section::needed(const char* name) {
  std::string value = text(name);
  if (value.empty()) fail(name, "is missing");
  return value;
}

std::int64_t Section::number(const char* name, std::int64_t least, std::int64_t most, std::int64_t otherwise) {
  const Json* value = find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_number_integer() || *value < least || *value > most) {
    fail(name, "is not a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value->get<std::int64_t>();
}

bool Section::flag(const char* name, bool otherwise) {
  const Json* value = find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail(name, "is neither true nor false");
  return value->get<bool>();
}

std::vector<std::string> Section::texts(const char* name, std::size_t most) {
  std::vector<std::string> result;
  const Json* value = find(name);
  if (value == nullptr) return result;
  if (!value->is_array() || value->size() > most) fail(name, "is no list of at most " + std::to_string(most) + " strings");
  for (const Json& item : *value) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) fail(name, "has something that is no string");
    result.push_back(item.get<std::string>());
  }
  return result;
}

std::string Section::within(const std::string& name) const { return where_.empty() ? name : where_ + "." + name; }

void Section::nothing_else() const {
  for (const auto& [name, value] : object_.items()) {
    if (!known_.contains(name)) fail(name, "is no field that is known");
  }
}

}  // namespace strict_json
