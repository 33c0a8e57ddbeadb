#include "tools/boardgen/element_reader.hpp"

#include <algorithm>

namespace boardgen {
namespace {

// What a missing attribute could look like.
std::string example_of(std::string_view element, std::string_view attribute) {
  if (attribute == "owner") {
    if (element == "core") return "owner=\"assignable\", or owner=\"parent\" for the one the parent starts on";
    if (element == "device") return "owner=\"assignable\", owner=\"parent\" or owner=\"monitor\"";
    return "owner=\"monitor\" or owner=\"parent\"";
  }
  if (attribute == "size") return "size=\"64 MiB\", say";
  if (attribute == "base") return "base=\"0x40000000\", say";
  if (attribute == "format") return "format=\"1\"";
  return std::string(attribute) + "=\"...\"; docs/board-xml.md says what it means";
}

bool contains(Names names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }

std::string list(Names first, Names second = {}) {
  std::vector<std::string> names(first.begin(), first.end());
  names.insert(names.end(), second.begin(), second.end());
  return joined(names);
}

struct Scale {
  std::string_view suffix;
  unsigned shift;
};

enum class NumberFault { kNone, kNotANumber, kNegative, kLeadingZero, kTooLarge };

struct Number {
  std::uint64_t value = 0;
  NumberFault fault = NumberFault::kNone;
};

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

Number parse_number(std::string_view text) {
  if (text.starts_with('-')) return {0, NumberFault::kNegative};
  unsigned shift = 0;
  for (const Scale scale : {Scale{"KiB", 10}, Scale{"MiB", 20}, Scale{"GiB", 30}, Scale{"TiB", 40}}) {
    if (!text.ends_with(scale.suffix)) continue;
    shift = scale.shift;
    text.remove_suffix(scale.suffix.size());
    if (text.ends_with(' ')) text.remove_suffix(1);
    break;
  }
  std::uint64_t radix = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    radix = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.front() == '0') {
    return {0, NumberFault::kLeadingZero};
  }
  if (text.empty()) return {0, NumberFault::kNotANumber};
  std::uint64_t value = 0;
  bool wrapped = false;
  for (const char c : text) {
    const auto digit = static_cast<std::uint64_t>(digit_of(c));
    if (digit >= radix) return {0, NumberFault::kNotANumber};
    wrapped = wrapped || value > (~std::uint64_t{0} - digit) / radix;
    value = value * radix + digit;
  }
  if (wrapped || (shift != 0 && (value >> (64 - shift)) != 0)) return {0, NumberFault::kTooLarge};
  return {value << shift, NumberFault::kNone};
}

}  // namespace

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void ElementReader::expect_attributes(Names required, Names optional) {
  for (const Attribute& attribute : element_.attributes) {
    if (contains(required, attribute.name) || contains(optional, attribute.name)) continue;
    diagnostics_.push_back({attribute.name_place,
                            "unknown attribute '" + attribute.name + "' of <" + element_.name + ">",
                            "remove it, or use one of: " + list(required, optional)});
  }
  for (const std::string_view name : required) {
    if (element_.find(name) != nullptr) continue;
    diagnostics_.push_back({element_.place, "<" + element_.name + "> has no attribute '" + std::string(name) + "'",
                            "add " + example_of(element_.name, name)});
  }
}

void ElementReader::expect_children(Names known) {
  for (const auto& child : element_.children) {
    if (contains(known, child->name)) continue;
    diagnostics_.push_back({child->place, "unknown element <" + child->name + "> in <" + element_.name + ">",
                            known.size() == 0 ? "remove it: <" + element_.name + "> holds nothing"
                                              : "remove it, or use one of: " + list(known)});
  }
}

std::uint64_t ElementReader::number(std::string_view attribute) {
  const std::string_view value = text(attribute);
  if (element_.find(attribute) == nullptr) return 0;
  const Number number = parse_number(value);
  const std::string quoted = "'" + std::string(value) + "' ";
  switch (number.fault) {
    case NumberFault::kNone:
      break;
    case NumberFault::kNotANumber:
      refuse(attribute, quoted + "is not a number", "write it like 4096, 0x1000 or 4 KiB (KiB, MiB, GiB, TiB)");
      break;
    case NumberFault::kNegative:
      refuse(attribute, quoted + "is negative", "addresses, sizes and numbers of things start at 0");
      break;
    case NumberFault::kLeadingZero:
      refuse(attribute, quoted + "starts with 0, which some read as octal", "write it in decimal, or with 0x");
      break;
    case NumberFault::kTooLarge:
      refuse(attribute, quoted + "does not fit 64 bits", "the largest number is 0xffffffffffffffff");
      break;
  }
  return number.value;
}

std::uint32_t ElementReader::small_number(std::string_view attribute) {
  const std::uint64_t value = number(attribute);
  if (value <= 0xFFFF'FFFF) return static_cast<std::uint32_t>(value);
  refuse(attribute, "'" + std::string(text(attribute)) + "' does not fit 32 bits", "write at most 0xffffffff");
  return 0;
}

std::string_view ElementReader::name(std::string_view attribute) {
  const std::string_view value = text(attribute);
  if (element_.find(attribute) == nullptr) return value;
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto inside = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  if (value.empty() || value.size() > 31 || !letter(value.front()) ||
      !std::all_of(value.begin(), value.end(), inside)) {
    refuse(attribute, "'" + std::string(value) + "' is not a name",
           "use a-z, 0-9 and '-', a letter first, at most 31 characters");
  }
  return value;
}

std::string_view ElementReader::compatible(std::string_view attribute) {
  const std::string_view value = text(attribute);
  if (element_.find(attribute) == nullptr) return value;
  const auto inside = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ',';
  };
  if (value.empty() || value.size() > 63 || !std::all_of(value.begin(), value.end(), inside) ||
      std::count(value.begin(), value.end(), ',') != 1 || value.front() == ',' || value.back() == ',') {
    refuse(attribute, "'" + std::string(value) + "' is not vendor,model", "write it like \"cofferdam,qemu-virt\"");
  }
  return value;
}

std::string_view ElementReader::choice(std::string_view attribute, Names choices) {
  const std::string_view value = text(attribute);
  if (element_.find(attribute) != nullptr && !contains(choices, value)) {
    refuse(attribute, "'" + std::string(value) + "' is not a value of '" + std::string(attribute) + "' here",
           "use one of: " + list(choices));
  }
  return value;
}

std::string_view ElementReader::text(std::string_view attribute) {
  const Attribute* found = element_.find(attribute);
  return found == nullptr ? std::string_view{} : std::string_view{found->value};
}

void ElementReader::refuse(std::string_view attribute, std::string what, std::string mend) {
  const Attribute* found = element_.find(attribute);
  diagnostics_.push_back({found == nullptr ? element_.place : found->value_place, std::move(what), std::move(mend)});
}

}  // namespace boardgen
