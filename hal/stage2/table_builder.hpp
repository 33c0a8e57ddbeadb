// Edits and walks the stage-2 tables of one partition, on any machine (Arm ARM D8.2, D8.16; 4 KiB granule).
//
// - 39-bit addresses: one root frame at level 1. 2 MiB blocks where address and length allow; none of 1 GiB, because
//   splitting one would take the whole GiB from devices for that time (docs/decisions/machine-aarch64.md).
// - Break-before-make: a valid descriptor changes only by way of invalid, publish, invalidate (D8.16.1).
// - A failed call leaves every mapping as it was. All work is bounded by the length of the range.
// - Mapping or unmapping an aligned 2 MiB that no page table covers touches one descriptor.
// - A table that becomes empty is unlinked, invalidated and given back; pages are not merged back into blocks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "firmware/base/address.hpp"
#include "firmware/base/effect.hpp"
#include "firmware/base/result.hpp"
#include "hal/registers/stage2_control.hpp"
#include "hal/registers/stage2_descriptor.hpp"
#include "hal/stage2/table_memory.hpp"

namespace hal::stage2 {

struct Mapping {  // a run of addresses with one meaning
  base::Ipa ipa{};
  base::FrameRange frames{};
  base::Access access{};
};

template <TableMemory Memory>
class TableBuilder {
  using Level = registers::stage2_descriptor::Level;

 public:
  explicit TableBuilder(Memory& memory) : memory_(memory) {}

  // An empty root. Errors: kNoTables.
  [[nodiscard]] base::Result<base::FrameNumber> create() { return memory_.allocate_table(); }

  // Makes every translation invalid, invalidates, then gives back every table, the root included. Precondition: no
  // core runs the partition, no device is attached to it. Errors: kDeviceTimeout; the tables are empty then, but
  // their frames stay out of the pool for good, because a walker may still hold one.
  [[nodiscard]] base::Status destroy(base::FrameNumber root) {
    namespace format = registers::stage2_descriptor;
    // Invalid descriptors keep their address bits, which no walker reads, until the frames below are given back.
    for (std::size_t index = 0; index < format::kEntries; ++index) {
      const std::uint64_t descriptor = memory_.read_descriptor(root, index);
      if (format::is_valid(descriptor)) memory_.write_descriptor(root, index, descriptor & ~format::kValid);
    }
    memory_.publish();
    constexpr base::FrameCount kEverything{std::uint64_t{1} << (registers::kIpaBits - base::kFrameShift)};
    MON_TRY(memory_.invalidate(base::Ipa{0}, kEverything));
    for (std::size_t index = 0; index < format::kEntries; ++index) {
      const std::uint64_t descriptor = memory_.read_descriptor(root, index) | format::kValid;
      if (format::is_table(descriptor, format::kRootLevel)) give_back_children(format::table_of(descriptor));
    }
    memory_.free_table(root);
    return {};
  }

  // Errors: kOutOfRange (beyond 39 bits), kDenied (part of the range is mapped), kNoTables. Nothing is mapped then.
  [[nodiscard]] base::Status map(base::FrameNumber root, base::Ipa ipa, base::FrameRange frames, base::Access access) {
    return map_leaf(root, ipa, frames, access) ? base::Status{} : map_range(root, ipa, frames, access);
  }
  [[nodiscard]] base::Status map_range(base::FrameNumber root, base::Ipa ipa, base::FrameRange frames,
                                       base::Access access) {
    if (!in_range(ipa, frames.count())) return base::Error::kOutOfRange;
    const Span span{ipa.value, ipa.value + frames.bytes()};
    MON_TRY_ASSIGN(const std::size_t needed, count_for_map(root, registers::stage2_descriptor::kRootLevel, span,
                                                           frames.address().value));
    if (needed > memory_.available_tables()) return base::Error::kNoTables;
    map_span(root, registers::stage2_descriptor::kRootLevel, span, frames.address().value, access);
    memory_.publish();
    return {};
  }

  // Precondition: the whole range is mapped. Errors: kOutOfRange, kNoTables, kDeviceTimeout; nothing is unmapped then.
  // Translations of the range may live on in TLBs until the caller invalidates it.
  [[nodiscard]] base::Status unmap(base::FrameNumber root, base::Ipa ipa, base::FrameCount count) {
    return unmap_leaf(root, ipa, count) ? base::Status{} : unmap_range(root, ipa, count);
  }
  [[nodiscard]] base::Status unmap_range(base::FrameNumber root, base::Ipa ipa, base::FrameCount count) {
    if (!in_range(ipa, count)) return base::Error::kOutOfRange;
    const Span span{ipa.value, ipa.value + (count.value << base::kFrameShift)};
    // Splitting comes first and for both ends, so that all that can fail has been done before anything is unmapped.
    MON_TRY(split_at(root, span.first));
    MON_TRY(split_at(root, span.end));
    unmap_span(root, registers::stage2_descriptor::kRootLevel, span);
    memory_.publish();
    return {};
  }

  // The short way of map() and unmap() for exactly one page or one 2 MiB block: when its tables are there already and
  // stay, one descriptor is all there is to write. False: it is not that simple, and nothing was changed.
  [[nodiscard]] bool map_leaf(base::FrameNumber root, base::Ipa ipa, base::FrameRange frames, base::Access access) {
    if (frames.count().value == 1) return map_one<kPageLevel>(root, ipa, frames, access);
    return frames.count().value == base::kFramesPerBlock && map_one<kBlockLevel>(root, ipa, frames, access);
  }
  [[nodiscard]] bool unmap_leaf(base::FrameNumber root, base::Ipa ipa, base::FrameCount count) {
    if (count.value == 1) return unmap_one<kPageLevel>(root, ipa);
    return count.value == base::kFramesPerBlock && unmap_one<kBlockLevel>(root, ipa);
  }

  struct Translation {
    base::PhysAddr address{};
    base::Access access{};
    Level level{};
  };
  // Errors: kNotOwned when the address is not mapped.
  [[nodiscard]] base::Result<Translation> walk(base::FrameNumber root, base::Ipa ipa) const {
    namespace format = registers::stage2_descriptor;
    if ((ipa.value >> registers::kIpaBits) != 0) return base::Error::kNotOwned;
    base::FrameNumber table = root;
    for (Level level = format::kRootLevel; level <= format::kPageLevel; ++level) {
      const std::uint64_t descriptor = memory_.read_descriptor(table, format::index_of(ipa.value, level));
      if (format::is_leaf(descriptor, level)) {
        const std::uint64_t offset = ipa.value & (format::span_of(level) - 1);
        return Translation{base::PhysAddr{format::output_of(descriptor, level).value + offset},
                           format::access_of(descriptor), level};
      }
      if (!format::is_table(descriptor, level)) break;
      table = format::table_of(descriptor);
    }
    return base::Error::kNotOwned;
  }

  // Calls visit(const Mapping&) for each maximal run, in ascending order of address.
  template <typename Visitor>
  void enumerate(base::FrameNumber root, Visitor&& visit) const {
    Mapping pending{};
    enumerate_table(root, registers::stage2_descriptor::kRootLevel, 0, pending, visit);
    if (!pending.frames.empty()) visit(static_cast<const Mapping&>(pending));
  }

 private:
  struct Span {  // bytes of intermediate address, `end` excluded
    std::uint64_t first{};
    std::uint64_t end{};
  };

  [[nodiscard]] static bool in_range(base::Ipa ipa, base::FrameCount count) {
    constexpr std::uint64_t kTop = std::uint64_t{1} << registers::kIpaBits;
    return base::is_aligned(ipa.value, base::kFrameSize) && ipa.value < kTop &&
           count.value <= ((kTop - ipa.value) >> base::kFrameShift);
  }
  // The part of `span` that the entry of `level` at `span.first` covers.
  [[nodiscard]] static Span first_entry(Span span, Level level) {
    const std::uint64_t size = registers::stage2_descriptor::span_of(level);
    return {span.first, std::min(span.end, (span.first & ~(size - 1)) + size)};
  }
  [[nodiscard]] static bool fits_leaf(Span part, std::uint64_t output, Level level) {
    const std::uint64_t size = registers::stage2_descriptor::span_of(level);
    return level >= kBlockLevel && part.end - part.first == size && base::is_aligned(output, size);
  }

  static constexpr Level kPageLevel = registers::stage2_descriptor::kPageLevel;
  static constexpr Level kBlockLevel = registers::stage2_descriptor::kPageLevel - 1;

  // The table that holds the descriptor of the page or block at `ipa`, when it is there: else false.
  template <Level kLevel>
  [[nodiscard]] bool find_table(base::FrameNumber& table, base::Ipa ipa) const {
    namespace format = registers::stage2_descriptor;
    if (!base::is_aligned(ipa.value, format::span_of(kLevel)) || (ipa.value >> registers::kIpaBits) != 0) return false;
    for (Level level = format::kRootLevel; level < kLevel; ++level) {
      const std::uint64_t descriptor = memory_.read_descriptor(table, format::index_of(ipa.value, level));
      if (!format::is_table(descriptor, level)) return false;
      table = format::table_of(descriptor);
    }
    return true;
  }
  template <Level kLevel>
  [[nodiscard]] bool map_one(base::FrameNumber table, base::Ipa ipa, base::FrameRange frames, base::Access access) {
    namespace format = registers::stage2_descriptor;
    if (!base::is_aligned(frames.address().value, format::span_of(kLevel)) || !find_table<kLevel>(table, ipa)) return false;
    const std::size_t index = format::index_of(ipa.value, kLevel);
    if (format::is_valid(memory_.read_descriptor(table, index))) return false;
    set(table, index, format::make_leaf(frames.address(), access, kLevel));
    memory_.publish();
    return true;
  }
  template <Level kLevel>
  [[nodiscard]] bool unmap_one(base::FrameNumber table, base::Ipa ipa) {
    namespace format = registers::stage2_descriptor;
    if (!find_table<kLevel>(table, ipa) || memory_.used_entries(table) == 1) return false;
    const std::size_t index = format::index_of(ipa.value, kLevel);
    if (!format::is_leaf(memory_.read_descriptor(table, index), kLevel)) return false;
    clear(table, index);
    memory_.publish();
    return true;
  }

  void set(base::FrameNumber table, std::size_t index, std::uint64_t descriptor) {  // invalid -> valid
    memory_.write_descriptor(table, index, descriptor);
    ++memory_.used_entries(table);
  }
  void clear(base::FrameNumber table, std::size_t index) {  // valid -> invalid
    memory_.write_descriptor(table, index, registers::stage2_descriptor::kInvalid);
    --memory_.used_entries(table);
  }

  // The tables that mapping the span takes; changes nothing. Errors: kDenied when part of it is mapped.
  [[nodiscard]] base::Result<std::size_t> count_for_map(base::FrameNumber table, Level level, Span span,
                                                        std::uint64_t output) const {
    namespace format = registers::stage2_descriptor;
    std::size_t needed = 0;
    while (span.first < span.end) {
      const Span part = first_entry(span, level);
      const std::uint64_t descriptor = memory_.read_descriptor(table, format::index_of(part.first, level));
      if (format::is_table(descriptor, level)) {
        MON_TRY_ASSIGN(const std::size_t below, count_for_map(format::table_of(descriptor), level + 1, part, output));
        needed += below;
      } else if (format::is_valid(descriptor)) {
        return base::Error::kDenied;
      } else if (!fits_leaf(part, output, level)) {
        needed += tables_below(level + 1, part, output);
      }
      output += part.end - part.first;
      span.first = part.end;
    }
    return needed;
  }
  // Tables for a span inside one absent table of `level`, that table included.
  [[nodiscard]] static std::size_t tables_below(Level level, Span span, std::uint64_t output) {
    std::size_t tables = 1;
    if (level == registers::stage2_descriptor::kPageLevel) return tables;
    while (span.first < span.end) {
      const Span part = first_entry(span, level);
      if (!fits_leaf(part, output, level)) tables += tables_below(level + 1, part, output);
      output += part.end - part.first;
      span.first = part.end;
    }
    return tables;
  }

  // Precondition: count_for_map() answered, and so many tables are available.
  void map_span(base::FrameNumber table, Level level, Span span, std::uint64_t output, base::Access access) {
    namespace format = registers::stage2_descriptor;
    while (span.first < span.end) {
      const Span part = first_entry(span, level);
      const std::size_t index = format::index_of(part.first, level);
      const std::uint64_t descriptor = memory_.read_descriptor(table, index);
      if (format::is_table(descriptor, level)) {
        map_span(format::table_of(descriptor), level + 1, part, output, access);
      } else if (fits_leaf(part, output, level)) {
        set(table, index, format::make_leaf(base::PhysAddr{output}, access, level));
      } else {
        const base::FrameNumber child = memory_.allocate_table().value();
        map_span(child, level + 1, part, output, access);
        memory_.publish();  // the child's contents, before a walker can find it
        set(table, index, format::make_table(child));
      }
      output += part.end - part.first;
      span.first = part.end;
    }
  }

  // Makes `boundary` fall between two leaves: a block that straddles it becomes a table of pages.
  [[nodiscard]] base::Status split_at(base::FrameNumber table, std::uint64_t boundary) {
    namespace format = registers::stage2_descriptor;
    const std::uint64_t block = boundary & ~(base::kBlockSize - 1);
    if (block == boundary || !find_table<kBlockLevel>(table, base::Ipa{block})) return {};
    const std::size_t index = format::index_of(block, kBlockLevel);
    if (!format::is_leaf(memory_.read_descriptor(table, index), kBlockLevel)) return {};
    return split(table, index, block);
  }
  // Replaces one block by a table of 512 pages that say the same. Errors: kNoTables, kDeviceTimeout; the block is as it
  // was then.
  [[nodiscard]] base::Status split(base::FrameNumber table, std::size_t index, std::uint64_t address) {
    namespace format = registers::stage2_descriptor;
    const std::uint64_t block = memory_.read_descriptor(table, index);
    MON_TRY_ASSIGN(const base::FrameNumber child, memory_.allocate_table());
    // A page differs from the block in its address and the type bit: attributes are the same bits.
    std::uint64_t page = block | format::kTableOrPage;
    for (std::size_t entry = 0; entry < format::kEntries; ++entry, page += base::kFrameSize) {
      memory_.write_descriptor(child, entry, page);
    }
    memory_.used_entries(child) = format::kEntries;
    memory_.write_descriptor(table, index, format::kInvalid);  // break
    memory_.publish();
    const base::Status invalidated = memory_.invalidate(base::Ipa{address}, base::FrameCount{base::kFramesPerBlock});
    memory_.write_descriptor(table, index, invalidated.ok() ? format::make_table(child) : block);  // make, or undo
    memory_.publish();
    if (!invalidated.ok()) memory_.free_table(child);  // never linked
    return invalidated;
  }

  // Precondition: both ends of the span fall between leaves.
  void unmap_span(base::FrameNumber table, Level level, Span span) {
    namespace format = registers::stage2_descriptor;
    while (span.first < span.end) {
      const Span part = first_entry(span, level);
      const std::size_t index = format::index_of(part.first, level);
      const std::uint64_t descriptor = memory_.read_descriptor(table, index);
      if (format::is_table(descriptor, level)) {
        const base::FrameNumber child = format::table_of(descriptor);
        const bool whole = part.end - part.first == format::span_of(level);
        if (!whole) unmap_span(child, level + 1, part);
        if (whole || memory_.used_entries(child) == 0) unlink(table, index, descriptor, part.first, level);
      } else if (format::is_valid(descriptor)) {
        clear(table, index);
      }
      span.first = part.end;
    }
  }

  // Takes a table, with all that it maps, out of the tree and gives its frames back once no walker can hold them.
  void unlink(base::FrameNumber table, std::size_t index, std::uint64_t descriptor, std::uint64_t address, Level level) {
    namespace format = registers::stage2_descriptor;
    const base::FrameNumber child = format::table_of(descriptor);
    clear(table, index);
    memory_.publish();
    const std::uint64_t size = format::span_of(level);
    const base::Status invalidated =
        memory_.invalidate(base::Ipa{address & ~(size - 1)}, base::FrameCount{size >> base::kFrameShift});
    if (invalidated.ok()) {
      give_back(child, level + 1);
      return;
    }
    // A device that did not answer may still walk these frames. They stay where they were, mapping nothing, so that
    // neither they nor the room to undo the unmapping are lost.
    clear_leaves(child, level + 1);
    memory_.publish();
    set(table, index, descriptor);
  }
  void clear_leaves(base::FrameNumber table, Level level) {
    namespace format = registers::stage2_descriptor;
    for (std::size_t index = 0; index < format::kEntries; ++index) {
      const std::uint64_t descriptor = memory_.read_descriptor(table, index);
      if (format::is_table(descriptor, level)) {
        clear_leaves(format::table_of(descriptor), level + 1);
      } else if (format::is_valid(descriptor)) {
        clear(table, index);
      }
    }
  }
  void give_back(base::FrameNumber table, Level level) {
    if (level < registers::stage2_descriptor::kPageLevel) {
      give_back_children(table);
    } else {
      memory_.free_table(table);
    }
  }
  // A level-2 table and the page tables below it.
  void give_back_children(base::FrameNumber table) {
    namespace format = registers::stage2_descriptor;
    for (std::size_t index = 0; index < format::kEntries; ++index) {
      const std::uint64_t descriptor = memory_.read_descriptor(table, index);
      if (format::is_table(descriptor, format::kRootLevel + 1)) memory_.free_table(format::table_of(descriptor));
    }
    memory_.free_table(table);
  }

  template <typename Visitor>
  void enumerate_table(base::FrameNumber table, Level level, std::uint64_t address, Mapping& pending,
                       Visitor& visit) const {
    namespace format = registers::stage2_descriptor;
    for (std::size_t index = 0; index < format::kEntries; ++index, address += format::span_of(level)) {
      const std::uint64_t descriptor = memory_.read_descriptor(table, index);
      if (format::is_table(descriptor, level)) {
        enumerate_table(format::table_of(descriptor), level + 1, address, pending, visit);
      } else if (format::is_leaf(descriptor, level)) {
        const base::FrameNumber first = base::frame_of(format::output_of(descriptor, level));
        const base::FrameCount count{format::span_of(level) >> base::kFrameShift};
        const base::Access access = format::access_of(descriptor);
        if (!pending.frames.empty() && pending.ipa.value + pending.frames.bytes() == address &&
            pending.frames.end() == first && pending.access == access) {
          pending.frames = base::FrameRange::trusted(pending.frames.first(),
                                                     base::FrameCount{pending.frames.count().value + count.value});
        } else {
          if (!pending.frames.empty()) visit(static_cast<const Mapping&>(pending));
          pending = {base::Ipa{address}, base::FrameRange::trusted(first, count), access};
        }
      }
    }
  }

  Memory& memory_;
};

}  // namespace hal::stage2
