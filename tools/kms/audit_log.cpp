#include "tools/kms/audit_log.hpp"

#include <algorithm>

#include "tools/kms/store/canonical_bytes.hpp"

namespace kms {
namespace {

constexpr std::size_t kLargestText = 512;
constexpr std::size_t kPiece = 1000;
constexpr std::size_t kMostFindings = 100;

Digest256 seal(std::string_view what, ByteView key, std::uint64_t sequence, const Digest256& hash) {
  return cryptography::hmac_sha256(key, CanonicalBytes(what).add(sequence).add(ByteView(hash)).bytes());
}

std::string numbers(std::uint64_t first, std::uint64_t last) {
  return first == last ? "entry " + std::to_string(first) + " is"
                       : "entries " + std::to_string(first) + " to " + std::to_string(last) + " are";
}

}  // namespace

std::string_view text_of(AuditFault fault) {
  switch (fault) {
    case AuditFault::kMissing: return "missing";
    case AuditFault::kDisorder: return "disorder";
    case AuditFault::kHash: return "hash";
    case AuditFault::kSeal: return "seal";
    case AuditFault::kHead: return "head";
    case AuditFault::kTail: return "tail";
    case AuditFault::kExpected: return "expected";
  }
  return "?";
}

Bytes canonical(std::uint64_t sequence, Time time, const AuditEvent& event) {
  CanonicalBytes bytes("cofferdam-kms audit entry 1");
  bytes.add(sequence).add(time).add(event.principal).add(event.operation).add(event.key).add(event.outcome);
  return bytes.add(event.request).add(event.recipient_pcr0).add(event.detail).bytes();
}

Digest256 chained_hash(const Digest256& before, const AuditEntry& entry) {
  Bytes bytes(before.begin(), before.end());
  const Bytes own = canonical(entry.sequence, entry.time, entry.event);
  bytes.insert(bytes.end(), own.begin(), own.end());
  return cryptography::sha256(bytes);
}

Digest256 entry_seal(ByteView key, std::uint64_t sequence, const Digest256& hash) {
  return seal("cofferdam-kms audit entry seal 1", key, sequence, hash);
}

Digest256 head_seal(ByteView key, std::uint64_t sequence, const Digest256& hash) {
  return seal("cofferdam-kms audit head seal 1", key, sequence, hash);
}

std::string for_the_log(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    // The backslash too: what stands in the log then has one reading.
    const bool plain = byte >= 0x20 && byte < 0x7f && character != '\\';
    if (out.size() + (plain ? 1 : 4) > kLargestText) break;
    if (plain) {
      out += character;
    } else {
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

AuditReport verify_audit_log(Store& store, ByteView key, const std::optional<ExpectedHead>& expected) {
  AuditReport report;
  report.head = store.audit_head();
  report.seals_checked = !key.empty();
  const auto find = [&](std::uint64_t sequence, AuditFault fault, std::string what) {
    if (report.findings.size() < kMostFindings) report.findings.push_back({sequence, fault, std::move(what)});
  };
  if (!key.empty() && !cryptography::equal_in_constant_time(report.head.seal, head_seal(key, report.head.sequence, report.head.hash))) {
    find(report.head.sequence, AuditFault::kHead, "the head, which says that the log ends at entry " +
                                                      std::to_string(report.head.sequence) + ", was not sealed by the key service");
  }

  Digest256 before{};
  std::uint64_t last = 0;
  bool expected_found = !expected || expected->sequence == 0;
  bool at_head = report.head.sequence == 0 && report.head.hash == before;
  for (;;) {
    const std::vector<AuditEntry> piece = store.read_audit(last, kPiece);
    for (const AuditEntry& entry : piece) {
      if (entry.sequence > report.head.sequence) break;
      ++report.entries;
      const std::string name = "entry " + std::to_string(entry.sequence);
      if (entry.sequence <= last) {
        find(entry.sequence, AuditFault::kDisorder, name + " is there twice");
      } else if (entry.sequence != last + 1) {
        find(last + 1, AuditFault::kMissing, numbers(last + 1, entry.sequence - 1) + " missing before " + name);
      } else if (entry.hash != chained_hash(before, entry)) {
        find(entry.sequence, AuditFault::kHash, name + " is not what was written, or doesn't follow the entry before it");
      }
      if (!key.empty() && !cryptography::equal_in_constant_time(entry.seal, entry_seal(key, entry.sequence, entry.hash))) {
        find(entry.sequence, AuditFault::kSeal, name + " was not sealed by the key service");
      }
      before = entry.hash;
      last = entry.sequence;
      if (expected && expected->sequence == last) expected_found = expected->hash == entry.hash;
      if (last == report.head.sequence) at_head = entry.hash == report.head.hash;
    }
    if (piece.size() < kPiece || piece.back().sequence >= report.head.sequence) break;
  }
  if (last < report.head.sequence) {
    find(last + 1, AuditFault::kTail, numbers(last + 1, report.head.sequence) + " missing at the end");
  } else if (!at_head) {
    find(last, AuditFault::kTail, "the last entry, " + std::to_string(last) + ", is not the one that the head names");
  }
  // A service that runs moves the head with each entry: entries behind a head that stays where it is are somebody's else.
  const AuditHead again = store.audit_head();
  if (again.sequence == report.head.sequence) {
    const auto behind = store.read_audit(report.head.sequence, 1);
    if (!behind.empty() && store.audit_head().sequence == report.head.sequence) {
      find(behind[0].sequence, AuditFault::kTail, "entry " + std::to_string(behind[0].sequence) + " stands behind the head");
    }
  }
  if (!expected_found) {
    find(expected->sequence, AuditFault::kExpected,
         "entry " + std::to_string(expected->sequence) + " with the hash that was kept elsewhere is not in this log: "
         "the store was put back to an older state, or replaced");
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const AuditFinding& a, const AuditFinding& b) { return a.sequence < b.sequence; });
  return report;
}

}  // namespace kms
