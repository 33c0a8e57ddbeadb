// Where everything lies that the ROM touches on the machine `qemu-virt` (QEMU's `virt,secure=on`).
//
// Addresses are physical, sizes are bytes. linker/rom.ld and reset.S hold the few of these that they need; the
// linker script ASSERTs its own against the symbols the tables are built from. Source of the device addresses:
// QEMU hw/arm/virt.c, the memory map of the machine; docs/decisions/rom.md says why the rest lies where it does.
#pragma once

#include <cstdint>

namespace rom::layout {

// Secure flash, seen at EL3 only: code and constants, then what stands in for the fuses.
inline constexpr std::uint64_t kCodeBase = 0x0;
inline constexpr std::uint64_t kCodeSize = 0x4'0000;
inline constexpr std::uint64_t kConstantsBase = 0x2'8000;  // below: executable; from here on: read-only data
inline constexpr std::uint64_t kTablesBase = 0x3'c000;     // the four translation tables, the last of the code region
inline constexpr std::uint64_t kIdentityBase = 0x4'0000;
inline constexpr std::uint64_t kIdentitySize = 0x1'0000;

// The first 2 MiB of the flash once more, read-only data: how the ROM reads its own code and the fuses. (Address 0 is
// where the code lies, and a pointer to it is a null pointer.)
inline constexpr std::uint64_t kFlashAlias = 0x20'0000;

// Non-secure flash: the firmware package is its first 16 MiB (manifest, then the image).
inline constexpr std::uint64_t kPackageBase = 0x0400'0000;
inline constexpr std::uint64_t kPackageSize = 0x0100'0000;
inline constexpr std::uint64_t kManifestSize = 0x1000;

// Secure RAM: page 0 unmapped, data, a guard page, the boot stack, then one small stack for each core.
inline constexpr std::uint64_t kSecureRamBase = 0x0e00'0000;
inline constexpr std::uint64_t kDataBase = kSecureRamBase + 0x1000;
inline constexpr std::uint64_t kDataEnd = kSecureRamBase + 0x10'0000;
inline constexpr std::uint64_t kBootStackBase = kDataEnd + 0x1000;
inline constexpr std::uint64_t kBootStackEnd = kBootStackBase + 0x1'0000;
inline constexpr std::uint64_t kMaxCores = 16;
inline constexpr std::uint64_t kCoreStackStride = 0x3000;  // a guard page, then two pages of stack
inline constexpr std::uint64_t kCoreStacksBase = kBootStackEnd;
inline constexpr std::uint64_t kCoreStacksEnd = kCoreStacksBase + kMaxCores * kCoreStackStride;

// Devices.
inline constexpr std::uint64_t kGicDistributor = 0x0800'0000;
inline constexpr std::uint64_t kGicRedistributors = 0x080a'0000;
inline constexpr std::uint64_t kGicRedistributorStride = 0x2'0000;
inline constexpr std::uint64_t kSecureUart = 0x0904'0000;
inline constexpr std::uint64_t kSmmu = 0x0905'0000;
inline constexpr std::uint64_t kSecureGpio = 0x090b'0000;

// Non-secure RAM, and the monitor's part of it. At the start of RAM QEMU leaves its device tree, in at most 1 MiB
// (device_tree.c, FDT_MAX_SIZE); nothing of ours is written there. The image may only be loaded at kMonitorLoad.
inline constexpr std::uint64_t kRamBase = 0x4000'0000;
inline constexpr std::uint64_t kRamSize = 0x8000'0000;
inline constexpr std::uint64_t kMachineTree = kRamBase;
inline constexpr std::uint64_t kMachineTreeSize = 0x10'0000;
inline constexpr std::uint64_t kHandover = 0x4010'0000;
inline constexpr std::uint64_t kMonitorLoad = 0x4020'0000;
inline constexpr std::uint64_t kMonitorEnd = 0x4400'0000;
inline constexpr std::uint64_t kMaxImageSize = kPackageSize - kManifestSize;

static_assert(kMonitorLoad + kMaxImageSize <= kMonitorEnd, "the largest package fits the monitor's RAM");
static_assert(kCoreStacksEnd <= kSecureRamBase + 0x20'0000, "one table of pages covers the ROM's RAM");

}  // namespace rom::layout
