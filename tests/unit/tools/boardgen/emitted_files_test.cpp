// What boardgen writes: the compiled tables say what the file says, and every output is a function of the file alone.
#include <gtest/gtest.h>
#include <libfdt.h>

#include <algorithm>
#include <array>

#include "board_tables.hpp"
#include "firmware/rom/layout.hpp"
#include "parent_device_tree.hpp"
#include "tests/unit/tools/boardgen/board_files.hpp"
#include "tools/boardgen/canonical.hpp"
#include "tools/boardgen/emit.hpp"

namespace {

using board_files::accepted;

std::string bytes_of(const boardgen::Description& description, const std::string& name) {
  for (const auto& file : boardgen::emit_all(description)) {
    if (file.name == name) return file.bytes;
  }
  return {};
}

template <typename T, typename Same>
void expect_same(std::span<const T> compiled, std::span<const T> read, Same same) {
  ASSERT_EQ(compiled.size(), read.size());
  for (std::size_t i = 0; i < read.size(); ++i) EXPECT_TRUE(same(compiled[i], read[i])) << "entry " << i;
}

// board_tables.hpp of qemu-virt, through the compiler, against what the library read.
TEST(EmittedTables, CompileToWhatWasRead) {
  const auto description = accepted(board_files::xml_of("qemu-virt"));
  ASSERT_NE(description, nullptr);
  const board::Board& read = description->tables;
  const board::Board& compiled = board::kBoard;
  const auto same_region = [](const board::MemoryRegion& a, const board::MemoryRegion& b) {
    return a.name == b.name && a.base == b.base && a.size == b.size;
  };
  EXPECT_EQ(compiled.name, read.name);
  EXPECT_EQ(compiled.compatible, read.compatible);
  EXPECT_TRUE(same_region(compiled.monitor, read.monitor));
  expect_same(compiled.memory, read.memory, same_region);
  expect_same(compiled.cores, read.cores,
              [](const board::Core& a, const board::Core& b) { return a.mpidr == b.mpidr && a.boot == b.boot; });
  expect_same(compiled.mmio, read.mmio, [](const board::Mmio& a, const board::Mmio& b) {
    return a.name == b.name && a.base == b.base && a.size == b.size && a.owner == b.owner &&
           a.bypasses_smmu == b.bypasses_smmu && a.parent_view == b.parent_view;
  });
  expect_same(compiled.devices, read.devices, [](const board::Device& a, const board::Device& b) {
    return a.name == b.name && a.stream == b.stream && a.mmio_base == b.mmio_base && a.mmio_size == b.mmio_size &&
           a.interrupt == b.interrupt && a.owner == b.owner;
  });
  expect_same(compiled.interrupts, read.interrupts, [](const board::Interrupt& a, const board::Interrupt& b) {
    return a.intid == b.intid && a.owner == b.owner;
  });
  EXPECT_EQ(compiled.limits.enclaves, read.limits.enclaves);
  EXPECT_EQ(compiled.limits.regions_per_enclave, read.limits.regions_per_enclave);
  EXPECT_EQ(compiled.limits.channels_per_enclave, read.limits.channels_per_enclave);
  EXPECT_EQ(compiled.limits.enclave_memory_min, read.limits.enclave_memory_min);
  EXPECT_EQ(compiled.limits.scrub_chunk, read.limits.scrub_chunk);
  EXPECT_EQ(compiled.protections.smmu, read.protections.smmu);
  EXPECT_EQ(compiled.protections.secure_rom, read.protections.secure_rom);
  EXPECT_EQ(compiled.protections.entropy, read.protections.entropy);
  EXPECT_EQ(compiled.gic_distributor, read.gic_distributor);
  EXPECT_EQ(compiled.gic_redistributor, read.gic_redistributor);
  EXPECT_EQ(compiled.gic_redistributor_stride, read.gic_redistributor_stride);
  EXPECT_EQ(compiled.message_interrupts.its_base, read.message_interrupts.its_base);
  EXPECT_EQ(compiled.message_interrupts.first, read.message_interrupts.first);
  EXPECT_EQ(compiled.message_interrupts.count, read.message_interrupts.count);
  EXPECT_EQ(compiled.message_interrupts.offered, read.message_interrupts.offered);
  EXPECT_EQ(compiled.smmu_base, read.smmu_base);
  EXPECT_EQ(compiled.smmu_stream_bits, read.smmu_stream_bits);
  EXPECT_EQ(compiled.uart_base, read.uart_base);
  EXPECT_EQ(compiled.rtc_base, read.rtc_base);
  EXPECT_EQ(compiled.vsock_interrupt, read.vsock_interrupt);
  EXPECT_EQ(compiled.parent_entry, read.parent_entry);
  EXPECT_EQ(compiled.enclave_ram_base, read.enclave_ram_base);
  EXPECT_EQ(compiled.channel_ipa_base, read.channel_ipa_base);
  EXPECT_EQ(compiled.digest, read.digest);
}

// The facts of QEMU's machine that everything else is built on; written down apart from board.xml on purpose.
TEST(EmittedTables, QemuVirtIsTheMachineThatWeStart) {
  EXPECT_EQ(board::kBoard.monitor.base, 0x4000'0000U);
  EXPECT_EQ(board::kBoard.monitor.size, 64U << 20);
  ASSERT_EQ(board::kBoard.memory.size(), 1U);
  EXPECT_EQ(board::kBoard.memory[0].base, 0x4400'0000U);
  EXPECT_EQ(board::kBoard.memory[0].base + board::kBoard.memory[0].size, 0x2'4000'0000U);  // at most: -m 8G
  EXPECT_EQ(board::kMaxCores, 8U);  // at most; fewer may start
  EXPECT_EQ(board::kFrameTableBase, 0x4400'0000U);
  EXPECT_EQ(board::kFrameTableFrames, (0x2'4000'0000U - 0x4400'0000U) / 4096);
  for (const board::Mmio& window : board::kBoard.mmio) {
    const bool unguarded = window.name == "fw-cfg" || window.name == "virtio-mmio" || window.name == "its";
    EXPECT_EQ(window.bypasses_smmu, unguarded) << window.name;
    if (unguarded) {
      EXPECT_EQ(window.owner, board::Owner::kMonitor) << window.name;
    }
  }
}

// The ROM has its own list of addresses, because it must not depend on what it measures. Both speak of one machine.
TEST(EmittedTables, AgreeWithTheRomsLayout) {
  namespace layout = rom::layout;
  const auto monitors = [](std::uint64_t base) {
    return std::any_of(board::kBoard.mmio.begin(), board::kBoard.mmio.end(), [&](const board::Mmio& window) {
      return window.base == base && window.owner == board::Owner::kMonitor;
    });
  };
  EXPECT_EQ(board::kRomBase, layout::kCodeBase);
  EXPECT_EQ(board::kRomSize, layout::kCodeSize);
  EXPECT_EQ(board::kRomIdentityBase, layout::kIdentityBase);
  EXPECT_EQ(board::kRomIdentitySize, layout::kIdentitySize);
  EXPECT_EQ(board::kRomRamBase, layout::kSecureRamBase);
  EXPECT_EQ(board::kRomConsoleBase, layout::kSecureUart);
  EXPECT_EQ(board::kBoard.uart_base, 0U) << "the monitor speaks through the ROM";
  EXPECT_EQ(board::kPackageBase, layout::kPackageBase);
  EXPECT_LE(layout::kPackageSize, board::kPackageSize);
  EXPECT_EQ(board::kBoard.gic_distributor, layout::kGicDistributor);
  EXPECT_EQ(board::kBoard.gic_redistributor, layout::kGicRedistributors);
  EXPECT_EQ(board::kBoard.gic_redistributor_stride, layout::kGicRedistributorStride);
  EXPECT_EQ(board::kBoard.smmu_base, layout::kSmmu);
  EXPECT_TRUE(monitors(layout::kSmmu) && monitors(layout::kGicDistributor));
  EXPECT_EQ(board::kBoard.monitor.base + board::kHandoverOffset, layout::kHandover);
  EXPECT_EQ(board::kBoard.monitor.base + board::kImageOffset, layout::kMonitorLoad);
  EXPECT_EQ(board::kBoard.monitor.base + board::kBoard.monitor.size, layout::kMonitorEnd);
}

class ShippedBoard : public testing::TestWithParam<std::string> {};

TEST_P(ShippedBoard, IsAcceptedAndKeepsEveryRule) {
  const auto description = accepted(board_files::xml_of(GetParam()));
  ASSERT_NE(description, nullptr) << board_files::refusal(board_files::xml_of(GetParam()));
  EXPECT_EQ(board::validate(description->tables), board::kValid);
  EXPECT_EQ(description->tables.name, GetParam());
  EXPECT_TRUE(std::filesystem::exists(board_files::folder() / GetParam() / "README.md"));
}

TEST_P(ShippedBoard, GivesTheSameBytesEachTime) {
  const std::string text = board_files::xml_of(GetParam());
  const auto first = accepted(text), second = accepted(text);
  ASSERT_TRUE(first && second);
  const auto a = boardgen::emit_all(*first), b = boardgen::emit_all(*second);
  ASSERT_EQ(a.size(), 7U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].bytes, b[i].bytes) << a[i].name;
    EXPECT_FALSE(a[i].bytes.empty()) << a[i].name;
    EXPECT_EQ(a[i].bytes.find(COFFERDAM_SOURCE), std::string::npos) << a[i].name << " holds a path of this machine";
  }
}

// The blob names memory, cores and registers of the parent, and none of the monitor's.
TEST_P(ShippedBoard, DeviceTreeHoldsWhatTheParentOwns) {
  const auto description = accepted(board_files::xml_of(GetParam()));
  ASSERT_NE(description, nullptr);
  const std::string blob = bytes_of(*description, "parent.dtb");
  ASSERT_EQ(fdt_check_header(blob.data()), 0);
  EXPECT_EQ(fdt_totalsize(blob.data()), blob.size());
  const auto child_count = [&](const char* prefix, int parent) {
    std::size_t count = 0;
    for (int node = fdt_first_subnode(blob.data(), parent); node >= 0; node = fdt_next_subnode(blob.data(), node)) {
      count += std::string_view(fdt_get_name(blob.data(), node, nullptr)).starts_with(prefix) ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(child_count("memory@", 0), description->tables.memory.size());
  EXPECT_EQ(child_count("cpu@", fdt_path_offset(blob.data(), "/cpus")), description->tables.cores.size());
  const bool command_device = window_of(description->tables, board::View::kCommandConfiguration).has_value();
  EXPECT_EQ(child_count("pcie@", 0), (description->pcie ? 1U : 0U) + (command_device ? 1U : 0U));
  EXPECT_EQ(child_count("virtio_mmio@", 0), description->tables.vsock_interrupt.value != 0 ? 1U : 0U);
  for (int node = fdt_first_subnode(blob.data(), 0); node >= 0; node = fdt_next_subnode(blob.data(), node)) {
    const std::string_view name = fdt_get_name(blob.data(), node, nullptr);
    if (!name.starts_with("memory@")) continue;
    int length = 0;
    const void* value = fdt_getprop(blob.data(), node, "reg", &length);
    ASSERT_EQ(length, 16);
    const auto* cells = static_cast<const fdt64_t*>(value);
    const std::uint64_t base = fdt64_ld(cells), size = fdt64_ld(cells + 1);
    EXPECT_TRUE(base >= description->tables.monitor.base + description->tables.monitor.size ||
                base + size <= description->tables.monitor.base);
  }
  for (const char* hidden : {"arm,smmu-v3", "arm,gic-v3-its", "qemu,fw-cfg-mmio", "arm,pl061"}) {
    EXPECT_EQ(fdt_node_offset_by_compatible(blob.data(), -1, hidden), -FDT_ERR_NOTFOUND) << hidden;
  }
}

std::string property(const std::string& blob, const char* path, const char* name) {
  int length = 0;
  const void* value = fdt_getprop(blob.data(), fdt_path_offset(blob.data(), path), name, &length);
  return value == nullptr ? "" : std::string(static_cast<const char*>(value), static_cast<std::size_t>(length));
}
std::string cells(std::initializer_list<std::uint32_t> values) {
  std::string bytes;
  for (const std::uint32_t value : values) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  }
  return bytes;
}

// What Linux's drivers look up, against numbers written down here.
TEST(DeviceTree, TellsLinuxOfTheParentsOwnDevices) {
  const auto description = accepted(board_files::xml_of("qemu-virt"));
  ASSERT_NE(description, nullptr);
  const std::string blob = bytes_of(*description, "parent.dtb");
  EXPECT_STREQ(property(blob, "/aliases", "serial0").c_str(), "/serial@9000000");
  EXPECT_STREQ(property(blob, "/chosen", "stdout-path").c_str(), "serial0:115200n8");
  EXPECT_EQ(property(blob, "/serial@9000000", "compatible"), std::string("arm,pl011\0arm,primecell\0", 24));
  EXPECT_EQ(property(blob, "/serial@9000000", "reg"), cells({0, 0x0900'0000, 0, 0x1000}));
  EXPECT_EQ(property(blob, "/serial@9000000", "interrupts"), cells({0, 1, 4}));  // SPI 1, level, high
  EXPECT_EQ(property(blob, "/serial@9000000", "clock-names"), std::string("uartclk\0apb_pclk\0", 17));
  EXPECT_EQ(property(blob, "/uart-clock", "clock-frequency"), cells({24'000'000}));
  EXPECT_EQ(property(blob, "/serial@9000000", "clocks"),
            property(blob, "/uart-clock", "phandle") + property(blob, "/apb-pclk", "phandle"));
  EXPECT_EQ(property(blob, "/rtc@9010000", "compatible"), std::string("arm,pl031\0arm,primecell\0", 24));
  EXPECT_EQ(property(blob, "/rtc@9010000", "interrupts"), "") << "the view has no interrupt";
  EXPECT_STREQ(property(blob, "/watchdog@9100000", "compatible").c_str(), "arm,sbsa-gwdt");
  EXPECT_EQ(property(blob, "/watchdog@9100000", "reg"),  // the control frame first, the refresh frame second
            cells({0, 0x0910'0000, 0, 0x1000, 0, 0x0911'0000, 0, 0x1000}));
  EXPECT_EQ(property(blob, "/watchdog@9100000", "interrupts"), cells({0, 986, 1}));  // SPI 986, a rising edge
  EXPECT_STREQ(property(blob, "/psci", "method").c_str(), "hvc");
  EXPECT_EQ(property(blob, "/psci", "compatible"), std::string("arm,psci-1.0\0arm,psci-0.2\0", 26));
  // Secure, non-secure, virtual: PPI 13, 14, 11. Not the hypervisor's.
  EXPECT_EQ(property(blob, "/timer", "interrupts"), cells({1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4}));
  EXPECT_EQ(property(blob, "/interrupt-controller@8000000", "reg"),
            cells({0, 0x0800'0000, 0, 0x1'0000, 0, 0x080a'0000, 0, 8 * 0x2'0000}));
}

// The Nitro Enclaves device's bridge and the vsock device, where the monitor plays them.
TEST(DeviceTree, TellsLinuxOfTheDevicesThatTheMonitorPlays) {
  const auto description = accepted(board_files::xml_of("qemu-virt"));
  ASSERT_NE(description, nullptr);
  const std::string blob = bytes_of(*description, "parent.dtb");
  const char *bridge = "/pcie@f000000", *vsock = "/virtio_mmio@f200000";
  EXPECT_STREQ(property(blob, bridge, "compatible").c_str(), "pci-host-ecam-generic");
  EXPECT_STREQ(property(blob, bridge, "device_type").c_str(), "pci");
  EXPECT_EQ(property(blob, bridge, "reg"), cells({0, 0x0f00'0000, 0, 0x10'0000}));
  EXPECT_EQ(property(blob, bridge, "bus-range"), cells({0, 0}));
  EXPECT_EQ(property(blob, bridge, "linux,pci-domain"), cells({1})) << "Linux wants every bridge numbered, or none";
  EXPECT_EQ(property(blob, "/pcie@4010000000", "linux,pci-domain"), cells({0}));
  EXPECT_EQ(property(blob, bridge, "ranges"), cells({0x0200'0000, 0, 0x0f10'0000, 0, 0x0f10'0000, 0, 0x10'0000}));
  EXPECT_EQ(property(blob, bridge, "msi-parent"), property(blob, "/interrupt-controller@8000000", "phandle"));
  EXPECT_EQ(property(blob, bridge, "interrupt-map"), "") << "no pins";
  EXPECT_STREQ(property(blob, vsock, "compatible").c_str(), "virtio,mmio");
  EXPECT_EQ(property(blob, vsock, "reg"), cells({0, 0x0f20'0000, 0, 0x1000}));
  EXPECT_EQ(property(blob, vsock, "interrupts"), cells({0, 1017 - 32, 1})) << "a rising edge";
  EXPECT_EQ(board::window_of(board::kBoard, board::View::kCommandMemory)->base, 0x0f10'0000U);
}

// Alone, the bridge is domain 0; a board without the device has no bridge.
TEST(DeviceTree, TheCommandDevicesBridgeFollowsTheBoard) {
  const auto description = accepted(board_files::xml_of("host"));
  ASSERT_NE(description, nullptr);
  const std::string blob = bytes_of(*description, "parent.dtb");
  EXPECT_EQ(property(blob, "/pcie@f000000", "linux,pci-domain"), cells({0}));
  EXPECT_EQ(property(blob, "/pcie@f000000", "msi-parent"), property(blob, "/interrupt-controller@8000000", "phandle"));
  const auto tiny = accepted(board_files::xml_of("tiny-model"));
  ASSERT_NE(tiny, nullptr);
  EXPECT_EQ(fdt_node_offset_by_compatible(bytes_of(*tiny, "parent.dtb").data(), -1, "virtio,mmio"), -FDT_ERR_NOTFOUND);
}

// A board that gives the parent no UART, no view of a clock and no watchdog says nothing of them.
TEST(DeviceTree, SaysNothingOfWhatTheParentDoesNotHave) {
  std::string text = board_files::xml_of("host");
  for (const char* frame : {"control", "refresh"}) {
    text = board_files::changed(text, std::string(" parent-view=\"watchdog-") + frame + "\"", "");
  }
  const auto description = accepted(text);
  ASSERT_NE(description, nullptr);
  const std::string blob = bytes_of(*description, "parent.dtb");
  for (const char* hidden : {"arm,pl011", "arm,pl031", "arm,sbsa-gwdt"}) {
    EXPECT_EQ(fdt_node_offset_by_compatible(blob.data(), -1, hidden), -FDT_ERR_NOTFOUND) << hidden;
  }
  EXPECT_EQ(fdt_path_offset(blob.data(), "/aliases"), -FDT_ERR_NOTFOUND);
  EXPECT_EQ(property(blob, "/chosen", "stdout-path"), "");
}

TEST(DeviceTree, OffersMessageInterruptsOnlyWhenTheBoardSaysSo) {
  const std::string text = board_files::xml_of("qemu-virt");
  const auto with = accepted(text), without = accepted(board_files::changed(text, "offered=\"yes\"", "offered=\"no\""));
  ASSERT_TRUE(without && with);
  const char *controller = "/interrupt-controller@8000000", *bridge = "/pcie@4010000000";
  const std::string silent = bytes_of(*without, "parent.dtb"), offered = bytes_of(*with, "parent.dtb");
  EXPECT_EQ(property(offered, controller, "mbi-ranges"), cells({224, 64}));
  // Devices write to the distributor's own GICD_SETSPI_NSR, as guests expect that know no alias.
  EXPECT_EQ(fdt_getprop(offered.data(), fdt_path_offset(offered.data(), controller), "mbi-alias", nullptr), nullptr);
  EXPECT_EQ(property(offered, bridge, "msi-parent"), property(offered, controller, "phandle"));
  EXPECT_NE(fdt_getprop(offered.data(), fdt_path_offset(offered.data(), controller), "msi-controller", nullptr),
            nullptr);
  for (const char* name : {"mbi-ranges", "msi-controller"}) {
    EXPECT_EQ(fdt_getprop(silent.data(), fdt_path_offset(silent.data(), controller), name, nullptr), nullptr) << name;
  }
  EXPECT_EQ(fdt_getprop(silent.data(), fdt_path_offset(silent.data(), bridge), "msi-parent", nullptr), nullptr);
}

// The monitor's copy, through the compiler.
TEST(DeviceTree, IsInTheImageByteForByte) {
  const auto description = accepted(board_files::xml_of("qemu-virt"));
  ASSERT_NE(description, nullptr);
  const std::string blob = bytes_of(*description, "parent.dtb");
  ASSERT_EQ(board::kParentDeviceTree.size(), blob.size());
  EXPECT_TRUE(std::equal(blob.begin(), blob.end(), board::kParentDeviceTree.begin(),
                         [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }));
  EXPECT_GE(board::kParentDeviceTreeRoom, blob.size() + 4096);
}

// What the monitor does with its copy at boot: the longest command line that Linux takes, a ramdisk, seeds, fewer
// cores.
TEST(DeviceTree, HasRoomForWhatBootAdds) {
  constexpr int kRoom = board::kParentDeviceTreeRoom;
  std::array<std::uint8_t, kRoom> tree{};
  ASSERT_EQ(fdt_open_into(board::kParentDeviceTree.data(), tree.data(), kRoom), 0);
  const int chosen = fdt_path_offset(tree.data(), "/chosen");
  const std::string longest(2047, 'x');
  EXPECT_EQ(fdt_setprop(tree.data(), chosen, "bootargs", longest.c_str(), 2048), 0);
  EXPECT_EQ(fdt_setprop_u64(tree.data(), chosen, "linux,initrd-start", 0x4800'0000), 0);
  EXPECT_EQ(fdt_setprop_u64(tree.data(), chosen, "linux,initrd-end", 0x4900'0000), 0);
  EXPECT_EQ(fdt_setprop_u64(tree.data(), chosen, "kaslr-seed", ~std::uint64_t{0}), 0);
  const std::array<std::uint8_t, 512> seed{};
  EXPECT_EQ(fdt_setprop(tree.data(), chosen, "rng-seed", seed.data(), 512), 0);
  EXPECT_EQ(fdt_del_node(tree.data(), fdt_path_offset(tree.data(), "/cpus/cpu@7")), 0);
  EXPECT_EQ(fdt_path_offset(tree.data(), "/cpus/cpu@7"), -FDT_ERR_NOTFOUND);
  EXPECT_GE(fdt_path_offset(tree.data(), "/cpus/cpu@6"), 0);
}

TEST_P(ShippedBoard, ReportsNameEveryPart) {
  const auto description = accepted(board_files::xml_of(GetParam()));
  ASSERT_NE(description, nullptr);
  for (const char* name : {"report.html", "report.md"}) {
    const std::string report = bytes_of(*description, name);
    for (const auto& window : description->tables.mmio) {
      EXPECT_NE(report.find(window.name), std::string::npos) << name << ": " << window.name;
    }
    for (const auto& device : description->tables.devices) {
      EXPECT_NE(report.find(device.name), std::string::npos) << name << ": " << device.name;
    }
    EXPECT_EQ(
        report.find("http://") == std::string::npos || report.find("http://www.w3.org/2000/svg") != std::string::npos,
        true);
    EXPECT_EQ(report.find("src="), std::string::npos) << "the page needs another file";
  }
}

TEST_P(ShippedBoard, MemoryMapGivesTheLinkerItsSymbols) {
  const auto description = accepted(board_files::xml_of(GetParam()));
  ASSERT_NE(description, nullptr);
  const std::string map = bytes_of(*description, "memory.ld");
  for (const char* symbol : {"MONITOR_BASE", "MONITOR_SIZE", "HANDOVER_BASE", "IMAGE_BASE"}) {
    EXPECT_NE(map.find(std::string(symbol) + " = 0x"), std::string::npos) << symbol;
  }
  for (const char* symbol : {"ROM_BASE", "ROM_RAM_BASE", "ROM_IDENTITY_BASE", "PACKAGE_BASE"}) {
    EXPECT_EQ(map.find(std::string("\n") + symbol + " = 0x") != std::string::npos, description->rom.has_value())
        << symbol;
  }
}

// A board without an SMMU and without entropy is a board: it can't assign devices, and its papers say so.
TEST(EmittedReports, SayWhatTheHardwareCantGive) {
  using board_files::changed;
  std::string text = board_files::xml_of("host");
  text = changed(text, "smmu=\"yes\"", "smmu=\"no\"");
  text = changed(text, "entropy=\"yes\"", "entropy=\"no\"");
  text = changed(text, "<smmu type=\"smmu-v3\" window=\"smmu\" stream-bits=\"16\"/>", "");
  const std::size_t first = text.find("<devices>"), end = text.find("</devices>");
  text.erase(first, end - first + std::string("</devices>").size());
  const auto description = accepted(text);
  ASSERT_NE(description, nullptr) << board_files::refusal(text);
  EXPECT_EQ(description->tables.smmu_base, 0U);
  for (const char* name : {"report.html", "report.md"}) {
    const std::string report = bytes_of(*description, name);
    EXPECT_NE(report.find("No SMMU: no device can be confined"), std::string::npos) << name;
    EXPECT_NE(report.find("No source of entropy"), std::string::npos) << name;
    EXPECT_NE(report.find("No EL3 ROM"), std::string::npos) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShippedBoard, testing::ValuesIn(board_files::shipped()), [](const auto& parameter) {
  std::string name = parameter.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
