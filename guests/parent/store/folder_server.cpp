#include "guests/parent/store/folder_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace parent_store {
namespace {

constexpr std::size_t kPiece = 256 * 1024, kLongestName = 128;

bool send_all(int socket, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::send(socket, bytes, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

struct Line {
  std::string text;  // without its end
  bool whole{}, too_long{};
};
Line receive_line(int socket, std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + limit;  // of the whole line: a byte now and then would hold the stream for ever
  Line line;
  while (!line.whole && !line.too_long) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd wait{.fd = socket, .events = POLLIN, .revents = 0};
    if (left <= 0 || (::poll(&wait, 1, static_cast<int>(left)) < 0 && errno != EINTR)) break;
    char byte = 0;
    const ssize_t count = wait.revents == 0 ? -1 : ::recv(socket, &byte, 1, MSG_DONTWAIT);
    if (wait.revents == 0 || (count < 0 && (errno == EINTR || errno == EAGAIN))) continue;
    if (count <= 0) break;
    line.whole = byte == '\n';
    line.too_long = !line.whole && line.text.size() + 1 == kLongestLine;
    if (!line.whole) line.text += byte;
  }
  return line;
}

bool send_text(int socket, const std::string& text) { return send_all(socket, text.data(), text.size()); }

}  // namespace

bool is_file_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && name.front() != '.' && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

void FolderServer::send_file(int socket, const std::string& name) const {
  if (!is_file_name(name)) return void(send_text(socket, "error that is no name of a file\n"));
  const int folder = ::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const int file = folder < 0 ? -1 : ::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  const int error = errno;
  if (folder >= 0) ::close(folder);
  struct stat status {};
  if (file < 0 || ::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    send_text(socket, std::string("error ") + (file < 0 ? std::strerror(error) : "not a regular file") + '\n');
    if (file >= 0) ::close(file);
    return;
  }
  // Never more than was said; less when the file has become shorter, which who reads it notices.
  auto left = static_cast<std::uint64_t>(status.st_size);
  if (send_text(socket, "ok " + std::to_string(left) + '\n')) {
    std::vector<char> piece(kPiece);
    while (left > 0) {
      const ssize_t count = ::read(file, piece.data(), static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size())));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0 || !send_all(socket, piece.data(), static_cast<std::size_t>(count))) break;
      left -= static_cast<std::uint64_t>(count);
    }
  }
  ::close(file);
}

void FolderServer::serve(int socket) const {
  const Line received = receive_line(socket, request_time_);
  if (received.too_long) return void(send_text(socket, "error a request has at most 4095 bytes\n"));
  if (!received.whole) return;
  const std::string& line = received.text;
  if (line.starts_with("GET ")) return send_file(socket, line.substr(4));
  if (!line.starts_with("SAY ")) return void(send_text(socket, "error GET NAME or SAY TEXT is wanted\n"));
  std::string text = line.substr(4);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E) c = '?';
  }
  said_(text);
  send_text(socket, "ok 0\n");
}

}  // namespace parent_store
