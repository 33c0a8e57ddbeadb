// MSI-X of one function: its table of messages and its pending bits (PCI Local Bus 3.0 section 6.8.2).
//
// A message is a write of `data` to `address` that the caller carries out. It is not held back while the function is no
// bus master: Linux's nitro_enclaves driver became one only in 5.14, and every earlier one waits for its messages.
// Pure. Callers serialise.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "firmware/base/fixed_list.hpp"
#include "firmware/pci/description.hpp"

namespace pci {

struct Message {
  std::uint64_t address;  // a multiple of 4; the guest's choice
  std::uint32_t data;
  bool operator==(const Message&) const = default;
};
using Messages = base::FixedList<Message, kMaxVectors>;  // in the order of vectors

class MsixTable {
 public:
  // Precondition: vectors <= kMaxVectors. After a reset every vector is masked and MSI-X is off.
  explicit constexpr MsixTable(std::uint32_t vectors) : count_(vectors) {}

  // Aligned accesses of 4 or 8 bytes (6.8.2: others are undefined); `offset` counts from the table's start. Any other
  // reads as all ones and writes nothing. A write answers the messages that it made due.
  [[nodiscard]] std::uint64_t read_table(std::uint64_t offset, std::uint32_t size) const;
  [[nodiscard]] Messages write_table(std::uint64_t offset, std::uint32_t size, std::uint64_t value);
  // The pending bits, likewise; they ignore writes.
  [[nodiscard]] std::uint64_t read_pending(std::uint64_t offset, std::uint32_t size) const;

  // The bits of the capability's control register. Switched off, the function forgets what is pending.
  [[nodiscard]] Messages set_control(bool enabled, bool masked);

  // The message to send now. Nothing: the vector is masked, and the message follows when it is not; or MSI-X is off, or
  // there is no such vector, and it is lost.
  [[nodiscard]] std::optional<Message> raise(std::uint32_t vector);

 private:
  struct Entry {
    std::uint32_t address_low{};
    std::uint32_t address_high{};
    std::uint32_t data{};
    bool unmasked{};
  };
  [[nodiscard]] std::uint32_t word_at(std::uint64_t offset) const;
  void set_word(std::uint64_t offset, std::uint32_t value);
  [[nodiscard]] Messages due();

  std::uint32_t count_;
  bool enabled_{};
  bool masked_{};
  std::uint64_t pending_{};  // a bit for each vector
  std::array<Entry, kMaxVectors> entries_{};
};

}  // namespace pci
