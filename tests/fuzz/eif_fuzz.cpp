// Enclave images: what the parser takes has one meaning, and measures the same however it is cut.
#include <algorithm>
#include <vector>

#include "firmware/enclave/eif_measure.hpp"
#include "tests/fuzz/demand.hpp"
#include "tools/cofferdam/eif_describe.hpp"

namespace {

using enclave::EifError;
using enclave::EifLayout;
using Image = std::vector<std::uint8_t>;

std::uint64_t big_endian(const Image& image, std::uint64_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = (value << 8) | image[static_cast<std::size_t>(offset) + i];
  return value;
}

// The other way to read an image, as AWS's reader does: section header after section header until the file ends.
void demand_sequential_reading_agrees(const Image& image, const EifLayout& layout) {
  std::uint64_t at = enclave::kEifHeaderSize;
  for (const enclave::EifSection& section : layout.sections) {
    DEMAND(image.size() - at >= enclave::kEifSectionHeaderSize);
    DEMAND(big_endian(image, at, 2) == static_cast<std::uint64_t>(section.kind));
    DEMAND(big_endian(image, at + 4, 8) == section.size);
    DEMAND(section.offset == at + enclave::kEifSectionHeaderSize);
    DEMAND(section.size <= image.size() - section.offset);
    at = section.offset + section.size;
  }
  DEMAND(at == layout.total_size);
}

enclave::MeasuredEif measured_in_pieces(const Image& image, const EifLayout& layout, std::size_t piece) {
  enclave::EifMeasurer measurer(layout);
  for (std::size_t at = 0; at < image.size(); at += piece) {
    const EifError error = measurer.update(base::Bytes(image).subspan(at, std::min(piece, image.size() - at)));
    if (error != EifError::kNone) return {error, {}};
  }
  return measurer.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Image image(data, data + size);
  enclave::EifBytes source{image};
  const auto in_memory = enclave::parse_eif(source, {image.size(), enclave::EifSizeRule::kAtMost});
  DEMAND(!enclave::describe(in_memory.error).empty());
  const auto as_file = enclave::parse_eif(source, {image.size(), enclave::EifSizeRule::kExactly, std::nullopt});
  if (in_memory.ok()) {
    DEMAND(in_memory.layout.total_size <= image.size());
    demand_sequential_reading_agrees(image, in_memory.layout);
    DEMAND(as_file.ok() == (in_memory.layout.total_size == image.size()));
  }
  if (!as_file.ok()) return 0;
  demand_sequential_reading_agrees(image, as_file.layout);

  const auto whole = measured_in_pieces(image, as_file.layout, image.size());
  const auto pieces = measured_in_pieces(image, as_file.layout, 1 + size % 97);
  DEMAND(whole.error == pieces.error);
  DEMAND(whole.measurement.pcr0 == pieces.measurement.pcr0);
  DEMAND(whole.measurement.pcr1 == pieces.measurement.pcr1);
  DEMAND(whole.measurement.pcr2 == pieces.measurement.pcr2);

  try {
    const cofferdam::EifImage read = cofferdam::read_eif(image);
    const Image again = cofferdam::write_eif(read.layout.architecture, cofferdam::parts_of(read));
    const cofferdam::EifImage reread = cofferdam::read_eif(again);
    DEMAND(reread.crc_good && reread.measurement.pcr0 == read.measurement.pcr0);
    (void)cofferdam::describe_eif(read).json.dump();
  } catch (const cofferdam::BadImage&) {
    // A version 3 image without metadata can't be written as version 4; a description needs readable metadata.
  }
  return 0;
}
