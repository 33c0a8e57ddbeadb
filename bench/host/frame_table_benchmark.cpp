// The table of frames from 1 GiB to 1 TiB of memory: one frame, one block and half a GiB change hands and are checked.
// What must not happen: that the time for the same range grows with the size of the machine.
#include <benchmark/benchmark.h>

#include <vector>

#include "firmware/partition/frame_table.hpp"

namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

struct Machine {
  explicit Machine(std::uint64_t bytes)
      : blocks(bytes / base::kBlockSize),
        frames(bytes / base::kFrameSize),
        table(base::FrameNumber{0}, blocks, frames) {
    table.set(base::FrameRange::trusted(base::FrameNumber{0}, base::FrameCount{frames.size()}),
              partition::owned_by(base::kParent));
  }
  std::vector<partition::BlockEntry> blocks;
  std::vector<partition::PackedEntry> frames;
  partition::FrameTable table;
};

void change_hands(benchmark::State& state, std::uint64_t bytes) {
  const std::uint64_t memory = static_cast<std::uint64_t>(state.range(0)) * kGiB;
  Machine machine{memory};
  const base::FrameRange range = base::FrameRange::trusted(base::FrameNumber{memory / base::kFrameSize / 2},
                                                           base::FrameCount{bytes / base::kFrameSize});
  const partition::FrameEntry parents = partition::owned_by(base::kParent);
  const partition::FrameEntry enclaves = partition::owned_by(base::partition_of(base::SlotIndex{0}));
  for (auto _ : state) {
    if (!machine.table.all(range, parents)) state.SkipWithError("not the parent's");
    machine.table.set(range, enclaves);
    if (!machine.table.all(range, enclaves)) state.SkipWithError("not the enclave's");
    machine.table.set(range, parents);
  }
  const auto table_bytes = machine.blocks.size() * sizeof(partition::BlockEntry) +
                           machine.frames.size() * sizeof(partition::PackedEntry);
  state.counters["table_bytes_per_GiB"] = static_cast<double>(table_bytes) / static_cast<double>(state.range(0));
}
BENCHMARK_CAPTURE(change_hands, frame, base::kFrameSize)->RangeMultiplier(4)->Range(1, 1024);
BENCHMARK_CAPTURE(change_hands, block, base::kBlockSize)->RangeMultiplier(4)->Range(1, 1024);
BENCHMARK_CAPTURE(change_hands, half_gibibyte, kGiB / 2)->RangeMultiplier(4)->Range(1, 1024);

}  // namespace
