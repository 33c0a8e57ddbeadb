// A fair spin lock: whoever came first goes first, so no partition can starve another by calling often.
#pragma once

#include <atomic>
#include <cstdint>

#include "hal/cpu.hpp"

namespace monitor {

class TicketLock {
 public:
  void lock() {
    const std::uint32_t ticket = next_.fetch_add(1, std::memory_order_relaxed);
    while (serving_.load(std::memory_order_acquire) != ticket) hal::relax();
  }
  void unlock() { serving_.store(serving_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  std::atomic<std::uint32_t> next_{0};
  std::atomic<std::uint32_t> serving_{0};
};

}  // namespace monitor
