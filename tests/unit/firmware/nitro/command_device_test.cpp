// The registers as Linux's nitro_enclaves driver uses them, and as a hostile parent does.
#include "firmware/nitro/command_device.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using nitro::Command;
using nitro::CommandDevice;
using nitro::Reply;
using nitro::Request;
using nitro::ReturnCode;
using Outcome = nitro::CommandDevice::Outcome;

constexpr std::uint64_t kEnable = 0x0, kVersion = 0x2, kCommand = 0x4, kCounters = 0xc, kSend = 0x10, kReceive = 0x100;

// What ne_pci_probe does to the registers.
void probe(CommandDevice& device) {
  EXPECT_EQ(device.write(kEnable, 1, 0), Outcome::kNothing);
  EXPECT_EQ(device.read(kEnable, 1), 0U);
  EXPECT_EQ(device.write(kVersion, 2, 1), Outcome::kNothing);
  EXPECT_EQ(device.read(kVersion, 2), 1U);
  EXPECT_EQ(device.write(kEnable, 1, 1), Outcome::kNothing);
  EXPECT_EQ(device.read(kEnable, 1), 1U);
}

// memcpy_toio: bytes until it is aligned to 8, then 8 at a time, then bytes.
void send(CommandDevice& device, const std::vector<std::uint64_t>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(device.write(kSend + 8 * i, 8, words[i]), Outcome::kNothing);
  }
}

Outcome submit(CommandDevice& device, Command command, const std::vector<std::uint64_t>& words) {
  send(device, words);
  return device.write(kCommand, 4, static_cast<std::uint32_t>(command));
}

std::uint32_t replies(const CommandDevice& device) { return device.read(kCounters, 4) & 0xffff; }
std::uint32_t events(const CommandDevice& device) {
  return static_cast<std::uint32_t>(device.read(kCounters, 4) >> 16);
}

std::string received(const CommandDevice& device, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(device.read(kReceive + i, 1));
  return text;
}

TEST(CommandDevice, ADriverProbesItAndGetsAReply) {
  CommandDevice device;
  probe(device);
  EXPECT_EQ(submit(device, Command::kSlotInfo, {0x1122334455667788}), Outcome::kRequest);
  EXPECT_EQ(replies(device), 0U);
  EXPECT_EQ(device.take_request(), (Request{.command = Command::kSlotInfo, .slot_uid = 0x1122334455667788}));
  EXPECT_EQ(device.take_request(), std::nullopt);
  EXPECT_TRUE(device.complete({.slot_uid = 7}));
  EXPECT_EQ(replies(device), 1U);
  EXPECT_EQ(events(device), 0U);
  EXPECT_EQ(device.read(kReceive + 8, 8), 7U);
  EXPECT_EQ(device.read(kReceive, 4), 0U);
}

TEST(CommandDevice, NoCommandRunsBeforeItIsEnabledInAVersionThatExists) {
  CommandDevice device;
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kNothing);
  EXPECT_EQ(device.write(kEnable, 1, 1), Outcome::kNothing);
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kNothing) << "no version selected";
  EXPECT_EQ(device.write(kVersion, 2, 2), Outcome::kNothing);
  EXPECT_EQ(device.read(kVersion, 2), 0U) << "the driver must see that it did not get its version";
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kNothing);
  EXPECT_EQ(device.write(kVersion, 2, 1), Outcome::kNothing);
  EXPECT_EQ(device.write(kVersion, 2, 0x101), Outcome::kNothing);
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kNothing);
  EXPECT_EQ(device.take_request(), std::nullopt);
  EXPECT_EQ(device.read(kCounters, 4), 0U);
  EXPECT_EQ(device.write(kEnable, 1, 2), Outcome::kNothing);
  EXPECT_EQ(device.read(kEnable, 1), 1U) << "neither on nor off";
}

TEST(CommandDevice, OneCommandAtATime) {
  CommandDevice device;
  probe(device);
  EXPECT_EQ(submit(device, Command::kStop, {5}), Outcome::kRequest);
  EXPECT_EQ(submit(device, Command::kSlotFree, {6}), Outcome::kNothing) << "one waits";
  EXPECT_EQ(device.write(kCommand, 4, 99), Outcome::kNothing) << "even a wrong one";
  EXPECT_EQ(device.take_request(), (Request{.command = Command::kStop, .slot_uid = 5}));
  EXPECT_EQ(submit(device, Command::kSlotFree, {6}), Outcome::kNothing) << "one runs";
  EXPECT_EQ(device.take_request(), std::nullopt);
  EXPECT_TRUE(device.complete({}));
  EXPECT_EQ(replies(device), 1U);
  EXPECT_EQ(submit(device, Command::kSlotFree, {6}), Outcome::kRequest);
}

TEST(CommandDevice, TheRequestIsWhatLayThereWhenTheCommandWasWritten) {
  CommandDevice device;
  probe(device);
  EXPECT_EQ(submit(device, Command::kStart, {1, 2, 3}), Outcome::kRequest);
  send(device, {~0ULL, ~0ULL, ~0ULL});
  EXPECT_EQ(device.take_request(), (Request{.command = Command::kStart, .slot_uid = 1, .cid = 2, .flags = 3}));
}

TEST(CommandDevice, UnknownCommandsAreAnsweredAtOnce) {
  CommandDevice device;
  probe(device);
  std::uint32_t count = 0;
  for (const std::uint64_t number : {0ULL, 12ULL, 0x8000'0001ULL, 0xffff'ffffULL}) {
    EXPECT_EQ(device.write(kCommand, 4, number), Outcome::kReply);
    EXPECT_EQ(device.take_request(), std::nullopt);
    EXPECT_EQ(replies(device), ++count);
    EXPECT_EQ(device.read(kReceive, 4), 0xffff'ffeaU) << "-EINVAL";
  }
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kRequest) << "and it goes on";
}

TEST(CommandDevice, AResetDropsWhatRunsButKeepsTheNextUntilItHasEnded) {
  CommandDevice device;
  probe(device);
  EXPECT_EQ(submit(device, Command::kStart, {1, 0, 0}), Outcome::kRequest);
  ASSERT_TRUE(device.take_request());
  EXPECT_EQ(device.write(kEnable, 1, 0), Outcome::kNothing);
  EXPECT_EQ(device.read(kEnable, 1), 0U);
  EXPECT_EQ(device.read(kVersion, 2), 0U);
  EXPECT_EQ(device.read(kSend, 8), 0U);
  probe(device);  // the driver is loaded again
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kRequest);
  EXPECT_EQ(device.take_request(), std::nullopt) << "the first one still works on the machine";
  EXPECT_FALSE(device.complete({.slot_uid = 1})) << "nobody waits for it";
  EXPECT_EQ(replies(device), 0U);
  EXPECT_EQ(device.read(kReceive + 8, 8), 0U);
  EXPECT_EQ(device.take_request(), (Request{.command = Command::kSlotCount}));
  EXPECT_TRUE(device.complete({.slot_count = 3}));
  EXPECT_EQ(replies(device), 1U);
}

TEST(CommandDevice, AResetForgetsACommandThatNobodyTook) {
  CommandDevice device;
  probe(device);
  EXPECT_EQ(submit(device, Command::kSlotAllocate, {}), Outcome::kRequest);
  probe(device);
  EXPECT_EQ(device.take_request(), std::nullopt);
  EXPECT_FALSE(device.complete({.slot_uid = 1})) << "nothing was taken";
  EXPECT_EQ(replies(device), 0U);
}

TEST(CommandDevice, EventsAreCountedBesideReplies) {
  CommandDevice device;
  EXPECT_FALSE(device.event()) << "no driver";
  probe(device);
  EXPECT_TRUE(device.event());
  EXPECT_TRUE(device.event());
  EXPECT_EQ(device.read(kCounters, 4), 0x0002'0000U);
  for (int i = 0; i < 0x10000; ++i) {
    EXPECT_EQ(device.write(kCommand, 4, 0), Outcome::kReply);
  }
  EXPECT_EQ(device.read(kCounters, 4), 0x0002'0000U) << "the reply counter wraps alone";
  for (int i = 2; i < 0x10000; ++i) EXPECT_TRUE(device.event());
  EXPECT_EQ(device.read(kCounters, 4), 0U);
}

TEST(CommandDevice, ReadOnlyAndWriteOnlyRegisters) {
  CommandDevice device;
  probe(device);
  EXPECT_EQ(device.write(kCounters, 4, ~0U), Outcome::kNothing);
  EXPECT_EQ(device.write(0x8, 8, ~0ULL), Outcome::kNothing);
  EXPECT_EQ(device.read(kCounters, 4), 0U);
  for (std::uint64_t at = kReceive; at < CommandDevice::kBarSize; at += 8) {
    EXPECT_EQ(device.write(at, 8, ~0ULL), Outcome::kNothing);
    EXPECT_EQ(device.read(at, 8), 0U) << at;
  }
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kRequest);
  EXPECT_EQ(device.read(kCommand, 4), 0U);
}

TEST(CommandDevice, SendDataTakesEverySizeAndIsReadBack) {
  CommandDevice device;
  const std::uint64_t pattern = 0x8877665544332211;
  for (const std::uint32_t size : {1U, 2U, 4U, 8U}) {
    device = CommandDevice{};
    for (std::uint64_t at = 0; at < nitro::kDataSize; at += size) {
      EXPECT_EQ(device.write(kSend + at, size, pattern >> (8 * (at % 8))), Outcome::kNothing);
    }
    for (std::uint64_t at = 0; at < nitro::kDataSize; at += 8) EXPECT_EQ(device.read(kSend + at, 8), pattern) << size;
    EXPECT_EQ(device.read(kReceive, 8), 0U) << "nothing behind the window";
    EXPECT_EQ(device.read(kCounters, 4), 0U) << "nothing before it";
    EXPECT_EQ(device.read(kSend + 6, 2), 0x8877U);
  }
}

// Sizes and places that no driver uses: all ones, and nothing changes.
TEST(CommandDevice, HostileAccessesDoNothing) {
  CommandDevice device;
  probe(device);
  const auto refused = [&](std::uint64_t offset, std::uint32_t size) {
    EXPECT_EQ(device.read(offset, size), ~std::uint64_t{0}) << offset << '/' << size;
    EXPECT_EQ(device.write(offset, size, 0), Outcome::kNothing) << offset << '/' << size;
  };
  for (const std::uint32_t size : {0U, 3U, 5U, 16U, 64U, ~0U}) refused(0, size);
  refused(kCommand + 1, 4);
  refused(kSend + 1, 2);
  refused(kSend + 4, 8);
  refused(CommandDevice::kBarSize, 1);
  refused(CommandDevice::kBarSize, 8);
  refused(~std::uint64_t{0}, 1);
  refused(~std::uint64_t{7}, 8);
  // Aligned, but not the register's own size.
  EXPECT_EQ(device.write(0, 8, 0), Outcome::kNothing);
  EXPECT_EQ(device.write(0, 4, 0), Outcome::kNothing);
  EXPECT_EQ(device.write(0, 2, 0), Outcome::kNothing);
  EXPECT_EQ(device.write(kVersion, 1, 0), Outcome::kNothing);
  EXPECT_EQ(device.write(kCommand, 1, 8), Outcome::kNothing);
  EXPECT_EQ(device.write(kCommand, 2, 8), Outcome::kNothing);
  EXPECT_EQ(device.read(0, 8), 0x0000'0000'0001'0001U) << "still on, still version 1";
  EXPECT_EQ(device.take_request(), std::nullopt);
}

TEST(CommandDevice, AReplyReplacesTheWholeReplyBefore) {
  CommandDevice device;
  probe(device);
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kRequest);
  ASSERT_TRUE(device.take_request());
  EXPECT_TRUE(device.complete({.rc = ReturnCode::kInvalidCid,
                               .slot_uid = ~0ULL,
                               .cid = ~0ULL,
                               .slot_count = ~0ULL,
                               .memory_regions = ~0ULL,
                               .memory_size = ~0ULL,
                               .vcpus = ~0ULL,
                               .flags = ~0ULL,
                               .state = nitro::SlotState::kStopped}));
  EXPECT_EQ(submit(device, Command::kSlotCount, {}), Outcome::kRequest);
  ASSERT_TRUE(device.take_request());
  EXPECT_TRUE(device.complete({}));
  EXPECT_EQ(received(device, nitro::kDataSize), std::string(nitro::kDataSize, '\0'));
}

}  // namespace
