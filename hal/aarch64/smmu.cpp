// hal/device_isolation.hpp on an SMMUv3: a linear stream table, one command queue, one event queue, stage 2 only.
//
// Invariant: a stream that is not attached has an STE that aborts, and a StreamID beyond the table aborts because it
// is out of range; in between GBPA aborts. Every wait is bounded.
#include <array>
#include <atomic>
#include <bit>

#include "board_tables.hpp"
#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/mmio.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/device_isolation.hpp"
#include "hal/registers/smmuv3.hpp"
#include "hal/registers/stage2_control.hpp"

namespace hal {

namespace {

namespace smmu = registers::smmuv3;

constexpr std::uint64_t kBase = board::kBoard.smmu_base;

// The table ends after the largest stream of the board.
consteval unsigned stream_table_bits() {
  std::uint32_t largest = 0;
  for (const board::Device& device : board::kBoard.devices) {
    if (device.stream.value > largest) largest = device.stream.value;
  }
  return static_cast<unsigned>(std::bit_width(largest));
}
constexpr unsigned kStreamBits = stream_table_bits();
constexpr std::size_t kStreams = std::size_t{1} << kStreamBits;
constexpr unsigned kCommandBits = 6;
constexpr unsigned kEventBits = 7;
constexpr std::uint32_t kCommands = 1U << kCommandBits;
constexpr std::uint32_t kEvents = 1U << kEventBits;
static_assert(kEvents == device_isolation::kMostFaults);
constexpr unsigned kPolls = 2'000'000;

// Each aligned to its own size, as the base registers demand.
constexpr std::size_t kStreamTableBytes = kStreams * smmu::kStreamEntryBytes;
alignas(kStreamTableBytes < 64 ? 64 : kStreamTableBytes) constinit std::array<smmu::StreamTableEntry, kStreams>
    stream_table{};
alignas(kCommands * smmu::kCommandBytes) constinit std::array<smmu::Command, kCommands> commands{};
alignas(kEvents * smmu::kEventBytes) constinit std::array<smmu::Event, kEvents> events{};

constinit bool usable = false;
constinit bool unanswered = false;  // a sync ran out of time: commands may be queued still
constinit std::uint32_t command_producer = 0;
constinit std::uint64_t physical_size = 0;
constexpr std::uint8_t kNobody = 0;  // the monitor's own number: no stream is ever attached to it
constinit std::array<std::uint8_t, kStreams> attached_to{};
constinit std::array<std::uint16_t, 64> streams_of{};  // by partition

std::uint64_t address_of(const void* object) { return reinterpret_cast<std::uint64_t>(object); }

// Precondition: the registers are mapped. True when (register & mask) became `expected` in time.
bool wait_for(std::uint64_t offset, std::uint32_t mask, std::uint32_t expected) {
  for (unsigned i = 0; i < kPolls; ++i) {
    if ((aarch64::read32(kBase + offset) & mask) == expected) return true;
  }
  return false;
}

// Index and wrap bit of a queue of 2^bits entries.
constexpr std::uint32_t advance(std::uint32_t index, unsigned bits) { return (index + 1) & ((2U << bits) - 1); }

void put(smmu::Command command) {  // precondition: the queue has room
  smmu::Command& slot = commands[command_producer & (kCommands - 1)];
  const_cast<volatile std::uint64_t&>(slot.low) = command.low;
  const_cast<volatile std::uint64_t&>(slot.high) = command.high;
  command_producer = advance(command_producer, kCommandBits);
}

// An error stops the queue until it is acknowledged. Our commands are well formed: it is a sign that the device is
// broken, and the call fails.
[[gnu::noinline, gnu::cold]] base::Status give_up() {
  unanswered = true;
  const std::uint32_t acknowledged = aarch64::read32(kBase + smmu::kGerrorN);
  const std::uint32_t active = aarch64::read32(kBase + smmu::kGerror) ^ acknowledged;
  if ((active & smmu::kGerrorCmdq) != 0) aarch64::write32(kBase + smmu::kGerrorN, acknowledged ^ smmu::kGerrorCmdq);
  return base::Error::kDeviceTimeout;
}

// Until all that was queued is consumed. A sync is consumed only when all before it is complete; an error leaves it where
// it is.
base::Status wait_until_empty() {
  constexpr std::uint32_t kIndex = (2U << kCommandBits) - 1;
  if (!wait_for(smmu::kCmdqCons, kIndex, command_producer)) return give_up();
  return {};
}

// Descriptors written before are known to the SMMU before the command is (DSB), the command is done when this returns.
// Each waits for its sync, so the queue is empty between two, unless an earlier one ran out of time.
base::Status issue(smmu::Command command) {
  put(command);
  put(smmu::make_sync());
  aarch64::dsb_ishst();
  aarch64::write32(kBase + smmu::kCmdqProd, command_producer);
  return wait_until_empty();
}
[[gnu::noinline, gnu::cold]] base::Status issue_late(smmu::Command command) {
  MON_TRY(wait_until_empty());
  unanswered = false;
  return issue(command);
}
base::Status run(smmu::Command command) { return unanswered ? issue_late(command) : issue(command); }

void write_word(std::size_t stream, std::size_t word, std::uint64_t value) {
  const_cast<volatile std::uint64_t&>(stream_table[stream][word]) = value;
}

// Only a machine that can do all of this confines devices: stage 2 with AArch64 tables of 4 KiB, coherent walks.
bool is_suitable() {
  const std::uint32_t idr0 = aarch64::read32(kBase + smmu::kIdr0);
  const std::uint32_t idr1 = aarch64::read32(kBase + smmu::kIdr1);
  const std::uint32_t idr5 = aarch64::read32(kBase + smmu::kIdr5);
  return (idr0 & smmu::kIdr0Stage2) != 0 && (idr0 & smmu::kIdr0CoherentAccess) != 0 &&
         smmu::Idr0TableFormat::get(idr0) >= 2 && smmu::Idr1StreamBits::get(idr1) >= kStreamBits &&
         smmu::Idr1CmdqBits::get(idr1) >= kCommandBits && smmu::Idr1EventqBits::get(idr1) >= kEventBits &&
         (idr5 & smmu::kIdr5Granule4K) != 0;
}

}  // namespace

namespace aarch64 {

bool has_streams(base::PartitionId partition) { return streams_of[partition.value] != 0; }

// Section 3.11 of IHI 0070: everything off, tables and queues in place, queues on, caches empty, then translation on.
// At any failure GBPA's abort, which early_map.cpp set, stays in force and no device is ever attached.
[[gnu::noinline, gnu::cold]] void prepare_device_isolation() {
  if constexpr (kBase != 0) {
    write32(kBase + smmu::kCr0, 0);
    if (!wait_for(smmu::kCr0Ack, smmu::kCr0Enable | smmu::kCr0EventqEnable | smmu::kCr0CmdqEnable, 0)) return;
    if (!is_suitable()) return;
    physical_size = std::min(physical_size_code(), smmu::Idr5OutputSize::get(read32(kBase + smmu::kIdr5)));
    for (smmu::StreamTableEntry& entry : stream_table) entry = smmu::make_abort_entry();
    write32(kBase + smmu::kCr1, smmu::kCr1Coherent);
    write32(kBase + smmu::kCr2, smmu::kCr2PrivateTlb | smmu::kCr2RecordInvalidSid);
    write64(kBase + smmu::kStrtabBase, address_of(stream_table.data()) | smmu::kTableAllocateHint);
    write32(kBase + smmu::kStrtabBaseCfg, kStreamBits);
    write64(kBase + smmu::kCmdqBase, address_of(commands.data()) | smmu::kTableAllocateHint | kCommandBits);
    write32(kBase + smmu::kCmdqProd, 0);
    write32(kBase + smmu::kCmdqCons, 0);
    write64(kBase + smmu::kEventqBase, address_of(events.data()) | smmu::kTableAllocateHint | kEventBits);
    write32(kBase + smmu::kEventqProd, 0);
    write32(kBase + smmu::kEventqCons, 0);
    dsb_sy();
    write32(kBase + smmu::kCr0, smmu::kCr0CmdqEnable);
    if (!wait_for(smmu::kCr0Ack, smmu::kCr0CmdqEnable, smmu::kCr0CmdqEnable)) return;
    if (!run(smmu::make_cfgi_all()).ok() || !run(smmu::make_tlbi_all()).ok()) return;
    constexpr std::uint32_t kOn = smmu::kCr0CmdqEnable | smmu::kCr0EventqEnable | smmu::kCr0Enable;
    // A device that says that it has translated an address itself is not believed: its stream's entry decides (STE.EATS = 0).
    constexpr std::uint32_t kChecked = smmu::kCr0AtsCheck;
    write32(kBase + smmu::kCr0, smmu::kCr0CmdqEnable | smmu::kCr0EventqEnable | kChecked);
    if (!wait_for(smmu::kCr0Ack, smmu::kCr0EventqEnable, smmu::kCr0EventqEnable)) return;
    write32(kBase + smmu::kIrqCtrl, smmu::kIrqGerror | smmu::kIrqEventq);
    write32(kBase + smmu::kCr0, kOn | kChecked);
    usable = wait_for(smmu::kCr0Ack, kOn, kOn);
  }
}

}  // namespace aarch64

namespace device_isolation {

bool present() { return usable; }

[[gnu::noinline, gnu::cold]] base::Status attach(base::StreamId stream, base::PartitionId partition) {
  if (!usable || stream.value >= kStreams) return base::Error::kNoSuchDevice;
  MON_TRY_ASSIGN(const base::FrameNumber root, aarch64::stage2_root(partition));
  MON_TRY(detach(stream));
  // Nothing of a former partition with this number may be cached.
  MON_TRY(run(smmu::make_tlbi_vmall(partition)));
  // The words that an aborting entry ignores go first and are known to the SMMU before the first word makes them count.
  const smmu::StreamTableEntry entry =
      smmu::make_stage2_entry(root, partition, registers::kIpaBits, physical_size);
  for (std::size_t word = 1; word < entry.size(); ++word) write_word(stream.value, word, entry[word]);
  aarch64::dsb_ishst();
  MON_TRY(run(smmu::make_cfgi_ste(stream)));
  write_word(stream.value, 0, entry[0]);
  aarch64::dsb_ishst();
  const base::Status done = run(smmu::make_cfgi_ste(stream));
  if (!done.ok()) {
    write_word(stream.value, 0, smmu::make_abort_entry()[0]);
    aarch64::dsb_ishst();
    return done;
  }
  attached_to[stream.value] = partition.value;
  ++streams_of[partition.value];
  return {};
}

[[gnu::noinline, gnu::cold]] base::Status detach(base::StreamId stream) {
  if (!usable || stream.value >= kStreams) return base::Error::kNoSuchDevice;
  const std::uint8_t partition = attached_to[stream.value];
  if (partition == kNobody) return {};
  const std::uint64_t before = stream_table[stream.value][0];
  write_word(stream.value, 0, smmu::make_abort_entry()[0]);
  aarch64::dsb_ishst();
  base::Status done = run(smmu::make_cfgi_ste(stream));
  if (done.ok()) done = run(smmu::make_tlbi_vmall(base::PartitionId{partition}));
  if (!done.ok()) {
    write_word(stream.value, 0, before);
    aarch64::dsb_ishst();
    return done;
  }
  attached_to[stream.value] = kNobody;
  --streams_of[partition];
  return {};
}

base::Status invalidate(base::PartitionId partition) {
  if (!usable) return {};  // nothing translates
  return run(smmu::make_tlbi_vmall(partition));
}

std::optional<Fault> take_fault() {
  if (!usable) return std::nullopt;
  constexpr std::uint32_t kIndex = (2U << kEventBits) - 1;
  const std::uint32_t producer = aarch64::read32(kBase + smmu::kEventqProd);
  const std::uint32_t consumer = aarch64::read32(kBase + smmu::kEventqCons);
  if (((producer ^ consumer) & smmu::kOverflow) != 0) {  // acknowledged by a copy of the producer's flag
    aarch64::write32(kBase + smmu::kEventqCons, (consumer & kIndex) | (producer & smmu::kOverflow));
    return Fault{.type = kFaultsLost};
  }
  if (((producer ^ consumer) & kIndex) == 0) return std::nullopt;
  aarch64::dmb_oshld();  // the record is read after its number, and before its slot is given back
  smmu::Event event{};
  for (std::size_t word = 0; word < event.size(); ++word) {
    event[word] = const_cast<const volatile std::uint64_t&>(events[consumer & (kEvents - 1)][word]);
  }
  aarch64::dmb_oshld();
  aarch64::write32(kBase + smmu::kEventqCons, advance(consumer & kIndex, kEventBits) | (consumer & smmu::kOverflow));
  const bool has_address = smmu::type_of(event) >= smmu::kEventTranslation;
  return Fault{smmu::stream_of(event), has_address ? smmu::address_of(event) : 0, smmu::type_of(event),
               has_address && smmu::is_write(event)};
}

}  // namespace device_isolation

}  // namespace hal
