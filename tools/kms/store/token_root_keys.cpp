// Root keys in a PKCS#11 token. A file of its own: tests wrap without a token.
#include "tools/kms/key_wrapping.hpp"

namespace kms {

pkcs11::Token::Sealed TokenRootKeys::seal(std::string_view label, ByteView associated, ByteView plaintext) {
  return token_.seal(label, associated, plaintext);
}

std::optional<cryptography::SecretBytes> TokenRootKeys::open(std::string_view label, ByteView iv, ByteView associated,
                                                             ByteView ciphertext, ByteView tag) {
  return token_.open(label, iv, associated, ciphertext, tag);
}

}  // namespace kms
