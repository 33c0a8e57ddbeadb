// The parent's device tree, as a blob (Devicetree Specification 0.4; PCI: IEEE Std 1275 PCI Bus Binding 2.1).
//
// It names what the parent owns and nothing else: the parent's kernel never learns that there is more.
#include <libfdt.h>

#include <algorithm>
#include <initializer_list>
#include <stdexcept>

#include "tools/boardgen/emit.hpp"

namespace boardgen {
namespace {

constexpr std::uint32_t kGicPhandle = 1;
constexpr std::uint32_t kUartClockPhandle = 2;
constexpr std::uint32_t kBusClockPhandle = 3;
constexpr std::uint32_t kSpi = 0;  // first cell of an interrupt of the GIC
constexpr std::uint32_t kPpi = 1;
constexpr std::uint32_t kEdgeRising = 1;
constexpr std::uint32_t kLevelHigh = 4;
constexpr std::size_t kRoomForAmendments = 4096;  // bootargs, initrd, seeds
constexpr std::size_t kMaxBlob = std::size_t{64} << 10;

// Cells are big-endian, 32 bits.
class Cells {
 public:
  Cells() = default;
  Cells(std::initializer_list<std::uint32_t> cells) {
    for (const std::uint32_t value : cells) cell(value);
  }
  Cells& cell(std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes_ += static_cast<char>((value >> shift) & 0xFF);
    return *this;
  }
  Cells& address(std::uint64_t value) {
    return cell(static_cast<std::uint32_t>(value >> 32)).cell(static_cast<std::uint32_t>(value));
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// The sequential writer of libfdt. A failure means a bug or a tree above kMaxBlob, never bad input.
class TreeWriter {
 public:
  TreeWriter() : blob_(kMaxBlob, '\0') {
    must(fdt_create(data(), static_cast<int>(blob_.size())));
    must(fdt_finish_reservemap(data()));
  }
  template <typename Body>
  void node(const std::string& name, Body body) {
    must(fdt_begin_node(data(), name.c_str()));
    body();
    must(fdt_end_node(data()));
  }
  void property(const char* name, const std::string& bytes) {
    must(fdt_property(data(), name, bytes.data(), static_cast<int>(bytes.size())));
  }
  void cells(const char* name, const Cells& cells) { property(name, cells.bytes()); }
  void flag(const char* name) { property(name, {}); }
  void strings(const char* name, std::initializer_list<std::string> values) {
    std::string bytes;
    for (const std::string& value : values) bytes += value + '\0';
    property(name, bytes);
  }
  [[nodiscard]] std::string finish() {
    must(fdt_finish(data()));
    blob_.resize(fdt_totalsize(data()));
    return std::move(blob_);
  }

 private:
  void* data() { return blob_.data(); }
  static void must(int result) {
    if (result != 0) throw std::logic_error(std::string("libfdt: ") + fdt_strerror(result));
  }
  std::string blob_;
};

std::string unit(const char* name, std::uint64_t address) {
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[address & 15]);
    address >>= 4;
  } while (address != 0);
  return std::string(name) + "@" + digits;
}

void write_cores(TreeWriter& tree, const board::Board& board) {
  tree.node("cpus", [&] {
    tree.cells("#address-cells", {2});
    tree.cells("#size-cells", {0});
    for (const board::Core& core : board.cores) {
      tree.node(unit("cpu", core.mpidr), [&] {
        tree.strings("device_type", {"cpu"});
        tree.strings("compatible", {"arm,armv8"});
        tree.cells("reg", Cells().address(core.mpidr));
        tree.strings("enable-method", {"psci"});
      });
    }
  });
  tree.node("psci", [&] {
    tree.strings("compatible", {"arm,psci-1.0", "arm,psci-0.2"});
    tree.strings("method", {"hvc"});
  });
  // Secure, non-secure, virtual and hypervisor's timer: PPI 13, 14, 11, 10. The parent has the second and third; the
  // others never interrupt, but there are guests that want four.
  tree.node("timer", [&] {
    tree.strings("compatible", {"arm,armv8-timer"});
    tree.cells("interrupts", {kPpi, 13, kLevelHigh, kPpi, 14, kLevelHigh, kPpi, 11, kLevelHigh, kPpi, 10, kLevelHigh});
    tree.flag("always-on");
  });
}

// The registers at these addresses are trapped: what the parent sees is a virtual GICv3.
void write_controller(TreeWriter& tree, const board::Board& board) {
  tree.node(unit("interrupt-controller", board.gic_distributor), [&] {
    tree.strings("compatible", {"arm,gic-v3"});
    tree.flag("interrupt-controller");
    tree.cells("#interrupt-cells", {3});
    tree.cells("#address-cells", {0});
    tree.cells("#redistributor-regions", {1});
    tree.cells("redistributor-stride", Cells().address(board.gic_redistributor_stride));
    tree.cells("reg", Cells()
                          .address(board.gic_distributor)
                          .address(board::kGicAlignment)
                          .address(board.gic_redistributor)
                          .address(board.cores.size() * board.gic_redistributor_stride));
    // Linux's binding of message-based SPIs (arm,gic-v3.yaml): without an mbi-alias a device writes an INTID to the
    // distributor's GICD_SETSPI_NSR.
    const board::MessageInterrupts& messages = board.message_interrupts;
    if (messages.offered) {
      tree.flag("msi-controller");
      tree.cells("mbi-ranges", {messages.first.value, messages.count});
    }
    tree.cells("phandle", {kGicPhandle});
  });
}

std::string uart_node(const Description& d) { return unit("serial", d.windows.entries[d.uart->window].base); }

void fixed_clock(TreeWriter& tree, const char* name, std::uint32_t frequency, std::uint32_t phandle) {
  tree.node(name, [&] {
    tree.strings("compatible", {"fixed-clock"});
    tree.cells("#clock-cells", {0});
    tree.cells("clock-frequency", {frequency});
    tree.strings("clock-output-names", {name});
    tree.cells("phandle", {phandle});
  });
}

// PrimeCell devices: the UART is the parent's own, the clock is the monitor's view of one. Linux's bus wants a clock
// for their registers (apb_pclk); its frequency is of no account.
void write_primecells(TreeWriter& tree, const Description& d) {
  constexpr std::uint32_t kBusFrequency = 24'000'000;
  fixed_clock(tree, "apb-pclk", kBusFrequency, kBusClockPhandle);
  if (d.uart) {
    const board::Mmio& window = d.windows.entries[d.uart->window];
    const board::Interrupt& interrupt = d.interrupts.entries[d.uart->interrupt];
    fixed_clock(tree, "uart-clock", d.uart->clock, kUartClockPhandle);
    tree.node(uart_node(d), [&] {
      tree.strings("compatible", {"arm,pl011", "arm,primecell"});
      tree.cells("reg", Cells().address(window.base).address(window.size));
      tree.cells("interrupts", {kSpi, interrupt.intid.value - board::kFirstSpi, kLevelHigh});
      tree.cells("clocks", {kUartClockPhandle, kBusClockPhandle});
      tree.strings("clock-names", {"uartclk", "apb_pclk"});
    });
  }
  for (const board::Mmio& window : d.tables.mmio) {
    if (window.parent_view != board::View::kPl031) continue;
    tree.node(unit("rtc", window.base), [&] {
      tree.strings("compatible", {"arm,pl031", "arm,primecell"});
      tree.cells("reg", Cells().address(window.base).address(window.size));
      tree.cells("clocks", {kBusClockPhandle});
      tree.strings("clock-names", {"apb_pclk"});
    });
  }
}

// Linux's binding arm,sbsa-gwdt.yaml. The monitor raises the interrupt, once each time.
void write_watchdog(TreeWriter& tree, const Description& d) {
  const auto find = [&](board::View view) {
    const auto& windows = d.tables.mmio;
    return std::find_if(windows.begin(), windows.end(),
                        [&](const board::Mmio& each) { return each.parent_view == view; });
  };
  const auto control = find(board::View::kWatchdogControl), refresh = find(board::View::kWatchdogRefresh);
  if (control == d.tables.mmio.end() || refresh == d.tables.mmio.end()) return;
  tree.node(unit("watchdog", control->base), [&] {
    tree.strings("compatible", {"arm,sbsa-gwdt"});
    tree.cells("reg", Cells()
                          .address(control->base)
                          .address(control->size)
                          .address(refresh->base)
                          .address(refresh->size));
    tree.cells("interrupts", {kSpi, board::kWatchdogSpi - board::kFirstSpi, kEdgeRising});
  });
}

void write_pcie(TreeWriter& tree, const Description& d) {
  const board::Mmio& ecam = d.windows.entries[d.pcie->ecam];
  const board::Mmio& memory = d.windows.entries[d.pcie->memory];
  tree.node(unit("pcie", ecam.base), [&] {
    tree.strings("compatible", {"pci-host-ecam-generic"});
    tree.strings("device_type", {"pci"});
    tree.cells("#address-cells", {3});
    tree.cells("#size-cells", {2});
    tree.cells("#interrupt-cells", {1});
    tree.cells("linux,pci-domain", {0});
    tree.cells("bus-range", {0, static_cast<std::uint32_t>(ecam.size / 0x10'0000 - 1)});
    tree.cells("reg", Cells().address(ecam.base).address(ecam.size));
    constexpr std::uint32_t kIoSpace = 0x0100'0000, kMemory32 = 0x0200'0000, kMemory64 = 0x0300'0000;
    Cells ranges;
    if (d.pcie->io) {
      const board::Mmio& io = d.windows.entries[*d.pcie->io];
      ranges.cell(kIoSpace).address(0).address(io.base).address(io.size);
    }
    const bool low = memory.base + memory.size <= std::uint64_t{1} << 32;
    ranges.cell(low ? kMemory32 : kMemory64).address(memory.base).address(memory.base).address(memory.size);
    tree.cells("ranges", ranges);
    tree.flag("dma-coherent");
    if (d.tables.message_interrupts.offered) tree.cells("msi-parent", {kGicPhandle});
    // The four pins rotate with the device number, so that neighbours don't share one.
    Cells map;
    for (std::uint32_t device = 0; device < 4; ++device) {
      for (std::uint32_t pin = 0; pin < 4; ++pin) {
        const board::Interrupt& interrupt = d.interrupts.entries[d.pcie->interrupts[(device + pin) % 4]];
        map.cell(device << 11).cell(0).cell(0).cell(pin + 1).cell(kGicPhandle);
        map.cell(kSpi).cell(interrupt.intid.value - board::kFirstSpi).cell(kLevelHigh);
      }
    }
    tree.cells("interrupt-map", map);
    tree.cells("interrupt-map-mask", {3U << 11, 0, 0, 7});
  });
}

// A second host bridge, which is the monitor's doing: a domain of its own, and messages as the first one's devices send
// them, because the device on it has no pins.
void write_command_device(TreeWriter& tree, const Description& d) {
  const std::optional<board::Mmio> configuration = window_of(d.tables, board::View::kCommandConfiguration);
  const std::optional<board::Mmio> memory = window_of(d.tables, board::View::kCommandMemory);
  if (!configuration || !memory) return;
  tree.node(unit("pcie", configuration->base), [&] {
    tree.strings("compatible", {"pci-host-ecam-generic"});
    tree.strings("device_type", {"pci"});
    tree.cells("#address-cells", {3});
    tree.cells("#size-cells", {2});
    tree.cells("linux,pci-domain", {d.pcie ? 1U : 0U});
    tree.cells("bus-range", {0, 0});
    tree.cells("reg", Cells().address(configuration->base).address(configuration->size));
    constexpr std::uint32_t kMemory32 = 0x0200'0000;
    tree.cells("ranges", Cells().cell(kMemory32).address(memory->base).address(memory->base).address(memory->size));
    tree.flag("dma-coherent");
    if (d.tables.message_interrupts.offered) tree.cells("msi-parent", {kGicPhandle});
  });
}

void write_vsock(TreeWriter& tree, const board::Board& board) {
  const std::optional<board::Mmio> window = window_of(board, board::View::kVsock);
  if (!window) return;
  tree.node(unit("virtio_mmio", window->base), [&] {
    tree.strings("compatible", {"virtio,mmio"});
    tree.cells("reg", Cells().address(window->base).address(window->size));
    tree.cells("interrupts", {kSpi, board.vsock_interrupt.value - board::kFirstSpi, kEdgeRising});
    tree.flag("dma-coherent");
  });
}

}  // namespace

std::string emit_device_tree(const Description& d) {
  TreeWriter tree;
  tree.node("", [&] {
    tree.strings("compatible", {std::string(d.tables.compatible), "linux,dummy-virt"});
    tree.strings("model", {"Cofferdam parent on " + std::string(d.tables.name)});
    tree.cells("#address-cells", {2});
    tree.cells("#size-cells", {2});
    tree.cells("interrupt-parent", {kGicPhandle});
    if (d.uart) tree.node("aliases", [&] { tree.strings("serial0", {"/" + uart_node(d)}); });
    tree.node("chosen", [&] {
      if (d.uart) tree.strings("stdout-path", {"serial0:115200n8"});
    });
    for (const board::MemoryRegion& region : d.tables.memory) {
      tree.node(unit("memory", region.base), [&] {
        tree.strings("device_type", {"memory"});
        tree.cells("reg", Cells().address(region.base).address(region.size));
      });
    }
    write_cores(tree, d.tables);
    write_controller(tree, d.tables);
    write_primecells(tree, d);
    write_watchdog(tree, d);
    if (d.pcie) write_pcie(tree, d);
    write_command_device(tree, d);
    write_vsock(tree, d.tables);
    tree.node("firmware", [&] {
      tree.node("cofferdam", [&] {
        tree.strings("compatible", {"cofferdam,monitor-1"});
        tree.strings("method", {"hvc"});
      });
    });
  });
  return tree.finish();
}

std::string emit_device_tree_bytes(const Description& d) {
  const std::string blob = emit_device_tree(d);
  std::string text = "// Generated by tools/boardgen from the board.xml of board '" + std::string(d.tables.name) +
                     "'. Change that file, not this one.\n//\n// The parent's device tree as far as the board alone "
                     "says it. It has no free space: who amends it opens it into a\n// buffer of "
                     "kParentDeviceTreeRoom bytes (fdt_open_into).\n#pragma once\n\n#include <array>\n#include "
                     "<cstddef>\n#include <cstdint>\n\nnamespace board {\n\n";
  text += "alignas(8) inline constexpr std::array<std::uint8_t, " + std::to_string(blob.size()) + "> kParentDeviceTree{";
  for (std::size_t i = 0; i < blob.size(); ++i) {
    text += (i % 20 == 0 ? "\n    " : " ") + std::to_string(static_cast<unsigned char>(blob[i])) + ",";
  }
  text += "\n};\ninline constexpr std::size_t kParentDeviceTreeRoom = " +
          std::to_string(base::align_up(blob.size(), base::kFrameSize) + kRoomForAmendments) + ";\n\n";
  return text + "}  // namespace board\n";
}

}  // namespace boardgen
