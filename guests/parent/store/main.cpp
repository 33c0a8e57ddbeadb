// cofferdam-parent-store: gives an enclave the files of one folder, and shows what the enclave says about itself.
#include <CLI/CLI.hpp>

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>

#include "guests/parent/store/folder_server.hpp"
#include "guests/relay/address.hpp"

namespace {

constexpr int kWrongUse = 2;
constexpr std::ptrdiff_t kMostStreams = 32;

int listening(const relay::Address& address) {
  const relay::SocketAddress where = relay::socket_address(address);
  const int socket = ::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0 || ::bind(socket, reinterpret_cast<const sockaddr*>(&where.storage), where.size) != 0 || ::listen(socket, 64) != 0) {
    throw std::runtime_error(relay::to_text(address) + ": can't listen: " + std::strerror(errno));
  }
  return socket;
}

[[noreturn]] void serve(int listener, const parent_store::FolderServer& server, std::optional<unsigned> from_cid, int seconds) {
  static std::counting_semaphore<kMostStreams> free_places(kMostStreams);
  const timeval patience{.tv_sec = seconds, .tv_usec = 0};
  for (;;) {
    free_places.acquire();
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int stream = ::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
    sockaddr_vm vm{};
    std::memcpy(&vm, &peer, sizeof vm);
    if (stream < 0 || (from_cid && peer.ss_family == AF_VSOCK && vm.svm_cid != *from_cid)) {
      if (stream >= 0) ::close(stream);
      else if (errno != EINTR && errno != ECONNABORTED) ::usleep(10'000);
      free_places.release();
      continue;
    }
    ::setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(stream, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    std::thread([stream, &server] {
      server.serve(stream);
      ::close(stream);
      free_places.release();
    }).detach();
  }
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app(
      "Gives an enclave the files of one folder, read-only, and prints what the enclave says about itself, a line each.\n"
      "Nothing in the folder needs to be secret: artifacts are encrypted, and launch.json holds credentials that open nothing without an\n"
      "attestation document. See docs/inference-service.md.",
      "cofferdam-parent-store");
  std::string listen = "vsock:9100", folder;
  std::optional<unsigned> from_cid;
  int seconds = 120;
  app.add_option("--listen", listen, "vsock:PORT, or tcp:ADDRESS:PORT or unix:PATH")->capture_default_str()->type_name("ADDRESS");
  app.add_option("--from-cid", from_cid, "serve this enclave alone")->type_name("CID");
  app.add_option("--idle-seconds", seconds, "how long a stream may stand still")->capture_default_str()->check(CLI::Range(1, 3600));
  app.add_option("FOLDER", folder, "the folder")->required()->check(CLI::ExistingDirectory);
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : kWrongUse;
  }
  const auto address = relay::parse_address(listen, relay::Purpose::kListen);
  if (!address) {
    std::cerr << "cofferdam-parent-store: --listen " << listen << ": " << address.error() << '\n';
    return kWrongUse;
  }
  std::mutex printing;
  const parent_store::FolderServer server(folder, [&printing](const std::string& text) {
    const std::lock_guard lock(printing);
    std::cout << text << std::endl;
  });
  try {
    const int listener = listening(*address);
    std::cerr << "cofferdam-parent-store: ready" << std::endl;
    serve(listener, server, from_cid, seconds);
  } catch (const std::exception& error) {
    std::cerr << "cofferdam-parent-store: " << error.what() << '\n';
    return 1;
  }
}
