// Calls per second of the core: plan and commit, as the monitor does for each call, without the machine.
#include <benchmark/benchmark.h>

#include <memory>

#include "board_tables.hpp"
#include "firmware/hypercall/plan.hpp"

namespace {

using hypercall::Call;
using hypercall::Function;

struct Core {
  Core() {
    hypercall::initialise(state, *storage);
    caller = std::make_unique<hypercall::Caller>(hypercall::Caller::on(state.cores, base::CoreId{0}));
  }
  std::uint64_t call(Function function, std::array<std::uint64_t, 6> arguments) {
    const auto transition = hypercall::plan(state, *caller, Call{static_cast<std::uint32_t>(function), arguments}, {});
    hypercall::commit(state, transition);
    if (transition.reply.status != 0) failed = true;
    return transition.reply.values[0];
  }
  std::unique_ptr<hypercall::FrameStorage> storage = std::make_unique<hypercall::FrameStorage>();
  hypercall::SystemState state{};
  std::unique_ptr<hypercall::Caller> caller;
  bool failed{false};
};

void info(benchmark::State& run) {
  auto core = std::make_unique<Core>();
  for (auto _ : run) benchmark::DoNotOptimize(core->call(Function::kPartitionInfo, {}));
  if (core->failed) run.SkipWithError("refused");
}
BENCHMARK(info)->Name("call/partition_info");

void refused(benchmark::State& run) {
  auto core = std::make_unique<Core>();
  for (auto _ : run) {
    benchmark::DoNotOptimize(hypercall::plan(core->state, *core->caller, Call{0xC600'FFFF, {}}, {}));
  }
}
BENCHMARK(refused)->Name("call/unknown_is_refused");

// Each round: an enclave slot, four donations of the size, and all of it freed again.
void donate(benchmark::State& run) {
  auto core = std::make_unique<Core>();
  const auto size = static_cast<std::uint64_t>(run.range(0));
  const std::uint64_t start = board::kBoard.memory[0].base + board::kBoard.memory[0].size / 2;
  constexpr int kDonations = 4;
  bool failed = false;
  for (auto _ : run) {
    run.PauseTiming();
    core = std::make_unique<Core>();
    const std::uint64_t uid = core->call(Function::kSlotAllocate, {});
    failed = failed || core->failed;
    run.ResumeTiming();
    for (std::uint64_t i = 0; i < kDonations; ++i) core->call(Function::kMemoryDonate, {uid, start + i * size, size});
  }
  if (failed || core->failed) run.SkipWithError("a call was refused");
  run.SetItemsProcessed(run.iterations() * kDonations);
}
BENCHMARK(donate)->Name("call/memory_donate")->Arg(4096)->Arg(1 << 21);

}  // namespace
