#include "firmware/attestation/nsm_engine.hpp"

#include <bit>

#include "firmware/attestation/cbor.hpp"
#include "firmware/attestation/document.hpp"
#include "firmware/attestation/nsm_request.hpp"
#include "firmware/crypto/secret.hpp"

namespace attestation {
namespace {

std::string_view name_of(NsmError error) {
  switch (error) {
    case NsmError::kInvalidArgument: return "InvalidArgument";
    case NsmError::kInvalidIndex: return "InvalidIndex";
    case NsmError::kInvalidResponse: return "InvalidResponse";
    case NsmError::kReadOnlyIndex: return "ReadOnlyIndex";
    case NsmError::kInvalidOperation: return "InvalidOperation";
    case NsmError::kBufferTooSmall: return "BufferTooSmall";
    case NsmError::kInputTooLarge: return "InputTooLarge";
    case NsmError::kInternalError: return "InternalError";
  }
  return "InternalError";
}

}  // namespace

base::Result<base::Bytes> error_response(NsmError error, base::MutableBytes response) {
  CborWriter writer(response);
  writer.map(1);
  writer.text("Error");
  writer.text(name_of(error));
  return writer.result();
}

namespace {

// A register's refusal in the NSM's words: PcrBank answers kOutOfRange before kDenied.
NsmError register_error(base::Error error) {
  return error == base::Error::kOutOfRange ? NsmError::kInvalidIndex : NsmError::kReadOnlyIndex;
}

// The answer to what changed `next`, which becomes the bank only when that was written: who is told nothing finds all
// registers as they were.
base::Result<base::Bytes> finish_change(const CborWriter& writer, const measure::PcrBank& next, measure::PcrBank& bank,
                                        base::MutableBytes response) {
  const auto written = writer.result();
  if (!written.ok()) return error_response(NsmError::kBufferTooSmall, response);
  bank = next;
  return written;
}

// The written response, or the Error response when it did not fit.
base::Result<base::Bytes> finish(const CborWriter& writer, base::MutableBytes response) {
  const auto written = writer.result();
  if (written.ok()) return written;
  return error_response(NsmError::kInputTooLarge, response);
}

base::Result<base::Bytes> describe_pcr(std::uint32_t index, const measure::PcrBank& bank, base::MutableBytes response) {
  if (!measure::PcrBank::exists(index)) return error_response(NsmError::kInvalidIndex, response);
  CborWriter writer(response);
  writer.map(1);
  writer.text("DescribePCR");
  writer.map(2);
  writer.text("lock");
  writer.truth(bank.locked(index));
  writer.text("data");
  writer.bytes(bank.value(index));
  return finish(writer, response);
}

base::Result<base::Bytes> extend_pcr(const NsmRequest& request, measure::PcrBank& bank, base::MutableBytes response) {
  measure::PcrBank next = bank;
  const auto extended = next.extend(request.index, request.data);
  if (!extended.ok()) return error_response(register_error(extended.error()), response);
  CborWriter writer(response);
  writer.map(1);
  writer.text("ExtendPCR");
  writer.map(1);
  writer.text("data");
  writer.bytes(extended.value());
  return finish_change(writer, next, bank, response);
}

base::Result<base::Bytes> lock(const NsmRequest& request, measure::PcrBank& bank, base::MutableBytes response) {
  const bool one = request.operation == NsmOperation::kLockPcr;
  measure::PcrBank next = bank;
  const base::Status locked = one ? next.lock(request.index) : next.lock_range(request.index);
  if (!locked.ok()) return error_response(register_error(locked.error()), response);
  CborWriter writer(response);
  writer.text(one ? "LockPCR" : "LockPCRs");
  return finish_change(writer, next, bank, response);
}

base::Result<base::Bytes> describe_nsm(const measure::PcrBank& bank, const NsmEnvironment& environment,
                                       base::MutableBytes response) {
  CborWriter writer(response);
  writer.map(1);
  writer.text("DescribeNSM");
  writer.map(7);
  writer.text("version_major");
  writer.unsigned_number(1);
  writer.text("version_minor");
  writer.unsigned_number(0);
  writer.text("version_patch");
  writer.unsigned_number(0);
  writer.text("module_id");
  writer.text(environment.module_id);
  writer.text("max_pcrs");
  writer.unsigned_number(measure::PcrBank::kCount);
  writer.text("locked_pcrs");
  writer.array(static_cast<std::size_t>(std::popcount(bank.locked_mask())));
  for (std::uint32_t index = 0; index < measure::PcrBank::kCount; ++index) {
    if (bank.locked(index)) writer.unsigned_number(index);
  }
  writer.text("digest");
  writer.text("SHA384");
  return finish(writer, response);
}

base::Result<base::Bytes> get_random(const NsmEnvironment& environment, base::MutableBytes response) {
  auto random = environment.random.generate<kRandomSize>();
  if (!random.ok()) return error_response(NsmError::kInternalError, response);
  const crypto::WipeOnExit wipe_random(random.value());
  CborWriter writer(response);
  writer.map(1);
  writer.text("GetRandom");
  writer.map(1);
  writer.text("random");
  writer.bytes(random.value());
  return finish(writer, response);
}

bool too_large(const std::optional<base::Bytes>& field) { return field && field->size() > kMaxDocumentField; }

base::Result<base::Bytes> attest(const NsmRequest& request, const measure::PcrBank& bank,
                                 const NsmEnvironment& environment, base::MutableBytes response) {
  if (too_large(request.user_data) || too_large(request.nonce) || too_large(request.public_key)) {
    return error_response(NsmError::kInputTooLarge, response);
  }
  if (environment.leaf.size == 0) return error_response(NsmError::kInternalError, response);
  const DocumentContent content{environment.module_id,   environment.unix_milliseconds, bank,
                                environment.leaf.der(),  environment.ca_bundle,         request.public_key,
                                request.user_data,       request.nonce};
  CborWriter writer(response);
  writer.map(1);
  writer.text("Attestation");
  writer.map(1);
  writer.text("document");
  writer.bytes_head(document_size(content));
  const base::Status written = write_document(writer, content, environment.leaf.key);
  if (written.ok()) return finish(writer, response);
  const bool too_small = written.error() == base::Error::kBufferTooSmall;
  return error_response(too_small ? NsmError::kInputTooLarge : NsmError::kInternalError, response);
}

}  // namespace

NsmCost nsm_cost(base::Bytes request) {
  if (request.size() > kMaxNsmRequest) return NsmCost::kPlain;
  const auto decoded = decode_nsm_request(request);
  if (!decoded.ok()) return NsmCost::kPlain;
  switch (decoded.value().operation) {
    case NsmOperation::kDescribePcr:
    case NsmOperation::kExtendPcr:
    case NsmOperation::kLockPcr:
    case NsmOperation::kLockPcrs:
    case NsmOperation::kDescribeNsm: return NsmCost::kPlain;
    case NsmOperation::kGetRandom: return NsmCost::kRandom;
    case NsmOperation::kAttestation: return NsmCost::kSignature;
  }
  return NsmCost::kPlain;
}

base::Result<base::Bytes> answer_nsm_request(base::Bytes request, measure::PcrBank& bank,
                                             const NsmEnvironment& environment, base::MutableBytes response) {
  if (response.size() > kMaxNsmResponse) response = response.first(kMaxNsmResponse);
  if (request.size() > kMaxNsmRequest) return error_response(NsmError::kInputTooLarge, response);
  const auto decoded = decode_nsm_request(request);
  if (!decoded.ok()) return error_response(NsmError::kInvalidOperation, response);
  const NsmRequest& call = decoded.value();
  switch (call.operation) {
    case NsmOperation::kDescribePcr: return describe_pcr(call.index, bank, response);
    case NsmOperation::kExtendPcr: return extend_pcr(call, bank, response);
    case NsmOperation::kLockPcr:
    case NsmOperation::kLockPcrs: return lock(call, bank, response);
    case NsmOperation::kDescribeNsm: return describe_nsm(bank, environment, response);
    case NsmOperation::kAttestation: return attest(call, bank, environment, response);
    case NsmOperation::kGetRandom: return get_random(environment, response);
  }
  return error_response(NsmError::kInvalidOperation, response);
}

}  // namespace attestation
