#include "tools/kms/key_wrapping.hpp"

#include "tools/kms/store/canonical_bytes.hpp"

namespace kms {
namespace {

constexpr std::size_t kLargestSecret = std::size_t{64} * 1024;

Bytes associated_data(Purpose purpose, std::string_view id, std::uint32_t version) {
  return CanonicalBytes("cofferdam-kms wrapped 1").add(text_of(purpose)).add(id).add(std::uint64_t{version}).bytes();
}

}  // namespace

std::string_view text_of(Purpose purpose) {
  switch (purpose) {
    case Purpose::kKeyMaterial: return "key material";
    case Purpose::kProxyCredential: return "proxy credential";
    case Purpose::kStoreKey: return "store key";
  }
  return "?";
}

WrappedSecret KeyWrapping::wrap(Purpose purpose, std::string_view id, std::uint32_t version, ByteView secret) {
  if (secret.size() > kLargestSecret) throw std::invalid_argument("a secret to be wrapped is longer than 64 KiB");
  pkcs11::Token::Sealed sealed = keys_.seal(root_key_, associated_data(purpose, id, version), secret);
  return {root_key_, std::move(sealed.iv), std::move(sealed.ciphertext), std::move(sealed.tag)};
}

cryptography::SecretBytes KeyWrapping::unwrap(Purpose purpose, std::string_view id, std::uint32_t version,
                                              const WrappedSecret& wrapped) {
  auto secret = keys_.open(wrapped.root_key, wrapped.iv, associated_data(purpose, id, version), wrapped.ciphertext, wrapped.tag);
  if (!secret) {
    throw WrappingError("the " + std::string(text_of(purpose)) + " of " + std::string(id) + " does not open with the root key \"" +
                        wrapped.root_key + "\": it was altered or moved from another record, or this is another token. "
                        "Use the token that the store was made with; if it is that one, restore the store from a backup");
  }
  return std::move(*secret);
}

}  // namespace kms
