// HCR_EL2: what a guest's core traps (Arm ARM D19.2.48), and the one value every guest runs with.
#pragma once

#include <cstdint>

#include "hal/registers/field.hpp"

namespace hal::registers::hcr_el2 {

inline constexpr std::uint64_t kVm = bit(0);      // stage 2 on
inline constexpr std::uint64_t kSwio = bit(1);    // set/way invalidate becomes clean and invalidate
inline constexpr std::uint64_t kPtw = bit(2);     // a stage-1 walk through device memory faults
inline constexpr std::uint64_t kFmo = bit(3);     // physical FIQ, IRQ, SError come to EL2; virtual ones enabled
inline constexpr std::uint64_t kImo = bit(4);
inline constexpr std::uint64_t kAmo = bit(5);
inline constexpr std::uint64_t kVse = bit(8);
inline constexpr std::uint64_t kFb = bit(9);      // a guest's local TLBI becomes inner shareable
inline constexpr std::uint64_t kBsuInner = bit(10);
inline constexpr std::uint64_t kTwi = bit(13);
inline constexpr std::uint64_t kTwe = bit(14);
inline constexpr std::uint64_t kTid1 = bit(16);   // revision, auxiliary identification
inline constexpr std::uint64_t kTid3 = bit(18);   // feature identification
inline constexpr std::uint64_t kTsc = bit(19);    // SMC
inline constexpr std::uint64_t kTidcp = bit(20);  // implementation defined registers
inline constexpr std::uint64_t kTacr = bit(21);   // ACTLR_EL1
inline constexpr std::uint64_t kTsw = bit(22);    // set/way cache maintenance
inline constexpr std::uint64_t kTpu = bit(24);
inline constexpr std::uint64_t kTdz = bit(28);
inline constexpr std::uint64_t kRw = bit(31);     // EL1 is AArch64
inline constexpr std::uint64_t kTlor = bit(35);
inline constexpr std::uint64_t kTerr = bit(36);   // RAS error records
inline constexpr std::uint64_t kApk = bit(40);    // 1: pointer-authentication keys not trapped
inline constexpr std::uint64_t kApi = bit(41);    // 1: pointer-authentication instructions not trapped
inline constexpr std::uint64_t kFien = bit(47);
inline constexpr std::uint64_t kTid4 = bit(49);
inline constexpr std::uint64_t kAmvoffen = bit(51);
inline constexpr std::uint64_t kAta = bit(56);    // 0: no access to allocation tags

// SMCs, implementation defined registers, ACTLR, LORegions, error records and feature registers trap; WFI and WFE do
// not, because the core is the guest's alone. Set/way maintenance does not either: SWIO makes each of it a clean and
// invalidate, which changes no memory. Pointer authentication is the guest's (its keys: hal/aarch64/vectors.S, vcpu.cpp).
// Allocation tags, nested virtualisation, AMU offsets stay off.
[[nodiscard]] constexpr std::uint64_t make_guest_value() {
  return kVm | kSwio | kPtw | kFmo | kImo | kAmo | kFb | kBsuInner | kTid1 | kTid3 | kTsc | kTidcp | kTacr | kRw |
         kTlor | kTerr | kApk | kApi;
}

}  // namespace hal::registers::hcr_el2
