#include "hal/host/translation_cache.hpp"

#include <algorithm>
#include <utility>

namespace host {

std::optional<Translation> TranslationCache::find(base::PartitionId partition, base::Ipa page) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key_of(partition, page));
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

void TranslationCache::fill(base::PartitionId partition, base::Ipa page, Translation translation) {
  const std::lock_guard lock(mutex_);
  entries_.insert_or_assign(key_of(partition, page), translation);
}

void TranslationCache::drop(const Invalidation& invalidation) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) {
    return invalidation.covers(base::PartitionId{static_cast<std::uint8_t>(entry.first & 0xFF)},
                               entry.first & ~std::uint64_t{0xFFF});
  });
}

void StaleTranslations::add(const StaleTranslation& translation) {
  const std::lock_guard lock(mutex_);
  if (!stale_.empty()) {  // page after page of one unmapping becomes one run
    StaleTranslation& last = stale_.back();
    if (last.partition == translation.partition && last.frames.end() == translation.frames.first() &&
        last.ipa.value + last.frames.bytes() == translation.ipa.value) {
      last.frames = base::FrameRange::trusted(
          last.frames.first(), base::FrameCount{last.frames.count().value + translation.frames.count().value});
      return;
    }
  }
  stale_.push_back(translation);
}

void StaleTranslations::issue(const Invalidation& invalidation) {
  const std::lock_guard lock(mutex_);
  issued_.push_back(invalidation);
}

std::vector<Invalidation> StaleTranslations::complete() {
  const std::lock_guard lock(mutex_);
  std::vector<StaleTranslation> left;
  for (const StaleTranslation& stale : stale_) {
    std::vector<StaleTranslation> pieces{stale};
    for (const Invalidation& invalidation : issued_) {
      if (invalidation.partition != stale.partition) continue;
      std::vector<StaleTranslation> rest;
      for (const StaleTranslation& piece : pieces) {
        const std::uint64_t from = piece.ipa.value;
        const std::uint64_t to = from + piece.frames.bytes();
        const std::uint64_t low = invalidation.bytes == 0 ? from : std::max(from, invalidation.ipa);
        const std::uint64_t high = invalidation.bytes == 0 ? to : std::min(to, invalidation.ipa + invalidation.bytes);
        if (low >= high) {
          rest.push_back(piece);
          continue;
        }
        const auto part = [&](std::uint64_t begin, std::uint64_t end) {
          if (begin >= end) return;
          rest.push_back({piece.partition, base::Ipa{begin},
                          base::FrameRange::trusted(
                              base::FrameNumber{piece.frames.first().value + ((begin - from) >> base::kFrameShift)},
                              base::FrameCount{(end - begin) >> base::kFrameShift})});
        };
        part(from, low);
        part(high, to);
      }
      pieces = std::move(rest);
    }
    left.insert(left.end(), pieces.begin(), pieces.end());
  }
  stale_ = std::move(left);
  return std::exchange(issued_, {});
}

std::vector<StaleTranslation> StaleTranslations::list() const {
  const std::lock_guard lock(mutex_);
  return stale_;
}

bool StaleTranslations::empty() const {
  const std::lock_guard lock(mutex_);
  return stale_.empty();
}

}  // namespace host
