// Games with PCI's configuration: BARs over memory and over other devices, buses and functions that don't exist.
#pragma once

#include "guests/parent/attack/dma.hpp"
#include "guests/parent/attack/instructions.hpp"

namespace attack {

// ECAM of QEMU's virt machine with more than 3 GiB of address space: bus << 20 | device << 15 | function << 12.
inline constexpr std::uint64_t kConfiguration = 0x40'1000'0000;
inline constexpr std::uint32_t kEduSlot = 1;

// Where edu's BAR is put: monitor memory, secure RAM, flash, the GIC, the ITS, the SMMU, the parent's own RAM, beyond.
inline constexpr std::uint32_t kForeign[] = {0x40000000, 0x0e000000, 0x04000000, 0x08100000,
                                             0x08000000, 0x09000000, 0x44000000, 0xfff00000};

// What changed at `watched` while edu's registers were said to lie there. Its BAR is put back.
struct BarGame {
  std::uint64_t opened = 0;   // addresses that were refused before and answered then
  std::uint64_t covered = 0;  // pages of our own that edu's registers hid
  Tally writes;               // of the configuration registers
};
inline BarGame move_bar() {
  const PhysicalPage edu(kConfiguration + (kEduSlot << 15), PROT_READ | PROT_WRITE);
  const std::uint32_t command = edu.read<std::uint32_t>(4).value_or(0);
  const std::uint32_t bar = edu.read<std::uint32_t>(0x10).value_or(0);
  const OwnPage own = own_page();
  own.words[0] = 0x5eed;
  BarGame game;
  const auto set = [&](std::uint32_t content, std::uint64_t at) {
    ++(edu.write(content, at) ? game.writes.answered : game.writes.refused);
  };
  const auto put = [&](std::uint32_t where) {
    set(command & ~std::uint32_t{2}, 4);
    set(where, 0x10);
    set(command | 2, 4);
  };
  for (const std::uint32_t where : kForeign) {
    const bool before = read_physical<std::uint32_t>(where).has_value();
    put(where);
    if (!before && read_physical<std::uint32_t>(where)) ++game.opened;
  }
  put(static_cast<std::uint32_t>(own.address) & ~std::uint32_t{0xfffff});
  if (own.words[0] != 0x5eed || read_physical<std::uint64_t>(own.address) != 0x5eed) ++game.covered;
  put(bar);
  set(command, 4);
  return game;
}

// Every bus that bus 0 could name: written with ones and zeros, read back. A function that answers is counted.
inline std::uint64_t functions_beyond_bus_0() {
  std::uint64_t found = 0;
  for (std::uint64_t bus = 1; bus < 256; ++bus) {
    for (const std::uint64_t slot : {0, 1, 2, 31}) {
      const PhysicalPage page(kConfiguration + (bus << 20) + (slot << 15), PROT_READ | PROT_WRITE);
      for (const std::uint32_t content : {~std::uint32_t{0}, std::uint32_t{0}}) {
        if (!page.write(content, 0x18)) break;  // the whole bus is refused
      }
      found += page.read<std::uint32_t>(0).value_or(~std::uint32_t{0}) != ~std::uint32_t{0};
    }
  }
  return found;
}

// Every register of a function of bus 0 that does not exist, and of the host bridge: written with ones, then as it was.
inline Tally rewrite_configuration() {
  Tally writes;
  for (const std::uint64_t slot : {0, 20, 31}) {
    const PhysicalPage page(kConfiguration + (slot << 15), PROT_READ | PROT_WRITE);
    for (std::uint64_t at = 0; at < kPage; at += 4) {
      const std::uint32_t held = page.read<std::uint32_t>(at).value_or(0);
      for (const std::uint32_t content : {~std::uint32_t{0}, held})
        ++(page.write(content, at) ? writes.answered : writes.refused);
    }
  }
  return writes;
}

}  // namespace attack
