// An enclave slot: what an enclave is made of and how far its life has come.
//
//   kFree --allocate--> kInit --start--> kLoading --loaded--> kRunning --stop, exit, fault--> kStopping --> kStopped
//   kInit, kStopped --free--> kFreeing --all memory scrubbed and returned--> kFree
//   kLoading --refused image--> kInit (nothing was written yet) or kStopped (it was)
//
// Invariants: memory, cores and devices are added only in kInit. No core runs a slot's code unless it is kRunning or
// kStopping. In kFreeing the address space is gone, so whatever is left of the memory is reachable by nobody.
// An enclave's memory is contiguous from board::kBoard.enclave_ram_base in its own addresses, in the order of donation.
#pragma once

#include <array>
#include <cstdint>

#include "board_tables.hpp"
#include "firmware/base/fixed_list.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/measure/pcr_bank.hpp"

namespace enclave {

enum class SlotState : std::uint8_t { kFree, kInit, kLoading, kRunning, kStopping, kStopped, kFreeing };

enum class ExitReason : std::uint8_t {
  kNone = 0,
  kExited = 1,       // kEnclaveExit or PSCI SYSTEM_OFF; the code is the low byte
  kStoppedByParent = 2,
  kFaults = 3,       // too many accesses outside its memory
  kReset = 4,        // PSCI SYSTEM_RESET
  kLoadFailed = 5,
};

struct Region {
  base::FrameRange frames;
};

struct Channel {
  base::FrameRange frames{};  // empty: closed
  bool parent_pending{};      // the enclave notified, the parent has not seen it
  bool enclave_pending{};
};

enum class Mode : std::uint8_t { kProduction, kDebug };

struct Slot {
  SlotState state{SlotState::kFree};
  base::SlotUid uid{};
  Mode mode{Mode::kProduction};
  std::uint64_t cid{};
  std::uint64_t image_offset{};
  std::uint16_t exit{};  // ExitReason << 8 | code
  bool busy{};           // a core works on its memory outside the state lock
  bool nsm_busy{};       // a core answers one of its NSM requests outside the state lock
  std::uint32_t faults{};
  std::uint64_t memory_bytes{};
  base::FixedList<Region, board::kMaxRegionsPerEnclave> regions{};
  base::FrameRange scrubbing{};  // left the enclave, not yet the parent's again
  std::array<Channel, board::kMaxChannelsPerEnclave> channels{};
  measure::PcrBank pcrs{};
};

using SlotTable = std::array<Slot, board::kMaxEnclaves>;

[[nodiscard]] constexpr base::Ipa ram_end(const Slot& slot) {
  return base::Ipa{board::kBoard.enclave_ram_base + slot.memory_bytes};
}

// A channel's place in the enclave: each has a window of kChannelWindow bytes.
inline constexpr std::uint64_t kChannelWindow = base::kBlockSize;
[[nodiscard]] constexpr base::Ipa channel_ipa(base::ChannelIndex channel) {
  return base::Ipa{board::kBoard.channel_ipa_base + channel.value * kChannelWindow};
}

// Back to kFree with nothing left of the enclave. In place: a slot is too large for a stack.
void clear(Slot& slot);

// Where `offset` bytes into the enclave's memory lies, and how many bytes go on contiguously from there.
struct Extent {
  base::PhysAddr address;
  std::uint64_t size;
};
// Errors: kOutOfRange.
[[nodiscard]] base::Result<Extent> locate(const Slot& slot, std::uint64_t offset);

}  // namespace enclave
