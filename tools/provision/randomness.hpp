// Where secrets come from: the operating system, or, for reproducible tests only, a seed.
#pragma once

#include <optional>
#include <string_view>

#include "firmware/crypto/ecdsa_p384.hpp"
#include "tools/provision/bytes_and_files.hpp"

namespace provision {

class Randomness {
 public:
  // From the operating system (getrandom).
  Randomness() = default;
  // Everything a function of the seed and the purpose. Whoever knows the seed knows the keys.
  explicit Randomness(ByteView seed);
  [[nodiscard]] bool reproducible() const { return seed_.has_value(); }

  // `purpose` names what the bytes are for; two purposes give unrelated bytes.
  [[nodiscard]] measure::Digest digest(std::string_view purpose) const;
  // A private key as 48 bytes: uniform in [1, n-1].
  [[nodiscard]] measure::Digest scalar(std::string_view purpose) const;
  // 16 bytes, positive as a DER INTEGER and of full length.
  [[nodiscard]] std::array<std::uint8_t, 16> serial(std::string_view purpose) const;

 private:
  std::optional<measure::Digest> seed_;
};

}  // namespace provision
