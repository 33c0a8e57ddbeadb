#include "firmware/attestation/eif_signature.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "firmware/attestation/cbor.hpp"
#include "firmware/attestation/cose_sign1.hpp"
#include "firmware/crypto/certificate_view.hpp"
#include "firmware/measure/pcr_bank.hpp"
#include "tests/unit/firmware/attestation/signers.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using test_data::from_hex;
using test_data::to_hex;

base::Result<crypto::Digest> verify(const std::vector<std::uint8_t>& section, const measure::Digest& pcr0,
                                    std::uint64_t time) {
  const auto scratch = std::make_unique<attestation::SignatureScratch>();
  return attestation::verify_eif_signature(section, pcr0, time, *scratch);
}

std::uint64_t big_endian(const std::vector<std::uint8_t>& bytes, std::size_t offset, int size) {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i) value = value << 8 | bytes[offset + static_cast<std::size_t>(i)];
  return value;
}

// An image that AWS's builder signed, and what that builder says of it.
class SignedImage : public testing::Test {
 protected:
  void SetUp() override {
    const std::string folder = std::string(COFFERDAM_FIXTURES) + "/eif/";
    const auto file = test_data::read_file(folder + "b-signed-p384-arm64-2rd.eif");
    if (file.empty()) GTEST_SKIP() << "no fixtures in " << folder;
    constexpr std::size_t kOffsets = 0x1C;
    constexpr std::size_t kSectionHeader = 12;
    constexpr std::uint64_t kSignatureType = 4;
    for (std::size_t i = 0; i < big_endian(file, 0x1A, 2); ++i) {
      const auto offset = static_cast<std::size_t>(big_endian(file, kOffsets + 8 * i, 8));
      if (big_endian(file, offset, 2) != kSignatureType) continue;
      const auto size = static_cast<std::size_t>(big_endian(file, offset + 4, 8));
      const auto begin = file.begin() + static_cast<std::ptrdiff_t>(offset + kSectionHeader);
      section_.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
    }
    ASSERT_FALSE(section_.empty());
    const auto pcr0 = from_hex(
        "ec4598d9fc58f1622256b6adaa308484987dc8363422cc5d2eea888f6ed98ae5ca0d18d40ca01e0e77c9701003ebaf3c");
    std::copy(pcr0.begin(), pcr0.end(), pcr0_.begin());
  }
  auto check(const std::vector<std::uint8_t>& section) {
    return verify(section, pcr0_, time_);
  }

  std::vector<std::uint8_t> section_;
  measure::Digest pcr0_{};
  std::uint64_t time_{};
};

TEST_F(SignedImage, HoldsWithinTheCertificatesLifeOnly) {
  // Find the window from the certificate itself.
  const auto pem = test_data::read_file(std::string(COFFERDAM_FIXTURES) + "/eif/cert-P-384.pem");
  std::vector<std::uint8_t> buffer(4096);
  const auto certificate = crypto::read_certificate(crypto::pem_to_der(pem, buffer).value()).value();
  time_ = certificate.not_before;
  const auto signer = check(section_);
  ASSERT_TRUE(signer.ok());
  measure::PcrBank bank;
  EXPECT_EQ(to_hex(bank.extend(8, signer.value()).value()),
            "b5d3a3775f15e283423c70c3d20abc97bb5e5fa02883f0b17c6edaad1a93dbf462b2ec38b0bce9b38afab10470b231f8");
  time_ = certificate.not_after;
  EXPECT_TRUE(check(section_).ok());
  time_ = certificate.not_after + 1;
  EXPECT_EQ(check(section_).error(), Error::kOutOfRange);
  time_ = certificate.not_before - 1;
  EXPECT_EQ(check(section_).error(), Error::kOutOfRange);

  time_ = certificate.not_before;
  pcr0_[0] = static_cast<std::uint8_t>(pcr0_[0] ^ 1);
  EXPECT_EQ(check(section_).error(), Error::kBadSignature);
}

TEST_F(SignedImage, TruncatedOrExtendedSectionsAreRefused) {
  time_ = 0;  // everything below fails before the clock counts
  for (std::size_t size = 0; size < section_.size(); size += size < 64 || section_.size() - size < 64 ? 1 : 17) {
    const std::vector<std::uint8_t> part(section_.begin(), section_.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_EQ(check(part).error(), Error::kBadImage) << size;
  }
  auto longer = section_;
  longer.push_back(0);
  EXPECT_EQ(check(longer).error(), Error::kBadImage);
}

// The certificate itself is not checked against an issuer, as on AWS: another certificate with the same key is another
// PCR8. So every change either is refused, or shows in PCR8, or is one of white space between two lines of PEM.
TEST_F(SignedImage, ChangedBytesAreRefusedOrShowInPcr8) {
  const auto pem = test_data::read_file(std::string(COFFERDAM_FIXTURES) + "/eif/cert-P-384.pem");
  std::vector<std::uint8_t> buffer(4096);
  time_ = crypto::read_certificate(crypto::pem_to_der(pem, buffer).value()).value().not_before;
  const auto original = check(section_).value();
  const auto name = test_data::bytes_of("signature");
  const auto signature = std::search(section_.begin() + 40, section_.end(), name.begin(), name.end());
  ASSERT_NE(signature, section_.end());
  const auto signature_starts = static_cast<std::size_t>(signature - section_.begin());
  int still_original = 0;
  for (std::size_t i = 0; i < section_.size(); i += i < signature_starts ? 5 : 1) {
    auto changed = section_;
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ 0x01);
    const auto signer = check(changed);
    if (i >= signature_starts) {
      ASSERT_FALSE(signer.ok()) << i;
    }
    if (signer.ok() && signer.value() == original) ++still_original;
  }
  EXPECT_EQ(still_original, 0);  // no change at a multiple of 5 hits white space in this file
}

TEST(EifSignature, GarbageIsABadImage) {
  for (const char* hex : {"", "80", "81a0", "82a0a0", "81f6", "a0", "81a1", "9bffffffffffffffff", "81bbffffffffffffffff",
                          "81a2737369676e696e675f636572746966696361746580697369676e617475726580"}) {
    const auto section = from_hex(hex);
    EXPECT_EQ(verify(section, {}, 0).error(), Error::kBadImage) << hex;
  }
}

// Sections as AWS's builder writes them, around certificates that only their key and dates make good.
struct Element {
  std::string pem;
  measure::Digest pcr0{};
};

constexpr std::uint64_t kWhen = 1'800'000'000;  // within the certificates' lives
constexpr std::size_t kMaxSection = 32768;

void as_numbers(attestation::CborWriter& writer, base::Bytes bytes) {
  writer.array(bytes.size());
  for (const std::uint8_t byte : bytes) writer.unsigned_number(byte);
}

std::vector<std::uint8_t> cose_of(const measure::Digest& pcr0) {
  const auto key = crypto::P384KeyPair::from_scalar(from_hex(test_data::kSignerScalar)).value();
  std::array<std::uint8_t, 512> payload_buffer{};
  attestation::CborWriter payload(payload_buffer);
  payload.map(2);
  payload.text("register_index");
  payload.unsigned_number(0);
  payload.text("register_value");
  as_numbers(payload, pcr0);
  std::array<std::uint8_t, 512> buffer{};
  attestation::CborWriter message(buffer);
  attestation::begin_cose_sign1(message, payload.size());
  message.raw(payload.result().value());
  EXPECT_TRUE(attestation::finish_cose_sign1(message, payload.size(), key).ok());
  const base::Bytes written = message.result().value();
  return {written.begin(), written.end()};
}

std::vector<std::uint8_t> section_of(const std::vector<Element>& elements) {
  std::vector<std::uint8_t> buffer(2 * kMaxSection);
  attestation::CborWriter writer(buffer);
  writer.array(elements.size());
  for (const Element& element : elements) {
    writer.map(2);
    writer.text("signing_certificate");
    as_numbers(writer, test_data::bytes_of(element.pem));
    writer.text("signature");
    as_numbers(writer, cose_of(element.pcr0));
  }
  const base::Bytes written = writer.result().value();
  return {written.begin(), written.end()};
}

std::string pcr8_of(const std::string& pem) {
  std::vector<std::uint8_t> buffer(4096);
  return to_hex(crypto::sha384(crypto::pem_to_der(test_data::bytes_of(pem), buffer).value()));
}

TEST(EifSigner, MayBeOfVersion1OrIssuedByAnRsaAuthority) {
  const measure::Digest pcr0{1, 2, 3};
  for (const std::string pem : {test_data::kVersion1Signer, test_data::kRsaIssuedSigner}) {
    const auto section = section_of({{pem, pcr0}});
    const auto signer = verify(section, pcr0, kWhen);
    ASSERT_TRUE(signer.ok());
    EXPECT_EQ(to_hex(signer.value()), pcr8_of(pem));
    EXPECT_EQ(verify(section, {}, kWhen).error(), Error::kBadSignature);
    EXPECT_EQ(verify(section, pcr0, 1'700'000'000).error(), Error::kOutOfRange);
    EXPECT_EQ(verify(section, pcr0, 4'950'000'000).error(), Error::kOutOfRange);
  }
}

// Certificates with their text in front, or with their whole chain behind.
TEST(EifSigner, IsBoundedByTheSectionAlone) {
  const measure::Digest pcr0{1};
  std::string pem(6 * 1024, '#');
  pem += test_data::kVersion1Signer;
  while (pem.size() < 12 * 1024) pem += test_data::kRsaIssuedSigner;
  const auto section = section_of({{pem, pcr0}});
  ASSERT_LT(section.size(), kMaxSection);
  const auto signer = verify(section, pcr0, kWhen);
  ASSERT_TRUE(signer.ok());
  EXPECT_EQ(to_hex(signer.value()), pcr8_of(test_data::kVersion1Signer));
}

TEST(EifSigner, IsTheFirstOfSeveral) {
  const measure::Digest pcr0{1};
  const Element good{test_data::kVersion1Signer, pcr0};
  const Element other{test_data::kRsaIssuedSigner, {2}};
  const auto signer = verify(section_of({good, other}), pcr0, kWhen);
  ASSERT_TRUE(signer.ok());
  EXPECT_EQ(to_hex(signer.value()), pcr8_of(good.pem));
  EXPECT_EQ(verify(section_of({other, good}), pcr0, kWhen).error(), Error::kBadSignature);
  auto claims_more = section_of({good, other});
  claims_more[0] = 0x83;
  EXPECT_EQ(verify(claims_more, pcr0, kWhen).error(), Error::kBadImage);
  auto cut = section_of({good, other});
  cut.pop_back();
  EXPECT_EQ(verify(cut, pcr0, kWhen).error(), Error::kBadImage);
}

// A byte changed in the certificate: refused, or another PCR8, never a fault.
TEST(EifSigner, ChangedCertificatesAreRefusedOrShowInPcr8) {
  const measure::Digest pcr0{1};
  const std::string pem = test_data::kVersion1Signer;
  int accepted = 0;
  for (std::size_t i = 0; i < pem.find("-----END"); i += 5) {
    std::string changed = pem;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto signer = verify(section_of({{changed, pcr0}}), pcr0, kWhen);
    if (!signer.ok()) continue;
    ++accepted;
    EXPECT_NE(to_hex(signer.value()), pcr8_of(pem)) << i;
  }
  EXPECT_GT(accepted, 0);  // names and the issuer's signature don't count
}

}  // namespace
