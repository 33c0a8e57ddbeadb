// Who signed an enclave image, and whether that holds: the signature section of an EIF.
//
// CBOR (aws-nitro-enclaves-image-format src/utils/eif_signer.rs): [{"signing_certificate": PEM, "signature":
// COSE_Sign1}], both as arrays of numbers, one per byte; the COSE payload is {"register_index": 0, "register_value":
// PCR0, one number per byte}. Exactly these keys, each once; as for AWS's reader only the first element counts. The
// section is not measured, so all that counts is what it proves: the key of the certificate signed this PCR0. The
// certificate itself is what PCR8 extends. It lives here and not in enclave/, because CBOR and COSE do.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/sha384.hpp"

namespace attestation {

// What the section and its certificate are unpacked into.
struct SignatureScratch {
  static constexpr std::size_t kNumbers = 32768;  // a number has a byte at least: all that a section can hold
  std::array<std::uint8_t, kNumbers> numbers;
  std::array<std::uint8_t, kNumbers / 4 * 3> der;
};

// Checks the section of an image that measures to `pcr0`, at this time. The section must be out of every guest's reach.
// Answers SHA-384 of the certificate's DER: what PCR8 extends.
// Errors, in this order: kBadImage (the section or its certificate is malformed or too long), kBadSignature
// (algorithm, another PCR0, or it does not verify), kOutOfRange (the certificate is not valid at this time), kInternal.
[[nodiscard]] base::Result<crypto::Digest> verify_eif_signature(base::Bytes section, const crypto::Digest& pcr0,
                                                                std::uint64_t unix_seconds, SignatureScratch& scratch);

}  // namespace attestation
