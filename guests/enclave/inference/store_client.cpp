#include "guests/enclave/inference/store_client.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace inference {
namespace {

constexpr int kTries = 120;
constexpr unsigned kPause = 500'000;  // microseconds
constexpr time_t kPatience = 120;     // seconds without a byte
constexpr std::size_t kLongestLine = 1024;

relay::Descriptor connected(const relay::Address& store, int tries) {
  const relay::SocketAddress where = relay::socket_address(store);
  for (int attempt = 1;; ++attempt) {
    relay::Descriptor socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = kPatience, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&where.storage), where.size) == 0) return socket;
    if (attempt >= tries) {
      throw StoreError("the parent's store at " + relay::to_text(store) + " can't be reached: " + std::strerror(errno));
    }
    ::usleep(kPause);
  }
}

void send_line(int socket, std::string line) {
  line += '\n';
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = ::send(socket, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) throw StoreError("the parent's store hung up");
    sent += static_cast<std::size_t>(count);
  }
}

std::string receive_line(int socket) {
  std::string line;
  for (char byte = 0; line.size() < kLongestLine; line += byte) {
    if (::recv(socket, &byte, 1, 0) != 1) throw StoreError("the parent's store hung up");
    if (byte == '\n') return line;
  }
  throw StoreError("the parent's store answers with something else");
}

}  // namespace

StoredFile::StoredFile(const relay::Address& store, const std::string& name) : StoredFile(connected(store, kTries), name) {}

StoredFile::StoredFile(relay::Descriptor store, std::string name) : socket_(std::move(store)), name_(std::move(name)) {
  send_line(socket_.get(), "GET " + name_);
  const std::string head = receive_line(socket_.get());
  if (!head.starts_with("ok ")) throw StoreError("the parent's store does not give " + name_ + ": " + head);
  const auto [end, error] = std::from_chars(head.data() + 3, head.data() + head.size(), size_);
  if (error != std::errc() || end != head.data() + head.size()) {
    throw StoreError("the parent's store answers with something else");
  }
  left_ = size_;
}

std::size_t StoredFile::read(std::span<std::uint8_t> out) {
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, out.size()));
  if (wanted == 0) return 0;
  const ssize_t count = ::recv(socket_.get(), out.data(), wanted, 0);
  if (count < 0) throw StoreError("the parent's store broke off while it sent " + name_ + ": " + std::strerror(errno));
  left_ -= static_cast<std::uint64_t>(count);
  return static_cast<std::size_t>(count);
}

std::string whole_content(StoredFile& file, std::uint64_t most) {
  if (file.size() > most) throw StoreError("the parent's " + file.name() + " has more than " + std::to_string(most) + " bytes");
  std::string content(static_cast<std::size_t>(file.size()), '\0');
  std::size_t filled = 0;
  while (filled < content.size()) {
    const std::size_t count = file.read({reinterpret_cast<std::uint8_t*>(content.data()) + filled, content.size() - filled});
    if (count == 0) throw StoreError("the parent's " + file.name() + " is cut short");
    filled += count;
  }
  return content;
}

std::string whole_file(const relay::Address& store, const std::string& name, std::uint64_t most) {
  StoredFile file(store, name);
  return whole_content(file, most);
}

void say(const relay::Address& store, const std::string& text) {
  try {
    const relay::Descriptor socket = connected(store, 1);
    send_line(socket.get(), "SAY " + text.substr(0, 3000));
    (void)receive_line(socket.get());  // so that it was heard before the enclave ends
  } catch (const StoreError&) {
  }
}

}  // namespace inference
