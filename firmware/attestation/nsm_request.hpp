// What an enclave asks of its Nitro Secure Module, decoded (nitro-formats sections 1.4 and 1.6).
//
// Lenient where AWS's decoder is and no second meaning arises: missing optional fields, unknown keys, text in
// place of bytes, integers that are not in the shortest form, inner maps of indefinite length, {"GetRandom": null},
// bytes behind the request. Strict otherwise: a known key that occurs twice has two meanings and is refused.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"

namespace attestation {

enum class NsmOperation : std::uint8_t {
  kDescribePcr,
  kExtendPcr,
  kLockPcr,
  kLockPcrs,
  kDescribeNsm,
  kAttestation,
  kGetRandom,
};

struct NsmRequest {
  NsmOperation operation{};
  std::uint32_t index{};  // DescribePCR, ExtendPCR, LockPCR: register; LockPCRs: range. 0..65535
  base::Bytes data;       // ExtendPCR
  std::optional<base::Bytes> user_data;  // Attestation; these point into the request
  std::optional<base::Bytes> nonce;
  std::optional<base::Bytes> public_key;
};

// Errors: kNoSuchCall for everything that is no request.
[[nodiscard]] base::Result<NsmRequest> decode_nsm_request(base::Bytes request);

}  // namespace attestation
