// What any partition may ask of itself, and what an honest machine shows the parent: kConsoleWrite, kPartitionInfo,
// kEventLogRead, kLedgerRead, kPlatformPcrRead, kFaultCounters, kStatusRead. All of it is read-only data, nothing of it secret.
#include "firmware/board/budget.hpp"
#include "firmware/hypercall/plan.hpp"
#include "firmware/hypercall/status.hpp"

namespace hypercall {

using base::Error;
using base::FrameRange;
using partition::WorkKind;

namespace {

constexpr std::uint64_t kNoRecord = ~std::uint64_t{0};  // older than what is kept
constexpr std::uint64_t kMaxConsoleBytes = 40;  // five registers

[[nodiscard]] Transition console_write(const SystemState& state, const Caller& caller, const Call& call) {
  // What a production enclave says goes nowhere (invariant no-way-in, and its converse: nothing leaks out).
  if (!caller.is_parent() && state.slots[caller.slot().value].mode != enclave::Mode::kDebug) {
    return refuse(Error::kNotSupported);
  }
  if (call.arguments[0] == 0 || call.arguments[0] > kMaxConsoleBytes) return refuse(Error::kInvalidArgument);
  Transition transition;
  transition.work.kind = WorkKind::kConsole;
  return transition;
}

[[nodiscard]] Transition partition_info(const SystemState& state, const Caller& caller) {
  Transition transition;
  transition.reply.values[0] = caller.is_parent() ? 1 : 2;
  transition.reply.values[1] =
      static_cast<unsigned>(__builtin_popcountll(state.cores.owned_by(caller.partition())));
  if (caller.is_parent()) {
    std::uint64_t bytes = board::present_bytes(board::kBoard, state.memory_end);
    for (const enclave::Slot& slot : state.slots) bytes -= slot.memory_bytes + slot.scrubbing.bytes();
    transition.reply.values[2] = bytes;
  } else {
    transition.reply.values[2] = state.slots[caller.slot().value].memory_bytes;
  }
  return transition;
}

// A buffer of the parent's: every frame that it touches is the parent's own, shared with an enclave or not.
[[nodiscard]] base::Status check_buffer(const SystemState& state, std::uint64_t address, std::uint64_t size) {
  if (address + size < address) return Error::kOutOfRange;
  for (std::uint64_t frame = address >> base::kFrameShift; frame <= (address + size - 1) >> base::kFrameShift; ++frame) {
    const partition::FrameEntry entry = state.frames.at(base::FrameNumber{frame});
    const bool reachable = entry.owner == base::kParent && (entry.state == partition::FrameState::kOwned ||
                                                            entry.state == partition::FrameState::kShared);
    if (!reachable) return Error::kNotOwned;
  }
  return {};
}

// One record of `size` bytes to the buffer; x1 = its size, x2 = how many records there are in all.
[[nodiscard]] Transition read_record(const SystemState& state, const Call& call, std::uint64_t first,
                                     std::uint64_t count, std::uint64_t size) {
  const auto [index, address, capacity] = std::array{call.arguments[0], call.arguments[1], call.arguments[2]};
  if (index >= count || index < first) return refuse(Error::kOutOfRange);
  if (capacity < size) return refuse(Error::kBufferTooSmall);
  if (const base::Status buffer = check_buffer(state, address, size); !buffer) return refuse(buffer.error());
  Transition transition;
  transition.work.kind = WorkKind::kCopyOut;
  transition.reply.values[0] = size;
  transition.reply.values[1] = count;
  return transition;
}

// One entry of a section, cut to the buffer: a monitor that says more still answers who knows less.
[[nodiscard]] Transition read_status(const SystemState& state, const Call& call) {
  const auto [section, index, address, capacity, unused, unused_too] = call.arguments;
  const base::Result<std::uint64_t> size = status_size(section);
  if (!size) return refuse(size.error());
  const std::uint64_t entries = status_entries(state, section);
  if (index >= entries) return refuse(Error::kOutOfRange);
  if (capacity < cofferdam_abi::kStatusCapacityMin) return refuse(Error::kBufferTooSmall);
  const std::uint64_t written = capacity < *size ? capacity : *size;
  if (const base::Status buffer = check_buffer(state, address, written); !buffer) return refuse(buffer.error());
  Transition transition;
  transition.work.kind = WorkKind::kCopyOut;
  transition.reply.values[0] = written;
  transition.reply.values[1] = entries;
  return transition;
}

[[nodiscard]] Transition fault_counter(const SystemState& state, const Call& call) {
  Transition transition;
  switch (static_cast<cofferdam_abi::FaultCounter>(call.arguments[0])) {
    case cofferdam_abi::FaultCounter::kStage2: transition.reply.values[0] = state.counters.stage2_faults; break;
    case cofferdam_abi::FaultCounter::kDma: transition.reply.values[0] = state.counters.dma_faults; break;
    case cofferdam_abi::FaultCounter::kUndefined: transition.reply.values[0] = state.counters.undefined; break;
    case cofferdam_abi::FaultCounter::kRefusedCalls: transition.reply.values[0] = state.counters.refused_calls; break;
    default: return refuse(Error::kInvalidArgument);
  }
  return transition;
}

}  // namespace

Transition plan_platform_call(const SystemState& state, const Caller& caller, const Call& call) {
  const auto function = static_cast<Function>(call.function);
  if (function == Function::kConsoleWrite) return console_write(state, caller, call);
  if (function == Function::kPartitionInfo) return partition_info(state, caller);
  if (!caller.is_parent()) return refuse(Error::kNotSupported);
  switch (function) {
    case Function::kEventLogRead:
      return read_record(state, call, 0, state.platform.events().size(), sizeof(measure::Event));
    case Function::kLedgerRead:
      return read_record(state, call, state.ledger.read(call.arguments[0]) ? call.arguments[0] : kNoRecord,
                         state.ledger.size(), sizeof(measure::LedgerRecord));
    case Function::kPlatformPcrRead:
      return read_record(state, call, 0, measure::kPlatformPcrCount, sizeof(measure::Digest));
    case Function::kFaultCounters: return fault_counter(state, call);
    case Function::kStatusRead: return read_status(state, call);
    default: return refuse(Error::kNotSupported);
  }
}

}  // namespace hypercall
