#include "hal/host/fiber.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define COFFERDAM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COFFERDAM_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define COFFERDAM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COFFERDAM_TSAN 1
#endif
#endif
#ifdef COFFERDAM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef COFFERDAM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace host {
namespace {

constexpr std::size_t kStackSize = std::size_t{2} << 20;  // sanitizers want much; pages are only taken when touched
constexpr std::size_t kGuardSize = 4096;

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  void* mapping = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping, kGuardSize, PROT_NONE) != 0) throw std::bad_alloc();
  stack_ = mapping;
#ifdef COFFERDAM_TSAN
  tsan_inside_ = __tsan_create_fiber(0);
#endif
  getcontext(&inside_);
  inside_.uc_stack.ss_sp = static_cast<std::uint8_t*>(stack_) + kGuardSize;
  inside_.uc_stack.ss_size = kStackSize - kGuardSize;
  inside_.uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  // makecontext passes ints only: the pointer travels in two halves.
  makecontext(&inside_, reinterpret_cast<void (*)()>(&Fiber::enter), 2, static_cast<unsigned>(self >> 32),
              static_cast<unsigned>(self & 0xFFFF'FFFFU));
}

Fiber::~Fiber() {
#ifdef COFFERDAM_TSAN
  __tsan_destroy_fiber(tsan_inside_);
#endif
  munmap(stack_, kStackSize);
}

void Fiber::enter(unsigned high, unsigned low) {
  reinterpret_cast<Fiber*>((std::uintptr_t{high} << 32) | low)->run();
}

void Fiber::run() {
#ifdef COFFERDAM_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &outside_bottom_, &outside_size_);
#endif
  body_();
  finished_ = true;
#ifdef COFFERDAM_ASAN
  __sanitizer_start_switch_fiber(nullptr, outside_bottom_, outside_size_);
#endif
#ifdef COFFERDAM_TSAN
  __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
  swapcontext(&inside_, &outside_);
}

void Fiber::resume() {
#ifdef COFFERDAM_ASAN
  __sanitizer_start_switch_fiber(&asan_outside_, inside_.uc_stack.ss_sp, inside_.uc_stack.ss_size);
#endif
#ifdef COFFERDAM_TSAN
  tsan_outside_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_inside_, 0);
#endif
  swapcontext(&outside_, &inside_);
#ifdef COFFERDAM_ASAN
  __sanitizer_finish_switch_fiber(asan_outside_, nullptr, nullptr);
#endif
}

void Fiber::suspend() {
#ifdef COFFERDAM_ASAN
  __sanitizer_start_switch_fiber(&asan_inside_, outside_bottom_, outside_size_);
#endif
#ifdef COFFERDAM_TSAN
  __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
  swapcontext(&inside_, &outside_);
#ifdef COFFERDAM_ASAN
  __sanitizer_finish_switch_fiber(asan_inside_, &outside_bottom_, &outside_size_);
#endif
}

}  // namespace host
