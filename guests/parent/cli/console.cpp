#include "guests/parent/cli/console.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kConnectMs = 5000;
constexpr Milliseconds kLastWordsTotal{2000};
constexpr int kLastWordsQuietMs = 500;
constexpr std::size_t kLastWordsBytes = 64 * 1024;  // kept: the newest

void write_all(int output, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(output, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw Failure(ErrorCode::kConsoleWrite, std::string("Writing fails: ") + std::strerror(errno) + '.');
    bytes += count;
    size -= static_cast<std::size_t>(count);
  }
}

// A person's terminal shows this: what moves its cursor or changes its mode is left out.
std::string shown(std::string_view line) {
  std::string text;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7f)) text += c;
  }
  return text;
}

}  // namespace

Descriptor connect_to_console(SocketFamily& sockets, std::uint64_t cid) {
  const auto port = static_cast<std::uint32_t>(kConsolePortOffset + cid);
  const int console = sockets.connect(kMonitorCid, port, kConnectMs);
  if (console < 0) {
    throw Failure(ErrorCode::kConsoleConnection,
                  "vsock CID 0, port " + std::to_string(port) + " can't be reached: " + std::strerror(-console) + '.',
                  "Only an enclave started with --debug-mode has a console, while it runs, for one reader at a time.");
  }
  return Descriptor(console);
}

void copy_console(int console, int output, std::optional<Milliseconds> allowed) {
  const Clock::time_point end = Clock::now() + allowed.value_or(Milliseconds{0});
  std::array<char, 4096> piece{};
  for (;;) {
    int wait = -1;
    if (allowed) {
      wait =
          static_cast<int>(std::min<std::int64_t>(60'000, std::chrono::ceil<Milliseconds>(end - Clock::now()).count()));
      if (wait <= 0) return;
    }
    pollfd waiting{.fd = console, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, wait);
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t count = ::read(console, piece.data(), piece.size());
    if (count == 0 || (count < 0 && (errno == ECONNRESET || errno == EPIPE))) return;  // the enclave has ended
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) throw Failure(ErrorCode::kConsoleRead, std::string("Reading fails: ") + std::strerror(errno) + '.');
    write_all(output, piece.data(), static_cast<std::size_t>(count));
  }
}

std::vector<std::string> last_words(SocketFamily& sockets, std::uint64_t cid, std::size_t limit) {
  const Descriptor console(sockets.connect(kMonitorCid, static_cast<std::uint32_t>(kConsolePortOffset + cid),
                                           static_cast<int>(kLastWordsTotal.count())));
  if (!console) return {};
  const Clock::time_point end = Clock::now() + kLastWordsTotal;
  std::string text;
  std::array<char, 4096> piece{};
  while (Clock::now() < end) {
    pollfd waiting{.fd = console.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kLastWordsQuietMs) <= 0) break;
    const ssize_t count = ::read(console.get(), piece.data(), piece.size());
    if (count <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(count));
    if (text.size() > kLastWordsBytes) text.erase(0, text.size() - kLastWordsBytes);
  }
  std::vector<std::string> lines;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t newline = std::min(text.find('\n', from), text.size());
    if (std::string line = shown(std::string_view(text).substr(from, newline - from)); !line.empty())
      lines.push_back(std::move(line));
    from = newline + 1;
  }
  if (lines.size() > limit) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(limit));
  return lines;
}

}  // namespace enclave_cli
