// One secret has one guard.
// expect: (use of deleted function|call to deleted)
#include "firmware/crypto/secret.hpp"

void use() {
  std::uint8_t secret[48] = {};
  const crypto::WipeOnExit<std::uint8_t[48]> first{secret};
#ifdef MISTAKE
  const crypto::WipeOnExit<std::uint8_t[48]> second{first};
#endif
}
