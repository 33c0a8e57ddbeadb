#include "hal/host/machine.hpp"

#include <algorithm>

#include "board_tables.hpp"
#include "hal/host/table_walk.hpp"
#include "hal/registers/stage2_control.hpp"

namespace host {
namespace {

std::atomic<Machine*> current_machine{nullptr};

std::vector<SimulatedMemory::Bank> banks_of(const board::Board& board) {
  std::vector<SimulatedMemory::Bank> banks{{board.monitor.base, board.monitor.size}};
  for (const board::MemoryRegion& region : board.memory) banks.push_back({region.base, region.size});
  return banks;
}

// splitmix64: noise for tests, not for secrets.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58'476D'1CE4'E5B9;
  x = (x ^ (x >> 27)) * 0x94D0'49BB'1331'11EB;
  return x ^ (x >> 31);
}
constexpr std::uint64_t kGolden = 0x9E37'79B9'7F4A'7C15;

}  // namespace

Machine::Machine(MachineConfig config)
    : config_(std::move(config)),
      board_(board::kBoard),
      memory_(banks_of(board_)),
      smmu_(board_.smmu_stream_bits),
      sabotage_(config_.sabotage),
      handover_(config_.handover),
      unix_milliseconds_(config_.unix_milliseconds),
      entropy_(config_.entropy),
      noise_(config_.seed * kGolden),
      random_(mix(config_.seed)) {
  for (std::size_t i = 0; i < board_.cores.size(); ++i) {
    cores_.push_back(std::make_unique<Core>(base::CoreId{static_cast<std::uint8_t>(i)}));
  }
  // Table frames come off the top of the monitor's memory.
  const std::uint64_t all = board_.monitor.size >> base::kFrameShift;
  const std::uint64_t count =
      std::min<std::uint64_t>(config_.table_frames == 0 ? board::kTableFrames : config_.table_frames, all);
  table_frames_ = base::FrameRange::trusted(
      base::FrameNumber{((board_.monitor.base + board_.monitor.size) >> base::kFrameShift) - count},
      base::FrameCount{count});
  used_entries_.resize(count);
  for (std::uint64_t i = count; i-- > 0;) free_tables_.push_back(table_frames_.first().value + i);
  Machine* none = nullptr;
  if (!current_machine.compare_exchange_strong(none, this)) throw std::logic_error("one machine at a time");
}

Machine::~Machine() {
  shutdown();
  current_machine = nullptr;
}

Machine& Machine::current() {
  Machine* machine = current_machine.load();
  if (machine == nullptr) throw std::logic_error("hal is used without a machine");
  return *machine;
}

bool Machine::exists() { return current_machine.load() != nullptr; }

void Machine::set_program(base::PartitionId partition, GuestProgram program) {
  partition_programs_[partition] = std::move(program);
}

void Machine::set_program(base::PartitionId partition, base::CoreId core, GuestProgram program) {
  core_programs_[{partition, core}] = std::move(program);
}

const GuestProgram* Machine::program_of(const Core& core) const {
  const base::PartitionId partition = core.guest.entry.partition;
  if (const auto found = core_programs_.find({partition, core.id}); found != core_programs_.end()) {
    return &found->second;
  }
  if (const auto found = partition_programs_.find(partition); found != partition_programs_.end()) {
    return &found->second;
  }
  return nullptr;
}

std::string Machine::console() const {
  const std::lock_guard lock(text_mutex_);
  return console_;
}

void Machine::console_write(std::string_view text) {
  const std::lock_guard lock(text_mutex_);
  console_ += text;
}

void Machine::set_observer(Observer observer) {
  const std::lock_guard lock(event_mutex_);
  observer_ = std::move(observer);
  watched_ = observer_ != nullptr || trace_ != nullptr;
}

void Machine::trace_to(std::string* text) {
  const std::lock_guard lock(event_mutex_);
  trace_ = text;
  watched_ = observer_ != nullptr || trace_ != nullptr;
}

void Machine::emit(const Event& event) {
  if (!watched_) return;
  const std::lock_guard lock(event_mutex_);
  if (trace_ != nullptr) *trace_ += to_text(event) + "\n";
  if (observer_) observer_(event);
}

void Machine::violation(std::string text) {
  const std::lock_guard lock(text_mutex_);
  violations_.push_back(std::move(text));
}

std::vector<std::string> Machine::violations() const {
  const std::lock_guard lock(text_mutex_);
  return violations_;
}

void Machine::fail(std::string text) {
  const std::lock_guard lock(text_mutex_);
  failures_.push_back(std::move(text));
}

std::vector<std::string> Machine::failures() const {
  const std::lock_guard lock(text_mutex_);
  return failures_;
}

// ---- tables ----------------------------------------------------------------------------------------------------

std::optional<base::FrameNumber> Machine::root_of(base::PartitionId partition) const {
  const std::uint64_t root = partition.value < kPartitions ? roots_[partition.value].load() : 0;
  if (root == 0) return std::nullopt;
  return base::FrameNumber{root};
}

void Machine::set_root(base::PartitionId partition, std::optional<base::FrameNumber> root) {
  const auto old = root_of(partition);
  if (old) places_.unlink(*old);
  if (root) places_.link(*root, {partition, hal::registers::stage2_descriptor::kRootLevel, 0});
  roots_[partition.value] = root ? root->value : 0;
  if (root) {
    emit({.kind = EventKind::kCreate, .partition = partition, .address = base::address_of(*root).value});
  } else {
    emit({.kind = EventKind::kDestroy, .partition = partition});
  }
}

base::Result<base::FrameNumber> Machine::take_table() {
  if (free_tables_.empty()) return base::Error::kNoTables;
  const base::FrameNumber frame{free_tables_.back()};
  free_tables_.pop_back();
  used_entries(frame) = 0;
  emit({.kind = EventKind::kTakeTable, .address = base::address_of(frame).value});
  for (std::uint64_t i = 0; i < base::kFrameSize; i += 8) memory_.store(base::PhysAddr{base::address_of(frame).value + i}, 0);
  return frame;
}

void Machine::give_back_table(base::FrameNumber table) {
  places_.unlink(table);
  free_tables_.push_back(table.value);
  emit({.kind = EventKind::kFreeTable, .address = base::address_of(table).value});
}

std::size_t Machine::available_tables() {
  if (faults_.strikes(FallibleStep::kTableFrame)) return 0;
  return free_tables_.size();
}

std::uint16_t& Machine::used_entries(base::FrameNumber table) {
  return used_entries_.at(table.value - table_frames_.first().value);
}

std::size_t Machine::tables_in_use() const { return used_entries_.size() - free_tables_.size(); }

std::optional<Translation> Machine::walk(base::PartitionId partition, base::Ipa page) const {
  namespace format = hal::registers::stage2_descriptor;
  const auto root = root_of(partition);
  if (!root || (page.value >> hal::registers::kIpaBits) != 0) return std::nullopt;
  base::FrameNumber table = *root;
  for (unsigned level = format::kRootLevel; level <= format::kPageLevel; ++level) {
    const std::uint64_t slot = base::address_of(table).value + 8 * format::index_of(page.value, level);
    const std::uint64_t descriptor = memory_.load(base::PhysAddr{slot});
    if (format::is_leaf(descriptor, level)) {
      const std::uint64_t offset = page.value & (format::span_of(level) - 1);
      return Translation{base::frame_of(base::PhysAddr{format::output_of(descriptor, level).value + offset}),
                         format::access_of(descriptor)};
    }
    if (!format::is_table(descriptor, level)) return std::nullopt;
    table = format::table_of(descriptor);
  }
  return std::nullopt;
}

void Machine::translation_broken(const StaleTranslation& translation) {
  stale_.add(translation);
  smmu_.translation_broken(translation);
}

void Machine::invalidate_everywhere(const Invalidation& invalidation) {
  for (int times = config_.repeat_tlbi ? 2 : 1; times > 0; --times) {
    invalidate_cores(invalidation);
    complete_invalidations();
  }
}

void Machine::invalidate_cores(const Invalidation& invalidation) {
  if (sabotage_.ignore_tlb_invalidate) return;
  stale_.issue(invalidation);
  emit({.kind = EventKind::kTlbInvalidate, .partition = invalidation.partition, .count = invalidation.bytes,
        .ipa = invalidation.ipa});
}

void Machine::complete_invalidations() {
  if (sabotage_.ignore_barrier) return;
  for (const Invalidation& done : stale_.complete()) {
    for (const auto& core : cores_) core->tlb.drop(done);
  }
  emit({.kind = EventKind::kBarrier});
}

base::Status Machine::invalidate_smmu(base::PartitionId partition) {
  if (!sabotage_.ignore_smmu_invalidate) {
    smmu_.invalidate_partition(partition);
    emit({.kind = EventKind::kSmmuInvalidate, .partition = partition});
  }
  if (faults_.strikes(FallibleStep::kSmmuInvalidate)) return base::Error::kDeviceTimeout;
  if (sabotage_.ignore_smmu_sync) return {};
  smmu_.sync();
  emit({.kind = EventKind::kSmmuSync});
  return {};
}

base::Status Machine::write_stream(base::StreamId stream, base::PartitionId partition, FallibleStep step) {
  const auto entry = [&](base::PartitionId target) {
    smmu_.write_entry(stream, target);
    emit({.kind = EventKind::kStreamWrite, .partition = target, .stream = stream});
    if (!sabotage_.ignore_stream_invalidate) {
      smmu_.invalidate_entry(stream);
      emit({.kind = EventKind::kStreamInvalidate, .stream = stream});
    }
    if (!sabotage_.ignore_smmu_sync) {
      smmu_.sync();
      emit({.kind = EventKind::kSmmuSync});
    }
  };
  if (faults_.strikes(step)) {
    if (step == FallibleStep::kStreamAttach) entry(base::kMonitor);  // "the stream aborts then"
    return base::Error::kDeviceTimeout;
  }
  entry(partition);
  return {};
}

// ---- time, noise -------------------------------------------------------------------------------------------------

std::uint64_t Machine::ticks() {
  const std::uint64_t now = replay_ != nullptr ? replay_->take("ticks").at(0) : ++ticks_;
  if (recorder_ != nullptr) recorder_->ticks(now);
  return now;
}

std::uint64_t Machine::unix_milliseconds() {
  const std::uint64_t now = replay_ != nullptr ? replay_->take("time").at(0) : unix_milliseconds_.load();
  if (recorder_ != nullptr) recorder_->time(now);
  return now;
}

base::Result<std::uint64_t> Machine::entropy() {
  const auto answer = [&](std::optional<std::uint64_t> value) -> base::Result<std::uint64_t> {
    if (recorder_ != nullptr) recorder_->noise(value);
    if (!value) return base::Error::kNoEntropy;
    return *value;
  };
  if (replay_ != nullptr) {
    const auto words = replay_->take("noise");
    return answer(words.empty() ? std::nullopt : std::optional(words[0]));
  }
  if (faults_.strikes(FallibleStep::kEntropy)) return answer(std::nullopt);
  switch (entropy_.load()) {
    case EntropySource::kWorking: return answer(mix(noise_.fetch_add(kGolden)));
    case EntropySource::kStuck: return answer(0x5555'5555'5555'5555);
    case EntropySource::kAbsent: break;
  }
  return answer(std::nullopt);
}

std::uint64_t Machine::random() { return mix(random_ += kGolden); }

}  // namespace host
