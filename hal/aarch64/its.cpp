// hal/message_interrupts.hpp on a GICv3 with an ITS (Arm IHI 0069, chapter 5): physical LPIs only, flat tables.
//
// EventID n of an attached stream is mapped to an LPI of that stream's own, so that discarding one stream's pending
// message never takes another's. Each core has a collection with its own number. A DeviceID that nobody mapped, and an
// EventID outside the range, have no entry: the ITS drops the write.
// All that the GIC reads or writes in memory lies in the monitor's image. Every wait is bounded; after one that ran
// out the ITS is off, and the machine has no message interrupts.
#include "hal/registers/its.hpp"

#include <array>
#include <atomic>
#include <bit>

#include "hal/aarch64/machine.hpp"
#include "hal/aarch64/message_range.hpp"
#include "hal/aarch64/mmio.hpp"
#include "hal/aarch64/per_core.hpp"
#include "hal/aarch64/system_registers.hpp"
#include "hal/message_interrupts.hpp"

namespace hal {

namespace {

namespace its = registers::its;
namespace redistributor = registers::its::redistributor;
using aarch64::kCores;
using aarch64::kMessages;

constexpr std::uint64_t kBase = kMessages.its;
constexpr unsigned kPolls = 2'000'000;
constexpr std::uint8_t kPriority = 0xA0;  // as every other physical interrupt
constexpr std::size_t kSlots = board::kBoard.devices.size();

consteval unsigned device_bits() {  // at least the devices and functions of bus 0
  std::uint32_t largest = 0xFF;
  for (const board::Device& device : board::kBoard.devices) {
    if (device.stream.value > largest) largest = device.stream.value;
  }
  return static_cast<unsigned>(std::bit_width(largest));
}
constexpr unsigned kDeviceBits = device_bits();
constexpr unsigned kEventBits = static_cast<unsigned>(std::bit_width(kMessages.first.value + kMessages.count - 1));
constexpr unsigned kIdBits = 14;  // the least that has LPIs: 8192 to 16383
constexpr std::uint64_t kLpis = (std::uint64_t{1} << kIdBits) - its::kFirstLpi;
static_assert(kSlots * kMessages.count <= kLpis);
static_assert(kMessages.count <= 0xFFFF && kMessages.first.value + kMessages.count <= 1020, "SPIs end at 1019");

// Entries have at most 16 bytes there, and at most 32 in a table of GITS_BASER<n>.
constexpr std::uint64_t kTranslationBytes = (std::uint64_t{1} << kEventBits) * 16;
constexpr std::uint64_t kTableBytes = 0x1'0000;  // a page of the largest size, in case that it is the only one
constexpr std::uint64_t kCommandQueueBytes = 0x1000;
constexpr std::uint32_t kQueueEntries = kCommandQueueBytes / its::kCommandBytes;
constexpr std::uint32_t kMostAtOnce = kQueueEntries / 2;  // a full queue would look empty

// The GIC's own. The monitor writes the translation tables (zero) before it hands one over, and nothing afterwards.
template <std::uint64_t kBytes>
using Table = std::array<std::uint8_t, kBytes>;
struct alignas(0x1'0000) PendingTable : Table<(std::uint64_t{1} << kIdBits) / 8> {};
struct alignas(256) TranslationTable : Table<kTranslationBytes> {};
// Storage only on boards that have an ITS.
constexpr std::size_t kOne = kBase != 0 ? 1 : 0;
alignas(0x1'0000) constinit std::array<Table<kTableBytes>, kOne> device_table{};
alignas(0x1'0000) constinit std::array<Table<kTableBytes>, kOne> collection_table{};
alignas(0x1'0000) constinit std::array<std::array<its::Command, kQueueEntries>, kOne> commands{};
alignas(0x1000) constinit std::array<Table<kLpis>, kOne> configuration{};  // all alike, and never changed
constinit std::array<PendingTable, kOne * kCores> pending{};
constinit std::array<TranslationTable, kOne * kSlots> translations{};

constinit std::atomic<bool> usable{false};  // written by who may send commands
constinit bool queue_is_cached = true;  // false: the ITS does not look into the caches
constinit std::uint32_t producer = 0;   // index of the next command
constinit std::uint32_t unsent = 0;
constinit std::array<std::atomic<bool>, kCores> takes_lpis{};  // what is sent to another is lost
constinit std::array<its::Target, kCores> targets{};           // collection c is core c's
constinit std::uint64_t mapped_collections = 0;                // a bit for each core
constinit std::array<std::uint8_t, kMessages.count> routes{};  // by message: the collection
// By device of the board: first << 16 | count of what is attached, relative to the range; 0: detached.
constinit std::array<std::atomic<std::uint32_t>, kSlots> attached{};

base::PhysAddr address_of(const void* object) { return base::PhysAddr{reinterpret_cast<std::uint64_t>(object)}; }

// To the point of coherency, and out of the caches: nothing may be written back over what the GIC wrote since.
void clean(const void* object, std::uint64_t bytes) {
  const std::uint64_t line = std::uint64_t{4} << ((HAL_READ_REGISTER(ctr_el0) >> 16) & 0xF);  // CTR_EL0.DminLine
  const std::uint64_t first = address_of(object).value;
  for (std::uint64_t at = first & ~(line - 1); at < first + bytes; at += line) {
    asm volatile("dc civac, %0" : : "r"(at) : "memory");
  }
  aarch64::dsb_sy();
}

// Nothing is translated from here on. Pending LPIs are still signalled, and virtual_spi() knows none of them.
base::Status give_up() {
  aarch64::write32(kBase + its::kControl, 0);
  usable.store(false, std::memory_order_release);
  for (std::atomic<std::uint32_t>& slot : attached) slot.store(0, std::memory_order_relaxed);
  return base::Error::kDeviceTimeout;
}

// Waits until all commands are consumed; a SYNC among them is only when what it waits for is done.
base::Status submit() {
  if (unsent == 0) return {};
  if (!queue_is_cached) clean(commands.data(), kCommandQueueBytes);
  aarch64::dsb_sy();
  const std::uint64_t end = its::QueueOffset::put(producer);
  aarch64::write64(kBase + its::kCommandWrite, end);
  unsent = 0;
  for (unsigned i = 0; i < kPolls; ++i) {
    const std::uint64_t read = aarch64::read64(kBase + its::kCommandRead);
    if ((read & its::kReadStalled) != 0) break;  // only a malformed command stalls: the ITS is broken
    if ((read & its::QueueOffset::kMask) == end) return {};
  }
  return give_up();
}

base::Status put(const its::Command& command) {
  for (std::size_t word = 0; word < command.size(); ++word) {
    const_cast<volatile std::uint64_t&>(commands[0][producer][word]) = command[word];
  }
  producer = (producer + 1) % kQueueEntries;
  return ++unsent == kMostAtOnce ? submit() : base::Status{};
}

// The SPIs 32 * word + n that messages may stand for, as bits.
constexpr std::uint32_t messages_of(std::uint32_t word) {
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < 32; ++i) {
    const std::uint32_t spi = 32 * word + i;
    if (spi >= kMessages.first.value && spi - kMessages.first.value < kMessages.count) bits |= 1U << i;
  }
  return bits;
}

base::Status sync_all() {
  for (std::size_t core = 0; core < kCores; ++core) {
    if ((mapped_collections >> core & 1) != 0) MON_TRY(put(its::make_sync(targets[core])));
  }
  return submit();
}

std::size_t slot_of(base::StreamId stream) {
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    if (board::kBoard.devices[slot].stream == stream) return slot;
  }
  return kSlots;
}

base::Intid lpi_of(std::size_t slot, std::uint32_t message) {
  return base::Intid{its::kFirstLpi + static_cast<std::uint32_t>(slot) * kMessages.count + message};
}

// GITS_BASER<n>. False: the page size that this ITS insists on leaves too little room.
bool place_table(unsigned number, const void* table, std::uint64_t entries, std::uint64_t entry_bytes) {
  const std::uint64_t at = kBase + its::kTableBase + 8 * number;
  std::uint64_t page_code = 0;
  its::Memory memory = its::Memory::kShared;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const std::uint64_t page = its::page_bytes(page_code);
    const std::uint64_t pages = (entries * entry_bytes + page - 1) / page;
    if (pages * page > kTableBytes) return false;
    aarch64::write64(at, its::make_table_base(address_of(table), page_code, pages, memory));
    const std::uint64_t now = aarch64::read64(at);
    if (its::TablePageSize::get(now) != page_code) {
      page_code = its::TablePageSize::get(now);
    } else if (memory == its::Memory::kShared && its::Shareability::get(now) == 0) {
      memory = its::Memory::kNotCached;
    } else {
      return (now & its::kValid) != 0;
    }
  }
  return false;
}

bool place_tables(std::uint64_t type) {
  bool has_device_table = false;
  bool has_collections = its::TypeHeldCollections::get(type) >= kCores;
  for (unsigned number = 0; number < its::kTableBases; ++number) {
    const std::uint64_t at = kBase + its::kTableBase + 8 * number;
    const std::uint64_t now = aarch64::read64(at);
    const std::uint64_t entry_bytes = its::TableEntryBytes::get(now) + 1;
    if (its::TableType::get(now) == its::kDeviceTable) {
      has_device_table = place_table(number, device_table.data(), std::uint64_t{1} << kDeviceBits, entry_bytes);
      if (!has_device_table) return false;
    } else if (its::TableType::get(now) == its::kCollectionTable) {
      has_collections = place_table(number, collection_table.data(), kCores, entry_bytes);
      if (!has_collections) return false;
    } else {
      aarch64::write64(at, 0);  // what somebody left there is not used
    }
  }
  return has_device_table && has_collections;
}

// Off, and done with what it was in the middle of.
bool quiesce() {
  aarch64::write32(kBase + its::kControl, 0);
  for (unsigned i = 0; i < kPolls; ++i) {
    if ((aarch64::read32(kBase + its::kControl) & its::kControlQuiescent) != 0) return true;
  }
  return false;
}

void place_commands() {
  for (const its::Memory memory : {its::Memory::kShared, its::Memory::kNotCached}) {
    aarch64::write64(kBase + its::kCommandBase,
                     its::make_command_base(address_of(commands.data()), kCommandQueueBytes >> 12, memory));
    queue_is_cached = memory == its::Memory::kShared;
    if (its::Shareability::get(aarch64::read64(kBase + its::kCommandBase)) != 0) break;
  }
  aarch64::write64(kBase + its::kCommandWrite, 0);  // GITS_CREADR went to zero with the write of GITS_CBASER
  producer = 0;
}

bool has_our_tables(std::uint64_t frame, std::size_t core) {
  const std::uint64_t bytes = aarch64::read64(frame + redistributor::kConfigurationBase);
  const std::uint64_t bits = aarch64::read64(frame + redistributor::kPendingBase);
  return redistributor::ConfigurationAddress::get(bytes) == address_of(configuration.data()).value >> 12 &&
         redistributor::PendingAddress::get(bits) == address_of(&pending[core]).value >> 16;
}

// A redistributor whose LPIs are on takes no other tables, and may not let itself be switched off (GICR_CTLR.CES).
bool switch_lpis_off(std::uint64_t frame) {
  aarch64::write32(frame + redistributor::kControl,
                   aarch64::read32(frame + redistributor::kControl) & ~redistributor::kEnableLpis);
  constexpr std::uint32_t kBusy = redistributor::kEnableLpis | redistributor::kRegisterWritePending;
  for (unsigned i = 0; i < kPolls; ++i) {
    if ((aarch64::read32(frame + redistributor::kControl) & kBusy) == 0) return true;
  }
  return false;
}

}  // namespace

namespace aarch64 {

void prepare_core_message_interrupts() {
  if constexpr (kBase != 0) {
    const std::size_t core = this_core().index;
    const std::uint64_t frame = redistributor_frame(core);
    if (frame == 0 || (read64(frame + redistributor::kType) & redistributor::kTypeHasLpis) == 0) return;
    if (!switch_lpis_off(frame)) return;
    if (core == boot_core()) {  // the first of all: the others find the table as it stays
      configuration[0].fill(its::make_enabled_lpi(kPriority));
      clean(configuration.data(), kLpis);
    }
    clean(&pending[core], sizeof(PendingTable));
    for (const its::Memory memory : {its::Memory::kShared, its::Memory::kNotCached}) {
      write64(frame + redistributor::kConfigurationBase,
              redistributor::make_configuration_base(address_of(configuration.data()), kIdBits, memory));
      if (its::Shareability::get(read64(frame + redistributor::kConfigurationBase)) != 0) break;
    }
    for (const its::Memory memory : {its::Memory::kShared, its::Memory::kNotCached}) {
      write64(frame + redistributor::kPendingBase,
              redistributor::make_pending_base(address_of(&pending[core]), memory));
      if (its::Shareability::get(read64(frame + redistributor::kPendingBase)) != 0) break;
    }
    if (!has_our_tables(frame, core)) return;
    dsb_sy();
    write32(frame + redistributor::kControl, read32(frame + redistributor::kControl) | redistributor::kEnableLpis);
    dsb_sy();
    takes_lpis[core].store(true, std::memory_order_release);
  }
}

// Section 5.2 of IHI 0069: off and quiet, tables and queue in place, on, then the collections.
void prepare_message_interrupts() {
  if constexpr (kBase != 0) {
    if (!quiesce() || !takes_lpis[boot_core()].load(std::memory_order_relaxed)) return;
    const std::uint64_t type = read64(kBase + its::kType);
    if ((type & its::kTypePhysical) == 0 || its::TypeEntryBytes::get(type) + 1 > 16 ||
        its::TypeEventBits::get(type) + 1 < kEventBits || its::TypeDeviceBits::get(type) + 1 < kDeviceBits) {
      return;
    }
    clean(device_table.data(), kTableBytes);
    clean(collection_table.data(), kTableBytes);
    clean(commands.data(), kCommandQueueBytes);
    if (!place_tables(type)) return;
    place_commands();
    write32(kBase + its::kControl, its::kControlEnabled);
    for (std::size_t core = 0; core < kCores; ++core) {
      const std::uint64_t frame = redistributor_frame(core);
      if (frame == 0) continue;  // this machine has fewer cores than the board may have
      const std::uint64_t number = redistributor::TypeNumber::get(read64(frame + redistributor::kType));
      targets[core] =
          (type & its::kTypeAddressTargets) != 0 ? its::target_at(base::PhysAddr{frame}) : its::target_number(number);
      if (!put(its::make_map_collection(static_cast<its::Collection>(core), targets[core])).ok()) return;
      mapped_collections |= std::uint64_t{1} << core;
    }
    routes.fill(static_cast<std::uint8_t>(boot_core()));
    usable.store(sync_all().ok(), std::memory_order_release);
  }
}

}  // namespace aarch64

namespace message_interrupts {

bool present() { return usable.load(std::memory_order_acquire); }

base::Status attach(base::StreamId stream, base::Intid first, std::uint32_t count) {
  const std::size_t slot = slot_of(stream);
  if (!present() || slot == kSlots || stream.value == 0) return base::Error::kNoSuchDevice;
  if (count == 0 || count > kMessages.count || first < kMessages.first ||
      first.value - kMessages.first.value > kMessages.count - count) {
    return base::Error::kOutOfRange;
  }
  MON_TRY(detach(stream));
  const std::uint32_t offset = first.value - kMessages.first.value;
  translations[slot].fill(0);
  clean(&translations[slot], sizeof(TranslationTable));
  attached[slot].store(offset << 16 | count, std::memory_order_release);  // known before the first can arrive
  MON_TRY(put(its::make_map_device(stream, kEventBits, address_of(&translations[slot]))));
  for (std::uint32_t message = offset; message < offset + count; ++message) {
    // The LPI's configuration is as it was when the redistributors began: none has an old copy to invalidate.
    MON_TRY(put(its::make_map_event(stream, kMessages.first.value + message, lpi_of(slot, message), routes[message])));
  }
  return sync_all();
}

base::Status detach(base::StreamId stream) {
  const std::size_t slot = slot_of(stream);
  if (slot == kSlots) return {};
  const std::uint32_t messages = attached[slot].exchange(0, std::memory_order_acq_rel);
  if (messages == 0) return {};
  const std::uint32_t offset = messages >> 16;
  for (std::uint32_t message = offset; message < offset + (messages & 0xFFFF); ++message) {
    MON_TRY(put(its::make_discard(stream, kMessages.first.value + message)));  // forgets a pending one as well
  }
  MON_TRY(sync_all());
  MON_TRY(put(its::make_unmap_device(stream)));
  return sync_all();
}

base::Status route(std::uint32_t word, std::uint32_t mask, base::CoreId core) {
  if (!present()) return base::Error::kNoSuchDevice;
  if (word >= 32 || (mask & ~messages_of(word)) != 0) return base::Error::kOutOfRange;
  if (core.value >= kCores || (mapped_collections >> core.value & 1) == 0 ||
      !takes_lpis[core.value].load(std::memory_order_acquire)) {
    return base::Error::kNoSuchCore;
  }
  std::uint64_t left = 0;
  for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
    const std::uint32_t spi = 32 * word + static_cast<std::uint32_t>(std::countr_zero(rest));
    const std::uint32_t message = spi - kMessages.first.value;
    if (routes[message] == core.value) continue;
    left |= std::uint64_t{1} << routes[message];
    routes[message] = core.value;
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      const std::uint32_t messages = attached[slot].load(std::memory_order_relaxed);
      if (messages == 0 || message - (messages >> 16) >= (messages & 0xFFFF)) continue;
      MON_TRY(put(its::make_move_event(board::kBoard.devices[slot].stream, spi, core.value)));  // a pending one goes too
    }
  }
  // Complete where they were (IHI 0069, 5.3, MOVI and SYNC): no new one is made pending there.
  for (; left != 0; left &= left - 1) MON_TRY(put(its::make_sync(targets[static_cast<std::size_t>(std::countr_zero(left))])));
  return submit();
}

std::optional<base::Intid> virtual_spi(base::Intid message) {
  if (message.value < its::kFirstLpi) return std::nullopt;
  const std::uint32_t index = message.value - its::kFirstLpi;
  const std::uint32_t slot = index / kMessages.count;
  if (slot >= kSlots) return std::nullopt;
  const std::uint32_t offset = index % kMessages.count;
  const std::uint32_t messages = attached[slot].load(std::memory_order_acquire);
  if (messages == 0 || offset - (messages >> 16) >= (messages & 0xFFFF)) return std::nullopt;
  return base::Intid{kMessages.first.value + offset};
}

}  // namespace message_interrupts

}  // namespace hal
