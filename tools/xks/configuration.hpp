// What a proxy is told: one JSON file, read whole and checked before anything of it is used. Paths in it are relative to its
// folder. The file has secrets: it is refused when others than its owner may read it.
#pragma once

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tools/pkcs11/token.hpp"
#include "tools/xks/requests.hpp"

namespace xks {

// The message names the file, the field and the mend.
class ConfigurationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Patterns with "*" (anything) and "?" (one character); an empty list allows all.
struct KeyPolicy {
  std::vector<std::string> key_arns, principal_arns, operations;
  // GetKeyMetadata has no ARN when a key is made for this one: it is judged by it only where it has one.
  [[nodiscard]] bool allows(Call call, const RequestMetadata& request) const;
};

struct ExternalKey {
  std::string label;  // in the token
  std::vector<std::string> usage;
  bool may_encrypt{}, may_decrypt{}, enabled{true};
  KeyPolicy policy;
};

struct ListenOptions {
  std::string address{"127.0.0.1"};
  int port{0};
  std::size_t threads{16}, waiting{256};
  std::string certificate_pem, key_pem, client_ca_pem, client_name, minimum_tls{"1.3"};
};

struct Configuration {
  // Read when the proxy starts only.
  ListenOptions listen;
  pkcs11::TokenOptions token;
  std::string softhsm_configuration;  // not empty: SOFTHSM2_CONF, unless the environment has one
  std::string audit_file;             // empty: standard error
  std::size_t token_threads{8};
  // Read again on SIGHUP.
  std::string uri_path{kApiPath};
  std::string region;  // of the signatures; empty: any
  std::chrono::milliseconds token_budget{200};
  std::string health_key;  // a label of the token; empty: the health call only looks whether the token is there
  std::map<std::string, std::string, std::less<>> credentials;  // access key id -> secret
  std::map<std::string, ExternalKey, std::less<>> keys;         // by external key id
};

// Throws ConfigurationError.
[[nodiscard]] Configuration read_configuration(const std::string& path);
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);

}  // namespace xks
