#include "tools/xks/configuration.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "tools/pkcs11/pin_file.hpp"
#include "tools/strict_json/section.hpp"

namespace xks {
namespace {

using strict_json::Json;
using strict_json::Section;
namespace fs = std::filesystem;

constexpr std::size_t kMostConfiguration = 4 << 20, kMostPem = 1 << 20, kMostPatterns = 64;

std::string file_text(const fs::path& folder, const std::string& name, std::size_t limit) {
  if (name.empty()) return {};
  const Bytes bytes = cofferdam::read_file((folder / name).string(), limit);
  return std::string(cofferdam::as_text(bytes));
}

ListenOptions listen_options(Section& top, const fs::path& folder) {
  ListenOptions options;
  if (const Json* value = top.find("listen")) {
    Section listen(*value, "listen");
    options.address = listen.text("address", options.address);
    options.port = static_cast<int>(listen.number("port", 0, 65535, 0));
    options.threads = static_cast<std::size_t>(listen.number("threads", 1, 1024, 16));
    options.waiting = static_cast<std::size_t>(listen.number("waiting", 0, 65536, 256));
    listen.nothing_else();
  }
  const Json* value = top.find("tls");
  if (value == nullptr) top.fail("tls", "is missing: an XKS proxy speaks TLS");
  Section tls(*value, "tls");
  options.certificate_pem = file_text(folder, tls.needed("certificate"), kMostPem);
  options.key_pem = std::string(cofferdam::as_text(cofferdam::read_private_file((folder / tls.needed("key")).string(), kMostPem)));
  options.client_ca_pem = file_text(folder, tls.text("client_ca"), kMostPem);
  options.client_name = tls.text("client_name");
  options.minimum_tls = tls.text("minimum", options.minimum_tls);
  if (options.minimum_tls != "1.2" && options.minimum_tls != "1.3") tls.fail("minimum", "is neither 1.2 nor 1.3");
  if (!options.client_name.empty() && options.client_ca_pem.empty()) tls.fail("client_name", "needs client_ca");
  tls.nothing_else();
  return options;
}

void read_token(Section& top, const fs::path& folder, Configuration& configuration) {
  const Json* value = top.find("token");
  if (value == nullptr) top.fail("token", "is missing");
  Section token(*value, "token");
  configuration.token.module = token.text("module");
  configuration.token.token_label = token.needed("label");
  configuration.token.pin = pkcs11::pin_in_file((folder / token.needed("pin_file")).string());
  configuration.token_threads = static_cast<std::size_t>(token.number("sessions", 1, 256, 8));
  configuration.token.sessions = configuration.token_threads;
  configuration.token_budget = std::chrono::milliseconds(token.number("budget_ms", 1, 10000, 200));
  configuration.health_key = token.text("health_key");
  configuration.softhsm_configuration = token.text("softhsm_configuration");
  if (!configuration.softhsm_configuration.empty()) {
    configuration.softhsm_configuration = (folder / configuration.softhsm_configuration).string();
  }
  token.nothing_else();
}

void read_credentials(Section& top, Configuration& configuration) {
  const Json* value = top.find("credentials");
  if (value == nullptr || !value->is_array() || value->empty() || value->size() > 16) top.fail("credentials", "is no list of 1 to 16");
  for (std::size_t i = 0; i < value->size(); ++i) {
    Section credential((*value)[i], "credentials[" + std::to_string(i) + "]");
    const std::string id = credential.needed("access_key_id"), secret = credential.needed("secret");
    if (!is_access_key_id(id)) credential.fail("access_key_id", "has 20 to 30 of A-Z and 2-7");
    if (!is_secret(secret)) credential.fail("secret", "has 43 to 64 letters, digits, '+' and '/'");
    if (!configuration.credentials.emplace(id, secret).second) credential.fail("access_key_id", "is there twice");
    credential.nothing_else();
  }
}

ExternalKey external_key(Section& entry) {
  ExternalKey key;
  key.label = entry.needed("label");
  key.enabled = entry.flag("enabled", true);
  key.usage = entry.texts("usage", kMostPatterns);
  if (key.usage.empty()) key.usage = {"ENCRYPT", "DECRYPT"};
  if (key.usage.size() > 10) entry.fail("usage", "has more than ten");
  for (const std::string& use : key.usage) {
    static const std::set<std::string> kUses = {"ENCRYPT", "DECRYPT", "WRAP", "UNWRAP", "SIGN", "VERIFY", "DERIVE"};
    if (!kUses.contains(use)) entry.fail("usage", "has '" + use + "', which is none");
    key.may_encrypt = key.may_encrypt || use == "ENCRYPT";
    key.may_decrypt = key.may_decrypt || use == "DECRYPT";
  }
  if (const Json* value = entry.find("policy")) {
    Section policy(*value, entry.within("policy"));
    key.policy = {.key_arns = policy.texts("kmsKeyArn", kMostPatterns), .principal_arns = policy.texts("awsPrincipalArn", kMostPatterns),
                  .operations = policy.texts("kmsOperation", kMostPatterns)};
    policy.nothing_else();
  }
  entry.nothing_else();
  return key;
}

void read_keys(Section& top, Configuration& configuration) {
  const Json* value = top.find("keys");
  if (value == nullptr || !value->is_array()) top.fail("keys", "is no list");
  for (std::size_t i = 0; i < value->size(); ++i) {
    Section entry((*value)[i], "keys[" + std::to_string(i) + "]");
    const std::string id = entry.needed("id");
    if (!is_key_id(id)) entry.fail("id", "has 1 to 128 letters, digits, '-', '_' and '.'");
    if (!configuration.keys.emplace(id, external_key(entry)).second) entry.fail("id", "is there twice");
  }
}

bool any_matches(const std::vector<std::string>& patterns, const std::string& text) {
  return patterns.empty() || std::ranges::any_of(patterns, [&text](const std::string& pattern) { return matches(pattern, text); });
}

}  // namespace

bool matches(std::string_view pattern, std::string_view text) {
  // Going back to the last "*" is enough, and takes at most |pattern| * |text| steps.
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool KeyPolicy::allows(Call call, const RequestMetadata& request) const {
  const bool has_arn = call != Call::kMetadata || !request.key_arn.empty();
  return (!has_arn || any_matches(key_arns, request.key_arn)) && any_matches(principal_arns, request.principal_arn) &&
         any_matches(operations, request.operation);
}

Configuration read_configuration(const std::string& path) {
  try {
    const Bytes bytes = cofferdam::read_private_file(path, kMostConfiguration);
    const std::optional<Json> parsed = strict_json::parse_object(cofferdam::as_text(bytes), 8);
    if (!parsed) throw ConfigurationError("is no JSON object, or has a name twice");
    const fs::path folder = fs::absolute(path).parent_path();
    Section top(*parsed, "");
    Configuration configuration;
    configuration.listen = listen_options(top, folder);
    read_token(top, folder, configuration);
    const std::string prefix = top.text("uri_prefix");
    configuration.uri_path = prefix + std::string(kApiPath);
    if (!is_uri_path(configuration.uri_path)) top.fail("uri_prefix", "is not of the form /letters-digits_ or too long");
    configuration.region = top.text("region");
    configuration.audit_file = top.text("audit");
    if (!configuration.audit_file.empty()) configuration.audit_file = (folder / configuration.audit_file).string();
    read_credentials(top, configuration);
    read_keys(top, configuration);
    top.nothing_else();
    return configuration;
  } catch (const ConfigurationError& error) {
    throw ConfigurationError(path + ": " + error.what());
  } catch (const strict_json::Unfit& error) {
    throw ConfigurationError(path + ": " + error.what());
  } catch (const cofferdam::Unreadable& error) {
    throw ConfigurationError(path + ": " + error.what());
  }
}

}  // namespace xks
