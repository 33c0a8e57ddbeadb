// Work in the token with a time limit: a call into a PKCS#11 module can't be broken off, so it runs on a thread of this pool, and who
// asked for it waits no longer than its budget. A token that hangs holds threads of the pool, never one that talks to a client; when it
// answers again, they go on, and work that nobody waits for any more isn't begun.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace xks {

enum class Finished : std::uint8_t { kYes, kLate, kCrowded };

class BudgetedWork {
 public:
  BudgetedWork(std::size_t threads, std::size_t most_waiting);
  ~BudgetedWork();  // waits for what runs
  BudgetedWork(const BudgetedWork&) = delete;
  BudgetedWork& operator=(const BudgetedWork&) = delete;
  // `work` may outlive the call: what it touches it owns. It doesn't throw. kYes: it ran to its end.
  [[nodiscard]] Finished run(std::function<void()> work, std::chrono::milliseconds budget);

 private:
  struct Item;
  void serve();

  const std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Item>> queue_;
  bool finished_{false};
  std::vector<std::thread> threads_;
};

}  // namespace xks
