#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tools/kmsclient/key_service.hpp"

namespace kmsclient {
namespace {

constexpr std::size_t kMostFile = 64 * 1024;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string first_of(const nlohmann::json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (object.contains(name) && object[name].is_string()) return object[name];
  }
  return {};
}

}  // namespace

std::optional<sigv4::Credential> credential_from_environment() {
  sigv4::Credential credential{environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                               environment("AWS_SESSION_TOKEN")};
  if (credential.access_key_id.empty() || credential.secret.empty()) return std::nullopt;
  return credential;
}

sigv4::Credential credential_from_file(const std::string& path) {
  const Bytes bytes = cofferdam::read_file(path, kMostFile);
  const nlohmann::json object = nlohmann::json::parse(bytes, nullptr, false);
  if (!object.is_object())
    throw cofferdam::Unreadable(path + " holds no JSON object with access_key_id and secret_access_key");
  sigv4::Credential credential{first_of(object, {"access_key_id", "AccessKeyId"}),
                               first_of(object, {"secret_access_key", "SecretAccessKey"}),
                               first_of(object, {"session_token", "SessionToken", "Token"})};
  if (credential.access_key_id.empty() || credential.secret.empty()) {
    throw cofferdam::Unreadable(path + " lacks access_key_id or secret_access_key");
  }
  return credential;
}

}  // namespace kmsclient
