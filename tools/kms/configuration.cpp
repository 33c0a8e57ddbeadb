#include "tools/kms/configuration.hpp"

#include <algorithm>
#include <filesystem>
#include <initializer_list>

#include "tools/cofferdam/bytes.hpp"
#include "tools/strict_json/strict_json.hpp"

namespace kms {
namespace {

using strict_json::Json;

namespace fs = std::filesystem;

constexpr std::size_t kMaxFile = 1 << 20;

// The members of one object, each asked for once; what nobody asked for is unknown.
class Section {
 public:
  Section(const Json& json, std::string name) : json_(json), name_(std::move(name)) {
    if (!json.is_object()) bad("must be an object");
  }
  [[nodiscard]] std::string text(const char* member, std::string fallback) {
    const Json* value = take(member);
    if (value == nullptr) return fallback;
    if (!value->is_string()) bad(std::string("\"") + member + "\" must be a text");
    return value->get<std::string>();
  }
  [[nodiscard]] std::string required(const char* member) {
    std::string value = text(member, "");
    if (value.empty()) bad(std::string("\"") + member + "\" is missing");
    return value;
  }
  [[nodiscard]] std::int64_t number(const char* member, std::int64_t fallback, std::int64_t least, std::int64_t most) {
    const Json* value = take(member);
    if (value == nullptr) return fallback;
    if (!value->is_number_integer() || *value < least || *value > most) {
      bad(std::string("\"") + member + "\" must be a number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return value->get<std::int64_t>();
  }
  [[nodiscard]] bool flag(const char* member, bool fallback) {
    const Json* value = take(member);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) bad(std::string("\"") + member + "\" must be true or false");
    return value->get<bool>();
  }
  [[nodiscard]] std::vector<std::string> texts(const char* member) {
    std::vector<std::string> found;
    const Json* value = take(member);
    if (value == nullptr) return found;
    if (!value->is_array()) bad(std::string("\"") + member + "\" must be a list of texts");
    for (const Json& item : *value) {
      if (!item.is_string()) bad(std::string("\"") + member + "\" must be a list of texts");
      found.push_back(item.get<std::string>());
    }
    return found;
  }
  [[nodiscard]] Section section(const char* member) {
    const Json* value = take(member);
    static const Json kEmpty = Json::object();
    return {value == nullptr ? kEmpty : *value, name_ + ", " + member};
  }
  void end() const {
    for (const auto& [key, value] : json_.items()) {
      if (std::find(taken_.begin(), taken_.end(), key) == taken_.end()) bad("\"" + key + "\" is not known");
    }
  }
  [[noreturn]] void bad(const std::string& what) const { throw cofferdam::Unreadable("configuration " + name_ + ": " + what); }

 private:
  const Json* take(const char* member) {
    taken_.emplace_back(member);
    const auto found = json_.find(member);
    return found == json_.end() ? nullptr : &*found;
  }
  const Json& json_;
  std::string name_;
  std::vector<std::string> taken_;
};

}  // namespace

Configuration read_configuration(const std::string& file) {
  const cofferdam::Bytes bytes = cofferdam::read_file(file, kMaxFile);
  std::string why;
  const std::optional<Json> json = strict_json::parse(cofferdam::as_text(bytes), 8, why);
  if (!json) throw cofferdam::Unreadable("configuration " + file + ": not JSON: " + why);
  const fs::path folder = fs::absolute(file).parent_path();
  const auto placed = [&](const std::string& path) { return path.empty() ? path : (folder / path).lexically_normal().string(); };

  Configuration found;
  Section all(*json, file);
  Section listen = all.section("listen");
  found.address = listen.text("address", found.address);
  found.port = static_cast<int>(listen.number("port", found.port, 0, 65535));
  found.threads = static_cast<std::size_t>(listen.number("threads", static_cast<std::int64_t>(found.threads), 1, 1024));
  listen.end();
  Section tls = all.section("tls");
  found.certificate_file = placed(tls.required("certificate"));
  found.key_file = placed(tls.required("key"));
  tls.end();
  found.place.region = all.text("region", found.place.region);
  found.place.account = all.text("account", found.place.account);
  if (!is_account(found.place.account)) all.bad("\"account\" must have 12 digits");
  found.store = all.required("store");
  // A request is in the store for a small part of its time, and entries of the audit log are written together: a quarter of the threads.
  const std::size_t connections = std::max<std::size_t>(4, found.threads / 4);
  found.store_connections = static_cast<std::size_t>(all.number("store_connections", static_cast<std::int64_t>(connections), 1, 1024));
  constexpr std::string_view kSqlite = "sqlite:";
  if (found.store.starts_with(kSqlite)) found.store = std::string(kSqlite) + placed(found.store.substr(kSqlite.size()));
  Section token = all.section("token");
  found.module = token.text("module", "");
  found.token_label = token.required("label");
  found.pin_file = placed(token.required("pin_file"));
  found.softhsm_configuration = placed(token.text("softhsm_conf", ""));
  found.root_key = token.required("root_key");
  token.end();
  found.principals_file = placed(all.required("principals"));
  found.xks_authorities_file = placed(all.text("xks_authorities", ""));
  Section attestation = all.section("attestation");
  found.anchors.also_aws = attestation.flag("aws", false);
  for (const std::string& root : attestation.texts("roots")) {
    try {
      for (cofferdam::Bytes& der : cofferdam::certificates_in(cofferdam::read_file(placed(root), kMaxFile))) {
        found.anchors.roots.push_back(std::move(der));
      }
    } catch (const cofferdam::CryptoError& error) {
      attestation.bad(root + ": " + error.what());
    }
  }
  // Without roots the verifier's default is AWS's: here that must be said.
  if (found.anchors.roots.empty() && !found.anchors.also_aws) {
    attestation.bad("name \"roots\" (files), or \"aws\": true, or both: no document could be verified otherwise");
  }
  attestation.end();
  all.end();
  return found;
}

}  // namespace kms
