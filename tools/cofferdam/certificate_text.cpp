// The parts of certificates that are text, and need no cryptography: object identifiers, names, PEM.
#include "tools/cofferdam/crypto.hpp"

namespace cofferdam {
namespace {

// One arc in decimal: base 128 in, base 10 out, of any size (UUID-based arcs have 128 bits).
std::string decimal(ByteView arc) {
  std::string digits = "0";  // the last digit first
  for (const std::uint8_t byte : arc) {
    unsigned carry = byte & 0x7fU;
    for (char& digit : digits) {
      carry += static_cast<unsigned>(digit - '0') * 128;
      digit = static_cast<char>('0' + carry % 10);
      carry /= 10;
    }
    for (; carry > 0; carry /= 10) digits += static_cast<char>('0' + carry % 10);
  }
  return {digits.rbegin(), digits.rend()};
}

}  // namespace

std::string dotted_oid(ByteView oid) {
  constexpr std::size_t kMaxOid = 64;
  require(!oid.empty() && oid.size() <= kMaxOid && (oid.back() & 0x80) == 0, "malformed object identifier");
  std::string text;
  std::size_t start = 0;
  for (std::size_t i = 0; i < oid.size(); ++i) {
    require(i != start || oid[i] != 0x80, "malformed object identifier");  // an arc in its shortest form
    if ((oid[i] & 0x80) != 0) continue;
    if (start == 0) {  // two arcs in one number: 40 * first + second, first at most 2
      require(i < 4, "an object identifier whose first arcs are out of range");
      unsigned both = 0;
      for (std::size_t k = 0; k <= i; ++k) both = both * 128 + (oid[k] & 0x7fU);
      const unsigned first = both < 80 ? both / 40 : 2;
      text = std::to_string(first) + "." + std::to_string(both - 40 * first);
    } else {
      text += "." + decimal(oid.subspan(start, i + 1 - start));
    }
    start = i + 1;
  }
  return text;
}

std::string printable(ByteView bytes) {
  std::string text;
  const bool utf8 = is_valid_utf8(bytes);
  for (const std::uint8_t byte : bytes) {
    if (byte >= 0x20 && byte != 0x7f && byte != '\\' && (byte < 0x80 || utf8)) {
      text += static_cast<char>(byte);
    } else {
      text += "\\" + to_hex(ByteView(&byte, 1));
    }
  }
  return text;
}

std::vector<Bytes> certificates_in(ByteView file) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  std::string_view text = as_text(file);
  std::vector<Bytes> certificates;
  for (std::size_t begin = text.find(kBegin); begin != std::string_view::npos; begin = text.find(kBegin)) {
    text.remove_prefix(begin + kBegin.size());
    const std::size_t end = text.find(kEnd);
    require(end != std::string_view::npos, "a PEM certificate without its END line");
    std::optional<Bytes> der = from_base64(text.substr(0, end));
    require(der.has_value() && !der->empty(), "a PEM certificate that is not base64");
    certificates.push_back(*std::move(der));
    text.remove_prefix(end + kEnd.size());
  }
  if (certificates.empty()) {
    require(!file.empty() && file[0] == 0x30, "neither PEM (\"-----BEGIN CERTIFICATE-----\") nor DER");
    certificates.emplace_back(file.begin(), file.end());
  }
  return certificates;
}

}  // namespace cofferdam
