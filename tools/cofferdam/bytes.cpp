#include "tools/cofferdam/bytes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace cofferdam {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

std::string to_hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

std::optional<Bytes> from_base64(std::string_view text) {
  Bytes bytes;
  std::uint32_t bits = 0;
  std::size_t digits = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    if (padding != 0) return std::nullopt;
    const char standard = c == '-' ? '+' : (c == '_' ? '/' : c);
    const std::size_t value = kBase64.find(standard);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    ++digits;
    if (digits % 4 == 0) {
      bytes.push_back(static_cast<std::uint8_t>(bits >> 16));
      bytes.push_back(static_cast<std::uint8_t>(bits >> 8));
      bytes.push_back(static_cast<std::uint8_t>(bits));
      bits = 0;
    }
  }
  const std::size_t rest = digits % 4;
  if (rest == 1 || (padding != 0 && rest + padding != 4)) return std::nullopt;
  if (rest == 2) {
    if ((bits & 0xf) != 0) return std::nullopt;  // bits that encode nothing: a second spelling of the same bytes
    bytes.push_back(static_cast<std::uint8_t>(bits >> 4));
  } else if (rest == 3) {
    if ((bits & 0x3) != 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(bits >> 10));
    bytes.push_back(static_cast<std::uint8_t>(bits >> 2));
  }
  return bytes;
}

std::string to_base64(ByteView bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = std::uint32_t{bytes[i]} << 16;
    if (count > 1) bits |= std::uint32_t{bytes[i + 1]} << 8;
    if (count > 2) bits |= bytes[i + 2];
    text += kBase64[bits >> 18];
    text += kBase64[(bits >> 12) & 63];
    text += count > 1 ? kBase64[(bits >> 6) & 63] : '=';
    text += count > 2 ? kBase64[bits & 63] : '=';
  }
  return text;
}

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool equal(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

bool is_valid_utf8(ByteView bytes) {
  std::size_t i = 0;
  while (i < bytes.size()) {
    const std::uint8_t lead = bytes[i];
    std::size_t more = 0;
    std::uint32_t point = 0;
    std::uint32_t least = 0;
    if (lead < 0x80) {
      ++i;
      continue;
    }
    if ((lead & 0xe0) == 0xc0) {
      more = 1, point = lead & 0x1f, least = 0x80;
    } else if ((lead & 0xf0) == 0xe0) {
      more = 2, point = lead & 0x0f, least = 0x800;
    } else if ((lead & 0xf8) == 0xf0) {
      more = 3, point = lead & 0x07, least = 0x10000;
    } else {
      return false;
    }
    if (bytes.size() - i <= more) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((bytes[i + k] & 0xc0) != 0x80) return false;
      point = (point << 6) | (bytes[i + k] & 0x3fU);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    i += more + 1;
  }
  return true;
}

namespace {

bool is_private(const struct stat& status) {
  mode_t of_others = S_IRWXG | S_IRWXO;
  if (status.st_uid == 0 && ::geteuid() != 0) of_others &= ~static_cast<mode_t>(S_IRGRP);
  return (status.st_mode & of_others) == 0;
}

Bytes read_open(const File& file, const std::string& path, std::size_t limit, bool private_only) {
  if (file.descriptor() < 0) throw Unreadable("can't open " + path + ": " + std::strerror(errno));
  struct stat status {};
  const bool known = ::fstat(file.descriptor(), &status) == 0;  // of what was opened: the name may mean another file by now
  if (known && S_ISDIR(status.st_mode)) throw Unreadable(path + " is a folder; name a file");
  if (private_only && !(known && is_private(status))) {
    throw NotPrivate(path + " may be read by others than its owner: chmod 600 " + path);
  }
  Bytes bytes;
  std::array<std::uint8_t, 65536> chunk;
  while (true) {
    const ssize_t count = ::read(file.descriptor(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Unreadable("can't read " + path + ": " + std::strerror(errno));
    if (count == 0) return bytes;
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + count);
    if (bytes.size() > limit) {
      throw Unreadable(path + " is longer than " + std::to_string(limit) + " bytes, the most that is read here");
    }
  }
}

}  // namespace

Bytes read_file(const std::string& path, std::size_t limit) {
  return read_open(File(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)), path, limit, false);
}

Bytes read_private_file(const std::string& path, std::size_t limit) {
  return read_open(File(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), path, limit, true);
}

namespace {

void write_beside(const std::string& path, ByteView bytes, int flags, mode_t mode) {
  const std::string temporary = path + ".partial";
  bool good = false;
  int problem = 0;
  {
    const File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode));
    good = file.descriptor() >= 0;
    while (good && !bytes.empty()) {
      const ssize_t count = ::write(file.descriptor(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      good = count > 0;
      if (good) bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    good = good && ::fsync(file.descriptor()) == 0;
    problem = errno;
  }
  if (good && std::rename(temporary.c_str(), path.c_str()) == 0) return;
  if (good) problem = errno;
  std::remove(temporary.c_str());
  throw Unreadable("can't write " + path + ": " + std::strerror(problem));
}

}  // namespace

void write_file(const std::string& path, ByteView bytes) { write_beside(path, bytes, O_TRUNC, 0644); }

void write_private_file(const std::string& path, ByteView bytes) {
  std::remove((path + ".partial").c_str());  // one that was left there, or put there meanwhile, has its own mode and owner
  write_beside(path, bytes, O_EXCL, 0600);
}

}  // namespace cofferdam
