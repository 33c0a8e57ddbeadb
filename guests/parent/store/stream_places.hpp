// How many streams are served at once, in all and of one peer: an enclave that holds its own still keeps nobody else waiting.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace parent_store {

class StreamPlaces {
 public:
  StreamPlaces(std::size_t in_all, std::size_t of_a_peer) : state_(std::make_shared<State>(in_all, of_a_peer)) {}
  // Taken until the result and its copies are gone; empty: this peer has as many as it may, or all together have. On any thread.
  [[nodiscard]] std::shared_ptr<void> take(const std::string& peer) {
    const std::lock_guard lock(state_->mutex);
    const auto at = state_->of.find(peer);
    if (state_->taken == state_->in_all || (at != state_->of.end() && at->second == state_->of_a_peer)) return nullptr;
    ++state_->taken;
    ++state_->of[peer];
    return {state_.get(), [state = state_, peer](void*) {
              const std::lock_guard inner(state->mutex);
              --state->taken;
              if (--state->of[peer] == 0) state->of.erase(peer);
            }};
  }

 private:
  struct State {
    State(std::size_t all, std::size_t each) : in_all(all), of_a_peer(each) {}
    const std::size_t in_all, of_a_peer;
    std::mutex mutex;
    std::size_t taken{};
    std::map<std::string, std::size_t> of;
  };
  std::shared_ptr<State> state_;
};

}  // namespace parent_store
