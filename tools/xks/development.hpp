// A set-up to try and to test with, in one call: a SoftHSM token with a key, an authority, the server's certificate, a credential.
#pragma once

#include <string>
#include <vector>

namespace xks {

struct DevelopmentSetup {
  std::string folder;         // is made; must not exist, or be empty
  std::string uri_prefix;
  std::string external_key{"cofferdam-key-1"};
  std::vector<std::string> names{"localhost", "127.0.0.1"};  // of the server's certificate
  int port{0};
};
struct DevelopmentResult {
  std::string configuration;       // for `serve --config`
  std::string key_service;         // what the key service is told: endpoint, path, credential, authority
  std::string authority;           // PEM file
  std::string access_key_id;
};
// Throws ConfigurationError, TokenError, CryptographyError or Unreadable.
[[nodiscard]] DevelopmentResult make_development_setup(const DevelopmentSetup& setup);

}  // namespace xks
