// For each row of the table of calls: the change that it promises, seen through the call that is to show it.
#pragma once

#include <map>
#include <numeric>
#include <vector>

#include "tests/unit/firmware/hypercall/stimuli.hpp"

namespace world {

namespace success {

using base::EffectKind;
using base::Error;
using enclave::SlotState;
namespace abi = cofferdam_abi;

inline constexpr std::uint64_t kOn = 0, kOff = 1;
inline constexpr auto kParentPartition = base::kParent;

[[nodiscard]] inline std::uint64_t affinity(World& world, std::uint64_t mpidr) {
  return world.psci(kParentCore, abi::kPsciAffinityInfo, mpidr).status;
}
[[nodiscard]] inline std::uint64_t state_word(World& world, std::uint64_t uid) {
  return world.call(Function::kSlotInfo, uid).values[0];
}
[[nodiscard]] inline std::uint64_t stopped_with(std::uint64_t reason, std::uint64_t code = 0) {
  return 0xFFFF | (reason << 8 | code) << 32;
}
[[nodiscard]] inline std::uint64_t cores_of(World& world, std::uint64_t uid) {
  return world.call(Function::kSlotInfo, uid).values[1] & 0xFFFF'FFFF;
}
[[nodiscard]] inline std::uint64_t memory_of(World& world, std::uint64_t uid) {
  return world.call(Function::kSlotInfo, uid).values[2];
}
[[nodiscard]] inline std::uint64_t ledger_size(World& world) {
  return world.call(Function::kLedgerRead, 0U, kFree + 24 * kMiB, 32U).values[1];
}
[[nodiscard]] inline bool has(const Transition& transition, EffectKind kind) {
  for (const base::Effect& effect : transition.effects) {
    if (effect.kind == kind) return true;
  }
  return false;
}

inline void version_is_1_1(std::uint32_t function) {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.psci(kParentCore, function).status, 0x10001U);
  EXPECT_EQ(world.psci(kCoreOfB, function).status, 0x10001U);
}

inline void cpu_off() {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.psci(kParentCore, abi::kPsciCpuOn, mpidr_of(kFreeCore), kFree).status, 0U);
  EXPECT_EQ(affinity(world, mpidr_of(kFreeCore)), kOn);
  const Transition off = world.perform(kFreeCore, {abi::kPsciCpuOff, {}});
  EXPECT_EQ(off.caller_core, partition::CallerCore::kLeavesGuest);
  EXPECT_EQ(affinity(world, mpidr_of(kFreeCore)), kOn) << "it has not left yet";
  EXPECT_EQ(world.call(Function::kCoreDonate, world.uid_a, mpidr_of(kFreeCore)).status, status_of(Error::kCoreBusy));
  world.cores_leave(base::PartitionId{9});  // nobody's
  world.commit(hypercall::plan_core_left(world.state(), kFreeCore));
  EXPECT_EQ(affinity(world, mpidr_of(kFreeCore)), kOff);
  EXPECT_EQ(world.call(Function::kCoreDonate, world.uid_a, mpidr_of(kFreeCore)).status, 0U);

  EXPECT_EQ(world.perform(kCoreOfB, {abi::kPsciCpuOff, {}}).caller_core, partition::CallerCore::kLeavesGuest);
  world.commit(hypercall::plan_core_left(world.state(), kCoreOfB));
  EXPECT_EQ(state_word(world, world.uid_b), stopped_with(1)) << "an enclave without a core has stopped";
}

inline void cpu_on(std::uint32_t function, std::uint64_t garbage) {
  World world = World::with_two_enclaves();
  EXPECT_EQ(affinity(world, mpidr_of(kFreeCore)), kOff);
  const Transition on =
      world.perform(kParentCore, {function, {mpidr_of(kFreeCore) | garbage, kFree | garbage, 7 | garbage}});
  EXPECT_EQ(on.reply.status, 0U);
  EXPECT_EQ(affinity(world, mpidr_of(kFreeCore)), kOn);
  ASSERT_EQ(on.effects.size(), 1U);
  EXPECT_EQ(on.effects[0].kind, EffectKind::kStartCore);
  EXPECT_EQ(on.effects[0].core, kFreeCore);
  EXPECT_EQ(on.effects[0].partition, base::kParent);
  EXPECT_EQ(on.effects[0].ipa.value, kFree);
  EXPECT_EQ(on.effects[0].argument, 7U);

  // An enclave numbers its own cores, and reaches no others.
  World second = World::with_two_enclaves();
  second.succeed(Function::kCoreDonate, second.uid_a, mpidr_of(kFreeCore));
  second.start(second.uid_a, kSlotA, 16);
  const Transition other = second.perform(kCoreOfA, {function, {1 | garbage, kIpa | garbage, garbage}});
  EXPECT_EQ(other.reply.status, 0U);
  ASSERT_EQ(other.effects.size(), 1U);
  EXPECT_EQ(other.effects[0].core, kFreeCore);
  EXPECT_EQ(other.effects[0].partition, base::partition_of(kSlotA));
  EXPECT_EQ(second.psci(kCoreOfA, function, 3).status, static_cast<std::uint64_t>(-2)) << "B's core is nothing to A";
}

inline void affinity_info(std::uint32_t function) {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.psci(kParentCore, function, mpidr_of(kParentCore)).status, kOn);
  EXPECT_EQ(world.psci(kParentCore, function, mpidr_of(kFreeCore)).status, kOff);
  EXPECT_EQ(world.psci(kParentCore, function, mpidr_of(kCoreOfB)).status, kOff) << "donated, and running";
  EXPECT_EQ(world.psci(kCoreOfB, function, 0).status, kOn);
  world.state().cores.at(kFreeCore).owner = base::kMonitor;  // the machine lacks it
  EXPECT_EQ(world.psci(kParentCore, function, mpidr_of(kFreeCore)).status, static_cast<std::uint64_t>(-2));
  EXPECT_EQ(world.psci(kParentCore, abi::kPsciCpuOn, mpidr_of(kFreeCore), kFree).status,
            static_cast<std::uint64_t>(-2));
}

inline void system_end(std::uint32_t function, std::uint64_t reason, WorkKind work) {
  World world = World::with_two_enclaves();
  const Transition end = world.perform(kCoreOfB, {function, {}});
  EXPECT_EQ(end.caller_core, partition::CallerCore::kLeavesGuest);
  EXPECT_EQ(end.work.kind, WorkKind::kNone) << "an enclave ends itself, not the machine";
  EXPECT_EQ(state_word(world, world.uid_b) & 0xFFFF, static_cast<std::uint64_t>(abi::SlotState::kStopping));
  world.cores_leave(base::partition_of(kSlotB));
  EXPECT_EQ(state_word(world, world.uid_b), stopped_with(reason));

  const Transition machine = world.perform(kParentCore, {function, {}});
  EXPECT_EQ(machine.caller_core, partition::CallerCore::kLeavesGuest);
  EXPECT_EQ(machine.work.kind, work);
}

inline void cpu_on_refuses_other_entries(std::uint32_t function) {
  World world = World::with_two_enclaves();
  const auto on = [&](std::uint64_t entry) { return world.psci(kParentCore, function, mpidr_of(kFreeCore), entry).status; };
  constexpr auto kInvalidAddress = static_cast<std::uint64_t>(-9);
  const std::uint64_t end = kRam + board::kFrameTableFrames * base::kFrameSize;
  for (const std::uint64_t entry : {kFree + 2, kMemoryB, board::kBoard.monitor.base, std::uint64_t{0}, end}) {
    EXPECT_EQ(on(entry), kInvalidAddress) << std::hex << entry;
  }
  EXPECT_EQ(on(kChannelB), 0U) << "shared, and its own all the same";

  World second = World::with_two_enclaves();
  second.succeed(Function::kCoreDonate, second.uid_a, mpidr_of(kFreeCore));
  second.start(second.uid_a, kSlotA, 16);
  for (const std::uint64_t entry : {kIpa - 4, kIpa + kSizeA, kIpa + 1, board::kBoard.channel_ipa_base, kFree + kSizeA}) {
    EXPECT_EQ(second.psci(kCoreOfA, function, 1, entry).status, kInvalidAddress) << std::hex << entry;
  }
  EXPECT_EQ(second.psci(kCoreOfA, function, 1, kIpa + kSizeA - 4).status, 0U);
}

inline void cpu_suspend(std::uint32_t function, std::uint64_t garbage) {
  World world = World::with_two_enclaves();
  for (const CoreId core : {kParentCore, kCoreOfB}) {
    const Transition standby = world.perform(core, {function, {garbage | 0xFFFF, 0, 0}});
    EXPECT_EQ(standby.reply.status, 0U) << "the state is 32 bits in either form";
    EXPECT_EQ(standby.caller_core, partition::CallerCore::kResumes);
    for (const std::uint64_t state : {std::uint64_t{1} << 16, std::uint64_t{1} << 24, std::uint64_t{1} << 30}) {
      EXPECT_EQ(world.psci(core, function, state, kFree).status, static_cast<std::uint64_t>(-2));
    }
  }
  EXPECT_EQ(world.psci(kParentCore, abi::kPsciFeatures, function).status, 0U) << "original format, no OS-initiated mode";
}

inline void system_reset_2(std::uint32_t function) {
  system_end(function, 4, WorkKind::kPowerReset);
  World world;
  for (const std::uint64_t type : {1U, 0x7FFF'FFFFU, 0x8000'0000U, 0xFFFF'FFFFU}) {
    EXPECT_EQ(world.psci(kParentCore, function, type).status, static_cast<std::uint64_t>(-2));
  }
  EXPECT_EQ(world.perform(kParentCore, {function, {std::uint64_t{1} << 32, 5}}).work.kind, WorkKind::kPowerReset);
}

inline void migrate_info_type() {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.psci(kParentCore, abi::kPsciMigrateInfoType).status, 2U);
  for (const std::uint32_t migrate : {0x8400'0005U, 0xC400'0005U, 0x8400'0007U, 0xC400'0007U}) {
    EXPECT_EQ(world.psci(kParentCore, migrate).status, static_cast<std::uint64_t>(-1));
  }
}

enum class Service { kPsci, kSmccc, kTrng, kOwn };
[[nodiscard]] inline Service service_of(const hypercall::CallRow& row) {
  if (row.number >= abi::kFunctionBase) return Service::kOwn;
  if (row.name.starts_with("PSCI_")) return Service::kPsci;
  return row.name.starts_with("TRNG_") ? Service::kTrng : Service::kSmccc;
}

// Each service is asked about every call there is, with the upper half set: the question has 32 bits.
inline void features(std::uint32_t question, Service of) {
  World world;
  for (const hypercall::CallRow& row : hypercall::kCallTable) {
    const bool served = service_of(row) == of || (of == Service::kPsci && row.number == abi::kSmcccVersion);
    const bool workaround = served && row.name.starts_with("SMCCC_ARCH_WORKAROUND");
    const std::uint64_t expected = !served ? static_cast<std::uint64_t>(-1) : workaround ? 1 : 0;
    for (const std::uint64_t garbage : {std::uint64_t{0}, std::uint64_t{1} << 40}) {
      EXPECT_EQ(world.psci(kParentCore, question, row.number | garbage).status, expected) << row.name;
    }
  }
  for (const std::uint32_t unserved : {0x8400'0005U, 0x8400'000EU, 0x8000'0002U, 0x8400'0054U, 0xC400'0000U, 0U}) {
    EXPECT_EQ(world.psci(kParentCore, question, unserved).status, static_cast<std::uint64_t>(-1));
  }
}

// One that is not needed may be called; one that is needed is neither discovered nor served.
inline void workaround(std::uint32_t function, bool hypercall::Immunity::*against) {
  for (const bool immune : {true, false}) {
    World world = World::with_two_enclaves();
    world.moment.immunity = {!immune, !immune, !immune};  // the others say nothing about this one
    world.moment.immunity.*against = immune;
    const std::uint64_t refused = static_cast<std::uint64_t>(-1);
    for (const CoreId core : {kParentCore, kCoreOfB}) {
      EXPECT_EQ(world.psci(core, abi::kSmcccArchFeatures, function).status, immune ? 1U : refused);
      EXPECT_EQ(world.psci(core, function).status, immune ? 0U : refused);
    }
  }
}

inline void trng_version() {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.psci(kParentCore, abi::kTrngVersion).status, 0x1'0000U);
  EXPECT_EQ(world.psci(kCoreOfB, abi::kTrngVersion).status, 0x1'0000U);
}

inline void trng_uuid() {
  World world = World::with_two_enclaves();
  const Reply reply = world.psci(kCoreOfB, abi::kTrngGetUuid);
  const std::array<std::uint64_t, 4> words{reply.status, reply.values[0], reply.values[1], reply.values[2]};
  std::string text;
  for (std::size_t byte = 0; byte < 16; ++byte) {
    EXPECT_EQ(words[byte / 4] >> 32, 0U);
    constexpr char kDigits[] = "0123456789abcdef";
    const std::uint64_t value = words[byte / 4] >> (8 * (byte % 4));
    if (byte == 4 || byte == 6 || byte == 8 || byte == 10) text += '-';
    text += {kDigits[value >> 4 & 15], kDigits[value & 15]};
  }
  EXPECT_EQ(text, "28f4ea73-bae4-4da1-a119-817beecb731f");
}

// The answer as one number, highest register first, has exactly the bits that were asked for.
inline void trng_rnd(std::uint32_t function, unsigned width) {
  World world = World::with_two_enclaves();
  std::array<std::uint8_t, hypercall::kMostRandomBytes> ones{};
  ones.fill(0xFF);
  for (unsigned bits = 1; bits <= 3 * width; ++bits) {
    const Call call{function, {bits}};
    EXPECT_EQ(world.perform(kCoreOfB, call).work.kind, WorkKind::kRandom);
    const Reply reply = hypercall::random_reply(call, ones);
    EXPECT_EQ(reply.status, 0U);
    for (unsigned bit = 0; bit < 192; ++bit) {
      const bool set = (reply.values[2 - bit / 64] >> (bit % 64) & 1) != 0;
      const unsigned place = bit / 64 * width + bit % 64;  // in the number that was asked for
      ASSERT_EQ(set, bit % 64 < width && place < bits) << bits << " bits, bit " << bit;
    }
  }
  // Different bytes reach every register.
  std::iota(ones.begin(), ones.end(), std::uint8_t{1});
  const Reply reply = hypercall::random_reply({function, {3 * width}}, ones);
  EXPECT_EQ(reply.values[2] & 0xFFFF'FFFF, 0x0403'0201U);
  EXPECT_EQ(reply.values[1] & 0xFFFF'FFFF, width == 64 ? 0x0C0B'0A09U : 0x0807'0605U);
  EXPECT_EQ(reply.values[0] & 0xFFFF'FFFF, width == 64 ? 0x1413'1211U : 0x0C0B'0A09U);
  EXPECT_EQ(world.psci(kCoreOfB, function, 0).status, static_cast<std::uint64_t>(-2));
  EXPECT_EQ(world.psci(kCoreOfB, function, ~std::uint64_t{0}).status, static_cast<std::uint64_t>(-2));
}

inline void version() {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.call(Function::kVersion).values[0], abi::kAbiMajor << 16 | abi::kAbiMinor);
  EXPECT_EQ(world.call_from(kCoreOfB, Function::kVersion).values[0], abi::kAbiMajor << 16 | abi::kAbiMinor);
}

inline void console_write() {
  World world = World::with_two_enclaves();
  for (const std::uint64_t length : {1U, 40U}) {
    EXPECT_EQ(world.perform(kParentCore, World::make(Function::kConsoleWrite, length)).work.kind, WorkKind::kConsole);
  }
  EXPECT_EQ(world.call(Function::kConsoleWrite, 0U).status, status_of(Error::kInvalidArgument));
  world.b().mode = enclave::Mode::kDebug;
  EXPECT_EQ(world.perform(kCoreOfB, World::make(Function::kConsoleWrite, 1U)).work.kind, WorkKind::kConsole);
}

inline void partition_info() {
  World world = World::with_two_enclaves();
  const Reply parent = world.call(Function::kPartitionInfo);
  EXPECT_EQ(parent.values[0], 1U);
  EXPECT_EQ(parent.values[1], board::kBoard.cores.size() - 2);  // two were donated
  EXPECT_EQ(parent.values[2], board::kBoard.memory[0].size - kSizeA - kSizeB);
  const Reply enclave = world.call_from(kCoreOfB, Function::kPartitionInfo);
  EXPECT_EQ(enclave.values[0], 2U);
  EXPECT_EQ(enclave.values[1], 1U);
  EXPECT_EQ(enclave.values[2], kSizeB);
}

inline void slot_allocate() {
  World world = World::with_two_enclaves();
  const Transition made = world.perform(kParentCore, World::make(Function::kSlotAllocate));
  EXPECT_TRUE(has(made, EffectKind::kCreateStage2));
  const std::uint64_t uid = made.reply.values[0];
  EXPECT_GT(uid, world.uid_b);
  EXPECT_EQ(world.call(Function::kSlotInfo, uid).status, 0U);
  EXPECT_EQ(state_word(world, uid), 0U);
  EXPECT_EQ(world.call(Function::kSlotCount).values[0], 3U);
  world.moment = {};  // a clock that went back
  EXPECT_GT(world.call(Function::kSlotAllocate).values[0], uid) << "uids ascend whatever the clock says";
}

inline void slot_free() {
  World world = World::with_two_enclaves();
  const std::uint64_t before = world.call(Function::kPartitionInfo).values[2];
  world.succeed(Function::kDeviceAssign, world.uid_a, board::kBoard.devices[0].stream.value);
  EXPECT_EQ(world.repeat(World::make(Function::kSlotFree, world.uid_a), kSlotA).status, 0U);
  EXPECT_EQ(world.call(Function::kSlotCount).values[0], 1U);
  EXPECT_EQ(world.call(Function::kSlotInfo, world.uid_a).status, status_of(Error::kNoSuchSlot));
  EXPECT_EQ(world.call(Function::kPartitionInfo).values[2], before + kSizeA);
  EXPECT_EQ(world.call(Function::kPartitionInfo).values[1], board::kBoard.cores.size() - 1);  // B keeps its own
  EXPECT_EQ(world.psci(kParentCore, abi::kPsciCpuOn, mpidr_of(kCoreOfA), kFree).status, 0U);
  EXPECT_EQ(world.state().devices.owner[0], base::kParent);
  // Memory, channel and all go to the next enclave.
  const std::uint64_t uid = world.call(Function::kSlotAllocate).values[0];
  EXPECT_EQ(world.call(Function::kMemoryDonate, uid, kMemoryA, kSizeA).status, 0U);
  EXPECT_EQ(world.call(Function::kMemoryDonate, uid, kChannelA, 0x1000U).status, 0U);
}

inline void slot_start() {
  World world = World::with_two_enclaves();
  const Call call = World::make(Function::kSlotStart, world.uid_a, abi::kStartDebug, 16U, 0U);
  EXPECT_EQ(world.perform(kParentCore, call).work.kind, WorkKind::kLoad);
  EXPECT_EQ(state_word(world, world.uid_a) & 0xFFFF, 3U);
  EXPECT_EQ(world.perform(kParentCore, call).reply.status, status_of(Error::kBusy)) << "one step at a time";
  EXPECT_EQ(world.load_step(kSlotA, hypercall::LoadOutcome::kMore).reply.status, status_of(Error::kInProgress));
  EXPECT_EQ(world.perform(kParentCore, call).work.kind, WorkKind::kLoad);
  const Transition ready = world.load_step(kSlotA, hypercall::LoadOutcome::kReady);
  EXPECT_EQ(ready.reply.status, 0U);
  EXPECT_EQ(ready.reply.values[0], 16U);
  ASSERT_EQ(ready.effects.size(), 1U);
  EXPECT_EQ(ready.effects[0].kind, EffectKind::kStartCore);
  EXPECT_EQ(ready.effects[0].core, kCoreOfA);
  EXPECT_EQ(ready.effects[0].ipa.value, kIpa);
  EXPECT_EQ(ready.effects[0].argument, kIpa + kMiB);
  EXPECT_EQ(state_word(world, world.uid_a), 2 | abi::kStartDebug << 16);
}

inline void slot_stop() {
  World world = World::with_two_enclaves();
  const Transition stop = world.perform(kParentCore, World::make(Function::kSlotStop, world.uid_b));
  EXPECT_EQ(stop.reply.status, status_of(Error::kInProgress));
  ASSERT_EQ(stop.effects.size(), 1U);
  EXPECT_EQ(stop.effects[0].kind, EffectKind::kStopCores);
  EXPECT_EQ(stop.effects[0].argument, 1U << kCoreOfB.value);
  EXPECT_EQ(world.call(Function::kSlotStop, world.uid_b).status, status_of(Error::kInProgress));
  EXPECT_EQ(world.call(Function::kSlotFree, world.uid_b).status, status_of(Error::kWrongState)) << "it still runs";
  world.cores_leave(base::partition_of(kSlotB));
  EXPECT_EQ(world.call(Function::kSlotStop, world.uid_b).status, 0U);
  EXPECT_EQ(state_word(world, world.uid_b), stopped_with(2));
  EXPECT_EQ(memory_of(world, world.uid_b), kSizeB) << "the memory stays with it";
}

inline void slot_info() {
  World world = World::with_two_enclaves();
  const Reply a = world.call(Function::kSlotInfo, world.uid_a);
  EXPECT_EQ(a.values[0], 0U);
  EXPECT_EQ(a.values[1], 1U | std::uint64_t{1} << 32);
  EXPECT_EQ(a.values[2], kSizeA);
  EXPECT_EQ(state_word(world, world.uid_b), 2U);
}

inline void slot_count() {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.call(Function::kSlotCount).values[0], 2U);
  EXPECT_EQ(world.call(Function::kSlotCount).values[1], std::uint64_t{board::kMaxEnclaves});
}

inline void slot_next() {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.call(Function::kSlotNext, 0U).values[0], world.uid_a);
  EXPECT_EQ(world.call(Function::kSlotNext, world.uid_a).values[0], world.uid_b);
  EXPECT_EQ(world.call(Function::kSlotNext, world.uid_b).values[0], 0U);
}

inline void memory_donate() {
  World world = World::with_two_enclaves();
  const std::uint64_t records = ledger_size(world);
  const Reply first = world.call(Function::kMemoryDonate, world.uid_a, kFree, 0x4000U);
  EXPECT_EQ(first.status, 0U);
  EXPECT_EQ(first.values[0], kIpa + kSizeA);
  EXPECT_EQ(memory_of(world, world.uid_a), kSizeA + 0x4000);
  EXPECT_EQ(ledger_size(world), records + 1);
  // What goes on where the last one ends is the same region; anything else a new one.
  world.succeed(Function::kMemoryDonate, world.uid_a, kFree + 0x4000, 0x1000U);
  world.succeed(Function::kMemoryDonate, world.uid_a, kFree + 0x8000, 0x1000U);
  EXPECT_EQ(world.call(Function::kSlotInfo, world.uid_a).values[1] >> 32, 3U);
  EXPECT_EQ(world.call(Function::kMemoryDonate, world.uid_a, kFree, 0x1000U).status, status_of(Error::kNotOwned))
      << "given away once";
}

inline void memory_reclaim() {
  World world = World::with_two_enclaves();
  const Call call = World::make(Function::kMemoryReclaim, world.uid_a, kMemoryA + 3 * kMiB, kMiB);
  const Transition begun = world.perform(kParentCore, call);
  EXPECT_EQ(begun.work.kind, WorkKind::kScrub);
  EXPECT_EQ(begun.work.frames.address().value, kMemoryA + 3 * kMiB);
  EXPECT_EQ(world.call(Function::kMemoryDonate, world.uid_b, kMemoryA + 3 * kMiB, 0x1000U).status,
            status_of(Error::kWrongState));
  EXPECT_EQ(world.call(Function::kChannelOpen, world.uid_b, kMemoryA + 3 * kMiB, 0x1000U).status,
            status_of(Error::kNotOwned))
      << "nobody's while it is scrubbed";
  const Transition done = world.commit(hypercall::plan_scrubbed(world.state(), kSlotA));
  EXPECT_EQ(done.reply.status, 0U);
  EXPECT_EQ(memory_of(world, world.uid_a), 3 * kMiB);
  EXPECT_EQ(world.call(Function::kChannelOpen, world.uid_b, kMemoryA + 3 * kMiB, 0x1000U).status, 0U);
}

inline void core_donate() {
  World world = World::with_two_enclaves();
  world.succeed(Function::kCoreDonate, world.uid_a, mpidr_of(kFreeCore));
  EXPECT_EQ(cores_of(world, world.uid_a), 2U);
  EXPECT_EQ(affinity(world, mpidr_of(kFreeCore)), kOff);
  EXPECT_EQ(world.psci(kParentCore, abi::kPsciCpuOn, mpidr_of(kFreeCore), kFree).status,
            static_cast<std::uint64_t>(-3));
}

inline void core_reclaim() {
  World world = World::with_two_enclaves();
  world.succeed(Function::kCoreReclaim, world.uid_a, mpidr_of(kCoreOfA));
  EXPECT_EQ(cores_of(world, world.uid_a), 0U);
  EXPECT_EQ(world.psci(kParentCore, abi::kPsciCpuOn, mpidr_of(kCoreOfA), kFree).status, 0U);
}

// What matters is the order: the old owner's stream, registers and cached translations go before the new one has any,
// and the stream goes to nobody until it is accepted.
inline void check_device_move(const Transition& move, bool was_attached, base::PartitionId from, base::PartitionId to) {
  std::vector<EffectKind> order{EffectKind::kUnmapStage2, EffectKind::kInvalidateStage2, EffectKind::kInvalidateSmmu,
                                EffectKind::kMapStage2, EffectKind::kDisableInterrupt, EffectKind::kRouteInterrupt};
  if (was_attached) order.insert(order.begin(), EffectKind::kDetachStream);
  ASSERT_EQ(move.effects.size(), order.size());
  const board::Device& device = board::kBoard.devices[0];
  for (std::size_t i = 0; i < order.size(); ++i) {
    const base::Effect& effect = move.effects[i];
    EXPECT_EQ(effect.kind, order[i]) << i;
    const bool gives = effect.kind == EffectKind::kMapStage2 || effect.kind == EffectKind::kRouteInterrupt;
    EXPECT_EQ(effect.partition, gives ? to : from) << i;
    if (effect.kind == EffectKind::kDisableInterrupt || effect.kind == EffectKind::kRouteInterrupt) {
      EXPECT_EQ(effect.intid, device.interrupt);
    }
    if (effect.kind == EffectKind::kUnmapStage2 || effect.kind == EffectKind::kMapStage2) {
      EXPECT_EQ(effect.access, base::Access::kDevice);
      EXPECT_EQ(effect.ipa.value, device.mmio_base);
      EXPECT_EQ(effect.frames.address().value, device.mmio_base);
      EXPECT_EQ(effect.frames.bytes(), device.mmio_size);
    }
  }
}

inline constexpr std::uint64_t kAccelerator = board::kBoard.devices[0].stream.value;

inline void device_assign() {
  World world = World::with_two_enclaves();
  const std::uint64_t records = ledger_size(world);
  const Transition move = world.perform(kParentCore, World::make(Function::kDeviceAssign, world.uid_a, kAccelerator));
  EXPECT_EQ(move.reply.status, 0U);
  check_device_move(move, true, base::kParent, base::partition_of(kSlotA));
  EXPECT_EQ(ledger_size(world), records + 1);
  EXPECT_EQ(world.state().ledger.read(records)->kind, measure::LedgerKind::kDeviceAssign);
  EXPECT_EQ(world.call(Function::kDeviceAccept, kAccelerator).status, status_of(Error::kNotOwned));
}

inline void device_release() {
  World world = World::with_two_enclaves();
  world.succeed(Function::kDeviceAssign, world.uid_a, kAccelerator);
  const Transition move = world.perform(kParentCore, World::make(Function::kDeviceRelease, world.uid_a, kAccelerator));
  EXPECT_EQ(move.reply.status, 0U);
  check_device_move(move, false, base::partition_of(kSlotA), base::kParent);
  EXPECT_EQ(world.state().ledger.read(ledger_size(world) - 1)->kind, measure::LedgerKind::kDeviceRelease);
  EXPECT_EQ(world.call(Function::kDeviceAccept, kAccelerator).status, 0U) << "the parent, too, accepts it first";
}

inline void device_accept() {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.call(Function::kDeviceAccept, kAccelerator).status, status_of(Error::kWrongState)) << "since boot";
  world.succeed(Function::kDeviceAssign, world.uid_a, kAccelerator);
  world.start(world.uid_a, kSlotA, 16);
  const Transition accept = world.perform(kCoreOfA, World::make(Function::kDeviceAccept, kAccelerator));
  EXPECT_EQ(accept.reply.status, 0U);
  ASSERT_EQ(accept.effects.size(), 1U);
  EXPECT_EQ(accept.effects[0].kind, EffectKind::kAttachStream);
  EXPECT_EQ(accept.effects[0].partition, base::partition_of(kSlotA));
  EXPECT_EQ(accept.effects[0].stream.value, kAccelerator);
  EXPECT_EQ(world.call_from(kCoreOfA, Function::kDeviceAccept, kAccelerator).status, status_of(Error::kWrongState));
  // When the enclave is gone, the stream aborts before the parent has the registers.
  EXPECT_EQ(world.call(Function::kSlotStop, world.uid_a).status, status_of(Error::kInProgress));
  world.cores_leave(base::partition_of(kSlotA));
  const Transition back = world.perform(kParentCore, World::make(Function::kSlotFree, world.uid_a));
  check_device_move(back, true, base::partition_of(kSlotA), base::kParent);
}

inline void channel_open() {
  World world = World::with_two_enclaves();
  const Reply open = world.call(Function::kChannelOpen, world.uid_b, kFree, 0x2000U);
  EXPECT_EQ(open.status, 0U);
  const Reply seen = world.call_from(kCoreOfB, Function::kChannelInfo, open.values[0]);
  EXPECT_EQ(seen.values[0], open.values[1]);
  EXPECT_EQ(seen.values[1], 0x2000U);
  EXPECT_EQ(world.call(Function::kMemoryDonate, world.uid_a, kFree, 0x1000U).status, status_of(Error::kShared));
}

inline void channel_close() {
  World world = World::with_two_enclaves();
  world.succeed(Function::kChannelClose, world.uid_b, 0U);
  EXPECT_EQ(world.call_from(kCoreOfB, Function::kChannelInfo, 0U).status, status_of(Error::kNoSuchChannel));
  EXPECT_EQ(world.call(Function::kMemoryDonate, world.uid_a, kChannelB, 0x1000U).status, 0U);
}

inline void channel_notify() {
  World world = World::with_two_enclaves();
  const Transition down = world.perform(kParentCore, World::make(Function::kChannelNotify, world.uid_b, 0U));
  ASSERT_EQ(down.effects.size(), 1U);
  EXPECT_EQ(down.effects[0].kind, EffectKind::kInjectInterrupt);
  EXPECT_EQ(down.effects[0].partition, base::partition_of(kSlotB));
  EXPECT_EQ(down.effects[0].intid.value, abi::kDoorbell);
  EXPECT_EQ(world.call(Function::kChannelPending, world.uid_b).values[0], 0U) << "it is for the enclave";
  EXPECT_EQ(world.call_from(kCoreOfB, Function::kChannelPending).values[0], 1U);
  const Transition up = world.perform(kCoreOfB, World::make(Function::kChannelNotify, 0U, 0U));
  ASSERT_EQ(up.effects.size(), 1U);
  EXPECT_EQ(up.effects[0].partition, base::kParent);
  EXPECT_EQ(world.call(Function::kChannelPending, world.uid_b).values[0], 1U);
}

inline void channel_info() {
  World world = World::with_two_enclaves();
  const Reply seen = world.call_from(kCoreOfB, Function::kChannelInfo, 0U);
  EXPECT_EQ(seen.values[0], board::kBoard.channel_ipa_base);
  EXPECT_EQ(seen.values[1], 0x1000U);
}

inline void channel_pending() {
  World world = World::with_two_enclaves();
  world.succeed(Function::kChannelNotify, world.uid_b, 0U);
  EXPECT_EQ(world.call_from(kCoreOfB, Function::kChannelPending).values[0], 1U);
  EXPECT_EQ(world.call_from(kCoreOfB, Function::kChannelPending).values[0], 0U) << "asking clears it";
}

inline void nsm_request() {
  World world = World::with_two_enclaves();
  const Call call = World::make(Function::kNsmRequest, kIpa, 16U, kIpa + kSizeB - 0x3000, 0x3000U);
  EXPECT_EQ(world.perform(kCoreOfB, call).work.kind, WorkKind::kNsm);
  EXPECT_EQ(world.perform(kCoreOfB, call).reply.status, status_of(Error::kBusy)) << "one request at a time";
  EXPECT_EQ(world.call(Function::kSlotStop, world.uid_b).status, status_of(Error::kInProgress));
  world.commit_fact({.kind = FactKind::kNsmBusy, .slot = kSlotB});
  EXPECT_EQ(world.perform(kCoreOfB, call).work.kind, WorkKind::kNsm);
}

inline void enclave_exit() {
  for (const std::uint64_t code : {0U, 255U}) {
    World world = World::with_two_enclaves();
    const Transition exit = world.perform(kCoreOfB, World::make(Function::kEnclaveExit, code));
    EXPECT_EQ(exit.caller_core, partition::CallerCore::kLeavesGuest);
    world.cores_leave(base::partition_of(kSlotB));
    EXPECT_EQ(state_word(world, world.uid_b), stopped_with(1, code));
  }
}

inline void read_record(Function function, std::uint64_t last, std::uint64_t size) {
  World world = World::with_two_enclaves();
  for (const std::uint64_t index : {std::uint64_t{0}, last}) {
    // Any alignment, also across two frames; the parent's own memory, a channel of its included.
    for (const std::uint64_t buffer : {kFree, kFree + 4096 - size / 2, kChannelB}) {
      const Transition read = world.perform(kParentCore, World::make(function, index, buffer, size));
      EXPECT_EQ(read.work.kind, WorkKind::kCopyOut);
      EXPECT_EQ(read.reply.values[0], size);
      EXPECT_EQ(read.reply.values[1], last + 1);
    }
  }
  EXPECT_EQ(world.call(function, last + 1, kFree, size).status, status_of(Error::kOutOfRange));
  // Both ends of the buffer count.
  EXPECT_EQ(world.call(function, 0U, kMemoryB + kSizeB - 1, size).status, status_of(Error::kNotOwned));
  EXPECT_EQ(world.call(function, 0U, kRam + board::kFrameTableFrames * 4096 - size + 1, size).status,
            status_of(Error::kNotOwned));
}

inline void fault_counters() {
  World world = World::with_two_enclaves();
  EXPECT_EQ(world.call(Function::kFaultCounters, 0U).values[0], 0U);
  const auto count = [&](abi::FaultCounter kind) {
    world.commit(hypercall::plan_fault(world.state(), Caller::on(world.state().cores, kCoreOfB), kind));
  };
  count(abi::FaultCounter::kStage2);
  count(abi::FaultCounter::kStage2);
  count(abi::FaultCounter::kUndefined);
  EXPECT_EQ(world.call(Function::kFaultCounters, 0U).values[0], 2U);
  EXPECT_EQ(world.call(Function::kFaultCounters, 2U).values[0], 1U);
}

// Sections, entries and what fits; what the entries say is status_test.cpp's.
inline void status_read() {
  World world = World::with_two_enclaves();
  constexpr std::array<std::uint64_t, abi::kStatusSections> kSizes{104, 88, 184, 48, 88, 48};
  const std::array<std::uint64_t, abi::kStatusSections> entries{1, 1, board::kBoard.cores.size(), 0, 1, 2};
  for (std::uint64_t section = 0; section < abi::kStatusSections; ++section) {
    if (entries[section] == 0) continue;
    for (const std::uint64_t capacity : {std::uint64_t{8}, kSizes[section] - 1, kSizes[section], std::uint64_t{4096}}) {
      const Transition read =
          world.perform(kParentCore, World::make(Function::kStatusRead, section, entries[section] - 1, kFree, capacity));
      EXPECT_EQ(read.work.kind, WorkKind::kCopyOut);
      EXPECT_EQ(read.reply.values[0], std::min(capacity, kSizes[section]));
      EXPECT_EQ(read.reply.values[1], entries[section]);
    }
    EXPECT_EQ(world.call(Function::kStatusRead, section, entries[section], kFree, 4096U).status,
              status_of(Error::kOutOfRange));
  }
  world.state().dma_faults.add({});
  EXPECT_EQ(world.call(Function::kStatusRead, 3U, 0U, kFree, 48U).values[1], 1U);
  // Only what is written must be the parent's.
  const std::uint64_t end = kRam + board::kFrameTableFrames * 4096;
  EXPECT_EQ(world.call(Function::kStatusRead, 1U, 0U, end - 88, 4096U).status, 0U);
  EXPECT_EQ(world.call(Function::kStatusRead, 1U, 0U, end - 87, 4096U).status, status_of(Error::kNotOwned));
}

}  // namespace success

[[nodiscard]] inline std::map<std::uint32_t, std::function<void()>> all_success_checks() {
  using namespace success;
  using stimuli::number;
  constexpr std::uint64_t kGarbage = std::uint64_t{0xABCD} << 32;
  return {
      {abi::kSmcccVersion, [] { version_is_1_1(abi::kSmcccVersion); }},
      {abi::kSmcccArchFeatures, [] { features(abi::kSmcccArchFeatures, Service::kSmccc); }},
      {abi::kSmcccArchWorkaround1,
       [] { workaround(abi::kSmcccArchWorkaround1, &hypercall::Immunity::branch_targets); }},
      {abi::kSmcccArchWorkaround2, [] { workaround(abi::kSmcccArchWorkaround2, &hypercall::Immunity::store_bypass); }},
      {abi::kSmcccArchWorkaround3,
       [] { workaround(abi::kSmcccArchWorkaround3, &hypercall::Immunity::branch_history); }},
      {abi::kPsciVersion, [] { version_is_1_1(abi::kPsciVersion); }},
      {abi::kPsciCpuSuspend32, [] { cpu_suspend(abi::kPsciCpuSuspend32, kGarbage); }},
      {abi::kPsciCpuSuspend, [] { cpu_suspend(abi::kPsciCpuSuspend, kGarbage); }},
      {abi::kPsciCpuOff, cpu_off},
      {abi::kPsciCpuOn32,
       [] {
         cpu_on(abi::kPsciCpuOn32, kGarbage);
         cpu_on_refuses_other_entries(abi::kPsciCpuOn32);
       }},
      {abi::kPsciCpuOn,
       [] {
         cpu_on(abi::kPsciCpuOn, 0);
         cpu_on_refuses_other_entries(abi::kPsciCpuOn);
         World world;
         EXPECT_EQ(world.psci(kParentCore, abi::kPsciCpuOn, mpidr_of(kFreeCore), kFree | kGarbage).status,
                   static_cast<std::uint64_t>(-9))
             << "all of the address counts";
       }},
      {abi::kPsciAffinityInfo32, [] { affinity_info(abi::kPsciAffinityInfo32); }},
      {abi::kPsciAffinityInfo, [] { affinity_info(abi::kPsciAffinityInfo); }},
      {abi::kPsciMigrateInfoType, migrate_info_type},
      {abi::kPsciSystemOff, [] { system_end(abi::kPsciSystemOff, 1, WorkKind::kPowerOff); }},
      {abi::kPsciSystemReset, [] { system_end(abi::kPsciSystemReset, 4, WorkKind::kPowerReset); }},
      {abi::kPsciSystemReset2With32, [] { system_reset_2(abi::kPsciSystemReset2With32); }},
      {abi::kPsciSystemReset2, [] { system_reset_2(abi::kPsciSystemReset2); }},
      {abi::kPsciFeatures, [] { features(abi::kPsciFeatures, Service::kPsci); }},
      {abi::kTrngVersion, trng_version},
      {abi::kTrngFeatures, [] { features(abi::kTrngFeatures, Service::kTrng); }},
      {abi::kTrngGetUuid, trng_uuid},
      {abi::kTrngRnd32, [] { trng_rnd(abi::kTrngRnd32, 32); }},
      {abi::kTrngRnd, [] { trng_rnd(abi::kTrngRnd, 64); }},
      {number(Function::kVersion), version},
      {number(Function::kConsoleWrite), console_write},
      {number(Function::kPartitionInfo), partition_info},
      {number(Function::kSlotAllocate), slot_allocate},
      {number(Function::kSlotFree), slot_free},
      {number(Function::kSlotStart), slot_start},
      {number(Function::kSlotStop), slot_stop},
      {number(Function::kSlotInfo), slot_info},
      {number(Function::kSlotCount), slot_count},
      {number(Function::kSlotNext), slot_next},
      {number(Function::kMemoryDonate), memory_donate},
      {number(Function::kMemoryReclaim), memory_reclaim},
      {number(Function::kCoreDonate), core_donate},
      {number(Function::kCoreReclaim), core_reclaim},
      {number(Function::kDeviceAssign), device_assign},
      {number(Function::kDeviceRelease), device_release},
      {number(Function::kDeviceAccept), device_accept},
      {number(Function::kChannelOpen), channel_open},
      {number(Function::kChannelClose), channel_close},
      {number(Function::kChannelNotify), channel_notify},
      {number(Function::kChannelInfo), channel_info},
      {number(Function::kChannelPending), channel_pending},
      {number(Function::kNsmRequest), nsm_request},
      {number(Function::kEnclaveExit), enclave_exit},
      {number(Function::kEventLogRead), [] { read_record(Function::kEventLogRead, 0, 80); }},
      {number(Function::kLedgerRead), [] { read_record(Function::kLedgerRead, 6, 32); }},
      {number(Function::kPlatformPcrRead), [] { read_record(Function::kPlatformPcrRead, 7, 48); }},
      {number(Function::kFaultCounters), fault_counters},
      {number(Function::kStatusRead), status_read},
  };
}

}  // namespace world
