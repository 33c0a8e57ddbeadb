// Who owns each frame, core and device, as the published calls move them: the specification in its smallest form, one
// entry a frame, without a heap, so that it fits into a monitor that checks itself (tests/checked).
//
// Written from firmware/hypercall/abi.hpp and docs/hypercall-abi.md, apart from the monitor's code: it shares the
// board's tables with it, nothing else. ownership_spec.hpp says more (every answer, every refusal); the two are held
// against each other after each operation of RandomCalls. step() is told what was asked and what was answered, one
// commit at a time: work that runs without the state lock has two, and other cores see what lies between them.
// Loose: a refused start may leave the slot waiting or stopped, which the answer does not tell.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "board_tables.hpp"
#include "firmware/base/effect.hpp"
#include "firmware/base/ids.hpp"

namespace model {

enum class AskedKind : std::uint8_t {
  kCall,      // function, arguments from a caller
  kScrubbed,  // the second half of a call about `slot`: its piece is zero
  kLoaded,    // the second half of kSlotStart
  kCoreLeft,  // `core` has left its guest
  kOther,     // what moves nothing
};

struct Asked {
  AskedKind kind{AskedKind::kOther};
  base::PartitionId caller{};
  base::CoreId core{};
  base::SlotIndex slot{};
  std::uint32_t function{};
  std::array<std::uint64_t, 6> arguments{};
};

struct Answered {
  std::uint64_t x0{};
  std::uint64_t x1{};
  bool unfinished{};  // the caller is answered later; a second half follows
};

struct Objection {
  const char* what;
  std::uint64_t where;  // a frame number, or what `what` says
};

struct FrameRun {  // of frame numbers
  std::uint64_t first{};
  std::uint64_t count{};
  [[nodiscard]] std::uint64_t end() const { return first + count; }
  bool operator==(const FrameRun&) const = default;
};

class OwnershipMap {
 public:
  struct Frame {
    base::PartitionId owner{};  // 0: nobody reaches it
    base::PartitionId peer{};   // an enclave that the parent shares it with; 0: none
    std::uint32_t place{};      // page number under which the enclave among the two finds it
    bool operator==(const Frame&) const = default;
  };
  struct Core {
    base::PartitionId owner{};
    bool on{};
    unsigned number{};  // among its owner's
  };
  struct Device {
    base::PartitionId owner{};
    bool accepted{};  // its owner has accepted it: its stream is attached, else it aborts
  };

  void begin();  // the machine as the board describes it
  void end_memory_at(std::uint64_t end);  // it has no memory from this address on
  [[nodiscard]] std::optional<Objection> step(const Asked& asked, const Answered& answered);
  [[nodiscard]] std::uint64_t moves() const { return moves_; }  // changes of anybody's reach since begin()

  // Holds what a walk of the partition's tables finds against the map: leaf() for each leaf in any order, then complete().
  class Walk {
   public:
    Walk(const OwnershipMap& map, base::PartitionId partition) : map_(map), partition_(partition) {}
    [[nodiscard]] std::optional<Objection> leaf(std::uint64_t page, FrameRun frames, base::Access access);
    [[nodiscard]] std::optional<Objection> complete() const;

   private:
    const OwnershipMap& map_;
    base::PartitionId partition_;
    std::uint64_t memory_{};   // pages seen
    std::uint64_t devices_{};
  };

  [[nodiscard]] Frame at(std::uint64_t frame) const;
  [[nodiscard]] bool has_address_space(base::PartitionId partition) const;
  [[nodiscard]] const Core& core(base::CoreId core) const { return cores_[core.value]; }
  // What is on its way back from the slot to the parent.
  [[nodiscard]] FrameRun scrubbing(base::SlotIndex slot) const { return slots_[slot.value].scrubbing; }
  // The partition whose memory the stream reaches; 0: none.
  [[nodiscard]] base::PartitionId attached(base::StreamId stream) const;

 private:
  enum class Life : std::uint8_t { kUnused, kWaiting, kBegun, kFreeing };
  struct Slot {
    Life life{Life::kUnused};
    std::uint64_t uid{};
    std::uint64_t pages{};
    std::uint32_t regions{};
    std::array<FrameRun, board::kBoard.limits.regions_per_enclave> region{};
    FrameRun scrubbing{};
    std::array<FrameRun, board::kBoard.limits.channels_per_enclave> channel{};
  };
  using Verdict = std::optional<Objection>;

  [[nodiscard]] Verdict call(const Asked& asked, const Answered& answered);
  [[nodiscard]] Verdict call_about_slot(const Asked& asked, const Answered& answered, unsigned number);
  [[nodiscard]] Verdict allocate(std::uint64_t uid);
  [[nodiscard]] Verdict donate(unsigned number, const Asked& asked);
  [[nodiscard]] Verdict reclaim(unsigned number, const Asked& asked, const Answered& answered);
  [[nodiscard]] Verdict free_step(unsigned number, const Answered& answered);
  [[nodiscard]] Verdict start(unsigned number, const Answered& answered);
  [[nodiscard]] Verdict open(unsigned number, const Asked& asked, const Answered& answered);
  [[nodiscard]] Verdict close(unsigned number, std::uint64_t channel);
  [[nodiscard]] Verdict move_core(unsigned number, const Asked& asked);
  [[nodiscard]] Verdict move_device(unsigned number, const Asked& asked);
  [[nodiscard]] Verdict accept_device(base::PartitionId caller, std::uint64_t stream);
  [[nodiscard]] Verdict start_core(const Asked& asked);
  [[nodiscard]] Verdict scrubbed(unsigned number, const Answered& answered);
  [[nodiscard]] Verdict all_parents(FrameRun frames) const;
  void withdraw(Slot& slot, std::uint64_t count);
  void give(FrameRun frames, Frame entry);  // `place` counts up
  [[nodiscard]] unsigned cores_of(base::PartitionId partition) const;
  [[nodiscard]] bool is_device_page(base::PartitionId partition, FrameRun frames) const;
  [[nodiscard]] static bool has_messages(base::PartitionId partition);
  [[nodiscard]] static bool is_messages_page(base::PartitionId partition, std::uint64_t page, FrameRun frames);
  [[nodiscard]] std::uint64_t device_pages(base::PartitionId partition) const;
  template <typename Visit>
  void for_each_window(base::PartitionId partition, Visit&& visit) const;

  static constexpr std::uint64_t kBlock = 512;
  static constexpr std::size_t kPartitions = board::kBoard.limits.enclaves + 2;
  std::array<Frame, board::kFrameTableFrames> frames_{};
  std::array<std::uint16_t, board::kFrameTableFrames / kBlock> parents_{};  // of a block's frames, the parent's alone
  std::array<std::uint64_t, kPartitions> reached_{};                       // frames that the partition reaches
  std::array<Slot, board::kBoard.limits.enclaves> slots_{};
  std::array<Core, board::kBoard.cores.size()> cores_{};
  std::array<Device, board::kBoard.devices.size() == 0 ? 1 : board::kBoard.devices.size()> devices_{};
  std::uint64_t last_uid_{};
  std::uint64_t moves_{};
};

}  // namespace model
