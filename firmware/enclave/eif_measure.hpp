// What an enclave image measures to: PCR0, PCR1 and PCR2 as AWS's builder computes them, and whether its CRC holds.
//
// nitro image format README, "EIF Measurements": data only, no headers, in file order. With H = SHA-384,
//   PCR0 = H(0^48 || H(kernel, command line, all ramdisks)), PCR1 the same over kernel, command line and the first
//   ramdisk, PCR2 over the ramdisks after the first. Metadata and signature are not measured.
// The whole image goes through update() once, in file order, in pieces of any size; so what was measured is what was
// read, and the caller may stop between two pieces. PCR0 and PCR1 share one hash up to the second ramdisk.
#pragma once

#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/enclave/crc32.hpp"
#include "firmware/enclave/eif.hpp"
#include "firmware/measure/handover.hpp"

namespace enclave {

struct EifMeasurement {
  measure::Digest image{};        // the content digests that PCR0, 1, 2 extend (measure/launch_bank.hpp)
  measure::Digest boot{};
  measure::Digest application{};
  measure::Digest pcr0{};
  measure::Digest pcr1{};
  measure::Digest pcr2{};
};

struct [[nodiscard]] MeasuredEif {
  EifError error{EifError::kNone};
  EifMeasurement measurement{};  // also with kBadCrc, for tools that show what a damaged image measures to
  [[nodiscard]] constexpr bool ok() const { return error == EifError::kNone; }
};

class EifMeasurer {
 public:
  explicit EifMeasurer(const EifLayout& layout) : layout_(layout) {}

  // The next bytes of the image, from offset 0 on. Errors: kCommandLineContent, kTrailingBytes (more than the layout's).
  [[nodiscard]] EifError update(base::Bytes bytes);
  [[nodiscard]] std::uint64_t position() const { return position_; }
  // Once, after the last byte. Errors: kTooLarge (bytes are missing), kBadCrc.
  [[nodiscard]] MeasuredEif finish();

 private:
  [[nodiscard]] EifError measure(const EifSection& section, base::Bytes bytes);

  EifLayout layout_;
  Crc32 crc_;
  crypto::Sha384 all_;          // PCR0; and PCR1 until the second ramdisk begins
  crypto::Sha384 boot_;         // PCR1 from then on
  crypto::Sha384 application_;  // PCR2
  bool split_{false};           // boot_ has gone its own way
  std::size_t section_{0};      // the section at position_ or after it
  std::uint64_t position_{0};
};

}  // namespace enclave
