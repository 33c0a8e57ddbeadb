// The certificate extension that says what a boot stage is: TCG DICE TcbInfo, OID 2.23.133.5.4.1
// (TCG DICE Attestation Architecture 1.1, section 6.1.1).
//
//   DiceTcbInfo ::= SEQUENCE { vendor [0] UTF8String, model [1] UTF8String, version [2] UTF8String, svn [3] INTEGER,
//     layer [4] INTEGER, fwids [6] SEQUENCE OF { hashAlg OID, digest OCTET STRING }, flags [7] BIT STRING }
// all IMPLICIT. fwids holds the monitor's image, then the board description, SHA-384 each. flags has notSecure (bit 1)
// for a development identity and debug (bit 3) for a debug build; it is absent when no bit is set.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/result.hpp"
#include "firmware/measure/handover.hpp"

namespace measure {

inline constexpr std::array<std::uint8_t, 6> kTcbInfoOid{0x67, 0x81, 0x05, 0x05, 0x04, 0x01};

inline constexpr std::uint8_t kTcbNotConfigured = 0x80;
inline constexpr std::uint8_t kTcbNotSecure = 0x40;
inline constexpr std::uint8_t kTcbRecovery = 0x20;
inline constexpr std::uint8_t kTcbDebug = 0x10;

struct TcbInfo {
  std::string_view vendor;   // at most 32 bytes each
  std::string_view model;
  std::string_view version;
  std::uint32_t security_version{};
  std::uint32_t layer{};     // 0 the ROM, 1 the monitor
  Digest code{};
  Digest configuration{};
  std::uint8_t flags{};
};

// DER at the end of `buffer` (256 bytes are enough). Errors: kTooLarge, kBufferTooSmall.
[[nodiscard]] base::Result<base::Bytes> write_tcb_info(const TcbInfo& info, base::MutableBytes buffer);
// Reads what write_tcb_info() writes; the texts point into `der`. Errors: kInvalidArgument.
[[nodiscard]] base::Result<TcbInfo> read_tcb_info(base::Bytes der);

}  // namespace measure
