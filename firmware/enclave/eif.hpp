// What an enclave image file (EIF) consists of, and whether it has exactly one meaning.
//
// The format is AWS's (aws-nitro-enclaves-image-format README, "EIF Specification"): big-endian, a header of 548
// bytes, then sections of 12 header bytes and data. AWS's reader walks the sections in file order, other readers
// follow the header's table; a file on which the two differ would run as one thing and be measured as another.
// This parser therefore accepts only files whose table and whose section headers say the same, without gaps,
// overlaps or leftovers. It reads 548 bytes once and 12 bytes per section, never data: the data goes through
// EifMeasurer (eif_measure.hpp), which also checks the CRC.
//
// Versions: 2 is the first public one, 3 behaves the same way, 4 demands metadata, and no newer one is defined.
// Offsets and sizes are bytes of the file.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/fixed_list.hpp"

namespace enclave {

inline constexpr std::size_t kEifHeaderSize = 548;
inline constexpr std::size_t kEifSectionHeaderSize = 12;
inline constexpr std::size_t kEifCrcOffset = 0x220;  // the last 4 bytes of the header, outside the CRC
inline constexpr std::size_t kMaxEifSections = 32;
inline constexpr std::size_t kMaxEifRamdisks = 30;           // what is left beside a kernel and a command line
inline constexpr std::uint64_t kMaxEifSignature = 32768;     // the specification's bound
inline constexpr std::uint64_t kMaxEifCommandLine = 2047;    // arm64 Linux: COMMAND_LINE_SIZE 2048 with its NUL
inline constexpr std::uint64_t kMaxEifSize = 1ULL << 40;     // no sum of offsets can wrap below this

// Every reason to refuse an image. The number is the ABI: x1 beside the refusal. Extend at the end only.
enum class EifError : std::uint8_t {
  kNone = 0,
  kTruncatedHeader = 1,         // fewer than 548 bytes
  kBadMagic = 2,
  kUnsupportedVersion = 3,
  kWrongArchitecture = 4,
  kReservedFlags = 5,           // a header flag other than the architecture
  kBadSectionCount = 6,         // fewer than 3 or more than 32
  kFirstSectionMisplaced = 7,   // the first offset is not 548
  kSectionsNotContiguous = 8,   // an offset is not the end of the section before
  kTooLarge = 9,                // the sections reach past the bytes there are
  kTrailingBytes = 10,          // the bytes go on after the last section
  kTruncatedSection = 11,       // the source ends inside a section header
  kUnknownSectionType = 12,     // 0, or 6 and above
  kSectionFlags = 13,           // not zero
  kSectionSizeMismatch = 14,    // section header and table differ
  kDuplicateKernel = 15,
  kDuplicateCommandLine = 16,
  kDuplicateSignature = 17,
  kDuplicateMetadata = 18,
  kMissingKernel = 19,
  kMissingCommandLine = 20,
  kMissingRamdisk = 21,
  kMissingMetadata = 22,        // version 4 demands it
  kRamdiskBeforeKernel = 23,
  kEmptyKernel = 24,
  kCommandLineTooLong = 25,
  kSignatureTooLong = 26,
  kBadCrc = 27,
  kCommandLineContent = 28,     // a NUL inside: the guest would see less than was measured
  kUnreadable = 29,             // the source failed
  kSignatureMalformed = 30,     // the section or its certificate; beside kBadImage like all above
  kSignatureWrong = 31,         // beside kBadSignature
  kSignerNotValid = 32,         // at this time; beside kOutOfRange
};

// One sentence, for people.
[[nodiscard]] std::string_view describe(EifError error);

enum class EifArchitecture : std::uint8_t { kX86 = 0, kAarch64 = 1 };

enum class EifSectionKind : std::uint16_t { kKernel = 1, kCommandLine = 2, kRamdisk = 3, kSignature = 4, kMetadata = 5 };

struct EifSection {
  EifSectionKind kind{};
  std::uint64_t offset{};  // of the data, from the start of the file
  std::uint64_t size{};    // of the data
};

struct EifLayout {
  std::uint16_t version{};
  EifArchitecture architecture{};
  std::uint32_t crc{};                // as the header claims
  std::uint64_t total_size{};         // the end of the last section
  base::FixedList<EifSection, kMaxEifSections> sections;  // all, in file order
  EifSection kernel{};
  EifSection command_line{};
  base::FixedList<EifSection, kMaxEifRamdisks> ramdisks;  // in file order
  std::optional<EifSection> signature;
  std::optional<EifSection> metadata;
};

// How the caller knows where the image ends: a file ends where it ends, an image in memory where its table says.
enum class EifSizeRule : std::uint8_t { kExactly, kAtMost };

struct EifBounds {
  std::uint64_t size{};  // bytes that there are
  EifSizeRule rule{};
  std::optional<EifArchitecture> architecture{EifArchitecture::kAarch64};  // none: any
};

// The parser as three kinds of steps, so that a caller may stop between any two of them:
// header() once, section() for each of section_count() with the 12 bytes at next_offset(), finish() once.
// After a step that did not answer kNone the parser takes no further step.
class EifParser {
 public:
  [[nodiscard]] EifError header(base::Bytes header, const EifBounds& bounds);
  [[nodiscard]] std::size_t section_count() const { return count_; }
  [[nodiscard]] std::uint64_t next_offset() const { return offset_[layout_.sections.size()]; }  // of a section header
  [[nodiscard]] EifError section(base::Bytes section_header);
  [[nodiscard]] EifError finish() const;
  // Precondition: finish() answered kNone.
  [[nodiscard]] const EifLayout& layout() const { return layout_; }

 private:
  EifLayout layout_{};
  std::array<std::uint64_t, kMaxEifSections + 1> offset_{};
  std::array<std::uint64_t, kMaxEifSections> size_{};
  std::size_t count_{0};
};

// A source of bytes at any offset: fills `out` from `offset` on or fails.
template <typename Source>
concept EifSource = requires(Source& source, std::uint64_t offset, base::MutableBytes out) {
  { source.read(offset, out) } -> std::same_as<base::Status>;
};

struct [[nodiscard]] ParsedEif {
  EifError error{EifError::kNone};
  EifLayout layout{};  // meaningful when ok()
  [[nodiscard]] constexpr bool ok() const { return error == EifError::kNone; }
};

// All steps at once: at most 33 small reads.
template <EifSource Source>
[[nodiscard]] ParsedEif parse_eif(Source& source, const EifBounds& bounds) {
  ParsedEif parsed;
  std::array<std::uint8_t, kEifHeaderSize> header;
  if (bounds.size < kEifHeaderSize) {
    parsed.error = EifError::kTruncatedHeader;
    return parsed;
  }
  if (!source.read(0, header).ok()) {
    parsed.error = EifError::kUnreadable;
    return parsed;
  }
  EifParser parser;
  parsed.error = parser.header(header, bounds);
  if (!parsed.ok()) return parsed;
  for (std::size_t i = 0; i < parser.section_count(); ++i) {
    std::array<std::uint8_t, kEifSectionHeaderSize> section;
    if (!source.read(parser.next_offset(), section).ok()) {
      parsed.error = EifError::kUnreadable;
      return parsed;
    }
    parsed.error = parser.section(section);
    if (!parsed.ok()) return parsed;
  }
  parsed.error = parser.finish();
  if (parsed.ok()) parsed.layout = parser.layout();
  return parsed;
}

// The bytes as a source: for tools, tests, and an image that lies in one piece.
class EifBytes {
 public:
  explicit EifBytes(base::Bytes bytes) : bytes_(bytes) {}
  [[nodiscard]] base::Status read(std::uint64_t offset, base::MutableBytes out) const {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) return base::Error::kOutOfRange;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = bytes_[static_cast<std::size_t>(offset) + i];
    return {};
  }

 private:
  base::Bytes bytes_;
};

}  // namespace enclave
