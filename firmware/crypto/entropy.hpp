// Raw noise on its way to the DRBG: health tests, then a seed. Without a healthy source no seed exists.
//
// NIST SP 800-90B: start-up tests over 1,024 samples (4.3), repetition count test (4.4.1) and adaptive proportion
// test (4.4.2) over every sample. One sample is 64 bits of hal::entropy_sample(); the claim is 8 bits of min-entropy
// a sample, an eighth of what RNDR and TRNG sources promise. False alarms: at most 2^-30 a sample.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/base/result.hpp"

namespace crypto {

inline constexpr std::uint32_t kEntropyBitsPerSample = 8;
inline constexpr std::uint32_t kRepetitionCutoff = 1 + (30 + kEntropyBitsPerSample - 1) / kEntropyBitsPerSample;  // 5
inline constexpr std::uint32_t kProportionWindow = 512;
inline constexpr std::uint32_t kProportionCutoff = 16;  // 1 + CRITBINOM(512, 2^-8, 1 - 2^-30)
inline constexpr std::uint32_t kStartUpSamples = 1024;

// The tests alone. A failure latches: the source is not trusted again before the next boot.
class EntropyHealth {
 public:
  // Errors: kNoEntropy when a test failed, now or earlier.
  [[nodiscard]] base::Status test(std::uint64_t sample);
  [[nodiscard]] bool started() const { return !failed_ && tested_ >= kStartUpSamples; }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::uint64_t last_{};
  std::uint32_t repetitions_{};
  std::uint64_t window_first_{};
  std::uint32_t window_matches_{};
  std::uint32_t window_position_{};
  std::uint32_t tested_{};
  bool failed_{false};
};

// What a DRBG is seeded from: 64 tested samples, so at least 512 bits of min-entropy (HMAC_DRBG with a security
// strength of 256 bits needs 384 with its nonce, SP 800-90A 8.6.7). Made by EntropyCollector only.
class Seed {
 public:
  static constexpr std::size_t kSamples = 64;
  [[nodiscard]] const std::array<std::uint64_t, kSamples>& samples() const { return samples_; }

 private:
  friend class EntropyCollector;
  Seed() = default;
  std::array<std::uint64_t, kSamples> samples_{};
};

// Usage: add() samples while wants_more(); then take().
class EntropyCollector {
 public:
  // Errors: kNoEntropy (see EntropyHealth::test).
  [[nodiscard]] base::Status add(std::uint64_t sample);
  [[nodiscard]] bool wants_more() const { return !health_.failed() && (!health_.started() || kept_ < Seed::kSamples); }
  // Hands out the samples kept and forgets them. Errors: kNoEntropy while wants_more() or after a failed test.
  [[nodiscard]] base::Result<Seed> take();
  [[nodiscard]] bool failed() const { return health_.failed(); }

 private:
  EntropyHealth health_;
  std::array<std::uint64_t, Seed::kSamples> kept_samples_{};
  std::size_t kept_{};
};

}  // namespace crypto
