// The RAM of the simulated machine: one mapping of the host from the board's lowest to its highest byte.
//
// Addresses are physical addresses of the board. Guests, page-table walks and devices use the word functions, which
// are atomic, as an Arm core's aligned accesses are; the monitor reaches the same bytes plainly through hal::Window,
// so ThreadSanitizer reports a monitor that reads what a guest can change at the same time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "firmware/base/address.hpp"
#include "firmware/base/byte_reader.hpp"

namespace host {

class SimulatedMemory {
 public:
  struct Bank {
    std::uint64_t base;
    std::uint64_t size;
  };
  explicit SimulatedMemory(std::vector<Bank> banks);
  ~SimulatedMemory();
  SimulatedMemory(const SimulatedMemory&) = delete;
  SimulatedMemory& operator=(const SimulatedMemory&) = delete;

  [[nodiscard]] bool contains(base::PhysAddr address, std::uint64_t size) const;
  // Preconditions of all below: contains(...); words are aligned to their size.
  [[nodiscard]] std::uint8_t* at(base::PhysAddr address) const { return bytes_ + (address.value - base_); }
  [[nodiscard]] std::uint64_t* word(base::PhysAddr address) const;
  [[nodiscard]] std::uint64_t load(base::PhysAddr address) const;
  void store(base::PhysAddr address, std::uint64_t value);
  void read(base::PhysAddr from, base::MutableBytes to) const;
  void write(base::PhysAddr to, base::Bytes from);
  void zero(base::FrameRange frames);
  // The frames of a run of bytes that at() gave out.
  [[nodiscard]] base::FrameRange frames_at(base::Bytes bytes) const {
    const auto offset = static_cast<std::uint64_t>(bytes.data() - bytes_);
    return base::FrameRange::trusted(base::FrameNumber{(base_ + offset) >> base::kFrameShift},
                                     base::FrameCount{bytes.size() >> base::kFrameShift});
  }
  [[nodiscard]] bool is_zero(base::FrameRange frames) const;
  [[nodiscard]] const std::vector<Bank>& banks() const { return banks_; }
  // Everything zero again, as after power-on.
  void reset();

 private:
  std::vector<Bank> banks_;
  std::uint64_t base_{};
  std::uint64_t size_{};
  std::uint8_t* bytes_{};
};

}  // namespace host
