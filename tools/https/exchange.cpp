#include <algorithm>

#include "tools/https/server.hpp"

namespace https {
namespace {

char lower(char character) { return character >= 'A' && character <= 'Z' ? static_cast<char>(character + 32) : character; }

}  // namespace

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (std::ranges::equal(key, name, [](char a, char b) { return lower(a) == lower(b); })) return value;
  }
  return std::nullopt;
}

}  // namespace https
