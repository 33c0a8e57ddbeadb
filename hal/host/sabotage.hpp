// Ways in which the machine can be told to misbehave, so that negative tests see the checkers find it.
#pragma once

namespace host {

struct Sabotage {
  bool ignore_tlb_invalidate{};   // as if the TLBI instruction were missing
  bool ignore_barrier{};          // as if the DSB were missing: invalidations stay under way for ever
  bool ignore_smmu_invalidate{};  // as if CMD_TLBI were missing
  bool ignore_stream_invalidate{};// as if CMD_CFGI were missing
  bool ignore_smmu_sync{};        // as if CMD_SYNC were missing
  bool ignore_scrub{};            // as if the zeroes were never written
  bool keep_guest_registers{};    // as if leaving a guest did not scrub the core
  [[nodiscard]] static constexpr Sabotage none() { return {}; }
};

}  // namespace host
