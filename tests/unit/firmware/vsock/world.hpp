// A switch with a parent and some enclaves, and the words in which the tests speak of packets.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "tests/unit/firmware/vsock/guest.hpp"

namespace vsock_test {

using base::SlotIndex;
using vsock::Header;
using vsock::Op;

inline constexpr std::uint32_t kFirstCid = 16;

class World {
 public:
  explicit World(std::size_t enclaves, Shape parent_shape = {}, Shape enclave_shape = {})
      : vsock_(std::make_unique<vsock::Switch>()), parent_(base::kParent, vsock::kParentCid, parent_shape) {
    EXPECT_TRUE(parent_.connect(*vsock_).ok());
    for (std::size_t i = 0; i < enclaves; ++i) {
      const SlotIndex slot{static_cast<std::uint8_t>(i)};
      enclaves_.push_back(std::make_unique<Guest>(base::partition_of(slot), kFirstCid + i, enclave_shape));
      EXPECT_TRUE(vsock_->attach(slot, static_cast<std::uint32_t>(kFirstCid + i), false).ok());
      EXPECT_TRUE(enclaves_[i]->connect(*vsock_).ok());
    }
  }
  [[nodiscard]] vsock::Switch& vsock() { return *vsock_; }
  [[nodiscard]] Guest& parent() { return parent_; }
  [[nodiscard]] Guest& enclave(std::size_t i) { return *enclaves_[i]; }

  // Until nothing can be done, at the present time.
  void run() {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 2'000'000) << "the switch does not come to rest";
      const vsock::StepReport report = vsock_->step(now_);
      interrupts_.bits |= report.interrupt.bits;
      EXPECT_EQ(broken_.bits & report.broken.bits, 0U) << "reported twice";
      broken_.bits |= report.broken.bits;
      impatient_ = report.impatient;
      searches_ += report.searched ? 1 : 0;
      if (report.quiet && !report.impatient) {
        EXPECT_FALSE(vsock_->step(now_).worked) << "it was not quiet";
      }
      if (!report.worked) return;
    }
  }
  void refill_all() {
    parent_.refill(*vsock_);
    for (auto& enclave : enclaves_) enclave->refill(*vsock_);
  }
  void pass_time(std::uint64_t microseconds) { now_ += microseconds; }
  // An open connection with nothing in flight.
  void open(std::size_t i, std::uint32_t parent_port, std::uint32_t enclave_port) {
    send(parent_, to_enclave(i, parent_port, enclave_port, Op::kRequest));
    run();
    ASSERT_EQ(enclave(i).receive_all().size(), 1U);
    send(enclave(i), to_parent(i, enclave_port, parent_port, Op::kResponse));
    run();
    ASSERT_EQ(parent_.receive_all().size(), 1U);
  }
  void send(Guest& from, const Header& header, const Payload& payload = {}, std::uint32_t piece = 4096) {
    ASSERT_TRUE(from.send(*vsock_, header, payload, piece));
  }
  [[nodiscard]] static Header to_enclave(std::size_t i, std::uint32_t parent_port, std::uint32_t enclave_port, Op op,
                                         std::uint32_t size = 0) {
    return {vsock::kParentCid,
            kFirstCid + i,
            parent_port,
            enclave_port,
            size,
            vsock::kTypeStream,
            static_cast<std::uint16_t>(op),
            0,
            1U << 18,
            0};
  }
  [[nodiscard]] static Header to_parent(std::size_t i, std::uint32_t enclave_port, std::uint32_t parent_port, Op op,
                                        std::uint32_t size = 0) {
    return {kFirstCid + i,
            vsock::kParentCid,
            enclave_port,
            parent_port,
            size,
            vsock::kTypeStream,
            static_cast<std::uint16_t>(op),
            0,
            1U << 18,
            0};
  }
  [[nodiscard]] vsock::PortSet take_interrupts() { return std::exchange(interrupts_, {}); }
  [[nodiscard]] vsock::PortSet broken() const { return broken_; }
  [[nodiscard]] bool impatient() const { return impatient_; }
  [[nodiscard]] std::size_t searches() const { return searches_; }  // steps that went through a port's list

 private:
  std::unique_ptr<vsock::Switch> vsock_;  // too large for a stack
  Guest parent_;
  std::vector<std::unique_ptr<Guest>> enclaves_;
  vsock::PortSet interrupts_{};
  vsock::PortSet broken_{};
  bool impatient_{};
  std::size_t searches_{};
  std::uint64_t now_{1};
};

// The RST that answers `sent`.
inline void expect_reset_of(const Packet& packet, const Header& sent) {
  EXPECT_TRUE(packet.header.is(Op::kReset)) << packet.header.op;
  EXPECT_EQ(packet.header.source_cid, sent.target_cid);
  EXPECT_EQ(packet.header.source_port, sent.target_port);
  EXPECT_EQ(packet.header.target_cid, sent.source_cid);
  EXPECT_EQ(packet.header.target_port, sent.source_port);
  EXPECT_EQ(packet.header.size, 0U);
  EXPECT_EQ(packet.header.type, sent.type);
}

inline Payload pattern(std::size_t size, std::uint32_t seed) {
  Payload bytes(size);
  std::uint32_t value = seed * 2654435761U + 1;
  for (std::uint8_t& byte : bytes) {
    value = value * 1664525U + 1013904223U;
    byte = static_cast<std::uint8_t>(value >> 24);
  }
  return bytes;
}

}  // namespace vsock_test
