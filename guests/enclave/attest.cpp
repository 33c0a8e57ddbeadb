// Attestation over vsock, by request: the same program answers in the enclave and asks in the parent.
//
//   attest serve PORT               answers the parent, one connection after the other, for ever
//   attest ask CID PORT REQUEST...  sends the request's words, prints the answer; waits for a service that is just starting
//     document NONCE                an attestation document with this nonce (hexadecimal), as base64
//     measure COUNT                 what bench/linux/enclaves.py wants to know, as `workload` prints it: when the kernel began
//                                   and when it ran its first process, and the price of COUNT documents
//
// A request is one line, its answer all that comes until the end of the stream. An answer "error: ..." makes `ask` end with 1.
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "guests/enclave/nsm_device.hpp"
#include "guests/enclave/wire/hexadecimal.hpp"
#include "guests/enclave/wire/nsm_messages.hpp"

namespace {

using enclave::NsmDevice;
using nsm_wire::Text;

constexpr unsigned kParentCid = 3;
constexpr std::size_t kMostRequest = 4096, kMostAnswer = 1 << 20;
constexpr unsigned kMostDocuments = 100'000;
constexpr int kAttempts = 300;          // of reaching the service
constexpr unsigned kPause = 100'000;    // microseconds between them
constexpr int kPatienceSeconds = 120;

std::uint64_t ticks() {
  std::uint64_t value = 0;
  asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
  return value;
}

std::uint64_t frequency() {
  std::uint64_t value = 0;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(value));
  return value;
}

Text figure(const char* name, std::uint64_t count, std::uint64_t spent) {
  char line[128];
  std::snprintf(line, sizeof line, "WORKLOAD %s %llu %llu %llu\n", name, static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(spent), static_cast<unsigned long long>(frequency()));
  return line;
}

std::optional<Text> document(NsmDevice& nsm, const Text& nonce) {
  return nsm_wire::read_document(nsm.ask(nsm_wire::attestation_request(std::nullopt, nonce, std::nullopt)));
}

// Microseconds of the kernel's own clock, which its log has, at the record with this text; ~0: there is none.
std::uint64_t logged_at(std::string_view what) {
  const int file = ::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  std::uint64_t found = ~std::uint64_t{0};
  char record[8192];  // "priority,sequence,microseconds,flags;text", one with each read (Documentation/ABI/testing/dev-kmsg)
  for (ssize_t size = 0; file >= 0 && found == ~std::uint64_t{0} && (size = ::read(file, record, sizeof record - 1)) > 0;) {
    record[size] = '\0';
    unsigned long long at = 0;
    if (std::strstr(record, what.data()) != nullptr && std::sscanf(record, "%*u,%*u,%llu", &at) == 1) found = at;
  }
  if (file >= 0) ::close(file);
  return found;
}

// The kernel's clock and the counter at the same moment, to tell when by the counter something was logged.
Text boot_figures() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  const std::uint64_t now = ticks();
  const std::uint64_t since_boot = static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_nsec) / 1000;
  const std::uint64_t per_microsecond = std::max<std::uint64_t>(1, frequency() / 1'000'000);
  const std::uint64_t first_process = logged_at("as init process");
  Text out = figure("kernel_begins", 1, now - since_boot * per_microsecond);
  if (first_process <= since_boot) out += figure("init_begins", 1, now - (since_boot - first_process) * per_microsecond);
  return out;
}

Text measure(NsmDevice& nsm, unsigned count) {
  Text out = boot_figures();
  const Text nonce(16, 'n');
  std::uint64_t start = ticks();
  if (!document(nsm, nonce)) return "error: no document\n";
  out += figure("document_first", 1, ticks() - start);
  start = ticks();
  for (unsigned made = 0; made < count; ++made) {
    if (!document(nsm, nonce)) return "error: no document\n";
  }
  return out + figure("document", count, ticks() - start);
}

Text answer_to(std::string_view request) {
  const std::size_t space = request.find(' ');
  const std::string_view verb = request.substr(0, space);
  const Text argument(space == request.npos ? "" : request.substr(space + 1));
  NsmDevice nsm;
  if (!nsm.is_open()) return Text("error: can't open /dev/nsm: ") + std::strerror(errno) + '\n';
  if (verb == "document") {
    const auto nonce = nsm_wire::from_hex(argument);
    if (!nonce) return "error: a nonce is pairs of hexadecimal digits\n";
    const auto made = document(nsm, *nonce);
    return made ? nsm_wire::base64(*made) + '\n' : "error: /dev/nsm gives no document for this nonce\n";
  }
  const unsigned long count = std::strtoul(argument.c_str(), nullptr, 10);
  if (verb == "measure" && count > 0 && count <= kMostDocuments) return measure(nsm, static_cast<unsigned>(count));
  return "error: unknown request\n";
}

void be_patient(int stream) {
  const timeval patience{kPatienceSeconds, 0};
  ::setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(stream, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

bool send_all(int stream, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(stream, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Until the end, or with `line` until the end of a line. Nothing: it broke off, or is longer than `most`.
std::optional<Text> receive(int stream, std::size_t most, bool line) {
  Text got;
  char piece[4096];
  while (got.size() <= most) {
    const ssize_t count = ::recv(stream, piece, sizeof piece, 0);
    if (count < 0 || (count == 0 && line)) return std::nullopt;
    if (count == 0) return got;
    got.append(piece, static_cast<std::size_t>(count));
    const std::size_t end = line ? got.find('\n') : got.npos;
    if (end != got.npos) return got.substr(0, end);
  }
  return std::nullopt;
}

sockaddr_vm address_of(unsigned cid, unsigned port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

int give_up(const char* what) {
  std::fprintf(stderr, "attest: %s: %s\n", what, std::strerror(errno));
  return 1;
}

int serve(unsigned port) {
  const int listener = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_vm address = address_of(VMADDR_CID_ANY, port);
  if (listener < 0 || ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 4) != 0) {
    return give_up("can't listen");
  }
  for (;;) {
    sockaddr_vm peer{};
    socklen_t size = sizeof peer;
    const int stream = ::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
    if (stream < 0) continue;
    be_patient(stream);
    const auto request = peer.svm_cid == kParentCid ? receive(stream, kMostRequest, true) : std::nullopt;
    if (request) static_cast<void>(send_all(stream, answer_to(*request)));
    ::close(stream);
  }
}

int reach(unsigned cid, unsigned port) {
  const sockaddr_vm address = address_of(cid, port);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int stream = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream < 0 || ::connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return stream;
    const int error = errno;
    ::close(stream);
    errno = error;
    if (error != ECONNRESET) return -1;  // refused: nobody listens there yet
    ::usleep(kPause);
  }
  return -1;
}

int ask(unsigned cid, unsigned port, const Text& request) {
  const int stream = reach(cid, port);
  if (stream < 0) return give_up("can't reach the service");
  be_patient(stream);
  const auto answer = send_all(stream, request + '\n') ? receive(stream, kMostAnswer, false) : std::nullopt;
  if (!answer) return give_up("no answer");
  const bool good = !answer->empty() && !answer->starts_with("error: ");
  std::fprintf(good ? stdout : stderr, "%s%s", good ? "" : "attest: ", answer->c_str());
  return good ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view verb = count > 1 ? words[1] : "";
  if (verb == "serve" && count == 3 && std::atoi(words[2]) > 0) return serve(static_cast<unsigned>(std::atoi(words[2])));
  if (verb == "ask" && count > 4 && std::atoi(words[2]) > 0 && std::atoi(words[3]) > 0) {
    Text request = words[4];
    for (int index = 5; index < count; ++index) request += Text(" ") + words[index];
    return ask(static_cast<unsigned>(std::atoi(words[2])), static_cast<unsigned>(std::atoi(words[3])), request);
  }
  std::fprintf(stderr, "usage: attest serve PORT | ask CID PORT document NONCE | ask CID PORT measure COUNT\n");
  return 2;
}
