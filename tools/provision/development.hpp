// What an identity is for, and how a certificate says so.
//
// A development identity is one whose keys nobody protects. It is marked twice: OU=DEVELOPMENT in the subject of the
// root, the manufacturer, the device (and by the ROM the monitor), and an extension in the root and the device. A
// verifier refuses it unless asked. The extension's OID lies under the arc that X.660 reserves for examples, since
// the project has no arc of its own; its value is the UTF8String "DEVELOPMENT".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace provision {

enum class Purpose : std::uint8_t { kProduction, kDevelopment };

inline constexpr std::string_view kDevelopmentUnit = "DEVELOPMENT";
inline constexpr std::array<std::uint8_t, 4> kDevelopmentOid{0x88, 0x37, 0x01, 0x01};  // 2.999.1.1
inline constexpr std::array<std::uint8_t, 13> kDevelopmentValue{0x0c, 11, 'D', 'E', 'V', 'E', 'L',
                                                                'O',  'P', 'M', 'E', 'N', 'T'};

[[nodiscard]] constexpr std::string_view unit_of(Purpose purpose) {
  return purpose == Purpose::kDevelopment ? kDevelopmentUnit : std::string_view{};
}

}  // namespace provision
