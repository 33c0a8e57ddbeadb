// The conformance sheet: every row of firmware/hypercall/call_table.hpp is provoked, failure by failure, and compared.
#include "firmware/hypercall/call_table.hpp"

#include <gmock/gmock.h>

#include <random>

#include "firmware/attestation/nsm_engine.hpp"
#include "tests/unit/firmware/hypercall/success_checks.hpp"

namespace hypercall {

void PrintTo(const CallRow& row, std::ostream* out) { *out << row.name; }

}  // namespace hypercall

namespace {

using base::EffectKind;
using base::Error;
using hypercall::CallRow;
using hypercall::Failure;
using hypercall::kCallTable;
using hypercall::LoadOutcome;
using hypercall::Noticed;
using hypercall::Permission;
using namespace world;

[[nodiscard]] const RowStimuli* stimuli_of(std::uint32_t number) {
  static const std::vector<RowStimuli> kAll = all_stimuli();
  const auto found =
      std::find_if(kAll.begin(), kAll.end(), [&](const RowStimuli& row) { return row.number == number; });
  return found == kAll.end() ? nullptr : &*found;
}

// What a row refuses in its plan, in order; the caller that may not call comes first.
struct Condition {
  std::int32_t status;
  Stimulus stimulus;
};
[[nodiscard]] std::vector<Condition> conditions_of(const CallRow& row) {
  std::vector<Condition> all;
  if (row.permission != Permission::kAnybody) {
    all.push_back({-1, {"caller", kCallerAspect, stimuli::swap_caller}});
  }
  const RowStimuli* known = stimuli_of(row.number);
  for (const Failure& failure : row.failures) {
    if (failure.noticed != Noticed::kPlan || known == nullptr) continue;
    for (const Stimulus& stimulus : known->failures) {
      if (stimulus.tag == failure.tag) all.push_back({failure.status, stimulus});
    }
  }
  return all;
}

[[nodiscard]] std::uint64_t register_of(std::int32_t status) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(status));
}

void expect_nothing_changes(Scene& scene, const Transition& refusal) {
  EXPECT_TRUE(refusal.effects.empty());
  EXPECT_TRUE(refusal.facts.empty());
  EXPECT_EQ(refusal.work.kind, WorkKind::kNone);
  EXPECT_EQ(refusal.caller_core, partition::CallerCore::kResumes);
  EXPECT_FALSE(refusal.overflow);
  const std::string before = scene.world.picture();
  hypercall::commit(scene.world.state(), refusal);
  EXPECT_EQ(scene.world.picture(), before);
}

class ConformanceOf : public testing::TestWithParam<CallRow> {};

TEST_P(ConformanceOf, HasAStimulusForEverythingItSays) {
  const CallRow& row = GetParam();
  const RowStimuli* known = stimuli_of(row.number);
  ASSERT_NE(known, nullptr) << "no scene in stimuli.hpp";
  EXPECT_EQ(all_success_checks().count(row.number), 1U) << "no check in success_checks.hpp";
  std::vector<std::string_view> in_table, in_tests;
  for (const Failure& failure : row.failures) {
    if (failure.noticed == Noticed::kPlan) in_table.push_back(failure.tag);
  }
  for (const Stimulus& stimulus : known->failures) in_tests.push_back(stimulus.tag);
  EXPECT_THAT(in_tests, testing::UnorderedElementsAreArray(in_table));
}

TEST_P(ConformanceOf, AnswersEachFailureAndChangesNothing) {
  const CallRow& row = GetParam();
  for (const Condition& condition : conditions_of(row)) {
    SCOPED_TRACE(std::string{row.name} + ": " + std::string{condition.stimulus.tag});
    Scene scene = stimuli_of(row.number)->success();
    condition.stimulus.apply(scene);
    const Transition refusal = scene.world.plan(scene.core, scene.call);
    EXPECT_EQ(refusal.reply.status, register_of(condition.status));
    for (const std::uint64_t value : refusal.reply.values) EXPECT_EQ(value, 0U) << "a refusal tells nothing else";
    expect_nothing_changes(scene, refusal);
  }
}

TEST_P(ConformanceOf, AnswersTheFirstOfTwoFailures) {
  const CallRow& row = GetParam();
  const std::vector<Condition> conditions = conditions_of(row);
  for (std::size_t first = 0; first < conditions.size(); ++first) {
    for (std::size_t second = first + 1; second < conditions.size(); ++second) {
      const Stimulus& earlier = conditions[first].stimulus;
      const Stimulus& later = conditions[second].stimulus;
      if ((earlier.aspects & later.aspects) != 0) continue;  // they exclude each other
      SCOPED_TRACE(std::string{row.name} + ": " + std::string{earlier.tag} + " before " + std::string{later.tag});
      Scene scene = stimuli_of(row.number)->success();
      later.apply(scene);
      earlier.apply(scene);
      const Transition refusal = scene.world.plan(scene.core, scene.call);
      EXPECT_EQ(refusal.reply.status, register_of(conditions[first].status));
      expect_nothing_changes(scene, refusal);
    }
  }
}

TEST_P(ConformanceOf, ChangesWhatItPromises) { all_success_checks().at(GetParam().number)(); }

// What a machine can refuse, stands in the row; all of it comes before the first step that can't be undone.
TEST_P(ConformanceOf, NamesWhatTheMachineMayRefuse) {
  const CallRow& row = GetParam();
  Scene scene = stimuli_of(row.number)->success();
  const Transition accepted = scene.world.plan(scene.core, scene.call);
  const auto status = static_cast<std::int64_t>(accepted.reply.status);
  EXPECT_TRUE(status >= 0 || accepted.reply.status == status_of(Error::kInProgress)) << status;
  bool tables = false, timeout = false, irreversible = false;
  for (const base::Effect& effect : accepted.effects) {
    EXPECT_FALSE(irreversible && base::is_reversible(effect.kind)) << "can fail after what can't be undone";
    irreversible = irreversible || !base::is_reversible(effect.kind);
    switch (effect.kind) {
      case EffectKind::kUnmapStage2:
      case EffectKind::kMapStage2:
      case EffectKind::kCreateStage2:
        tables = true;
        break;
      case EffectKind::kInvalidateStage2:
      case EffectKind::kInvalidateSmmu:
      case EffectKind::kDetachStream:
      case EffectKind::kAttachStream:
        timeout = true;
        break;
      case EffectKind::kDestroyStage2:
      case EffectKind::kCleanFrames:
      case EffectKind::kScrubFrames:
      case EffectKind::kRouteInterrupt:
      case EffectKind::kDisableInterrupt:
      case EffectKind::kStartCore:
      case EffectKind::kStopCores:
      case EffectKind::kInjectInterrupt:
        break;
    }
  }
  const auto says = [&](Error error) {
    return std::any_of(row.failures.begin(), row.failures.end(), [&](const Failure& failure) {
      return failure.noticed == Noticed::kMachine && register_of(failure.status) == status_of(error);
    });
  };
  EXPECT_EQ(says(Error::kNoTables), tables);
  EXPECT_EQ(says(Error::kDeviceTimeout), timeout);
}

// Registers that are no arguments of the call don't count.
TEST_P(ConformanceOf, IgnoresRegistersThatAreNoArguments) {
  const CallRow& row = GetParam();
  if (row.number == static_cast<std::uint32_t>(Function::kConsoleWrite)) return;  // all of them are text
  const Scene plain = stimuli_of(row.number)->success();
  const Transition expected = plain.world.plan(plain.core, plain.call);
  for (std::size_t i = row.arguments.size(); i < plain.call.arguments.size(); ++i) {
    Call noisy = plain.call;
    noisy.arguments[i] = ~std::uint64_t{0};
    const Transition got = plain.world.plan(plain.core, noisy);
    EXPECT_EQ(got.reply.status, expected.reply.status);
    for (std::size_t value = 0; value < 3; ++value) EXPECT_EQ(got.reply.values[value], expected.reply.values[value]);
    EXPECT_EQ(got.effects.size(), expected.effects.size());
    EXPECT_EQ(got.facts.size(), expected.facts.size());
  }
}

std::vector<std::uint64_t> extremes() {
  std::vector<std::uint64_t> all{0, 1, 2, 3, 0xFFFF, 0x1'0000, 0xFFFF'FFFF, 0x1'0000'0000};
  for (const std::uint64_t at :
       {std::uint64_t{4096}, kRam, kMemoryA + kSizeA, kMemoryB, kFree,
        kRam + board::kFrameTableFrames * base::kFrameSize, kIpa, kIpa + kSizeB, board::kBoard.channel_ipa_base,
        board::kBoard.monitor.base, std::uint64_t{1} << 30, std::uint64_t{1} << 31, std::uint64_t{1} << 47,
        std::uint64_t{1} << 48, std::uint64_t{1} << 63, ~std::uint64_t{4095}}) {
    for (const std::int64_t step : {-4096, -1, 0, 1, 4096}) all.push_back(at + static_cast<std::uint64_t>(step));
  }
  for (unsigned bit = 0; bit < 64; ++bit) all.push_back(std::uint64_t{1} << bit);
  all.push_back(~std::uint64_t{0});
  return all;
}

void expect_refused_or_sound(Scene& scene, const Call& call) {
  const Transition transition = scene.world.plan(scene.core, call);
  const auto status = static_cast<std::int64_t>(transition.reply.status);
  const bool accepted = status >= 0 || transition.reply.status == status_of(Error::kInProgress);
  if (!accepted) {
    EXPECT_TRUE(transition.effects.empty() && transition.facts.empty() && transition.work.kind == WorkKind::kNone);
    EXPECT_EQ(transition.caller_core, partition::CallerCore::kResumes);
    return;
  }
  World after{scene.world};
  after.commit(transition);  // every invariant holds
}

TEST_P(ConformanceOf, TakesEveryRegisterAtItsExtremes) {
  const CallRow& row = GetParam();
  Scene scene = stimuli_of(row.number)->success();
  const std::string before = scene.world.picture();
  for (std::size_t i = 0; i < 6; ++i) {
    for (const std::uint64_t value : extremes()) {
      SCOPED_TRACE(std::string{row.name} + " x" + std::to_string(i + 1) + " = " + std::to_string(value));
      Call call = scene.call;
      call.arguments[i] = value;
      expect_refused_or_sound(scene, call);
      if (HasFailure()) return;
    }
  }
  EXPECT_EQ(scene.world.picture(), before) << "planning changed the state";
}

TEST_P(ConformanceOf, TakesPairsOfExtremes) {
  const CallRow& row = GetParam();
  Scene scene = stimuli_of(row.number)->success();
  const std::vector<std::uint64_t> values = extremes();
  std::mt19937_64 random{row.number};  // the seed is the number of the call
  for (int round = 0; round < 400; ++round) {
    Call call = scene.call;
    for (std::uint64_t& argument : call.arguments) {
      if (random() % 2 == 0) argument = values[random() % values.size()];
    }
    expect_refused_or_sound(scene, call);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryCall, ConformanceOf, testing::ValuesIn(kCallTable), [](const auto& test) {
  std::string name;
  for (const char letter : test.param.name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_') name += letter;
  }
  return name;
});

TEST(CallTable, TheTestsHaveNoRowsThatTheTableLacks) {
  for (const RowStimuli& row : all_stimuli()) {
    EXPECT_TRUE(std::any_of(std::begin(kCallTable), std::end(kCallTable),
                            [&](const CallRow& known) { return known.number == row.number; }))
        << std::hex << row.number;
  }
  EXPECT_EQ(all_stimuli().size(), std::size(kCallTable));
  EXPECT_EQ(all_success_checks().size(), std::size(kCallTable));
}

TEST(CallTable, EveryOtherNumberIsNotSupported) {
  Scene scene{World::with_two_enclaves(), kParentCore, {}};
  const std::string before = scene.world.picture();
  std::mt19937_64 random{20};
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < 0x200; ++i) {
    for (const std::uint32_t base : {cofferdam_abi::kFunctionBase, 0x8000'0000U, 0x8400'0000U, 0xC400'0000U, 0U}) {
      numbers.push_back(base + i);
    }
  }
  for (int i = 0; i < 20'000; ++i) numbers.push_back(static_cast<std::uint32_t>(random()));
  std::size_t undefined = 0;
  for (const std::uint32_t number : numbers) {
    if (stimuli_of(number) != nullptr) continue;
    ++undefined;
    for (const CoreId core : {kParentCore, kCoreOfB}) {
      const Transition answer = scene.world.plan(core, {number, {random(), random(), 0, 1, 2, 3}});
      ASSERT_EQ(answer.reply.status, status_of(Error::kNotSupported)) << std::hex << number;
      ASSERT_TRUE(answer.effects.empty() && answer.facts.empty() && answer.work.kind == WorkKind::kNone);
      ASSERT_EQ(answer.caller_core, partition::CallerCore::kResumes);
      hypercall::commit(scene.world.state(), answer);
    }
  }
  EXPECT_GT(undefined, 20'000U);
  EXPECT_EQ(scene.world.picture(), before);
}

// ---- Failures that are found later ------------------------------------------------------------------------
[[nodiscard]] bool table_says(Function function, std::string_view tag, Error error) {
  for (const CallRow& row : kCallTable) {
    if (row.number != static_cast<std::uint32_t>(function)) continue;
    for (const Failure& failure : row.failures) {
      if (failure.noticed == Noticed::kWork && failure.tag == tag)
        return register_of(failure.status) == status_of(error);
    }
  }
  return false;
}
[[nodiscard]] std::size_t later_failures() {
  std::size_t count = 0;
  for (const CallRow& row : kCallTable) {
    for (const Failure& failure : row.failures) count += failure.noticed == Noticed::kWork ? 1 : 0;
  }
  return count;
}

TEST(LaterFailures, AreAllTestedBelow) { EXPECT_EQ(later_failures(), 5U + 1U + 1U + 2U); }

TEST(LaterFailures, AnImageRefusedBeforeTheFirstMoveLeavesTheEnclaveAsItWas) {
  const std::pair<std::string_view, Error> cases[] = {{"image", Error::kBadImage},
                                                      {"placement", Error::kNoMemory},
                                                      {"signature", Error::kBadSignature},
                                                      {"certificate", Error::kOutOfRange}};
  for (const auto& [tag, error] : cases) {
    EXPECT_TRUE(table_says(Function::kSlotStart, tag, error)) << tag;
    World world = World::with_two_enclaves();
    const Call start = World::make(Function::kSlotStart, world.uid_a, 0U, 16U, 0U);
    world.perform(kParentCore, start);
    const Transition refused = world.load_step(kSlotA, LoadOutcome::kRefusedUntouched, error, 11);
    EXPECT_EQ(refused.reply.status, status_of(error));
    EXPECT_EQ(refused.reply.values[0], 11U);
    EXPECT_TRUE(refused.effects.empty());
    EXPECT_EQ(world.call(Function::kSlotInfo, world.uid_a).values[0], 0U) << "waits for its start";
    EXPECT_EQ(world.call(Function::kSlotInfo, world.uid_a).values[2], kSizeA);
    EXPECT_EQ(world.perform(kParentCore, start).work.kind, WorkKind::kLoad) << "the call can be made again";
  }
}

TEST(LaterFailures, AnImageRefusedAfterItStopsTheEnclave) {
  World world = World::with_two_enclaves();
  world.perform(kParentCore, World::make(Function::kSlotStart, world.uid_a, 0U, 16U, 0U));
  const Transition refused = world.load_step(kSlotA, LoadOutcome::kRefusedTouched, Error::kBadImage, 29);
  EXPECT_EQ(refused.reply.status, status_of(Error::kBadImage));
  EXPECT_EQ(world.call(Function::kSlotInfo, world.uid_a).values[0], success::stopped_with(5));
  EXPECT_EQ(world.repeat(World::make(Function::kSlotFree, world.uid_a), kSlotA).status, 0U);
}

TEST(LaterFailures, AStepThatEndsAfterTheMachineBeganToEndStartsNothing) {
  EXPECT_TRUE(table_says(Function::kSlotStart, "ended", Error::kWrongState));
  World world = World::with_two_enclaves();
  world.perform(kParentCore, World::make(Function::kSlotStart, world.uid_a, 0U, 16U, 0U));
  world.commit(hypercall::plan_terminate(world.state(), kSlotA));
  const Transition late = world.load_step(kSlotA, LoadOutcome::kReady);
  EXPECT_EQ(late.reply.status, status_of(Error::kWrongState));
  EXPECT_TRUE(late.effects.empty());
  EXPECT_EQ(world.call(Function::kSlotInfo, world.uid_a).values[0], success::stopped_with(2));
  EXPECT_FALSE(world.a().busy);
}

TEST(LaterFailures, MemoryThatCouldNotBeGivenBackIsNotLost) {
  EXPECT_TRUE(table_says(Function::kSlotFree, "give back", Error::kNoTables));
  World world = World::with_two_enclaves();
  const Call free = World::make(Function::kSlotFree, world.uid_a);
  Transition step;
  do {
    step = world.perform(kParentCore, free);
  } while (step.work.kind != WorkKind::kScrub);
  // The piece is scrubbed, then no table frame is free to map it for the parent: the monitor only clears `busy`.
  world.commit_fact({.kind = FactKind::kSlotBusy, .slot = kSlotA});
  const Transition again = world.perform(kParentCore, free);
  EXPECT_EQ(again.work.kind, WorkKind::kScrub);
  EXPECT_EQ(again.work.frames, step.work.frames);
  world.commit(hypercall::plan_scrubbed(world.state(), kSlotA));
  EXPECT_EQ(world.repeat(free, kSlotA).status, 0U);
  EXPECT_EQ(world.call(Function::kMemoryDonate, world.uid_b, kMemoryA, kSizeA).status, status_of(Error::kWrongState));
  const std::uint64_t uid = world.call(Function::kSlotAllocate).values[0];
  EXPECT_EQ(world.call(Function::kMemoryDonate, uid, kMemoryA, kSizeA).status, 0U);
}

TEST(LaterFailures, WithoutEntropyThereAreNoRandomBits) {
  for (const std::uint32_t number : {cofferdam_abi::kTrngRnd32, cofferdam_abi::kTrngRnd}) {
    EXPECT_TRUE(table_says(static_cast<Function>(number), "entropy", Error::kInvalidArgument)) << "the specification's -3, by number";
  }
  const partition::Reply reply = hypercall::no_entropy_reply();
  EXPECT_EQ(reply.status, register_of(-3));
  for (const std::uint64_t value : reply.values) EXPECT_EQ(value, 0U);
}

TEST(Registers, OfAServiceOfArmsOnlyX0IsAnAnswer) {
  for (const CallRow& row : kCallTable) {
    const bool own = row.number >= cofferdam_abi::kFunctionBase;
    EXPECT_EQ(hypercall::answers_in_x0_alone(row.number), !own && row.results.empty()) << row.name;
  }
  for (const std::uint32_t nobodys : {0U, 0x8000'0002U, 0x8400'0005U, 0x8500'FF01U, 0xC200'0000U}) {
    EXPECT_TRUE(hypercall::answers_in_x0_alone(nobodys));
  }
  EXPECT_FALSE(hypercall::answers_in_x0_alone(0x8600'FF01)) << "the owner that the monitor is: results are 0";
}

TEST(LaterFailures, TheNsmNeedsRoomForAnError) {
  EXPECT_TRUE(table_says(Function::kNsmRequest, "response", Error::kBufferTooSmall));
  crypto::Drbg never_seeded{};
  const attestation::LeafIdentity no_leaf{};
  measure::PcrBank bank{};
  std::array<std::uint8_t, 24> response{};  // {"Error": "InvalidOperation"}
  const std::array<std::uint8_t, 1> request{0x60};
  const attestation::NsmEnvironment environment{
      .module_id = "i", .random = never_seeded, .leaf = no_leaf, .ca_bundle = {}};
  EXPECT_TRUE(attestation::answer_nsm_request(request, bank, environment, response).ok());
  const auto refused = attestation::answer_nsm_request(request, bank, environment,
                                                       base::MutableBytes{response}.first(response.size() - 1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error(), Error::kBufferTooSmall);
}

}  // namespace
