// GICv3 interrupt translation service and LPIs (Arm IHI 0069): registers, commands, tables in memory.
//
// Chapter 5 describes LPIs, the tables and the commands (section 5.3), chapter 12 the registers.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/address.hpp"
#include "firmware/base/ids.hpp"
#include "hal/registers/field.hpp"

namespace hal::registers::its {

inline constexpr std::uint32_t kFirstLpi = 8192;

// ---- Registers of the control frame, byte offsets ---------------------------------------------
inline constexpr std::uint64_t kControl = 0x0000;      // GITS_CTLR
inline constexpr std::uint64_t kType = 0x0008;         // GITS_TYPER
inline constexpr std::uint64_t kCommandBase = 0x0080;  // GITS_CBASER
inline constexpr std::uint64_t kCommandWrite = 0x0088; // GITS_CWRITER
inline constexpr std::uint64_t kCommandRead = 0x0090;  // GITS_CREADR
inline constexpr std::uint64_t kTableBase = 0x0100;    // GITS_BASER<n>, 8 bytes each
inline constexpr unsigned kTableBases = 8;
inline constexpr std::uint64_t kControlFrameBytes = 0x1'0000;
// The second frame has this one register, at GICD_SETSPI_NSR's offset: a write of an EventID is a message.
inline constexpr std::uint64_t kTranslationFrame = 0x1'0000;
inline constexpr std::uint64_t kTranslater = 0x0040;   // GITS_TRANSLATER

inline constexpr std::uint32_t kControlEnabled = 1U << 0;
inline constexpr std::uint32_t kControlQuiescent = 1U << 31;

inline constexpr std::uint64_t kTypePhysical = bit(0);
inline constexpr std::uint64_t kTypeAddressTargets = bit(19);  // PTA: a target is a redistributor's address
using TypeEntryBytes = Field<4, 4>;       // of an interrupt translation table, minus one
using TypeEventBits = Field<8, 5>;        // minus one
using TypeDeviceBits = Field<13, 5>;      // minus one
using TypeHeldCollections = Field<24, 8>; // HCC: collections that need no memory

// ---- Attributes of what the GIC reads and writes in memory ---------------
inline constexpr std::uint64_t kCacheable = 7;     // write-back, allocating; the outer field 0 says "as the inner"
inline constexpr std::uint64_t kNotCacheable = 1;  // normal memory
inline constexpr std::uint64_t kInnerShareable = 1;
using Shareability = Field<10, 2>;  // the same place in all four registers
enum class Memory : std::uint8_t { kShared, kNotCached };

// GITS_BASER<n>
inline constexpr std::uint64_t kValid = bit(63);  // of GITS_CBASER and of a command as well
using TableType = Field<56, 3>;
inline constexpr std::uint64_t kDeviceTable = 1;
inline constexpr std::uint64_t kCollectionTable = 4;
using TableEntryBytes = Field<48, 5>;  // minus one
using TablePageSize = Field<8, 2>;
[[nodiscard]] constexpr std::uint64_t page_bytes(std::uint64_t code) {  // 4, 16, 64 KiB
  return code == 0 ? 0x1000 : code == 1 ? 0x4000 : 0x1'0000;
}
// Addresses below 2^48 only, so that pages of 64 KiB need no split field. Flat, never two levels.
[[nodiscard]] constexpr std::uint64_t make_table_base(base::PhysAddr table, std::uint64_t page_code, std::uint64_t pages,
                                                      Memory memory) {
  const bool shared = memory == Memory::kShared;
  return kValid | Field<59, 3>::put(shared ? kCacheable : kNotCacheable) | Field<12, 36>::put(table.value >> 12) |
         Shareability::put(shared ? kInnerShareable : 0) | TablePageSize::put(page_code) | Field<0, 8>::put(pages - 1);
}

// GITS_CBASER; the address is a multiple of 64 KiB, the size in pages of 4 KiB.
[[nodiscard]] constexpr std::uint64_t make_command_base(base::PhysAddr queue, std::uint64_t pages, Memory memory) {
  const bool shared = memory == Memory::kShared;
  return kValid | Field<59, 3>::put(shared ? kCacheable : kNotCacheable) | Field<12, 40>::put(queue.value >> 12) |
         Shareability::put(shared ? kInnerShareable : 0) | Field<0, 8>::put(pages - 1);
}

// GITS_CWRITER and GITS_CREADR: a byte offset into the queue.
using QueueOffset = Field<5, 15>;
inline constexpr std::uint64_t kReadStalled = bit(0);

// ---- LPIs in a redistributor ------------------------------------------------------------------
namespace redistributor {
inline constexpr std::uint64_t kControl = 0x0000;         // GICR_CTLR
inline constexpr std::uint64_t kType = 0x0008;            // GICR_TYPER
inline constexpr std::uint64_t kConfigurationBase = 0x0070;  // GICR_PROPBASER
inline constexpr std::uint64_t kPendingBase = 0x0078;     // GICR_PENDBASER
inline constexpr std::uint32_t kEnableLpis = 1U << 0;
inline constexpr std::uint32_t kRegisterWritePending = 1U << 3;
inline constexpr std::uint64_t kTypeHasLpis = bit(0);     // PLPIS
using TypeNumber = Field<8, 16>;                          // Processor_Number
using ConfigurationAddress = Field<12, 40>;
using PendingAddress = Field<16, 36>;

// `id_bits`: how many bits an INTID has; the table has a byte for each LPI.
[[nodiscard]] constexpr std::uint64_t make_configuration_base(base::PhysAddr table, unsigned id_bits, Memory memory) {
  const bool shared = memory == Memory::kShared;
  return ConfigurationAddress::put(table.value >> 12) | Field<7, 3>::put(shared ? kCacheable : kNotCacheable) |
         Shareability::put(shared ? kInnerShareable : 0) | Field<0, 5>::put(id_bits - 1);
}
// The table, a bit for each INTID, is said to be all zero (PTZ).
[[nodiscard]] constexpr std::uint64_t make_pending_base(base::PhysAddr table, Memory memory) {
  const bool shared = memory == Memory::kShared;
  return bit(62) | PendingAddress::put(table.value >> 16) | Field<7, 3>::put(shared ? kCacheable : kNotCacheable) |
         Shareability::put(shared ? kInnerShareable : 0);
}
}  // namespace redistributor

// A byte of the configuration table (section 5.1): priority in bits 7:2, bit 1 is one, bit 0 enables.
[[nodiscard]] constexpr std::uint8_t make_enabled_lpi(std::uint8_t priority) {
  return static_cast<std::uint8_t>((priority & 0xFC) | 0b11);
}

// ---- Commands (section 5.3) ----------------------------------------------------------------------------------
using Command = std::array<std::uint64_t, 4>;
inline constexpr std::uint64_t kCommandBytes = 32;
// What a collection points at, and a SYNC waits for, in the place that both commands have it.
struct Target {
  std::uint64_t word;
  bool operator==(const Target&) const = default;
};
[[nodiscard]] constexpr Target target_at(base::PhysAddr redistributor) {  // GITS_TYPER.PTA = 1: 64 KiB aligned
  return {redistributor.value & Field<16, 36>::kMask};
}
[[nodiscard]] constexpr Target target_number(std::uint64_t processor_number) {  // GITS_TYPER.PTA = 0
  return {Field<16, 16>::put(processor_number)};
}
using Collection = std::uint16_t;

// The table's address is a multiple of 256.
[[nodiscard]] constexpr Command make_map_device(base::StreamId device, unsigned event_bits, base::PhysAddr table) {
  return {0x08 | (std::uint64_t{device.value} << 32), Field<0, 5>::put(event_bits - 1),
          kValid | (table.value & Field<8, 44>::kMask), 0};
}
[[nodiscard]] constexpr Command make_unmap_device(base::StreamId device) {
  return {0x08 | (std::uint64_t{device.value} << 32), 0, 0, 0};
}
[[nodiscard]] constexpr Command make_map_collection(Collection collection, Target target) {
  return {0x09, 0, kValid | target.word | collection, 0};
}
[[nodiscard]] constexpr Command make_map_event(base::StreamId device, std::uint32_t event, base::Intid lpi,
                                               Collection collection) {  // MAPTI
  return {0x0A | (std::uint64_t{device.value} << 32), event | (std::uint64_t{lpi.value} << 32), collection, 0};
}
[[nodiscard]] constexpr Command make_move_event(base::StreamId device, std::uint32_t event, Collection collection) {
  return {0x01 | (std::uint64_t{device.value} << 32), event, collection, 0};  // MOVI
}
[[nodiscard]] constexpr Command make_discard(base::StreamId device, std::uint32_t event) {
  return {0x0F | (std::uint64_t{device.value} << 32), event, 0, 0};
}
[[nodiscard]] constexpr Command make_sync(Target target) { return {0x05, 0, target.word, 0}; }

}  // namespace hal::registers::its
