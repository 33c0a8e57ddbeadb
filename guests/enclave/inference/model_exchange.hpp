// One request to llama-server, on a thread of its own, so that its answer can be handed on while it comes, and given up while it
// does not come.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "tools/https/client.hpp"

namespace inference {

struct Backend {
  std::string host{"127.0.0.1"};
  int port{};
};

class ModelExchange {
 public:
  // `patience`: for one piece of the answer. A long prompt is read before the first.
  ModelExchange(const Backend& backend, https::Request request, std::chrono::seconds patience);
  // Hangs up, which makes llama-server end what it does for this request and free its slot.
  ~ModelExchange();
  ModelExchange(const ModelExchange&) = delete;
  ModelExchange& operator=(const ModelExchange&) = delete;

  // True: the head is there, or there will be none. False: nothing yet.
  bool wait_for_head(std::chrono::milliseconds limit);
  // What has come of the body; empty: nothing in that time, or ended(). A slow reader holds up llama-server, not our memory.
  std::string next(std::chrono::milliseconds limit);
  // No more will come, and all of it was handed out.
  [[nodiscard]] bool ended() const;
  // When ended(): the answer was complete, as HTTP says it. False: llama-server broke off, or never answered.
  [[nodiscard]] bool whole() const;
  // Status 0: there is none.
  [[nodiscard]] https::Response head() const;

 private:
  void run(const Backend& backend, const https::Request& request, std::chrono::seconds patience);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  https::Response head_{.status = 0};
  https::Client* client_{};  // while there is something to hang up
  bool ended_{}, whole_{}, given_up_{};
  std::thread thread_;
};

}  // namespace inference
