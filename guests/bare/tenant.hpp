// What a parent does with one enclave: build it from an image file, talk to it, end it, take everything back.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "guests/bare/channel_ring.hpp"
#include "guests/bare/console.hpp"
#include "guests/bare/hypercall.hpp"

namespace bare {

struct TenantPlan {
  std::uint64_t memory;   // physical, 2 MiB aligned
  std::uint64_t size;
  std::uint64_t channel;  // physical, kChannelBytes of it
  std::uint64_t cid;
  std::uint64_t first_core;  // MPIDR; so many follow
  std::uint64_t cores;
};

class Tenant {
 public:
  explicit Tenant(const TenantPlan& plan)
      : plan_(plan),
        in_(plan.channel, kChannelBytes / 2),
        out_(plan.channel + kChannelBytes / 2, kChannelBytes / 2) {}

  // Each step answers false when the monitor refuses; the reason is in last().
  [[nodiscard]] bool allocate() {
    last_ = call(Function::kSlotAllocate);
    uid_ = last_.x1;
    return last_.ok();
  }
  void lay_out(std::span<const std::uint8_t> image) const {
    std::memcpy(reinterpret_cast<void*>(plan_.memory + cofferdam_abi::kImageOffset), image.data(), image.size());
  }
  [[nodiscard]] bool donate_memory() {
    last_ = call(Function::kMemoryDonate, uid_, plan_.memory, plan_.size);
    return last_.ok();
  }
  [[nodiscard]] bool donate_cores() {
    for (std::uint64_t i = 0; i < plan_.cores; ++i) {
      last_ = call(Function::kCoreDonate, uid_, plan_.first_core + i);
      if (!last_.ok()) return false;
    }
    return true;
  }
  [[nodiscard]] bool open_channel() {
    in_.reset();
    out_.reset();
    last_ = call(Function::kChannelOpen, uid_, plan_.channel, kChannelBytes);
    return last_.ok();
  }
  [[nodiscard]] bool start(std::uint64_t flags) {
    last_ = call_until_done(Function::kSlotStart, uid_, flags, plan_.cid, cofferdam_abi::kImageOffset);
    return last_.ok();
  }
  [[nodiscard]] bool stop() {
    last_ = call_until_done(Function::kSlotStop, uid_);
    return last_.ok();
  }
  // Its memory is scrubbed on the way back to us.
  [[nodiscard]] bool free() {
    last_ = call_until_done(Function::kSlotFree, uid_);
    return last_.ok();
  }

  bool send(MessageKind kind, std::span<const std::uint8_t> payload) const {
    if (!out_.put(kind, payload)) return false;
    return call(Function::kChannelNotify, uid_, 0).ok();
  }
  [[nodiscard]] Ring::Message look(std::span<std::uint8_t> buffer) const { return in_.take(buffer); }
  // Waits for a message of the enclave; kind 0 when none comes for about `kPatience` looks.
  [[nodiscard]] Ring::Message wait(std::span<std::uint8_t> buffer) const {
    constexpr std::uint64_t kPatience = 200'000'000;
    for (std::uint64_t i = 0; i < kPatience; ++i) {
      const Ring::Message message = in_.take(buffer);
      if (message.kind != MessageKind{}) return message;
      asm volatile("yield");
    }
    return {};
  }

  [[nodiscard]] const Answer& last() const { return last_; }
  [[nodiscard]] std::uint64_t uid() const { return uid_; }
  [[nodiscard]] const TenantPlan& plan() const { return plan_; }

 private:
  TenantPlan plan_;
  Ring in_, out_;
  std::uint64_t uid_{0};
  Answer last_{};
};

}  // namespace bare
