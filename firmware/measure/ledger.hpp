// The ownership ledger: every change of who owns memory, a core or a device, hash-chained since boot.
//
// The monitor's commit appends one record for each; the head, SHA-384 over all records since boot in order, goes
// into leaf certificates, so a verifier who is given the records can check that they are all and true. The last
// kCapacity records can be read; older ones live on in the head only.
//
// append() is on the path of every donation: it stores 32 bytes and hashes nothing, needs no SIMD registers, and is
// inline so that it stays so. absorb() does the hashing (SIMD: inside hal::FloatingPointScope); the monitor calls it
// when absorb_due(). A record is never overwritten before it is absorbed.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "firmware/base/byte_reader.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/measure/handover.hpp"

namespace measure {

enum class LedgerKind : std::uint8_t {
  kDonate = 1,         // frames first..first+count-1, from -> to
  kReclaim = 2,        // likewise; scrubbed
  kShare = 3,          // frames of `from`, now reachable by `to` as well; detail = channel
  kUnshare = 4,
  kCoreDonate = 5,     // detail = core
  kCoreReclaim = 6,
  kDeviceAssign = 7,   // detail = stream
  kDeviceRelease = 8,
  kEnclaveStart = 9,   // to = its partition, first = slot uid, detail = flags of the start call
  kEnclaveStop = 10,   // from = its partition, first = slot uid
};

// 32 bytes, little-endian, no padding: the bytes that are hashed and read.
struct LedgerRecord {
  std::uint64_t sequence;  // 0, 1, 2 ... since boot
  LedgerKind kind;
  std::uint8_t from;       // base::PartitionId
  std::uint8_t to;
  std::uint8_t reserved;   // 0
  std::uint32_t detail;
  std::uint64_t first;     // frame number, or as the kind says
  std::uint64_t count;     // frames
};
static_assert(sizeof(LedgerRecord) == 32 && std::has_unique_object_representations_v<LedgerRecord>);
static_assert(std::endian::native == std::endian::little);

struct LedgerEntry {  // what the caller knows; the ledger numbers it
  LedgerKind kind{};
  std::uint8_t from{};
  std::uint8_t to{};
  std::uint32_t detail{};
  std::uint64_t first{};
  std::uint64_t count{};
};

struct LedgerHead {
  Digest digest{};
  std::uint64_t records{};
};

template <std::size_t kCapacity>
class BasicLedger {
  static_assert(std::has_single_bit(kCapacity));

 public:
  static constexpr std::uint64_t kAbsorbAt = kCapacity / 4;

  void append(const LedgerEntry& entry) {
    if (pending() == kCapacity) [[unlikely]] absorb();
    LedgerRecord& record = records_[next_ % kCapacity];
    record.sequence = next_++;
    record.kind = entry.kind;
    record.from = entry.from;
    record.to = entry.to;
    record.reserved = 0;
    record.detail = entry.detail;
    record.first = entry.first;
    record.count = entry.count;
  }

  [[nodiscard]] std::uint64_t size() const { return next_; }  // records since boot
  [[nodiscard]] std::uint64_t pending() const { return next_ - absorbed_; }
  [[nodiscard]] bool absorb_due() const { return pending() >= kAbsorbAt; }
  // Hashes what was appended. At most kCapacity records.
  [[gnu::noinline]] void absorb() {
    hash_pending(hash_);
    absorbed_ = next_;
  }

  // Over every record since boot.
  [[nodiscard]] LedgerHead head() const {
    crypto::Sha384 hash = hash_;
    hash_pending(hash);
    return {hash.finish(), next_};
  }
  // The record with this sequence number; none when it is older than the last kCapacity or not yet written.
  [[nodiscard]] std::optional<LedgerRecord> read(std::uint64_t sequence) const {
    if (sequence >= next_ || next_ - sequence > kCapacity) return std::nullopt;
    return records_[sequence % kCapacity];
  }

 private:
  void hash_pending(crypto::Sha384& hash) const {
    // At most two runs: up to the end of the ring, and from its start.
    for (std::uint64_t from = absorbed_; from < next_;) {
      const std::uint64_t position = from % kCapacity;
      const std::uint64_t run = next_ - from < kCapacity - position ? next_ - from : kCapacity - position;
      hash.update({reinterpret_cast<const std::uint8_t*>(&records_[position]), run * sizeof(LedgerRecord)});
      from += run;
    }
  }

  std::uint64_t next_{};
  std::uint64_t absorbed_{};
  std::array<LedgerRecord, kCapacity> records_{};
  crypto::Sha384 hash_{};
};

using Ledger = BasicLedger<1024>;

}  // namespace measure
