// The signature section of an image: the monitor's reader and the host tool's are two programs; what the first takes,
// the second takes too, and only over the very PCR0 that was signed.
#include <vector>

#include "firmware/attestation/eif_signature.hpp"
#include "firmware/crypto/certificate_view.hpp"
#include "tests/fuzz/demand.hpp"
#include "tools/cofferdam/eif_signature.hpp"

namespace {

// What the seeds sign (seed_corpus.cpp).
const crypto::Digest kPcr0 = [] {
  crypto::Digest digest{};
  digest.fill(0x5a);
  return digest;
}();

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const cofferdam::ByteView section(data, size);
  constexpr std::uint64_t kWhen = 1'800'000'000;  // inside the seeds' certificate
  static attestation::SignatureScratch scratch;
  const auto firmware = attestation::verify_eif_signature(section, kPcr0, kWhen, scratch);
  try {
    const cofferdam::EifSignature signature = cofferdam::decode_signature_section(section);
    const bool tool = cofferdam::check_signature(signature, kPcr0).empty() &&
                      cofferdam::check_certificate_time(signature.certificate, kWhen).empty();
    if (firmware.ok()) {
      DEMAND(tool);
      DEMAND(firmware.value() == cofferdam::sha384(signature.certificate.der));
      crypto::Digest other = kPcr0;
      other[0] ^= 1;
      DEMAND(!attestation::verify_eif_signature(section, other, kWhen, scratch).ok());
    }
  } catch (const cofferdam::BadImage&) {
    DEMAND(!firmware.ok());
  }
  return 0;
}
