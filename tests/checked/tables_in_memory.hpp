// What the machine's walkers find, read from the same memory: stage-2 tables and the SMMU's stream table. Written apart
// from the table builder and the SMMU's driver; shares the layouts of hal/registers with them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "board_tables.hpp"
#include "firmware/base/ids.hpp"
#include "hal/aarch64/mmio.hpp"
#include "hal/registers/smmuv3.hpp"
#include "hal/registers/stage2_control.hpp"
#include "hal/registers/stage2_descriptor.hpp"

namespace checked {

inline constexpr std::uint64_t kPage = 4096;

// The monitor's own memory lies at its physical addresses; tables are nowhere else.
[[nodiscard]] inline bool is_monitors(std::uint64_t address) {
  constexpr const board::MemoryRegion& kOwn = board::kBoard.monitor;
  return address >= kOwn.base && address - kOwn.base < kOwn.size;
}
[[nodiscard]] inline std::uint64_t word_at(std::uint64_t address) {
  return *reinterpret_cast<const volatile std::uint64_t*>(address);
}

// visit(page of the address, first frame, frames, access) for each leaf below `table`, ascending, until it answers false.
// False also when a table lies outside the monitor's memory.
template <typename Visit>
[[nodiscard]] bool walk(std::uint64_t table, unsigned level, std::uint64_t page, Visit& visit) {
  namespace format = hal::registers::stage2_descriptor;
  if (!is_monitors(table)) return false;
  const std::uint64_t pages = format::span_of(level) / kPage;
  for (unsigned index = 0; index < format::kEntries; ++index, page += pages) {
    const std::uint64_t descriptor = word_at(table + std::uint64_t{index} * 8);
    if (!format::is_valid(descriptor)) continue;
    if (format::is_table(descriptor, level)) {
      if (!walk(base::address_of(format::table_of(descriptor)).value, level + 1, page, visit)) return false;
    } else {
      const std::uint64_t frame = format::output_of(descriptor, level).value / kPage;
      if (!visit(page, frame, pages, format::access_of(descriptor))) return false;
    }
  }
  return true;
}

enum class StreamWay : std::uint8_t { kAborts, kStage2, kOther };
struct StreamEntry {
  StreamWay way;
  std::uint64_t root;  // address
  std::uint64_t vmid;
};

// The stream table that the SMMU itself was told of. Without a value: it translates nothing, and aborts all.
class StreamTable {
 public:
  [[nodiscard]] static std::optional<StreamTable> in_use() {
    namespace smmu = hal::registers::smmuv3;
    constexpr std::uint64_t kBase = board::kBoard.smmu_base;
    if ((hal::aarch64::read32(kBase + smmu::kCr0Ack) & smmu::kCr0Enable) == 0) return std::nullopt;
    constexpr std::uint64_t kAddress = ((std::uint64_t{1} << 52) - 1) & ~std::uint64_t{63};  // IHI 0070, 6.3.23
    return StreamTable{hal::aarch64::read64(kBase + smmu::kStrtabBase) & kAddress,
                       hal::aarch64::read32(kBase + smmu::kStrtabBaseCfg)};
  }
  [[nodiscard]] bool is_linear_and_own() const { return (config_ >> 16 & 3) == 0 && is_monitors(base_); }
  [[nodiscard]] std::uint32_t size() const { return std::uint32_t{1} << (config_ & 0x3F); }
  [[nodiscard]] StreamEntry at(std::uint32_t stream) const {
    namespace smmu = hal::registers::smmuv3;
    const std::uint64_t entry = base_ + stream * smmu::kStreamEntryBytes;
    const std::uint64_t first = word_at(entry);
    const bool aborts = (first & smmu::kSteValid) == 0 || smmu::SteConfig::get(first) == smmu::kConfigAbort;
    if (aborts) return {StreamWay::kAborts, 0, 0};
    if (smmu::SteConfig::get(first) != smmu::kConfigStage2) return {StreamWay::kOther, 0, 0};
    constexpr std::uint64_t kRoot = ((std::uint64_t{1} << 52) - 1) & ~(kPage - 1);
    return {StreamWay::kStage2, word_at(entry + 24) & kRoot, word_at(entry + 16) & 0xFFFF};
  }

 private:
  StreamTable(std::uint64_t base, std::uint32_t config) : base_(base), config_(config) {}
  std::uint64_t base_;
  std::uint32_t config_;
};

}  // namespace checked
