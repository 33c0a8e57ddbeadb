// What a key holds, for the files of this folder only.
#pragma once

#include <openssl/pem.h>

#include "tools/cryptography/openssl_handles.hpp"

namespace cryptography {

struct PublicKey::State {
  KeyHandle key;
  KeyKind kind{};
  Bytes spki;
};
struct PrivateKey::State {
  KeyHandle key;
  KeyKind kind{};
};
[[nodiscard]] std::string text_of(BIO* memory);

}  // namespace cryptography
