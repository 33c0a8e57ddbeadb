// Standard input and output through vsock, on either side: what a shell script of a parent or an enclave speaks with.
//
//   vsock-pipe connect CID PORT [SECONDS]  standard input goes there, what comes back is standard output; tries to connect for
//                                          SECONDS (10)
//   vsock-pipe take PORT [N]               standard output is what N (1) connections bring, one after the other
//   vsock-pipe listen PORT COMMAND...      each connection is the standard input and output of a COMMAND of its own
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

constexpr int kRetryMs = 100;
constexpr unsigned kSeconds = 10;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "vsock-pipe: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

sockaddr_vm address_of(unsigned cid, unsigned port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

bool write_all(int file, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(file, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

int connected(unsigned cid, unsigned port, unsigned seconds) {
  for (unsigned tries = seconds * 1000 / kRetryMs;; --tries) {
    const int stream = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_vm address = address_of(cid, port);
    if (stream < 0) give_up("a socket");
    if (::connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return stream;
    if (tries == 0) give_up("connecting");
    ::close(stream);
    ::usleep(kRetryMs * 1000);
  }
}

int listening(unsigned port) {
  const int listener = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_vm address = address_of(VMADDR_CID_ANY, port);
  if (listener < 0 || ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 16) != 0) {
    give_up("listening");
  }
  return listener;
}

int accepted(int listener) {
  for (;;) {
    const int stream = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (stream >= 0) return stream;
    if (errno != EINTR && errno != ECONNABORTED && errno != ECONNRESET) give_up("accepting");
  }
}

// False: the stream broke off.
bool copy_out(int stream) {
  char piece[4096];
  for (;;) {
    const ssize_t count = ::read(stream, piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count == 0;
    if (!write_all(STDOUT_FILENO, piece, static_cast<std::size_t>(count))) give_up("standard output");
  }
}

int connect_both(unsigned cid, unsigned port, unsigned seconds) {
  const int stream = connected(cid, port, seconds);
  const pid_t sender = ::fork();
  if (sender < 0) give_up("a process");
  if (sender == 0) {
    char piece[4096];
    for (ssize_t count = 0; (count = ::read(STDIN_FILENO, piece, sizeof piece)) > 0;) {
      if (!write_all(stream, piece, static_cast<std::size_t>(count))) ::_exit(1);
    }
    ::shutdown(stream, SHUT_WR);
    ::_exit(0);
  }
  const bool whole = copy_out(stream);
  ::kill(sender, SIGKILL);  // it may wait for more input, which nobody hears any more
  ::waitpid(sender, nullptr, 0);
  if (!whole) give_up("the stream");
  return 0;
}

int take(unsigned port, unsigned long count) {
  const int listener = listening(port);
  for (unsigned long number = 0; number < count; ++number) {
    const int stream = accepted(listener);
    if (!copy_out(stream)) give_up("the stream");
    ::close(stream);
  }
  return 0;
}

[[noreturn]] void serve(unsigned port, char** command) {
  const int listener = listening(port);
  std::signal(SIGCHLD, SIG_IGN);  // nobody waits for them
  for (;;) {
    const int stream = accepted(listener);
    if (::fork() == 0) {
      std::signal(SIGCHLD, SIG_DFL);
      ::dup2(stream, STDIN_FILENO);
      ::dup2(stream, STDOUT_FILENO);
      ::execvp(command[0], command);
      give_up(command[0]);
    }
    ::close(stream);
  }
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string_view verb = count > 1 ? words[1] : "";
  const auto number = [&](int index) { return static_cast<unsigned>(std::strtoul(words[index], nullptr, 0)); };
  if (verb == "connect" && (count == 4 || count == 5)) return connect_both(number(2), number(3), count == 5 ? number(4) : kSeconds);
  if (verb == "take" && (count == 3 || count == 4)) return take(number(2), count == 4 ? number(3) : 1);
  if (verb == "listen" && count > 3) serve(number(2), words + 3);
  std::fprintf(stderr, "usage: vsock-pipe connect CID PORT [SECONDS] | take PORT [N] | listen PORT COMMAND...\n");
  return 2;
}
