#include "tools/artifact/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

namespace artifact {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw cofferdam::Unreadable(what + " " + path + ": " + std::strerror(errno));
}

std::int64_t milliseconds() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::steady_clock::now()).time_since_epoch().count();
}

}  // namespace

InputFile::InputFile(const std::string& path)
    : path_(path), file_(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (file_ < 0) fail("can't read", path_);
  struct stat status {};
  if (::fstat(file_, &status) == 0) {
    if (S_ISDIR(status.st_mode)) throw cofferdam::Unreadable(path_ + " is a folder");
    if (S_ISREG(status.st_mode)) size_ = static_cast<std::uint64_t>(status.st_size);
  }
}
InputFile::~InputFile() {
  if (file_ != STDIN_FILENO) ::close(file_);
}

std::size_t InputFile::read(std::span<std::uint8_t> out) {
  for (;;) {
    const ssize_t count = ::read(file_, out.data(), out.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) fail("can't read", path_);
  }
}

// Reads of a few bytes (a frame's number, IV and tag) are not worth a system call each.
Source InputFile::source() {
  struct Buffer {
    Bytes bytes = Bytes(128 * 1024);
    std::size_t at{}, end{};
  };
  return [this, buffer = std::make_shared<Buffer>()](std::span<std::uint8_t> out) -> std::size_t {
    if (buffer->at == buffer->end) {
      if (out.size() >= buffer->bytes.size()) return read(out);
      buffer->at = 0;
      buffer->end = read(buffer->bytes);
    }
    const std::size_t count = std::min(out.size(), buffer->end - buffer->at);
    std::memcpy(out.data(), buffer->bytes.data() + buffer->at, count);
    buffer->at += count;
    return count;
  };
}

OutputFile::OutputFile(std::string path, Readers readers)
    : path_(std::move(path)), beside_(path_ + ".XXXXXX"), file_(-1) {
  file_ = ::mkostemp(beside_.data(), O_CLOEXEC);
  if (file_ < 0) fail("can't write beside", path_);
  if (readers == Readers::kByUmask) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    static_cast<void>(::fchmod(file_, 0666 & ~mask));
  }
}
OutputFile::~OutputFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(beside_.c_str());
}

void OutputFile::write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("can't write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void OutputFile::keep() {
  if (::fsync(file_) != 0 && errno != EINVAL) fail("can't write", path_);
  if (::rename(beside_.c_str(), path_.c_str()) != 0) fail("can't rename a file to", path_);
  ::close(file_);
  file_ = -1;
}

Progress::Progress(std::string what, std::uint64_t total)
    : what_(std::move(what)),
      total_(total),
      next_(milliseconds() + 2000),
      start_(next_ - 2000),
      terminal_(::isatty(STDERR_FILENO) == 1) {}
Progress::~Progress() {
  if (spoke_ && terminal_) std::fputc('\n', stderr);
}

void Progress::at(std::uint64_t bytes) {
  const std::int64_t now = milliseconds();
  if (now < next_) return;
  next_ = now + (terminal_ ? 1000 : 10'000);
  spoke_ = true;
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  char of_total[48] = "";
  if (total_ > 0) std::snprintf(of_total, sizeof of_total, " of %.0f", static_cast<double>(total_) / (1 << 20));
  std::fprintf(stderr, "%s%s: %.0f%s MiB, %.0f MiB/s%s", terminal_ ? "\r" : "", what_.c_str(), mebibytes, of_total,
               mebibytes * 1000 / static_cast<double>(now - start_), terminal_ ? "  " : "\n");
  std::fflush(stderr);
}

}  // namespace artifact
