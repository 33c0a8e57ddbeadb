// Holds a lock as long as it lives. `kTake`: how it is taken, where a lock has more than one way.
#pragma once

namespace monitor {

template <typename Lock, void (Lock::*kTake)() = &Lock::lock>
class [[nodiscard]] Locked {
 public:
  explicit Locked(Lock& lock) : lock_(lock) { (lock_.*kTake)(); }
  ~Locked() { lock_.unlock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  Lock& lock_;
};

}  // namespace monitor
