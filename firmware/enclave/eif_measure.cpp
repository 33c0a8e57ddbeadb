#include "firmware/enclave/eif_measure.hpp"

#include <algorithm>

namespace enclave {
namespace {

// PCR := H(PCR || content), from an all-zero PCR.
measure::Digest extended_from_zero(const measure::Digest& content) {
  const measure::Digest zero{};
  crypto::Sha384 hash;
  hash.update(zero);
  hash.update(content);
  return hash.finish();
}

}  // namespace

EifError EifMeasurer::measure(const EifSection& section, base::Bytes bytes) {
  switch (section.kind) {
    case EifSectionKind::kCommandLine:
      if (std::find(bytes.begin(), bytes.end(), std::uint8_t{0}) != bytes.end()) return EifError::kCommandLineContent;
      [[fallthrough]];
    case EifSectionKind::kKernel:
      all_.update(bytes);
      if (split_) boot_.update(bytes);
      return EifError::kNone;
    case EifSectionKind::kRamdisk: {
      const bool first = section.offset == layout_.ramdisks[0].offset;
      if (!first && !split_) {
        boot_ = all_;
        split_ = true;
      }
      all_.update(bytes);
      if (!first) application_.update(bytes);
      return EifError::kNone;
    }
    case EifSectionKind::kSignature:
    case EifSectionKind::kMetadata: return EifError::kNone;
  }
  return EifError::kUnknownSectionType;  // not reached: the layout holds only what the parser took
}

EifError EifMeasurer::update(base::Bytes bytes) {
  if (bytes.size() > layout_.total_size - position_) return EifError::kTrailingBytes;
  while (!bytes.empty()) {
    // The piece up to the next boundary: the CRC field, a section header's end, a section's end.
    std::uint64_t boundary = 0;
    bool data = false;
    bool summed = true;
    if (position_ < kEifCrcOffset) {
      boundary = kEifCrcOffset;
    } else if (position_ < kEifHeaderSize) {
      boundary = kEifHeaderSize;
      summed = false;
    } else {
      while (layout_.sections[section_].offset + layout_.sections[section_].size <= position_) ++section_;
      const EifSection& section = layout_.sections[section_];
      data = position_ >= section.offset;
      boundary = data ? section.offset + section.size : section.offset;
    }
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(boundary - position_, bytes.size()));
    const base::Bytes piece = bytes.first(length);
    if (summed) crc_.update(piece);
    if (data) {
      const EifError error = measure(layout_.sections[section_], piece);
      if (error != EifError::kNone) return error;
    }
    position_ += length;
    bytes = bytes.subspan(length);
  }
  return EifError::kNone;
}

MeasuredEif EifMeasurer::finish() {
  MeasuredEif result;
  if (position_ != layout_.total_size) {
    result.error = EifError::kTooLarge;
    return result;
  }
  if (crc_.value() != layout_.crc) result.error = EifError::kBadCrc;
  if (!split_) boot_ = all_;
  EifMeasurement& measurement = result.measurement;
  measurement.image = all_.finish();
  measurement.boot = boot_.finish();
  measurement.application = application_.finish();
  measurement.pcr0 = extended_from_zero(measurement.image);
  measurement.pcr1 = extended_from_zero(measurement.boot);
  measurement.pcr2 = extended_from_zero(measurement.application);
  return result;
}

}  // namespace enclave
