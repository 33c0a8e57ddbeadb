// For each row of the table of calls: a world and a call that succeed, and for each failure the change that provokes
// it.
//
// A stimulus names the aspects of world and call that it changes. Two failures of a row can hold at once when their
// stimuli change different aspects; then the earlier one has to be answered. Stimuli are applied in any order.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "firmware/hypercall/call_table.hpp"
#include "tests/unit/firmware/hypercall/world.hpp"

namespace world {

struct Scene {
  World world;
  CoreId core;  // the caller's
  Call call;
};

enum Aspect : unsigned {
  kUidAspect = 1,
  kState = 2,
  kBusyAspect = 4,
  kReclaim = 8,
  kPlace = 16,
  kAlignment = 32,
  kTop = 64,
  kSize = 128,
  kRegions = 256,
  kCore = 512,
  kFlags = 1024,
  kCid = 2048,
  kMemory = 4096,
  kChannel = 8192,
  kIndex = 16384,
  kCallerAspect = 32768,
  kOther = 65536,
};

struct Stimulus {
  std::string_view tag;
  unsigned aspects;
  std::function<void(Scene&)> apply;
};

struct RowStimuli {
  std::uint32_t number;
  std::function<Scene()> success;
  std::vector<Stimulus> failures;
};

namespace stimuli {

using enclave::SlotState;
using partition::CoreState;

[[nodiscard]] inline std::uint32_t number(Function function) { return static_cast<std::uint32_t>(function); }

// An enclave's call where a parent's is due, and the other way round.
inline void swap_caller(Scene& scene) { scene.core = scene.core == kParentCore ? kCoreOfB : kParentCore; }

inline void set_state(World& world, SlotState state) { world.a().state = state; }
[[nodiscard]] inline Stimulus wrong_state(SlotState state) {
  return {"state", kState, [state](Scene& scene) { set_state(scene.world, state); }};
}
[[nodiscard]] inline std::function<void(Scene&)> argument(std::size_t index, std::uint64_t value) {
  return [index, value](Scene& scene) { scene.call.arguments[index] = value; };
}

inline const Stimulus kNoSlot{"slot", kUidAspect, argument(0, 0xDEAD)};
inline const Stimulus kBusy{"busy", kBusyAspect, [](Scene& scene) { scene.world.a().busy = true; }};
inline const Stimulus kUnaligned{"alignment", kAlignment, [](Scene& scene) { scene.call.arguments[1] |= 0x800; }};
inline const Stimulus kWrap{"wrap", kTop, [](Scene& scene) { scene.call.arguments[1] |= std::uint64_t{1} << 50; }};
inline const Stimulus kEmpty{"empty", kSize, argument(2, 0)};
inline const Stimulus kNotRam{"ram", kPlace, argument(1, kRam + board::kFrameTableFrames * base::kFrameSize)};
inline const Stimulus kShared{"shared", kPlace, argument(1, kChannelB)};
inline const Stimulus kForeign{"owner", kPlace, argument(1, kMemoryB)};
// Two frames of A's memory have left it, and are not the parent's yet.
inline const Stimulus kUnfinishedReclaim{
    "reclaim", kReclaim, [](Scene& scene) {
      scene.world.commit_fact({.kind = FactKind::kMemoryScrubbing,
                               .slot = kSlotA,
                               .frames = base::FrameRange::from_bytes(kMemoryA + kSizeA - 0x2000, 0x2000).value()});
    }};

// The failures that every call on an enclave's memory, cores and devices begins with.
[[nodiscard]] inline std::vector<Stimulus> on_waiting_enclave(std::vector<Stimulus> more) {
  std::vector<Stimulus> all{kNoSlot, wrong_state(SlotState::kRunning), kBusy};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

[[nodiscard]] inline Scene scene_of(CoreId core, Function function, std::array<std::uint64_t, 6> arguments,
                                    const std::function<void(World&)>& prepare = {}) {
  Scene scene{World::with_two_enclaves(), core, {number(function), arguments}};
  if (prepare) prepare(scene.world);
  return scene;
}
// The first argument is the uid of A.
[[nodiscard]] inline std::function<Scene()> about_a(Function function, std::array<std::uint64_t, 5> rest,
                                                    std::function<void(World&)> prepare = {}) {
  return [=] {
    Scene scene = scene_of(kParentCore, function, {0, rest[0], rest[1], rest[2], rest[3], rest[4]}, prepare);
    scene.call.arguments[0] = scene.world.uid_a;
    return scene;
  };
}
[[nodiscard]] inline std::function<Scene()> from(CoreId core, Function function,
                                                 std::array<std::uint64_t, 6> arguments = {}) {
  return [=] { return scene_of(core, function, arguments); };
}
[[nodiscard]] inline std::function<Scene()> power(CoreId core, std::uint32_t function,
                                                  std::array<std::uint64_t, 6> arguments = {}) {
  return [=] { return Scene{World::with_two_enclaves(), core, {function, arguments}}; };
}

inline void fill_regions(Scene& scene) {
  enclave::Slot& slot = scene.world.a();
  for (std::uint64_t at = kFree + 16 * kMiB; !slot.regions.full(); at += 0x2000) {
    const auto frames = base::FrameRange::from_bytes(at, 0x1000).value();
    scene.world.commit_fact({.kind = FactKind::kMemoryDonated, .slot = kSlotA, .frames = frames});
  }
}
inline void fill_channels(Scene& scene) {
  for (std::uint8_t i = 0; i < scene.world.a().channels.size(); ++i) {
    if (!scene.world.a().channels[i].frames.empty()) continue;
    const auto frames = base::FrameRange::from_bytes(kFree + 8 * kMiB + i * 0x1000U, 0x1000).value();
    scene.world.commit_fact(
        {.kind = FactKind::kChannelOpened, .slot = kSlotA, .channel = base::ChannelIndex{i}, .frames = frames});
  }
}
inline void use_all_slots(Scene& scene) {
  while (scene.world.call(Function::kSlotAllocate).status == 0) {
  }
}

[[nodiscard]] inline std::vector<Stimulus> cpu_on_failures() {
  return {{"core", kCore, argument(0, 0x7777)},
          {"entry", kPlace, argument(1, kMemoryA)},
          {"donated", kCore, argument(0, mpidr_of(kCoreOfA))},
          {"on", kCore, argument(0, mpidr_of(kParentCore))},
          {"stopping", kCore | kCallerAspect | kPlace, [](Scene& scene) {
             // B has a second core, off; the one that calls is still running while B is being stopped.
             scene.world.commit_fact({.kind = FactKind::kCoreDonated, .slot = kSlotB, .core = kFreeCore});
             scene.world.b().state = SlotState::kStopping;
             scene.core = kCoreOfB;
             scene.call.arguments[0] = 1;
             scene.call.arguments[1] = kIpa;
           }}};
}
inline const Stimulus kPowerDown{"state", kIndex, argument(0, 0x1'0000)};
inline const Stimulus kVendorReset{"type", kIndex, argument(0, 0x8000'0000)};
inline const Stimulus kAffected{"affected", kState, [](Scene& scene) { scene.world.moment.immunity = {}; }};
[[nodiscard]] inline std::vector<Stimulus> affinity_failures() {
  return {{"level", kOther, argument(1, 1)}, {"core", kCore, argument(0, 0x7777)}};
}
[[nodiscard]] inline std::vector<Stimulus> read_failures(std::uint64_t capacity) {
  return {{"index", kIndex, argument(0, 5000)},
          {"capacity", kSize, argument(2, capacity - 1)},
          {"wrap", kPlace, argument(1, ~std::uint64_t{0} - 7)},
          {"owner", kPlace, argument(1, kMemoryB + kSizeB - 1)}};  // its first byte is B's
}

}  // namespace stimuli

[[nodiscard]] inline std::vector<RowStimuli> all_stimuli() {
  using namespace stimuli;
  namespace abi = cofferdam_abi;
  const auto give_accelerator_to = [](base::PartitionId owner) {
    return [owner](World& world) {
      world.state().devices.owner[0] = owner;
      world.state().devices.accepted[0] = false;
    };
  };
  const base::PartitionId a = base::partition_of(kSlotA), b = base::partition_of(kSlotB);
  return {
      {abi::kSmcccVersion, power(kParentCore, abi::kSmcccVersion), {}},
      {abi::kSmcccArchFeatures,
       power(kParentCore, abi::kSmcccArchFeatures, {abi::kSmcccArchWorkaround2}),
       {{"function", kIndex, argument(0, 0x8000'0002)}, kAffected}},
      {abi::kSmcccArchWorkaround3, power(kCoreOfB, abi::kSmcccArchWorkaround3), {kAffected}},
      {abi::kSmcccArchWorkaround2, power(kCoreOfB, abi::kSmcccArchWorkaround2), {kAffected}},
      {abi::kSmcccArchWorkaround1, power(kCoreOfB, abi::kSmcccArchWorkaround1), {kAffected}},
      {abi::kPsciVersion, power(kParentCore, abi::kPsciVersion), {}},
      {abi::kPsciCpuSuspend32, power(kCoreOfB, abi::kPsciCpuSuspend32, {3}), {kPowerDown}},
      {abi::kPsciCpuSuspend, power(kParentCore, abi::kPsciCpuSuspend, {3, kFree, 7}), {kPowerDown}},
      {abi::kPsciCpuOff, power(kCoreOfB, abi::kPsciCpuOff), {}},
      {abi::kPsciCpuOn32, power(kParentCore, abi::kPsciCpuOn32, {2, kFree, 7}), cpu_on_failures()},
      {abi::kPsciAffinityInfo32, power(kParentCore, abi::kPsciAffinityInfo32, {0, 0}), affinity_failures()},
      {abi::kPsciMigrateInfoType, power(kCoreOfB, abi::kPsciMigrateInfoType), {}},
      {abi::kPsciSystemOff, power(kCoreOfB, abi::kPsciSystemOff), {}},
      {abi::kPsciSystemReset, power(kCoreOfB, abi::kPsciSystemReset), {}},
      {abi::kPsciFeatures,
       power(kParentCore, abi::kPsciFeatures, {abi::kPsciCpuOn}),
       {{"function", kIndex, argument(0, 0x8400'0005)}}},
      {abi::kPsciSystemReset2With32, power(kCoreOfB, abi::kPsciSystemReset2With32, {0, 9}), {kVendorReset}},
      {abi::kPsciSystemReset2, power(kCoreOfB, abi::kPsciSystemReset2, {0, 9}), {kVendorReset}},
      {abi::kTrngVersion, power(kCoreOfB, abi::kTrngVersion), {}},
      {abi::kTrngFeatures,
       power(kParentCore, abi::kTrngFeatures, {abi::kTrngRnd}),
       {{"function", kIndex, argument(0, 0x8400'0054)}}},
      {abi::kTrngGetUuid, power(kCoreOfB, abi::kTrngGetUuid), {}},
      {abi::kTrngRnd32, power(kCoreOfB, abi::kTrngRnd32, {96}), {{"bits", kSize, argument(0, 97)}}},
      {abi::kTrngRnd, power(kParentCore, abi::kTrngRnd, {192}), {{"bits", kSize, argument(0, 193)}}},
      {abi::kPsciCpuOn, power(kParentCore, abi::kPsciCpuOn, {2, kFree, 7}), cpu_on_failures()},
      {abi::kPsciAffinityInfo, power(kParentCore, abi::kPsciAffinityInfo, {0, 0}), affinity_failures()},

      {number(Function::kVersion), from(kParentCore, Function::kVersion), {}},
      {number(Function::kConsoleWrite),
       from(kParentCore, Function::kConsoleWrite, {3, 0x636261}),
       {{"production", kCallerAspect, [](Scene& scene) { scene.core = kCoreOfB; }},
        {"length", kSize, argument(0, 41)}}},
      {number(Function::kPartitionInfo), from(kParentCore, Function::kPartitionInfo), {}},

      {number(Function::kSlotAllocate), from(kParentCore, Function::kSlotAllocate), {{"slots", kOther, use_all_slots}}},
      {number(Function::kSlotFree),
       about_a(Function::kSlotFree, {}, give_accelerator_to(a)),
       {kNoSlot, wrong_state(SlotState::kRunning), kBusy}},
      {number(Function::kSlotStart),
       about_a(Function::kSlotStart, {0, 16, 0}),
       {kNoSlot,
        wrong_state(SlotState::kStopped),
        kBusy,
        kUnfinishedReclaim,
        {"flags", kFlags, argument(1, 2)},
        {"cid", kCid, argument(2, 3)},
        {"cid in use", kCid, argument(2, kCidB)},
        {"offset", kAlignment, [](Scene& scene) { scene.call.arguments[3] |= 8; }},
        {"cores", kCore,
         [](Scene& scene) {
           scene.world.commit_fact({.kind = FactKind::kCoreReturned, .slot = kSlotA, .core = kCoreOfA});
         }},
        {"memory", kMemory, [](Scene& scene) { scene.world.a().memory_bytes = 0x1000; }},
        {"outside", kPlace, [](Scene& scene) { scene.call.arguments[3] |= kSizeA; }}}},
      {number(Function::kSlotStop),
       about_a(Function::kSlotStop, {}, [](World& world) { set_state(world, SlotState::kLoading); }),
       {kNoSlot, wrong_state(SlotState::kInit), kBusy}},
      {number(Function::kSlotInfo), about_a(Function::kSlotInfo, {}), {kNoSlot}},
      {number(Function::kSlotCount), from(kParentCore, Function::kSlotCount), {}},
      {number(Function::kSlotNext), from(kParentCore, Function::kSlotNext), {}},

      {number(Function::kMemoryDonate), about_a(Function::kMemoryDonate, {kFree, 0x4000}),
       on_waiting_enclave({kEmpty,
                           kUnaligned,
                           kWrap,
                           {"large", kSize, argument(2, (std::uint64_t{1} << 30) + 0x1000)},
                           kUnfinishedReclaim,
                           kNotRam,
                           kShared,
                           kForeign,
                           {"regions", kRegions, fill_regions}})},
      {number(Function::kMemoryReclaim), about_a(Function::kMemoryReclaim, {kMemoryA + kSizeA - 0x4000, 0x4000}),
       on_waiting_enclave({kEmpty,
                           kUnaligned,
                           kWrap,
                           {"large", kSize, argument(2, board::kBoard.limits.scrub_chunk + 0x1000)},
                           kUnfinishedReclaim,
                           {"owner", kPlace, argument(1, kMemoryA)}})},
      {number(Function::kCoreDonate), about_a(Function::kCoreDonate, {mpidr_of(kFreeCore)}),
       on_waiting_enclave(
           {{"core", kCore, argument(1, 0x7777)},
            {"boot core", kCore, argument(1, mpidr_of(kParentCore))},
            {"owner", kCore, argument(1, mpidr_of(kCoreOfB))},
            {"online", kOther,
             [](Scene& scene) { scene.world.state().cores.at(kFreeCore).state = CoreState::kRunning; }}})},
      {number(Function::kCoreReclaim), about_a(Function::kCoreReclaim, {mpidr_of(kCoreOfA)}),
       on_waiting_enclave({{"core", kCore, argument(1, 0x7777)},
                           {"owner", kCore, argument(1, mpidr_of(kCoreOfB))},
                           {"order", kOther,
                            [](Scene& scene) {
                              scene.world.commit_fact(
                                  {.kind = FactKind::kCoreDonated, .slot = kSlotA, .core = kFreeCore});
                            }}})},
      {number(Function::kDeviceAssign), about_a(Function::kDeviceAssign, {board::kBoard.devices[0].stream.value}),
       on_waiting_enclave({{"device", kIndex, argument(1, board::kBoard.devices[2].stream.value)},
                           {"owner", kOther, [=](Scene& scene) { give_accelerator_to(b)(scene.world); }}})},
      {number(Function::kDeviceRelease),
       about_a(Function::kDeviceRelease, {board::kBoard.devices[0].stream.value}, give_accelerator_to(a)),
       on_waiting_enclave({{"device", kIndex, argument(1, 0x7777)},
                           {"owner", kOther, [=](Scene& scene) { give_accelerator_to(b)(scene.world); }}})},

      {number(Function::kDeviceAccept),
       [=] {
         Scene scene = scene_of(kCoreOfB, Function::kDeviceAccept, {board::kBoard.devices[0].stream.value});
         give_accelerator_to(b)(scene.world);
         return scene;
       },
       {{"device", kIndex, argument(0, board::kBoard.devices[2].stream.value)},
        {"owner", kOther, [=](Scene& scene) { give_accelerator_to(a)(scene.world); }},
        {"state", kState, [](Scene& scene) { scene.world.state().devices.accepted[0] = true; }}}},

      {number(Function::kChannelOpen),
       about_a(Function::kChannelOpen, {kFree, 0x2000}),
       {kNoSlot,
        wrong_state(SlotState::kStopping),
        kEmpty,
        kUnaligned,
        kWrap,
        {"large", kSize, argument(2, 2 * kMiB + 0x1000)},
        kNotRam,
        kShared,
        kForeign,
        {"channels", kChannel, fill_channels}}},
      {number(Function::kChannelClose),
       about_a(Function::kChannelClose, {0}),
       {kNoSlot, wrong_state(SlotState::kFreeing), {"channel", kChannel, argument(1, 3)}}},
      {number(Function::kChannelNotify),
       about_a(Function::kChannelNotify, {0}),
       {kNoSlot, {"channel", kChannel, argument(1, 3)}}},
      {number(Function::kChannelInfo),
       from(kCoreOfB, Function::kChannelInfo, {0}),
       {{"channel", kChannel, argument(0, 3)}}},
      {number(Function::kChannelPending), about_a(Function::kChannelPending, {}), {kNoSlot}},

      {number(Function::kNsmRequest),
       from(kCoreOfB, Function::kNsmRequest, {kIpa, 16, kIpa + 0x1000, 0x3000}),
       {{"empty", kSize, argument(1, 0)},
        {"large", kTop, argument(3, 0x3001)},
        {"outside", kPlace, argument(0, kIpa + kSizeB - 15)},
        {"busy", kBusyAspect, [](Scene& scene) { scene.world.b().nsm_busy = true; }}}},
      {number(Function::kEnclaveExit),
       from(kCoreOfB, Function::kEnclaveExit, {7}),
       {{"code", kIndex, argument(0, 256)}}},

      {number(Function::kEventLogRead), from(kParentCore, Function::kEventLogRead, {0, kFree, 80}), read_failures(80)},
      {number(Function::kLedgerRead), from(kParentCore, Function::kLedgerRead, {0, kFree, 32}), read_failures(32)},
      {number(Function::kPlatformPcrRead), from(kParentCore, Function::kPlatformPcrRead, {7, kFree, 48}),
       read_failures(48)},
      {number(Function::kFaultCounters),
       from(kParentCore, Function::kFaultCounters, {3}),
       {{"kind", kIndex, argument(0, 4)}}},
      {number(Function::kStatusRead),
       from(kParentCore, Function::kStatusRead, {5, 1, kFree, 48}),
       {{"section", kFlags, argument(0, 6)},
        {"index", kIndex, argument(1, 5000)},
        {"capacity", kSize, argument(3, 7)},
        {"wrap", kPlace, argument(2, ~std::uint64_t{0} - 6)},
        {"owner", kPlace, argument(2, kMemoryB + kSizeB - 1)}}},
  };
}

}  // namespace world
