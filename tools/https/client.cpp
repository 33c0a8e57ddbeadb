#include "tools/https/client.hpp"

#include <httplib.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>

#include "tools/https/tls_context.hpp"

namespace https {

// What ended TLS after it was set up, or spoiled a record before: OpenSSL's code, which httplib keeps to itself.
struct Breach {
  unsigned long code{};    // as ERR_get_error() has it; 0: none
  bool the_server_says{};  // an alert of the server's: a record of ours came to it altered
  bool altered{};          // not only cut: httplib would ask again over a new connection, if an alert came before it began to read
  bool in_session{};       // the handshake is over: OpenSSL itself is "in init" again once it has failed
};

namespace {

httplib::SSLClient::PemMemory identity(const ClientOptions& options) {
  const bool shows = !options.client_certificate_pem.empty();
  return {.cert_pem = shows ? options.client_certificate_pem.data() : nullptr,
          .cert_pem_len = shows ? options.client_certificate_pem.size() : 0,
          .key_pem = shows ? options.client_key_pem.data() : nullptr,
          .key_pem_len = shows ? options.client_key_pem.size() : 0,
          .private_key_password = nullptr};
}

cofferdam::Bytes leaf_of(SSL* session) {
  X509* certificate = SSL_get1_peer_certificate(session);
  if (certificate == nullptr) return {};
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  X509_free(certificate);
  if (size <= 0) return {};
  cofferdam::Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

int breach_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Called by OpenSSL when a handshake begins and ends, and for alerts. A failure is in its queue before the alert that it causes goes out.
void note_breach(const SSL* session, int where, int value) {
  auto* breach = static_cast<Breach*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), breach_index()));
  if (breach == nullptr) return;
  if ((where & SSL_CB_HANDSHAKE_START) != 0) {
    if (!breach->altered) *breach = {};
    breach->in_session = false;
  }
  if ((where & SSL_CB_HANDSHAKE_DONE) != 0) breach->in_session = true;
  if ((where & SSL_CB_ALERT) == 0 || value >> 8 != SSL3_AL_FATAL) return;
  const bool bad_record = (value & 0xFF) == SSL_AD_BAD_RECORD_MAC;
  breach->altered = breach->altered || bad_record;
  if ((where & SSL_CB_WRITE) != 0) {
    if (bad_record || breach->in_session) breach->code = ERR_peek_last_error();
  } else if (bad_record) {
    breach->code = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    breach->the_server_says = true;
  }
}

std::string text_of(const Breach& breach) {
  const char* reason = ERR_reason_error_string(breach.code);
  const bool cut = ERR_GET_REASON(breach.code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  return std::string(cut ? "the TLS connection was cut on the way, without a goodbye" : "a record of the TLS connection was altered on the way") +
         (breach.the_server_says ? ", says the server" : "") + " (" + (reason == nullptr ? "no reason given" : reason) + ")";
}

// A reset leaves OpenSSL nothing to say, and httplib tells it from silence no more than this.
std::string text_of(httplib::Error error, const ClientOptions& options) {
  const std::string limit = std::to_string(options.read_timeout.count()) + " ms";
  if (error == httplib::Error::Read) return "the connection was reset, or nothing came for " + limit;
  if (error == httplib::Error::Write) return "the connection was reset, or took nothing for " + limit;
  if (error == httplib::Error::SSLConnection) return "TLS could not be begun: nobody answers there, or not with TLS";
  return httplib::to_string(error);
}

void take_head(const httplib::Response& from, Response& to) {
  to.status = from.status;
  to.content_type = from.get_header_value("Content-Type");
  to.headers.assign(from.headers.begin(), from.headers.end());
}

}  // namespace

struct Client::State {
  explicit State(ClientOptions given) : options(std::move(given)) {}
  httplib::Result exchange(const httplib::Request& request) { return tls ? tls->send(request) : plain->send(request); }
  template <typename Connected>
  void set_up(Connected& connected);

  ClientOptions options;
  Breach breach;  // the context of `tls` points to it
  std::unique_ptr<httplib::SSLClient> tls;
  std::unique_ptr<httplib::ClientImpl> plain;
  cofferdam::Bytes leaf;
};

template <typename Connected>
void Client::State::set_up(Connected& connected) {
  connected.set_keep_alive(true);
  connected.set_follow_location(false);
  connected.set_path_encode(false);  // the target goes out as it is: it may be signed
  connected.set_decompress(false);
  connected.set_tcp_nodelay(true);
  connected.set_connection_timeout(options.connect_timeout);
  connected.set_read_timeout(options.read_timeout);
  connected.set_write_timeout(options.read_timeout);
  if (options.total_timeout.count() > 0) {
    connected.set_max_timeout(options.total_timeout);
    // It is granted twice: to connect, and to the handshake.
    connected.set_connection_timeout(std::min(options.connect_timeout, options.total_timeout / 2));
  }
  if (!options.connect_to.empty()) connected.set_hostname_addr_map({{options.host, options.connect_to}});
}

Client::Client(ClientOptions options) {
  std::signal(SIGPIPE, SIG_IGN);  // SSL_write can't be told to spare us
  state_ = std::make_unique<State>(std::move(options));
  State& state = *state_;
  if (!state.options.tls) {
    state.plain = std::make_unique<httplib::ClientImpl>(state.options.host, state.options.port);
    state.set_up(*state.plain);
    return;
  }
  if (state.options.client_certificate_pem.empty() != state.options.client_key_pem.empty()) {
    throw HttpsError("a client's certificate and its key are given together or not at all");
  }
  state.tls = std::make_unique<httplib::SSLClient>(state.options.host, state.options.port, identity(state.options));
  if (!state.tls->is_valid()) throw HttpsError("the client's certificate and key can't be used: " + tls_reason());
  state.set_up(*state.tls);
  auto* context = static_cast<SSL_CTX*>(state.tls->tls_context());
  if (SSL_CTX_set_min_proto_version(context, tls_version(state.options.minimum_tls)) != 1) throw HttpsError("the TLS version is refused");
  if (SSL_CTX_set_ex_data(context, breach_index(), &state.breach) != 1) throw HttpsError("TLS can't be set up");
  SSL_CTX_set_info_callback(context, note_breach);
  SSL_CTX_set_quiet_shutdown(context, 1);  // httplib would wait for the peer's goodbye, beyond every limit
  if (!state.options.ca_pem.empty()) state.tls->load_ca_cert_store(state.options.ca_pem.data(), state.options.ca_pem.size());
  // Called when the handshake is over, before a byte of the request is sent.
  if (state.options.judge) state.tls->enable_server_certificate_verification(false);
  state.tls->set_session_verifier([&state](httplib::tls::session_t session) {
    if (state.breach.altered) return httplib::SSLVerifierResponse::CertificateRejected;
    state.leaf = leaf_of(static_cast<SSL*>(session));
    if (!state.options.judge) return httplib::SSLVerifierResponse::NoDecisionMade;  // the chain and the name decide
    return !state.leaf.empty() && state.options.judge(state.leaf) ? httplib::SSLVerifierResponse::CertificateAccepted
                                                                  : httplib::SSLVerifierResponse::CertificateRejected;
  });
}

Client::~Client() = default;

Response Client::send(const Request& request, const Sink& receive, const std::function<bool(const Response&)>& head) {
  State& state = *state_;
  httplib::Request sent;
  sent.method = request.method;
  sent.path = request.target;
  sent.body = request.body;
  sent.start_time_ = std::chrono::steady_clock::now();  // what total_timeout counts from
  for (const auto& [name, value] : request.headers) sent.headers.emplace(name, value);
  Response response;
  bool too_large = false, stopped = false;
  state.breach = {.in_session = state.breach.in_session};
  if (head) {
    sent.response_handler = [&](const httplib::Response& begun) {
      Response seen;
      take_head(begun, seen);
      stopped = !head(seen);
      return !stopped;
    };
  }
  sent.content_receiver = [&](const char* data, std::size_t size, std::size_t, std::size_t) {
    if (receive) {
      stopped = !receive({data, size});
      return !stopped;
    }
    too_large = response.body.size() + size > state.options.largest_body;
    if (!too_large) response.body.append(data, size);
    return !too_large;
  };
  const httplib::Result result = state.exchange(sent);
  if (!result && !stopped) {
    const std::string where = state.options.host + ":" + std::to_string(state.options.port) + ": ";
    if (too_large) throw HttpsError(where + "the answer is larger than " + std::to_string(state.options.largest_body) + " bytes");
    const bool broke = result.error() == httplib::Error::Read || result.error() == httplib::Error::Write || result.error() == httplib::Error::SSLConnection;
    if ((broke || state.breach.altered) && state.breach.code != 0) throw ConnectionAltered(where + text_of(state.breach));
    const bool late = result.error() == httplib::Error::ConnectionTimeout || result.error() == httplib::Error::Timeout;
    const std::string reason = tls_reason();
    throw HttpsError(where + text_of(result.error(), state.options) + (late || reason == "no reason given" ? "" : " (" + reason + ")"));
  }
  if (!result) {  // the receiver had enough: what came before is an answer
    response.status = 0;
    return response;
  }
  take_head(*result, response);
  return response;
}

void Client::hang_up() { state_->tls ? state_->tls->stop() : state_->plain->stop(); }

cofferdam::Bytes Client::server_certificate() const { return state_->leaf; }

}  // namespace https
