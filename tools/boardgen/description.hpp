// A parsed board description: the monitor's own tables, filled in, and for each entry the element that it came from.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "firmware/board/validate.hpp"
#include "tools/boardgen/xml_document.hpp"

namespace boardgen {

template <typename T>
struct Table {
  std::vector<T> entries;
  std::vector<const Element*> elements;  // same order
};

// What only the ROM and the linker need to know; the monitor's tables don't hold it.
struct Rom {
  std::uint64_t base, size;
  std::uint64_t identity, identity_size;  // the "fuses": device secret, minimum version, certificates
  std::uint64_t ram, ram_size;            // reached from EL3 only
  std::uint64_t console;
  std::size_t package;  // index of the window that holds the firmware package
};

// What only the parent's device tree needs: indices into windows and interrupts.
struct Pcie {
  std::size_t ecam, memory;
  std::optional<std::size_t> io;
  std::array<std::size_t, 4> interrupts;  // INTA..INTD
};

struct Uart {  // a PL011 of the parent
  std::size_t window;
  std::size_t interrupt;
  std::uint32_t clock;  // Hz
};

struct Description {
  std::unique_ptr<Element> root;  // owns every string below
  Table<board::MemoryRegion> memory;
  Table<board::Core> cores;
  Table<board::Mmio> windows;
  Table<board::Device> devices;
  Table<board::Interrupt> interrupts;
  std::vector<std::string_view> interrupt_names;
  std::optional<Rom> rom;
  std::optional<Uart> uart;
  std::optional<Pcie> pcie;
  board::Board tables{};  // its spans point into the vectors above
  const Element* monitor = nullptr;
  const Element* protections = nullptr;
  const Element* controller = nullptr;
  const Element* smmu = nullptr;
  const Element* console = nullptr;
  const Element* clock = nullptr;
  const Element* messages = nullptr;
  const Element* enclaves = nullptr;
  const Element* parent = nullptr;
  const Element* uart_element = nullptr;
  const Element* pcie_element = nullptr;
  const Element* command_device = nullptr;
  const Element* vsock = nullptr;
  const Element* rom_element = nullptr;

  Description() = default;
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;
};

using DescriptionOrErrors = std::variant<std::unique_ptr<Description>, Diagnostics>;

// Bytes of a board.xml to a description that keeps every rule of firmware/board/validate.hpp.
[[nodiscard]] DescriptionOrErrors read_description(std::string_view text);

}  // namespace boardgen
