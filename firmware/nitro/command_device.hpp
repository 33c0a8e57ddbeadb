// The Nitro Enclaves PCI device (1d0f:e4c1) that the parent's Linux drives: its registers, its two messages.
//
// A command is the bytes of SEND_DATA at the moment when COMMAND is written: copied once, decoded whole. Somebody else
// carries it out and brings the reply; meanwhile other commands are ignored, as the driver never sends any. Pure:
// nothing here knows of enclaves, locks or interrupts. Callers serialise.
//
// Registers (Linux drivers/virt/nitro_enclaves/ne_pci_dev.h): ENABLE u8 at 0, VERSION u16 at 2, COMMAND u32 at 4 (reads
// as 0), EVTCNT u32 at 0xc (read-only: replies in the low half, events in the high one), SEND_DATA at 0x10, RECV_DATA
// (read-only) at 0x100, 240 bytes each.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "firmware/nitro/command_format.hpp"

namespace nitro {

class CommandDevice {
 public:
  static constexpr std::uint32_t kBarIndex = 3;
  static constexpr std::uint64_t kBarSize = 0x1000;  // bytes; behind the registers reads as 0
  static constexpr std::uint32_t kReplyVector = 0;   // of MSI-X
  static constexpr std::uint32_t kEventVector = 1;
  static constexpr std::uint32_t kVectors = 2;

  enum class Outcome : std::uint8_t {
    kNothing,
    kRequest,  // take_request() may have something
    kReply,    // refused without asking anybody: the reply is there, raise kReplyVector
  };

  // Aligned accesses of 1, 2, 4 or 8 bytes inside the BAR. Any other reads as all ones and writes nothing: what a
  // device does not answer. A write that is not exactly a register, or not inside SEND_DATA, writes nothing.
  [[nodiscard]] std::uint64_t read(std::uint64_t offset, std::uint32_t size) const;
  [[nodiscard]] Outcome write(std::uint64_t offset, std::uint32_t size, std::uint64_t value);

  // The command to carry out next, once. Nothing while another that was taken is not completed, even when the driver
  // has reset the device meanwhile: one command runs at a time.
  [[nodiscard]] std::optional<Request> take_request();
  // The end of the command that was taken. True: raise kReplyVector. False: the device was reset since, the reply is
  // dropped. Afterwards take_request() may have something again. Without a taken command: false, and nothing happens.
  [[nodiscard]] bool complete(const Reply& reply);
  // Some enclave's state changed without a command. True: raise kEventVector. A disabled device tells nothing.
  [[nodiscard]] bool event();

 private:
  enum class Executor : std::uint8_t { kIdle, kWorking, kWorkingForNobody };  // the last: reset since

  [[nodiscard]] std::uint8_t byte_at(std::uint64_t offset) const;
  void reset();
  void publish(const Reply& reply);
  [[nodiscard]] Outcome command(std::uint32_t number);

  bool enabled_{};
  std::uint16_t version_{};  // 0: none selected
  std::uint16_t replies_{};
  std::uint16_t events_{};
  Executor executor_{Executor::kIdle};
  bool waiting_{};  // request_ holds a command that was not taken
  Request request_{};
  std::array<std::uint8_t, kDataSize> send_{};
  std::array<std::uint8_t, kDataSize> receive_{};
};

}  // namespace nitro
