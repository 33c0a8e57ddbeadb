// COSE_Sign1 (RFC 9052 section 4.2): what a signature covers, writing ours, reading and verifying others'.
#pragma once

#include <cstdint>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/attestation/cbor.hpp"
#include "firmware/crypto/ecdsa_p384.hpp"
#include "firmware/crypto/ecdsa_verify.hpp"

namespace attestation {

// The only protected header that Cofferdam writes: {1: -35}, ES384.
inline constexpr std::array<std::uint8_t, 4> kEs384Header{0xA1, 0x01, 0x38, 0x22};

// Signs the payload, which is given in pieces by `write_payload` twice, so that no second copy of it is needed:
//   84 44 a1013822 a0 <payload as bstr> 58 60 <r || s>
// Bytes that a COSE_Sign1 has around a payload of this size.
[[nodiscard]] std::size_t cose_sign1_size(std::size_t payload_size);
void begin_cose_sign1(CborWriter& writer, std::size_t payload_size);
// Precondition: the payload was written right behind begin_cose_sign1(). Errors: kBufferTooSmall, kInternal.
[[nodiscard]] base::Status finish_cose_sign1(CborWriter& writer, std::size_t payload_size,
                                             const crypto::P384KeyPair& key);

struct CoseSign1 {
  base::Bytes protected_header;  // as it stands in the message: never encoded anew
  std::int64_t algorithm{};      // -7 ES256, -35 ES384, -36 ES512
  base::Bytes payload;
  base::Bytes signature;
};

// Tagged (18) or not; nothing may follow. The protected header holds the algorithm and nothing else.
// Errors: kInvalidArgument.
[[nodiscard]] base::Result<CoseSign1> read_cose_sign1(base::Bytes message);
// Errors: kInvalidArgument (the algorithm is not that of the curve, sizes, point), kBadSignature, kInternal.
[[nodiscard]] base::Status verify_cose_sign1(const CoseSign1& message, crypto::Curve curve, base::Bytes point);

}  // namespace attestation
