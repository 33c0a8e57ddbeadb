// The types of the tables that tools/boardgen writes from boards/*/board.xml.
//
// A generated header `board_tables.hpp` defines `inline constexpr board::Board kBoard` and the limits below it
// as constants; every firmware target is built with exactly one board's generated folder on its include path.
// Addresses and sizes are bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/ids.hpp"

namespace board {

struct MemoryRegion {  // RAM that can be given to partitions, in ascending order, 2 MiB aligned
  std::string_view name;
  std::uint64_t base;
  std::uint64_t size;
};

enum class Owner : std::uint8_t { kMonitor, kParent, kAssignable };

struct Core {
  std::uint64_t mpidr;  // affinity fields as in MPIDR_EL1
  bool boot;            // the core that the parent starts on; never donated
};

// What the monitor plays for the parent at a window's address; the parent does not reach the device itself.
enum class View : std::uint8_t {
  kNone,
  kPl031,
  kCommandConfiguration,  // ECAM of a bus whose only device is the Nitro Enclaves device
  kCommandMemory,         // where the parent places that device's BARs
  kVsock,                 // virtio-mmio, a vsock device
  kWatchdogControl,       // the two frames of an SBSA generic watchdog
  kWatchdogRefresh,
};

struct Mmio {  // a device's registers, frame aligned
  std::string_view name;
  std::uint64_t base;
  std::uint64_t size;
  Owner owner;
  bool bypasses_smmu = false;  // what lies here can write memory without passing the SMMU: never the parent's
  View parent_view = View::kNone;
};

struct Device {  // a bus master behind the SMMU, with what comes with it
  std::string_view name;
  base::StreamId stream;
  std::uint64_t mmio_base;  // 0 when the device is reached through PCIe config space only
  std::uint64_t mmio_size;
  base::Intid interrupt;    // 0: none
  Owner owner;              // kAssignable starts with the parent
};

struct Interrupt {  // an SPI (Arm IHI 0069: 32..1019) and who gets it
  base::Intid intid;
  Owner owner;
};

// Messages of PCIe devices (MSI), which an ITS in the monitor's hands turns into SPIs of the parent.
struct MessageInterrupts {
  std::uint64_t its_base;  // 0: the board has none
  base::Intid first;
  std::uint32_t count;
  bool offered;  // the parent's device tree names them
};

struct Limits {
  std::uint32_t enclaves;             // slots, 1..62
  std::uint32_t regions_per_enclave;  // 1..4096
  std::uint32_t channels_per_enclave; // 1..16
  std::uint64_t enclave_memory_min;   // bytes
  std::uint64_t scrub_chunk;          // bytes of one bounded piece of scrubbing or measuring
};

struct Protections {  // what the hardware of this board can give; attested
  bool smmu;
  bool secure_rom;     // EL3 keeps the device secret from EL2
  bool entropy;
};

struct Board {
  std::string_view name;
  std::string_view compatible;
  std::span<const MemoryRegion> memory;  // given to the parent at boot
  MemoryRegion monitor;                  // the monitor's own RAM
  std::span<const Core> cores;
  std::span<const Mmio> mmio;            // kParent entries are mapped for it as device memory
  std::span<const Device> devices;
  std::span<const Interrupt> interrupts;
  Limits limits;
  Protections protections;
  std::uint64_t gic_distributor, gic_redistributor, gic_redistributor_stride;
  MessageInterrupts message_interrupts;
  std::uint64_t smmu_base;               // 0: none
  std::uint32_t smmu_stream_bits;
  std::uint64_t uart_base;               // the monitor's own UART; 0: its text goes out through the ROM
  std::uint64_t rtc_base;                // 0: none
  base::Intid vsock_interrupt;           // of the view kVsock, raised by the monitor alone; 0: the parent has no vsock
  std::uint64_t parent_entry;            // where the parent's kernel is loaded and entered
  std::uint64_t enclave_ram_base;        // IPA of an enclave's first frame
  std::uint64_t channel_ipa_base;        // IPA of an enclave's first channel page
  std::array<std::uint8_t, 48> digest;   // SHA-384 of board.xml in canonical form
};

// The window that the parent sees as `view`; null when the board has none.
[[nodiscard]] constexpr std::optional<Mmio> window_of(const Board& board, View view) {
  for (const Mmio& window : board.mmio) {
    if (window.parent_view == view) return window;
  }
  return std::nullopt;
}

}  // namespace board
