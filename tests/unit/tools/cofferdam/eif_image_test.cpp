// Enclave images: what AWS's builder wrote is described as nitro-cli does, and what we build is what it would have
// written.
#include "tools/cofferdam/eif_image.hpp"

#include <algorithm>

#include "tests/unit/firmware/attestation/signers.hpp"
#include "tests/unit/tools/cofferdam/fixture_files.hpp"
#include "tools/cofferdam/chain.hpp"
#include "tools/cofferdam/eif_describe.hpp"

namespace {

using cofferdam::BadImage;
using cofferdam::Bytes;
using cofferdam::EifImage;
using cofferdam::EifPart;
using cofferdam::read_eif;
using enclave::EifArchitecture;
using enclave::EifSectionKind;
using test_data::fixture;

constexpr const char* kImages[] = {"a-unsigned-arm64-2rd", "b-signed-p384-arm64-2rd", "c-unsigned-x86-1rd",
                                   "d-unsigned-arm64-3rd"};
std::string image_path(const std::string& name) { return "eif/" + name + ".eif"; }

class AwsImages : public test_data::FixtureTest {};

TEST_F(AwsImages, MeasureAsTheirBuilderSays) {
  for (const std::string name : kImages) {
    SCOPED_TRACE(name);
    const EifImage image = read_eif(fixture(image_path(name)));
    EXPECT_TRUE(image.crc_good);
    const nlohmann::json expected = test_data::fixture_json("eif/" + name.substr(0, 1) + ".json");
    EXPECT_EQ(nlohmann::json(cofferdam::measurements_json(image)), expected);
  }
}

TEST_F(AwsImages, DescriptionHasNitroCliKeysInItsOrder) {
  const auto description = cofferdam::describe_eif(read_eif(fixture(image_path("b-signed-p384-arm64-2rd"))));
  EXPECT_TRUE(description.problems.empty());
  std::vector<std::string> keys;
  for (const auto& [key, value] : description.json.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"EifVersion", "Measurements", "IsSigned", "SigningCertificate", "CheckCRC",
                                            "SignatureCheck", "ImageName", "ImageVersion", "Metadata"}));
  EXPECT_EQ(description.json["EifVersion"], 4);
  EXPECT_EQ(description.json["Measurements"]["HashAlgorithm"], "Sha384 { ... }");
  EXPECT_EQ(description.json["IsSigned"], true);
  EXPECT_EQ(description.json["CheckCRC"], true);
  EXPECT_EQ(description.json["SignatureCheck"], true);
  const auto& certificate = description.json["SigningCertificate"];
  EXPECT_EQ(certificate["IssuerName"]["commonName"], "eif-fixture-P-384");
  EXPECT_EQ(certificate["IssuerName"]["stateOrProvinceName"], "WA");
  EXPECT_EQ(certificate["Algorithm"], "ecdsa-with-SHA384");
  EXPECT_EQ(certificate["NotBefore"].get<std::string>().size(), std::string("Nov 21 04:53:07 2026 GMT").size());
  EXPECT_TRUE(certificate["Signature"].get<std::string>().starts_with("30:6"));
  EXPECT_EQ(description.json["Metadata"]["BuildTool"], "eif_build");
  EXPECT_FALSE(description.json["Metadata"].contains("CustomMetadata"));
}

TEST_F(AwsImages, UnsignedOnesSayNothingOfASignature) {
  const auto description = cofferdam::describe_eif(read_eif(fixture(image_path("a-unsigned-arm64-2rd"))));
  EXPECT_EQ(description.json["IsSigned"], false);
  for (const char* key : {"SigningCertificate", "SignatureCheck"}) EXPECT_FALSE(description.json.contains(key));
  EXPECT_FALSE(description.json["Measurements"].contains("PCR8"));
}

// Taken apart and written again: the same bytes, also the signature section's.
TEST_F(AwsImages, AreWrittenAgainByteForByte) {
  for (const std::string name : kImages) {
    SCOPED_TRACE(name);
    const Bytes file = fixture(image_path(name));
    const EifImage image = read_eif(file);
    EXPECT_EQ(cofferdam::write_eif(image.layout.architecture, cofferdam::parts_of(image)), file);
    if (!image.layout.signature) continue;
    const auto section = image.section(*image.layout.signature);
    const auto signature = cofferdam::decode_signature_section(section);
    EXPECT_TRUE(cofferdam::equal(cofferdam::encode_signature_section(signature.certificate_pem, signature.object), section));
  }
}

TEST_F(AwsImages, AChangedByteIsSeen) {
  const Bytes file = fixture(image_path("b-signed-p384-arm64-2rd"));
  for (std::size_t i = 0; i < file.size(); i += 7) {
    Bytes changed = file;
    changed[i] ^= 0x20;
    try {
      EXPECT_FALSE(read_eif(changed).crc_good) << i;
    } catch (const BadImage&) {
    } catch (const cofferdam::Unreadable&) {
    }
  }
}

// The attacks that the checksum does not see, because the attacker writes it anew.
TEST_F(AwsImages, ASignatureCoversThisPcr0Only) {
  const EifImage image = read_eif(fixture(image_path("b-signed-p384-arm64-2rd")));
  std::vector<EifPart> parts = cofferdam::parts_of(image);
  for (EifPart& part : parts) {
    if (part.kind == EifSectionKind::kRamdisk) part.data[0] ^= 1;
  }
  const EifImage forged = read_eif(cofferdam::write_eif(EifArchitecture::kAarch64, parts));
  EXPECT_TRUE(forged.crc_good);
  const auto description = cofferdam::describe_eif(forged);
  EXPECT_EQ(description.json["SignatureCheck"], false);
  ASSERT_EQ(description.problems.size(), 1U);
  EXPECT_NE(description.problems[0].find("another PCR0"), std::string::npos);
}

TEST_F(AwsImages, EveryPartOfASignatureCounts) {
  const EifImage image = read_eif(fixture(image_path("b-signed-p384-arm64-2rd")));
  const auto signature = cofferdam::decode_signature_section(image.section(*image.layout.signature));
  ASSERT_EQ(cofferdam::check_signature(signature, image.measurement.pcr0), "");
  for (std::size_t i = 0; i < signature.object.size(); ++i) {
    if (i == 6) continue;  // the unprotected header
    auto changed = signature;
    changed.object[i] ^= 1;
    EXPECT_NE(cofferdam::check_signature(changed, image.measurement.pcr0), "") << i;
  }
  for (const char* other : {"eif/cert-P-256.pem", "eif/cert-P-521.pem"}) {
    auto changed = signature;
    changed.certificate = cofferdam::parse_signer(cofferdam::certificates_in(fixture(other)).front());
    EXPECT_NE(cofferdam::check_signature(changed, image.measurement.pcr0), "") << other;
  }
}

TEST_F(AwsImages, Pcr8IsTheCertificates) {
  const std::vector<std::pair<std::string, std::string>> expected{  // nitro-formats section 3.3
      {"P-256", "ce4853153842d7b1265ab353f140f67f75ce4a85802d201fc0285cc7858c28005296780df33f2ab580344d3c6b7efc47"},
      {"P-384", "b5d3a3775f15e283423c70c3d20abc97bb5e5fa02883f0b17c6edaad1a93dbf462b2ec38b0bce9b38afab10470b231f8"},
      {"P-521", "81d9fdc477c51d03f0d494e55abca875ba35b2a2cb80907c1ba7051497b8e76e3da07559f654a0c813ad139175958949"}};
  for (const auto& [curve, value] : expected) {
    const Bytes der = cofferdam::certificates_in(fixture("eif/cert-" + curve + ".pem")).front();
    EXPECT_EQ(cofferdam::to_hex(cofferdam::pcr8_of(der)), value);
    EXPECT_EQ(cofferdam::name_of(cofferdam::parse_signer(der).key.curve), curve);
  }
}

TEST(EifSignatureSection, TheCertificateMayBeOfVersion1OrIssuedByAnRsaAuthority) {
  const cofferdam::PrivateKey key(cofferdam::as_bytes(test_data::kSignerKey));
  const Bytes pcr0(48, 1);
  const struct {
    const char* pem;
    const char* algorithm;
    const char* issuer;
  } signers[] = {{test_data::kVersion1Signer, "ecdsa-with-SHA384", "C=US, ST=WA, O=Signer, CN=signer"},
                 {test_data::kRsaIssuedSigner, "sha256WithRSAEncryption", "CN=RSA authority"}};
  for (const auto& [pem, algorithm, issuer] : signers) {
    const Bytes section = cofferdam::sign_pcr0(pcr0, key, cofferdam::as_bytes(pem));
    const auto signature = cofferdam::decode_signature_section(section);
    EXPECT_EQ(cofferdam::check_signature(signature, pcr0), "");
    EXPECT_EQ(cofferdam::check_certificate_time(signature.certificate, 1'800'000'000), "");
    EXPECT_NE(cofferdam::check_certificate_time(signature.certificate, 1'700'000'000), "");
    EXPECT_EQ(cofferdam::format_time(signature.certificate.not_after).substr(0, 10), "2126-11-03");
    EXPECT_EQ(signature.certificate.signature_algorithm, algorithm);
    EXPECT_EQ(signature.certificate.issuer, issuer);
  }
}

TEST(EifSignatureSection, OnlyTheFirstElementCounts) {
  const cofferdam::PrivateKey key(cofferdam::as_bytes(test_data::kSignerKey));
  const Bytes pcr0(48, 1);
  Bytes both = cofferdam::sign_pcr0(pcr0, key, cofferdam::as_bytes(test_data::kVersion1Signer));
  const Bytes other = cofferdam::sign_pcr0(Bytes(48, 2), key, cofferdam::as_bytes(test_data::kRsaIssuedSigner));
  both[0] = 0x82;
  both.insert(both.end(), other.begin() + 1, other.end());
  EXPECT_EQ(cofferdam::check_signature(cofferdam::decode_signature_section(both), pcr0), "");
  both.pop_back();
  EXPECT_THROW((void)cofferdam::decode_signature_section(both), BadImage);
}

TEST(EifSignatureSection, MalformedOnesAreRefused) {
  cofferdam::Bytes section = cofferdam::encode_signature_section(cofferdam::as_bytes("no certificate"), Bytes{1});
  EXPECT_THROW((void)cofferdam::decode_signature_section(section), BadImage);
  for (const char* hex : {"", "80", "81", "81a0", "82a0a0", "81a27373696e676e696e675f636572746966696361746580", "f6",
                          "81a1697369676e617475726580"}) {
    EXPECT_THROW((void)cofferdam::decode_signature_section(*cofferdam::from_hex(hex)), BadImage) << hex;
  }
}

TEST(EifMetadataSection, IsAsAwsWritesIt) {
  const cofferdam::EifMetadata metadata{"fixture", "1.0", "2026-01-01T00:00:00+00:00", "eif_build", "0.3.1", "Linux", "6.1", nullptr};
  EXPECT_EQ(cofferdam::metadata_section(metadata),
            R"({"ImageName":"fixture","ImageVersion":"1.0","BuildMetadata":{"BuildTime":"2026-01-01T00:00:00+00:00",)"
            R"("BuildTool":"eif_build","BuildToolVersion":"0.3.1","OperatingSystem":"Linux","KernelVersion":"6.1"},)"
            R"("DockerInfo":null,"CustomMetadata":null})");
}

std::vector<EifPart> parts_with_metadata(const std::string& metadata) {
  return {{EifSectionKind::kKernel, {1}},
          {EifSectionKind::kCommandLine, {'c'}},
          {EifSectionKind::kMetadata, Bytes(metadata.begin(), metadata.end())},
          {EifSectionKind::kRamdisk, {2}}};
}

TEST(EifDescribe, CustomMetadataIsFlattened) {
  cofferdam::EifMetadata metadata{"n", "v", "t", "b", "bv", "os", "k", {{"z", 1}, {"a", "text"}}};
  const EifImage image =
      read_eif(cofferdam::write_eif(EifArchitecture::kAarch64, parts_with_metadata(cofferdam::metadata_section(metadata))));
  const auto json = cofferdam::describe_eif(image).json;
  EXPECT_EQ(json["Metadata"]["z"], 1);
  EXPECT_EQ(json["Metadata"]["a"], "text");
  EXPECT_EQ(json["ImageName"], "n");
}

TEST(EifDescribe, MetadataThatNitroCliCouldNotReadIsRefused) {
  for (const char* metadata : {"", "{", "[]", "{}", "\xff", R"({"ImageName": 1, "ImageVersion": "1", "BuildMetadata": {}})"}) {
    const EifImage image = read_eif(cofferdam::write_eif(EifArchitecture::kAarch64, parts_with_metadata(metadata)));
    EXPECT_THROW((void)cofferdam::describe_eif(image), BadImage) << metadata;
  }
}

TEST(EifWrite, RefusesWhatNoMonitorWouldTake) {
  auto parts = parts_with_metadata("{}");
  parts[0].data.clear();
  EXPECT_THROW((void)cofferdam::write_eif(EifArchitecture::kAarch64, parts), BadImage);
  parts = parts_with_metadata("{}");
  parts[1].data.assign(2048, 'c');
  EXPECT_THROW((void)cofferdam::write_eif(EifArchitecture::kAarch64, parts), BadImage);
  parts = parts_with_metadata("{}");
  parts.resize(33, {EifSectionKind::kRamdisk, {3}});
  EXPECT_THROW((void)cofferdam::write_eif(EifArchitecture::kAarch64, parts), BadImage);
}

TEST(EifRead, WhatIsNoImageIsUnreadable) {
  EXPECT_THROW((void)read_eif({}), cofferdam::Unreadable);
  EXPECT_THROW((void)read_eif(Bytes(1000, 0)), cofferdam::Unreadable);
  EXPECT_THROW((void)read_eif(Bytes{0x2e, 0x65, 0x69, 0x66}), cofferdam::Unreadable);
}

}  // namespace
