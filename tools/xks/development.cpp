#include "tools/xks/development.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tools/pkcs11/new_token.hpp"
#include "tools/pkcs11/token.hpp"
#include "tools/xks/configuration.hpp"

namespace xks {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;
using cryptography::CertificatePurpose;
using cryptography::KeyKind;
using cryptography::PrivateKey;

constexpr int kDays = 365;
constexpr const char* kToken = "cofferdam-xks";
constexpr const char* kHealthKey = "cofferdam-health";

std::string random_text(std::string_view alphabet, std::size_t size) {
  std::string text;
  while (text.size() < size) {
    // 32 and 64 divide 256: each letter is as likely.
    for (const std::uint8_t byte : cryptography::random_bytes(size)) {
      if (text.size() < size) text += alphabet[byte % alphabet.size()];
    }
  }
  return text;
}

void write(const fs::path& path, std::string_view text) { cofferdam::write_file(path.string(), cofferdam::as_bytes(text)); }

}  // namespace

DevelopmentResult make_development_setup(const DevelopmentSetup& setup) {
  if (!is_key_id(setup.external_key)) throw ConfigurationError("an external key's id has 1 to 128 letters, digits, '-', '_' and '.'");
  if (!is_uri_path(setup.uri_prefix + std::string(kApiPath))) throw ConfigurationError("the URI prefix is not of the form /letters-digits_");
  const fs::path folder = fs::absolute(setup.folder);
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    throw ConfigurationError(folder.string() + " isn't empty: name a new folder, so that no key is overwritten");
  }
  fs::create_directories(folder / "tokens", error);
  if (error) throw ConfigurationError(folder.string() + " can't be made: " + error.message());
  const mode_t old_mask = umask(077);  // all that follows is the owner's
  chmod(folder.c_str(), 0700);

  write(folder / "softhsm2.conf", "directories.tokendir = " + (folder / "tokens").string() +
                                      "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n");
  setenv("SOFTHSM2_CONF", (folder / "softhsm2.conf").c_str(), 1);
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  constexpr std::string_view kAll = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const pkcs11::TokenOptions token_options{.module = {}, .token_label = kToken, .pin = random_text(kLetters, 16), .sessions = 1};
  pkcs11::make_token(token_options, random_text(kLetters, 16));
  {
    pkcs11::Token token(token_options);
    token.generate_aes256(setup.external_key);
    token.generate_aes256(kHealthKey);
  }
  write(folder / "pin", token_options.pin + "\n");

  const PrivateKey authority_key = PrivateKey::generate(KeyKind::kP256), server_key = PrivateKey::generate(KeyKind::kP256);
  const std::string authority = cryptography::issue({.subject = authority_key.public_key(), .signing_key = authority_key, .issuer_pem = {},
                                                     .common_name = "cofferdam-xks development authority", .names = {}, .days = kDays,
                                                     .purpose = CertificatePurpose::kAuthority});
  const std::string server = cryptography::issue({.subject = server_key.public_key(), .signing_key = authority_key, .issuer_pem = authority,
                                                  .common_name = setup.names.front(), .names = setup.names, .days = kDays,
                                                  .purpose = CertificatePurpose::kServer});
  // The authority's key isn't kept: nobody signs a second server with it.
  write(folder / "authority.pem", authority);
  write(folder / "server.pem", server + authority);
  write(folder / "server.key", server_key.pkcs8_pem());

  const std::string id = random_text(kLetters, 20), secret = random_text(kAll, 43);
  const OrderedJson configuration = {
      {"listen", {{"address", "127.0.0.1"}, {"port", setup.port}}},
      {"tls", {{"certificate", "server.pem"}, {"key", "server.key"}, {"minimum", "1.3"}}},
      {"uri_prefix", setup.uri_prefix},
      {"credentials", OrderedJson::array({{{"access_key_id", id}, {"secret", secret}}})},
      {"token", {{"label", kToken}, {"pin_file", "pin"}, {"softhsm_configuration", "softhsm2.conf"}, {"health_key", kHealthKey}}},
      {"keys", OrderedJson::array({{{"id", setup.external_key}, {"label", setup.external_key}, {"usage", {"ENCRYPT", "DECRYPT"}}, {"enabled", true}}})}};
  write(folder / "xks.json", configuration.dump(2) + "\n");
  const OrderedJson key_service = {{"XksProxyUriEndpoint", "https://" + setup.names.front() + (setup.port == 0 ? "" : ":" + std::to_string(setup.port))},
                            {"XksProxyUriPath", setup.uri_prefix + std::string(kApiPath)},
                            {"XksProxyAuthenticationCredential", {{"AccessKeyId", id}, {"RawSecretAccessKey", secret}}},
                            {"XksKeyId", setup.external_key},
                            {"authority", (folder / "authority.pem").string()}};
  write(folder / "key-service.json", key_service.dump(2) + "\n");
  umask(old_mask);
  return {.configuration = (folder / "xks.json").string(), .key_service = (folder / "key-service.json").string(),
          .authority = (folder / "authority.pem").string(), .access_key_id = id};
}

}  // namespace xks
