#include <string.h>  // explicit_bzero

#include <algorithm>

#include "tools/sigv4/canonical.hpp"
#include "tools/sigv4/sigv4.hpp"

namespace sigv4 {
namespace {

constexpr std::size_t kLongestAuthorization = 4096, kMostSignedHeaders = 50, kLongestKeyId = 128;

struct Authorization {
  std::string_view access_key_id, date, region, service, terminator;
  std::vector<std::string> signed_names;
  std::string_view signature;
};

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_token(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '!' || c == '~';
  });
}

// "Credential=.../..., SignedHeaders=a;b, Signature=hex", each of them once, in any order.
std::optional<Authorization> parse(std::string_view text) {
  Authorization result;
  std::string_view credential, names;
  for (const std::string_view part : split(text, ',')) {
    const std::string_view item = without_blanks(part);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = item.substr(0, equals), value = item.substr(equals + 1);
    std::string_view* target = key == "Credential"      ? &credential
                               : key == "SignedHeaders" ? &names
                               : key == "Signature"     ? &result.signature
                                                        : nullptr;
    if (target == nullptr || !target->empty() || value.empty()) return std::nullopt;
    *target = value;
  }
  const auto scope = split(credential, '/');
  if (scope.size() != 5) return std::nullopt;
  result.access_key_id = scope[0];
  result.date = scope[1];
  result.region = scope[2];
  result.service = scope[3];
  result.terminator = scope[4];
  if (result.access_key_id.empty() || result.access_key_id.size() > kLongestKeyId) return std::nullopt;
  for (const std::string_view name : split(names, ';')) {
    if (!is_token(name)) return std::nullopt;
    result.signed_names.emplace_back(name);
  }
  // Sorted and each once, as the signing process demands: another order would be another signature of the same request.
  const auto& sorted = result.signed_names;
  if (sorted.size() > kMostSignedHeaders || std::ranges::adjacent_find(sorted, std::greater_equal<>()) != sorted.end()) return std::nullopt;
  const bool is_hex = result.signature.size() == 64 && std::ranges::all_of(result.signature, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  return is_hex ? std::optional(result) : std::nullopt;
}

Verdict refuse(Fault fault, std::string message) { return {.fault = fault, .message = std::move(message), .access_key_id = {}}; }

std::size_t count_of(const https::Request& request, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(request.headers, [name](const auto& header) { return lower(header.first) == name; }));
}

}  // namespace

Verdict verify(const https::Request& request, const Check& check) {
  const std::size_t count = count_of(request, "authorization");
  if (count == 0) return refuse(Fault::kMissing, "the request has no Authorization header");
  if (count > 1) return refuse(Fault::kMalformed, "the request has more than one Authorization header");
  const std::string_view header = without_blanks(*request.header("authorization"));
  if (!header.starts_with(kAlgorithm) || header.size() <= kAlgorithm.size() || header[kAlgorithm.size()] != ' ') {
    return refuse(Fault::kMissing, "the Authorization header isn't of the scheme AWS4-HMAC-SHA256");
  }
  if (header.size() > kLongestAuthorization) return refuse(Fault::kMalformed, "the Authorization header is too long");
  const auto parsed = parse(header.substr(kAlgorithm.size() + 1));
  if (!parsed) return refuse(Fault::kMalformed, "the Authorization header can't be read: Credential, SignedHeaders (sorted) or Signature");
  for (const std::string_view needed : {"host", "x-amz-date"}) {
    if (!std::ranges::binary_search(parsed->signed_names, needed)) {
      return refuse(Fault::kMalformed, "the header " + std::string(needed) + " isn't signed");
    }
    if (count_of(request, needed) != 1) return refuse(Fault::kMalformed, "the header " + std::string(needed) + " isn't there exactly once");
  }
  const std::string_view date_time = without_blanks(*request.header("x-amz-date"));
  const auto time = unix_seconds_of(date_time);
  if (!time) return refuse(Fault::kMalformed, "x-amz-date isn't of the form 20150830T123600Z");

  if (parsed->service != check.service || parsed->terminator != kTerminator || parsed->region.empty() ||
      (!check.region.empty() && parsed->region != check.region)) {
    return refuse(Fault::kScope, "the credential's scope is not for service " + check.service +
                                     (check.region.empty() ? "" : " in region " + check.region));
  }
  if (parsed->date != date_time.substr(0, 8)) return refuse(Fault::kScope, "the credential's date is not that of x-amz-date");
  const std::int64_t skew = *time > check.time ? *time - check.time : check.time - *time;
  if (skew > check.most_skew_seconds) {
    return refuse(Fault::kSkew, "the request's time is " + std::to_string(skew) + " s from ours, more than " +
                                    std::to_string(check.most_skew_seconds));
  }
  std::optional<std::string> secret = check.secret_of ? check.secret_of(parsed->access_key_id) : std::nullopt;
  if (!secret) return refuse(Fault::kUnknownKey, "the access key id is unknown");
  const auto canonical = canonical_request(request, parsed->signed_names);
  std::string expected;
  if (canonical) {
    expected = signature({.secret = *secret, .date_time = date_time, .region = parsed->region, .service = parsed->service,
                          .canonical_request = *canonical});
  }
  explicit_bzero(secret->data(), secret->size());
  if (!canonical) return refuse(Fault::kMalformed, "a signed header is missing or there twice, or the target can't be read");
  if (!cryptography::equal_in_constant_time(cofferdam::as_bytes(expected), cofferdam::as_bytes(parsed->signature))) {
    return refuse(Fault::kMismatch, "the signature doesn't match the request");
  }
  // After the signature: whoever sends it has the secret, and is told that a hash of its own is wrong.
  const auto claimed = request.header("x-amz-content-sha256");
  if (claimed && *claimed != cofferdam::to_hex(cryptography::sha256(cofferdam::as_bytes(request.body)))) {
    return refuse(Fault::kMismatch, "x-amz-content-sha256 is not the body's hash");
  }
  return {.fault = std::nullopt, .message = {}, .access_key_id = std::string(parsed->access_key_id)};
}

}  // namespace sigv4
