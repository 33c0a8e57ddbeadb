#include "tools/kms/configuration.hpp"

#include <algorithm>
#include <filesystem>

#include "tools/cofferdam/bytes.hpp"
#include "tools/strict_json/section.hpp"

namespace kms {
namespace {

using strict_json::Json;
using strict_json::Section;

namespace fs = std::filesystem;

constexpr std::size_t kMaxFile = 1 << 20, kMaxRoots = 4096;

}  // namespace

Configuration read_configuration(const std::string& file) try {
  const cofferdam::Bytes bytes = cofferdam::read_file(file, kMaxFile);
  std::string why;
  const std::optional<Json> json = strict_json::parse(cofferdam::as_text(bytes), 8, why);
  if (!json) throw cofferdam::Unreadable("configuration " + file + ": not JSON: " + why);
  const fs::path folder = fs::absolute(file).parent_path();
  const auto placed = [&](const std::string& path) { return path.empty() ? path : (folder / path).lexically_normal().string(); };

  Configuration found;
  Section all(*json, "");
  Section listen = all.section("listen");
  found.address = listen.text("address", found.address);
  found.port = static_cast<int>(listen.number("port", 0, 65535, found.port));
  found.threads = static_cast<std::size_t>(listen.number("threads", 1, 1024, static_cast<std::int64_t>(found.threads)));
  listen.nothing_else();
  Section tls = all.section("tls");
  found.certificate_file = placed(tls.needed("certificate"));
  found.key_file = placed(tls.needed("key"));
  tls.nothing_else();
  found.place.region = all.text("region", found.place.region);
  found.place.account = all.text("account", found.place.account);
  if (!is_account(found.place.account)) all.fail("account", "has not 12 digits");
  found.store = all.needed("store");
  // A request is in the store for a small part of its time, and entries of the audit log are written together: a quarter of the threads.
  const std::size_t connections = std::max<std::size_t>(4, found.threads / 4);
  found.store_connections = static_cast<std::size_t>(all.number("store_connections", 1, 1024, static_cast<std::int64_t>(connections)));
  constexpr std::string_view kSqlite = "sqlite:";
  if (found.store.starts_with(kSqlite)) found.store = std::string(kSqlite) + placed(found.store.substr(kSqlite.size()));
  Section token = all.section("token");
  found.module = token.text("module", "");
  found.token_label = token.needed("label");
  found.pin_file = placed(token.needed("pin_file"));
  found.softhsm_configuration = placed(token.text("softhsm_conf", ""));
  found.root_key = token.needed("root_key");
  token.nothing_else();
  found.principals_file = placed(all.needed("principals"));
  found.xks_authorities_file = placed(all.text("xks_authorities", ""));
  Section attestation = all.section("attestation");
  found.anchors.also_aws = attestation.flag("aws", false);
  for (const std::string& root : attestation.texts("roots", kMaxRoots)) {
    try {
      for (cofferdam::Bytes& der : cofferdam::certificates_in(cofferdam::read_file(placed(root), kMaxFile))) {
        found.anchors.roots.push_back(std::move(der));
      }
    } catch (const cofferdam::CryptoError& error) {
      attestation.fail("roots", "has " + root + ": " + error.what());
    }
  }
  // Without roots the verifier's default is AWS's: here that must be said.
  if (found.anchors.roots.empty() && !found.anchors.also_aws) {
    attestation.fail("roots", "(files), or \"aws\": true, or both must be named: no document could be verified otherwise");
  }
  attestation.nothing_else();
  all.nothing_else();
  return found;
} catch (const strict_json::Unfit& error) {
  throw cofferdam::Unreadable("configuration " + file + ": " + error.what());
}

}  // namespace kms
