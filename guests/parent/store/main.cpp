// cofferdam-parent-store: gives an enclave the files of one folder, and shows what the enclave says about itself.

#include <arpa/inet.h>
#include <netinet/in.h>
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
#include <thread>

#include "guests/parent/store/folder_server.hpp"
#include "guests/parent/store/stream_places.hpp"
#include "guests/relay/address.hpp"
#include "tools/command_line/command_line.hpp"

namespace {

constexpr int kWrongUse = 2;
constexpr std::size_t kMostStreams = 32, kMostOfAPeer = 8;

int listening(const relay::Address& address) {
  const relay::SocketAddress where = relay::socket_address(address);
  const int socket = ::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0 || ::bind(socket, reinterpret_cast<const sockaddr*>(&where.storage), where.size) != 0 || ::listen(socket, 64) != 0) {
    throw std::runtime_error(relay::to_text(address) + ": can't listen: " + std::strerror(errno));
  }
  return socket;
}

// Who counts as one: an enclave, an address.
std::string name_of(const sockaddr_storage& peer) {
  char text[INET6_ADDRSTRLEN] = "";
  switch (peer.ss_family) {
    case AF_VSOCK: {
      sockaddr_vm vm{};
      std::memcpy(&vm, &peer, sizeof vm);
      return std::to_string(vm.svm_cid);
    }
    case AF_INET: {
      sockaddr_in four{};
      std::memcpy(&four, &peer, sizeof four);
      return ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    }
    case AF_INET6: {
      sockaddr_in6 six{};
      std::memcpy(&six, &peer, sizeof six);
      return ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    }
    default: return "";
  }
}

[[noreturn]] void serve(int listener, const parent_store::FolderServer& server, std::optional<unsigned> from_cid, int seconds) {
  parent_store::StreamPlaces places(kMostStreams, kMostOfAPeer);
  const timeval patience{.tv_sec = seconds, .tv_usec = 0};
  for (;;) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int stream = ::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
    if (stream < 0) {
      if (errno != EINTR && errno != ECONNABORTED) ::usleep(10'000);
      continue;
    }
    const std::string name = name_of(peer);
    const bool stranger = from_cid && peer.ss_family == AF_VSOCK && name != std::to_string(*from_cid);
    std::shared_ptr<void> place = stranger ? nullptr : places.take(name);
    if (!place) {
      ::close(stream);
      continue;
    }
    ::setsockopt(stream, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    std::thread([stream, &server, place = std::move(place)] {
      server.serve(stream);
      ::close(stream);
    }).detach();
  }
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  command_line::Program app(
      "Gives an enclave the files of one folder, read-only, and prints what the enclave says about itself, a line each.\n"
      "Nothing in the folder needs to be secret: artifacts are encrypted, and launch.json holds credentials that open nothing without an\n"
      "attestation document. See docs/inference-service.md.",
      "cofferdam-parent-store");
  std::string listen = "vsock:9100", folder;
  std::optional<unsigned> from_cid;
  int seconds = 120;
  app.add_option("--listen", listen, "vsock:PORT, or tcp:ADDRESS:PORT or unix:PATH").capture_default_str().type_name("ADDRESS");
  app.add_option("--from-cid", from_cid, "serve this enclave alone").type_name("CID");
  app.add_option("--idle-seconds", seconds, "how long a stream may stand still while a file is sent").capture_default_str().within(1, 3600);
  app.add_option("FOLDER", folder, "the folder").required().existing_folder();
  if (const auto ended = app.parse_or_explain(count, words)) return *ended;
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
