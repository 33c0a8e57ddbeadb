#include "tools/provision/bytes_and_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace provision {
namespace {

[[noreturn]] void fail(const Path& path, std::string_view what) {
  const int error = errno;
  throw ProvisionError(path.string() + ": " + std::string(what) + ": " + std::strerror(error));
}

int value_of(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

void write_all(int file, ByteView content, const Path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0) fail(path, "can't write");
    content = content.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace

Bytes read_file(const Path& path, std::size_t max_size) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "can't read");
  Bytes content;
  std::array<char, 65536> chunk{};
  while (file.read(chunk.data(), chunk.size()) || file.gcount() > 0) {
    content.insert(content.end(), chunk.begin(), chunk.begin() + file.gcount());
    if (content.size() > max_size) {
      throw ProvisionError(path.string() + ": larger than the " + std::to_string(max_size) + " bytes that may be");
    }
  }
  if (file.bad()) fail(path, "can't read");
  return content;
}

void write_file(const Path& path, ByteView content, Secrecy secrecy) {
  Path fresh = path;
  fresh += ".new";
  const mode_t mode = secrecy == Secrecy::kSecret ? 0600 : 0644;
  ::unlink(fresh.c_str());
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) fail(fresh, "can't create");
  try {
    write_all(file, content, fresh);
  } catch (...) {
    ::close(file);
    ::unlink(fresh.c_str());
    throw;
  }
  ::close(file);
  if (::rename(fresh.c_str(), path.c_str()) != 0) fail(path, "can't replace");
}

measure::Digest parse_digest(std::string_view hex) {
  measure::Digest digest{};
  if (hex.size() != digest.size() * 2) {
    throw ProvisionError("a SHA-384 digest has 96 hex digits, this has " + std::to_string(hex.size()));
  }
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = value_of(hex[2 * i]);
    const int low = value_of(hex[2 * i + 1]);
    if (high < 0 || low < 0) throw ProvisionError("not a hex digit in the digest " + std::string(hex));
    digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

std::string to_hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace provision
