#include "tools/pkcs11/pin_file.hpp"

#include <sys/stat.h>

#include "tools/cofferdam/bytes.hpp"

namespace pkcs11 {

std::string pin_in_file(const std::string& path) {
  constexpr std::size_t kMostFile = 256;
  struct stat status{};
  if (stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    throw cofferdam::Unreadable(path + " may be read by others than its owner: chmod 600 " + path);
  }
  const cofferdam::Bytes bytes = cofferdam::read_file(path, kMostFile);
  std::string pin(cofferdam::as_text(bytes));
  while (pin.ends_with('\n') || pin.ends_with('\r')) pin.pop_back();
  return pin;
}

}  // namespace pkcs11
