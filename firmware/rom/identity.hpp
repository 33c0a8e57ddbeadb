// The identity area: what the manufacturer burns into one device (on QEMU: 64 KiB of secure flash that only EL3 sees).
//
// Little-endian, fields in this order, no padding; the rest of the area is 0xff and means nothing:
//   magic 8 | version u32 | development u32 | minimum security version u32 | certificate count u32 (3)
//   device id 32 (printable ASCII, NUL padded) | UDS 48 | SHA-384 of the firmware signer's public point 48
//   3 x (size u32 | DER, zero padded to 1024): root, manufacturer, device
//   SHA-384 of all bytes before it, 48: tells a worn or half-written area from a whole one
// The unique device secret (UDS) is in it: a copy of this struct is a secret and gets wiped.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/measure/handover.hpp"

namespace rom {

inline constexpr std::uint64_t kIdentityMagic = 0x31'4e'44'49'46'46'4f'43;  // "COFFIDN1"
inline constexpr std::uint32_t kIdentityVersion = 1;
inline constexpr std::uint32_t kIdentityCertificates = 3;
inline constexpr std::size_t kIdentityEncodedSize = 24 + 32 + 48 + 48 + kIdentityCertificates * (4 + 1024) + 48;

struct Identity {
  std::uint32_t development{};  // 1: anybody may have made it
  std::uint32_t minimum_security_version{};
  std::array<char, 32> device_id{};
  std::array<std::uint8_t, 48> uds{};
  measure::Digest signer_digest{};
  std::array<measure::Certificate, kIdentityCertificates> certificates{};
};

enum class IdentityVerdict : std::uint8_t {
  kAccepted,
  kTooShort,
  kWrongMagic,  // never provisioned
  kWrongVersion,
  kDamaged,  // the digest over the area differs
  kWrongDevelopmentFlag,
  kWrongCertificateCount,
  kWrongDeviceId,
  kWrongCertificate,
  kEmptySecret,
};
[[nodiscard]] std::string_view describe(IdentityVerdict verdict);

struct ParsedIdentity {
  IdentityVerdict verdict{};
  Identity identity{};  // all zero unless the verdict is kAccepted
};
[[nodiscard]] ParsedIdentity parse_identity(base::Bytes area);
// The bytes that parse_identity() takes back. Errors: kInvalidArgument when it would not take them back.
[[nodiscard]] base::Result<std::array<std::uint8_t, kIdentityEncodedSize>> encode_identity(const Identity& identity);

}  // namespace rom
