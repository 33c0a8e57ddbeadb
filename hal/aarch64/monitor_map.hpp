// The monitor's own address space: identity for its image and its devices, and two windows for each core.
//
// Every core has its own root, so that a window of one core is never in the reach of another's table walker. What is
// not listed in early_map.cpp is not mapped: partitions' frames, stack guards, the first page of everything.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "hal/aarch64/per_core.hpp"

namespace hal::aarch64 {

using TranslationTable = std::array<std::uint64_t, 512>;

inline constexpr std::size_t kWindows = 2;  // per core: a copy has a source and a destination
inline constexpr std::size_t kPagePlace = kWindows;  // behind them: single frames; the first is OnePage's, then the shown ones
inline constexpr std::uint64_t kWindowBase = 0x70'0000'0000;  // level-1 entry 448, far above RAM and devices
inline constexpr std::uint64_t kWindowSize = 0x20'0000;

struct alignas(4096) CoreTables {
  TranslationTable root;
  TranslationTable window_level2;
  std::array<TranslationTable, kWindows + 1> window_level3;
};

struct EarlyControls {  // start.S loads these registers; the offsets are its
  std::uint64_t mair;
  std::uint64_t tcr;
  std::uint64_t sctlr;
  std::array<std::uint64_t, kCores> roots;
};
static_assert(offsetof(EarlyControls, roots) == 24);

extern "C" CoreTables hal_core_tables[kCores];
extern "C" EarlyControls hal_early_controls;


}  // namespace hal::aarch64
