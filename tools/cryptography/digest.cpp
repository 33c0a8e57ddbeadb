#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <utility>

#include "tools/cryptography/openssl_handles.hpp"

namespace cryptography {

void fail(const std::string& what) {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  throw CryptographyError(what + (reason == nullptr ? "" : std::string(": ") + reason));
}

const EVP_MD* digest_of(Hash hash) {
  switch (hash) {
    case Hash::kSha1: return EVP_sha1();
    case Hash::kSha256: return EVP_sha256();
    case Hash::kSha384: return EVP_sha384();
    case Hash::kSha512: return EVP_sha512();
  }
  std::unreachable();
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

void SecretBytes::wipe() {
  if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
  bytes_.clear();
}

void fill_random(std::span<std::uint8_t> out) {
  demand(out.size() <= 1U << 30 && RAND_priv_bytes(out.data(), static_cast<int>(out.size())) == 1,
         "the system has no random bytes");
}

Bytes random_bytes(std::size_t size) {
  Bytes bytes(size);
  fill_random(bytes);
  return bytes;
}

SecretBytes random_secret(std::size_t size) {
  SecretBytes secret(size);
  fill_random(secret.writable());
  return secret;
}

Digest256 sha256(ByteView bytes) {
  Digest256 digest{};
  demand(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1, "SHA-256 failed");
  return digest;
}

Digest256 hmac_sha256(ByteView key, ByteView bytes) {
  static constexpr std::uint8_t kNothing = 0;  // a null key would mean the key of the call before
  Digest256 digest{};
  unsigned int size = 0;
  demand(HMAC(EVP_sha256(), key.empty() ? &kNothing : key.data(), static_cast<int>(key.size()), bytes.data(), bytes.size(),
              digest.data(), &size) != nullptr && size == digest.size(), "HMAC-SHA-256 failed");
  return digest;
}

SecretBytes hkdf(Hash hash, ByteView secret, ByteView salt, ByteView info, std::size_t size) {
  static constexpr std::uint8_t kNothing = 0;
  const auto data = [](ByteView bytes) { return bytes.empty() ? &kNothing : bytes.data(); };
  const EVP_MD* digest = digest_of(hash);
  if (size == 0 || size > 255U * static_cast<std::size_t>(EVP_MD_get_size(digest))) {
    throw CryptographyError("HKDF gives 1 to 255 times its hash's size");
  }
  // OpenSSL takes no empty input key; RFC 5869's HMAC of an empty one is HMAC all the same, but nobody asks for it.
  if (secret.empty()) throw CryptographyError("HKDF needs a secret");
  const KeyContext context(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr));
  SecretBytes out(size);
  std::size_t written = size;
  demand(context && EVP_PKEY_derive_init(context.get()) == 1 && EVP_PKEY_CTX_set_hkdf_md(context.get(), digest) == 1 &&
             EVP_PKEY_CTX_set1_hkdf_salt(context.get(), data(salt), static_cast<int>(salt.size())) == 1 &&
             EVP_PKEY_CTX_set1_hkdf_key(context.get(), data(secret), static_cast<int>(secret.size())) == 1 &&
             EVP_PKEY_CTX_add1_hkdf_info(context.get(), data(info), static_cast<int>(info.size())) == 1 &&
             EVP_PKEY_derive(context.get(), out.writable().data(), &written) == 1 && written == size,
         "HKDF failed");
  return out;
}

bool equal_in_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace cryptography
