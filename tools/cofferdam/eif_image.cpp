#include "tools/cofferdam/eif_image.hpp"

#include <algorithm>

namespace cofferdam {
namespace {

using enclave::EifError;

constexpr std::uint16_t kVersion = 4;
constexpr std::uint64_t kDefaultMemory = 1ULL << 30;  // as AWS's builder writes; nothing reads it
constexpr std::uint64_t kDefaultCpus = 2;

template <typename T>
void put(Bytes& out, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

// The checksum stands at the header's end and covers all but itself.
constexpr std::size_t kCrcAt = enclave::kEifHeaderSize - 4;

[[nodiscard]] std::uint32_t checksum_of(ByteView file) {
  enclave::Crc32 crc;
  crc.update(file.first(kCrcAt));
  crc.update(file.subspan(enclave::kEifHeaderSize));
  return crc.value();
}

[[noreturn]] void refuse(EifError error) {
  const std::string message(enclave::describe(error));
  if (error == EifError::kTruncatedHeader || error == EifError::kBadMagic) {
    throw Unreadable("not an enclave image: " + message);
  }
  throw BadImage(message);
}

}  // namespace

ByteView EifImage::section(const enclave::EifSection& section) const {
  return ByteView(bytes).subspan(static_cast<std::size_t>(section.offset), static_cast<std::size_t>(section.size));
}

EifImage parse_eif_bytes(Bytes bytes) {
  EifImage image;
  image.bytes = std::move(bytes);
  enclave::EifBytes source{image.bytes};
  const enclave::EifBounds bounds{image.bytes.size(), enclave::EifSizeRule::kExactly, std::nullopt};
  const enclave::ParsedEif parsed = enclave::parse_eif(source, bounds);
  if (!parsed.ok()) refuse(parsed.error);
  image.layout = parsed.layout;
  return image;
}

bool checksum_holds(const EifImage& image) {
  std::uint32_t written = 0;
  for (std::size_t i = 0; i < 4; ++i) written = written << 8 | image.bytes[kCrcAt + i];
  return written == checksum_of(image.bytes);
}

void measure_eif(EifImage& image) {
  enclave::EifMeasurer measurer(image.layout);
  const EifError error = measurer.update(image.bytes);
  if (error != EifError::kNone) refuse(error);
  const enclave::MeasuredEif measured = measurer.finish();
  if (!measured.ok() && measured.error != EifError::kBadCrc) refuse(measured.error);
  image.crc_good = measured.ok();
  image.measurement = measured.measurement;
}

EifImage read_eif(Bytes bytes) {
  EifImage image = parse_eif_bytes(std::move(bytes));
  measure_eif(image);
  return image;
}

std::vector<EifPart> parts_of(const EifImage& image) {
  std::vector<EifPart> parts;
  for (const enclave::EifSection& section : image.layout.sections) {
    const ByteView data = image.section(section);
    parts.push_back({section.kind, Bytes(data.begin(), data.end())});
  }
  return parts;
}

Bytes write_eif(enclave::EifArchitecture architecture, const std::vector<EifPart>& parts) {
  if (parts.size() > enclave::kMaxEifSections) refuse(EifError::kBadSectionCount);
  Bytes out;
  put(out, std::uint32_t{0x2e656966});
  put(out, kVersion);
  put(out, static_cast<std::uint16_t>(architecture));
  put(out, kDefaultMemory);
  put(out, kDefaultCpus);
  put(out, std::uint16_t{0});
  put(out, static_cast<std::uint16_t>(parts.size()));
  std::uint64_t offset = enclave::kEifHeaderSize;
  for (std::size_t i = 0; i < enclave::kMaxEifSections; ++i) {
    put(out, i < parts.size() ? offset : std::uint64_t{0});
    if (i < parts.size()) offset += enclave::kEifSectionHeaderSize + parts[i].data.size();
  }
  for (std::size_t i = 0; i < enclave::kMaxEifSections; ++i) {
    put(out, i < parts.size() ? std::uint64_t{parts[i].data.size()} : std::uint64_t{0});
  }
  put(out, std::uint32_t{0});
  put(out, std::uint32_t{0});
  for (const EifPart& part : parts) {
    put(out, static_cast<std::uint16_t>(part.kind));
    put(out, std::uint16_t{0});
    put(out, std::uint64_t{part.data.size()});
    out.insert(out.end(), part.data.begin(), part.data.end());
  }
  const std::uint32_t crc = checksum_of(out);
  for (std::size_t i = 0; i < 4; ++i) out[kCrcAt + i] = static_cast<std::uint8_t>(crc >> (8 * (3 - i)));
  return read_eif(std::move(out)).bytes;  // what is written is what would be taken
}

Digest384 pcr8_of(ByteView certificate_der) { return extend(Digest384{}, sha384(certificate_der)); }

}  // namespace cofferdam
