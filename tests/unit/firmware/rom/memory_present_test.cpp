// What the ROM takes for the size of RAM: the machine's word, or nothing.
#include "firmware/rom/memory_present.hpp"

#include <gtest/gtest.h>
#include <libfdt.h>

#include <algorithm>
#include <array>
#include <vector>

#include "firmware/measure/handover.hpp"

namespace {

using rom::memory_present;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint64_t kRam = 0x4000'0000;

struct Shape {
  const char* node = "memory@40000000";
  std::uint32_t address_cells = 2;
  std::uint64_t base = kRam;
  std::uint64_t size = 0x1'0000'0000;
  std::vector<std::uint64_t> further{};  // ranges: base, size, base, size ...
  int cut = 0;                           // bytes that `reg` lacks at its end
};

// As QEMU's: a node of secure memory in front of the one that is meant, and room behind the end.
Bytes tree_of(const Shape& shape) {
  Bytes tree(4096);
  void* blob = tree.data();
  std::vector<fdt64_t> reg{cpu_to_fdt64(shape.base), cpu_to_fdt64(shape.size)};
  for (const std::uint64_t number : shape.further) reg.push_back(cpu_to_fdt64(number));
  const std::array secure{cpu_to_fdt64(0xE00'0000), cpu_to_fdt64(0x100'0000)};
  EXPECT_EQ(fdt_create(blob, static_cast<int>(tree.size())), 0);
  EXPECT_EQ(fdt_finish_reservemap(blob), 0);
  EXPECT_EQ(fdt_begin_node(blob, ""), 0);
  EXPECT_EQ(fdt_property_u32(blob, "#address-cells", shape.address_cells), 0);
  EXPECT_EQ(fdt_property_u32(blob, "#size-cells", 2), 0);
  EXPECT_EQ(fdt_begin_node(blob, "secram@e000000"), 0);
  EXPECT_EQ(fdt_property_string(blob, "device_type", "memory"), 0);
  EXPECT_EQ(fdt_property(blob, "reg", secure.data(), 16), 0);
  EXPECT_EQ(fdt_end_node(blob), 0);
  EXPECT_EQ(fdt_begin_node(blob, shape.node), 0);
  EXPECT_EQ(fdt_property(blob, "reg", reg.data(), static_cast<int>(reg.size() * 8) - shape.cut), 0);
  EXPECT_EQ(fdt_end_node(blob), 0);
  EXPECT_EQ(fdt_end_node(blob), 0);
  EXPECT_EQ(fdt_finish(blob), 0);
  return tree;
}

TEST(MemoryPresent, IsWhatTheMemoryNodeSays) {
  EXPECT_EQ(memory_present(tree_of({}), kRam).value(), 0x1'0000'0000U);
  EXPECT_EQ(memory_present(tree_of({.size = 0x1000'0FFF}), kRam).value(), 0x1000'0000U) << "whole frames";
}

TEST(MemoryPresent, OnlyWhatLiesInOnePieceAtTheStartCounts) {
  EXPECT_EQ(memory_present(tree_of({.further = {kRam + 0x1'0000'0000, 0x4000'0000}}), kRam).value(), 0x1'0000'0000U);
  EXPECT_EQ(memory_present(tree_of({.further = {kRam, ~std::uint64_t{0}}}), kRam).value(), 0x1'0000'0000U)
      << "overlaps";
}

TEST(MemoryPresent, TheMostIsWhatAHandoverMaySay) {
  EXPECT_EQ(memory_present(tree_of({.size = measure::kMaxMemory}), kRam).value(), measure::kMaxMemory);
  EXPECT_FALSE(memory_present(tree_of({.size = measure::kMaxMemory + 0x1000}), kRam).ok());
}

TEST(MemoryPresent, NonsenseIsRefused) {
  for (const Shape& shape :
       {Shape{.node = "ram@40000000"}, Shape{.address_cells = 1}, Shape{.base = kRam + 0x1000}, Shape{.base = 0},
        Shape{.size = 0}, Shape{.size = 0xFFF}, Shape{.size = ~std::uint64_t{0}}, Shape{.cut = 4}, Shape{.cut = 16}}) {
    EXPECT_FALSE(memory_present(tree_of(shape), kRam).ok()) << shape.node << ' ' << shape.base << ' ' << shape.size;
  }
  EXPECT_FALSE(memory_present(Bytes(4096), kRam).ok()) << "no tree";
  EXPECT_FALSE(memory_present({}, kRam).ok());
}

TEST(MemoryPresent, NothingIsReadBehindTheBytes) {
  const Bytes tree = tree_of({});
  const std::size_t size = fdt_totalsize(tree.data());
  for (std::size_t length = 0; length < size; ++length) {
    const Bytes part(tree.begin(), tree.begin() + static_cast<std::ptrdiff_t>(length));  // ASan sees its end
    EXPECT_FALSE(memory_present(part, kRam).ok()) << length;
  }
  Bytes longer = tree;
  fdt_set_totalsize(longer.data(), static_cast<std::uint32_t>(longer.size() + 1));
  EXPECT_FALSE(memory_present(longer, kRam).ok());
}

}  // namespace
