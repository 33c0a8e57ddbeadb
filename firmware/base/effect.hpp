// What a plan asks of the machine: the language between policy and hardware.
//
// An effect is data, so a checker can stop between any two of them. monitor/apply_effects carries each one
// out through hal/. Kinds marked (R) are reversible and may fail; kinds marked (F) can't fail. In every
// EffectList all (R) stand before the first (F): when one fails, those before it are undone in reverse
// order and the call is refused with the machine as it was.
#pragma once

#include <cstdint>

#include "firmware/base/fixed_list.hpp"
#include "firmware/base/ids.hpp"

namespace base {

enum class EffectKind : std::uint8_t {
  kUnmapStage2,       // (R) partition, ipa, frames: make the descriptors invalid; tables only
  kInvalidateStage2,  // (R) partition, ipa, frames: TLBI on every core, DSB, ISB; twice where MIDR says so
  kInvalidateSmmu,    // (R) partition: TLBI + SYNC in the SMMU; may time out
  kDetachStream,      // (R) stream: STE to abort, CFGI, SYNC
  kAttachStream,      // (R) stream, partition: STE to the partition's stage 2, CFGI, SYNC
  kCreateStage2,      // (R) partition: an empty table for it
  kMapStage2,         // (R) partition, ipa, frames, access
  kDestroyStage2,     // (F) partition: every descriptor invalid, TLB and SMMU invalidated, table frames freed
  kCleanFrames,       // (F) frames: clean and invalidate the data cache to the point of coherency
  kScrubFrames,       // (F) frames: write zeroes, then as kCleanFrames. Only for bounded ranges
  kRouteInterrupt,    // (F) partition, intid: an interrupt of its own from now on, disabled
  kDisableInterrupt,  // (F) partition, intid: not its own any more; disabled, neither pending nor active
  kStartCore,         // (F) core, partition, ipa = entry, argument = x0, frames unused
  kStopCores,         // (F) argument = mask of cores: leave the guest, scrub the CPU state, park
  kInjectInterrupt,   // (F) partition, intid: a virtual interrupt, once
};

// kMessages: devices write there, and no core reaches it.
enum class Access : std::uint8_t { kReadWriteExecute, kReadWrite, kReadOnly, kDevice, kMessages };

struct Effect {
  EffectKind kind;
  PartitionId partition;
  CoreId core;
  Access access;
  StreamId stream;
  Intid intid;
  Ipa ipa;
  FrameRange frames;
  std::uint64_t argument;
};

inline constexpr std::size_t kMaxEffects = 12;
using EffectList = FixedList<Effect, kMaxEffects>;

[[nodiscard]] constexpr bool is_reversible(EffectKind kind) { return kind <= EffectKind::kMapStage2; }

}  // namespace base
