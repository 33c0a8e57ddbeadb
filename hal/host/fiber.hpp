// A second stack that runs until it hands control back: a core of the deterministic machine.
//
// resume() runs the fiber until it calls suspend() or its body returns. Both sides are on one thread; the switch is
// announced to AddressSanitizer and ThreadSanitizer. The body must not let an exception out, and nobody may switch
// inside a catch block (the C++ runtime keeps caught exceptions per thread).
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace host {

class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  ~Fiber();  // precondition: finished() or never resumed
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void resume();   // from outside
  void suspend();  // from inside
  [[nodiscard]] bool finished() const { return finished_; }

 private:
  static void enter(unsigned high, unsigned low);
  void run();

  std::function<void()> body_;
  ucontext_t inside_{};
  ucontext_t outside_{};
  void* stack_{};
  bool finished_{};
  [[maybe_unused]] void* asan_inside_{};   // AddressSanitizer's own stacks of either side
  [[maybe_unused]] void* asan_outside_{};
  [[maybe_unused]] const void* outside_bottom_{};
  [[maybe_unused]] std::size_t outside_size_{};
  [[maybe_unused]] void* tsan_inside_{};
  [[maybe_unused]] void* tsan_outside_{};
};

}  // namespace host
