// What walkers may still believe: cached translations of cores and of the SMMU, and how invalidation reaches them.
//
// Two things are kept. `entries` are translations that an access really used; the next access uses them without a
// walk. `stale` are all translations that were valid when a descriptor was broken: hardware may have cached any of
// them by speculation (Arm ARM D8.16), so they count as reachable. Both go away only when an invalidation that covers
// them was issued and then completed by a barrier (DSB; in the SMMU, CMD_SYNC).
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "firmware/base/effect.hpp"
#include "firmware/base/ids.hpp"

namespace host {

struct Translation {  // of one page
  base::FrameNumber frame{};
  base::Access access{};
};

struct StaleTranslation {
  base::PartitionId partition{};
  base::Ipa ipa{};
  base::FrameRange frames{};
};

struct Invalidation {
  base::PartitionId partition{};
  std::uint64_t ipa{};
  std::uint64_t bytes{};  // 0: everything of the partition
  [[nodiscard]] bool covers(base::PartitionId other, std::uint64_t address) const {
    return other == partition && (bytes == 0 || (address >= ipa && address - ipa < bytes));
  }
};

// The cached translations of one walker. Thread-safe.
class TranslationCache {
 public:
  [[nodiscard]] std::optional<Translation> find(base::PartitionId partition, base::Ipa page) const;
  void fill(base::PartitionId partition, base::Ipa page, Translation translation);
  void drop(const Invalidation& invalidation);
  void drop(base::PartitionId partition) { drop(Invalidation{partition, 0, 0}); }
  template <typename Visitor>  // visit(partition, page, translation)
  void for_each(Visitor&& visit) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, translation] : entries_) {
      visit(base::PartitionId{static_cast<std::uint8_t>(key & 0xFF)}, base::Ipa{key & ~std::uint64_t{0xFFF}},
            translation);
    }
  }
  // Held over translation and access, so that an invalidation waits for the access as DSB does.
  [[nodiscard]] std::recursive_mutex& mutex() const { return mutex_; }

 private:
  static std::uint64_t key_of(base::PartitionId partition, base::Ipa page) { return page.value | partition.value; }
  mutable std::recursive_mutex mutex_;
  std::unordered_map<std::uint64_t, Translation> entries_;
};

// Stale translations, and invalidations that are under way. Thread-safe.
class StaleTranslations {
 public:
  void add(const StaleTranslation& translation);
  void issue(const Invalidation& invalidation);
  // Every issued invalidation has arrived: removes what they cover and answers them.
  std::vector<Invalidation> complete();
  [[nodiscard]] std::vector<StaleTranslation> list() const;
  [[nodiscard]] bool empty() const;

 private:
  mutable std::mutex mutex_;
  std::vector<StaleTranslation> stale_;
  std::vector<Invalidation> issued_;
};

}  // namespace host
