// SMMUv3 (Arm IHI 0070): registers, stream table entry, commands, events; stage 2 only.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/ids.hpp"
#include "hal/registers/field.hpp"

namespace hal::registers::smmuv3 {

// ---- Registers, byte offsets (section 6.3) ------------------------------------------------------------------
inline constexpr std::uint64_t kIdr0 = 0x000;
inline constexpr std::uint64_t kIdr1 = 0x004;
inline constexpr std::uint64_t kIdr3 = 0x00C;
inline constexpr std::uint64_t kIdr5 = 0x014;
inline constexpr std::uint64_t kCr0 = 0x020;
inline constexpr std::uint64_t kCr0Ack = 0x024;
inline constexpr std::uint64_t kCr1 = 0x028;
inline constexpr std::uint64_t kCr2 = 0x02C;
inline constexpr std::uint64_t kGbpa = 0x044;
inline constexpr std::uint64_t kIrqCtrl = 0x050;
inline constexpr std::uint64_t kIrqCtrlAck = 0x054;
inline constexpr std::uint64_t kGerror = 0x060;
inline constexpr std::uint64_t kGerrorN = 0x064;
inline constexpr std::uint64_t kStrtabBase = 0x080;
inline constexpr std::uint64_t kStrtabBaseCfg = 0x088;
inline constexpr std::uint64_t kCmdqBase = 0x090;
inline constexpr std::uint64_t kCmdqProd = 0x098;
inline constexpr std::uint64_t kCmdqCons = 0x09C;
inline constexpr std::uint64_t kEventqBase = 0x0A0;
inline constexpr std::uint64_t kEventqProd = 0x100A8;  // page 1
inline constexpr std::uint64_t kEventqCons = 0x100AC;

inline constexpr std::uint32_t kIdr0Stage2 = 1U << 0;
inline constexpr std::uint32_t kIdr0CoherentAccess = 1U << 4;
inline constexpr std::uint32_t kIdr0Vmid16 = 1U << 18;
using Idr0TableFormat = Field<2, 2>;      // 2: AArch64, 3: both
using Idr0StreamLevel = Field<27, 2>;     // 1: two-level stream tables
using Idr1StreamBits = Field<0, 6>;
using Idr1EventqBits = Field<16, 5>;
using Idr1CmdqBits = Field<21, 5>;
inline constexpr std::uint32_t kIdr5Granule4K = 1U << 4;
using Idr5OutputSize = Field<0, 3>;

inline constexpr std::uint32_t kCr0Enable = 1U << 0;
inline constexpr std::uint32_t kCr0EventqEnable = 1U << 2;
inline constexpr std::uint32_t kCr0CmdqEnable = 1U << 3;
inline constexpr std::uint32_t kCr0AtsCheck = 1U << 4;  // RES0 without ATS
inline constexpr std::uint32_t kGbpaUpdate = 1U << 31;
inline constexpr std::uint32_t kGbpaAbort = 1U << 20;
// Tables and queues: inner shareable, write back.
inline constexpr std::uint32_t kCr1Coherent = (3U << 10) | (1U << 8) | (1U << 6) | (3U << 4) | (1U << 2) | 1U;
inline constexpr std::uint32_t kCr2RecordInvalidSid = 1U << 1;
inline constexpr std::uint32_t kCr2PrivateTlb = 1U << 2;  // PTM: broadcast TLBIs of the cores don't count, ours do
inline constexpr std::uint64_t kTableAllocateHint = bit(62);
inline constexpr std::uint32_t kIrqGerror = 1U << 0;
inline constexpr std::uint32_t kIrqEventq = 1U << 2;
inline constexpr std::uint32_t kGerrorCmdq = 1U << 0;
inline constexpr std::uint32_t kOverflow = 1U << 31;  // OVFLG of the event queue's indices
using CmdqConsError = Field<24, 7>;

// ---- Stream table entry (section 5.2): eight words of 64 bits -------------------------------------------------
using StreamTableEntry = std::array<std::uint64_t, 8>;
inline constexpr std::uint64_t kStreamEntryBytes = 64;
using SteConfig = Field<1, 3>;
inline constexpr std::uint64_t kSteValid = bit(0);
inline constexpr std::uint64_t kConfigAbort = 0b000;
inline constexpr std::uint64_t kConfigStage2 = 0b110;
using SteShareability = Field<44, 2>;  // word 1, SHCFG
inline constexpr std::uint64_t kShareabilityIncoming = 1;

[[nodiscard]] constexpr StreamTableEntry make_abort_entry() { return {kSteValid | SteConfig::put(kConfigAbort)}; }

// `physical_size_code`: as VTCR_EL2.PS. A fault terminates the access and is recorded (S2R), never stalls.
[[nodiscard]] constexpr StreamTableEntry make_stage2_entry(base::FrameNumber root, base::PartitionId partition,
                                                           unsigned ipa_bits, std::uint64_t physical_size_code) {
  StreamTableEntry entry{};
  entry[0] = kSteValid | SteConfig::put(kConfigStage2);
  entry[1] = SteShareability::put(kShareabilityIncoming);
  entry[2] = Field<0, 16>::put(partition.value) |         // S2VMID
             Field<32, 6>::put(64 - ipa_bits) |           // S2T0SZ
             Field<38, 2>::put(1) |                       // S2SL0: level 1
             Field<40, 2>::put(1) | Field<42, 2>::put(1) | Field<44, 2>::put(3) |  // walks: WB, WB, inner shareable
             Field<46, 2>::put(0) |                       // S2TG: 4 KiB
             Field<48, 3>::put(physical_size_code) |      // S2PS
             bit(51) |                                    // S2AA64
             bit(53) |                                    // S2AFFD: base::Access::kMessages
             bit(54) |                                    // S2PTW
             bit(58);                                     // S2R
  entry[3] = base::address_of(root).value;                // S2TTB
  return entry;
}

// ---- Commands (section 4): two words ---------------------------------------------------------------------------
struct Command {  // travels in two registers
  std::uint64_t low;
  std::uint64_t high;
};
inline constexpr std::uint64_t kCommandBytes = 16;
[[nodiscard]] constexpr Command make_cfgi_ste(base::StreamId stream) {
  return {0x03 | (std::uint64_t{stream.value} << 32), 1};  // Leaf
}
[[nodiscard]] constexpr Command make_cfgi_all() { return {0x04, 31}; }
[[nodiscard]] constexpr Command make_tlbi_vmall(base::PartitionId partition) {  // CMD_TLBI_S12_VMALL
  return {0x28 | (std::uint64_t{partition.value} << 32), 0};
}
[[nodiscard]] constexpr Command make_tlbi_all() { return {0x30, 0}; }  // CMD_TLBI_NSNH_ALL
[[nodiscard]] constexpr Command make_sync() { return {0x46, 0}; }      // CS = none: CONS tells

// ---- Events (section 7.3): four words -----------------------------------------------------------------------------
using Event = std::array<std::uint64_t, 4>;
inline constexpr std::uint64_t kEventBytes = 32;
inline constexpr std::uint8_t kEventBadStreamId = 0x02;
inline constexpr std::uint8_t kEventBadEntry = 0x04;
inline constexpr std::uint8_t kEventTranslation = 0x10;
inline constexpr std::uint8_t kEventPermission = 0x13;
[[nodiscard]] constexpr std::uint8_t type_of(const Event& event) { return static_cast<std::uint8_t>(event[0] & 0xFF); }
[[nodiscard]] constexpr base::StreamId stream_of(const Event& event) {
  return base::StreamId{static_cast<std::uint32_t>(event[0] >> 32)};
}
[[nodiscard]] constexpr bool is_write(const Event& event) { return (event[1] & bit(35)) == 0; }  // RnW
[[nodiscard]] constexpr std::uint64_t address_of(const Event& event) { return event[2]; }

}  // namespace hal::registers::smmuv3
