// The parser takes what has one meaning and nothing else: one image for each reason to refuse.
#include "firmware/enclave/eif.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/firmware/enclave/eif_builder.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using enclave::EifArchitecture;
using enclave::EifBounds;
using enclave::EifBytes;
using enclave::EifError;
using enclave::EifSizeRule;
using enclave::ParsedEif;
using test_data::Image;
using test_data::image_of;
using test_data::put_big_endian;
using test_data::section;
using test_data::usual_sections;

ParsedEif parse(const Image& image, EifSizeRule rule = EifSizeRule::kExactly) {
  EifBytes source{image};
  return enclave::parse_eif(source, EifBounds{image.size(), rule});
}
EifError error_of(const Image& image) { return parse(image).error; }

TEST(Eif, AnHonestImageIsLaidOutAsItIs) {
  const Image image = image_of(usual_sections());
  const ParsedEif parsed = parse(image);
  ASSERT_TRUE(parsed.ok()) << enclave::describe(parsed.error);
  EXPECT_EQ(parsed.layout.version, 4);
  EXPECT_EQ(parsed.layout.architecture, EifArchitecture::kAarch64);
  EXPECT_EQ(parsed.layout.total_size, image.size());
  EXPECT_EQ(parsed.layout.sections.size(), 5U);
  EXPECT_EQ(parsed.layout.kernel.offset, 560U);
  EXPECT_EQ(parsed.layout.kernel.size, 6U);
  EXPECT_EQ(parsed.layout.command_line.size, 13U);
  ASSERT_EQ(parsed.layout.ramdisks.size(), 2U);
  EXPECT_EQ(parsed.layout.ramdisks[1].offset + parsed.layout.ramdisks[1].size, image.size());
  EXPECT_TRUE(parsed.layout.metadata);
  EXPECT_FALSE(parsed.layout.signature);
}

TEST(Eif, SectionsMayComeInAnotherOrder) {
  using test_data::kCommandLine, test_data::kKernel, test_data::kMetadata, test_data::kRamdisk, test_data::kSignature;
  EXPECT_TRUE(parse(image_of({section(kMetadata, "{}"), section(kSignature, "s"), section(kCommandLine, "c"),
                              section(kKernel, "k"), section(kRamdisk, "r")})).ok());
  EXPECT_TRUE(parse(image_of({section(kKernel, "k"), section(kRamdisk, "r"), section(kCommandLine, "c"),
                              section(kRamdisk, "r"), section(kMetadata, "{}")})).ok());
}

TEST(Eif, VersionsFrom2OnAreTakenAndOnly4DemandsMetadata) {
  for (std::uint16_t version = 2; version <= 4; ++version) {
    Image image = image_of(usual_sections());
    put_big_endian(image, 4, version);
    EXPECT_TRUE(parse(image).ok()) << version;
    using test_data::kCommandLine, test_data::kKernel, test_data::kRamdisk;
    Image bare = image_of({section(kKernel, "k"), section(kCommandLine, "c"), section(kRamdisk, "r")});
    put_big_endian(bare, 4, version);
    EXPECT_EQ(error_of(bare), version == 4 ? EifError::kMissingMetadata : EifError::kNone) << version;
  }
}

TEST(Eif, InMemoryTheImageEndsWhereItsTableSays) {
  Image image = image_of(usual_sections());
  const std::size_t size = image.size();
  image.resize(size + 5000, 0);
  EXPECT_EQ(parse(image).error, EifError::kTrailingBytes);
  const ParsedEif parsed = parse(image, EifSizeRule::kAtMost);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.layout.total_size, size);
}

// Each reason by one change of an honest image.
struct Breach {
  const char* what;
  EifError error;
  void (*change)(Image&);
};
class EifBreach : public testing::TestWithParam<Breach> {};

TEST_P(EifBreach, IsRefused) {
  Image image = image_of(usual_sections());
  GetParam().change(image);
  EXPECT_EQ(error_of(image), GetParam().error) << GetParam().what;
}

constexpr std::size_t kFirstSection = 548;
const Breach kBreaches[] = {
    {"magic", EifError::kBadMagic, [](Image& i) { i[0] = 'X'; }},
    {"version 1", EifError::kUnsupportedVersion, [](Image& i) { put_big_endian(i, 4, std::uint16_t{1}); }},
    {"version 5", EifError::kUnsupportedVersion, [](Image& i) { put_big_endian(i, 4, std::uint16_t{5}); }},
    {"x86", EifError::kWrongArchitecture, [](Image& i) { put_big_endian(i, 6, std::uint16_t{0}); }},
    {"a second flag", EifError::kReservedFlags, [](Image& i) { put_big_endian(i, 6, std::uint16_t{3}); }},
    {"the highest flag", EifError::kReservedFlags, [](Image& i) { put_big_endian(i, 6, std::uint16_t{0x8001}); }},
    {"no section", EifError::kBadSectionCount, [](Image& i) { put_big_endian(i, 0x1a, std::uint16_t{0}); }},
    {"two sections", EifError::kBadSectionCount, [](Image& i) { put_big_endian(i, 0x1a, std::uint16_t{2}); }},
    {"33 sections", EifError::kBadSectionCount, [](Image& i) { put_big_endian(i, 0x1a, std::uint16_t{33}); }},
    {"65535 sections", EifError::kBadSectionCount, [](Image& i) { put_big_endian(i, 0x1a, std::uint16_t{0xffff}); }},
    {"a section not counted", EifError::kTrailingBytes, [](Image& i) { put_big_endian(i, 0x1a, std::uint16_t{4}); }},
    {"a section too many", EifError::kSectionsNotContiguous, [](Image& i) { put_big_endian(i, 0x1a, std::uint16_t{6}); }},
    {"first offset", EifError::kFirstSectionMisplaced,
     [](Image& i) { put_big_endian(i, test_data::offset_field(0), std::uint64_t{549}); }},
    {"first offset 0", EifError::kFirstSectionMisplaced,
     [](Image& i) { put_big_endian(i, test_data::offset_field(0), std::uint64_t{0}); }},
    {"a gap", EifError::kSectionsNotContiguous, [](Image& i) { i[test_data::offset_field(1) + 7] += 1; }},
    {"an overlap", EifError::kSectionsNotContiguous,
     [](Image& i) { put_big_endian(i, test_data::offset_field(1), std::uint64_t{kFirstSection}); }},
    {"permuted offsets", EifError::kSectionsNotContiguous,
     [](Image& i) { std::swap_ranges(&i[test_data::offset_field(3)], &i[test_data::offset_field(4)], &i[test_data::offset_field(4)]); }},
    {"a size that wraps", EifError::kTooLarge,
     [](Image& i) { put_big_endian(i, test_data::size_field(0), ~std::uint64_t{0}); }},
    {"a size that wraps to the next offset", EifError::kTooLarge,
     [](Image& i) { put_big_endian(i, test_data::size_field(0), ~std::uint64_t{0} - 11); }},
    {"a size past the end", EifError::kTooLarge,
     [](Image& i) { put_big_endian(i, test_data::size_field(4), std::uint64_t{12}); }},
    {"a size in the table alone", EifError::kSectionsNotContiguous, [](Image& i) { i[test_data::size_field(0) + 7] -= 1; }},
    {"a size in the section alone", EifError::kSectionSizeMismatch, [](Image& i) { i[kFirstSection + 11] += 1; }},
    {"section flags", EifError::kSectionFlags, [](Image& i) { i[kFirstSection + 3] = 1; }},
    {"type 0", EifError::kUnknownSectionType, [](Image& i) { i[kFirstSection + 1] = 0; }},
    {"type 6", EifError::kUnknownSectionType, [](Image& i) { i[kFirstSection + 1] = 6; }},
    {"type 257", EifError::kUnknownSectionType, [](Image& i) { i[kFirstSection] = 1; }},
    {"one byte too few", EifError::kTooLarge, [](Image& i) { i.pop_back(); }},
    {"one byte too many", EifError::kTrailingBytes, [](Image& i) { i.push_back(0); }},
    {"half a header", EifError::kTruncatedHeader, [](Image& i) { i.resize(547); }},
    {"nothing", EifError::kTruncatedHeader, [](Image& i) { i.clear(); }},
    {"the header alone", EifError::kTooLarge, [](Image& i) { i.resize(548); }},
};
INSTANTIATE_TEST_SUITE_P(Each, EifBreach, testing::ValuesIn(kBreaches));

TEST(Eif, TheRightSectionsInTheRightNumber) {
  using test_data::kCommandLine, test_data::kKernel, test_data::kMetadata, test_data::kRamdisk, test_data::kSignature;
  const auto kernel = section(kKernel, "k");
  const auto line = section(kCommandLine, "c");
  const auto metadata = section(kMetadata, "{}");
  const auto ramdisk = section(kRamdisk, "r");
  const auto signature = section(kSignature, "s");
  EXPECT_EQ(error_of(image_of({kernel, kernel, line, metadata, ramdisk})), EifError::kDuplicateKernel);
  EXPECT_EQ(error_of(image_of({kernel, line, line, metadata, ramdisk})), EifError::kDuplicateCommandLine);
  EXPECT_EQ(error_of(image_of({kernel, line, metadata, metadata, ramdisk})), EifError::kDuplicateMetadata);
  EXPECT_EQ(error_of(image_of({kernel, line, metadata, ramdisk, signature, signature})), EifError::kDuplicateSignature);
  EXPECT_EQ(error_of(image_of({line, metadata, signature})), EifError::kMissingKernel);
  EXPECT_EQ(error_of(image_of({kernel, metadata, ramdisk})), EifError::kMissingCommandLine);
  EXPECT_EQ(error_of(image_of({kernel, line, metadata})), EifError::kMissingRamdisk);
  EXPECT_EQ(error_of(image_of({kernel, line, ramdisk})), EifError::kMissingMetadata);
  EXPECT_EQ(error_of(image_of({ramdisk, kernel, line, metadata})), EifError::kRamdiskBeforeKernel);
  EXPECT_EQ(error_of(image_of({section(kKernel, ""), line, metadata, ramdisk})), EifError::kEmptyKernel);
  EXPECT_EQ(error_of(image_of({kernel, section(kCommandLine, ""), metadata, section(kRamdisk, "")})), EifError::kNone);
}

TEST(Eif, Version3NeedsNoMetadata) {
  Image image = image_of({section(test_data::kKernel, "k"), section(test_data::kCommandLine, "c"),
                          section(test_data::kRamdisk, "r")});
  put_big_endian(image, 4, std::uint16_t{3});
  EXPECT_EQ(error_of(image), EifError::kNone);
}

TEST(Eif, BoundsOfTheParts) {
  auto sections = usual_sections();
  sections[1].data.assign(enclave::kMaxEifCommandLine, 'c');
  EXPECT_EQ(error_of(image_of(sections)), EifError::kNone);
  sections[1].data.push_back('c');
  EXPECT_EQ(error_of(image_of(sections)), EifError::kCommandLineTooLong);
  sections = usual_sections();
  sections.push_back({test_data::kSignature, std::vector<std::uint8_t>(enclave::kMaxEifSignature, 0)});
  EXPECT_EQ(error_of(image_of(sections)), EifError::kNone);
  sections.back().data.push_back(0);
  EXPECT_EQ(error_of(image_of(sections)), EifError::kSignatureTooLong);
}

TEST(Eif, AsManySectionsAsTheTableHolds) {
  auto sections = usual_sections();
  while (sections.size() < enclave::kMaxEifSections) sections.push_back(section(test_data::kRamdisk, "more"));
  const ParsedEif parsed = parse(image_of(sections));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.layout.ramdisks.size(), 29U);
  std::vector<test_data::Section> ramdisks{section(test_data::kKernel, "k")};
  while (ramdisks.size() < enclave::kMaxEifSections) ramdisks.push_back(section(test_data::kRamdisk, "r"));
  EXPECT_EQ(error_of(image_of(ramdisks)), EifError::kMissingCommandLine);
}

TEST(Eif, AnyArchitectureWhereTheCallerDoesNotMind) {
  Image image = image_of(usual_sections());
  put_big_endian(image, 6, std::uint16_t{0});
  EifBytes source{image};
  const ParsedEif parsed = enclave::parse_eif(source, {image.size(), EifSizeRule::kExactly, std::nullopt});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.layout.architecture, EifArchitecture::kX86);
}

TEST(Eif, ASourceThatFailsIsAnError) {
  struct Failing {
    int reads_left;
    EifBytes inner;
    base::Status read(std::uint64_t offset, base::MutableBytes out) {
      if (reads_left-- == 0) return base::Error::kNotOwned;
      return inner.read(offset, out);
    }
  };
  const Image image = image_of(usual_sections());
  for (int reads = 0; reads < 6; ++reads) {
    Failing source{reads, EifBytes{image}};
    EXPECT_EQ(enclave::parse_eif(source, EifBounds{image.size(), EifSizeRule::kExactly}).error, EifError::kUnreadable);
  }
}

TEST(Eif, StepsOutOfOrderAreRefused) {
  enclave::EifParser parser;
  EXPECT_EQ(parser.finish(), EifError::kTruncatedSection);
  EXPECT_EQ(parser.section(std::vector<std::uint8_t>(12)), EifError::kTruncatedSection);
  const Image image = image_of(usual_sections());
  ASSERT_EQ(parser.header(image, {image.size(), EifSizeRule::kExactly}), EifError::kNone);
  EXPECT_EQ(parser.finish(), EifError::kTruncatedSection) << "no section was shown yet";
  EXPECT_EQ(parser.section(std::vector<std::uint8_t>(11)), EifError::kTruncatedSection);
}

TEST(Eif, EveryReasonHasItsOwnWords) {
  std::set<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(EifError::kUnreadable); ++i) {
    words.insert(enclave::describe(static_cast<EifError>(i)));
  }
  EXPECT_EQ(words.size(), static_cast<std::size_t>(EifError::kUnreadable) + 1);
  EXPECT_FALSE(words.contains("unknown error"));
}

TEST(Eif, ImagesOfAwsBuilder) {
  for (const char* name : {"a-unsigned-arm64-2rd", "b-signed-p384-arm64-2rd", "c-unsigned-x86-1rd", "d-unsigned-arm64-3rd"}) {
    const Image image = test_data::read_file(std::string(COFFERDAM_FIXTURES) + "/eif/" + name + ".eif");
    if (image.empty()) GTEST_SKIP() << "no fixtures in " << COFFERDAM_FIXTURES;
    EXPECT_EQ(error_of(image), std::string_view(name).starts_with("c") ? EifError::kWrongArchitecture : EifError::kNone);
  }
}

}  // namespace
