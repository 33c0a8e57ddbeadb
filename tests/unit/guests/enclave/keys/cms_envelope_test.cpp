#include "guests/enclave/keys/cms_envelope.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/unit/guests/enclave/keys/envelope_builder.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cryptography::PrivateKey;
using enclave_keys::BadEnvelope;
using enclave_keys::open_envelope;
using test_data::element;
using test_data::envelope;
using test_data::EnvelopeForm;
using test_data::joined;

const PrivateKey& key() {
  static const PrivateKey made = PrivateKey::generate(cryptography::KeyKind::kRsa2048);
  return made;
}
Bytes opened(const Bytes& ber, const PrivateKey& with = key()) {
  const auto plaintext = open_envelope(ber, with);
  return Bytes(plaintext.view().begin(), plaintext.view().end());
}
std::string refusal(const Bytes& ber, const PrivateKey& with = key()) {
  try {
    static_cast<void>(open_envelope(ber, with));
  } catch (const BadEnvelope& error) {
    return error.what();
  }
  return "";
}
const Bytes kDataKey(32, 0x77);

class Fixture : public testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path folder = std::filesystem::path(COFFERDAM_FIXTURES) / "kms-cms";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no fixtures in " << folder;
    ber = cofferdam::read_file(folder / "edgebit_ciphertext_for_recipient.ber", 8192);
    expected = cofferdam::read_file(folder / "edgebit_expected_plaintext.bin", 8192);
    // PKCS#1 (RFC 8017, A.1.2), which PKCS#8 wraps (RFC 5958).
    const Bytes pkcs1 = cofferdam::read_file(folder / "edgebit_rsa2048_test_key.der", 8192);
    const Bytes rsa = element(0x30, {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00});
    theirs = PrivateKey::from_pkcs8(element(0x30, joined({{0x02, 0x01, 0x00}, rsa, element(0x04, pkcs1)})));
    ASSERT_TRUE(theirs);
  }
  Bytes ber, expected;
  std::optional<PrivateKey> theirs;
};

TEST_F(Fixture, OfARealKeyServiceOpens) { EXPECT_EQ(opened(ber, *theirs), expected); }

// CBC authenticates nothing, so this says exactly what is detected: everything outside IV and content; and inside them
// whatever breaks the padding. What is not detected never gives the plaintext that was sent.
TEST_F(Fixture, EveryAlteredByteOutsideTheContentIsRefused) {
  const enclave_keys::Envelope parts = enclave_keys::read_envelope(ber);
  const std::size_t iv = static_cast<std::size_t>(parts.iv.data() - ber.data());
  const std::size_t content = iv + 16 + 2 + 2;  // [0] and the chunk's header lie between
  ASSERT_EQ(Bytes(ber.begin() + static_cast<std::ptrdiff_t>(content),
                  ber.begin() + static_cast<std::ptrdiff_t>(content + parts.ciphertext.size())),
            parts.ciphertext);
  const std::size_t content_end = content + parts.ciphertext.size();
  std::size_t undetected = 0;
  for (std::size_t at = 0; at < ber.size(); ++at) {
    const bool authenticated = !((at >= iv && at < iv + 16) || (at >= content && at < content_end));
    const bool opens_a_key = at > 0x85 && at < iv;  // RSA is slow: one change of each of its bytes
    for (const int change : {0x01, 0x80, 0xff}) {
      if (opens_a_key && change != 0x01) continue;
      Bytes altered = ber;
      altered[at] = static_cast<std::uint8_t>(altered[at] ^ change);
      try {
        EXPECT_NE(opened(altered, *theirs), expected) << "byte " << at;
        EXPECT_FALSE(authenticated) << "byte " << at;
        ++undetected;
      } catch (const BadEnvelope&) {
      }
    }
  }
  EXPECT_GE(undetected, 16U * 3)
      << "every change of the IV goes unseen: this is why TLS must say who wrote the envelope";
}

TEST_F(Fixture, EveryCutIsRefused) {
  for (std::size_t size = 0; size < ber.size(); ++size) {
    EXPECT_THROW(static_cast<void>(enclave_keys::read_envelope(ByteView(ber).first(size))), BadEnvelope) << size;
  }
  ber.push_back(0);
  EXPECT_NE(refusal(ber, *theirs).find("follows"), std::string::npos);
}

TEST(Envelope, OpensInEveryFormThatKeyServicesSend) {
  for (const bool indefinite : {true, false}) {
    for (const std::size_t chunk : {0U, 16U, 7U, 1000U}) {
      EnvelopeForm form;
      form.indefinite = indefinite;
      form.chunk = chunk;
      EXPECT_EQ(opened(envelope(kDataKey, key().public_key(), form)), kDataKey) << indefinite << chunk;
    }
  }
  EnvelopeForm absent;
  absent.hash_parameters = {};
  EXPECT_EQ(opened(envelope(kDataKey, key().public_key(), absent)), kDataKey);
  EXPECT_EQ(opened(envelope(Bytes{}, key().public_key())), Bytes{});
}

TEST(Envelope, TakesFourKilobytesInChunks) {
  const Bytes plaintext(4000, 9);
  EXPECT_EQ(opened(envelope(plaintext, key().public_key())), plaintext);
  EXPECT_NE(refusal(envelope(Bytes(4400, 9), key().public_key())).find("longer than"), std::string::npos);
  EnvelopeForm tiny;
  tiny.chunk = 1;
  EXPECT_NE(refusal(envelope(Bytes(100, 9), key().public_key(), tiny)).find("too many chunks"), std::string::npos);
}

TEST(Envelope, ForAnotherKeyIsRefused) {
  const PrivateKey other = PrivateKey::generate(cryptography::KeyKind::kRsa2048);
  EXPECT_NE(refusal(envelope(kDataKey, other.public_key())).find("another key"), std::string::npos);
}

TEST(Envelope, OfAnotherLengthIsRefused) {
  EXPECT_NO_THROW(static_cast<void>(open_envelope(envelope(kDataKey, key().public_key()), key(), 32)));
  EXPECT_THROW(static_cast<void>(open_envelope(envelope(Bytes(31, 1), key().public_key()), key(), 32)), BadEnvelope);
}

TEST(Envelope, WithAnythingUnknownIsRefused) {
  const auto with = [](auto change) {
    EnvelopeForm form;
    change(form);
    return refusal(envelope(kDataKey, key().public_key(), form));
  };
  EXPECT_NE(with([](EnvelopeForm& form) { form.version = {3}; }).find("version"), std::string::npos);
  EXPECT_NE(with([](EnvelopeForm& form) { form.recipients = 2; }).find("recipients"), std::string::npos);
  EXPECT_NE(with([](EnvelopeForm& form) { form.recipients = 0; }).find("recipient"), std::string::npos);
  EXPECT_NE(with([](EnvelopeForm& form) {
              form.hash_parameters = {0x05, 0x01, 0x00};
            }).find("NULL"),
            std::string::npos);
  EXPECT_NE(with([](EnvelopeForm& form) { form.attributes = {0xa1, 0x00}; }).find("unknown"), std::string::npos);
  // A label: RSAES-OAEP-params, pSourceAlgorithm.
  EXPECT_NE(with([](EnvelopeForm& form) { form.oaep_extra = {0xa2, 0x00}; }).find("OAEP"), std::string::npos);
}

TEST(Envelope, DeepNestingAndLyingLengthsAreRefused) {
  Bytes deep;
  for (int i = 0; i < 2000; ++i) deep.insert(deep.end(), {0x30, 0x80});
  EXPECT_THROW(static_cast<void>(enclave_keys::read_envelope(deep)), BadEnvelope);
  EXPECT_THROW(static_cast<void>(enclave_keys::read_envelope(Bytes{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})), BadEnvelope);
  EXPECT_THROW(static_cast<void>(enclave_keys::read_envelope(Bytes{0x30, 0x82, 0x00, 0x02, 0x00, 0x00})), BadEnvelope);
}

// The envelopes that OpenSSL's own CMS writer makes: another implementation than the builder above.
TEST(Envelope, OfOpensslOpens) {
  if (std::system("openssl version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no openssl program";
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "cms_envelope_test";
  std::filesystem::create_directories(folder);
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const std::string pem = key().pkcs8_pem();
  cofferdam::write_file(path("key.pem"), cofferdam::as_bytes(pem));
  cofferdam::write_file(path("plain"), kDataKey);
  const auto run = [](const std::string& command) { return std::system((command + " 2>/dev/null").c_str()); };
  // The certificate's subject key identifier is what KMS puts into the recipient: SHA-256 of the SubjectPublicKeyInfo.
  const std::string identifier = cofferdam::to_hex(cryptography::sha256(key().public_key().spki()));
  ASSERT_EQ(run("openssl req -x509 -key " + path("key.pem") +
                " -subj /CN=enclave -addext subjectKeyIdentifier=" + identifier + " -out " + path("certificate.pem")),
            0);
  for (const std::string& form : {std::string(), std::string(" -stream")}) {
    ASSERT_EQ(run("openssl cms -encrypt -binary -keyid -aes256 -outform DER" + form + " -in " + path("plain") +
                  " -out " + path("ber") + " -recip " + path("certificate.pem") +
                  " -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha256"),
              0);
    EXPECT_EQ(opened(cofferdam::read_file(path("ber"), 8192)), kDataKey) << form;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
