#include "firmware/attestation/eif_signature.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "firmware/crypto/certificate_view.hpp"
#include "firmware/measure/pcr_bank.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using test_data::from_hex;
using test_data::to_hex;

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
    return attestation::verify_eif_signature(section, pcr0_, time_);
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
    EXPECT_EQ(attestation::verify_eif_signature(section, {}, 0).error(), Error::kBadImage) << hex;
  }
}

}  // namespace
