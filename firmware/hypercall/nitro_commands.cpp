#include "firmware/hypercall/nitro_commands.hpp"

namespace hypercall {

using base::Error;
using enclave::Slot;
using nitro::Command;
using nitro::Reply;
using nitro::ReturnCode;

namespace {

// NE_MIN_MEM_REGION_SIZE and NE_MIN_ENCLAVE_MEM_SIZE of ne_misc_dev.h.
constexpr std::uint64_t kMemoryUnit = std::uint64_t{2} << 20;
constexpr std::uint64_t kMemoryMinimum = std::uint64_t{64} << 20;
constexpr std::uint64_t kMostDonated = std::uint64_t{1} << 30;  // by one call
constexpr std::uint64_t kFirstCid = 4;                          // 3 is the parent's
constexpr std::uint64_t kLastCid = 0xFFFF'FFFD;                 // as kSlotStart takes them

[[nodiscard]] NitroStep finished(const Reply& reply) { return {.kind = NitroStep::Kind::kReply, .reply = reply}; }
[[nodiscard]] NitroStep failed(ReturnCode code) { return finished({.rc = code}); }

[[nodiscard]] bool was_started(const Slot& slot) {
  return slot.state != enclave::SlotState::kFree && slot.state != enclave::SlotState::kInit;
}

// Linux looks at it only after an event: loading is not yet running, and what is stopping tells again when it has.
[[nodiscard]] nitro::SlotState shown(enclave::SlotState state) {
  switch (state) {
    case enclave::SlotState::kFree:
    case enclave::SlotState::kInit:
    case enclave::SlotState::kLoading:
      return nitro::SlotState::kInit;
    case enclave::SlotState::kRunning:
    case enclave::SlotState::kStopping:
      return nitro::SlotState::kRunning;
    case enclave::SlotState::kStopped:
    case enclave::SlotState::kFreeing:
      return nitro::SlotState::kStopped;
  }
  return nitro::SlotState::kStopped;
}

[[nodiscard]] Reply info(const SystemState& state, base::SlotIndex index) {
  const Slot& slot = state.slots[index.value];
  const partition::CoreMask cores = state.cores.owned_by(base::partition_of(index));
  return {.slot_uid = slot.uid.value,
          .cid = was_started(slot) ? slot.cid : 0,
          .memory_regions = slot.regions.size(),
          .memory_size = slot.memory_bytes,
          .vcpus = static_cast<std::uint64_t>(__builtin_popcountll(cores)),
          .flags = slot.mode == enclave::Mode::kDebug ? cofferdam_abi::kStartDebug : 0,
          .state = shown(slot.state)};
}

[[nodiscard]] NitroStep slot_info(const SystemState& state, std::uint64_t uid) {
  const auto index = find_slot(state, uid);
  return index ? finished(info(state, *index)) : failed(ReturnCode::kNoEntry);
}

[[nodiscard]] NitroStep slot_count(const SystemState& state) {
  Reply reply;
  for (const Slot& slot : state.slots) reply.slot_count += slot.state != enclave::SlotState::kFree ? 1 : 0;
  return finished(reply);
}

// The one with the lowest uid above; a uid of 0 says that there is none.
[[nodiscard]] NitroStep next_slot(const SystemState& state, std::uint64_t uid) {
  std::uint64_t best = 0;
  for (const Slot& slot : state.slots) {
    const std::uint64_t other = slot.uid.value;
    if (slot.state != enclave::SlotState::kFree && other > uid && (best == 0 || other < best)) best = other;
  }
  return best == 0 ? finished({}) : slot_info(state, best);
}

[[nodiscard]] bool is_possible(std::uint64_t cid) { return cid >= kFirstCid && cid <= kLastCid; }

// The enclave that has this cid. One that has stopped keeps it until it is freed, unless another runs with it.
[[nodiscard]] base::Result<base::SlotIndex> slot_of_cid(const SystemState& state, std::uint64_t cid) {
  base::Result<base::SlotIndex> found = Error::kNoSuchSlot;
  for (std::uint8_t i = 0; i < state.slots.size(); ++i) {
    const Slot& slot = state.slots[i];
    if (!was_started(slot) || slot.cid != cid) continue;
    const bool ended = slot.state == enclave::SlotState::kStopped || slot.state == enclave::SlotState::kFreeing;
    if (!ended) return base::SlotIndex{i};
    found = base::SlotIndex{i};
  }
  return found;
}

[[nodiscard]] NitroStep get_slot(const SystemState& state, std::uint64_t cid) {
  if (!is_possible(cid)) return failed(ReturnCode::kInvalidCid);
  const auto index = slot_of_cid(state, cid);
  return index ? finished(info(state, *index)) : failed(ReturnCode::kNoEntry);
}

// At most one cid for each slot is taken, so one of the first ones is free.
[[nodiscard]] std::uint64_t free_cid(const SystemState& state) {
  std::uint64_t cid = kFirstCid;
  while (cid < kFirstCid + state.slots.size() && slot_of_cid(state, cid).ok()) ++cid;
  return cid;
}

// The parent's to give: switched off, and not the one that it boots on.
[[nodiscard]] partition::CoreMask pool(const SystemState& state) {
  partition::CoreMask mask = state.cores.owned_by(base::kParent) & ~state.cores.active(base::kParent);
  for (std::uint8_t i = 0; i < state.cores.count; ++i) {
    if (board::kBoard.cores[i].boot) mask &= ~(partition::CoreMask{1} << i);
  }
  return mask;
}

[[nodiscard]] std::uint64_t mpidr_of(std::uint32_t core) { return board::kBoard.cores[core].mpidr; }

}  // namespace

base::Result<base::CoreId> core_of_vcpu(const SystemState& state, std::uint32_t number) {
  std::uint32_t next = 1;
  for (std::uint8_t i = 0; i < state.cores.count; ++i) {
    if (state.cores.entries[i].owner == base::kMonitor) continue;  // the machine does not have it
    const std::uint32_t this_one = board::kBoard.cores[i].boot ? 0 : next++;
    if (this_one == number) return base::CoreId{i};
  }
  return Error::kNoSuchCore;
}

NitroStep NitroCommand::ask(Function function, std::uint64_t x2, std::uint64_t x3, std::uint64_t x4) {
  call_ = {static_cast<std::uint32_t>(function), {request_.slot_uid, x2, x3, x4}};
  return {.kind = NitroStep::Kind::kCall, .call = call_};
}

NitroStep NitroCommand::begin(const nitro::Request& request, const SystemState& state) {
  *this = NitroCommand{};
  request_ = request;
  switch (request.command) {
    case Command::kStart:
      return begin_start(state);
    case Command::kGetSlot:
      return get_slot(state, request.cid);
    case Command::kStop:
      return ask(Function::kSlotStop);
    case Command::kSlotAllocate:
      return ask(Function::kSlotAllocate);
    case Command::kSlotFree:
      return ask(Function::kSlotFree);
    case Command::kAddMemory:
      return begin_memory(state);
    case Command::kAddVcpu: {
      const auto core = core_of_vcpu(state, request.vcpu);
      if (!find_slot(state, request.slot_uid).ok()) return failed(ReturnCode::kNoEntry);
      return core ? ask(Function::kCoreDonate, mpidr_of(core->value)) : failed(ReturnCode::kInvalidVcpu);
    }
    case Command::kSlotCount:
      return slot_count(state);
    case Command::kNextSlot:
      return next_slot(state, request.slot_uid);
    case Command::kSlotInfo:
      return slot_info(state, request.slot_uid);
    case Command::kAddBulkVcpus:
      return begin_vcpus(state);
  }
  return failed(ReturnCode::kInvalid);
}

// In the order in which Linux's driver looks at the same things.
NitroStep NitroCommand::begin_start(const SystemState& state) {
  const auto index = find_slot(state, request_.slot_uid);
  if (!index) return failed(ReturnCode::kNoEntry);
  const Slot& slot = state.slots[index->value];
  if ((request_.flags & ~cofferdam_abi::kStartDebug) != 0) return failed(ReturnCode::kInvalidFlag);
  if (request_.cid != 0 && !is_possible(request_.cid)) return failed(ReturnCode::kInvalidCid);
  if (slot.state != enclave::SlotState::kInit) return failed(ReturnCode::kNotInInitState);
  if (!slot.scrubbing.empty()) return failed(ReturnCode::kBusy);  // a reclaim is not finished
  if (slot.regions.empty()) return failed(ReturnCode::kNoMemoryRegions);
  const std::uint64_t least = board::kBoard.limits.enclave_memory_min;
  if (slot.memory_bytes < kMemoryMinimum || slot.memory_bytes < least) return failed(ReturnCode::kMemoryBelowMinimum);
  if (state.cores.owned_by(base::partition_of(*index)) == 0) return failed(ReturnCode::kNoVcpus);
  if (request_.cid == 0) return start_with_free_cid(state);
  return ask(Function::kSlotStart, request_.flags, request_.cid, cofferdam_abi::kImageOffset);
}

NitroStep NitroCommand::start_with_free_cid(const SystemState& state) {
  ++attempts_;
  return ask(Function::kSlotStart, request_.flags, free_cid(state), cofferdam_abi::kImageOffset);
}

NitroStep NitroCommand::begin_memory(const SystemState& state) {
  const auto index = find_slot(state, request_.slot_uid);
  if (!index) return failed(ReturnCode::kNoEntry);
  const Slot& slot = state.slots[index->value];
  if (slot.state != enclave::SlotState::kInit) return failed(ReturnCode::kNotInInitState);
  if (!slot.scrubbing.empty()) return failed(ReturnCode::kBusy);
  if (request_.size == 0 || request_.size % kMemoryUnit != 0) return failed(ReturnCode::kInvalidMemorySize);
  if (request_.address % kMemoryUnit != 0) return failed(ReturnCode::kUnalignedMemoryAddress);
  // Then the pieces can't wrap, and the first one that is not RAM ends them.
  if (!base::FrameRange::from_bytes(request_.address, request_.size).ok()) {
    return failed(ReturnCode::kInvalidMemoryAddress);
  }
  return donate_piece();
}

NitroStep NitroCommand::donate_piece() {
  const std::uint64_t left = request_.size - donated_;
  piece_ = left < kMostDonated ? left : kMostDonated;
  return ask(Function::kMemoryDonate, request_.address + donated_, piece_);
}

NitroStep NitroCommand::begin_vcpus(const SystemState& state) {
  const auto index = find_slot(state, request_.slot_uid);
  if (!index) return failed(ReturnCode::kNoEntry);
  if (state.slots[index->value].state != enclave::SlotState::kInit) return failed(ReturnCode::kNotInInitState);
  if (request_.vcpus == 0) return failed(ReturnCode::kInvalid);
  if (request_.vcpus > static_cast<std::uint64_t>(__builtin_popcountll(pool(state)))) {
    return failed(ReturnCode::kNoCpusInPool);
  }
  return donate_core(state);
}

NitroStep NitroCommand::donate_core(const SystemState& state) {
  const partition::CoreMask choice = pool(state);
  if (choice == 0) return take_back(ReturnCode::kNoCpusInPool);
  return ask(Function::kCoreDonate, mpidr_of(static_cast<std::uint32_t>(__builtin_ctzll(choice))));
}

NitroStep NitroCommand::next(const SystemState& state, const partition::Reply& reply) {
  if (reply.status == 0) return went_well(state, reply);
  const auto error = static_cast<Error>(std::uint64_t{0} - reply.status);
  if (error != Error::kInProgress && error != Error::kBusy) return refused(state, error);
  const bool waits = error == Error::kBusy || static_cast<Function>(call_.function) == Function::kSlotStop;
  return {.kind = NitroStep::Kind::kCall, .call = call_, .waits = waits};
}

NitroStep NitroCommand::went_well(const SystemState& state, const partition::Reply& reply) {
  if (failure_ != ReturnCode::kSuccess) {  // a piece or a core has come back
    if (request_.command == Command::kAddMemory) donated_ -= piece_;
    if (request_.command == Command::kAddBulkVcpus) {
      cores_ &= ~(partition::CoreMask{1} << (63 - __builtin_clzll(cores_)));
    }
    return take_back(failure_);
  }
  Reply answer{.slot_uid = request_.slot_uid};
  switch (request_.command) {
    case Command::kStart:
      answer.cid = reply.values[0];
      break;
    case Command::kSlotAllocate:
      answer.slot_uid = reply.values[0];
      answer.memory_regions = board::kBoard.limits.regions_per_enclave;
      break;
    case Command::kAddMemory:
      donated_ += piece_;
      if (donated_ != request_.size) return donate_piece();
      break;
    case Command::kAddBulkVcpus: {
      // The core that was asked for, whatever the state would choose now.
      for (std::uint8_t i = 0; i < state.cores.count; ++i) {
        if (mpidr_of(i) == call_.arguments[1]) cores_ |= partition::CoreMask{1} << i;
      }
      if (static_cast<std::uint64_t>(__builtin_popcountll(cores_)) < request_.vcpus) return donate_core(state);
      break;
    }
    case Command::kStop:
    case Command::kSlotFree:
    case Command::kAddVcpu:
    case Command::kGetSlot:
    case Command::kSlotCount:
    case Command::kNextSlot:
    case Command::kSlotInfo:
      break;
  }
  return finished(answer);
}

NitroStep NitroCommand::refused(const SystemState& state, Error error) {
  if (failure_ != ReturnCode::kSuccess)
    return failed(failure_);  // what does not come back now comes back with the slot
  // Between the choice of a cid and the start another core's start has taken it.
  const bool again = request_.command == Command::kStart && request_.cid == 0 && error == Error::kInvalidArgument;
  if (again && attempts_ <= state.slots.size()) return start_with_free_cid(state);
  return take_back(nitro_return_code(request_.command, error));
}

// Memory and cores come back last in, first out: as kMemoryReclaim and kCoreReclaim want it.
NitroStep NitroCommand::take_back(ReturnCode reason) {
  failure_ = reason;
  if (donated_ != 0) {
    const std::uint64_t most = board::kBoard.limits.scrub_chunk;
    piece_ = donated_ < most ? donated_ : most;
    return ask(Function::kMemoryReclaim, request_.address + donated_ - piece_, piece_);
  }
  if (cores_ != 0)
    return ask(Function::kCoreReclaim, mpidr_of(63 - static_cast<std::uint32_t>(__builtin_clzll(cores_))));
  return failed(reason);
}

ReturnCode nitro_return_code(Command command, Error error) {
  const bool memory = command == Command::kAddMemory;
  const bool core = command == Command::kAddVcpu || command == Command::kAddBulkVcpus;
  const bool start = command == Command::kStart;
  switch (error) {
    case Error::kNoSuchSlot:
      return ReturnCode::kNoEntry;
    case Error::kNoSlots:
      return ReturnCode::kNoSpace;
    case Error::kNoRegions:
      return ReturnCode::kMaxRegions;
    case Error::kWrongState:
      if (memory || core || start) return ReturnCode::kNotInInitState;
      return command == Command::kStop ? ReturnCode::kInvalid : ReturnCode::kBusy;
    case Error::kInvalidArgument:
      return start ? ReturnCode::kInvalidCid : ReturnCode::kInvalid;
    case Error::kNoSuchCore:
      return start ? ReturnCode::kNoVcpus : ReturnCode::kInvalidVcpu;
    case Error::kCoreBusy:
      return ReturnCode::kVcpuNotInPool;
    case Error::kNotOwned:
      return core ? ReturnCode::kVcpuAlreadyUsed : ReturnCode::kMemoryAlreadyUsed;
    case Error::kShared:
      return ReturnCode::kMemoryAlreadyUsed;
    case Error::kOutOfRange:
      return start ? ReturnCode::kCertificateExpired : ReturnCode::kInvalidMemoryAddress;
    case Error::kUnaligned:
      return ReturnCode::kUnalignedMemoryAddress;
    case Error::kTooLarge:
      return ReturnCode::kInvalidMemorySize;
    case Error::kBadImage:
      return ReturnCode::kBadImage;
    case Error::kBadSignature:
      return ReturnCode::kBadSignature;
    case Error::kNoMemory:
    case Error::kNoTables:
      return ReturnCode::kNoMemory;
    case Error::kDeviceTimeout:
      return ReturnCode::kTimedOut;
    case Error::kBusy:
    case Error::kInProgress:
      return ReturnCode::kBusy;
    case Error::kNotSupported:
    case Error::kDenied:
    case Error::kNoEntropy:
    case Error::kNoSuchDevice:
    case Error::kBufferTooSmall:
    case Error::kNoSuchChannel:
    case Error::kNoChannels:
    case Error::kInternal:
    case Error::kNoSuchCall:
      return ReturnCode::kInputOutput;
  }
  return ReturnCode::kInputOutput;
}

}  // namespace hypercall
