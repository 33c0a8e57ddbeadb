// "The n-th step that can fail, fails": every fallible operation of hal/ asks here first.
//
// A test arms n = 0, 1, 2, ... before the same call until the call ends without having met its fault: then every step
// of it that can fail has been made to fail once.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "firmware/base/result.hpp"

namespace host {

enum class FallibleStep : std::uint8_t {
  kStage2Create, kStage2Map, kStage2Unmap, kStage2Invalidate, kTableFrame,
  kStreamAttach, kStreamDetach, kSmmuInvalidate, kEntropy, kStartCore,
  kMessageAttach, kMessageDetach, kMessageRoute,
};

[[nodiscard]] constexpr std::string_view name_of(FallibleStep step) {
  switch (step) {
    case FallibleStep::kStage2Create: return "stage2::create";
    case FallibleStep::kStage2Map: return "stage2::map";
    case FallibleStep::kStage2Unmap: return "stage2::unmap";
    case FallibleStep::kStage2Invalidate: return "stage2::invalidate";
    case FallibleStep::kTableFrame: return "table frame";
    case FallibleStep::kStreamAttach: return "device_isolation::attach";
    case FallibleStep::kStreamDetach: return "device_isolation::detach";
    case FallibleStep::kSmmuInvalidate: return "device_isolation::invalidate";
    case FallibleStep::kEntropy: return "entropy_sample";
    case FallibleStep::kStartCore: return "power::start_core";
    case FallibleStep::kMessageAttach: return "message_interrupts::attach";
    case FallibleStep::kMessageDetach: return "message_interrupts::detach";
    case FallibleStep::kMessageRoute: return "message_interrupts::route";
  }
  return "";
}

class FaultInjection {
 public:
  enum class Span : std::uint8_t { kOnce, kFromThenOn };
  void arm(std::uint64_t nth, Span span = Span::kOnce) {
    const std::lock_guard lock(mutex_);
    countdown_ = nth;
    span_ = span;
    hit_.reset();
  }
  void disarm() {
    const std::lock_guard lock(mutex_);
    countdown_.reset();
  }
  // The step that failed, if it came to that.
  [[nodiscard]] std::optional<FallibleStep> hit() const {
    const std::lock_guard lock(mutex_);
    return hit_;
  }
  // Asked by hal/host before a step: must it fail now?
  [[nodiscard]] bool strikes(FallibleStep step) {
    const std::lock_guard lock(mutex_);
    if (!countdown_) return false;
    if (*countdown_ > 0) {
      --*countdown_;
      return false;
    }
    hit_ = step;
    if (span_ == Span::kOnce) countdown_.reset();
    return true;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<std::uint64_t> countdown_;
  std::optional<FallibleStep> hit_;
  Span span_{};
};

}  // namespace host
