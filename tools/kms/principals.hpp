// Who may call: the access keys of principals and what their account lets them do. One JSON file, read again when it changes:
//
//   {"principals": [{"arn": "arn:aws:iam::000000000000:user/admin", "permissions": ["kms:*"],
//                    "keys": [{"access_key_id": "AKIA...", "secret": "..."}, ...]}, ...]}
//
// `permissions` stand for the identity policies that AWS has: action patterns that the account gives the principal. They count for
// operations that concern no key, and where a key policy allows the account (":root") as such. Two keys at once: rotation.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cofferdam/bytes.hpp"

namespace kms {

struct Principal {
  std::string arn;
  std::string account;
  std::vector<std::string> permissions;  // lower case, with * and ?

  [[nodiscard]] bool account_permits(std::string_view action) const;  // "kms:Decrypt"
};

// Never changes once it is made.
struct Credentials {
  struct Entry {
    std::string secret;
    std::shared_ptr<const Principal> principal;
  };
  std::map<std::string, Entry, std::less<>> by_access_key_id;
};
// Throws cofferdam::Unreadable with `source` and the mend; a secret is never in the message.
[[nodiscard]] Credentials parse_principals(std::string_view json, const std::string& source);

// One state of a file, told from another by all that a change leaves a trace in: chmod and chown show in the change time alone. All 0:
// there is no file, or it can't be looked at.
struct FileVersion {
  std::uint64_t device{}, inode{}, size{};
  std::int64_t written_ns{}, changed_ns{};  // since the epoch
  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

class Principals {
 public:
  // Throws cofferdam::Unreadable, also when others may read the file.
  explicit Principals(std::string file);
  // What the file says; looks at most once a second whether it changed. A file that can't be read leaves what was read before, with
  // one line on standard error, and is tried again each second until it can. One that others may read by now is said so of, and counts.
  [[nodiscard]] std::shared_ptr<const Credentials> current();

 private:
  [[nodiscard]] cofferdam::Bytes contents() const;

  std::string file_;
  std::mutex mutex_;
  std::shared_ptr<const Credentials> credentials_;
  std::chrono::steady_clock::time_point looked_;
  FileVersion read_;                 // what the credentials are of
  std::optional<FileVersion> told_;  // what was reported and is still there
};

}  // namespace kms
