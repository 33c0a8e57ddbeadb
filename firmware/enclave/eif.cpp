#include "firmware/enclave/eif.hpp"

namespace enclave {
namespace {

constexpr std::uint32_t kMagic = 0x2e656966;  // ".eif"
constexpr std::uint16_t kOldestVersion = 2;
constexpr std::uint16_t kNewestVersion = 4;
constexpr std::uint16_t kFlagAarch64 = 1;
constexpr std::size_t kFewestSections = 3;  // kernel, command line, one ramdisk

// Precondition: the field lies inside `bytes`.
template <typename T>
T field(base::Bytes bytes, std::size_t offset) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>((std::uint64_t{value} << 8) | bytes[offset + i]);
  return value;
}

}  // namespace

EifError EifParser::header(base::Bytes header, const EifBounds& bounds) {
  if (header.size() < kEifHeaderSize || bounds.size < kEifHeaderSize) return EifError::kTruncatedHeader;
  if (field<std::uint32_t>(header, 0x000) != kMagic) return EifError::kBadMagic;
  layout_.version = field<std::uint16_t>(header, 0x004);
  if (layout_.version < kOldestVersion || layout_.version > kNewestVersion) return EifError::kUnsupportedVersion;
  const auto flags = field<std::uint16_t>(header, 0x006);
  if ((flags & ~kFlagAarch64) != 0) return EifError::kReservedFlags;
  layout_.architecture = flags == kFlagAarch64 ? EifArchitecture::kAarch64 : EifArchitecture::kX86;
  if (bounds.architecture && *bounds.architecture != layout_.architecture) return EifError::kWrongArchitecture;
  const auto count = field<std::uint16_t>(header, 0x01a);
  if (count < kFewestSections || count > kMaxEifSections) return EifError::kBadSectionCount;
  layout_.crc = field<std::uint32_t>(header, kEifCrcOffset);

  const std::uint64_t limit = bounds.size < kMaxEifSize ? bounds.size : kMaxEifSize;
  std::uint64_t end = kEifHeaderSize;
  for (std::size_t i = 0; i < count; ++i) {
    offset_[i] = field<std::uint64_t>(header, 0x01c + 8 * i);
    size_[i] = field<std::uint64_t>(header, 0x11c + 8 * i);
    if (offset_[i] != end) return i == 0 ? EifError::kFirstSectionMisplaced : EifError::kSectionsNotContiguous;
    if (limit - end < kEifSectionHeaderSize) return EifError::kTooLarge;  // end <= limit always holds here
    end += kEifSectionHeaderSize;
    if (size_[i] > limit - end) return EifError::kTooLarge;
    end += size_[i];
  }
  if (bounds.rule == EifSizeRule::kExactly && end != bounds.size) return EifError::kTrailingBytes;
  offset_[count] = end;
  layout_.total_size = end;
  count_ = count;
  return EifError::kNone;
}

EifError EifParser::section(base::Bytes section_header) {
  const std::size_t index = layout_.sections.size();
  if (section_header.size() < kEifSectionHeaderSize || index >= count_) return EifError::kTruncatedSection;
  const auto type = field<std::uint16_t>(section_header, 0);
  if (type < 1 || type > 5) return EifError::kUnknownSectionType;
  if (field<std::uint16_t>(section_header, 2) != 0) return EifError::kSectionFlags;
  if (field<std::uint64_t>(section_header, 4) != size_[index]) return EifError::kSectionSizeMismatch;
  const EifSection section{static_cast<EifSectionKind>(type), offset_[index] + kEifSectionHeaderSize, size_[index]};
  // A section of size 0 has no offset of its own, so presence is the offset, which is never 0.
  switch (section.kind) {
    case EifSectionKind::kKernel:
      if (layout_.kernel.offset != 0) return EifError::kDuplicateKernel;
      if (section.size == 0) return EifError::kEmptyKernel;
      layout_.kernel = section;
      break;
    case EifSectionKind::kCommandLine:
      if (layout_.command_line.offset != 0) return EifError::kDuplicateCommandLine;
      if (section.size > kMaxEifCommandLine) return EifError::kCommandLineTooLong;
      layout_.command_line = section;
      break;
    case EifSectionKind::kRamdisk:
      if (layout_.kernel.offset == 0) return EifError::kRamdiskBeforeKernel;
      // Full only when kernel or command line is missing: 32 sections hold no 31 ramdisks beside both.
      if (!layout_.ramdisks.push(section).ok()) return EifError::kMissingCommandLine;
      break;
    case EifSectionKind::kSignature:
      if (layout_.signature) return EifError::kDuplicateSignature;
      if (section.size > kMaxEifSignature) return EifError::kSignatureTooLong;
      layout_.signature = section;
      break;
    case EifSectionKind::kMetadata:
      if (layout_.metadata) return EifError::kDuplicateMetadata;
      layout_.metadata = section;
      break;
  }
  // index < count_ <= capacity, so there is room.
  return layout_.sections.push(section).ok() ? EifError::kNone : EifError::kBadSectionCount;
}

EifError EifParser::finish() const {
  if (count_ == 0 || layout_.sections.size() != count_) return EifError::kTruncatedSection;
  if (layout_.kernel.offset == 0) return EifError::kMissingKernel;
  if (layout_.command_line.offset == 0) return EifError::kMissingCommandLine;
  if (layout_.ramdisks.empty()) return EifError::kMissingRamdisk;
  if (layout_.version >= 4 && !layout_.metadata) return EifError::kMissingMetadata;
  return EifError::kNone;
}

std::string_view describe(EifError error) {
  switch (error) {
    case EifError::kNone: return "the image is well formed";
    case EifError::kTruncatedHeader: return "the image is shorter than its header of 548 bytes";
    case EifError::kBadMagic: return "the image does not begin with \".eif\"";
    case EifError::kUnsupportedVersion: return "the image's version is not 2, 3 or 4";
    case EifError::kWrongArchitecture: return "the image is for another processor architecture";
    case EifError::kReservedFlags: return "the header has flags beside the architecture";
    case EifError::kBadSectionCount: return "the header counts fewer than 3 or more than 32 sections";
    case EifError::kFirstSectionMisplaced: return "the first section does not follow the header at once";
    case EifError::kSectionsNotContiguous: return "the section table leaves a gap, overlaps or is out of order";
    case EifError::kTooLarge: return "the sections reach past the end of the image";
    case EifError::kTrailingBytes: return "bytes follow after the last section";
    case EifError::kTruncatedSection: return "the image ends inside a section header";
    case EifError::kUnknownSectionType: return "a section has an unknown type";
    case EifError::kSectionFlags: return "a section has flags";
    case EifError::kSectionSizeMismatch: return "a section's own size differs from the section table";
    case EifError::kDuplicateKernel: return "there is more than one kernel";
    case EifError::kDuplicateCommandLine: return "there is more than one command line";
    case EifError::kDuplicateSignature: return "there is more than one signature section";
    case EifError::kDuplicateMetadata: return "there is more than one metadata section";
    case EifError::kMissingKernel: return "there is no kernel";
    case EifError::kMissingCommandLine: return "there is no command line";
    case EifError::kMissingRamdisk: return "there is no ramdisk";
    case EifError::kMissingMetadata: return "there is no metadata section, which version 4 demands";
    case EifError::kRamdiskBeforeKernel: return "a ramdisk stands before the kernel";
    case EifError::kEmptyKernel: return "the kernel is empty";
    case EifError::kCommandLineTooLong: return "the command line is longer than 2047 bytes";
    case EifError::kSignatureTooLong: return "the signature section is longer than 32768 bytes";
    case EifError::kBadCrc: return "the checksum does not match: the image is damaged";
    case EifError::kCommandLineContent: return "the command line holds a NUL byte";
    case EifError::kUnreadable: return "the image can't be read";
    case EifError::kSignatureMalformed: return "the signature section or its certificate is malformed";
    case EifError::kSignatureWrong: return "the signature is not by the certificate's key over this image";
    case EifError::kSignerNotValid: return "the signing certificate is not valid at this time";
  }
  return "unknown error";
}

}  // namespace enclave
