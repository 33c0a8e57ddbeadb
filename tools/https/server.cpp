#include "tools/https/server.hpp"

#include <httplib.h>

#include <csignal>
#include <ctime>
#include <mutex>
#include <stdexcept>

#include "tools/https/parking.hpp"
#include "tools/https/slow_peers.hpp"
#include "tools/https/tls_context.hpp"
#include "tools/https/work_queue.hpp"

namespace https {
namespace {

using Clock = std::chrono::steady_clock;
using Answer = Handler;  // httplib::Server has a Handler too
constexpr std::size_t kMostRequests = 100000;  // on one connection: keys of the session are renewed now and then

// What httplib reads and writes through. One request, from its first byte to its last, has one deadline, and so has one answer: a peer
// that sends or takes a byte now and then holds a thread no longer than one that does nothing.
class ConnectionStream final : public httplib::Stream {
 public:
  ConnectionStream(Connection& connection, SlowPeers& slow_peers, std::chrono::seconds read_limit, std::chrono::seconds write_limit)
      : connection_(connection), wait_(slow_peers), patience_([this] { return wait_.patience(); }), write_limit_(write_limit),
        read_by_(Clock::now() + read_limit) {}
  void request_is_whole() { wait_.over(); }
  // A streamed answer lasts as long as its client reads: each piece of it has the limit.
  void begin_answer(bool streamed) {
    streamed_ = streamed;
    write_by_ = Clock::now() + write_limit_;
    wait_.begin(streamed ? SlowPeers::kReaderGrace : SlowPeers::kGrace);
  }
  bool is_readable() const override { return true; }
  bool wait_readable() const override { return true; }
  bool wait_writable() const override { return connection_.peer_is_there(); }
  ssize_t read(char* to, std::size_t size) override { return connection_.read(to, size, read_by_, patience_); }
  ssize_t write(const char* from, std::size_t size) override {
    if (!write_by_) begin_answer(false);  // httplib's own
    if (!streamed_) return connection_.write(from, size, *write_by_, patience_);
    begin_answer(true);
    std::size_t untaken = connection_.untaken();
    const ssize_t sent = connection_.write(from, size, *write_by_, [&] {
      if (const std::size_t left = connection_.untaken(); left != untaken) {
        untaken = left;
        wait_.begin(SlowPeers::kReaderGrace);
      }
      return wait_.patience();
    });
    wait_.over();  // the model, not the client, is waited for
    return sent;
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return connection_.socket(); }
  time_t duration() const override { return 0; }

 private:
  Connection& connection_;
  SlowPeers::Wait wait_;
  const Connection::Patience patience_;
  std::chrono::seconds write_limit_;
  Clock::time_point read_by_;
  std::optional<Clock::time_point> write_by_;
  bool streamed_{false};
};

class WorkQueueForHttplib final : public httplib::TaskQueue {
 public:
  explicit WorkQueueForHttplib(WorkQueue& queue) : queue_(queue) {}
  bool enqueue(std::function<void()> work) override { return queue_.add(std::move(work)); }
  void shutdown() override { queue_.finish(); }

 private:
  WorkQueue& queue_;
};

// What the thread's connection is at: httplib hands nothing through to its handlers.
struct Turn {
  const std::string* client_name{};
  ConnectionStream* stream{};
  bool answered{false};  // by the handler, not by httplib's own refusals: these close the connection
  bool ends{false};      // the handler said so
};
thread_local Turn* turn = nullptr;

Headers headers_of(const httplib::Headers& headers) {
  // libstdc++ keeps the values of one name newest first.
  Headers result(headers.begin(), headers.end());
  std::reverse(result.begin(), result.end());
  return result;
}

// IMF-fixdate (RFC 9110, 5.6.7): its names are those of the "C" locale, which no program of ours leaves.
std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc))};
}

bool is_multipart(const httplib::Request& request) {
  return request.get_header_value("Content-Type").starts_with("multipart/");
}

}  // namespace

struct Server::State final : httplib::Server {
  State(ServerOptions given, Answer answer_given)
      : options(std::move(given)), handler(std::move(answer_given)), queue(options.threads, options.waiting),
        slow_peers(options.threads, queue), parking(options.idle, [this](std::shared_ptr<Peer> peer) { enqueue(std::move(peer)); }) {}

  void answer(const httplib::Request& from, httplib::Response& to, std::string body);
  bool process_and_close_socket(socket_t socket) override;
  void serve(std::shared_ptr<Peer> peer);
  [[nodiscard]] bool serve_one(Peer& peer);
  void enqueue(std::shared_ptr<Peer> peer);

  ServerOptions options;
  Answer handler;
  TlsContext context;
  int port{0};
  std::atomic<bool> stopped{false};
  std::mutex starting;  // httplib's stop() does nothing before its listener runs
  bool may_listen{true};
  WorkQueue queue;
  SlowPeers slow_peers;
  Parking parking;
};

void Server::State::answer(const httplib::Request& from, httplib::Response& to, std::string body) {
  turn->stream->request_is_whole();
  Request request{.method = from.method, .target = from.target, .headers = headers_of(from.headers), .body = std::move(body),
                  .client_name = turn->client_name == nullptr ? std::string() : *turn->client_name};
  auto response = std::make_shared<Response>(handler(request));
  turn->answered = true;
  turn->stream->begin_answer(static_cast<bool>(response->stream));
  to.status = response->status;
  for (const auto& [name, value] : response->headers) {
    turn->ends = turn->ends || (name == "Connection" && value == "close");
    to.headers.emplace(name, value);
  }
  if (response->stream) {
    to.set_chunked_content_provider(response->content_type, [response](std::size_t, httplib::DataSink& sink) {
      response->stream([&sink](std::string_view piece) { return piece.empty() || sink.write(piece.data(), piece.size()); });
      if (sink.is_writable()) sink.done();
      return true;
    });
  } else {
    to.set_content(std::move(response->body), response->content_type.empty() ? "application/octet-stream" : response->content_type);
  }
}

// A connection has a thread while a request of it is read and answered, no longer; in the handshake, only while there is something
// to compute. Another that waits goes first, also before what this one has sent already.
void Server::State::serve(std::shared_ptr<Peer> peer) {
  constexpr std::chrono::milliseconds kLinger{2};  // the next request often comes at once
  Connection& connection = peer->connection;
  if (!peer->greeted) {
    if (Clock::now() >= peer->greeted_by) return;
    const Greeting greeting = connection.greet();
    switch (greeting) {
      case Greeting::kDone: break;
      case Greeting::kBroken: return;
      case Greeting::kNeedsInput:
      case Greeting::kNeedsOutput: {
        const auto until = peer->greeted_by;  // one limit for all of it: a byte now and then gains nothing
        if (!stopped) parking.park(std::move(peer), greeting == Greeting::kNeedsInput ? Parking::For::kInput : Parking::For::kOutput, until);
        return;
      }
    }
    peer->client_name = peer_common_name(connection.session());
    peer->greeted = true;
  }
  while (!stopped && connection.has_input(queue.somebody_waits() ? std::chrono::milliseconds(0) : kLinger)) {
    if (!serve_one(*peer)) return;
    if (queue.somebody_waits()) {
      if (!connection.has_buffered()) break;  // nothing more would wake it
      enqueue(std::move(peer));
      return;
    }
  }
  if (!stopped) parking.park(std::move(peer), Parking::For::kInput, Clock::now() + options.keep_alive);
}

// False: the connection ends here.
bool Server::State::serve_one(Peer& peer) {
  ConnectionStream stream(peer.connection, slow_peers, options.read_timeout, options.write_timeout);
  Turn now{.client_name = &peer.client_name, .stream = &stream};
  turn = &now;
  bool closed = false;
  const bool last = ++peer.requests >= kMostRequests;
  const bool good = process_request(stream, {}, 0, {}, 0, last, closed, nullptr);
  turn = nullptr;
  return good && !closed && now.answered && !now.ends && !last;
}

void Server::State::enqueue(std::shared_ptr<Peer> peer) {
  (void)queue.add([this, peer = std::move(peer)] { serve(peer); });  // when too many wait, it is closed
}

bool Server::State::process_and_close_socket(socket_t socket) {
  auto peer = std::make_shared<Peer>(socket, context.get());
  peer->greeted_by = Clock::now() + options.read_timeout;
  serve(std::move(peer));
  return true;
}

Server::Server(ServerOptions options, Handler handler) {
  // A peer that is gone is an error of the write, not the end of the program: SSL_write can't be told so.
  std::signal(SIGPIPE, SIG_IGN);
  state_ = std::make_unique<State>(std::move(options), std::move(handler));
  State& state = *state_;
  if (state.options.certificate_pem.empty() != state.options.key_pem.empty()) {
    throw std::runtime_error("a certificate and its key are given together or not at all");
  }
  if (!state.options.certificate_pem.empty()) {
    state.context = server_context(state.options);
  } else if (!state.options.client_ca_pem.empty()) {
    throw std::runtime_error("clients can't show certificates without TLS");
  }
  in6_addr address{};  // large enough for either kind
  if (inet_pton(AF_INET, state.options.address.c_str(), &address) != 1 && inet_pton(AF_INET6, state.options.address.c_str(), &address) != 1) {
    throw std::runtime_error("'" + state.options.address + "' is no IP address; names aren't resolved");
  }
  state.new_task_queue = [&state] { return new WorkQueueForHttplib(state.queue); };
  state.set_payload_max_length(state.options.largest_body);
  state.set_keep_alive_max_count(kMostRequests);
  state.set_tcp_nodelay(true);
  // httplib's own default would let two servers share a port.
  state.set_socket_options([](socket_t socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  // No 100 Continue to somebody whose body is refused anyway.
  state.set_expect_100_continue_handler([&state](const httplib::Request& request, httplib::Response&) {
    return request.get_header_value_u64("Content-Length") > state.options.largest_body ? 413 : 100;
  });
  state.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    // httplib would take parts of such a body for itself.
    if (!is_multipart(request)) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 415;
    return httplib::Server::HandlerResponse::Handled;
  });
  // httplib announces that it closes after every error; here only its own refusals do.
  state.set_post_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!response.has_header("Date")) response.set_header("Date", date_now());  // RFC 9110, 6.6.1
    if (turn == nullptr || !turn->answered) return;
    response.headers.erase("Keep-Alive");
    if (!turn->ends && request.get_header_value("Connection") != "close") response.headers.erase("Connection");
  });
  state.set_exception_handler([](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
    response.status = 500;
    response.body.clear();
  });
  const auto plain = [&state](const httplib::Request& request, httplib::Response& response) { state.answer(request, response, {}); };
  const auto with_body = [&state](const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& reader) {
    std::string body;
    const bool whole = reader([&](const char* data, std::size_t size) {
      if (body.size() + size > state.options.largest_body) return false;
      body.append(data, size);
      return true;
    });
    if (!whole) {
      if (response.status < 400) response.status = 413;
      return;
    }
    state.answer(request, response, std::move(body));
  };
  state.Get(".*", plain).Options(".*", plain);
  state.Post(".*", with_body).Put(".*", with_body).Patch(".*", with_body).Delete(".*", with_body);
  state.port = state.options.port == 0 ? state.bind_to_any_port(state.options.address)
                                       : (state.bind_to_port(state.options.address, state.options.port) ? state.options.port : -1);
  if (state.port <= 0) {
    throw std::runtime_error("port " + std::to_string(state.options.port) + " of " + state.options.address +
                             " can't be listened at (in use, or not this machine's)");
  }
}

Server::~Server() {
  stop();
  state_->queue.finish();
}

int Server::port() const { return state_->port; }

void Server::run() {
  {
    const std::lock_guard lock(state_->starting);
    if (!state_->may_listen) return;
  }
  state_->listen_after_bind();
}

void Server::stop() {
  {
    const std::lock_guard lock(state_->starting);
    state_->may_listen = false;
  }
  state_->stopped = true;
  state_->stop();
}

}  // namespace https
