// Known answers of the standards, and what hostile or wrong inputs lead to.
#include "tools/cryptography/cryptography.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

using cofferdam::as_bytes;
using cofferdam::Bytes;
using cofferdam::ByteView;
using cofferdam::from_hex;
using cofferdam::to_hex;
using cryptography::Hash;
using cryptography::KeyKind;
using cryptography::PrivateKey;
using cryptography::PublicKey;

Bytes hex(std::string_view text) { return *from_hex(text); }

TEST(Digest, Sha256OfAbcIsFips180s) {
  EXPECT_EQ(to_hex(cryptography::sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, HmacIsRfc4231sCase2) {
  EXPECT_EQ(to_hex(cryptography::hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, HkdfIsRfc5869sCase1And3) {
  const Bytes secret(22, 0x0b);
  EXPECT_EQ(to_hex(cryptography::hkdf(Hash::kSha256, secret, hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"), 42).view()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(to_hex(cryptography::hkdf(Hash::kSha256, secret, {}, {}, 42).view()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
  EXPECT_THROW((void)cryptography::hkdf(Hash::kSha256, secret, {}, {}, 255 * 32 + 1), cryptography::CryptographyError);
}

// "The Galois/Counter Mode of Operation", test case 16: AES-256 with associated data.
TEST(Aead, GcmIsTestCase16) {
  const Bytes key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const Bytes iv = hex("cafebabefacedbaddecaf888"), associated = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes plaintext = hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
                              "b16aedf5aa0de657ba637b39");
  const cryptography::Sealed sealed = cryptography::seal(key, iv, associated, plaintext);
  EXPECT_EQ(to_hex(sealed.ciphertext), "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
                                       "c5f61e6393ba7a0abcc9f662");
  EXPECT_EQ(to_hex(sealed.tag), "76fc6ece0f4e1768cddf8853bb2d551b");
  const auto opened = cryptography::open(key, iv, associated, sealed.ciphertext, sealed.tag);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(cofferdam::equal(opened->view(), plaintext));
}

TEST(Aead, EveryChangedBitAndSizeIsRefused) {
  const Bytes key(32, 1), iv(16, 2), associated = {3}, plaintext = {4, 5};
  const cryptography::Sealed sealed = cryptography::seal(key, iv, associated, plaintext);
  ASSERT_TRUE(cryptography::open(key, iv, associated, sealed.ciphertext, sealed.tag));
  for (std::size_t bit = 0; bit < 128; ++bit) {
    auto tag = sealed.tag;
    tag[bit / 8] = static_cast<std::uint8_t>(tag[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(cryptography::open(key, iv, associated, sealed.ciphertext, tag)) << bit;
  }
  EXPECT_FALSE(cryptography::open(key, iv, {}, sealed.ciphertext, sealed.tag));
  EXPECT_FALSE(cryptography::open(key, iv, associated, sealed.ciphertext, ByteView(sealed.tag).first(12)));
  EXPECT_FALSE(cryptography::open(key, Bytes(11), associated, sealed.ciphertext, sealed.tag));
  EXPECT_THROW((void)cryptography::seal(Bytes(16), iv, associated, plaintext), cryptography::CryptographyError);
  EXPECT_THROW((void)cryptography::seal(key, Bytes(8), associated, plaintext), cryptography::CryptographyError);
  const auto nothing = cryptography::seal(key, iv, {}, {});
  EXPECT_TRUE(nothing.ciphertext.empty());
  EXPECT_TRUE(cryptography::open(key, iv, {}, {}, nothing.tag));
}

TEST(Cbc, IsSp80038aWithPaddingBehind) {
  const Bytes key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  const Bytes iv = hex("000102030405060708090a0b0c0d0e0f"), plaintext = hex("6bc1bee22e409f96e93d7e117393172a");
  const Bytes ciphertext = cryptography::encrypt_cbc(key, iv, plaintext);
  ASSERT_EQ(ciphertext.size(), 32U);
  EXPECT_EQ(to_hex(ByteView(ciphertext).first(16)), "f58c4c04d6e5f1ba779eabfb5f7bfbd6");
  const auto opened = cryptography::decrypt_cbc(key, iv, ciphertext);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(cofferdam::equal(opened->view(), plaintext));
  EXPECT_FALSE(cryptography::decrypt_cbc(key, iv, ByteView(ciphertext).first(31)));
  EXPECT_FALSE(cryptography::decrypt_cbc(key, iv, {}));
  EXPECT_FALSE(cryptography::decrypt_cbc(key, iv, ByteView(ciphertext).first(16)));  // no padding in that block
}

TEST(Keys, OaepComesBackOnlyWithItsHashAndKey) {
  const PrivateKey key = PrivateKey::generate(KeyKind::kRsa2048), other = PrivateKey::generate(KeyKind::kRsa2048);
  const auto public_key = PublicKey::from_spki(key.public_key().spki());
  ASSERT_TRUE(public_key);
  EXPECT_EQ(public_key->kind(), KeyKind::kRsa2048);
  const auto ciphertext = public_key->encrypt_oaep(Hash::kSha256, as_bytes("a key"));
  ASSERT_TRUE(ciphertext);
  const auto opened = key.decrypt_oaep(Hash::kSha256, *ciphertext);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(cofferdam::equal(opened->view(), as_bytes("a key")));
  EXPECT_FALSE(key.decrypt_oaep(Hash::kSha1, *ciphertext));
  EXPECT_FALSE(other.decrypt_oaep(Hash::kSha256, *ciphertext));
  EXPECT_TRUE(public_key->encrypt_oaep(Hash::kSha256, Bytes(190)));
  EXPECT_FALSE(public_key->encrypt_oaep(Hash::kSha256, Bytes(191)));
}

TEST(Keys, ComeBackFromTheirBytesAndFromNothingElse) {
  for (const KeyKind kind : {KeyKind::kP256, KeyKind::kP384, KeyKind::kP521, KeyKind::kSecp256k1}) {
    const PrivateKey key = PrivateKey::generate(kind);
    const auto again = PrivateKey::from_pkcs8(key.pkcs8().view());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->public_key().kind(), kind);
    EXPECT_EQ(again->public_key().spki(), key.public_key().spki());
    Bytes longer = key.public_key().spki();
    longer.push_back(0);
    EXPECT_FALSE(PublicKey::from_spki(longer));
    longer.resize(longer.size() - 2);
    EXPECT_FALSE(PublicKey::from_spki(longer));
  }
  EXPECT_FALSE(PublicKey::from_spki({}));
  EXPECT_FALSE(PrivateKey::from_pkcs8(as_bytes("no key")));
}

TEST(Certificates, CarryTheKeyAndRefuseNamesThatSpeakOpenSslsLanguage) {
  const PrivateKey key = PrivateKey::generate(KeyKind::kP256);
  const std::string pem = cryptography::self_signed_pem(key, "here", {"localhost", "127.0.0.1"}, 30);
  const std::size_t begin = pem.find('\n') + 1, end = pem.find("-----END");
  const auto der = cofferdam::from_base64(pem.substr(begin, end - begin));
  ASSERT_TRUE(der);
  const auto spki = cryptography::spki_of_certificate(*der);
  ASSERT_TRUE(spki);
  EXPECT_EQ(*spki, key.public_key().spki());
  EXPECT_FALSE(cryptography::spki_of_certificate(ByteView(*der).first(der->size() - 1)));
  EXPECT_THROW((void)cryptography::self_signed_pem(key, "here", {"a,DNS:b"}, 30), cryptography::CryptographyError);
  EXPECT_THROW((void)cryptography::self_signed_pem(key, "here", {"a"}, 826), cryptography::CryptographyError);
}

TEST(Secrets, AreEmptyWhereTheyMovedFrom) {
  cryptography::SecretBytes a = cryptography::random_secret(32);
  const cryptography::SecretBytes b = std::move(a);
  EXPECT_EQ(b.size(), 32U);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): what is held
  EXPECT_FALSE(cofferdam::equal(b.view(), cryptography::random_secret(32).view()));
}

}  // namespace
