#include <cstdlib>
#include <filesystem>

#include "tools/cofferdam/bytes.hpp"
#include "tools/cryptography/cryptography.hpp"
#include "tools/kms/configuration.hpp"
#include "tools/pkcs11/new_token.hpp"
#include "tools/pkcs11/token.hpp"
#include "tools/strict_json/strict_json.hpp"

namespace kms {
namespace {

using strict_json::Json;

namespace fs = std::filesystem;
using cofferdam::Unreadable;

constexpr const char* kTokenLabel = "cofferdam-kms";
constexpr const char* kRootKey = "root-1";
constexpr int kCertificateDays = 825;

void write(const fs::path& file, const std::string& text) { cofferdam::write_file(file.string(), cofferdam::as_bytes(text)); }
void write_private(const fs::path& file, const std::string& text) { cofferdam::write_private_file(file.string(), cofferdam::as_bytes(text)); }

// As many letters as divide 256, so that each is as likely.
std::string random_letters(std::size_t count, std::string_view letters) {
  std::string text;
  for (const std::uint8_t byte : cryptography::random_bytes(count)) text += letters[byte % letters.size()];
  return text;
}

}  // namespace

void make_development_setup(const std::string& folder, const Place& place, const std::vector<std::string>& roots, bool aws) {
  const fs::path home = fs::absolute(folder);
  if (fs::exists(home) && !fs::is_empty(home)) throw Unreadable(folder + " is not empty: give a new folder");
  fs::create_directories(home / "tokens");
  fs::permissions(home, fs::perms::owner_all);
  fs::permissions(home / "tokens", fs::perms::owner_all);

  write(home / "softhsm2.conf", "directories.tokendir = " + (home / "tokens").string() +
                                    "\nobjectstore.backend = file\nlog.level = ERROR\n");
  setenv("SOFTHSM2_CONF", (home / "softhsm2.conf").c_str(), 1);
  constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const pkcs11::TokenOptions token_options{.module = {}, .token_label = kTokenLabel, .pin = random_letters(16, kBase32), .sessions = 1};
  write_private(home / "pin", token_options.pin + "\n");
  pkcs11::make_token(token_options, random_letters(16, kBase32));  // nobody needs the officer's PIN again: a lost token is made anew
  pkcs11::Token(token_options).generate_aes256(kRootKey);

  const cryptography::PrivateKey key = cryptography::PrivateKey::generate(cryptography::KeyKind::kP256);
  write_private(home / "server-key.pem", key.pkcs8_pem());
  write(home / "server.pem", cryptography::self_signed_pem(key, "cofferdam-kms", {"localhost", "127.0.0.1"}, kCertificateDays));

  constexpr std::string_view kSecretLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string access_key_id = "AKIA" + random_letters(16, kBase32);
  const std::string secret = random_letters(40, kSecretLetters);
  const Json principals = {{"principals",
                            {{{"arn", "arn:aws:iam::" + place.account + ":user/administrator"},
                              {"permissions", {"kms:*"}},
                              {"keys", {{{"access_key_id", access_key_id}, {"secret", secret}}}}}}}};
  write_private(home / "principals.json", principals.dump(2) + "\n");
  write_private(home / "administrator.env", "AWS_ACCESS_KEY_ID=" + access_key_id + "\nAWS_SECRET_ACCESS_KEY=" + secret +
                                                "\nAWS_DEFAULT_REGION=" + place.region + "\nAWS_CA_BUNDLE=" +
                                                (home / "server.pem").string() + "\n");
  Json root_files = Json::array();
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const std::string name = "attestation-root-" + std::to_string(i + 1) + ".pem";
    fs::copy_file(roots[i], home / name);
    root_files.push_back(name);
  }
  const Json configuration = {
      {"listen", {{"address", "127.0.0.1"}, {"port", 8443}}},
      {"tls", {{"certificate", "server.pem"}, {"key", "server-key.pem"}}},
      {"region", place.region},
      {"account", place.account},
      {"store", "sqlite:keys.db"},
      {"token",
       {{"label", kTokenLabel}, {"pin_file", "pin"}, {"softhsm_conf", "softhsm2.conf"}, {"root_key", kRootKey}}},
      {"principals", "principals.json"},
      {"attestation", {{"roots", root_files}, {"aws", aws}}}};
  write(home / "kms.json", configuration.dump(2) + "\n");
}

}  // namespace kms
