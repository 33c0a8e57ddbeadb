// Keys in a PKCS#11 token (Cryptoki 2.40): AES-256 keys that never leave it, used for AES-GCM. SoftHSM by default, any module by
// its path. The module is loaded at run time; no other folder names its headers. One Token may be used by many threads: it
// opens as many sessions as work at once, up to `sessions`.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cryptography/cryptography.hpp"

namespace pkcs11 {

using cofferdam::Bytes;
using cofferdam::ByteView;

// The token can't be reached or refuses: the message has the module's function, the CKR_ name and the mend where there is one.
class TokenError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct TokenOptions {
  std::string module;       // empty: SoftHSM's, where Debian has it
  std::string token_label;
  std::string pin;
  std::size_t sessions{8};
};

struct KeyInfo {
  std::string label;
  Bytes id;
  std::size_t size{};  // of the key, bytes; 0: the token doesn't say
  bool may_encrypt{}, may_decrypt{};
};

class Token {
 public:
  explicit Token(TokenOptions options);
  ~Token();
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

  // AES-256, sensitive, not extractable, encrypt and decrypt, on the token. Throws when the label is taken.
  void generate_aes256(std::string_view label);
  void destroy(std::string_view label);
  [[nodiscard]] std::optional<KeyInfo> find(std::string_view label);
  // As find, but for a key that should be there: a token that shows no key at all is looked at again after a new start of the module,
  // as one that went away may seem empty. Throws TokenError when the key isn't there.
  [[nodiscard]] KeyInfo known(std::string_view label);
  [[nodiscard]] std::vector<KeyInfo> keys();

  // AES-GCM inside the token, 12-byte IV from the token's or our generator, 16-byte tag. Throws TokenError when the key is gone.
  struct Sealed {
    Bytes iv;
    Bytes ciphertext;
    Bytes tag;
  };
  [[nodiscard]] Sealed seal(std::string_view label, ByteView associated, ByteView plaintext);
  // Nullopt: the tag doesn't match.
  [[nodiscard]] std::optional<cryptography::SecretBytes> open(std::string_view label, ByteView iv, ByteView associated,
                                                              ByteView ciphertext, ByteView tag);
  // One cheap call into the token; throws TokenError when it isn't there.
  void ping();
  [[nodiscard]] std::string model();
  [[nodiscard]] std::string manufacturer();
  [[nodiscard]] std::string serial();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pkcs11
