#include "tools/kms/principals.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "tools/cofferdam/bytes.hpp"
#include "tools/kms/arns.hpp"
#include "tools/kms/condition_keys.hpp"
#include "tools/kms/policy_evaluate.hpp"
#include "tools/strict_json/strict_json.hpp"

namespace kms {
namespace {

using strict_json::Json;

constexpr std::size_t kMaxFile = 4 << 20;

[[noreturn]] void bad(const std::string& source, const std::string& what) {
  throw cofferdam::Unreadable("principals " + source + ": " + what);
}

std::string text_in(const Json& object, const char* name, const std::string& source) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) bad(source, std::string("\"") + name + "\" must be a text");
  return found->get<std::string>();
}

void only(const Json& object, std::initializer_list<std::string_view> names, const std::string& source) {
  if (!object.is_object()) bad(source, "an object is expected");
  for (const auto& [key, value] : object.items()) {
    if (std::find(names.begin(), names.end(), key) == names.end()) bad(source, "\"" + key + "\" is not known");
  }
}

const Json& list_in(const Json& object, const char* name, const std::string& source) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) bad(source, std::string("\"") + name + "\" must be a list");
  return *found;
}

FileVersion version_of(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return {};
  const auto nanoseconds = [](const timespec& time) { return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec; };
  return {.device = status.st_dev, .inode = status.st_ino, .size = static_cast<std::uint64_t>(status.st_size),
          .written_ns = nanoseconds(status.st_mtim), .changed_ns = nanoseconds(status.st_ctim)};
}

}  // namespace

bool Principal::account_permits(std::string_view action) const {
  const std::string wanted = lower_case(action);
  return std::any_of(permissions.begin(), permissions.end(), [&](const std::string& p) { return matches_pattern(p, wanted); });
}

Credentials parse_principals(std::string_view json, const std::string& source) {
  std::string why;
  const std::optional<Json> parsed = strict_json::parse(json, 8, why);
  if (!parsed) bad(source, "not JSON: " + why);
  only(*parsed, {"principals"}, source);
  Credentials credentials;
  for (const Json& item : list_in(*parsed, "principals", source)) {
    only(item, {"arn", "permissions", "keys"}, source);
    auto principal = std::make_shared<Principal>();
    principal->arn = text_in(item, "arn", source);
    const std::optional<std::string> account = account_of_principal(principal->arn);
    if (!account) bad(source, "\"" + principal->arn + "\" is not a principal's ARN (arn:aws:iam::ACCOUNT:user/NAME)");
    principal->account = *account;
    if (item.contains("permissions")) {
      for (const Json& permission : list_in(item, "permissions", source)) {
        if (!permission.is_string()) bad(source, "\"permissions\" must be a list of actions like \"kms:*\"");
        principal->permissions.push_back(lower_case(permission.get<std::string>()));
      }
    }
    for (const Json& key : list_in(item, "keys", source)) {
      only(key, {"access_key_id", "secret"}, source);
      const std::string id = text_in(key, "access_key_id", source);
      const std::string secret = text_in(key, "secret", source);
      if (id.size() < 16 || id.size() > 128) bad(source, "an access key id has 16 to 128 characters");
      if (secret.size() < 20) bad(source, "the secret of " + id + " is shorter than 20 characters");
      if (!credentials.by_access_key_id.emplace(id, Credentials::Entry{secret, principal}).second) {
        bad(source, "the access key id " + id + " stands twice");
      }
    }
  }
  return credentials;
}

Principals::Principals(std::string file) : file_(std::move(file)) {
  read_ = version_of(file_);
  looked_ = std::chrono::steady_clock::now();
  const cofferdam::Bytes bytes = cofferdam::read_private_file(file_, kMaxFile);
  credentials_ = std::make_shared<const Credentials>(parse_principals(cofferdam::as_text(bytes), file_));
}

// Who leaves a file to others while the service runs may have taken somebody out of it: that must count, and the file is known already.
cofferdam::Bytes Principals::contents() const {
  try {
    return cofferdam::read_private_file(file_, kMaxFile);
  } catch (const cofferdam::NotPrivate& problem) {
    std::fprintf(stderr, "cofferdam-kms: principals: %s; whoever is in it counts, but the secrets are known to others\n", problem.what());
    return cofferdam::read_file(file_, kMaxFile);
  }
}

std::shared_ptr<const Credentials> Principals::current() {
  const std::scoped_lock lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < std::chrono::seconds(1)) return credentials_;
  looked_ = now;
  const FileVersion version = version_of(file_);  // before it is read: what is written meanwhile is read the next time
  if (version == read_) {
    told_.reset();
    return credentials_;
  }
  try {
    const cofferdam::Bytes bytes = contents();
    credentials_ = std::make_shared<const Credentials>(parse_principals(cofferdam::as_text(bytes), file_));
    read_ = version;
    told_.reset();
  } catch (const cofferdam::Unreadable& problem) {
    // Said once for each version. `read_` stays, so that the file is read as soon as it can be.
    if (told_ != version) std::fprintf(stderr, "cofferdam-kms: the principals stay as they were: %s\n", problem.what());
    told_ = version;
  }
  return credentials_;
}

}  // namespace kms
