// What an image measures to, against AWS's builder, against a second computation, and in pieces of any size.
#include "firmware/enclave/eif_measure.hpp"

#include <gtest/gtest.h>

#include "tests/unit/firmware/enclave/eif_builder.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using enclave::EifError;
using enclave::EifMeasurement;
using enclave::EifMeasurer;
using enclave::MeasuredEif;
using test_data::Image;
using test_data::image_of;
using test_data::section;
using test_data::to_hex;

enclave::EifLayout layout_of(const Image& image) {
  enclave::EifBytes source{image};
  const auto parsed = enclave::parse_eif(source, {image.size(), enclave::EifSizeRule::kExactly, std::nullopt});
  EXPECT_TRUE(parsed.ok()) << enclave::describe(parsed.error);
  return parsed.layout;
}

MeasuredEif measure(const Image& image, std::size_t piece) {
  EifMeasurer measurer(layout_of(image));
  for (std::size_t at = 0; at < image.size(); at += piece) {
    const EifError error = measurer.update(base::Bytes(image).subspan(at, std::min(piece, image.size() - at)));
    if (error != EifError::kNone) return {error, {}};
  }
  return measurer.finish();
}

crypto::Digest register_of(const std::string& content) {
  const crypto::Digest inner = crypto::sha384(test_data::bytes_of(content));
  crypto::Sha384 outer;
  outer.update(crypto::Digest{});
  outer.update(inner);
  return outer.finish();
}

void expect_registers(const std::vector<test_data::Section>& sections, const std::string& all, const std::string& boot,
                      const std::string& application) {
  const MeasuredEif measured = measure(image_of(sections), 1000);
  ASSERT_TRUE(measured.ok());
  EXPECT_EQ(measured.measurement.pcr0, register_of(all));
  EXPECT_EQ(measured.measurement.pcr1, register_of(boot));
  EXPECT_EQ(measured.measurement.pcr2, register_of(application));
  EXPECT_EQ(measured.measurement.image, crypto::sha384(test_data::bytes_of(all)));
  EXPECT_EQ(measured.measurement.boot, crypto::sha384(test_data::bytes_of(boot)));
  EXPECT_EQ(measured.measurement.application, crypto::sha384(test_data::bytes_of(application)));
}

TEST(Crc32, KnownAnswerAndPieces) {
  const auto digits = test_data::bytes_of("123456789");
  enclave::Crc32 whole;
  whole.update(digits);
  EXPECT_EQ(whole.value(), 0xCBF43926U);
  for (std::size_t cut = 0; cut <= digits.size(); ++cut) {
    enclave::Crc32 parts;
    parts.update(base::Bytes(digits).first(cut));
    parts.update(base::Bytes(digits).subspan(cut));
    EXPECT_EQ(parts.value(), 0xCBF43926U);
  }
  EXPECT_EQ(enclave::Crc32{}.value(), 0U);
}

TEST(EifMeasure, FollowsTheOrderOfTheFile) {
  using test_data::kCommandLine, test_data::kKernel, test_data::kMetadata, test_data::kRamdisk, test_data::kSignature;
  const auto metadata = section(kMetadata, "not measured");
  const auto signature = section(kSignature, "neither");
  expect_registers({section(kKernel, "K"), section(kCommandLine, "C"), metadata, section(kRamdisk, "1"),
                    section(kRamdisk, "2"), section(kRamdisk, "3"), signature},
                   "KC123", "KC1", "23");
  expect_registers({section(kCommandLine, "C"), section(kKernel, "K"), metadata, section(kRamdisk, "1")}, "CK1", "CK1", "");
  // A command line behind the second ramdisk still belongs to PCR1.
  expect_registers({section(kKernel, "K"), section(kRamdisk, "1"), section(kRamdisk, "2"), section(kCommandLine, "C"),
                    section(kRamdisk, "3"), metadata},
                   "K12C3", "K1C", "23");
  expect_registers({section(kKernel, "K"), section(kCommandLine, ""), metadata, section(kRamdisk, ""),
                    section(kRamdisk, "")},
                   "K", "K", "");
}

TEST(EifMeasure, PiecesOfAnySizeGiveTheSame) {
  auto sections = test_data::usual_sections();
  sections.push_back(section(test_data::kSignature, "signature"));
  const Image image = image_of(sections);
  const MeasuredEif whole = measure(image, image.size());
  ASSERT_TRUE(whole.ok());
  for (std::size_t piece = 1; piece < image.size(); ++piece) {
    const MeasuredEif measured = measure(image, piece);
    ASSERT_TRUE(measured.ok()) << piece;
    EXPECT_EQ(measured.measurement.pcr0, whole.measurement.pcr0);
    EXPECT_EQ(measured.measurement.pcr1, whole.measurement.pcr1);
    EXPECT_EQ(measured.measurement.pcr2, whole.measurement.pcr2);
  }
}

TEST(EifMeasure, EveryChangedByteBreaksTheChecksum) {
  const Image image = image_of(test_data::usual_sections());
  EifMeasurer honest(layout_of(image));
  for (std::size_t i = 0; i < image.size(); ++i) {
    Image changed = image;
    changed[i] ^= 0x10;
    EifMeasurer measurer(layout_of(image));  // the layout as it was: only the data is looked at
    ASSERT_EQ(measurer.update(changed), EifError::kNone);
    const bool checksum_itself = i >= enclave::kEifCrcOffset && i < enclave::kEifHeaderSize;
    EXPECT_EQ(measurer.finish().error, checksum_itself ? EifError::kNone : EifError::kBadCrc) << i;
  }
}

TEST(EifMeasure, SwappedRamdisksMeasureDifferently) {
  auto sections = test_data::usual_sections();
  const MeasuredEif one = measure(image_of(sections), 100);
  std::swap(sections[3], sections[4]);
  const MeasuredEif other = measure(image_of(sections), 100);
  EXPECT_NE(one.measurement.pcr0, other.measurement.pcr0);
  EXPECT_NE(one.measurement.pcr1, other.measurement.pcr1);
  EXPECT_NE(one.measurement.pcr2, other.measurement.pcr2);
}

TEST(EifMeasure, MoreOrFewerBytesThanTheLayoutAreRefused) {
  const Image image = image_of(test_data::usual_sections());
  EifMeasurer measurer(layout_of(image));
  ASSERT_EQ(measurer.update(base::Bytes(image).first(image.size() - 1)), EifError::kNone);
  EXPECT_EQ(measurer.finish().error, EifError::kTooLarge);
  const Image two(2, 0);
  EXPECT_EQ(measurer.update(two), EifError::kTrailingBytes);
  EXPECT_EQ(measurer.position(), image.size() - 1) << "a refusal changes nothing";
}

TEST(EifMeasure, ANulInTheCommandLineIsRefused) {
  auto sections = test_data::usual_sections();
  sections[1].data[3] = 0;
  EXPECT_EQ(measure(image_of(sections), 1000).error, EifError::kCommandLineContent);
  EXPECT_EQ(measure(image_of(sections), 1).error, EifError::kCommandLineContent);
}

// nitro-formats section 1.7: what PCR2 is where there is one ramdisk.
TEST(EifMeasure, NoApplicationIsTheKnownConstant) {
  auto sections = test_data::usual_sections();
  sections.pop_back();
  EXPECT_EQ(to_hex(measure(image_of(sections), 100).measurement.pcr2),
            "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a");
}

std::string value_of(const std::string& json, const std::string& key) {
  const std::size_t at = json.find("\"" + key + "\": \"");
  return at == std::string::npos ? "" : json.substr(at + key.size() + 5, 96);
}

TEST(EifMeasure, EqualsAwsBuilder) {
  for (const char* name : {"a-unsigned-arm64-2rd", "b-signed-p384-arm64-2rd", "c-unsigned-x86-1rd", "d-unsigned-arm64-3rd"}) {
    const std::string folder = std::string(COFFERDAM_FIXTURES) + "/eif/";
    const Image image = test_data::read_file(folder + name + ".eif");
    if (image.empty()) GTEST_SKIP() << "no fixtures in " << folder;
    const auto text = test_data::read_file(folder + name[0] + ".json");
    const std::string json(text.begin(), text.end());
    const MeasuredEif measured = measure(image, 777);
    ASSERT_TRUE(measured.ok());
    EXPECT_EQ(to_hex(measured.measurement.pcr0), value_of(json, "PCR0"));
    EXPECT_EQ(to_hex(measured.measurement.pcr1), value_of(json, "PCR1"));
    EXPECT_EQ(to_hex(measured.measurement.pcr2), value_of(json, "PCR2"));
  }
}

}  // namespace
