// The tree an enclave finds, read back with libfdt.
#include "firmware/enclave/device_tree.hpp"

extern "C" {
#include <libfdt.h>
}

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "board_tables.hpp"
#include "firmware/enclave/eif.hpp"
#include "firmware/enclave/machine_map.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using enclave::DeviceTreeInput;

struct Tree {
  std::vector<std::uint8_t> blob;

  [[nodiscard]] int node(const char* path) const { return fdt_path_offset(blob.data(), path); }
  [[nodiscard]] std::string text(const char* path, const char* name) const {
    int size = 0;
    const void* value = fdt_getprop(blob.data(), node(path), name, &size);
    return value == nullptr ? "absent" : std::string(static_cast<const char*>(value), static_cast<std::size_t>(size));
  }
  [[nodiscard]] std::uint64_t number(const char* path, const char* name, int at = 0) const {
    int size = 0;
    const void* value = fdt_getprop(blob.data(), node(path), name, &size);
    if (value == nullptr) return ~std::uint64_t{0};
    const auto* cells = static_cast<const fdt32_t*>(value);  // numbers are aligned to cells only
    if (size == 4) return fdt32_to_cpu(cells[0]);
    return std::uint64_t{fdt32_to_cpu(cells[2 * at])} << 32 | fdt32_to_cpu(cells[2 * at + 1]);
  }
};

Tree written(const DeviceTreeInput& input, std::size_t room = 8192) {
  Tree tree{std::vector<std::uint8_t>(room, 0xEE)};
  const auto size = enclave::write_device_tree(input, tree.blob);
  EXPECT_TRUE(size.ok());
  if (!size.ok()) return tree;
  tree.blob.resize(*size);
  EXPECT_EQ(fdt_check_header(tree.blob.data()), 0);
  EXPECT_EQ(fdt_totalsize(tree.blob.data()), tree.blob.size());
  int depth = 0;
  for (int at = 0, next = 0;; at = next) {  // every tag from the first to the last is sound
    const std::uint32_t tag = fdt_next_tag(tree.blob.data(), at, &next);
    if (next < 0) ADD_FAILURE() << fdt_strerror(next);
    depth += tag == FDT_BEGIN_NODE ? 1 : tag == FDT_END_NODE ? -1 : 0;
    if (tag == FDT_END || next < 0) break;
  }
  EXPECT_EQ(depth, 0);
  return tree;
}

constexpr std::uint64_t kDistributor = 0x800'0000, kRedistributor = 0x80A'0000, kStride = 0x2'0000;
// The rest of what the monitor knows; stdout-path as asked for.
DeviceTreeInput input_of(std::uint64_t base, std::uint64_t size, std::uint64_t initrd, std::uint64_t initrd_size,
                         std::uint32_t cores, base::Bytes line, bool stdout_path = false) {
  return {base, size, initrd, initrd_size, cores, kDistributor, kRedistributor, kStride, stdout_path, line};
}

constexpr std::uint64_t kBase = 0x8000'0000, kSize = 0x1'2345'6000, kInitrd = 0x1'9000'0000, kInitrdSize = 777;

TEST(DeviceTree, SaysMemoryInitrdAndCommandLine) {
  const auto line = test_data::bytes_of("console=none panic=-1");
  const Tree tree = written(input_of(kBase, kSize, kInitrd, kInitrdSize, 3, line));
  EXPECT_EQ(tree.number("/memory@80000000", "reg", 0), kBase);
  EXPECT_EQ(tree.number("/memory@80000000", "reg", 1), kSize);
  EXPECT_EQ(tree.text("/memory@80000000", "device_type"), std::string("memory\0", 7));
  EXPECT_EQ(tree.number("/chosen", "linux,initrd-start"), kInitrd);
  EXPECT_EQ(tree.number("/chosen", "linux,initrd-end"), kInitrd + kInitrdSize);
  EXPECT_EQ(tree.text("/chosen", "bootargs"), "console=none panic=-1" + std::string(1, '\0'));
}

TEST(DeviceTree, HasACoreForEachCore) {
  for (const std::uint32_t cores : {1U, 2U, 16U, 64U}) {
    const Tree tree = written(input_of(kBase, kSize, 0, 0, cores, {}));
    std::uint32_t count = 0;
    for (int node = fdt_first_subnode(tree.blob.data(), tree.node("/cpus")); node >= 0;
         node = fdt_next_subnode(tree.blob.data(), node)) {
      int size = 0;
      const void* reg = fdt_getprop(tree.blob.data(), node, "reg", &size);
      ASSERT_EQ(size, 4);
      EXPECT_EQ(fdt32_to_cpu(*static_cast<const fdt32_t*>(reg)), count) << "what the enclave reads in MPIDR_EL1";
      ++count;
    }
    EXPECT_EQ(count, cores);
  }
  EXPECT_GE(written(input_of(kBase, kSize, 0, 0, 64, {})).node("/cpus/cpu@3f"), 0);
  EXPECT_GE(written(input_of(kBase, kSize, 0, 0, 64, {})).node("/cpus/cpu@a"), 0);
}

TEST(DeviceTree, NamesTheConduitAndTheDevicesThatAreThere) {
  const Tree tree = written(input_of(kBase, kSize, 0, 0, 1, {}));
  EXPECT_EQ(tree.text("/psci", "method"), std::string("hvc\0", 4));
  EXPECT_EQ(tree.text("/psci", "compatible"), std::string("arm,psci-1.0\0arm,psci-0.2\0", 26));
  EXPECT_EQ(tree.text("/cpus/cpu@0", "enable-method"), std::string("psci\0", 5));
  std::vector<std::string> nodes;
  for (int node = fdt_first_subnode(tree.blob.data(), 0); node >= 0; node = fdt_next_subnode(tree.blob.data(), node)) {
    nodes.emplace_back(fdt_get_name(tree.blob.data(), node, nullptr));
  }
  EXPECT_EQ(nodes, (std::vector<std::string>{"chosen", "memory@80000000", "cpus", "psci", "timer",
                                             "interrupt-controller@8000000", "apb-pclk", "rtc@9010000",
                                             "virtio@a000000", "virtio@a000200", "serial@9000000"}))
      << "nothing else exists there";
}

// AWS's init needs a /dev/console that opens; only a debug enclave's kernel is to use it unasked.
TEST(DeviceTree, EveryEnclaveHasASerialPortAndADebugEnclaveAPathToIt) {
  const Tree debug = written(input_of(kBase, kSize, 0, 0, 1, {}, true));
  EXPECT_EQ(debug.text("/serial@9000000", "compatible"), std::string("ns16550a\0", 9));
  EXPECT_EQ(debug.text("/chosen", "stdout-path"), std::string("/serial@9000000\0", 16));
  const Tree production = written(input_of(kBase, kSize, 0, 0, 1, {}));
  EXPECT_EQ(production.text("/serial@9000000", "compatible"), std::string("ns16550a\0", 9));
  EXPECT_EQ(production.text("/chosen", "stdout-path"), "absent");
}

TEST(DeviceTree, InterruptsAreThoseOfTheMachineMap) {
  const Tree tree = written(input_of(kBase, kSize, 0, 0, 3, {}, true));
  const auto interrupt_of = [&](const char* path, std::uint32_t trigger = 4) {  // level, high
    int size = 0;
    const auto* cells = static_cast<const fdt32_t*>(fdt_getprop(tree.blob.data(), tree.node(path), "interrupts", &size));
    EXPECT_EQ(size, 12) << path;
    if (size != 12) return 0U;
    EXPECT_EQ(fdt32_to_cpu(cells[0]), 0U) << "an SPI";
    EXPECT_EQ(fdt32_to_cpu(cells[2]), trigger);
    return fdt32_to_cpu(cells[1]) + 32;
  };
  EXPECT_EQ(interrupt_of("/virtio@a000000"), enclave::kNsm.interrupt.value);
  EXPECT_EQ(interrupt_of("/virtio@a000200", 1), enclave::kVsock.interrupt.value);
  EXPECT_EQ(interrupt_of("/serial@9000000"), enclave::kConsole.interrupt.value);
  // kvm-unit-tests take a timer's node only with all four interrupts.
  int size = 0;
  const auto* timers =
      static_cast<const fdt32_t*>(fdt_getprop(tree.blob.data(), tree.node("/timer"), "interrupts", &size));
  ASSERT_EQ(size, 4 * 3 * 4);
  constexpr std::array<std::uint32_t, 4> kPpis{13, 14, 11, 10};  // secure, non-secure, virtual, hypervisor's
  for (std::size_t i = 0; i < kPpis.size(); ++i) {
    EXPECT_EQ(fdt32_to_cpu(timers[3 * i]), 1U) << "a PPI";
    EXPECT_EQ(fdt32_to_cpu(timers[3 * i + 1]), kPpis[i]);
  }
  EXPECT_EQ(tree.number("/", "interrupt-parent"), tree.number("/interrupt-controller@8000000", "phandle"));
  EXPECT_EQ(tree.number("/interrupt-controller@8000000", "reg", 0), kDistributor);
  EXPECT_EQ(tree.number("/interrupt-controller@8000000", "reg", 2), kRedistributor);
  EXPECT_EQ(tree.number("/interrupt-controller@8000000", "reg", 3), 3 * kStride) << "a frame for each core";
}

TEST(DeviceTree, TheLongestCommandLineFitsTheMonitorsBuffer) {
  const std::vector<std::uint8_t> line(enclave::kMaxEifCommandLine, 'x');
  const Tree tree = written(input_of(kBase, kSize, kInitrd, kInitrdSize, board::kMaxCores, line));
  EXPECT_EQ(tree.text("/chosen", "bootargs").size(), line.size() + 1);
  const std::vector<std::uint8_t> longer(enclave::kMaxEifCommandLine + 1, 'x');
  std::vector<std::uint8_t> room(16384);
  const auto refused = enclave::write_device_tree(input_of(kBase, kSize, 0, 0, 1, longer), room);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error(), base::Error::kBufferTooSmall);
}

TEST(DeviceTree, EveryBufferThatIsTooSmallIsRefused) {
  const auto line = test_data::bytes_of("quiet");
  const std::size_t needed = written(input_of(kBase, kSize, 0, 0, 4, line)).blob.size();
  for (std::size_t room = 0; room < needed; ++room) {
    std::vector<std::uint8_t> blob(room + 16, 0xEE);
    const auto refused =
        enclave::write_device_tree(input_of(kBase, kSize, 0, 0, 4, line), base::MutableBytes{blob}.first(room));
    ASSERT_FALSE(refused.ok()) << room << " of " << needed;
    EXPECT_EQ(refused.error(), base::Error::kBufferTooSmall);
    for (std::size_t i = room; i < blob.size(); ++i) ASSERT_EQ(blob[i], 0xEE) << "wrote behind " << room;
  }
}

TEST(DeviceTree, IsTheSameForTheSameEnclave) {
  const DeviceTreeInput input = input_of(kBase, kSize, kInitrd, kInitrdSize, 2, {});
  EXPECT_EQ(written(input).blob, written(input).blob) << "its digest is attested";
  std::vector<std::uint8_t> over_zeros(8192, 0), over_others(8192, 0xFF);
  ASSERT_TRUE(enclave::write_device_tree(input, over_zeros).ok());
  ASSERT_TRUE(enclave::write_device_tree(input, over_others).ok());
  EXPECT_EQ(over_zeros, over_others) << "nothing of what lay there before is the enclave's to read";
}

}  // namespace
