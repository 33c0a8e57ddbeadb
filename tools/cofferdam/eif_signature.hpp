// The signature section of an enclave image: who signed PCR0, and whether that holds.
//
// CBOR (aws-nitro-enclaves-image-format src/utils/eif_signer.rs): [{"signing_certificate": PEM, "signature":
// COSE_Sign1}], both as arrays of numbers, one per byte. The COSE payload is {"register_index": 0, "register_value":
// PCR0 as numbers}. Only the first element counts, as for AWS's reader; the others only have its form.
#pragma once

#include "tools/cofferdam/cose.hpp"
#include "tools/cofferdam/eif_image.hpp"

namespace cofferdam {

struct EifSignature {
  Bytes certificate_pem;
  Bytes object;             // COSE_Sign1
  Certificate certificate;  // the first one of the PEM
};

// Throws BadImage.
[[nodiscard]] EifSignature decode_signature_section(ByteView section);
[[nodiscard]] Bytes encode_signature_section(ByteView certificate_pem, ByteView object);

// Empty when the signature is by the certificate's key over this PCR0; else what is wrong.
[[nodiscard]] std::string check_signature(const EifSignature& signature, ByteView pcr0);
// Empty when the certificate is valid at `time`; else what is wrong.
[[nodiscard]] std::string check_certificate_time(const Certificate& certificate, std::int64_t time);

// A section that signs `pcr0`. Throws Unreadable when key and certificate don't belong together.
[[nodiscard]] Bytes sign_pcr0(ByteView pcr0, const PrivateKey& key, ByteView certificate_pem);

}  // namespace cofferdam
