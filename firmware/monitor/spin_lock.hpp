// A spin lock that whoever runs may take, for what one partition's cores meet at: among themselves they can starve nobody else.
// Not fair on purpose: where something below schedules the cores (QEMU with fewer host cores than it plays), a ticket's turn
// may come for a core that isn't running, and everybody behind waits until it does. Who holds up others meanwhile, as with the
// state lock in its hand, goes first: it waits for one holder at most, however many cores of the partition are at the door.
#pragma once

#include <atomic>
#include <cstdint>

#include "hal/cpu.hpp"

namespace monitor {

class SpinLock {
 public:
  void lock() {
    do {
      while (held_.load(std::memory_order_relaxed) || awaited()) hal::relax();
    } while (held_.exchange(true, std::memory_order_acquire));
  }
  // Ahead of everybody in lock().
  void lock_first() {
    first_.fetch_add(1, std::memory_order_relaxed);
    while (held_.exchange(true, std::memory_order_acquire)) {
      while (held_.load(std::memory_order_relaxed)) hal::relax();
    }
    first_.fetch_sub(1, std::memory_order_relaxed);
  }
  // Somebody is in lock_first().
  [[nodiscard]] bool awaited() const { return first_.load(std::memory_order_relaxed) != 0; }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
  std::atomic<std::uint8_t> first_{0};  // a machine's cores at most
};

}  // namespace monitor
