#include "firmware/measure/tcb_info.hpp"

#include <bit>

#include "firmware/crypto/der_reader.hpp"
#include "firmware/crypto/der_writer.hpp"

namespace measure {
namespace {

namespace der = crypto::der;

constexpr std::array<std::uint8_t, 9> kSha384Oid{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02};
constexpr std::size_t kMaxText = 32;
constexpr std::uint8_t kKnownFlags = 0xF0;  // OperationalFlags 0..3

// A named bit list drops its trailing zero bits (X.690 11.2.2).
constexpr std::uint8_t unused_bits(std::uint8_t flags) { return static_cast<std::uint8_t>(std::countr_zero(flags)); }

void write_firmware_id(crypto::DerWriter& writer, const Digest& digest) {
  const std::size_t end = writer.mark();
  writer.value(der::kOctetString, digest);
  writer.value(der::kObjectIdentifier, kSha384Oid);
  writer.wrap(der::kSequence, end);
}

base::Result<Digest> read_firmware_id(crypto::DerReader& list) {
  MON_TRY_ASSIGN(crypto::DerReader reader, list.enter(der::kSequence));
  MON_TRY_ASSIGN(const base::Bytes algorithm, reader.value(der::kObjectIdentifier));
  MON_TRY_ASSIGN(const base::Bytes digest, reader.value(der::kOctetString));
  MON_TRY(reader.finish());
  Digest result{};
  if (algorithm.size() != kSha384Oid.size() || digest.size() != result.size()) return base::Error::kInvalidArgument;
  for (std::size_t i = 0; i < algorithm.size(); ++i) {
    if (algorithm[i] != kSha384Oid[i]) return base::Error::kInvalidArgument;
  }
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = digest[i];
  return result;
}

base::Result<std::string_view> read_text(crypto::DerReader& reader, std::uint8_t tag) {
  MON_TRY_ASSIGN(const base::Bytes text, reader.value(tag));
  if (text.size() > kMaxText) return base::Error::kInvalidArgument;
  return std::string_view{reinterpret_cast<const char*>(text.data()), text.size()};
}

base::Result<std::uint32_t> read_number(crypto::DerReader& reader, std::uint8_t tag) {
  MON_TRY_ASSIGN(const std::uint64_t number, reader.unsigned_as(tag));
  if (number > UINT32_MAX) return base::Error::kInvalidArgument;
  return static_cast<std::uint32_t>(number);
}

}  // namespace

base::Result<base::Bytes> write_tcb_info(const TcbInfo& info, base::MutableBytes buffer) {
  if (info.vendor.size() > kMaxText || info.model.size() > kMaxText || info.version.size() > kMaxText) {
    return base::Error::kTooLarge;
  }
  crypto::DerWriter writer(buffer);
  const std::size_t end = writer.mark();
  const auto known = static_cast<std::uint8_t>(info.flags & kKnownFlags);
  if (known != 0) {
    const std::array<std::uint8_t, 2> flags{unused_bits(known), known};
    writer.value(der::context(7), flags);
  }
  const std::size_t list_end = writer.mark();
  write_firmware_id(writer, info.configuration);
  write_firmware_id(writer, info.code);
  writer.wrap(der::context_constructed(6), list_end);
  writer.unsigned_as(der::context(4), info.layer);
  writer.unsigned_as(der::context(3), info.security_version);
  writer.text(der::context(2), info.version);
  writer.text(der::context(1), info.model);
  writer.text(der::context(0), info.vendor);
  writer.wrap(der::kSequence, end);
  return writer.result();
}

base::Result<TcbInfo> read_tcb_info(base::Bytes bytes) {
  crypto::DerReader outer(bytes);
  MON_TRY_ASSIGN(crypto::DerReader reader, outer.enter(der::kSequence));
  MON_TRY(outer.finish());
  TcbInfo info;
  MON_TRY_ASSIGN(info.vendor, read_text(reader, der::context(0)));
  MON_TRY_ASSIGN(info.model, read_text(reader, der::context(1)));
  MON_TRY_ASSIGN(info.version, read_text(reader, der::context(2)));
  MON_TRY_ASSIGN(info.security_version, read_number(reader, der::context(3)));
  MON_TRY_ASSIGN(info.layer, read_number(reader, der::context(4)));
  MON_TRY_ASSIGN(crypto::DerReader list, reader.enter(der::context_constructed(6)));
  MON_TRY_ASSIGN(info.code, read_firmware_id(list));
  MON_TRY_ASSIGN(info.configuration, read_firmware_id(list));
  MON_TRY(list.finish());
  if (reader.next_is(der::context(7))) {
    MON_TRY_ASSIGN(const base::Bytes flags, reader.value(der::context(7)));
    if (flags.size() != 2 || flags[1] == 0 || (flags[1] & ~kKnownFlags) != 0 || flags[0] != unused_bits(flags[1])) {
      return base::Error::kInvalidArgument;
    }
    info.flags = flags[1];
  }
  MON_TRY(reader.finish());
  return info;
}

}  // namespace measure
