// Root keys for tests: in memory, by label. The cryptography is the real one.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "tools/kms/key_wrapping.hpp"

namespace kms {

class MemoryRootKeys final : public RootKeys {
 public:
  // Keys that depend on their label only: a process that was killed has the same ones when it runs again.
  explicit MemoryRootKeys(std::initializer_list<std::string> labels) {
    for (const std::string& label : labels) add(label);
  }
  void add(const std::string& label) { keys_[label] = cryptography::sha256(cofferdam::as_bytes("root key of tests " + label)); }
  void remove(const std::string& label) { keys_.erase(label); }

  pkcs11::Token::Sealed seal(std::string_view label, ByteView associated, ByteView plaintext) override {
    Bytes iv = cryptography::random_bytes(cryptography::kGcmIv);
    cryptography::Sealed sealed = cryptography::seal(key(label), iv, associated, plaintext);
    return {std::move(iv), std::move(sealed.ciphertext), Bytes(sealed.tag.begin(), sealed.tag.end())};
  }
  std::optional<cryptography::SecretBytes> open(std::string_view label, ByteView iv, ByteView associated, ByteView ciphertext,
                                                ByteView tag) override {
    return cryptography::open(key(label), iv, associated, ciphertext, tag);
  }

 private:
  ByteView key(std::string_view label) const {
    const auto found = keys_.find(std::string(label));
    if (found == keys_.end()) throw pkcs11::TokenError("no key " + std::string(label));
    return found->second;
  }
  std::map<std::string, cryptography::Digest256> keys_;
};

}  // namespace kms
