// The tree that the parent gets: what the board compiler wrote, and what boot adds and takes away.
#include "firmware/boot/amend_device_tree.hpp"

#include <gtest/gtest.h>
#include <libfdt.h>

#include <array>
#include <string>
#include <vector>

namespace {

using base::Error;
using boot::amend_device_tree;
using boot::BootFacts;
using Bytes = std::vector<std::uint8_t>;

// /chosen, a controller for four redistributors and four cores, one of them in another cluster.
Bytes original() {
  Bytes tree(4096);
  void* blob = tree.data();
  EXPECT_EQ(fdt_create(blob, static_cast<int>(tree.size())), 0);
  EXPECT_EQ(fdt_finish_reservemap(blob), 0);
  EXPECT_EQ(fdt_begin_node(blob, ""), 0);
  EXPECT_EQ(fdt_begin_node(blob, "chosen"), 0);
  EXPECT_EQ(fdt_property_string(blob, "stdout-path", "serial0"), 0);
  EXPECT_EQ(fdt_end_node(blob), 0);
  for (const char* memory : {"memory@44000000", "memory@880000000"}) {
    EXPECT_EQ(fdt_begin_node(blob, memory), 0);
    EXPECT_EQ(fdt_property(blob, "reg", "0123456789abcdef", 16), 0);
    EXPECT_EQ(fdt_end_node(blob), 0);
  }
  EXPECT_EQ(fdt_begin_node(blob, "interrupt-controller@8000000"), 0);
  EXPECT_EQ(fdt_property_string(blob, "compatible", "arm,gic-v3"), 0);
  EXPECT_EQ(fdt_property(blob, "reg", "address1bytes..1address2bytes..2", 32), 0);
  EXPECT_EQ(fdt_end_node(blob), 0);
  EXPECT_EQ(fdt_begin_node(blob, "cpus"), 0);
  for (const char* core : {"cpu@0", "cpu@1", "cpu@2", "cpu@1a00"}) {
    EXPECT_EQ(fdt_begin_node(blob, core), 0);
    EXPECT_EQ(fdt_end_node(blob), 0);
  }
  EXPECT_EQ(fdt_end_node(blob), 0);
  EXPECT_EQ(fdt_end_node(blob), 0);
  EXPECT_EQ(fdt_finish(blob), 0);
  tree.resize(fdt_totalsize(blob));
  return tree;
}

Bytes amended(const BootFacts& facts) {
  Bytes out(16384);
  const auto size = amend_device_tree(original(), facts, out);
  EXPECT_TRUE(size.ok());
  if (size.ok()) out.resize(*size);
  EXPECT_EQ(fdt_check_header(out.data()), 0);
  return out;
}

std::string property(const Bytes& tree, const char* name) {
  int length = 0;
  const void* value = fdt_getprop(tree.data(), fdt_path_offset(tree.data(), "/chosen"), name, &length);
  return value == nullptr ? std::string{"(absent)"} : std::string(static_cast<const char*>(value), static_cast<std::size_t>(length));
}

TEST(AmendDeviceTree, SaysCommandLineAndInitrd) {
  const Bytes tree = amended({.command_line = "console=ttyAMA0 quiet", .initrd = 0x4810'0000, .initrd_size = 0x1234});
  EXPECT_EQ(property(tree, "bootargs"), std::string("console=ttyAMA0 quiet\0", 22));
  EXPECT_EQ(property(tree, "linux,initrd-start"), std::string("\0\0\0\0\x48\x10\0\0", 8));
  EXPECT_EQ(property(tree, "linux,initrd-end"), std::string("\0\0\0\0\x48\x10\x12\x34", 8));
  EXPECT_EQ(property(tree, "stdout-path"), std::string("serial0\0", 8));
  EXPECT_EQ(property(amended({}), "linux,initrd-start"), "(absent)");
}

TEST(AmendDeviceTree, ACoreThatTheMachineLacksIsNotNamed) {
  const std::array<std::uint64_t, 2> absent{0x1, 0x1A00};
  const Bytes tree = amended({.absent_cores = absent});
  EXPECT_GE(fdt_path_offset(tree.data(), "/cpus/cpu@0"), 0);
  EXPECT_GE(fdt_path_offset(tree.data(), "/cpus/cpu@2"), 0);
  EXPECT_LT(fdt_path_offset(tree.data(), "/cpus/cpu@1"), 0);
  EXPECT_LT(fdt_path_offset(tree.data(), "/cpus/cpu@1a00"), 0);
}

TEST(AmendDeviceTree, TheRedistributorsAreThoseOfTheCoresThatTheMachineHas) {
  const auto reg = [](const Bytes& tree) {
    int length = 0;
    const void* value =
        fdt_getprop(tree.data(), fdt_path_offset(tree.data(), "/interrupt-controller@8000000"), "reg", &length);
    return value == nullptr ? std::string{"(absent)"}
                            : std::string(static_cast<const char*>(value), static_cast<std::size_t>(length));
  };
  EXPECT_EQ(reg(amended({.redistributor_bytes = 0x6'0000})),
            "address1bytes..1address2" + std::string("\0\0\0\0\0\6\0\0", 8));
  EXPECT_EQ(reg(amended({})), "address1bytes..1address2bytes..2") << "nothing known: as the board says";
}

TEST(AmendDeviceTree, MemoryIsWhatTheMachineHas) {
  const auto reg = [](const Bytes& tree, const char* path) {
    int length = 0;
    const void* value = fdt_getprop(tree.data(), fdt_path_offset(tree.data(), path), "reg", &length);
    return value == nullptr ? std::string{"(absent)"} : std::string(static_cast<const char*>(value), static_cast<std::size_t>(length));
  };
  const std::array<boot::PresentMemory, 2> memory{{{0x4400'0000, 0x1C00'0000}, {0x8'8000'0000, 0}}};
  const Bytes tree = amended({.memory = memory});
  EXPECT_EQ(reg(tree, "/memory@44000000"), std::string("\0\0\0\0\x44\0\0\0\0\0\0\0\x1c\0\0\0", 16));
  EXPECT_LT(fdt_path_offset(tree.data(), "/memory@880000000"), 0) << "a region of which nothing is there";
  EXPECT_EQ(reg(amended({}), "/memory@44000000"), "0123456789abcdef") << "nothing known: as the board says";
  Bytes out(16384);
  const std::array<boot::PresentMemory, 1> unknown{{{0x4800'0000, 0x1000}}};
  EXPECT_EQ(amend_device_tree(original(), {.memory = unknown}, out).error(), Error::kInvalidArgument);
}

TEST(AmendDeviceTree, IsTheSameUntilSeedsArePlanted) {
  Bytes first = amended({.command_line = "a"});
  EXPECT_EQ(first, amended({.command_line = "a"}));
  EXPECT_EQ(property(first, "rng-seed"), std::string(boot::kRngSeedSize, '\0'));
  EXPECT_EQ(property(first, "kaslr-seed"), std::string(8, '\0'));
  std::array<std::uint8_t, boot::kRngSeedSize> seed;
  seed.fill(0x5A);
  ASSERT_TRUE(boot::plant_seeds(first, 0x0102'0304'0506'0708, seed).ok());
  EXPECT_EQ(property(first, "rng-seed"), std::string(boot::kRngSeedSize, 0x5A));
  EXPECT_EQ(property(first, "kaslr-seed"), std::string("\x01\x02\x03\x04\x05\x06\x07\x08", 8));
}

TEST(AmendDeviceTree, WhatDoesNotFitIsRefused) {
  Bytes out(16384);
  const std::string longest(boot::kMaxCommandLine, 'x');
  EXPECT_TRUE(amend_device_tree(original(), {.command_line = longest}, out).ok());
  EXPECT_EQ(amend_device_tree(original(), {.command_line = longest + "x"}, out).error(), Error::kTooLarge);
  Bytes small(original().size() + 16);
  EXPECT_EQ(amend_device_tree(original(), {.command_line = longest}, small).error(), Error::kTooLarge);
  const std::array<std::uint64_t, 1> unknown{0x77};
  EXPECT_EQ(amend_device_tree(original(), {.absent_cores = unknown}, out).error(), Error::kInvalidArgument);
  EXPECT_EQ(amend_device_tree(Bytes(64, 0xFF), {}, out).error(), Error::kInvalidArgument);
  EXPECT_EQ(amend_device_tree(Bytes{}, {}, out).error(), Error::kInvalidArgument);
  std::array<std::uint8_t, boot::kRngSeedSize> seed{};
  Bytes without = original();
  EXPECT_EQ(boot::plant_seeds(without, 1, seed).error(), Error::kInvalidArgument);
}

}  // namespace
