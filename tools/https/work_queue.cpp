#include "tools/https/work_queue.hpp"

#include <algorithm>

namespace https {

WorkQueue::WorkQueue(std::size_t threads, std::size_t most_waiting) : most_waiting_(most_waiting) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) threads_.emplace_back([this] { work(); });
}

bool WorkQueue::add(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (finished_ || queue_.size() >= most_waiting_ + idle_) return false;
    queue_.push_back(std::move(work));
    waiting_.store(queue_.size() - std::min(queue_.size(), idle_), std::memory_order_relaxed);
  }
  changed_.notify_one();
  return true;
}

void WorkQueue::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    waiting_.store(queue_.size() - std::min(queue_.size(), idle_), std::memory_order_relaxed);
    changed_.wait(lock, [this] { return finished_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    std::function<void()> next = std::move(queue_.front());
    queue_.pop_front();
    waiting_.store(queue_.size() - std::min(queue_.size(), idle_), std::memory_order_relaxed);
    lock.unlock();
    next();
    next = nullptr;  // what it holds goes before the lock is taken
    lock.lock();
  }
}

}  // namespace https
