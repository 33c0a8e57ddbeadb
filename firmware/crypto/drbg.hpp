// The random generator: HMAC_DRBG with SHA-384 (NIST SP 800-90A 10.1.2), seeded by healthy entropy only.
//
// Callers hold the crypto lock. The state holds secrets; it is erased by wipe(), not by a destructor, so that a
// generator can live in static storage without start-up or exit code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/entropy.hpp"

namespace crypto {

class Drbg {
 public:
  static constexpr std::uint64_t kReseedWanted = 1024;       // requests
  static constexpr std::uint64_t kReseedNeeded = 1U << 16U;  // requests; SP 800-90A would allow 2^48

  constexpr Drbg() = default;
  Drbg(const Drbg&) = delete;
  Drbg& operator=(const Drbg&) = delete;

  // `personalization` makes two machines with one entropy defect differ (SP 800-90A 8.7.1); up to 256 bytes.
  // Errors: kTooLarge, kInternal; the generator is unseeded then.
  [[nodiscard]] base::Status instantiate(const Seed& seed, base::Bytes personalization);
  // Errors: kNoEntropy before instantiate(), kInternal; the old state stays usable.
  [[nodiscard]] base::Status reseed(const Seed& seed);
  [[nodiscard]] bool seeded() const { return seeded_; }
  [[nodiscard]] bool wants_reseed() const { return seeded_ && requests_ >= kReseedWanted; }

  // Errors: kNoEntropy when unseeded or kReseedNeeded requests old, kTooLarge above 1,024 bytes, kInternal.
  [[nodiscard]] base::Status fill(base::MutableBytes output);
  template <std::size_t kSize>
  [[nodiscard]] base::Result<std::array<std::uint8_t, kSize>> generate() {
    std::array<std::uint8_t, kSize> output{};
    MON_TRY(fill(output));
    return output;
  }
  void wipe();

 private:
  static constexpr std::size_t kContextSize = 192;  // mbedtls_hmac_drbg_context; checked in the .cpp
  alignas(16) std::array<unsigned char, kContextSize> context_{};
  std::uint64_t requests_{};
  bool seeded_{false};
};

}  // namespace crypto
