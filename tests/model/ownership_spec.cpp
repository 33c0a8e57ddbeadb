#include "tests/model/ownership_spec.hpp"

#include <algorithm>
#include <functional>
#include <sstream>

namespace model {

using base::Error;

namespace {

constexpr std::uint64_t kTop = std::uint64_t{1} << 48;
constexpr auto kSlots = board::kBoard.limits.enclaves;
constexpr auto kChannels = board::kBoard.limits.channels_per_enclave;
constexpr auto kRegions = board::kBoard.limits.regions_per_enclave;

base::PartitionId partition_of(unsigned slot) { return base::PartitionId{static_cast<std::uint8_t>(slot + 2)}; }

std::uint64_t minus(std::uint64_t number) { return ~number + 1; }
std::uint64_t code(Error error) { return minus(static_cast<std::uint64_t>(error)); }

// The range of a call, or why it is none.
struct Decoded {
  Range range;
  std::optional<Error> error;
};
Decoded decode(std::uint64_t address, std::uint64_t size) {
  if (size == 0) return {{}, Error::kInvalidArgument};
  if (address % kFrame != 0 || size % kFrame != 0) return {{}, Error::kUnaligned};
  if (address >= kTop || size > kTop || address + size > kTop) return {{}, Error::kOutOfRange};
  return {{address / kFrame, size / kFrame}, std::nullopt};
}

bool is_ram(std::uint64_t frame) {
  return std::any_of(board::kBoard.memory.begin(), board::kBoard.memory.end(), [&](const board::MemoryRegion& region) {
    return frame * kFrame >= region.base && frame * kFrame < region.base + region.size;
  });
}

bool inside(std::uint64_t frame, const Range& range) { return frame >= range.first && frame < range.end(); }

void join(std::vector<ReachRun>& runs, ReachRun next) {
  if (next.frames.empty()) return;
  if (!runs.empty()) {
    ReachRun& last = runs.back();
    if (last.access == next.access && last.ipa + last.frames.count * kFrame == next.ipa &&
        last.frames.end() == next.frames.first) {
      last.frames.count += next.frames.count;
      return;
    }
  }
  runs.push_back(next);
}

const board::Device* device_of(std::uint64_t stream) {
  for (const board::Device& device : board::kBoard.devices) {
    if (device.stream.value == stream) return &device;
  }
  return nullptr;
}

}  // namespace

// x0 must be `status` (and x1.. `values` where given); `effect` happens then.
struct Spec::Outcome {
  std::uint64_t status{};
  std::vector<std::uint64_t> values{};
  std::function<void()> effect{};
  bool leaves{};       // the caller's core does not come back
  bool loose_status{}; // any answer is right: the effect has looked at it

  static Outcome refusal(Error error) {
    Outcome outcome;
    outcome.status = code(error);
    return outcome;
  }
};

Spec::Spec() {
  for (std::size_t i = 0; i < board::kBoard.cores.size(); ++i) {
    cores_.push_back({.owner = base::kParent, .on = board::kBoard.cores[i].boot, .number = static_cast<unsigned>(i)});
  }
  for (const board::Device& device : board::kBoard.devices) {
    if (device.owner == board::Owner::kMonitor || !board::kBoard.protections.smmu) continue;
    streams_[device.stream] = base::kParent;
    accepted_.insert(device.stream);
  }
}

std::optional<unsigned> Spec::slot_of_uid(std::uint64_t uid) const {
  for (const auto& [number, slot] : slots_) {
    if (slot.uid == uid) return number;
  }
  return std::nullopt;
}

std::uint64_t Spec::memory_frames(const SpecSlot& slot) {
  std::uint64_t count = 0;
  for (const Range& range : slot.memory) count += range.count;
  return count;
}

FrameHolder Spec::holder(std::uint64_t frame) const {
  if (!is_ram(frame)) return {};
  for (const auto& [number, slot] : slots_) {
    if (inside(frame, slot.scrubbing)) return {Holder::kNobody, {}, {}};
    for (const Range& range : slot.memory) {
      if (!inside(frame, range)) continue;
      if (slot.life == Life::kFreeing) return {Holder::kNobody, {}, {}};
      return {Holder::kPartition, partition_of(number), {}};
    }
    for (const auto& [channel, range] : slot.channels) {
      if (inside(frame, range)) return {Holder::kShared, base::kParent, partition_of(number)};
    }
  }
  return {Holder::kPartition, base::kParent, {}};
}

std::vector<ReachRun> Spec::reach(base::PartitionId partition) const {
  std::vector<ReachRun> runs;
  if (partition == base::kParent) {
    std::vector<Range> gone;
    for (const auto& [number, slot] : slots_) {
      gone.insert(gone.end(), slot.memory.begin(), slot.memory.end());
      if (!slot.scrubbing.empty()) gone.push_back(slot.scrubbing);
    }
    std::sort(gone.begin(), gone.end());
    for (const board::MemoryRegion& region : board::kBoard.memory) {
      std::uint64_t at = region.base / kFrame;
      const std::uint64_t end = (region.base + region.size) / kFrame;
      for (const Range& range : gone) {
        if (range.first >= end || range.end() <= at) continue;
        if (range.first > at) runs.push_back({at * kFrame, {at, range.first - at}, base::Access::kReadWriteExecute});
        at = range.end();
      }
      if (at < end) runs.push_back({at * kFrame, {at, end - at}, base::Access::kReadWriteExecute});
    }
    for (const board::Mmio& window : board::kBoard.mmio) {
      if (window.owner != board::Owner::kParent) continue;
      runs.push_back({window.base, {window.base / kFrame, window.size / kFrame}, base::Access::kDevice});
    }
  } else {
    const auto found = slots_.find(partition.value - 2U);
    if (found == slots_.end() || found->second.life == Life::kFreeing) return runs;
    std::uint64_t ipa = board::kBoard.enclave_ram_base;
    for (const Range& range : found->second.memory) {
      runs.push_back({ipa, range, base::Access::kReadWriteExecute});
      ipa += range.count * kFrame;
    }
    for (const auto& [channel, range] : found->second.channels) {
      runs.push_back({board::kBoard.channel_ipa_base + channel * kChannelWindow, range, base::Access::kReadWrite});
    }
  }
  // A device's registers are reached by whom its stream belongs to.
  for (const board::Device& device : board::kBoard.devices) {
    if (device.mmio_size == 0 || device.owner == board::Owner::kMonitor) continue;
    const auto stream = streams_.find(device.stream);
    const base::PartitionId owner = stream == streams_.end() ? base::kParent : stream->second;
    if (owner != partition) continue;
    runs.push_back({device.mmio_base, {device.mmio_base / kFrame, device.mmio_size / kFrame}, base::Access::kDevice});
  }
  std::sort(runs.begin(), runs.end());
  std::vector<ReachRun> joined;
  for (const ReachRun& run : runs) join(joined, run);
  return joined;
}

// A device that has changed hands reaches no memory until its new owner accepts it.
bool Spec::may_be_attached(base::StreamId stream, base::PartitionId partition) const {
  const auto owner = streams_.find(stream);
  return owner != streams_.end() && owner->second == partition && accepted_.contains(stream);
}

bool Spec::must_be_attached(base::StreamId stream) const { return accepted_.contains(stream); }

bool Spec::reaches(base::PartitionId partition, std::uint64_t ipa, bool write) const {
  for (const ReachRun& run : reach(partition)) {
    if (ipa >= run.ipa && ipa - run.ipa < run.frames.count * kFrame) {
      return !write || run.access != base::Access::kReadOnly;
    }
  }
  return false;
}

std::uint64_t Spec::cores_of(base::PartitionId partition) const {
  return static_cast<std::uint64_t>(
      std::count_if(cores_.begin(), cores_.end(), [&](const SpecCore& core) { return core.owner == partition; }));
}

void Spec::close_channel(unsigned slot, unsigned channel) {
  slots_[slot].channels.erase(channel);
  slots_[slot].parent_pending &= ~(std::uint64_t{1} << channel);
  slots_[slot].enclave_pending &= ~(std::uint64_t{1} << channel);
}

void Spec::give_core(std::size_t core, base::PartitionId owner) {
  const auto number = owner == base::kParent ? core : cores_of(owner);
  cores_[core] = {.owner = owner, .on = false, .number = static_cast<unsigned>(number)};
}

std::optional<std::size_t> Spec::core_by_mpidr(std::uint64_t mpidr) const {
  for (std::size_t i = 0; i < cores_.size(); ++i) {
    if (board::kBoard.cores[i].mpidr == mpidr) return i;
  }
  return std::nullopt;
}

// Every core of the enclave leaves; then it is stopped.
void Spec::stop(unsigned slot, std::uint64_t exit) {
  for (SpecCore& core : cores_) {
    if (core.owner == partition_of(slot)) core.on = false;
  }
  slots_[slot].life = Life::kStopped;
  slots_[slot].exit = exit;
}

bool Spec::fault(base::CoreId core) {
  const base::PartitionId owner = cores_[core.value].owner;
  if (owner == base::kParent) return true;
  const unsigned number = owner.value - 2U;
  SpecSlot& slot = slots_[number];
  if (++slot.faults < kFaultLimit || slot.life != Life::kRunning) return true;
  stop(number, 0);  // the code says which kind of fault was the last; see exit below
  return false;
}

std::optional<std::string> Spec::step(const Call& call, const Answer& answer) {
  const base::PartitionId caller = cores_[call.core.value].owner;
  if (!cores_[call.core.value].on) return "a call from a core that should not run";
  const auto allowed = [&](Error error) { return answer.x[0] == code(error); };
  if (allowed(Error::kNoTables) || allowed(Error::kDeviceTimeout)) {
    if (caller == base::kParent) failed_return(call, answer);
    return std::nullopt;  // nothing else may have changed
  }

  const auto function = static_cast<std::uint32_t>(call.function);
  const std::uint32_t range = function >> 24;
  const Outcome outcome = range == 0x80 || range == 0xC0   ? architecture_call(call)
                          : range == 0x84 || range == 0xC4 ? secure_service_call(call, caller, answer)
                          : caller == base::kParent ? parent_call(call, answer)
                                                    : enclave_call(call, caller.value - 2U, answer);
  std::ostringstream wrong;
  wrong << std::hex;
  if (!outcome.loose_status && answer.x[0] != outcome.status && !outcome.leaves) {
    wrong << "x0 is " << answer.x[0] << " and had to be " << outcome.status;
    return wrong.str();
  }
  if (answer.left != outcome.leaves) return answer.left ? "the core left its guest" : "the core did not leave its guest";
  for (std::size_t i = 0; i < outcome.values.size() && !outcome.leaves; ++i) {
    if (answer.x[i + 1] != outcome.values[i]) {
      wrong << "x" << i + 1 << " is " << answer.x[i + 1] << " and had to be " << outcome.values[i];
      return wrong.str();
    }
  }
  if (outcome.effect) outcome.effect();
  return std::nullopt;
}

// The machine refused a step of giving memory back. Either nothing happened or the memory is with nobody.
void Spec::failed_return(const Call& call, const Answer& answer) {
  const auto found = slot_of_uid(call.arguments[0]);
  if (!found || !answer.memory_after) return;
  SpecSlot& slot = slots_[*found];
  const std::uint64_t gone = memory_frames(slot) - *answer.memory_after / kFrame;
  if (gone == 0 || slot.memory.empty() || gone > slot.memory.back().count) return;
  Range& last = slot.memory.back();
  last.count -= gone;
  slot.scrubbing = {last.end(), gone};
  if (last.empty()) slot.memory.pop_back();
}

// ---- Arm's services: SMCCC (DEN 0028), PSCI (DEN 0022), TRNG (DEN 0098) ---------------------------------------------

namespace {

constexpr std::uint64_t low(std::uint64_t value) { return value & 0xFFFF'FFFF; }
constexpr std::array<std::uint64_t, 3> kWorkarounds = {0x8000'8000, 0x8000'7FFF, 0x8000'3FFF};
constexpr std::array<std::uint64_t, 14> kPsciServed = {0x8400'0000, 0x8400'0001, 0xC400'0001, 0x8400'0002, 0x8400'0003,
                                                       0xC400'0003, 0x8400'0004, 0xC400'0004, 0x8400'0006, 0x8400'0008,
                                                       0x8400'0009, 0x8400'000A, 0x8400'0012, 0xC400'0012};
constexpr std::array<std::uint64_t, 5> kTrngServed = {0x8400'0050, 0x8400'0051, 0x8400'0052, 0x8400'0053, 0xC400'0053};

template <std::size_t kSize>
bool among(const std::array<std::uint64_t, kSize>& list, std::uint64_t function) {
  return std::find(list.begin(), list.end(), function) != list.end();
}

}  // namespace

// The simulated cores have none of the three faults.
Spec::Outcome Spec::architecture_call(const Call& call) {
  const std::uint64_t function = low(call.function);
  if (function == 0x8000'0000) return {.status = 0x1'0001};
  if (among(kWorkarounds, function)) return {};
  if (function != 0x8000'0001) return {.status = minus(1)};
  const std::uint64_t asked = low(call.arguments[0]);
  if (among(kWorkarounds, asked)) return {.status = 1};
  return {.status = asked == 0x8000'0000 || asked == 0x8000'0001 ? 0 : minus(1)};
}

Spec::Outcome Spec::random_call(const Call& call, const Answer& answer) {
  const std::uint64_t function = low(call.function);
  switch (function) {
    case 0x8400'0050: return {.status = 0x1'0000};
    case 0x8400'0051: return {.status = among(kTrngServed, low(call.arguments[0])) ? 0 : minus(1)};
    case 0x8400'0052: return {.status = 0x73EA'F428, .values = {0xA14D'E4BA, 0x7B81'19A1, 0x1F73'CBEE}};
    default: break;
  }
  const bool wide = function == 0xC400'0053;
  const std::uint64_t width = wide ? 64 : 32;
  const std::uint64_t bits = wide ? call.arguments[0] : low(call.arguments[0]);
  if (bits == 0 || bits > 3 * width) return {.status = minus(2), .values = {0, 0, 0}};
  Outcome outcome;
  for (std::uint64_t place = 3; place-- > 0;) {  // whatever the bits are, no others are set
    const std::uint64_t used = bits <= place * width ? 0 : std::min(width, bits - place * width);
    const std::uint64_t mask = used == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << used) - 1;
    outcome.values.push_back(answer.x[3 - place] & mask);
  }
  return outcome;
}

// Where a core of the caller's may be told to begin.
bool Spec::executes(base::PartitionId partition, std::uint64_t ipa) const {
  if (ipa % 4 != 0) return false;
  for (const ReachRun& run : reach(partition)) {
    if (run.access != base::Access::kReadWriteExecute) continue;
    if (ipa >= run.ipa && ipa - run.ipa < run.frames.count * kFrame) return true;
  }
  return false;
}

Spec::Outcome Spec::secure_service_call(const Call& call, base::PartitionId caller, const Answer& answer) {
  enum : std::uint64_t { kInvalidParameters = 2, kDenied = 3, kAlreadyOn = 4, kInvalidAddress = 9 };
  const auto psci = [](std::uint64_t error) { return Outcome{.status = minus(error)}; };
  if (among(kTrngServed, low(call.function))) return random_call(call, answer);
  std::uint32_t function = static_cast<std::uint32_t>(call.function);
  if (!among(kPsciServed, function)) return psci(1);
  std::array<std::uint64_t, 6> x = call.arguments;
  if (function < 0xC400'0000) {
    for (std::uint64_t& value : x) value = low(value);
    // From here on what has a 64-bit form goes by its number.
    if (among(kPsciServed, function | 0x4000'0000)) function |= 0x4000'0000;
  }
  const auto find = [&]() -> std::optional<std::size_t> {
    if (caller == base::kParent) return core_by_mpidr(x[0]);
    for (std::size_t i = 0; i < cores_.size(); ++i) {
      if (cores_[i].owner == caller && cores_[i].number == x[0]) return i;
    }
    return std::nullopt;
  };
  switch (function) {
    case cofferdam_abi::kPsciVersion: return {.status = 0x1'0001};
    case cofferdam_abi::kPsciMigrateInfoType: return {.status = 2};
    case cofferdam_abi::kPsciCpuSuspend: return low(x[0]) > 0xFFFF ? psci(kInvalidParameters) : Outcome{};
    case cofferdam_abi::kPsciFeatures:
      return {.status = among(kPsciServed, low(x[0])) || low(x[0]) == 0x8000'0000 ? 0 : minus(1)};
    case cofferdam_abi::kPsciAffinityInfo: {
      if (low(x[1]) != 0) return psci(kInvalidParameters);
      const auto core = find();
      if (!core) return psci(kInvalidParameters);
      const bool on = cores_[*core].owner == caller && cores_[*core].on;
      return {.status = on ? 0U : 1U};
    }
    case cofferdam_abi::kPsciCpuOn: {
      const auto core = find();
      if (!core) return psci(kInvalidParameters);
      if (!executes(caller, x[1])) return psci(kInvalidAddress);
      if (cores_[*core].owner != caller) return psci(kDenied);
      if (cores_[*core].on) return psci(kAlreadyOn);
      return {.effect = [this, core] { cores_[*core].on = true; }};
    }
    case cofferdam_abi::kPsciCpuOff:
      return {.effect =
                  [this, call, caller] {
                    cores_[call.core.value].on = false;
                    const bool last = std::none_of(cores_.begin(), cores_.end(), [&](const SpecCore& core) {
                      return core.owner == caller && core.on;
                    });
                    if (caller != base::kParent && last) stop(caller.value - 2U, 1U << 8);
                  },
              .leaves = true};
    case cofferdam_abi::kPsciSystemReset2:
      if (low(x[0]) != 0) return psci(kInvalidParameters);
      [[fallthrough]];
    case cofferdam_abi::kPsciSystemOff:
    case cofferdam_abi::kPsciSystemReset:
      return {.effect =
                  [this, caller, function] {
                    if (caller == base::kParent) {
                      off_ = true;
                    } else {
                      stop(caller.value - 2U, (function == cofferdam_abi::kPsciSystemOff ? 1U : 4U) << 8);
                    }
                  },
              .leaves = true};
    default: return {.status = minus(1)};
  }
}

// ---- the parent -------------------------------------------------------------------------------------------------------------

std::optional<Error> Spec::refused_for_parents(Range range) const {
  for (std::uint64_t frame = range.first; frame < range.end(); ++frame) {
    const FrameHolder now = holder(frame);
    if (now.kind == Holder::kPartition && now.owner == base::kParent) continue;
    if (now.kind == Holder::kNotRam) return Error::kOutOfRange;
    return now.kind == Holder::kShared ? Error::kShared : Error::kNotOwned;
  }
  return std::nullopt;
}

Spec::Outcome Spec::parent_call(const Call& call, const Answer& answer) {
  const auto& x = call.arguments;
  const auto record = [&](std::uint64_t most_size) -> Outcome {
    // Index, buffer, capacity: what there is to read is no matter of ownership, where it may be written is.
    if (answer.x[0] != 0) return {.loose_status = true};
    for (std::uint64_t at = x[1] / kFrame; at <= (x[1] + answer.x[1] - 1) / kFrame; ++at) {
      const FrameHolder now = holder(at);
      if (now.owner != base::kParent || now.kind == Holder::kNotRam) return Outcome::refusal(Error::kNotOwned);
    }
    if (answer.x[1] > x[2] || answer.x[1] > most_size) return Outcome::refusal(Error::kBufferTooSmall);
    return {};
  };
  switch (static_cast<Function>(static_cast<std::uint32_t>(call.function))) {
    case Function::kVersion: return {.values = {0x1'0001}};
    case Function::kConsoleWrite:
      return x[0] == 0 || x[0] > 40 ? Outcome::refusal(Error::kInvalidArgument) : Outcome{};
    case Function::kPartitionInfo: {
      std::uint64_t bytes = 0;
      for (const board::MemoryRegion& region : board::kBoard.memory) bytes += region.size;
      for (const auto& [number, slot] : slots_) bytes -= (memory_frames(slot) + slot.scrubbing.count) * kFrame;
      return {.values = {1, cores_of(base::kParent), bytes}};
    }
    case Function::kSlotAllocate:
    case Function::kSlotFree:
    case Function::kSlotStart:
    case Function::kSlotStop:
    case Function::kSlotInfo:
    case Function::kSlotCount:
    case Function::kSlotNext: return slot_call(call, answer);
    case Function::kMemoryDonate:
    case Function::kMemoryReclaim: return memory_call(call);
    case Function::kCoreDonate:
    case Function::kCoreReclaim: return core_call(call);
    case Function::kDeviceAssign:
    case Function::kDeviceRelease: return device_call(call);
    case Function::kDeviceAccept: return accept_device(call, base::kParent);
    case Function::kChannelOpen:
    case Function::kChannelClose:
    case Function::kChannelNotify:
    case Function::kChannelPending: return channel_call(call);
    case Function::kEventLogRead: return record(128);
    case Function::kLedgerRead: return record(32);
    case Function::kPlatformPcrRead: return record(48);
    case Function::kFaultCounters:
      return x[0] > 3 ? Outcome::refusal(Error::kInvalidArgument) : Outcome{};
    case Function::kStatusRead: {
      if (x[0] > 5) return Outcome::refusal(Error::kInvalidArgument);
      if (answer.x[0] != 0) return {.loose_status = true};
      for (std::uint64_t at = x[2] / kFrame; at <= (x[2] + answer.x[1] - 1) / kFrame; ++at) {
        const FrameHolder now = holder(at);
        if (now.owner != base::kParent || now.kind == Holder::kNotRam) return Outcome::refusal(Error::kNotOwned);
      }
      if (answer.x[1] > x[3] || x[1] >= answer.x[2]) return Outcome::refusal(Error::kOutOfRange);
      return {};
    }
    case Function::kChannelInfo:
    case Function::kNsmRequest:
    case Function::kEnclaveExit: break;  // an enclave's
  }
  return Outcome::refusal(Error::kNotSupported);
}

Spec::Outcome Spec::slot_call(const Call& call, const Answer& answer) {
  const auto& x = call.arguments;
  const auto function = static_cast<Function>(static_cast<std::uint32_t>(call.function));
  if (function == Function::kSlotCount) return {.values = {slots_.size(), kSlots}};
  if (function == Function::kSlotNext) {
    std::uint64_t best = 0;
    for (const auto& [number, slot] : slots_) {
      if (slot.uid > x[0] && (best == 0 || slot.uid < best)) best = slot.uid;
    }
    return {.values = {best}};
  }
  if (function == Function::kSlotAllocate) {
    if (slots_.size() == kSlots) return Outcome::refusal(Error::kNoSlots);
    const std::uint64_t uid = answer.x[1];
    if (uid <= last_uid_) return {.values = {last_uid_ + 1}};  // never used before, ascending
    return {.effect = [this, uid] {
      unsigned free = 0;
      while (slots_.contains(free)) ++free;
      slots_[free].uid = uid;
      last_uid_ = uid;
    }};
  }
  const auto found = slot_of_uid(x[0]);
  if (!found) return Outcome::refusal(Error::kNoSuchSlot);
  const unsigned number = *found;
  const SpecSlot& slot = slots_[number];
  switch (function) {
    case Function::kSlotInfo: {
      constexpr std::array<std::uint64_t, 5> kPublished = {0, 3, 2, 0xFFFF, 0xFFFF};
      return {.values = {kPublished[static_cast<std::size_t>(slot.life)] | (slot.debug ? 1ULL << 16 : 0) | slot.exit << 32,
                         cores_of(partition_of(number)) | std::uint64_t{slot.memory.size()} << 32,
                         memory_frames(slot) * kFrame}};
    }
    case Function::kSlotStop:
      switch (slot.life) {
        case Life::kStopped: return {};
        case Life::kLoading:
        case Life::kRunning:
          return {.status = code(Error::kInProgress), .effect = [this, number] { stop(number, 2U << 8); }};
        case Life::kInit:
        case Life::kFreeing: return Outcome::refusal(Error::kWrongState);
      }
      break;
    case Function::kSlotFree:
      if (slot.life == Life::kLoading || slot.life == Life::kRunning) return Outcome::refusal(Error::kWrongState);
      return free_step(number);
    case Function::kSlotStart: return start_step(number, call, answer);
    default: break;
  }
  return Outcome::refusal(Error::kNotSupported);
}

// One step a call, in the published order: devices, channels, address space, memory, cores, the slot.
Spec::Outcome Spec::free_step(unsigned number) {
  const SpecSlot& slot = slots_[number];
  const base::PartitionId enclave = partition_of(number);
  const auto progress = [](std::function<void()> effect) {
    return Outcome{.status = code(Error::kInProgress), .effect = std::move(effect)};
  };
  for (const board::Device& device : board::kBoard.devices) {
    const auto stream = streams_.find(device.stream);
    if (stream != streams_.end() && stream->second == enclave) {
      return progress([this, stream] {
        accepted_.erase(stream->first);
        streams_[stream->first] = base::kParent;
      });
    }
  }
  if (!slot.channels.empty()) {
    return progress([this, number] { close_channel(number, slots_[number].channels.begin()->first); });
  }
  if (slot.life != Life::kFreeing) {
    return progress([this, number] { slots_[number].life = Life::kFreeing; });
  }
  if (!slot.scrubbing.empty()) {
    return progress([this, number] { slots_[number].scrubbing = {}; });
  }
  if (!slot.memory.empty()) {
    return progress([this, number] {
      Range& last = slots_[number].memory.back();
      last.count -= std::min(last.count, board::kBoard.limits.scrub_chunk / kFrame);
      if (last.empty()) slots_[number].memory.pop_back();
    });
  }
  for (std::size_t i = 0; i < cores_.size(); ++i) {
    if (cores_[i].owner == enclave) return progress([this, i] { give_core(i, base::kParent); });
  }
  return {.effect = [this, number] { slots_.erase(number); }};
}

Spec::Outcome Spec::start_step(unsigned number, const Call& call, const Answer& answer) {
  const std::uint64_t flags = call.arguments[1];
  const std::uint64_t cid = call.arguments[2];
  const std::uint64_t offset = call.arguments[3];
  const SpecSlot& slot = slots_[number];
  const base::PartitionId enclave = partition_of(number);
  if (slot.life != Life::kLoading) {
    if (slot.life != Life::kInit || !slot.scrubbing.empty()) return Outcome::refusal(Error::kWrongState);
    if (flags > 1 || cid < 4 || cid >= 0xFFFF'FFFE) return Outcome::refusal(Error::kInvalidArgument);
    for (const auto& [other_number, other] : slots_) {
      const bool has_cid = other.life == Life::kLoading || other.life == Life::kRunning;
      if (has_cid && other.cid == cid) return Outcome::refusal(Error::kInvalidArgument);
    }
    if (offset % kFrame != 0) return Outcome::refusal(Error::kUnaligned);
    if (cores_of(enclave) == 0) return Outcome::refusal(Error::kNoSuchCore);
    if (memory_frames(slot) * kFrame < board::kBoard.limits.enclave_memory_min) return Outcome::refusal(Error::kNoMemory);
    if (offset >= memory_frames(slot) * kFrame) return Outcome::refusal(Error::kOutOfRange);
  }
  const std::uint64_t status = answer.x[0];
  // What the image is like is not a matter of ownership: the answer says it.
  const bool image_refused = status == code(Error::kBadImage) || status == code(Error::kBadSignature) ||
                             status == code(Error::kNoMemory) || status == code(Error::kTooLarge);
  if (status != 0 && status != code(Error::kInProgress) && !image_refused) return {};
  const bool fresh = slot.life == Life::kInit;
  return {.effect =
              [=, this] {
                SpecSlot& changed = slots_[number];
                if (fresh) {
                  changed.debug = flags == 1;
                  changed.cid = cid;
                }
                if (status == 0) {
                  changed.life = Life::kRunning;
                  for (SpecCore& core : cores_) {
                    if (core.owner == enclave && core.number == 0) core.on = true;
                  }
                } else if (image_refused) {
                  changed.life = Life::kInit;
                } else {
                  changed.life = Life::kLoading;
                }
              },
          .loose_status = true};
}

Spec::Outcome Spec::memory_call(const Call& call) {
  const auto& x = call.arguments;
  const bool donate = static_cast<std::uint32_t>(call.function) == static_cast<std::uint32_t>(Function::kMemoryDonate);
  const auto found = slot_of_uid(x[0]);
  if (!found) return Outcome::refusal(Error::kNoSuchSlot);
  const unsigned number = *found;
  const SpecSlot& slot = slots_[number];
  if (slot.life != Life::kInit) return Outcome::refusal(Error::kWrongState);
  const Decoded decoded = decode(x[1], x[2]);
  if (decoded.error) return Outcome::refusal(*decoded.error);
  const Range range = decoded.range;
  if (x[2] > kMaxCallBytes) return Outcome::refusal(Error::kTooLarge);
  if (donate) {
    if (!slot.scrubbing.empty()) return Outcome::refusal(Error::kWrongState);
    if (const auto refused = refused_for_parents(range)) return Outcome::refusal(*refused);
    const bool joins = !slot.memory.empty() && slot.memory.back().end() == range.first;
    if (!joins && slot.memory.size() == kRegions) return Outcome::refusal(Error::kNoRegions);
    return {.values = {board::kBoard.enclave_ram_base + memory_frames(slot) * kFrame}, .effect = [this, number, range, joins] {
              auto& memory = slots_[number].memory;
              if (joins) {
                memory.back().count += range.count;
              } else {
                memory.push_back(range);
              }
            }};
  }
  if (x[2] > board::kBoard.limits.scrub_chunk) return Outcome::refusal(Error::kTooLarge);
  if (!slot.scrubbing.empty()) {
    if (slot.scrubbing != range) return Outcome::refusal(Error::kWrongState);
    return {.effect = [this, number] { slots_[number].scrubbing = {}; }};
  }
  if (slot.memory.empty()) return Outcome::refusal(Error::kNotOwned);
  const Range last = slot.memory.back();
  if (range.end() != last.end() || range.first < last.first) return Outcome::refusal(Error::kNotOwned);
  return {.effect = [this, number, range] {
    auto& memory = slots_[number].memory;
    memory.back().count -= range.count;
    if (memory.back().empty()) memory.pop_back();
  }};
}

Spec::Outcome Spec::core_call(const Call& call) {
  const auto& x = call.arguments;
  const bool donate = static_cast<std::uint32_t>(call.function) == static_cast<std::uint32_t>(Function::kCoreDonate);
  const auto found = slot_of_uid(x[0]);
  if (!found) return Outcome::refusal(Error::kNoSuchSlot);
  if (slots_[*found].life != Life::kInit) return Outcome::refusal(Error::kWrongState);
  const auto core = core_by_mpidr(x[1]);
  if (!core) return Outcome::refusal(Error::kNoSuchCore);
  const base::PartitionId enclave = partition_of(*found);
  if (donate) {
    if (board::kBoard.cores[*core].boot) return Outcome::refusal(Error::kCoreBusy);
    if (cores_[*core].owner != base::kParent) return Outcome::refusal(Error::kNotOwned);
    if (cores_[*core].on) return Outcome::refusal(Error::kCoreBusy);
    return {.effect = [this, core, enclave] { give_core(*core, enclave); }};
  }
  if (cores_[*core].owner != enclave) return Outcome::refusal(Error::kNotOwned);
  if (cores_[*core].number + 1 != cores_of(enclave)) return Outcome::refusal(Error::kCoreBusy);  // last in, first out
  return {.effect = [this, core] { give_core(*core, base::kParent); }};
}

Spec::Outcome Spec::device_call(const Call& call) {
  const auto& x = call.arguments;
  const bool assign = static_cast<std::uint32_t>(call.function) == static_cast<std::uint32_t>(Function::kDeviceAssign);
  const auto found = slot_of_uid(x[0]);
  if (!found) return Outcome::refusal(Error::kNoSuchSlot);
  if (slots_[*found].life != Life::kInit) return Outcome::refusal(Error::kWrongState);
  const board::Device* device = device_of(x[1]);
  // Assignable, confined by an SMMU, and with registers of its own that can move with it.
  if (device == nullptr || device->owner != board::Owner::kAssignable || !board::kBoard.protections.smmu ||
      device->mmio_size == 0) {
    return Outcome::refusal(Error::kNoSuchDevice);
  }
  const base::PartitionId enclave = partition_of(*found);
  if (streams_[device->stream] != (assign ? base::kParent : enclave)) return Outcome::refusal(Error::kNotOwned);
  return {.effect = [this, device, assign, enclave] {
    accepted_.erase(device->stream);
    streams_[device->stream] = assign ? enclave : base::kParent;
  }};
}

Spec::Outcome Spec::accept_device(const Call& call, base::PartitionId caller) {
  const board::Device* device = device_of(call.arguments[0]);
  if (device == nullptr || device->owner != board::Owner::kAssignable || !board::kBoard.protections.smmu ||
      device->mmio_size == 0) {
    return Outcome::refusal(Error::kNoSuchDevice);
  }
  if (streams_[device->stream] != caller) return Outcome::refusal(Error::kNotOwned);
  if (accepted_.contains(device->stream)) return Outcome::refusal(Error::kWrongState);
  return {.effect = [this, device] { accepted_.insert(device->stream); }};
}

Spec::Outcome Spec::channel_call(const Call& call) {
  const auto& x = call.arguments;
  const auto function = static_cast<Function>(static_cast<std::uint32_t>(call.function));
  const auto found = slot_of_uid(x[0]);
  if (!found) return Outcome::refusal(Error::kNoSuchSlot);
  const unsigned number = *found;
  const SpecSlot& slot = slots_[number];
  if (function == Function::kChannelOpen) {
    if (slot.life != Life::kInit && slot.life != Life::kRunning) return Outcome::refusal(Error::kWrongState);
    const Decoded decoded = decode(x[1], x[2]);
    if (decoded.error) return Outcome::refusal(*decoded.error);
    if (x[2] > kChannelWindow) return Outcome::refusal(Error::kTooLarge);
    if (const auto refused = refused_for_parents(decoded.range)) return Outcome::refusal(*refused);
    unsigned free = 0;
    while (slot.channels.contains(free)) ++free;
    if (free >= kChannels) return Outcome::refusal(Error::kNoChannels);
    return {.values = {free, board::kBoard.channel_ipa_base + free * kChannelWindow},
            .effect = [this, number, free, range = decoded.range] { slots_[number].channels[free] = range; }};
  }
  if (function == Function::kChannelPending) {
    return {.values = {slot.parent_pending}, .effect = [this, number] { slots_[number].parent_pending = 0; }};
  }
  if (function == Function::kChannelClose && slot.life == Life::kFreeing) return Outcome::refusal(Error::kWrongState);
  const std::uint64_t channel = x[1];
  if (channel >= kChannels || !slot.channels.contains(static_cast<unsigned>(channel))) {
    return Outcome::refusal(Error::kNoSuchChannel);
  }
  if (function == Function::kChannelClose) {
    return {.effect = [this, number, channel] { close_channel(number, static_cast<unsigned>(channel)); }};
  }
  return {.effect = [this, number, channel] { slots_[number].enclave_pending |= std::uint64_t{1} << channel; }};
}

// ---- an enclave ---------------------------------------------------------------------------------------------------------------

Spec::Outcome Spec::enclave_call(const Call& call, unsigned number, const Answer& answer) {
  const auto& x = call.arguments;
  const SpecSlot& slot = slots_[number];
  const auto has_channel = [&](std::uint64_t channel) {
    return channel < kChannels && slot.channels.contains(static_cast<unsigned>(channel));
  };
  switch (static_cast<Function>(static_cast<std::uint32_t>(call.function))) {
    case Function::kVersion: return {.values = {0x1'0001}};
    case Function::kConsoleWrite:
      if (!slot.debug) return Outcome::refusal(Error::kNotSupported);
      return x[0] == 0 || x[0] > 40 ? Outcome::refusal(Error::kInvalidArgument) : Outcome{};
    case Function::kDeviceAccept: return accept_device(call, partition_of(number));
    case Function::kPartitionInfo:
      return {.values = {2, cores_of(partition_of(number)), memory_frames(slot) * kFrame}};
    case Function::kEnclaveExit:
      if (x[0] > 255) return Outcome::refusal(Error::kInvalidArgument);
      return {.effect = [this, number, value = x[0]] { stop(number, 1U << 8 | value); }, .leaves = true};
    case Function::kChannelNotify:
      if (!has_channel(x[1])) return Outcome::refusal(Error::kNoSuchChannel);
      return {.effect = [this, number, channel = x[1]] { slots_[number].parent_pending |= std::uint64_t{1} << channel; }};
    case Function::kChannelInfo:
      if (!has_channel(x[0])) return Outcome::refusal(Error::kNoSuchChannel);
      return {.values = {board::kBoard.channel_ipa_base + x[0] * kChannelWindow,
                         slot.channels.at(static_cast<unsigned>(x[0])).count * kFrame}};
    case Function::kChannelPending:
      return {.values = {slot.enclave_pending}, .effect = [this, number] { slots_[number].enclave_pending = 0; }};
    case Function::kNsmRequest: {
      const auto inside_memory = [&](std::uint64_t address, std::uint64_t size) {
        const std::uint64_t start = board::kBoard.enclave_ram_base;
        const std::uint64_t bytes = memory_frames(slot) * kFrame;
        return address >= start && address - start <= bytes && size <= bytes - (address - start);
      };
      if (x[1] == 0) return Outcome::refusal(Error::kInvalidArgument);
      if (x[1] > cofferdam_abi::kNsmRequestMax || x[3] > cofferdam_abi::kNsmResponseMax) {
        return Outcome::refusal(Error::kTooLarge);
      }
      if (!inside_memory(x[0], x[1]) || !inside_memory(x[2], x[3])) return Outcome::refusal(Error::kNotOwned);
      if (answer.x[0] == 0 && answer.x[1] > x[3]) return Outcome::refusal(Error::kBufferTooSmall);
      return {.loose_status = true};
    }
    default: return Outcome::refusal(Error::kNotSupported);
  }
}

std::string Spec::key() const {
  std::ostringstream out;
  for (const SpecCore& core : cores_) out << unsigned{core.owner.value} << core.on << core.number << ',';
  for (const auto& [stream, owner] : streams_) out << 's' << stream.value << unsigned{owner.value} << accepted_.contains(stream);
  for (const auto& [number, slot] : slots_) {
    out << ';' << number << static_cast<int>(slot.life) << slot.debug;
    for (const Range& range : slot.memory) out << 'm' << range.first << '+' << range.count;
    out << 'x' << slot.scrubbing.first << '+' << slot.scrubbing.count;
    for (const auto& [channel, range] : slot.channels) out << 'c' << channel << ':' << range.first << '+' << range.count;
  }
  return out.str();
}

}  // namespace model
