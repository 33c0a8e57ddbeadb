#include "firmware/crypto/entropy.hpp"

#include "firmware/crypto/secret.hpp"

namespace crypto {

base::Status EntropyHealth::test(std::uint64_t sample) {
  if (failed_) return base::Error::kNoEntropy;
  // Repetition count: the same value kRepetitionCutoff times in a row.
  if (tested_ != 0 && sample == last_) {
    ++repetitions_;
  } else {
    last_ = sample;
    repetitions_ = 1;
  }
  // Adaptive proportion: how often the first value of a window shows up in it.
  if (window_position_ == 0) {
    window_first_ = sample;
    window_matches_ = 1;
  } else if (sample == window_first_) {
    ++window_matches_;
  }
  window_position_ = (window_position_ + 1) % kProportionWindow;
  if (tested_ < kStartUpSamples) ++tested_;
  if (repetitions_ >= kRepetitionCutoff || window_matches_ >= kProportionCutoff) {
    failed_ = true;
    return base::Error::kNoEntropy;
  }
  return {};
}

base::Status EntropyCollector::add(std::uint64_t sample) {
  const bool started = health_.started();  // start-up samples are tested and thrown away
  const base::Status healthy = health_.test(sample);
  if (!healthy.ok()) {
    wipe_object(kept_samples_);
    kept_ = 0;
    return healthy;
  }
  if (started && kept_ < Seed::kSamples) kept_samples_[kept_++] = sample;
  return {};
}

base::Result<Seed> EntropyCollector::take() {
  if (health_.failed() || wants_more()) return base::Error::kNoEntropy;
  Seed seed;
  seed.samples_ = kept_samples_;
  wipe_object(kept_samples_);
  kept_ = 0;
  return seed;
}

}  // namespace crypto
