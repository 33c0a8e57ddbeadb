// The Nitro Secure Module, free of its transport: request bytes in, response bytes out (nitro-formats section 1).
//
// The engine changes nothing but the bank it is given, and that only when the response was written. What goes
// wrong for the enclave is an Error response; the engine's own error means that not even that fitted.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/attestation/leaf_certificate.hpp"
#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/crypto/drbg.hpp"
#include "firmware/measure/pcr_bank.hpp"

namespace attestation {

inline constexpr std::size_t kMaxNsmRequest = 0x1000;
inline constexpr std::size_t kMaxNsmResponse = 0x3000;
inline constexpr std::size_t kMaxDocumentField = 1024;  // user_data, nonce, public_key, each
inline constexpr std::size_t kRandomSize = 256;

// Names on the wire (nitro-formats 1.5). Success has no name: it is the response itself.
enum class NsmError : std::uint8_t {
  kInvalidArgument = 1,
  kInvalidIndex = 2,
  kInvalidResponse = 3,
  kReadOnlyIndex = 4,
  kInvalidOperation = 5,
  kBufferTooSmall = 6,
  kInputTooLarge = 7,
  kInternalError = 8,
};

// What the answers depend on besides the request and the bank.
struct NsmEnvironment {
  std::string_view module_id;
  std::uint64_t unix_milliseconds{};
  crypto::Drbg& random;
  const LeafIdentity& leaf;                // a leaf that needs no renewal
  std::span<const base::Bytes> ca_bundle;  // root, manufacturer, device, monitor
};

// What a request will cost, so that the caller can take the right locks and issue a leaf first.
enum class NsmCost : std::uint8_t { kPlain, kRandom, kSignature };
[[nodiscard]] NsmCost nsm_cost(base::Bytes request);

// Precondition: `request` and `response` do not overlap, and `request` is the caller's own copy.
// The Error response itself, for what fails before the engine is asked. Errors: kBufferTooSmall.
[[nodiscard]] base::Result<base::Bytes> error_response(NsmError error, base::MutableBytes response);

// The response, at the front of `response`; where that is too small for it the Error response. Errors: kBufferTooSmall
// when there is not even room for that.
// Order of checks: request length, form, register exists, register open, field sizes, size of the response.
[[nodiscard]] base::Result<base::Bytes> answer_nsm_request(base::Bytes request, measure::PcrBank& bank,
                                                           const NsmEnvironment& environment,
                                                           base::MutableBytes response);

}  // namespace attestation
