// An enclave image file on the host: read with the monitor's own parser and measurer, and written byte for byte as
// AWS's builder writes it (aws-nitro-enclaves-image-format, EIF version 4).
//
// Writing is reproducible: the same inputs give the same bytes. Reading never believes a size that the file can't back.
#pragma once

#include "firmware/enclave/eif_measure.hpp"
#include "tools/cofferdam/crypto.hpp"

namespace cofferdam {

inline constexpr std::size_t kMaxEif = std::size_t{8} << 30;

// Exit code 1: an enclave image, but not one that any monitor should start.
class BadImage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct EifImage {
  Bytes bytes;
  enclave::EifLayout layout;
  enclave::EifMeasurement measurement;
  bool crc_good{};

  [[nodiscard]] ByteView section(const enclave::EifSection& section) const;
};

// Either architecture; neither measured nor its checksum looked at. Throws as read_eif.
[[nodiscard]] EifImage parse_eif_bytes(Bytes bytes);
// Whether the checksum is that of the bytes: crc_good alone, at a small part of what measuring costs.
[[nodiscard]] bool checksum_holds(const EifImage& image);
// Fills in measurement and crc_good: one pass over every byte. Throws BadImage.
void measure_eif(EifImage& image);
// Both. Throws Unreadable (no EIF at all), BadImage (a rule of firmware/enclave/eif.hpp is broken).
// A wrong checksum throws nothing: crc_good says it.
[[nodiscard]] EifImage read_eif(Bytes bytes);

struct EifPart {
  enclave::EifSectionKind kind{};
  Bytes data;
};
// All sections of an image, in file order.
[[nodiscard]] std::vector<EifPart> parts_of(const EifImage& image);

// The file. Throws BadImage when the parts break a rule of the parser.
[[nodiscard]] Bytes write_eif(enclave::EifArchitecture architecture, const std::vector<EifPart>& parts);

// PCR8: what the certificate that signed an image measures to.
[[nodiscard]] Digest384 pcr8_of(ByteView certificate_der);

}  // namespace cofferdam
