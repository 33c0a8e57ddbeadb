#include "guests/enclave/init/heartbeat.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace enclave_init {
namespace {

constexpr unsigned kParentCid = 3;
constexpr unsigned kPort = 9000;
constexpr std::uint8_t kBeat = 0xB7;
constexpr int kAttempts = 25;
constexpr long kPauseNanoseconds = 200'000'000;
constexpr int kAnswerMilliseconds = 10'000;

std::string failed(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

// The socket, or -1 with errno.
int connect_to_parent() {
  const int stream = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (stream < 0) return -1;
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = kParentCid;
  address.svm_port = kPort;
  if (::connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return stream;
  const int error = errno;
  ::close(stream);
  errno = error;
  return -1;
}

std::string exchange(int stream) {
  std::uint8_t byte = kBeat;
  if (::send(stream, &byte, 1, MSG_NOSIGNAL) != 1) return failed("sending the heartbeat");
  pollfd waiting{stream, POLLIN, 0};
  const int ready = ::poll(&waiting, 1, kAnswerMilliseconds);
  if (ready == 0) return "the parent took the connection and does not answer";
  if (ready < 0) return failed("waiting for the answer");
  const ssize_t count = ::read(stream, &byte, 1);
  if (count < 0) return failed("reading the answer");
  if (count == 0) return "the parent closed the connection without an answer";
  return byte == kBeat ? "" : "the parent answered another byte than 0xB7";
}

}  // namespace

std::string send_heartbeat() {
  for (int attempt = 1;; ++attempt) {
    const int stream = connect_to_parent();
    if (stream >= 0) {
      const std::string problem = exchange(stream);
      ::close(stream);
      return problem;
    }
    // Without the socket family nothing changes by waiting; the device or the listener may be a moment late.
    if (errno == EAFNOSUPPORT || attempt == kAttempts) return failed("connecting to CID 3 port 9000");
    const timespec pause{0, kPauseNanoseconds};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace enclave_init
