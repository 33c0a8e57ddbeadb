// The monitor that checks itself: the shipped archives, and the linker leads each trap through this file as well.
//
// - After each commit that moved a frame, a device or an address space: every partition's tables are walked whole and
//   compared with the specification, the SMMU's stream table likewise.
// - After each trap: this core runs its owner's address space, and the predicates over cores, devices and slots hold;
//   the walk of all tables after every kTrapsPerWalk-th.
// - The predicate over the monitor's frame table looks at every frame: with the first walk and every kWalksPerFrameScan-th.
// - Before memory goes back to the parent: it is zero.
// A difference ends the machine with a line that says after which call, who reaches what. Everything runs under the state
// lock: no table changes meanwhile. TLBs and the SMMU's caches can't be read, so nothing here speaks of them.
#include "firmware/hypercall/invariants.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"
#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/cpu.hpp"
#include "hal/memory.hpp"
#include "hal/power.hpp"
#include "hal/upcalls.hpp"
#include "tests/checked/tables_in_memory.hpp"
#include "tests/model/call_witness.hpp"

namespace checked {

namespace {

using base::PartitionId;
using model::g_ownership;
using model::Objection;
using monitor::g_state;
using monitor::LogLine;

constexpr std::uint64_t kTrapsPerWalk = 16;
constexpr std::uint64_t kWalksPerFrameScan = 64;
constexpr std::size_t kPartitions = board::kBoard.limits.enclaves + 2;

// All under the state lock.
constinit std::uint64_t traps = 0;
constinit std::uint64_t walks = 0;
constinit std::uint64_t scans = 0;
constinit std::uint64_t moves_seen = 0;

[[noreturn]] void end(LogLine& line) {
  line.text("; last commit: ");
  const model::Asked& asked = model::g_last_asked;
  switch (asked.kind) {
    case model::AskedKind::kCall:
      line.text("call ").hex(asked.function).text(" of partition ").number(asked.caller.value).text(" on core ")
          .number(asked.core.value);
      for (std::size_t i = 0; i < 3; ++i) line.text(" ").hex(asked.arguments[i]);
      break;
    case model::AskedKind::kScrubbed: line.text("a piece of slot ").number(asked.slot.value).text(" is scrubbed"); break;
    case model::AskedKind::kLoaded: line.text("a step of loading slot ").number(asked.slot.value); break;
    case model::AskedKind::kCoreLeft: line.text("core ").number(asked.core.value).text(" left its guest"); break;
    case model::AskedKind::kOther: line.text("a fault or an end"); break;
  }
  monitor::panic(line.view());
}

[[noreturn]] void object(PartitionId partition, const Objection& objection) {
  LogLine line;
  line.text("checked: partition ").number(partition.value).text(" ").text(objection.what).text(" ").hex(objection.where);
  const model::OwnershipMap::Frame frame = g_ownership.at(objection.where);
  line.text(", of owner ").number(frame.owner.value).text(" and peer ").number(frame.peer.value);
  end(line);
}

void object_if(bool wrong, std::string_view what, std::uint64_t number) {
  if (!wrong) return;
  LogLine line;
  line.text("checked: ").text(what).text(" ").hex(number);
  end(line);
}

void walk_tables(PartitionId partition) {
  const auto root = hal::aarch64::stage2_root(partition);
  object_if(root.ok() != g_ownership.has_address_space(partition), "a partition has an address space, or has none, wrongly:",
            partition.value);
  if (!root.ok()) return;
  model::OwnershipMap::Walk against(g_ownership, partition);
  std::optional<Objection> objection;
  auto leaf = [&](std::uint64_t page, std::uint64_t frame, std::uint64_t count, base::Access access) {
    objection = against.leaf(page, {frame, count}, access);
    return !objection;
  };
  const bool whole = walk(base::address_of(*root).value, hal::registers::stage2_descriptor::kRootLevel, 0, leaf);
  if (!objection) objection = against.complete();
  if (objection) object(partition, *objection);
  object_if(!whole, "a table lies outside the monitor's memory, partition", partition.value);
}

void walk_streams() {
  if constexpr (board::kBoard.smmu_base == 0) return;
  const auto table = StreamTable::in_use();
  if (!table) return;
  object_if(!table->is_linear_and_own(), "the SMMU walks another stream table, partition", 0);
  for (std::uint32_t stream = 0; stream < table->size(); ++stream) {
    const StreamEntry entry = table->at(stream);
    const PartitionId owner = g_ownership.attached(base::StreamId{stream});
    if (entry.way == StreamWay::kAborts) {
      object_if(owner != base::kMonitor, "a device does not reach its owner's memory: stream", stream);
      continue;
    }
    const auto root = hal::aarch64::stage2_root(owner);
    object_if(entry.way != StreamWay::kStage2 || owner == base::kMonitor || entry.vmid != owner.value || !root.ok() ||
                  base::address_of(*root).value != entry.root,
              "a device reaches what is not its owner's: stream", stream);
  }
}

void walk_everything() {
  for (std::size_t i = 1; i < kPartitions; ++i) walk_tables(PartitionId{static_cast<std::uint8_t>(i)});
  walk_streams();
  if (walks++ % kWalksPerFrameScan != 0) return;
  ++scans;
  object_if(!hypercall::exclusive(g_state), "invariant exclusive, walk", walks);
}

void check_small_predicates() {
  object_if(!hypercall::one_core_one_owner(g_state), "invariant one-core-one-owner, trap", traps);
  object_if(!hypercall::dma_confined(g_state), "invariant dma-confined, trap", traps);
  object_if(!hypercall::slots_are_sound(g_state), "invariant slots are sound, trap", traps);
}

// The core came from its owner's code: what VTTBR_EL2 names is what it ran on.
void check_this_core() {
  const base::CoreId here = hal::current_core();
  const model::OwnershipMap::Core& core = g_ownership.core(here);
  const std::uint64_t vttbr = HAL_READ_REGISTER(vttbr_el2);
  const auto root = hal::aarch64::stage2_root(core.owner);
  object_if(!core.on, "a core that had to be parked ran a guest: core", here.value);
  object_if(!root.ok() || vttbr != hal::registers::vttbr_el2::make(*root, core.owner),
            "a core ran another's address space: core", here.value);
  object_if(g_state.cores.at(here).owner != core.owner, "the monitor takes another for a core's owner: core", here.value);
}

void after_trap() {
  const monitor::Locked locked{monitor::g_state_lock};
  ++traps;
  check_this_core();
  check_small_predicates();
  if (traps % kTrapsPerWalk == 0) walk_everything();
}

void say_result() {
  monitor::log(LogLine{}.text("checked: ").number(traps).text(" traps, ").number(model::g_commits).text(" commits, ")
                   .number(g_ownership.moves()).text(" moves, ").number(walks).text(" walks of all tables, ").number(scans)
                   .text(" of all frames, nothing amiss"));
}

}  // namespace

#define CHECKED_DOOR(result, name, mangled, ...)             \
  result real_##name(__VA_ARGS__) asm("__real_" mangled);    \
  result checked_##name(__VA_ARGS__) asm("__wrap_" mangled); \
  result checked_##name(__VA_ARGS__)

CHECKED_DOOR(hal::AfterTrap, handle_trap, "_ZN3hal11handle_trapENS_8TrapKindERNS_9TrapFrameE", hal::TrapKind kind,
             hal::TrapFrame& frame) {
  const hal::AfterTrap after = real_handle_trap(kind, frame);
  after_trap();
  return after;
}

CHECKED_DOOR([[noreturn]] void, system_off, "_ZN3hal5power10system_offEv") {
  say_result();
  real_system_off();
}

CHECKED_DOOR([[noreturn]] void, system_reset, "_ZN3hal5power12system_resetEv") {
  say_result();
  real_system_reset();
}

}  // namespace checked

namespace model {

void witnessed(const std::optional<Objection>& objection) {
  if (objection) {
    monitor::LogLine line;
    line.text("checked: ").text(objection->what).text(" ").hex(objection->where);
    checked::end(line);
  }
  if (g_ownership.moves() == checked::moves_seen) return;
  checked::moves_seen = g_ownership.moves();
  checked::walk_everything();
}

void about_to_return(FrameRun frames) {
  while (frames.count != 0) {
    const std::uint64_t room = base::kFramesPerBlock - frames.first % base::kFramesPerBlock;
    const std::uint64_t count = frames.count < room ? frames.count : room;
    const hal::Window window(base::FrameRange::trusted(base::FrameNumber{frames.first}, base::FrameCount{count}));
    const auto* words = reinterpret_cast<const std::uint64_t*>(window.bytes().data());
    std::uint64_t any = 0;
    for (std::uint64_t i = 0; i < count * base::kFrameSize / sizeof any; ++i) any |= words[i];
    checked::object_if(any != 0, "memory of an enclave goes to the parent, and is not zero, frame", frames.first);
    frames = {frames.first + count, frames.count - count};
  }
}

}  // namespace model
