// What happens on the simulated machine, one event for each single effect, and the text form of it (a trace).
//
// The observer of host::Machine sees every event right after it took effect, so a checker runs between any two. The
// text form, one event a line, numbers in hexadecimal, is what tests/refinement/break_before_make reads:
//
//   create   vmid ROOT                     a partition's address space; ROOT = address of its level-1 table
//   destroy  vmid
//   write    vmid SLOT LEVEL IPA OLD NEW   a descriptor; SLOT = its address, IPA = the first byte it translates
//   take     FRAME                         a table frame leaves the free pool
//   free     FRAME                         ... and goes back
//   tlbi     vmid IPA BYTES                broadcast invalidation; BYTES = 0: everything of the vmid
//   dsb                                    every invalidation before it is complete on every core
//   ste      STREAM vmid                   stream table entry written; vmid 0: abort
//   cfgi     STREAM                        SMMU: cached entry invalidated ...
//   stlbi    vmid                          SMMU: cached translations invalidated ...
//   sync                                   ... for certain once this has completed
//   scrub    FRAME FRAMES                  zeroed and cleaned
//   clean    FRAME FRAMES                  data cache to the point of coherency
//   open     FRAME FRAMES                  the monitor maps a window
//   close    FRAME FRAMES
//   enter    core vmid                     a core begins to run a guest
//   leave    core vmid                     ... and has left it for good, scrubbed
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/ids.hpp"

namespace host {

enum class EventKind : std::uint8_t {
  kCreate, kDestroy, kWrite, kTakeTable, kFreeTable, kTlbInvalidate, kBarrier, kStreamWrite, kStreamInvalidate,
  kSmmuInvalidate, kSmmuSync, kScrub, kClean, kWindowOpen, kWindowClose, kEnterGuest, kLeaveGuest,
};

struct Event {
  EventKind kind{};
  base::CoreId core{};            // enter, leave
  base::PartitionId partition{};  // vmid
  std::uint64_t address{};        // SLOT, ROOT, or the address of FRAME
  std::uint64_t count{};          // FRAMES, BYTES
  std::uint64_t ipa{};
  unsigned level{};
  std::uint64_t before{};         // OLD
  std::uint64_t after{};          // NEW
  base::StreamId stream{};
  bool operator==(const Event&) const = default;
};

using Observer = std::function<void(const Event&)>;

[[nodiscard]] std::string to_text(const Event& event);  // one line, no newline
// One event of such a line. Throws std::invalid_argument with the line in it.
[[nodiscard]] Event parse_event(std::string_view line);
// Every line of a trace; empty lines and lines that start with # are skipped.
[[nodiscard]] std::vector<Event> parse_trace(std::string_view text);

}  // namespace host
