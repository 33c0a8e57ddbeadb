#include "tools/xks/budget.hpp"

#include <algorithm>

namespace xks {

using Clock = std::chrono::steady_clock;

struct BudgetedWork::Item {
  std::function<void()> work;
  Clock::time_point deadline;
  std::condition_variable ended;
  bool done{false};
};

BudgetedWork::BudgetedWork(std::size_t threads, std::size_t most_waiting) : most_waiting_(most_waiting) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) threads_.emplace_back([this] { serve(); });
}

BudgetedWork::~BudgetedWork() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Finished BudgetedWork::run(std::function<void()> work, std::chrono::milliseconds budget) {
  const auto item = std::make_shared<Item>();
  item->work = std::move(work);
  item->deadline = Clock::now() + budget;
  std::unique_lock lock(mutex_);
  // What is too late already makes room.
  while (!queue_.empty() && queue_.front()->deadline <= Clock::now()) queue_.pop_front();
  if (finished_ || queue_.size() >= most_waiting_) return Finished::kCrowded;
  queue_.push_back(item);
  changed_.notify_one();
  return item->ended.wait_until(lock, item->deadline, [&] { return item->done; }) ? Finished::kYes : Finished::kLate;
}

void BudgetedWork::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return finished_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::shared_ptr<Item> item = std::move(queue_.front());
    queue_.pop_front();
    if (item->deadline <= Clock::now()) continue;
    lock.unlock();
    item->work();
    item->work = nullptr;
    lock.lock();
    item->done = true;
    item->ended.notify_all();
  }
}

}  // namespace xks
