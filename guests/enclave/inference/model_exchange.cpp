#include "guests/enclave/inference/model_exchange.hpp"

namespace inference {
namespace {

constexpr std::size_t kMostWaiting = 256 * 1024;  // bytes

}  // namespace

ModelExchange::ModelExchange(const Backend& backend, https::Request request, std::chrono::seconds patience)
    : thread_([this, backend, sent = std::move(request), patience] { run(backend, sent, patience); }) {}

ModelExchange::~ModelExchange() {
  constexpr std::chrono::milliseconds kAgain{10};
  {
    std::unique_lock lock(mutex_);
    given_up_ = true;
    changed_.notify_all();
    while (!ended_) {
      // Again and again: there may have been no connection yet to hang up.
      if (client_ != nullptr) client_->hang_up();
      changed_.wait_for(lock, kAgain);
    }
  }
  thread_.join();
}

bool ModelExchange::wait_for_head(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return head_.status != 0 || ended_; });
}

std::string ModelExchange::next(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return !waiting_.empty() || ended_; });
  std::string piece = std::move(waiting_);
  waiting_.clear();
  changed_.notify_all();
  return piece;
}

bool ModelExchange::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_ && waiting_.empty();
}

bool ModelExchange::whole() const {
  const std::lock_guard lock(mutex_);
  return whole_;
}

https::Response ModelExchange::head() const {
  const std::lock_guard lock(mutex_);
  return head_;
}

void ModelExchange::run(const Backend& backend, const https::Request& request, std::chrono::seconds patience) {
  https::ClientOptions options;
  options.host = backend.host;
  options.port = backend.port;
  options.tls = false;
  options.read_timeout = patience;
  https::Client client(options);
  {
    const std::lock_guard lock(mutex_);
    client_ = &client;
  }
  const auto body = [this](std::string_view piece) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.size() < kMostWaiting || given_up_; });
    waiting_ += piece;
    changed_.notify_all();
    return !given_up_;
  };
  const auto head = [this](const https::Response& response) {
    const std::lock_guard lock(mutex_);
    head_ = response;
    changed_.notify_all();
    return !given_up_;
  };
  bool whole = false;
  try {
    whole = client.send(request, body, head).status != 0;
  } catch (const https::HttpsError&) {
  }
  const std::lock_guard lock(mutex_);
  client_ = nullptr;
  whole_ = whole;
  ended_ = true;
  changed_.notify_all();
}

}  // namespace inference
