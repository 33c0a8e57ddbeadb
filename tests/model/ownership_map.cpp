#include "tests/model/ownership_map.hpp"

#include <algorithm>

#include "firmware/base/result.hpp"
#include "firmware/hypercall/abi.hpp"

namespace model {

using base::PartitionId;
using cofferdam_abi::Function;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kFirst = board::kFrameTableBase / kPage;
constexpr std::uint64_t kEnclaveRam = board::kBoard.enclave_ram_base / kPage;
constexpr std::uint64_t kChannelPages = 512;  // each channel has 2 MiB of the enclave's addresses
constexpr std::uint64_t kInProgress = ~static_cast<std::uint64_t>(base::Error::kInProgress) + 1;
constexpr OwnershipMap::Frame kParents{base::kParent, base::kMonitor, 0};

PartitionId partition_of(unsigned slot) { return PartitionId{static_cast<std::uint8_t>(slot + 2)}; }
bool is_known(std::uint64_t frame) { return frame >= kFirst && frame - kFirst < board::kFrameTableFrames; }

bool ends_with(FrameRun all, FrameRun part) {
  return part.count != 0 && part.end() == all.end() && part.count <= all.count;
}

// The frames of a call; empty when the numbers are none, which no call may have accepted.
FrameRun run_of(std::uint64_t address, std::uint64_t size) {
  constexpr std::uint64_t kTop = std::uint64_t{1} << 48;
  if (address % kPage != 0 || size % kPage != 0 || address >= kTop || size > kTop - address) return {};
  return {address / kPage, size / kPage};
}

}  // namespace

void OwnershipMap::begin() {
  frames_.fill({});
  parents_.fill(0);
  reached_.fill(0);
  for (const board::MemoryRegion& region : board::kBoard.memory) give({region.base / kPage, region.size / kPage}, kParents);
  for (Slot& slot : slots_) slot.life = Life::kUnused;
  for (std::size_t i = 0; i < cores_.size(); ++i) {
    cores_[i] = {base::kParent, board::kBoard.cores[i].boot, static_cast<unsigned>(i)};
  }
  for (std::size_t i = 0; i < board::kBoard.devices.size(); ++i) {
    const bool given = board::kBoard.devices[i].owner != board::Owner::kMonitor;
    devices_[i] = {given ? base::kParent : base::kMonitor, given && board::kBoard.protections.smmu};
  }
  last_uid_ = 0;
  moves_ = 0;
}

void OwnershipMap::end_memory_at(std::uint64_t end) {
  for (const board::MemoryRegion& region : board::kBoard.memory) {
    const std::uint64_t first = std::max(region.base, end);
    if (first < region.base + region.size) give({first / kPage, (region.base + region.size - first) / kPage}, {});
  }
  moves_ = 0;  // nothing is built yet that could be held against it
}

OwnershipMap::Frame OwnershipMap::at(std::uint64_t frame) const {
  return is_known(frame) ? frames_[frame - kFirst] : Frame{};
}

bool OwnershipMap::has_address_space(PartitionId partition) const {
  if (partition == base::kParent) return true;
  const Life life = partition.value < 2 ? Life::kUnused : slots_[partition.value - 2U].life;
  return life == Life::kWaiting || life == Life::kBegun;
}

PartitionId OwnershipMap::attached(base::StreamId stream) const {
  for (std::size_t i = 0; i < board::kBoard.devices.size(); ++i) {
    if (board::kBoard.devices[i].stream == stream && devices_[i].accepted) return devices_[i].owner;
  }
  return base::kMonitor;
}

unsigned OwnershipMap::cores_of(PartitionId partition) const {
  return static_cast<unsigned>(
      std::count_if(cores_.begin(), cores_.end(), [&](const Core& core) { return core.owner == partition; }));
}

void OwnershipMap::give(FrameRun frames, Frame entry) {
  for (std::uint64_t frame = frames.first; frame < frames.end(); ++frame) {
    Frame& now = frames_[frame - kFirst];
    std::uint16_t& parents = parents_[(frame - kFirst) / kBlock];
    if (now == kParents) --parents;
    if (now.owner.value != 0) --reached_[now.owner.value];
    if (now.peer.value != 0) --reached_[now.peer.value];
    now = entry;
    if (now == kParents) ++parents;
    if (now.owner.value != 0) ++reached_[now.owner.value];
    if (now.peer.value != 0) ++reached_[now.peer.value];
    if (entry.place != 0) ++entry.place;
  }
  ++moves_;
}

OwnershipMap::Verdict OwnershipMap::all_parents(FrameRun frames) const {
  if (frames.count == 0) return Objection{"a range that is none was accepted", frames.first};
  for (std::uint64_t frame = frames.first; frame < frames.end(); ++frame) {
    if (at(frame) != kParents) return Objection{"memory that is not the parent's alone was given away, frame", frame};
  }
  return std::nullopt;
}

// ---- what happens -----------------------------------------------------------------------------------------------------

std::optional<Objection> OwnershipMap::step(const Asked& asked, const Answered& answered) {
  switch (asked.kind) {
    case AskedKind::kOther: return std::nullopt;
    case AskedKind::kCoreLeft:
      cores_[asked.core.value].on = false;
      return std::nullopt;
    case AskedKind::kScrubbed: return scrubbed(asked.slot.value, answered);
    case AskedKind::kLoaded:
      if (answered.x0 == kInProgress) return std::nullopt;
      if (answered.x0 != 0) {
        slots_[asked.slot.value].life = Life::kWaiting;
        return std::nullopt;
      }
      for (Core& core : cores_) {
        if (core.owner == partition_of(asked.slot.value) && core.number == 0) core.on = true;
      }
      return std::nullopt;
    case AskedKind::kCall:
      // A refusal changes nothing; numbers of other services that mean something come back as 0 as well.
      return answered.x0 == 0 || answered.x0 == kInProgress ? call(asked, answered) : std::nullopt;
  }
  return std::nullopt;
}

OwnershipMap::Verdict OwnershipMap::call(const Asked& asked, const Answered& answered) {
  if (asked.function == cofferdam_abi::kPsciCpuOn || asked.function == cofferdam_abi::kPsciCpuOn32) return start_core(asked);
  const auto function = static_cast<Function>(asked.function);
  if (function == Function::kDeviceAccept) return accept_device(asked.caller, asked.arguments[0]);
  if (asked.caller != base::kParent) return std::nullopt;
  switch (function) {
    case Function::kSlotAllocate: return allocate(answered.x1);
    case Function::kSlotFree:
    case Function::kSlotStart:
    case Function::kMemoryDonate:
    case Function::kMemoryReclaim:
    case Function::kCoreDonate:
    case Function::kCoreReclaim:
    case Function::kDeviceAssign:
    case Function::kDeviceRelease:
    case Function::kChannelOpen:
    case Function::kChannelClose: break;
    default: return std::nullopt;  // moves nothing
  }
  for (unsigned number = 0; number < slots_.size(); ++number) {
    const Slot& slot = slots_[number];
    if (slot.life != Life::kUnused && slot.uid == asked.arguments[0]) return call_about_slot(asked, answered, number);
  }
  return Objection{"a call about no enclave was accepted", asked.arguments[0]};
}

OwnershipMap::Verdict OwnershipMap::call_about_slot(const Asked& asked, const Answered& answered, unsigned number) {
  const Life life = slots_[number].life;
  const auto function = static_cast<Function>(asked.function);
  switch (function) {
    case Function::kSlotFree: return free_step(number, answered);
    case Function::kSlotStart: return start(number, answered);
    case Function::kChannelOpen: return open(number, asked, answered);
    case Function::kChannelClose: return close(number, asked.arguments[1]);
    default: break;
  }
  if (life != Life::kWaiting) return Objection{"what an enclave is made of changed after its start, slot", number};
  switch (function) {
    case Function::kMemoryDonate: return donate(number, asked);
    case Function::kMemoryReclaim: return reclaim(number, asked, answered);
    case Function::kCoreDonate:
    case Function::kCoreReclaim: return move_core(number, asked);
    default: return move_device(number, asked);
  }
}

OwnershipMap::Verdict OwnershipMap::allocate(std::uint64_t uid) {
  for (Slot& slot : slots_) {
    if (slot.life != Life::kUnused) continue;
    if (uid <= last_uid_) return Objection{"an enclave has a number that was used before", uid};
    slot.life = Life::kWaiting;
    slot.uid = last_uid_ = uid;
    slot.pages = slot.regions = 0;
    slot.scrubbing = {};
    slot.channel.fill({});
    ++moves_;
    return std::nullopt;
  }
  return Objection{"an enclave more than there are slots", uid};
}

OwnershipMap::Verdict OwnershipMap::donate(unsigned number, const Asked& asked) {
  Slot& slot = slots_[number];
  const FrameRun frames = run_of(asked.arguments[1], asked.arguments[2]);
  if (slot.scrubbing.count != 0) return Objection{"a donation during a reclaim, slot", number};
  if (const Verdict wrong = all_parents(frames)) return wrong;
  if (slot.regions != 0 && slot.region[slot.regions - 1].end() == frames.first) {
    slot.region[slot.regions - 1].count += frames.count;
  } else {
    if (slot.regions == slot.region.size()) return Objection{"more regions than an enclave has, slot", number};
    slot.region[slot.regions++] = frames;
  }
  give(frames, {partition_of(number), {}, static_cast<std::uint32_t>(kEnclaveRam + slot.pages)});
  slot.pages += frames.count;
  return std::nullopt;
}

// Off the end of the enclave's memory, to nobody.
void OwnershipMap::withdraw(Slot& slot, std::uint64_t count) {
  FrameRun& last = slot.region[slot.regions - 1];
  last.count -= count;
  slot.scrubbing = {last.end(), count};
  if (last.count == 0) --slot.regions;
  slot.pages -= count;
  give(slot.scrubbing, {});
}

OwnershipMap::Verdict OwnershipMap::reclaim(unsigned number, const Asked& asked, const Answered& answered) {
  Slot& slot = slots_[number];
  const FrameRun frames = run_of(asked.arguments[1], asked.arguments[2]);
  if (!answered.unfinished) return Objection{"memory came back without being scrubbed, frame", frames.first};
  if (slot.scrubbing.count != 0) {
    return slot.scrubbing == frames ? Verdict{} : Objection{"a second reclaim at once, frame", frames.first};
  }
  if (slot.regions == 0 || !ends_with(slot.region[slot.regions - 1], frames)) {
    return Objection{"a reclaim of what is not the enclave's end, frame", frames.first};
  }
  withdraw(slot, frames.count);
  return std::nullopt;
}

OwnershipMap::Verdict OwnershipMap::scrubbed(unsigned number, const Answered& answered) {
  if (answered.x0 != 0 && answered.x0 != kInProgress) return std::nullopt;  // it stays with nobody
  Slot& slot = slots_[number];
  if (slot.scrubbing.count == 0) return Objection{"nothing was being scrubbed, slot", number};
  give(slot.scrubbing, kParents);
  slot.scrubbing = {};
  return std::nullopt;
}

// One step a call, in the published order: devices, channels, address space, memory, cores, the slot.
OwnershipMap::Verdict OwnershipMap::free_step(unsigned number, const Answered& answered) {
  Slot& slot = slots_[number];
  const PartitionId enclave = partition_of(number);
  for (const Core& core : cores_) {
    if (core.owner == enclave && core.on) return Objection{"an enclave whose core runs was taken apart, slot", number};
  }
  for (Device& device : devices_) {
    if (device.owner != enclave) continue;
    device = {base::kParent, false};
    ++moves_;
    return std::nullopt;
  }
  for (std::size_t channel = 0; channel < slot.channel.size(); ++channel) {
    if (slot.channel[channel].count != 0) return close(number, channel);
  }
  if (slot.life != Life::kFreeing) {
    for (std::uint32_t i = 0; i < slot.regions; ++i) give(slot.region[i], {});
    slot.life = Life::kFreeing;
    ++moves_;
    return std::nullopt;
  }
  if (slot.scrubbing.count != 0 || slot.regions != 0) {
    if (!answered.unfinished) return Objection{"memory came back without being scrubbed, slot", number};
    constexpr std::uint64_t kChunk = board::kBoard.limits.scrub_chunk / kPage;
    if (slot.scrubbing.count == 0) withdraw(slot, std::min(slot.region[slot.regions - 1].count, kChunk));
    return std::nullopt;
  }
  for (std::size_t i = 0; i < cores_.size(); ++i) {
    if (cores_[i].owner != enclave) continue;
    cores_[i] = {base::kParent, false, static_cast<unsigned>(i)};
    return std::nullopt;
  }
  if (answered.x0 != 0) return Objection{"nothing was left to take apart, slot", number};
  slot.life = Life::kUnused;
  ++moves_;
  return std::nullopt;
}

OwnershipMap::Verdict OwnershipMap::start(unsigned number, const Answered& answered) {
  Slot& slot = slots_[number];
  if (slot.life == Life::kFreeing || slot.scrubbing.count != 0) return Objection{"an enclave in pieces was started, slot", number};
  if (cores_of(partition_of(number)) == 0) return Objection{"an enclave without a core was started, slot", number};
  if (!answered.unfinished) return Objection{"an enclave was started without being measured, slot", number};
  slot.life = Life::kBegun;
  return std::nullopt;
}

OwnershipMap::Verdict OwnershipMap::open(unsigned number, const Asked& asked, const Answered& answered) {
  Slot& slot = slots_[number];
  if (slot.life == Life::kFreeing) return Objection{"a channel into an enclave without address space, slot", number};
  const FrameRun frames = run_of(asked.arguments[1], asked.arguments[2]);
  if (frames.count > kChannelPages) return Objection{"a channel larger than its window, slot", number};
  if (const Verdict wrong = all_parents(frames)) return wrong;
  std::uint64_t channel = 0;
  while (channel < slot.channel.size() && slot.channel[channel].count != 0) ++channel;
  if (channel == slot.channel.size() || channel != answered.x1) return Objection{"not the lowest free channel", answered.x1};
  slot.channel[channel] = frames;
  const std::uint64_t place = board::kBoard.channel_ipa_base / kPage + channel * kChannelPages;
  give(frames, {base::kParent, partition_of(number), static_cast<std::uint32_t>(place)});
  return std::nullopt;
}

OwnershipMap::Verdict OwnershipMap::close(unsigned number, std::uint64_t channel) {
  Slot& slot = slots_[number];
  if (channel >= slot.channel.size() || slot.channel[channel].count == 0) return Objection{"a channel that is none was closed", channel};
  give(slot.channel[channel], kParents);
  slot.channel[channel] = {};
  return std::nullopt;
}

OwnershipMap::Verdict OwnershipMap::move_core(unsigned number, const Asked& asked) {
  const bool donate = static_cast<Function>(asked.function) == Function::kCoreDonate;
  const PartitionId enclave = partition_of(number);
  for (std::size_t i = 0; i < cores_.size(); ++i) {
    if (board::kBoard.cores[i].mpidr != asked.arguments[1]) continue;
    Core& core = cores_[i];
    const unsigned has = cores_of(enclave);
    if (core.on || core.owner != (donate ? base::kParent : enclave) || board::kBoard.cores[i].boot) {
      return Objection{"a core that runs, or is another's, changed hands: core", i};
    }
    if (!donate && core.number + 1 != has) return Objection{"not the last core came back first: core", i};
    core = donate ? Core{enclave, false, has} : Core{base::kParent, false, static_cast<unsigned>(i)};
    return std::nullopt;
  }
  return Objection{"a core that is none changed hands", asked.arguments[1]};
}

OwnershipMap::Verdict OwnershipMap::move_device(unsigned number, const Asked& asked) {
  const bool assign = static_cast<Function>(asked.function) == Function::kDeviceAssign;
  const PartitionId enclave = partition_of(number);
  for (std::size_t i = 0; i < board::kBoard.devices.size(); ++i) {
    const board::Device& device = board::kBoard.devices[i];
    if (device.stream.value != asked.arguments[1]) continue;
    if (device.owner != board::Owner::kAssignable || devices_[i].owner != (assign ? base::kParent : enclave)) break;
    devices_[i] = {assign ? enclave : base::kParent, false};
    ++moves_;
    return std::nullopt;
  }
  return Objection{"a device that can't be given away, or is another's, changed hands: stream", asked.arguments[1]};
}

OwnershipMap::Verdict OwnershipMap::accept_device(PartitionId caller, std::uint64_t stream) {
  for (std::size_t i = 0; i < board::kBoard.devices.size(); ++i) {
    if (board::kBoard.devices[i].stream.value != stream) continue;
    if (devices_[i].owner != caller || devices_[i].accepted) break;
    devices_[i].accepted = true;
    ++moves_;
    return std::nullopt;
  }
  return Objection{"another's device was accepted: stream", stream};
}

OwnershipMap::Verdict OwnershipMap::start_core(const Asked& asked) {
  const bool narrow = asked.function == cofferdam_abi::kPsciCpuOn32;
  const std::uint64_t target = narrow ? asked.arguments[0] & 0xFFFF'FFFF : asked.arguments[0];
  const std::uint64_t entry = (narrow ? asked.arguments[1] & 0xFFFF'FFFF : asked.arguments[1]) / kPage;
  const bool enters_own = asked.caller == base::kParent
                              ? at(entry).owner == base::kParent
                              : entry >= kEnclaveRam && entry - kEnclaveRam < slots_[asked.caller.value - 2U].pages;
  if (!enters_own) return Objection{"a core was started outside its owner's memory, page", entry};
  for (std::size_t i = 0; i < cores_.size(); ++i) {
    Core& core = cores_[i];
    const bool meant = asked.caller == base::kParent ? board::kBoard.cores[i].mpidr == target
                                                     : core.owner == asked.caller && core.number == target;
    if (!meant) continue;
    if (core.owner != asked.caller || core.on) return Objection{"a core that runs, or is another's, was started: core", i};
    core.on = true;
    return std::nullopt;
  }
  return Objection{"a core that is none was started", target};
}

// ---- what tables say -----------------------------------------------------------------------------------------------------

// visit(first page, pages) for each window of device registers that the partition reaches.
template <typename Visit>
void OwnershipMap::for_each_window(PartitionId partition, Visit&& visit) const {
  if (partition == base::kParent) {
    for (const board::Mmio& window : board::kBoard.mmio) {
      if (window.owner == board::Owner::kParent) visit(FrameRun{window.base / kPage, window.size / kPage});
    }
  }
  for (std::size_t i = 0; i < board::kBoard.devices.size(); ++i) {
    const board::Device& device = board::kBoard.devices[i];
    if (device.mmio_size != 0 && devices_[i].owner == partition) visit(FrameRun{device.mmio_base / kPage, device.mmio_size / kPage});
  }
}

bool OwnershipMap::is_device_page(PartitionId partition, FrameRun frames) const {
  bool inside = false;
  for_each_window(partition, [&](FrameRun window) {
    inside = inside || (frames.first >= window.first && frames.end() <= window.end());
  });
  return inside;
}

// Where the parent's devices write their messages: the ITS's page (GITS_TRANSLATER) in the place of the distributor's
// (GICD_SETSPI_NSR, Arm IHI 0069), the one page that it reaches at another address than its own.
bool OwnershipMap::has_messages(PartitionId partition) {
  return partition == base::kParent && board::kBoard.message_interrupts.its_base != 0 &&
         board::kBoard.message_interrupts.offered;
}
bool OwnershipMap::is_messages_page(PartitionId partition, std::uint64_t page, FrameRun frames) {
  return has_messages(partition) && page == board::kBoard.gic_distributor / kPage &&
         frames == FrameRun{(board::kBoard.message_interrupts.its_base + 0x1'0000) / kPage, 1};
}

std::uint64_t OwnershipMap::device_pages(PartitionId partition) const {
  std::uint64_t pages = has_messages(partition) ? 1 : 0;
  for_each_window(partition, [&](FrameRun window) { pages += window.count; });
  return pages;
}

std::optional<Objection> OwnershipMap::Walk::leaf(std::uint64_t page, FrameRun frames, base::Access access) {
  const bool is_parent = partition_ == base::kParent;
  if (!is_known(frames.first)) {
    const bool registers =
        access == base::Access::kDevice && page == frames.first && map_.is_device_page(partition_, frames);
    if (!registers && !(access == base::Access::kMessages && is_messages_page(partition_, page, frames))) {
      return Objection{"reaches what is neither memory nor its device, frame", frames.first};
    }
    devices_ += frames.count;
    return std::nullopt;
  }
  memory_ += frames.count;
  for (std::uint64_t i = 0; i < frames.count; ++i) {
    const std::uint64_t frame = frames.first + i;
    const std::uint64_t offset = frame - kFirst;
    if (is_parent && page == frames.first && access == base::Access::kReadWriteExecute && offset % kBlock == 0 &&
        frames.count - i >= kBlock && is_known(frame + kBlock - 1) && map_.parents_[offset / kBlock] == kBlock) {
      i += kBlock - 1;  // a whole block of the parent's
      continue;
    }
    const Frame wanted = map_.at(frame);
    const bool own = wanted.owner == partition_ && access == base::Access::kReadWriteExecute;
    const bool shared = wanted.peer == partition_ && access == base::Access::kReadWrite;
    if (!own && !shared) return Objection{"reaches, and must not (or not so), frame", frame};
    if (page + i != (is_parent ? frame : wanted.place)) return Objection{"reaches at another address than its own, frame", frame};
  }
  return std::nullopt;
}

std::optional<Objection> OwnershipMap::Walk::complete() const {
  // Every page seen is at its one address, so equal numbers mean that none is missing.
  if (memory_ != map_.reached_[partition_.value]) return Objection{"does not reach all that is its own; pages of memory", memory_};
  if (devices_ != map_.device_pages(partition_)) return Objection{"does not reach all its devices; pages", devices_};
  return std::nullopt;
}

}  // namespace model
