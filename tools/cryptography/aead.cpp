#include <openssl/evp.h>

#include <limits>

#include "tools/cryptography/openssl_handles.hpp"

namespace cryptography {
namespace {

int checked_size(ByteView bytes) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) - 32) throw CryptographyError("too much to encrypt at once");
  return static_cast<int>(bytes.size());
}

CipherContext started(const EVP_CIPHER* cipher, ByteView key, ByteView iv, bool encrypts) {
  if (key.size() != kAes256Key) throw CryptographyError("AES-256 needs a key of 32 bytes");
  CipherContext context(EVP_CIPHER_CTX_new());
  const int direction = encrypts ? 1 : 0;
  demand(context != nullptr, "no memory for a cipher");
  demand(EVP_CipherInit_ex(context.get(), cipher, nullptr, nullptr, nullptr, direction) == 1, "AES is missing");
  if (EVP_CIPHER_get_mode(cipher) == EVP_CIPH_GCM_MODE) {
    if (iv.size() < kGcmIv || iv.size() > kCbcIv) throw CryptographyError("AES-GCM takes an IV of 12 to 16 bytes");
    demand(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN, checked_size(iv), nullptr) == 1, "the IV's size is refused");
  } else if (iv.size() != kCbcIv) {
    throw CryptographyError("AES-CBC takes an IV of 16 bytes");
  }
  demand(EVP_CipherInit_ex(context.get(), nullptr, nullptr, key.data(), iv.data(), direction) == 1, "the key is refused");
  return context;
}

void associate(EVP_CIPHER_CTX* context, ByteView associated) {
  int written = 0;
  demand(associated.empty() || EVP_CipherUpdate(context, nullptr, &written, associated.data(), checked_size(associated)) == 1,
         "the associated data is refused");
}

}  // namespace

Sealed seal(ByteView key, ByteView iv, ByteView associated, ByteView plaintext) {
  const CipherContext context = started(EVP_aes_256_gcm(), key, iv, true);
  associate(context.get(), associated);
  Sealed sealed;
  sealed.ciphertext.resize(plaintext.size());
  int written = 0;
  demand(plaintext.empty() || EVP_EncryptUpdate(context.get(), sealed.ciphertext.data(), &written, plaintext.data(),
                                                checked_size(plaintext)) == 1, "AES-GCM failed");
  std::uint8_t rest[16];
  demand(EVP_EncryptFinal_ex(context.get(), rest, &written) == 1 &&
             EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTag, sealed.tag.data()) == 1, "AES-GCM failed");
  return sealed;
}

std::optional<SecretBytes> open(ByteView key, ByteView iv, ByteView associated, ByteView ciphertext, ByteView tag) {
  if (tag.size() != kGcmTag || iv.size() < kGcmIv || iv.size() > kCbcIv) return std::nullopt;
  const CipherContext context = started(EVP_aes_256_gcm(), key, iv, false);
  associate(context.get(), associated);
  SecretBytes plaintext(ciphertext.size());
  int written = 0;
  demand(ciphertext.empty() || EVP_DecryptUpdate(context.get(), plaintext.writable().data(), &written, ciphertext.data(),
                                                 checked_size(ciphertext)) == 1, "AES-GCM failed");
  Bytes expected(tag.begin(), tag.end());  // OpenSSL wants it writable
  demand(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTag, expected.data()) == 1, "the tag is refused");
  std::uint8_t rest[16];
  if (EVP_DecryptFinal_ex(context.get(), rest, &written) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return plaintext;
}

Bytes encrypt_cbc(ByteView key, ByteView iv, ByteView plaintext) {
  const CipherContext context = started(EVP_aes_256_cbc(), key, iv, true);
  Bytes ciphertext(plaintext.size() + 16);
  int written = 0, last = 0;
  demand(plaintext.empty() || EVP_EncryptUpdate(context.get(), ciphertext.data(), &written, plaintext.data(),
                                                checked_size(plaintext)) == 1, "AES-CBC failed");
  demand(EVP_EncryptFinal_ex(context.get(), ciphertext.data() + written, &last) == 1, "AES-CBC failed");
  ciphertext.resize(static_cast<std::size_t>(written) + static_cast<std::size_t>(last));
  return ciphertext;
}

std::optional<SecretBytes> decrypt_cbc(ByteView key, ByteView iv, ByteView ciphertext) {
  if (ciphertext.empty() || ciphertext.size() % 16 != 0 || iv.size() != kCbcIv) return std::nullopt;
  const CipherContext context = started(EVP_aes_256_cbc(), key, iv, false);
  SecretBytes whole(ciphertext.size() + 16);
  int written = 0, last = 0;
  demand(EVP_DecryptUpdate(context.get(), whole.writable().data(), &written, ciphertext.data(), checked_size(ciphertext)) == 1,
         "AES-CBC failed");
  if (EVP_DecryptFinal_ex(context.get(), whole.writable().data() + written, &last) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return SecretBytes::copy_of(whole.view().first(static_cast<std::size_t>(written) + static_cast<std::size_t>(last)));
}

}  // namespace cryptography
