#include "tools/boardgen/boot_rules.hpp"

#include "tools/boardgen/format.hpp"

namespace boardgen {
namespace {

using board::Part;

Diagnostic at(const Element& element, std::string_view attribute, std::string what, std::string mend) {
  const Attribute* found = element.find(attribute);
  return {found == nullptr ? element.place : found->value_place, std::move(what), std::move(mend)};
}

void check_rom(const Description& d, Diagnostics& diagnostics) {
  if (d.tables.protections.secure_rom != d.rom.has_value()) {
    diagnostics.push_back(
        at(*d.protections, "secure-rom",
           d.rom ? "the board describes a <rom> and denies it" : "the board claims a <rom> and has none",
           "what is attested must be true: make <rom> and this agree"));
  }
  if (!d.rom) return;
  const Rom& rom = *d.rom;
  struct Range {
    const char* base_name;
    const char* size_name;
    std::uint64_t base, size;
  };
  const std::array<Range, 3> ranges = {Range{"base", "size", rom.base, rom.size},
                                       Range{"identity", "identity-size", rom.identity, rom.identity_size},
                                       Range{"ram", "ram-size", rom.ram, rom.ram_size}};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const Range& range = ranges[i];
    const std::string name = "'" + std::string(range.base_name) + "' of the ROM";
    if (range.size == 0 || range.base % base::kFrameSize != 0 || range.size % base::kFrameSize != 0 ||
        range.base >= board::kStage2Top || range.size > board::kStage2Top - range.base) {
      diagnostics.push_back(at(*d.rom_element, range.base_name, name + " is not a range of whole pages below 512 GiB",
                               "correct it or '" + std::string(range.size_name) + "'"));
      return;
    }
    const board::rules::Claim mine{range.base, range.size, Part::kBoard, 0};
    for (std::size_t j = 0; j < i; ++j) {
      if (!overlap(mine, {ranges[j].base, ranges[j].size, Part::kBoard, 0})) continue;
      diagnostics.push_back(at(*d.rom_element, range.base_name,
                               name + " overlaps '" + std::string(ranges[j].base_name) + "'", "move one of them"));
    }
    bool reachable = false;
    board::rules::each_claim(d.tables, [&](const auto& claim) { reachable = reachable || overlap(mine, claim); });
    if (!reachable) continue;
    diagnostics.push_back(at(*d.rom_element, range.base_name,
                             name + " (" + range_text(range.base, range.size) + ") overlaps what others reach",
                             "the ROM's places belong to nobody else: move them, or the other"));
  }
  if (rom.console % base::kFrameSize != 0) {
    diagnostics.push_back(at(*d.rom_element, "console", "'console' of the ROM is not a page", "correct it"));
  }
  if (d.windows.entries[rom.package].owner != board::Owner::kMonitor) {
    diagnostics.push_back(at(*d.rom_element, "package", "the firmware package lies in a window of the parent",
                             "give that window owner=\"monitor\""));
  }
}

void check_pcie(const Description& d, Diagnostics& diagnostics) {
  if (!d.pcie) return;
  if (d.tables.smmu_base == 0) {
    diagnostics.push_back(at(*d.pcie_element, "", "the parent drives PCIe on a board without an SMMU",
                             "remove <pcie>: its devices would write anywhere"));
  }
  const auto parents = [&](std::size_t window, std::string_view attribute) {
    if (d.windows.entries[window].owner == board::Owner::kParent) return;
    diagnostics.push_back(at(*d.pcie_element, attribute,
                             "the parent does not own window '" + std::string(d.windows.entries[window].name) + "'",
                             "give that window owner=\"parent\", or remove <pcie>"));
  };
  parents(d.pcie->ecam, "ecam");
  parents(d.pcie->memory, "memory");
  if (d.pcie->io) parents(*d.pcie->io, "io");
  const board::Mmio& ecam = d.windows.entries[d.pcie->ecam];
  if (ecam.size > board::kGibibyte / 4 || ecam.size % 0x10'0000 != 0) {
    diagnostics.push_back(at(*d.pcie_element, "ecam",
                             "an ECAM of " + size_text(ecam.size) + " is not one MiB for each bus",
                             "it is 1 MiB to 256 MiB"));
  }
  // A requester's bus number is what the bridge above it was told, so the parent chooses its devices' StreamIDs.
  for (std::size_t i = 0; i < d.devices.entries.size(); ++i) {
    const board::Device& device = d.devices.entries[i];
    if (device.owner != board::Owner::kAssignable) continue;
    diagnostics.push_back(at(*d.devices.elements[i], "owner",
                             "device '" + std::string(device.name) + "' may be an enclave's while the parent numbers "
                             "PCIe's buses: another device could take its stream",
                             "write owner=\"parent\", or remove <pcie>"));
  }
  for (const std::size_t index : d.pcie->interrupts) {
    if (d.interrupts.entries[index].owner == board::Owner::kParent) continue;
    diagnostics.push_back(at(*d.pcie_element, "interrupts",
                             "the parent does not own interrupt '" + std::string(d.interrupt_names[index]) + "'",
                             "give that interrupt owner=\"parent\""));
    return;
  }
}

void check_uart(const Description& d, Diagnostics& diagnostics) {
  if (!d.uart) return;
  const auto whose = [&](board::Owner owner, std::string_view attribute, const std::string& what) {
    if (owner == board::Owner::kParent) return;
    diagnostics.push_back(at(*d.uart_element, attribute, "the parent does not own " + what,
                             "give it owner=\"parent\", or remove <uart>"));
  };
  const board::Mmio& window = d.windows.entries[d.uart->window];
  whose(window.owner, "window", "window '" + std::string(window.name) + "'");
  whose(d.interrupts.entries[d.uart->interrupt].owner, "interrupt",
        "interrupt '" + std::string(d.interrupt_names[d.uart->interrupt]) + "'");
  if (d.uart->clock == 0) {
    diagnostics.push_back(at(*d.uart_element, "clock", "a UART whose clock stands still",
                             "write the frequency of its clock in Hz: a driver divides it for the baud rate"));
  }
}

}  // namespace

Diagnostics broken_boot_rules(const Description& description) {
  Diagnostics diagnostics;
  check_rom(description, diagnostics);
  check_uart(description, diagnostics);
  check_pcie(description, diagnostics);
  return diagnostics;
}

}  // namespace boardgen
