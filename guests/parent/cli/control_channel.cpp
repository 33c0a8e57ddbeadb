#include "guests/parent/cli/control_channel.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::string_view kSuffix = ".sock";
constexpr std::size_t kMostReplies = 10'000;  // bounds what a broken process can make a command do

bool address_of(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::copy(path.begin(), path.end(), address.sun_path);
  return true;
}

int connect_at(const std::string& path, Descriptor& socket) {
  sockaddr_un address;
  if (!address_of(path, address)) return -ENAMETOOLONG;
  socket = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return -errno;
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : -errno;
}

}  // namespace

bool send_line(int socket, const Json& line) {
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t count = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

std::optional<Json> LineReader::next(std::chrono::milliseconds allowed) {
  const Clock::time_point deadline = Clock::now() + allowed;
  for (;;) {
    if (const std::size_t newline = buffer_.find('\n'); newline != std::string::npos) {
      Json line = Json::parse(buffer_.substr(0, newline), nullptr, /*allow_exceptions=*/false);
      buffer_.erase(0, newline + 1);
      if (!line.is_object()) return {};
      return line;
    }
    if (buffer_.size() > kLongestLine) return {};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return {};
    pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    if (ready < 0) return {};
    std::array<char, 4096> piece;
    const ssize_t count = ::recv(socket_, piece.data(), piece.size(), 0);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return {};
    buffer_.append(piece.data(), static_cast<std::size_t>(count));
  }
}

Answer collect(int socket, std::chrono::milliseconds allowed, void (*show)(const std::string&)) {
  Answer answer;
  LineReader reader(socket);
  for (std::size_t i = 0; i < kMostReplies; ++i) {
    const std::optional<Json> line = reader.next(allowed);
    if (!line) break;
    const auto text_at = [&line](const char* key) {
      return line->contains(key) && (*line)[key].is_string() ? (*line)[key].get<std::string>() : std::string();
    };
    answer.out += text_at("stdout");
    if (const std::string error = text_at("stderr"); !error.empty()) {
      answer.error += error;
      if (show != nullptr) show(error);
    }
    if (line->contains("status") && (*line)["status"].is_number_integer()) {
      answer.status = (*line)["status"].get<int>();
      break;
    }
  }
  return answer;
}

std::string socket_path(const std::string& run_folder, std::uint64_t slot_uid) {
  std::array<char, 20> hex{};
  std::snprintf(hex.data(), hex.size(), "%llx", static_cast<unsigned long long>(slot_uid));
  return run_folder + '/' + hex.data() + std::string(kSuffix);
}

Descriptor listen_at(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    std::filesystem::create_directories(folder, error);
    ::chmod(folder.c_str(), 0700);
  }
  sockaddr_un address;
  if (!address_of(path, address))
    throw Failure(ErrorCode::kSocketPathNotFound, path + " is too long for a socket.", "Give a shorter --run-dir.");
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Slots are never numbered twice, so whatever has this name is stale.
  ::unlink(path.c_str());
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0700) != 0 || ::listen(socket.get(), 16) != 0) {
    throw Failure(ErrorCode::kSocket, "The enclave's socket " + path + " can't be made: " + std::strerror(errno) + '.',
                  "Check the folder, or give another with --run-dir or NITRO_CLI_SOCKETS_PATH.");
  }
  return socket;
}

std::vector<EnclaveProcess> connect_to_all(const std::string& run_folder, std::size_t& refused) {
  std::vector<EnclaveProcess> processes;
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(run_folder, error)) {
    if (entry.path().string().ends_with(kSuffix)) paths.push_back(entry.path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw Failure(ErrorCode::kReadFromDisk, "The folder " + run_folder + " can't be read: " + error.message() + '.');
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    EnclaveProcess process{.path = path, .socket = {}};
    const int result = connect_at(path, process.socket);
    if (result == 0) {
      processes.push_back(std::move(process));
    } else if (result == -ECONNREFUSED || result == -ENOENT) {
      ::unlink(path.c_str());
    } else {
      ++refused;
    }
  }
  return processes;
}

EnclaveProcess connect_to(const std::string& run_folder, const std::string& enclave_id) {
  const std::size_t mark = enclave_id.rfind("-enc");
  const std::string slot = mark == std::string::npos ? std::string() : enclave_id.substr(mark + 4);
  // Only digits: the ID must not lead out of the folder.
  if (slot.empty() || slot.size() > 16 || slot.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw Failure(ErrorCode::kSocketPathNotFound, "'" + enclave_id + "' is not an enclave's ID.",
                  "`describe-enclaves` lists them; they look like i-0123456789abcdef0-enc0123456789abcdef.");
  }
  // An ID may be written with leading zeros, as in attestation documents.
  const std::string path = socket_path(run_folder, std::stoull(slot, nullptr, 16));
  EnclaveProcess process{.path = path, .socket = {}};
  const int result = connect_at(path, process.socket);
  if (result == -ECONNREFUSED) ::unlink(path.c_str());
  if (result == -EACCES)
    throw Failure(ErrorCode::kProcessConnection, "You may not use " + path + '.',
                  "Be root, or whoever started the enclave.");
  if (result < 0) {
    throw Failure(ErrorCode::kProcessConnection, "There is no enclave " + enclave_id + '.',
                  "`describe-enclaves` lists those that run.");
  }
  return process;
}

}  // namespace enclave_cli
