// The ROM's checks of a manifest: each one refuses what it is for, and nothing else is accepted.
#include "firmware/rom/manifest_check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "firmware/crypto/ecdsa_p384.hpp"
#include "firmware/crypto/sha384.hpp"
#include "tests/unit/firmware/filled_digest.hpp"

namespace rom {
namespace {

using measure::Manifest;
using test_data::key_of;

const crypto::P384KeyPair& signer() {
  static const crypto::P384KeyPair key = key_of(1);
  return key;
}

const std::vector<std::uint8_t>& image() {
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> content(4096);
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<std::uint8_t>(i * 7);
    return content;
  }();
  return bytes;
}

ManifestPolicy policy() {
  return {.load_address = 0x40200000,
          .max_image_size = 0x10000,
          .minimum_security_version = 3,
          .signer_digest = crypto::sha384(signer().public_key())};
}

Manifest good_manifest() {
  Manifest manifest{};
  manifest.magic = measure::kManifestMagic;
  manifest.version = measure::kManifestVersion;
  manifest.security_version = 3;
  manifest.image_size = image().size();
  manifest.load_address = 0x40200000;
  manifest.entry = 0x40200000;
  manifest.image_digest = crypto::sha384(image());
  manifest.board_digest.fill(9);
  constexpr std::string_view kName = "a monitor";
  std::copy(kName.begin(), kName.end(), manifest.name.begin());
  return manifest;
}

using Page = std::vector<std::uint8_t>;

Page page_of(Manifest manifest, const crypto::P384KeyPair& key = signer()) {
  manifest.signer = key.public_key();
  manifest.signature = key.sign(signed_digest(manifest)).value();
  Page page(kManifestPageSize);
  std::memcpy(page.data(), &manifest, sizeof manifest);
  return page;
}

ManifestVerdict verdict_of(const Page& page) { return check_manifest(page, policy()).verdict; }
// Signed like the good one, but for one change.
ManifestVerdict verdict_with(const std::function<void(Manifest&)>& change) {
  Manifest manifest = good_manifest();
  change(manifest);
  return verdict_of(page_of(manifest));
}

TEST(ManifestCheck, AcceptsAWellSignedManifest) {
  const CheckedManifest checked = check_manifest(page_of(good_manifest()), policy());
  EXPECT_EQ(checked.verdict, ManifestVerdict::kAccepted);
  EXPECT_EQ(checked.manifest.image_size, image().size());
  EXPECT_EQ(checked.manifest.entry, 0x40200000u);
}

TEST(ManifestCheck, EachFieldHasItsOwnVerdictEvenWhenSigned) {
  EXPECT_EQ(verdict_with([](Manifest& m) { m.magic ^= 1; }), ManifestVerdict::kWrongMagic);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.version = 2; }), ManifestVerdict::kWrongVersion);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.version = 0; }), ManifestVerdict::kWrongVersion);
  for (std::size_t i = 0; i < Manifest{}.reserved.size(); ++i) {
    EXPECT_EQ(verdict_with([i](Manifest& m) { m.reserved[i] = 1; }), ManifestVerdict::kReservedNotZero);
  }
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{4088}, std::uint64_t{4097}, std::uint64_t{0x10010},
                                   ~std::uint64_t{0}, ~std::uint64_t{15}, std::uint64_t{1} << 63}) {
    EXPECT_EQ(verdict_with([size](Manifest& m) { m.image_size = size; }), ManifestVerdict::kWrongImageSize) << size;
  }
  for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{0x40200010}, std::uint64_t{0x80200000},
                                      std::uint64_t{0x0e001000}, ~std::uint64_t{0}}) {
    EXPECT_EQ(verdict_with([address](Manifest& m) { m.load_address = address; }), ManifestVerdict::kWrongLoadAddress);
  }
  for (const std::uint64_t entry : {std::uint64_t{0}, std::uint64_t{0x401ffffc}, std::uint64_t{0x40201000},
                                    std::uint64_t{0x40200002}, ~std::uint64_t{3}}) {
    EXPECT_EQ(verdict_with([entry](Manifest& m) { m.entry = entry; }), ManifestVerdict::kWrongEntry) << entry;
  }
  EXPECT_EQ(verdict_with([](Manifest& m) { m.name[0] = '\x1b'; }), ManifestVerdict::kWrongName);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.name[31] = 'x'; }), ManifestVerdict::kWrongName);
}

TEST(ManifestCheck, TheBoundsThemselvesAreAccepted) {
  EXPECT_EQ(verdict_with([](Manifest& m) { m.image_size = 0x10000; }), ManifestVerdict::kAccepted);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.image_size = 16; }), ManifestVerdict::kAccepted);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.entry = 0x40200ffc; }), ManifestVerdict::kAccepted);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.name.fill('x'); }), ManifestVerdict::kAccepted);
}

TEST(ManifestCheck, RefusesEveryTruncation) {
  const Page page = page_of(good_manifest());
  for (std::size_t size = 0; size < page.size(); ++size) {
    EXPECT_EQ(check_manifest(base::Bytes{page}.first(size), policy()).verdict, ManifestVerdict::kTooShort);
  }
}

TEST(ManifestCheck, RefusesARollbackAndTakesTheMinimumAndWhatIsNewer) {
  EXPECT_EQ(verdict_with([](Manifest& m) { m.security_version = 0; }), ManifestVerdict::kRolledBack);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.security_version = 2; }), ManifestVerdict::kRolledBack);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.security_version = 3; }), ManifestVerdict::kAccepted);
  EXPECT_EQ(verdict_with([](Manifest& m) { m.security_version = 0xffffffff; }), ManifestVerdict::kAccepted);
}

TEST(ManifestCheck, ARaisedVersionNumberWithoutASignatureIsNoUpgrade) {
  Manifest old = good_manifest();
  old.security_version = 2;
  Page page = page_of(old);
  page[offsetof(Manifest, security_version)] = 3;
  EXPECT_EQ(verdict_of(page), ManifestVerdict::kWrongSignature);
}

TEST(ManifestCheck, RefusesAnotherSigner) {
  EXPECT_EQ(verdict_of(page_of(good_manifest(), key_of(2))), ManifestVerdict::kWrongSigner);
}

TEST(ManifestCheck, RefusesTheTrustedSignersKeyWithAnothersSignature) {
  Manifest manifest = good_manifest();
  manifest.signer = signer().public_key();
  manifest.signature = key_of(2).sign(signed_digest(manifest)).value();
  Page page(kManifestPageSize);
  std::memcpy(page.data(), &manifest, sizeof manifest);
  EXPECT_EQ(verdict_of(page), ManifestVerdict::kWrongSignature);
}

TEST(ManifestCheck, RefusesDegenerateSignatures) {
  for (const std::uint8_t fill : {std::uint8_t{0}, std::uint8_t{0xff}}) {
    Page page = page_of(good_manifest());
    std::fill_n(page.begin() + offsetof(Manifest, signature), 96, fill);
    EXPECT_EQ(verdict_of(page), ManifestVerdict::kWrongSignature);
  }
}

// One bit of every byte that is signed or is the signature; every bit of the rest of the page.
TEST(ManifestCheck, NoAlteredBitIsAccepted) {
  const Page good = page_of(good_manifest());
  for (std::size_t byte = 0; byte < good.size(); ++byte) {
    const unsigned bits = byte < sizeof(Manifest) ? 1 : 8;
    for (unsigned i = 0; i < bits; ++i) {
      Page page = good;
      page[byte] = static_cast<std::uint8_t>(page[byte] ^ (1u << ((byte + i) % 8)));
      const CheckedManifest checked = check_manifest(page, policy());
      ASSERT_NE(checked.verdict, ManifestVerdict::kAccepted) << "byte " << byte;
      ASSERT_EQ(checked.manifest.magic, 0u) << "a refused manifest leaves nothing";
    }
  }
}

TEST(ManifestCheck, BytesBehindTheFieldsAreZero) {
  Page page = page_of(good_manifest());
  page[sizeof(Manifest)] = 1;
  EXPECT_EQ(verdict_of(page), ManifestVerdict::kReservedNotZero);
  page = page_of(good_manifest());
  page[kManifestPageSize - 1] = 1;
  EXPECT_EQ(verdict_of(page), ManifestVerdict::kReservedNotZero);
}

TEST(ImageCheck, TakesTheImageThatWasSignedAndNoOther) {
  const Manifest manifest = good_manifest();
  EXPECT_EQ(check_image(manifest, image()), ManifestVerdict::kAccepted);
  std::vector<std::uint8_t> altered = image();
  altered[4095] ^= 1;
  EXPECT_EQ(check_image(manifest, altered), ManifestVerdict::kWrongImage);
  EXPECT_EQ(check_image(manifest, base::Bytes{image()}.first(4080)), ManifestVerdict::kWrongImage);
  EXPECT_EQ(check_image(manifest, {}), ManifestVerdict::kWrongImage);
  Manifest longer = manifest;  // the digest fits the bytes, the size does not
  longer.image_size += 16;
  EXPECT_EQ(check_image(longer, image()), ManifestVerdict::kWrongImage);
}

TEST(ManifestVerdicts, EachHasItsOwnText) {
  std::set<std::string_view> texts;
  for (int verdict = 0; verdict <= static_cast<int>(ManifestVerdict::kWrongImage); ++verdict) {
    texts.insert(describe(static_cast<ManifestVerdict>(verdict)));
  }
  EXPECT_EQ(texts.size(), static_cast<std::size_t>(ManifestVerdict::kWrongImage) + 1);
  EXPECT_FALSE(texts.contains("unknown"));
}

}  // namespace
}  // namespace rom
