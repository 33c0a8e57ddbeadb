#include "tools/https/tls_context.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace https {
namespace {

using Clock = std::chrono::steady_clock;

struct FreeObject {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Memory = std::unique_ptr<BIO, FreeObject>;
using Certificate = std::unique_ptr<X509, FreeObject>;
using Key = std::unique_ptr<EVP_PKEY, FreeObject>;

Memory memory_of(const std::string& pem) { return Memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

Certificate next_certificate(BIO* bio) {
  Certificate certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
  if (!certificate) ERR_clear_error();  // the end of the text is an error to OpenSSL
  return certificate;
}

[[noreturn]] void refuse(const char* what) { throw std::runtime_error(std::string(what) + ": " + tls_reason()); }

std::string address_of_peer(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (address.ss_family == AF_INET) {
    return {reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in&>(address).sin_addr), sizeof(in_addr)};
  }
  constexpr std::size_t kNetwork = 8;  // a host has all addresses of its network to choose from
  if (address.ss_family == AF_INET6) return {reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr), kNetwork};
  return {};
}

// A key with a passphrase would ask on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

std::string tls_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

int tls_version(const std::string& minimum) {
  if (minimum == "1.3") return TLS1_3_VERSION;
  if (minimum == "1.2") return TLS1_2_VERSION;
  throw std::runtime_error("the least TLS version is 1.2 or 1.3, not '" + minimum + "'");
}

TlsContext server_context(const ServerOptions& options) {
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), tls_version(options.minimum_tls)) != 1) refuse("TLS can't be set up");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

  const Memory chain = memory_of(options.certificate_pem);
  const Certificate leaf = next_certificate(chain.get());
  if (!leaf || SSL_CTX_use_certificate(context.get(), leaf.get()) != 1) refuse("the server's certificate can't be read (PEM, leaf first)");
  while (const Certificate above = next_certificate(chain.get())) {
    if (SSL_CTX_add1_chain_cert(context.get(), above.get()) != 1) refuse("the server's chain can't be read");
  }
  const Memory key_text = memory_of(options.key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr));
  if (!key) refuse("the server's key can't be read (PEM, PKCS#8, no passphrase)");
  if (SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 || SSL_CTX_check_private_key(context.get()) != 1) {
    refuse("the server's certificate and key don't belong together");
  }
  // Resumed sessions of one service aren't taken for another's; mTLS refuses them without a name.
  static constexpr unsigned char kSessions[] = "cofferdam";
  SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof(kSessions) - 1);
  if (!options.client_ca_pem.empty()) {
    const Memory authorities = memory_of(options.client_ca_pem);
    bool any = false;
    while (const Certificate authority = next_certificate(authorities.get())) {
      if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get()) != 1 ||
          SSL_CTX_add_client_CA(context.get(), authority.get()) != 1) {
        refuse("the clients' authority can't be used");
      }
      any = true;
    }
    if (!any) refuse("the clients' authority can't be read (PEM)");
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

std::string peer_common_name(SSL* session) {
  const Certificate certificate(session == nullptr ? nullptr : SSL_get1_peer_certificate(session));
  if (!certificate) return {};
  char name[256];
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name, sizeof(name));
  return size > 0 && static_cast<std::size_t>(size) == std::strlen(name) ? std::string(name) : std::string();
}

Connection::Connection(int socket, SSL_CTX* context) : socket_(socket), address_(address_of_peer(socket)) {
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  if (context != nullptr) {
    session_.reset(SSL_new(context));
    if (session_) SSL_set_fd(session_.get(), socket_);
  } else {
    established_ = true;
  }
}

Connection::~Connection() {
  if (session_ && established_) SSL_shutdown(session_.get());  // says goodbye, doesn't wait for the answer
  ERR_clear_error();
  session_.reset();
  ::shutdown(socket_, SHUT_WR);
  ::close(socket_);
}

bool Connection::wait(short events, Clock::time_point deadline, const Patience& patience) const {
  while (true) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (patience) left = std::min(left, patience());
    if (left.count() <= 0) return false;
    pollfd waited{socket_, events, 0};
    const int result = ::poll(&waited, 1, static_cast<int>(std::min<long>(left.count(), 1 << 30)));
    if (result > 0) return true;
    if (result < 0 && errno != EINTR) return false;
  }
}

bool Connection::wait_for_tls(int result, Clock::time_point deadline, const Patience& patience) const {
  switch (SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ: return wait(POLLIN, deadline, patience);
    case SSL_ERROR_WANT_WRITE: return wait(POLLOUT, deadline, patience);
    default: return false;
  }
}

Greeting Connection::greet() {
  if (established_) return Greeting::kDone;
  if (!session_) return Greeting::kBroken;
  ERR_clear_error();
  const int result = SSL_accept(session_.get());
  if (result == 1) {
    established_ = true;
    return Greeting::kDone;
  }
  switch (SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ: return Greeting::kNeedsInput;
    case SSL_ERROR_WANT_WRITE: return Greeting::kNeedsOutput;
    default: break;
  }
  ERR_clear_error();
  return Greeting::kBroken;
}

long Connection::read(char* to, std::size_t size, Clock::time_point deadline, const Patience& patience) {
  while (begin_ == end_) {
    long got = 0;
    if (session_) {
      ERR_clear_error();
      const int result = SSL_read(session_.get(), buffer_, sizeof(buffer_));
      if (result <= 0) {
        if (SSL_get_error(session_.get(), result) == SSL_ERROR_ZERO_RETURN) return 0;
        if (wait_for_tls(result, deadline, patience)) continue;
        established_ = SSL_get_error(session_.get(), result) != SSL_ERROR_SSL;  // no goodbye over a broken session
        return -1;
      }
      got = result;
    } else {
      got = ::recv(socket_, buffer_, sizeof(buffer_), 0);
      if (got == 0) return 0;
      if (got < 0) {
        if (errno == EINTR || ((errno == EAGAIN || errno == EWOULDBLOCK) && wait(POLLIN, deadline, patience))) continue;
        return -1;
      }
    }
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
  }
  // A peer that always has a byte ready must not outlive the deadline either.
  if (Clock::now() >= deadline) return -1;
  const std::size_t count = std::min(size, end_ - begin_);
  std::memcpy(to, buffer_ + begin_, count);
  begin_ += count;
  return static_cast<long>(count);
}

long Connection::write(const char* from, std::size_t size, Clock::time_point deadline, const Patience& patience) {
  if (size == 0) return 0;
  while (true) {
    if (session_) {
      ERR_clear_error();
      const int result = SSL_write(session_.get(), from, static_cast<int>(std::min<std::size_t>(size, 1 << 20)));
      if (result > 0) return result;
      if (wait_for_tls(result, deadline, patience)) continue;
      established_ = false;
      return -1;
    }
    const long sent = ::send(socket_, from, size, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EINTR || ((errno == EAGAIN || errno == EWOULDBLOCK) && wait(POLLOUT, deadline, patience))) continue;
    return -1;
  }
}

std::size_t Connection::untaken() const {
  int bytes = 0;
  return ::ioctl(socket_, TIOCOUTQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

bool Connection::has_buffered() const { return begin_ < end_ || (session_ && SSL_pending(session_.get()) > 0); }

bool Connection::has_input(std::chrono::milliseconds limit) {
  if (has_buffered()) return true;
  pollfd waited{socket_, POLLIN, 0};
  return ::poll(&waited, 1, static_cast<int>(limit.count())) > 0;
}

bool Connection::peer_is_there() const {
  char byte = 0;
  const long got = ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

}  // namespace https
