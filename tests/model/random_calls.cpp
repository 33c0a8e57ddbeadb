#include "tests/model/random_calls.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <stdexcept>

namespace model {
namespace {

constexpr std::uint64_t kImageFrames = 64;  // image, device tree and room to move: 256 KiB
constexpr base::CoreId kBoot{0};

std::uint64_t number_of(Function function) { return static_cast<std::uint32_t>(function); }

// What the child tells its parent, even when it dies.
struct Shared {
  static constexpr std::size_t kText = 4096;
  std::uint64_t count;
  std::uint64_t accepted, refused, enclaves_run, checks;
  bool finished;
  bool failed;
  char problem[kText];
  Op ops[1];
};

class SharedReport {
 public:
  explicit SharedReport(std::size_t most) : size_(sizeof(Shared) + most * sizeof(Op)) {
    void* mapping = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    shared_ = static_cast<Shared*>(mapping);
  }
  ~SharedReport() { munmap(shared_, size_); }
  SharedReport(const SharedReport&) = delete;
  SharedReport& operator=(const SharedReport&) = delete;
  Shared* operator->() { return shared_; }

 private:
  std::size_t size_;
  Shared* shared_;
};

// `next` gives the operations; a child runs them in lockstep.
RunReport run_in_child(const RunConfig& config, std::size_t most,
                       const std::function<std::optional<Op>(const Spec&, std::size_t)>& next) {
  SharedReport shared(most);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    const auto fail = [&](const std::string& text) {
      shared->failed = true;
      std::strncpy(shared->problem, text.c_str(), Shared::kText - 1);
    };
    try {
      host::MachineConfig machine;
      machine.seed = config.seed;
      machine.sabotage = config.sabotage;
      Lockstep lockstep(machine, config.watchers);
      if (const auto problem = lockstep.compare()) fail("after boot: " + *problem);
      while (!shared->failed && shared->count < most && !lockstep.spec().off()) {
        const auto op = next(lockstep.spec(), shared->count);
        if (!op) break;
        shared->ops[shared->count++] = *op;
        const auto problem = lockstep.run(*op);
        if (problem) fail(*problem);
        if (op->kind == OpKind::kCall) {
          const bool good = lockstep.last_answer().x[0] == 0;
          ++(good ? shared->accepted : shared->refused);
          if (good && op->function == number_of(Function::kSlotStart)) ++shared->enclaves_run;
        }
        shared->checks = lockstep.checks_between_effects();
      }
    } catch (const std::exception& error) {
      fail(error.what());
    }
    shared->finished = true;
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  RunReport report;
  report.ops.assign(shared->ops, shared->ops + shared->count);
  report.accepted = shared->accepted;
  report.refused = shared->refused;
  report.enclaves_run = shared->enclaves_run;
  report.checks = shared->checks;
  if (shared->failed) report.problem = shared->problem;
  if (!shared->finished) report.problem = "the monitor crashed (wait status " + std::to_string(status) + ")";
  return report;
}

}  // namespace

std::uint64_t Generator::extreme() {
  constexpr std::array<std::uint64_t, 14> kValues = {
      0, 1, 2, 0xFFF, 0x1000, 0x1001, 0x7FFF'FFFF'FFFF'FFFF, 0x8000'0000'0000'0000, 0xFFFF'FFFF'FFFF'FFFF,
      0xFFFF'FFFF'FFFF'F000, 0xFFFF'0000'0000, 0x1'0000'0000'0000, 0x8000'0000, 0x7000'0000};
  switch (below(4)) {
    case 0: return random_();
    case 1: return board::kBoard.monitor.base + below(board::kBoard.monitor.size) / kFrame * kFrame;
    case 2: return board::kBoard.memory[below(board::kBoard.memory.size())].base + below(4096) * kFrame;
    default: return kValues[below(kValues.size())];
  }
}

Range Generator::parents_range(const Spec& spec) {
  std::vector<Range> runs;
  for (const ReachRun& run : spec.reach(base::kParent)) {
    if (run.access == base::Access::kReadWriteExecute) runs.push_back(run.frames);
  }
  if (runs.empty()) return {};
  const Range run = runs[below(runs.size())];
  constexpr std::array<std::uint64_t, 9> kSizes = {1, 1, 2, 3, 8, 64, 128, 256, 512};
  const std::uint64_t count = std::min(run.count, kSizes[below(kSizes.size())]);
  std::uint64_t first = run.first + below(run.count - count + 1);
  if (one_in(3)) first = run.first;
  if (one_in(3)) first = run.end() - count;
  return {first, count};
}

Op Generator::call(base::CoreId core, Function function, std::array<std::uint64_t, 6> arguments, int slot) {
  return {.kind = OpKind::kCall, .core = core, .function = number_of(function), .arguments = arguments,
          .uid_of_slot = slot};
}

Op Generator::touch(const Spec& spec, base::CoreId core) {
  std::uint64_t address = extreme();
  const base::PartitionId owner = spec.cores()[core.value].owner;
  if (!one_in(5)) {
    const auto runs = spec.reach(owner);
    if (!runs.empty()) {
      const ReachRun& run = runs[below(runs.size())];
      address = run.ipa + below(run.frames.count) * kFrame + below(512) * 8;
    }
  }
  return {.kind = one_in(2) ? OpKind::kRead : OpKind::kWrite, .core = core,
          .arguments = {address, random_() | 1}};
}

// Image, memory, core, start: what it takes to see an enclave run.
void Generator::plan_enclave(const Spec& spec, unsigned number) {
  if (!planned_.empty()) return;
  for (const ReachRun& run : spec.reach(base::kParent)) {
    if (run.access != base::Access::kReadWriteExecute || run.frames.count < kImageFrames) continue;
    const std::uint64_t address = (run.frames.first + below(run.frames.count - kImageFrames + 1)) * kFrame;
    const int slot = static_cast<int>(number);
    planned_.push_back({.kind = OpKind::kImage, .core = kBoot, .arguments = {address}});
    planned_.push_back(call(kBoot, Function::kMemoryDonate, {0, address, kImageFrames * kFrame}, slot));
    for (std::size_t i = 1; i < spec.cores().size(); ++i) {
      if (spec.cores()[i].owner != base::kParent || spec.cores()[i].on) continue;
      planned_.push_back(call(kBoot, Function::kCoreDonate, {0, board::kBoard.cores[i].mpidr}, slot));
      if (one_in(2)) break;
    }
    const std::uint64_t offset = Spec::memory_frames(spec.slots().at(number)) * kFrame;
    for (int i = 0; i < 12; ++i) {
      planned_.push_back(call(kBoot, Function::kSlotStart, {0, below(2), 16 + number, offset}, slot));
    }
    return;
  }
}

Op Generator::about_slot(const Spec& spec, unsigned number) {
  const SpecSlot& slot = spec.slots().at(number);
  const int mark = static_cast<int>(number);
  const auto mpidr = [&] { return board::kBoard.cores[below(board::kBoard.cores.size())].mpidr; };
  const auto device = [&] {
    return board::kBoard.devices.empty() ? 0 : board::kBoard.devices[below(board::kBoard.devices.size())].stream.value;
  };
  if (slot.life == Life::kLoading && !one_in(6)) return call(kBoot, Function::kSlotStart, {0}, mark);
  if ((slot.life == Life::kFreeing || slot.life == Life::kStopped) && !one_in(3)) {
    return call(kBoot, Function::kSlotFree, {0}, mark);
  }
  switch (below(16)) {
    case 0:
    case 1:
    case 2: {
      const Range range = parents_range(spec);
      return call(kBoot, Function::kMemoryDonate, {0, range.first * kFrame, range.count * kFrame}, mark);
    }
    case 3:
    case 4: {
      if (slot.memory.empty()) return call(kBoot, Function::kMemoryReclaim, {0, extreme(), kFrame}, mark);
      const Range last = slot.memory.back();
      const std::uint64_t count = 1 + below(one_in(2) ? last.count : 4);
      return call(kBoot, Function::kMemoryReclaim, {0, (last.end() - count) * kFrame, count * kFrame}, mark);
    }
    case 5: return call(kBoot, Function::kCoreDonate, {0, mpidr()}, mark);
    case 6: return call(kBoot, Function::kCoreReclaim, {0, mpidr()}, mark);
    case 7: return call(kBoot, Function::kDeviceAssign, {0, device()}, mark);
    case 8:
      if (one_in(2)) return call(kBoot, Function::kDeviceAccept, {device()}, -1);
      return call(kBoot, Function::kDeviceRelease, {0, device()}, mark);
    case 9: {
      const Range range = parents_range(spec);
      return call(kBoot, Function::kChannelOpen, {0, range.first * kFrame, range.count * kFrame}, mark);
    }
    case 10: return call(kBoot, Function::kChannelClose, {0, below(board::kBoard.limits.channels_per_enclave + 1)}, mark);
    case 11: return call(kBoot, one_in(2) ? Function::kChannelNotify : Function::kChannelPending, {0, below(2)}, mark);
    case 12: return call(kBoot, Function::kSlotStop, {0}, mark);
    case 13: return call(kBoot, Function::kSlotFree, {0}, mark);
    case 14: return call(kBoot, Function::kSlotInfo, {0}, mark);
    default:
      plan_enclave(spec, number);
      return call(kBoot, Function::kSlotStart, {0, below(3), below(8), one_in(2) ? 0 : extreme()}, mark);
  }
}

Op Generator::from_enclave(base::CoreId core) {
  const auto psci = [&](std::uint64_t function, std::array<std::uint64_t, 6> x) {
    return Op{.kind = OpKind::kCall, .core = core, .function = function, .arguments = x};
  };
  const std::uint64_t ram = board::kBoard.enclave_ram_base;
  switch (below(12)) {
    case 0: return call(core, Function::kEnclaveExit, {below(300)}, -1);
    case 1: return psci(cofferdam_abi::kPsciCpuOff, {});
    case 2: return psci(cofferdam_abi::kPsciCpuOn, {below(3), ram, 0});
    case 3: return psci(one_in(2) ? cofferdam_abi::kPsciSystemOff : cofferdam_abi::kPsciSystemReset, {});
    case 4: return call(core, Function::kChannelInfo, {below(2)}, -1);
    case 5: return call(core, Function::kChannelNotify, {0, below(2)}, -1);
    case 6: return call(core, Function::kChannelPending, {}, -1);
    case 7: return call(core, Function::kNsmRequest, {ram + below(16) * kFrame, 1 + below(64), ram + kFrame, 0x3000}, -1);
    case 8: return call(core, Function::kPartitionInfo, {}, -1);
    case 9: return call(core, Function::kConsoleWrite, {below(42)}, -1);
    case 10: return call(core, Function::kDeviceAccept, {board::kBoard.devices[0].stream.value}, -1);
    default: return {.kind = OpKind::kUndefined, .core = core, .arguments = {0x6200'0000}};
  }
}

Op Generator::senseless(const Spec& spec) {
  Op op{.kind = OpKind::kCall, .core = base::CoreId{static_cast<std::uint8_t>(below(spec.cores().size()))}};
  do {
    op.function = cofferdam_abi::kFunctionBase + below(0x58);
    if (one_in(4)) op.function = 0x8400'0000 + below(32) + (one_in(2) ? 0x4000'0000 : 0);
    if (one_in(8)) op.function = 0x8400'0050 + below(5) + (one_in(2) ? 0x4000'0000 : 0);
    if (one_in(16)) op.function = one_in(2) ? 0x8000'0001 : 0x8000'0000 + below(0x1'0000);
    if (one_in(8)) op.function = random_();
    // Ending the machine ends the run: rarely.
  } while (((op.function & ~1ULL) == cofferdam_abi::kPsciSystemOff || op.function == cofferdam_abi::kPsciCpuOff ||
            (op.function | 0x4000'0000) == cofferdam_abi::kPsciSystemReset2) &&
           !one_in(200));
  for (std::uint64_t& argument : op.arguments) argument = extreme();
  if ((op.function | 0x4000'0000) == cofferdam_abi::kTrngRnd) op.arguments[0] = below(200);  // bits
  if (one_in(2) && !spec.slots().empty()) op.uid_of_slot = static_cast<int>(spec.slots().begin()->first);
  return op;
}

Op Generator::choose(const Spec& spec) {
  if (!planned_.empty() && !one_in(5)) {
    const Op op = planned_.front();
    planned_.pop_front();
    return op;
  }
  if (spec.slots().empty() || (spec.slots().size() < board::kBoard.limits.enclaves && one_in(12))) {
    return call(kBoot, Function::kSlotAllocate, {}, -1);
  }
  const auto slot = std::next(spec.slots().begin(), static_cast<std::ptrdiff_t>(below(spec.slots().size())));
  std::vector<base::CoreId> on;
  for (std::size_t i = 0; i < spec.cores().size(); ++i) {
    if (spec.cores()[i].on) on.push_back(base::CoreId{static_cast<std::uint8_t>(i)});
  }
  const base::CoreId core = on.empty() ? kBoot : on[below(on.size())];
  switch (below(20)) {
    case 0:
    case 1:
    case 2:
    case 3: return touch(spec, core);
    case 4:
    case 5:
      if (spec.cores()[core.value].owner != base::kParent) return from_enclave(core);
      return touch(spec, core);
    case 6: {
      const std::uint64_t stream =
          board::kBoard.devices.empty() ? 8 : board::kBoard.devices[below(board::kBoard.devices.size())].stream.value;
      const Op where = touch(spec, core);
      return {.kind = OpKind::kDma, .arguments = {one_in(10) ? below(32) : stream, where.arguments[0]}};
    }
    case 7: {  // the parent's cores come and go
      const std::uint64_t mpidr = board::kBoard.cores[below(board::kBoard.cores.size())].mpidr;
      if (core != kBoot && spec.cores()[core.value].owner == base::kParent && one_in(2)) {
        return {.kind = OpKind::kCall, .core = core, .function = cofferdam_abi::kPsciCpuOff};
      }
      return {.kind = OpKind::kCall, .core = kBoot, .function = cofferdam_abi::kPsciCpuOn,
              .arguments = {mpidr, board::kBoard.memory[0].base, 1}};
    }
    case 8:
    case 9: return senseless(spec);
    case 10:
      return call(kBoot, one_in(2) ? Function::kSlotCount : Function::kSlotNext, {one_in(2) ? 0 : slot->second.uid}, -1);
    default: return about_slot(spec, slot->first);
  }
}

Op Generator::next(const Spec& spec) {
  Op op = choose(spec);
  if (inject_faults_ && op.kind == OpKind::kCall && one_in(12)) op.fail_at = static_cast<std::int64_t>(below(8));
  return op;
}

RunReport run_random(const RunConfig& config) {
  Generator generator(config);
  return run_in_child(config, config.steps, [&](const Spec& spec, std::size_t) { return generator.next(spec); });
}

RunReport run_ops(const std::vector<Op>& ops, const RunConfig& config) {
  return run_in_child(config, ops.size(), [&](const Spec&, std::size_t i) -> std::optional<Op> {
    if (i == ops.size()) return std::nullopt;
    return ops[i];
  });
}

// What kind of problem it is: the words, without the numbers in front.
std::string kind_of(const std::string& problem) {
  const std::size_t colon = problem.rfind(": ");
  std::string words = colon == std::string::npos ? problem : problem.substr(colon + 2);
  std::erase_if(words, [](char letter) { return letter >= '0' && letter <= '9'; });
  return words;
}

std::vector<Op> shrink(std::vector<Op> ops, const RunConfig& config, unsigned tries) {
  const RunReport whole = run_ops(ops, config);
  const std::string kind = whole.problem ? kind_of(*whole.problem) : "";
  for (std::size_t piece = std::max<std::size_t>(ops.size() / 2, 1); piece > 0 && tries > 0;) {
    bool shorter = false;
    for (std::size_t at = 0; at < ops.size() && tries > 0;) {
      std::vector<Op> candidate(ops.begin(), ops.begin() + static_cast<std::ptrdiff_t>(at));
      const std::size_t end = std::min(at + piece, ops.size());
      candidate.insert(candidate.end(), ops.begin() + static_cast<std::ptrdiff_t>(end), ops.end());
      --tries;
      if (const RunReport report = run_ops(candidate, config); report.problem && kind_of(*report.problem) == kind) {
        ops = report.ops;
        shorter = true;
      } else {
        at += piece;
      }
    }
    if (piece == 1 && !shorter) break;
    piece = piece == 1 ? 1 : piece / 2;
  }
  return ops;
}

std::string explain(const RunReport& report, const RunConfig& config) {
  std::ostringstream out;
  out << "seed " << config.seed << ", operation " << report.ops.size() << ": " << *report.problem << "\n";
  const std::vector<Op> small = shrink(report.ops, config);
  const RunReport again = run_ops(small, config);
  out << "cut down to " << small.size() << " operations"
      << (again.problem ? " (" + *again.problem + ")" : std::string(" that fail only sometimes")) << ":\n";
  for (const Op& op : small) out << "  " << to_text(op) << "\n";
  return out.str();
}

}  // namespace model
