// The identity area: only a whole, well-formed one is taken, and a refusal leaves no secret behind.
#include "firmware/rom/identity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <vector>

#include "firmware/crypto/sha384.hpp"

namespace rom {
namespace {

measure::Certificate certificate_of(std::uint32_t size) {  // a DER SEQUENCE of `size` bytes in all
  measure::Certificate certificate{};
  certificate.size = size;
  certificate.der[0] = 0x30;
  certificate.der[1] = 0x82;
  certificate.der[2] = static_cast<std::uint8_t>((size - 4) >> 8);
  certificate.der[3] = static_cast<std::uint8_t>(size - 4);
  std::fill(certificate.der.begin() + 4, certificate.der.begin() + size, std::uint8_t{0x42});
  return certificate;
}

Identity good_identity() {
  Identity identity{};
  identity.development = 1;
  identity.minimum_security_version = 7;
  constexpr std::string_view kId = "i-0123456789abcdef0";
  std::copy(kId.begin(), kId.end(), identity.device_id.begin());
  for (std::size_t i = 0; i < identity.uds.size(); ++i) identity.uds[i] = static_cast<std::uint8_t>(i + 1);
  identity.signer_digest.fill(0x5a);
  identity.certificates = {certificate_of(600), certificate_of(1024), certificate_of(260)};
  return identity;
}

using Area = std::vector<std::uint8_t>;
Area good_area() {
  const auto encoded = encode_identity(good_identity());
  return {encoded.value().begin(), encoded.value().end()};
}

// The area with a change, and its digest made anew: what a careless manufacturer could burn.
IdentityVerdict verdict_with(const std::function<void(Area&)>& change) {
  Area area = good_area();
  change(area);
  const crypto::Digest digest = crypto::sha384(base::Bytes{area}.first(area.size() - 48));
  std::copy(digest.begin(), digest.end(), area.end() - 48);
  const ParsedIdentity parsed = parse_identity(area);
  EXPECT_TRUE(parsed.verdict == IdentityVerdict::kAccepted || parsed.identity.uds == decltype(Identity::uds){});
  return parsed.verdict;
}

constexpr std::size_t kDevelopment = 12, kCount = 20, kDeviceId = 24, kUds = 56, kFirstCertificate = 152;

TEST(Identity, ReadsBackWhatWasEncoded) {
  Area area = good_area();
  area.resize(0x10000, 0xff);  // the rest of the flash area means nothing
  const ParsedIdentity parsed = parse_identity(area);
  ASSERT_EQ(parsed.verdict, IdentityVerdict::kAccepted);
  const Identity& identity = parsed.identity;
  EXPECT_EQ(identity.development, 1u);
  EXPECT_EQ(identity.minimum_security_version, 7u);
  EXPECT_EQ(identity.device_id, good_identity().device_id);
  EXPECT_EQ(identity.uds, good_identity().uds);
  EXPECT_EQ(identity.signer_digest, good_identity().signer_digest);
  for (std::size_t i = 0; i < kIdentityCertificates; ++i) {
    EXPECT_EQ(identity.certificates[i].size, good_identity().certificates[i].size);
    EXPECT_EQ(identity.certificates[i].der, good_identity().certificates[i].der);
  }
}

TEST(Identity, RefusesEveryTruncation) {
  const Area area = good_area();
  for (std::size_t size = 0; size < area.size(); ++size) {
    ASSERT_EQ(parse_identity(base::Bytes{area}.first(size)).verdict, IdentityVerdict::kTooShort);
  }
}

TEST(Identity, NoAlteredByteIsAccepted) {
  const Area good = good_area();
  for (std::size_t byte = 0; byte < good.size(); ++byte) {
    Area area = good;
    area[byte] = static_cast<std::uint8_t>(area[byte] ^ (1u << (byte % 8)));
    const ParsedIdentity parsed = parse_identity(area);
    ASSERT_NE(parsed.verdict, IdentityVerdict::kAccepted) << "byte " << byte;
    ASSERT_EQ(parsed.identity.uds, decltype(Identity::uds){}) << "a refusal leaves no secret";
  }
}

TEST(Identity, AnErasedOrZeroAreaIsNotProvisioned) {
  EXPECT_EQ(parse_identity(Area(0x10000, 0xff)).verdict, IdentityVerdict::kWrongMagic);
  EXPECT_EQ(parse_identity(Area(0x10000, 0x00)).verdict, IdentityVerdict::kWrongMagic);
}

TEST(Identity, EachFieldIsCheckedEvenWhenTheDigestFits) {
  EXPECT_EQ(verdict_with([](Area& a) { a[8] = 2; }), IdentityVerdict::kWrongVersion);
  EXPECT_EQ(verdict_with([](Area& a) { a[kDevelopment] = 2; }), IdentityVerdict::kWrongDevelopmentFlag);
  EXPECT_EQ(verdict_with([](Area& a) { a[kDevelopment + 3] = 1; }), IdentityVerdict::kWrongDevelopmentFlag);
  EXPECT_EQ(verdict_with([](Area& a) { a[kCount] = 2; }), IdentityVerdict::kWrongCertificateCount);
  EXPECT_EQ(verdict_with([](Area& a) { a[kCount] = 4; }), IdentityVerdict::kWrongCertificateCount);
  EXPECT_EQ(verdict_with([](Area& a) { a[kDeviceId] = 0; }), IdentityVerdict::kWrongDeviceId);
  EXPECT_EQ(verdict_with([](Area& a) { a[kDeviceId + 1] = ' '; }), IdentityVerdict::kWrongDeviceId);
  EXPECT_EQ(verdict_with([](Area& a) { a[kDeviceId + 1] = 0x9b; }), IdentityVerdict::kWrongDeviceId);
  EXPECT_EQ(verdict_with([](Area& a) { a[kDeviceId + 31] = 'x'; }), IdentityVerdict::kWrongDeviceId);
  EXPECT_EQ(verdict_with([](Area& a) { std::fill_n(a.begin() + kDeviceId, 32, std::uint8_t{'x'}); }),
            IdentityVerdict::kWrongDeviceId);
  EXPECT_EQ(verdict_with([](Area& a) { std::fill_n(a.begin() + kUds, 48, std::uint8_t{0}); }),
            IdentityVerdict::kEmptySecret);
  EXPECT_EQ(verdict_with([](Area& a) { std::fill_n(a.begin() + kUds, 48, std::uint8_t{0xff}); }),
            IdentityVerdict::kEmptySecret);
}

TEST(Identity, CertificatesAreOneSequenceEachAndNothingMore) {
  const auto at = [](std::size_t index) { return kFirstCertificate + index * 1028; };
  for (std::size_t index = 0; index < 3; ++index) {
    const std::size_t size = at(index), der = at(index) + 4;
    EXPECT_EQ(verdict_with([=](Area& a) { a[size + 2] = 1; }), IdentityVerdict::kWrongCertificate);  // 65536 more
    EXPECT_EQ(verdict_with([=](Area& a) { a[der] = 0x31; }), IdentityVerdict::kWrongCertificate);
    EXPECT_EQ(verdict_with([=](Area& a) { a[der + 3] ^= 1; }), IdentityVerdict::kWrongCertificate);
  }
  EXPECT_EQ(verdict_with([=](Area& a) { a[at(0) + 4 + 600] = 1; }), IdentityVerdict::kWrongCertificate);
  EXPECT_EQ(verdict_with([=](Area& a) { std::fill_n(a.begin() + static_cast<long>(at(2)), 4, std::uint8_t{0}); }),
            IdentityVerdict::kWrongCertificate);
}

TEST(Identity, EncodeRefusesWhatTheRomWouldRefuse) {
  Identity identity = good_identity();
  identity.uds.fill(0);
  EXPECT_EQ(encode_identity(identity).error(), base::Error::kInvalidArgument);
  identity = good_identity();
  identity.certificates[1].size = 1025;
  EXPECT_EQ(encode_identity(identity).error(), base::Error::kInvalidArgument);
  identity = good_identity();
  identity.device_id.fill('\0');
  EXPECT_EQ(encode_identity(identity).error(), base::Error::kInvalidArgument);
}

TEST(IdentityVerdicts, EachHasItsOwnText) {
  std::set<std::string_view> texts;
  for (int verdict = 0; verdict <= static_cast<int>(IdentityVerdict::kEmptySecret); ++verdict) {
    texts.insert(describe(static_cast<IdentityVerdict>(verdict)));
  }
  EXPECT_EQ(texts.size(), static_cast<std::size_t>(IdentityVerdict::kEmptySecret) + 1);
  EXPECT_FALSE(texts.contains("unknown"));
}

}  // namespace
}  // namespace rom
