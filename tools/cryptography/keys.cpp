#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <utility>

#include "tools/cryptography/key_state.hpp"

namespace cryptography {
namespace {

struct Curve {
  KeyKind kind;
  const char* name;  // OpenSSL's group name
};
constexpr Curve kCurves[] = {{KeyKind::kP256, "prime256v1"}, {KeyKind::kP384, "secp384r1"}, {KeyKind::kP521, "secp521r1"},
                             {KeyKind::kSecp256k1, "secp256k1"}};

std::optional<KeyKind> kind_of(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    switch (EVP_PKEY_get_bits(key)) {
      case 2048: return KeyKind::kRsa2048;
      case 3072: return KeyKind::kRsa3072;
      case 4096: return KeyKind::kRsa4096;
      default: return std::nullopt;
    }
  }
  char group[64];
  std::size_t size = 0;
  if (EVP_PKEY_is_a(key, "EC") != 1 || EVP_PKEY_get_group_name(key, group, sizeof(group), &size) != 1) return std::nullopt;
  for (const Curve& curve : kCurves) {
    if (std::string_view(group, size) == curve.name) return curve.kind;
  }
  return std::nullopt;
}

bool is_rsa(KeyKind kind) { return kind == KeyKind::kRsa2048 || kind == KeyKind::kRsa3072 || kind == KeyKind::kRsa4096; }

Bytes spki_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  demand(size > 0, "the public key can't be written");
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

KeyContext oaep_context(EVP_PKEY* key, Hash hash, bool encrypts) {
  KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  demand(context != nullptr, "no memory for RSA");
  demand((encrypts ? EVP_PKEY_encrypt_init(context.get()) : EVP_PKEY_decrypt_init(context.get())) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), digest_of(hash)) == 1 &&
             EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), digest_of(hash)) == 1, "RSAES-OAEP is refused");
  return context;
}

}  // namespace

std::optional<PublicKey> PublicKey::from_spki(ByteView der) {
  if (der.empty() || der.size() > 8192) return std::nullopt;
  const unsigned char* at = der.data();
  KeyHandle key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!key || at != der.data() + der.size()) return std::nullopt;
  const std::optional<KeyKind> kind = kind_of(key.get());
  if (!kind) return std::nullopt;
  PublicKey result;
  Bytes spki = spki_of(key.get());
  result.state_ = std::make_shared<const State>(State{std::move(key), *kind, std::move(spki)});
  return result;
}

KeyKind PublicKey::kind() const { return state_->kind; }
const Bytes& PublicKey::spki() const { return state_->spki; }

std::optional<Bytes> PublicKey::encrypt_oaep(Hash hash, ByteView plaintext) const {
  if (!is_rsa(kind())) throw CryptographyError("RSAES-OAEP needs an RSA key");
  // RFC 8017 7.1.1: at most k - 2 hLen - 2.
  const auto modulus = static_cast<std::size_t>(EVP_PKEY_get_size(state_->key.get()));
  if (plaintext.size() + 2 * static_cast<std::size_t>(EVP_MD_get_size(digest_of(hash))) + 2 > modulus) return std::nullopt;
  const KeyContext context = oaep_context(state_->key.get(), hash, true);
  static constexpr std::uint8_t kNothing = 0;
  Bytes out(modulus);
  std::size_t size = out.size();
  demand(EVP_PKEY_encrypt(context.get(), out.data(), &size, plaintext.empty() ? &kNothing : plaintext.data(), plaintext.size()) == 1,
         "RSAES-OAEP failed");
  out.resize(size);
  return out;
}

PrivateKey PrivateKey::generate(KeyKind kind) {
  KeyHandle key;
  switch (kind) {
    case KeyKind::kRsa2048: key.reset(EVP_RSA_gen(2048)); break;
    case KeyKind::kRsa3072: key.reset(EVP_RSA_gen(3072)); break;
    case KeyKind::kRsa4096: key.reset(EVP_RSA_gen(4096)); break;
    case KeyKind::kP256:
    case KeyKind::kP384:
    case KeyKind::kP521:
    case KeyKind::kSecp256k1:
      for (const Curve& curve : kCurves) {
        if (curve.kind == kind) key.reset(EVP_EC_gen(curve.name));
      }
  }
  demand(key != nullptr, "the key can't be made");
  return from_state(std::make_shared<const State>(State{std::move(key), kind}));
}

std::optional<PrivateKey> PrivateKey::from_pkcs8(ByteView der) {
  if (der.empty() || der.size() > 16384) return std::nullopt;
  const unsigned char* at = der.data();
  using Pkcs8 = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Freed<PKCS8_PRIV_KEY_INFO_free>>;
  const Pkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  if (!info || at != der.data() + der.size()) {
    ERR_clear_error();
    return std::nullopt;
  }
  KeyHandle key(EVP_PKCS82PKEY(info.get()));
  ERR_clear_error();
  const std::optional<KeyKind> kind = key ? kind_of(key.get()) : std::nullopt;
  if (!kind) return std::nullopt;
  return from_state(std::make_shared<const State>(State{std::move(key), *kind}));
}

PrivateKey PrivateKey::from_state(std::shared_ptr<const State> state) {
  const std::optional<PublicKey> public_key = PublicKey::from_spki(spki_of(state->key.get()));
  demand(public_key.has_value(), "the key has no public half that can be read again");
  PrivateKey result;
  result.public_key_ = *public_key;
  result.state_ = std::move(state);
  return result;
}

const PublicKey& PrivateKey::public_key() const { return public_key_; }

SecretBytes PrivateKey::pkcs8() const {
  using Pkcs8 = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Freed<PKCS8_PRIV_KEY_INFO_free>>;
  const Pkcs8 info(EVP_PKEY2PKCS8(state_->key.get()));
  unsigned char* der = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der) : 0;
  demand(size > 0, "the private key can't be written");
  SecretBytes bytes = SecretBytes::copy_of(ByteView(der, static_cast<std::size_t>(size)));
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return bytes;
}

std::string PrivateKey::pkcs8_pem() const {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  demand(bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), state_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
         "the private key can't be written");
  return text_of(bio.get());
}

std::optional<SecretBytes> PrivateKey::decrypt_oaep(Hash hash, ByteView ciphertext) const {
  if (!is_rsa(state_->kind)) throw CryptographyError("RSAES-OAEP needs an RSA key");
  const auto modulus = static_cast<std::size_t>(EVP_PKEY_get_size(state_->key.get()));
  if (ciphertext.size() != modulus) return std::nullopt;
  const KeyContext context = oaep_context(state_->key.get(), hash, false);
  SecretBytes whole(modulus);
  std::size_t size = modulus;
  if (EVP_PKEY_decrypt(context.get(), whole.writable().data(), &size, ciphertext.data(), ciphertext.size()) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return SecretBytes::copy_of(whole.view().first(size));
}

}  // namespace cryptography
