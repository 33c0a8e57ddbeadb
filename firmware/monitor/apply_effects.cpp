#include "firmware/monitor/apply_effects.hpp"

#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/panic.hpp"
#include "firmware/monitor/virtual_interrupts.hpp"
#include "hal/cpu.hpp"
#include "hal/device_isolation.hpp"
#include "hal/interrupts.hpp"
#include "hal/memory.hpp"
#include "hal/stage2.hpp"

namespace monitor {

using base::CoreId;
using base::Effect;
using base::EffectKind;

namespace {

void start_core(const Effect& effect) {
  CoreMailbox& mailbox = g_mailboxes[effect.core.value];
  mailbox.guest = {.partition = effect.partition, .entry = effect.ipa.value, .argument = effect.argument,
                   .mpidr = effect.partition == base::kParent ? board::kBoard.cores[effect.core.value].mpidr
                                                              : g_state.cores.at(effect.core).number};
  mailbox.stop.store(false, std::memory_order_relaxed);
  mailbox.start.store(true, std::memory_order_release);
  hal::signal_cores();
}

void stop_cores(std::uint64_t mask) {
  const CoreId here = hal::current_core();
  for (std::uint8_t i = 0; i < g_mailboxes.size(); ++i) {
    if ((mask >> i & 1) == 0) continue;
    g_mailboxes[i].stop.store(true, std::memory_order_release);
    if (CoreId{i} != here) hal::interrupts::kick(CoreId{i});
  }
  hal::signal_cores();
}

// Everything but the moves of memory.
[[nodiscard, gnu::noinline, gnu::cold]] base::Status apply_other(const Effect& effect) {
  switch (effect.kind) {
    case EffectKind::kUnmapStage2:
    case EffectKind::kInvalidateStage2:
    case EffectKind::kInvalidateSmmu:
    case EffectKind::kMapStage2: break;
    case EffectKind::kDetachStream: return hal::device_isolation::detach(effect.stream);
    case EffectKind::kAttachStream: return hal::device_isolation::attach(effect.stream, effect.partition);
    case EffectKind::kCreateStage2: return hal::stage2::create(effect.partition);
    case EffectKind::kDestroyStage2: hal::stage2::destroy(effect.partition); return {};
    case EffectKind::kCleanFrames: hal::clean_frames(effect.frames); return {};
    case EffectKind::kScrubFrames: hal::scrub_frames(effect.frames); return {};
    case EffectKind::kRouteInterrupt: give_interrupt(effect.partition, effect.intid); return {};
    case EffectKind::kDisableInterrupt: take_interrupt(effect.partition, effect.intid); return {};
    case EffectKind::kStartCore: start_core(effect); return {};
    case EffectKind::kStopCores: stop_cores(effect.argument); return {};
    case EffectKind::kInjectInterrupt: raise_message(effect.partition, effect.intid); return {};
  }
  return base::Error::kInternal;
}

[[nodiscard]] inline base::Status apply_one(const Effect& effect) {
  switch (effect.kind) {
    case EffectKind::kUnmapStage2: return hal::stage2::unmap(effect.partition, effect.ipa, effect.frames);
    case EffectKind::kInvalidateStage2:
      return hal::stage2::invalidate(effect.partition, effect.ipa, effect.frames.count());
    case EffectKind::kInvalidateSmmu: return hal::device_isolation::invalidate(effect.partition);
    case EffectKind::kMapStage2:
      return hal::stage2::map(effect.partition, effect.ipa, effect.frames, effect.access);
    case EffectKind::kDetachStream:
    case EffectKind::kAttachStream:
    case EffectKind::kCreateStage2:
    case EffectKind::kDestroyStage2:
    case EffectKind::kCleanFrames:
    case EffectKind::kScrubFrames:
    case EffectKind::kRouteInterrupt:
    case EffectKind::kDisableInterrupt:
    case EffectKind::kStartCore:
    case EffectKind::kStopCores:
    case EffectKind::kInjectInterrupt: return apply_other(effect);
  }
  return base::Error::kInternal;
}

// The opposite of an effect that was applied. Invalidations have none.
[[nodiscard]] base::Status undo(const Effect& effect) {
  switch (effect.kind) {
    case EffectKind::kUnmapStage2:
      return hal::stage2::map(effect.partition, effect.ipa, effect.frames, effect.access);
    case EffectKind::kMapStage2:
      MON_TRY(hal::stage2::unmap(effect.partition, effect.ipa, effect.frames));
      return hal::stage2::invalidate(effect.partition, effect.ipa, effect.frames.count());
    case EffectKind::kCreateStage2: hal::stage2::destroy(effect.partition); return {};
    case EffectKind::kDetachStream:
      // An SMMU that does not answer twice leaves the stream in abort, which is safe: its owner loses a device, not more.
      static_cast<void>(hal::device_isolation::attach(effect.stream, effect.partition).ok());
      return {};
    case EffectKind::kAttachStream: return hal::device_isolation::detach(effect.stream);
    case EffectKind::kInvalidateStage2:
    case EffectKind::kInvalidateSmmu: return {};
    case EffectKind::kDestroyStage2:
    case EffectKind::kCleanFrames:
    case EffectKind::kScrubFrames:
    case EffectKind::kRouteInterrupt:
    case EffectKind::kDisableInterrupt:
    case EffectKind::kStartCore:
    case EffectKind::kStopCores:
    case EffectKind::kInjectInterrupt: return base::Error::kInternal;  // can't fail, so nothing comes after to undo them
  }
  return base::Error::kInternal;
}

// `failed` was not applied: those before it are undone, the last one first.
[[gnu::noinline, gnu::cold]] void undo_before(const base::EffectList& effects, const Effect* failed) {
  if (!base::is_reversible(failed->kind)) panic("an effect that can't fail has failed");
  while (failed != effects.begin()) {
    // A machine that takes a step but not its opposite is not one we can reason about.
    if (!undo(*--failed).ok()) panic("an effect could not be undone");
  }
}

}  // namespace

base::Status apply(const base::EffectList& effects) {
  for (const Effect& effect : effects) {
    const base::Status applied = apply_one(effect);
    if (!applied.ok()) [[unlikely]] {
      undo_before(effects, &effect);
      return applied;
    }
  }
  return {};
}

}  // namespace monitor
