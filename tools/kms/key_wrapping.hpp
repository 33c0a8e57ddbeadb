// Keys at rest are wrapped by a root key that never leaves its token: AES-256-GCM inside it, with what the secret is for as
// associated data, so that wrapped secrets can't be exchanged for one another.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tools/kms/store.hpp"
#include "tools/pkcs11/token.hpp"

namespace kms {

// What wraps: a token, or in tests a map. Used by several threads. Throws when the label is not there or the token fails.
class RootKeys {
 public:
  virtual ~RootKeys() = default;
  [[nodiscard]] virtual pkcs11::Token::Sealed seal(std::string_view label, ByteView associated, ByteView plaintext) = 0;
  // Nullopt: the tag doesn't match.
  [[nodiscard]] virtual std::optional<cryptography::SecretBytes> open(std::string_view label, ByteView iv, ByteView associated,
                                                                      ByteView ciphertext, ByteView tag) = 0;
};
class TokenRootKeys final : public RootKeys {
 public:
  explicit TokenRootKeys(pkcs11::Token& token) : token_(token) {}
  [[nodiscard]] pkcs11::Token::Sealed seal(std::string_view label, ByteView associated, ByteView plaintext) override;
  [[nodiscard]] std::optional<cryptography::SecretBytes> open(std::string_view label, ByteView iv, ByteView associated,
                                                              ByteView ciphertext, ByteView tag) override;

 private:
  pkcs11::Token& token_;
};

enum class Purpose : std::uint8_t { kKeyMaterial, kProxyCredential, kStoreKey };
[[nodiscard]] std::string_view text_of(Purpose purpose);

// A wrapped secret doesn't open: it was altered, belongs to another record, or its root key was replaced under the same label.
class WrappingError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class KeyWrapping {
 public:
  // `root_key` wraps; what older labels wrapped is opened by them, as long as the token has them.
  KeyWrapping(RootKeys& keys, std::string root_key) : keys_(keys), root_key_(std::move(root_key)) {}
  [[nodiscard]] const std::string& root_key() const { return root_key_; }

  // id: the key's, the custom key store's, or "audit". At most 64 KiB.
  [[nodiscard]] WrappedSecret wrap(Purpose purpose, std::string_view id, std::uint32_t version, ByteView secret);
  // Throws WrappingError.
  [[nodiscard]] cryptography::SecretBytes unwrap(Purpose purpose, std::string_view id, std::uint32_t version,
                                                 const WrappedSecret& wrapped);

  // Key material of a key, by its version.
  [[nodiscard]] KeyMaterial wrap_material(const KeyId& id, std::uint32_t version, ByteView material) {
    return {version, wrap(Purpose::kKeyMaterial, id.text, version, material)};
  }
  [[nodiscard]] cryptography::SecretBytes unwrap_material(const KeyId& id, const KeyMaterial& material) {
    return unwrap(Purpose::kKeyMaterial, id.text, material.version, material.wrapped);
  }

 private:
  RootKeys& keys_;
  std::string root_key_;
};

// Everything that isn't wrapped by `wrapping.root_key()` is opened and wrapped by it. Each secret is a transaction of its own: what
// was interrupted is continued by the next run, and a service may go on meanwhile. Answers how many were rewrapped.
std::size_t rewrap(Store& store, KeyWrapping& wrapping, std::string_view principal, std::string_view request);

}  // namespace kms
