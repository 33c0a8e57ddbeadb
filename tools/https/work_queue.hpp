// The server's threads: a fixed number, and a bounded number of connections that wait for one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace https {

class WorkQueue {
 public:
  WorkQueue(std::size_t threads, std::size_t most_waiting);
  ~WorkQueue() { finish(); }
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;
  // False: as many wait as may.
  bool add(std::function<void()> work);
  // Runs what waits and waits for it. More than once is fine.
  void finish();
  [[nodiscard]] bool somebody_waits() const { return waiting_.load(std::memory_order_relaxed) > 0; }

 private:
  void work();

  const std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::size_t idle_{0};
  bool finished_{false};
  std::atomic<std::size_t> waiting_{0};  // in the queue beyond the threads that are idle
  std::vector<std::thread> threads_;
};

}  // namespace https
