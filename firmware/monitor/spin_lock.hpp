// A spin lock that whoever runs may take: for what only one partition's cores meet at, since they can starve nobody but
// themselves. Not fair on purpose: where something below schedules the cores (QEMU with fewer host cores than it plays),
// a ticket's turn may come for a core that isn't running, and everybody behind waits until it does.
#pragma once

#include <atomic>

#include "hal/cpu.hpp"

namespace monitor {

class SpinLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) {
      while (held_.load(std::memory_order_relaxed)) hal::relax();
    }
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

}  // namespace monitor
