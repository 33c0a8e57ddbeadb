// The audit log's chain. An entry's hash is SHA-256 over the hash before it and the entry in one unambiguous form; its seal is an
// HMAC of that hash, and the head (how many entries, the last hash) has one too. The HMAC key is in the store, wrapped by the root
// key. So whoever changes the store's file without the token can't change, remove, insert, exchange or cut off entries unseen.
// What it can't show: a store put back whole to an older state. For that, keep a head elsewhere and give it to verify.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/kms/store.hpp"

namespace kms {

using cryptography::Digest256;

// The canonical form: each text with its length before it, numbers as 8 bytes, most significant first.
[[nodiscard]] Bytes canonical(std::uint64_t sequence, Time time, const AuditEvent& event);
[[nodiscard]] Digest256 chained_hash(const Digest256& before, const AuditEntry& entry);
// The two seals differ by what they begin with, so that no entry's seal can stand as the head's.
[[nodiscard]] Digest256 entry_seal(ByteView key, std::uint64_t sequence, const Digest256& hash);
[[nodiscard]] Digest256 head_seal(ByteView key, std::uint64_t sequence, const Digest256& hash);
// As AuditEvent says: cut, and printable.
[[nodiscard]] std::string for_the_log(std::string_view text);

enum class AuditFault : std::uint8_t {
  kMissing,   // sequence numbers jump: entries were removed
  kDisorder,  // a sequence number again, or a smaller one
  kHash,      // the entry isn't what its hash says, or the one before it isn't the one that it followed
  kSeal,      // the hash was computed anew by someone without the key
  kHead,      // the head's seal doesn't hold
  kTail,      // the log ends before the head, or goes on behind it
  kExpected,  // the head that was kept elsewhere isn't in this log
};
[[nodiscard]] std::string_view text_of(AuditFault fault);
struct AuditFinding {
  std::uint64_t sequence{};
  AuditFault fault{};
  std::string what;  // a sentence
};
struct AuditReport {
  std::uint64_t entries{};
  AuditHead head;
  bool seals_checked{};
  std::vector<AuditFinding> findings;  // at most 100
};

// Reads the whole log in pieces, with `key` empty only the chain and the head's hash. `expected` is an older head. A service may
// append meanwhile: what comes after the head that was read first isn't looked at, except when nothing appends.
struct ExpectedHead {
  std::uint64_t sequence{};
  Digest256 hash{};
};
[[nodiscard]] AuditReport verify_audit_log(Store& store, ByteView key, const std::optional<ExpectedHead>& expected);

}  // namespace kms
