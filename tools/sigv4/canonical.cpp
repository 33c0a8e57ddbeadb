#include "tools/sigv4/canonical.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace sigv4 {
namespace {

using cofferdam::as_bytes;
using cofferdam::to_hex;

bool is_unreserved(unsigned char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || (character >= '0' && character <= '9') ||
         character == '-' || character == '.' || character == '_' || character == '~';
}

void append_encoded(std::string& out, unsigned char character) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  if (is_unreserved(character)) {
    out += static_cast<char>(character);
  } else {
    out += '%';
    out += kDigits[character >> 4];
    out += kDigits[character & 15];
  }
}

int digit(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}

// RFC 3986 5.2.4 as the signing process wants it: empty and "." segments go, ".." takes the one before with it.
std::string normalised_path(std::string_view path) {
  std::vector<std::string_view> segments;
  const bool ends_with_slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  while (!path.empty()) {
    path.remove_prefix(1);  // its slash
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
  }
  std::string result;
  for (const std::string_view segment : segments) result.append("/").append(segment);
  if (result.empty() || ends_with_slash) result += '/';
  return result;
}

// Every service but S3: what stands in the request's path is encoded once more.
std::string canonical_path(std::string_view path) {
  std::string result;
  for (const char character : normalised_path(path)) {
    if (character == '/') {
      result += '/';
    } else {
      append_encoded(result, static_cast<unsigned char>(character));
    }
  }
  return result;
}

// Decoded and encoded again, so that both sides mean the same whatever needlessly was or wasn't encoded. "+" is a plus sign.
std::optional<std::string> encoded_again(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char character = static_cast<unsigned char>(text[i]);
    if (character == '%') {
      const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1, low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      character = static_cast<unsigned char>(high * 16 + low);
      i += 2;
    }
    append_encoded(result, character);
  }
  return result;
}

std::optional<std::string> canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (parameter.empty()) continue;
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const auto name = encoded_again(parameter.substr(0, equals));
    const auto value = encoded_again(parameter.substr(std::min(equals + 1, parameter.size())));
    if (!name || !value) return std::nullopt;
    parameters.emplace_back(*name, *value);
  }
  std::ranges::sort(parameters);
  std::string result;
  for (const auto& [name, value] : parameters) {
    if (!result.empty()) result += '&';
    result.append(name).append("=").append(value);
  }
  return result;
}

// One header of that name: nullopt otherwise.
std::optional<std::string_view> only_value(const https::Request& request, std::string_view name) {
  std::optional<std::string_view> found;
  for (const auto& [key, value] : request.headers) {
    if (key.size() != name.size() || lower(key) != name) continue;
    if (found) return std::nullopt;
    found = value;
  }
  return found;
}

}  // namespace

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& character : result) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character + 32);
  }
  return result;
}

std::string trimmed(std::string_view value) {
  std::string result;
  for (const char character : value) {
    const bool blank = character == ' ' || character == '\t';
    if (blank && (result.empty() || result.back() == ' ')) continue;
    result += blank ? ' ' : character;
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

std::optional<std::string> canonical_request(const https::Request& request, const std::vector<std::string>& signed_names) {
  const std::string_view target = request.target;
  if (!target.starts_with('/')) return std::nullopt;
  for (const char character : target) {
    if (character <= ' ' || character == 0x7F) return std::nullopt;  // also everything beyond ASCII
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  const auto query = canonical_query(target.substr(std::min(question + 1, target.size())));
  if (!query) return std::nullopt;
  std::string result = request.method + "\n" + canonical_path(target.substr(0, question)) + "\n" + *query + "\n";
  std::string names;
  for (const std::string& name : signed_names) {
    const auto value = only_value(request, name);
    if (!value) return std::nullopt;
    result.append(name).append(":").append(trimmed(*value)).append("\n");
    names.append(names.empty() ? "" : ";").append(name);
  }
  return result + "\n" + names + "\n" + to_hex(cryptography::sha256(as_bytes(request.body)));
}

std::string signature(const SignedParts& parts) {
  const std::string_view date = parts.date_time.substr(0, 8);
  const std::string scope = std::string(date) + "/" + std::string(parts.region) + "/" + std::string(parts.service) + "/" +
                            std::string(kTerminator);
  const std::string to_sign = std::string(kAlgorithm) + "\n" + std::string(parts.date_time) + "\n" + scope + "\n" +
                              to_hex(cryptography::sha256(as_bytes(parts.canonical_request)));
  cryptography::SecretBytes key(4 + parts.secret.size());
  std::ranges::copy(std::string_view("AWS4"), key.writable().begin());
  std::ranges::copy(parts.secret, key.writable().begin() + 4);
  for (const std::string_view step : {date, parts.region, parts.service, kTerminator}) {
    cryptography::Digest256 next = cryptography::hmac_sha256(key.view(), as_bytes(step));
    key = cryptography::SecretBytes::copy_of(next);
    next.fill(0);
  }
  return to_hex(cryptography::hmac_sha256(key.view(), as_bytes(to_sign)));
}

std::string date_time_of(std::int64_t unix_seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[32];
  std::snprintf(text, sizeof(text), "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

std::optional<std::int64_t> unix_seconds_of(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto number = [&text](std::size_t at, std::size_t size) {
    int value = 0;
    for (const char character : text.substr(at, size)) {
      if (character < '0' || character > '9') return -1;
      value = value * 10 + (character - '0');
    }
    return value;
  };
  const int year = number(0, 4), month = number(4, 2), day = number(6, 2), hour = number(9, 2), minute = number(11, 2), second = number(13, 2);
  if (year < 1970 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const std::chrono::sys_seconds midnight = std::chrono::sys_days(date);
  return midnight.time_since_epoch().count() + hour * 3600 + minute * 60 + second;
}

}  // namespace sigv4
