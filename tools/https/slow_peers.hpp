// Threads that wait for the rest of a request. While somebody else waits for a thread, at most half of the threads may: peers that
// send slowly, on purpose or not, can't take the server from those whose requests are there.
#pragma once

#include <atomic>
#include <chrono>

#include "tools/https/work_queue.hpp"

namespace https {

class SlowPeers {
 public:
  SlowPeers(std::size_t threads, const WorkQueue& queue) : most_(threads / 2), queue_(queue) {}

  // One request, from the first byte of it that is waited for to the last.
  class Wait {
   public:
    explicit Wait(SlowPeers& all) : all_(all) {}
    ~Wait() { over(); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    // How long it may wait before it asks again; zero: it has to give up its thread.
    [[nodiscard]] std::chrono::milliseconds patience();
    void over();  // the request is whole

   private:
    SlowPeers& all_;
    const std::chrono::steady_clock::time_point begin_{std::chrono::steady_clock::now()};
    bool counted_{false};
  };

 private:
  const std::size_t most_;
  const WorkQueue& queue_;
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace https
