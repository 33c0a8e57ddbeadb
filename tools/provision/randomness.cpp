#include "tools/provision/randomness.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "firmware/crypto/hkdf.hpp"
#include "firmware/crypto/sha384.hpp"

namespace provision {
namespace {

measure::Digest from_system() {
  measure::Digest bytes{};
  ssize_t got = 0;
  do {
    got = ::getrandom(bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(bytes.size())) throw ProvisionError("the system gave no random bytes (getrandom)");
  return bytes;
}

}  // namespace

Randomness::Randomness(ByteView seed) {
  if (seed.size() < 16) throw ProvisionError("a seed has at least 16 bytes, this has " + std::to_string(seed.size()));
  seed_ = crypto::sha384(seed);
}

measure::Digest Randomness::digest(std::string_view purpose) const {
  if (!seed_) return from_system();
  const auto bytes = crypto::hkdf_expand<48>(*seed_, bytes_of(purpose));
  if (!bytes.ok()) throw ProvisionError("internal: HKDF refused");
  return bytes.value();
}

measure::Digest Randomness::scalar(std::string_view purpose) const {
  // A draw of 384 bits is outside [1, n-1] once in 2^190; the loop is for the proof, not for the practice.
  for (int attempt = 0; attempt < 8; ++attempt) {
    const measure::Digest candidate = digest(std::string(purpose) + " " + std::to_string(attempt));
    if (crypto::P384KeyPair::from_scalar(candidate).ok()) return candidate;
  }
  throw ProvisionError("internal: eight draws in a row were no private key");
}

std::array<std::uint8_t, 16> Randomness::serial(std::string_view purpose) const {
  const measure::Digest bytes = digest(std::string(purpose) + " serial");
  std::array<std::uint8_t, 16> result{};
  std::copy_n(bytes.begin(), result.size(), result.begin());
  result[0] = static_cast<std::uint8_t>((result[0] & 0x3f) | 0x40);
  return result;
}

}  // namespace provision
