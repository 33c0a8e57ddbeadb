// Record and replay: all that the monitor took in, and what it answered.
//
// A record is text, one item a line, numbers in hexadecimal, so that the target can print it on its console:
//
//   cofferdam-record 1
//   board NAME DIGEST               of the board description, hexadecimal
//   handover BYTES                  what the ROM left (development identities only: it holds the CDI)
//   trap CORE KIND ESR FAR HPFAR PC PSTATE X0 .. X17   a guest trapped; KIND 0 synchronous, 1 interrupt, 2 SError
//   read ADDRESS BYTES              bytes that the monitor read of a frame, before it was answered
//   time VALUE                      hal::unix_milliseconds()
//   noise VALUE | noise none        hal::entropy_sample()
//   ticks VALUE                     hal::ticks()
//   irq INTID                       hal::interrupts::acknowledge()
//   lists VALUE ..                  hal::interrupts::read_list_registers()
//   fault none | fault STREAM ADDRESS TYPE WRITE        hal::device_isolation::take_fault()
//   reply CORE RESUME PC X0 .. X17  RESUME 1: the guest goes on, 0: it was left
//
// Items between `trap` and its `reply` belong to that trap; a record is taken on the deterministic machine, or on the
// target with one core in the monitor at a time. Replay boots the same monitor over the same handover, feeds the traps
// in order and compares each reply (replayer.hpp).
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"
#include "hal/device_isolation.hpp"
#include "hal/vcpu.hpp"

namespace host {

class Recorder {
 public:
  void start(std::string_view board, base::Bytes digest, base::Bytes handover);
  void trap(base::CoreId core, hal::TrapKind kind, const hal::TrapFrame& frame);
  void reply(base::CoreId core, hal::AfterTrap after, const hal::TrapFrame& frame);
  void read(base::PhysAddr address, base::Bytes bytes);
  void time(std::uint64_t value);
  void noise(std::optional<std::uint64_t> value);
  void ticks(std::uint64_t value);
  void interrupt(base::Intid intid);
  void list_registers(std::span<const std::uint64_t> values);
  void fault(const std::optional<hal::device_isolation::Fault>& fault);
  [[nodiscard]] std::string text() const;

 private:
  void line(const std::string& text);
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace host
