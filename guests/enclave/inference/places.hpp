// A number of places, taken and given back on any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

namespace inference {

class Places {
 public:
  explicit Places(std::size_t count) : state_(std::make_shared<State>(count)) {}
  // Taken until the result and its copies are gone; empty: all are taken.
  [[nodiscard]] std::shared_ptr<void> take() {
    const std::lock_guard lock(state_->mutex);
    if (state_->taken == state_->count) return nullptr;
    ++state_->taken;
    return {state_.get(), [state = state_](void*) {
              const std::lock_guard inner(state->mutex);
              --state->taken;
              state->changed.notify_all();
            }};
  }
  bool wait_until_free(std::chrono::milliseconds limit) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, limit, [this] { return state_->taken == 0; });
  }

 private:
  struct State {
    explicit State(std::size_t most) : count(most) {}
    const std::size_t count;
    std::size_t taken{};
    std::mutex mutex;
    std::condition_variable changed;
  };
  std::shared_ptr<State> state_;
};

}  // namespace inference
