#include "tools/https/slow_peers.hpp"

namespace https {

using std::chrono::milliseconds;

milliseconds SlowPeers::Wait::patience() {
  constexpr milliseconds kSlice{50};  // how often it looks whether others wait
  if (!counted_) {
    const auto waited = std::chrono::floor<milliseconds>(std::chrono::steady_clock::now() - begin_);
    if (waited < grace_) return grace_ - waited;
    counted_ = true;
    all_.waiting_.fetch_add(1);
  }
  if (!all_.queue_.somebody_waits()) return kSlice;
  // Only as many give up as are too many.
  std::size_t waiting = all_.waiting_.load();
  while (waiting > all_.most_) {
    if (!all_.waiting_.compare_exchange_weak(waiting, waiting - 1)) continue;
    counted_ = false;
    return milliseconds(0);
  }
  return kSlice;
}

void SlowPeers::Wait::begin(milliseconds grace) {
  over();
  begin_ = std::chrono::steady_clock::now();
  grace_ = grace;
}

void SlowPeers::Wait::over() {
  if (counted_) all_.waiting_.fetch_sub(1);
  counted_ = false;
}

}  // namespace https
