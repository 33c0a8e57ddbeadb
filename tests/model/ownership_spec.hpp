// What the published interface promises about ownership, in the simplest form: who holds each frame, core and stream,
// and what each call does to that. The oracle of every lockstep test.
//
// Written from firmware/hypercall/abi.hpp, DESIGN section 2 and docs/hypercall-abi.md, apart from the monitor's code: it
// shares the board's tables and the ABI with it, nothing else. step() is told what the monitor answered and says whether
// that is what it had to answer. Looseness is explicit: a refusal by kNoTables or kDeviceTimeout is always allowed and
// must change nothing, but for memory on its way back: it may have left the enclave and be with nobody, as kSlotInfo then
// shows, until the call is made again. What a loaded image turns out to be is taken from the answer.
//
// One call at a time: a stopped core has left its guest before the next step.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "board_tables.hpp"
#include "firmware/base/effect.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"
#include "firmware/hypercall/abi.hpp"

namespace model {

using cofferdam_abi::Function;

// Bytes, from `base` on. The spec counts in frames of 4 KiB.
inline constexpr std::uint64_t kFrame = 4096;

enum class Life : std::uint8_t { kInit, kLoading, kRunning, kStopped, kFreeing };

struct Range {  // of frame numbers
  std::uint64_t first{};
  std::uint64_t count{};
  [[nodiscard]] std::uint64_t end() const { return first + count; }
  [[nodiscard]] bool empty() const { return count == 0; }
  auto operator<=>(const Range&) const = default;
};

struct SpecSlot {
  Life life{Life::kInit};
  std::uint64_t uid{};
  std::uint64_t cid{};
  bool debug{};
  std::vector<Range> memory;  // in the order of donation, neighbours joined
  Range scrubbing{};          // taken from the enclave, not given back yet
  std::map<unsigned, Range> channels;
  std::uint64_t parent_pending{};
  std::uint64_t enclave_pending{};
  unsigned faults{};
  std::uint64_t exit{};
  bool operator==(const SpecSlot&) const = default;
};

struct SpecCore {
  base::PartitionId owner{base::kParent};
  bool on{};
  unsigned number{};  // among an enclave's cores
  bool operator==(const SpecCore&) const = default;
};

struct Call {
  base::CoreId core{};
  std::uint64_t function{};
  std::array<std::uint64_t, 6> arguments{};
};

struct Answer {
  std::array<std::uint64_t, 4> x{};  // x0..x3
  bool left{};                       // the caller's core left its guest
  std::optional<std::uint64_t> memory_after{};  // what kSlotInfo says of the slot's memory after a failed step
};

// A run of addresses that a partition reaches.
struct ReachRun {
  std::uint64_t ipa{};
  Range frames{};
  base::Access access{};
  auto operator<=>(const ReachRun&) const = default;
};

enum class Holder : std::uint8_t { kNobody, kNotRam, kPartition, kShared };
struct FrameHolder {
  Holder kind{Holder::kNotRam};
  base::PartitionId owner{};
  base::PartitionId peer{};
  bool operator==(const FrameHolder&) const = default;
};

class Spec {
 public:
  Spec();

  // Changes to what the call leads to. nullopt: the answer is what it had to be; else what is wrong with it.
  [[nodiscard]] std::optional<std::string> step(const Call& call, const Answer& answer);
  // A guest's access, or an instruction, that it does not have. Whether its core goes on.
  [[nodiscard]] bool fault(base::CoreId core);

  [[nodiscard]] FrameHolder holder(std::uint64_t frame) const;
  // Everything the partition reaches, ascending, neighbours joined.
  [[nodiscard]] std::vector<ReachRun> reach(base::PartitionId partition) const;
  [[nodiscard]] bool reaches(base::PartitionId partition, std::uint64_t ipa, bool write) const;
  [[nodiscard]] const std::map<base::StreamId, base::PartitionId>& streams() const { return streams_; }
  // A device of an enclave that does not run may be in abort; while the enclave is measured it has to be.
  [[nodiscard]] bool may_be_attached(base::StreamId stream, base::PartitionId partition) const;
  [[nodiscard]] bool must_be_attached(base::StreamId stream) const;
  [[nodiscard]] const std::vector<SpecCore>& cores() const { return cores_; }
  // By slot number; the partition of slot s is s + 2.
  [[nodiscard]] const std::map<unsigned, SpecSlot>& slots() const { return slots_; }
  [[nodiscard]] bool off() const { return off_; }
  [[nodiscard]] std::optional<unsigned> slot_of_uid(std::uint64_t uid) const;
  [[nodiscard]] static std::uint64_t memory_frames(const SpecSlot& slot);
  // For the state explorer: two states with the same key behave alike. Uids and counters are left out.
  [[nodiscard]] std::string key() const;
  bool operator==(const Spec&) const = default;

 private:
  struct Outcome;  // what the call must answer and do
  Outcome parent_call(const Call& call, const Answer& answer);
  Outcome enclave_call(const Call& call, unsigned slot, const Answer& answer);
  Outcome architecture_call(const Call& call);
  Outcome secure_service_call(const Call& call, base::PartitionId caller, const Answer& answer);
  Outcome random_call(const Call& call, const Answer& answer);
  [[nodiscard]] bool executes(base::PartitionId partition, std::uint64_t ipa) const;
  Outcome slot_call(const Call& call, const Answer& answer);
  Outcome memory_call(const Call& call);
  Outcome core_call(const Call& call);
  Outcome device_call(const Call& call);
  Outcome accept_device(const Call& call, base::PartitionId caller);
  Outcome channel_call(const Call& call);
  Outcome free_step(unsigned slot);
  void failed_return(const Call& call, const Answer& answer);
  Outcome start_step(unsigned slot, const Call& call, const Answer& answer);
  [[nodiscard]] std::optional<base::Error> refused_for_parents(Range range) const;
  [[nodiscard]] std::uint64_t cores_of(base::PartitionId partition) const;
  void stop(unsigned slot, std::uint64_t exit);
  void close_channel(unsigned slot, unsigned channel);
  void give_core(std::size_t core, base::PartitionId owner);
  [[nodiscard]] std::optional<std::size_t> core_by_mpidr(std::uint64_t mpidr) const;

  std::map<unsigned, SpecSlot> slots_;
  std::vector<SpecCore> cores_;
  std::map<base::StreamId, base::PartitionId> streams_;
  std::set<base::StreamId> accepted_;  // the owner has accepted the device since it got it
  std::uint64_t last_uid_{};
  bool off_{};
};

// Limits that the interface publishes in words.
inline constexpr unsigned kFaultLimit = 64;
inline constexpr std::uint64_t kMaxCallBytes = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kChannelWindow = std::uint64_t{1} << 21;

}  // namespace model
