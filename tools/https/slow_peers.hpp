// Threads that wait for the rest of a request, or for a peer to take its answer. While somebody else waits for a thread, at most half of
// the threads may: peers that send or read slowly, on purpose or not, can't take the server from those whose requests are there.
#pragma once

#include <atomic>
#include <chrono>

#include "tools/https/work_queue.hpp"

namespace https {

class SlowPeers {
 public:
  SlowPeers(std::size_t threads, const WorkQueue& queue) : most_(threads / 2), queue_(queue) {}

  static constexpr std::chrono::milliseconds kGrace{50};          // a request or an answer in several pieces is no slow one
  static constexpr std::chrono::milliseconds kReaderGrace{1000};  // who took something within it reads: a round trip and more

  // One request, from the first byte of it that is waited for to the last; then its answer.
  class Wait {
   public:
    explicit Wait(SlowPeers& all) : all_(all) {}
    ~Wait() { over(); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    // How long it may wait before it asks again; zero: it has to give up its thread.
    [[nodiscard]] std::chrono::milliseconds patience();
    void begin(std::chrono::milliseconds grace);  // something else is waited for from now on
    void over();  // the peer isn't waited for

   private:
    SlowPeers& all_;
    std::chrono::steady_clock::time_point begin_{std::chrono::steady_clock::now()};
    std::chrono::milliseconds grace_{kGrace};
    bool counted_{false};
  };

 private:
  const std::size_t most_;
  const WorkQueue& queue_;
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace https
