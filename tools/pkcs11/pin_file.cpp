#include "tools/pkcs11/pin_file.hpp"

#include "tools/cofferdam/bytes.hpp"

namespace pkcs11 {

std::string pin_in_file(const std::string& path) {
  constexpr std::size_t kMostFile = 256;
  const cofferdam::Bytes bytes = cofferdam::read_private_file(path, kMostFile);
  std::string pin(cofferdam::as_text(bytes));
  while (pin.ends_with('\n') || pin.ends_with('\r')) pin.pop_back();
  return pin;
}

}  // namespace pkcs11
