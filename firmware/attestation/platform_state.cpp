#include "firmware/attestation/platform_state.hpp"

#include "firmware/crypto/der_reader.hpp"
#include "firmware/crypto/der_writer.hpp"

namespace attestation {
namespace {

namespace der = crypto::der;
constexpr std::uint64_t kVersion = 1;

base::Result<measure::Digest> read_digest(crypto::DerReader& reader) {
  MON_TRY_ASSIGN(const base::Bytes bytes, reader.value(der::kOctetString));
  measure::Digest digest{};
  if (bytes.size() != digest.size()) return base::Error::kInvalidArgument;
  for (std::size_t i = 0; i < digest.size(); ++i) digest[i] = bytes[i];
  return digest;
}

base::Result<std::uint32_t> read_number32(crypto::DerReader& reader) {
  MON_TRY_ASSIGN(const std::uint64_t number, reader.unsigned_as(der::kInteger));
  if (number > UINT32_MAX) return base::Error::kInvalidArgument;
  return static_cast<std::uint32_t>(number);
}

}  // namespace

base::Result<base::Bytes> write_platform_state(const PlatformState& state, base::MutableBytes buffer) {
  crypto::DerWriter writer(buffer);
  const std::size_t end = writer.mark();
  writer.integer(state.shared_memory);
  writer.integer(state.memory);
  writer.integer(state.cores);
  writer.integer(state.flags);
  writer.integer(state.ledger.records);
  writer.value(der::kOctetString, state.ledger.digest);
  writer.value(der::kOctetString, state.launch_digest);
  writer.value(der::kOctetString, state.platform_bank);
  writer.integer(kVersion);
  writer.wrap(der::kSequence, end);
  return writer.result();
}

base::Result<PlatformState> read_platform_state(base::Bytes bytes) {
  crypto::DerReader outer(bytes);
  MON_TRY_ASSIGN(crypto::DerReader reader, outer.enter(der::kSequence));
  MON_TRY(outer.finish());
  MON_TRY_ASSIGN(const std::uint64_t version, reader.unsigned_as(der::kInteger));
  if (version != kVersion) return base::Error::kNotSupported;
  PlatformState state;
  MON_TRY_ASSIGN(state.platform_bank, read_digest(reader));
  MON_TRY_ASSIGN(state.launch_digest, read_digest(reader));
  MON_TRY_ASSIGN(state.ledger.digest, read_digest(reader));
  MON_TRY_ASSIGN(state.ledger.records, reader.unsigned_as(der::kInteger));
  MON_TRY_ASSIGN(state.flags, read_number32(reader));
  MON_TRY_ASSIGN(state.cores, read_number32(reader));
  MON_TRY_ASSIGN(state.memory, reader.unsigned_as(der::kInteger));
  MON_TRY_ASSIGN(state.shared_memory, reader.unsigned_as(der::kInteger));
  MON_TRY(reader.finish());
  return state;
}

}  // namespace attestation
