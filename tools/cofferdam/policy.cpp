#include "tools/cofferdam/policy.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <nlohmann/json.hpp>

namespace cofferdam {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kClockSkew = 300;  // seconds that a document may come from the future
constexpr std::array<unsigned, 4> kZeroInDebug{0, 1, 2, 8};
// What describe-eif and build-enclave print beside the measurements.
const std::set<std::string> kDescribeKeys{"EifVersion", "Measurements", "IsSigned",     "SigningCertificate", "CheckCRC",
                                          "SignatureCheck", "ImageName", "ImageVersion", "Metadata"};

[[noreturn]] void bad(const std::string& source, const std::string& what) {
  throw Unreadable("policy " + source + ": " + what);
}

// nlohmann keeps the last of equal keys; here they are an error.
Json parse_without_duplicates(std::string_view text, const std::string& source) {
  std::vector<std::set<std::string>> open;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(parsed.get<std::string>()).second) {
      bad(source, "\"" + parsed.get<std::string>() + "\" stands twice");
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    bad(source, std::string("not JSON: ") + error.what());
  }
}

unsigned register_number(std::string_view text, const std::string& source) {
  unsigned index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() > 2 || index >= kPcrCount) {
    bad(source, "\"" + std::string(text) + "\" is not a register number, 0 to 31");
  }
  return index;
}

Bytes register_value(std::string_view text, const std::string& source) {
  std::optional<Bytes> value = from_hex(text);
  if (!value || value->size() != 48) {
    bad(source, "\"" + std::string(text.substr(0, 120)) + "\" is not a register value: 96 hexadecimal digits");
  }
  return *std::move(value);
}

std::vector<Bytes> register_values(const Json& json, const std::string& source) {
  std::vector<Bytes> values;
  const auto add = [&](const Json& item) {
    if (!item.is_string()) bad(source, "a register's value must be a text of 96 hexadecimal digits");
    values.push_back(register_value(item.get_ref<const std::string&>(), source));
  };
  if (json.is_array()) {
    for (const Json& item : json) add(item);
    if (values.empty()) bad(source, "an empty list of values would accept nothing");
  } else {
    add(json);
  }
  return values;
}

Allowed registers(const Json& json, const std::string& source) {
  if (!json.is_object()) bad(source, "registers must be an object: {\"0\": HEX, ...}");
  Allowed allowed;
  for (const auto& [key, value] : json.items()) {
    std::string_view number = key;
    if (number.starts_with("PCR")) number.remove_prefix(3);
    if (!allowed.emplace(register_number(number, source), register_values(value, source)).second) {
      bad(source, "register " + std::string(number) + " stands twice");
    }
  }
  return allowed;
}

Allowed measurements(const Json& json, const std::string& source) {
  if (!json.is_object()) bad(source, "\"Measurements\" must be an object");
  Json rest = json;
  if (rest.contains("HashAlgorithm")) {
    const Json& algorithm = rest["HashAlgorithm"];
    if (!algorithm.is_string() || !algorithm.get<std::string>().starts_with("Sha384")) {
      bad(source, "\"HashAlgorithm\" is not Sha384");
    }
    rest.erase("HashAlgorithm");
  }
  return registers(rest, source);
}

std::uint64_t whole_number(const std::string& name, const Json& value, const std::string& source) {
  if (!value.is_number_unsigned()) bad(source, "\"" + name + "\" must be a whole number");
  return value.get<std::uint64_t>();
}

Policy allow_list(const Json& json, const std::string& source) {
  Policy policy;
  for (const auto& [key, value] : json.items()) {
    if (key == "pcrs") {
      policy.pcrs = registers(value, source);
    } else if (key == "platform") {
      policy.platform = registers(value, source);
    } else if (key == "max_age_seconds") {
      policy.max_age_seconds = whole_number(key, value, source);
    } else if (key == "min_security_version") {
      policy.min_security_version = whole_number(key, value, source);
    } else {
      bad(source,
          "\"" + key +
              "\" is not known; known are \"pcrs\", \"platform\", \"min_security_version\" and \"max_age_seconds\"");
    }
  }
  return policy;
}

std::string short_form(ByteView value) { return to_hex(value.first(8)) + "..."; }

}  // namespace

Policy parse_policy(std::string_view json, const std::string& source) {
  const Json parsed = parse_without_duplicates(json, source);
  if (!parsed.is_object()) bad(source, "must be a JSON object");
  Policy policy;
  if (parsed.contains("Measurements")) {
    for (const auto& [key, value] : parsed.items()) {
      if (!kDescribeKeys.contains(key)) bad(source, "\"" + key + "\" is not a part of nitro-cli's output");
    }
    policy.pcrs = measurements(parsed["Measurements"], source);
  } else if (parsed.contains("pcrs") || parsed.contains("platform") || parsed.contains("min_security_version") ||
             parsed.contains("max_age_seconds")) {
    policy = allow_list(parsed, source);
  } else {
    policy.pcrs = measurements(parsed, source);
  }
  policy.source = source;
  if (policy.pcrs.empty() && policy.platform.empty() && !policy.min_security_version && !policy.max_age_seconds) {
    bad(source, "demands nothing; leave --policy out if that is meant");
  }
  return policy;
}

Policy parse_reference_values(std::string_view json, const std::string& source) {
  const Json parsed = parse_without_duplicates(json, source);
  if (!parsed.is_object() || !parsed.contains("platform_pcrs")) bad(source, "has no \"platform_pcrs\"");
  Policy policy;
  policy.source = source;
  policy.platform = registers(parsed["platform_pcrs"], source);
  if (policy.platform.empty()) bad(source, "\"platform_pcrs\" names no register");
  if (parsed.contains("security_version")) {
    policy.min_security_version = whole_number("security_version", parsed["security_version"], source);
  }
  return policy;
}

Policy policy_of_flags(const std::vector<std::string>& flags) {
  Policy policy;
  policy.source = "--pcr";
  for (const std::string& flag : flags) {
    const std::size_t equals = flag.find('=');
    if (equals == std::string::npos) throw Unreadable("--pcr " + flag + ": write N=HEX, for example 0=ec4598d9...");
    const unsigned index = register_number(std::string_view(flag).substr(0, equals), "--pcr");
    const Bytes value = register_value(std::string_view(flag).substr(equals + 1), "--pcr");
    if (!policy.pcrs.emplace(index, std::vector<Bytes>{value}).second) {
      throw Unreadable("--pcr names register " + std::to_string(index) +
                       " twice; to accept one of several values, write a policy file");
    }
  }
  return policy;
}

void check_registers(const Allowed& allowed, const std::map<unsigned, Bytes>& actual, Reason reason,
                     const std::string& name, const std::string& source) {
  for (const auto& [index, values] : allowed) {
    const std::string shown = name + std::to_string(index);
    const auto found = actual.find(index);
    if (found == actual.end()) throw Refusal(reason, shown + " is not in the document, " + source + " asks for it");
    const bool good = std::any_of(values.begin(), values.end(),
                                  [&](const Bytes& value) { return equal(value, found->second); });
    if (good) continue;
    throw Refusal(reason, shown + " is " + short_form(found->second) + ", " + source + " asks for " +
                              short_form(values[0]) +
                              (values.size() > 1 ? " or one of " + std::to_string(values.size() - 1) + " more" : ""));
  }
}

void check_policy(const Policy& policy, const Document& document, std::int64_t time, bool allow_debug) {
  if (!policy.pcrs.empty() && !allow_debug) {
    // A debug enclave's memory is open to its parent, whatever PCR3 and PCR4 say.
    if (document.is_debug()) {
      throw Refusal(Reason::kDebug, "PCR0 is all zero: a debug enclave, which anybody on its parent can read; "
                                    "pass --allow-debug if that is meant");
    }
    const auto pcr0 = policy.pcrs.find(0);
    for (const unsigned index : kZeroInDebug) {
      const auto found = policy.pcrs.find(index);
      if (found == policy.pcrs.end()) continue;
      if (index == 8 && pcr0 != policy.pcrs.end()) continue;  // an unsigned image, and PCR0 says which
      if (std::any_of(found->second.begin(), found->second.end(), [](const Bytes& value) { return all_zero(value); })) {
        throw Refusal(Reason::kDebug, policy.source + " asks for an all-zero PCR" + std::to_string(index) +
                                          (index == 8 ? ", as every unsigned image has it; pin PCR0 as well"
                                                      : ", as only debug enclaves have it") +
                                          ", or pass --allow-debug if that is meant");
      }
    }
  }
  check_registers(policy.pcrs, document.pcrs, Reason::kPcr, "PCR", policy.source);
  if (policy.max_age_seconds) {
    const std::uint64_t now = time < 0 ? 0 : static_cast<std::uint64_t>(time);
    const std::uint64_t made = document.timestamp / 1000;
    if (made > now && made - now > kClockSkew) {
      throw Refusal(Reason::kAge, "the document is from the future: " + std::to_string(made - now) + " s");
    }
    if (now > made && now - made > *policy.max_age_seconds) {
      throw Refusal(Reason::kAge, "the document is " + std::to_string(now - made) + " s old, " + policy.source +
                                      " allows " + std::to_string(*policy.max_age_seconds) + " s");
    }
  }
}

}  // namespace cofferdam
