// A machine with less memory than its board may have: what is missing is nobody's, the rest works to its last frame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "firmware/board/budget.hpp"
#include "hal/host/dma_device.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

using base::Error;
using ::testing::HasSubstr;

constexpr base::StreamId kDevice{8};
constexpr std::uint64_t kBoardEnd = kRam + board::kBoard.memory[0].size;
constexpr std::uint64_t kMemoryEnd = kRam + 16 * kBlock + 3 * kFrame;  // not the end of a block

class LessMemory : public WholeMachine {
 protected:
  void boot_with(std::uint64_t bytes) {
    measure::Handover handover = support::development_identity(board::kBoard.digest).handover;
    handover.memory_bytes = bytes;
    host::MachineConfig config;
    config.handover.resize(sizeof handover);
    std::memcpy(config.handover.data(), &handover, sizeof handover);
    boot(config);
  }
  void boot_ending_at(std::uint64_t end) { boot_with(end - board::ram_base(board::kBoard)); }
  void expect_halted(std::string_view why) {
    EXPECT_EQ(machine().power_state(), host::PowerState::kHalted);
    EXPECT_THAT(machine().console(), HasSubstr(why));
  }
};

TEST_F(LessMemory, WhatIsMissingIsNobodys) {
  static_assert(kMemoryEnd < kBoardEnd - kBlock);
  boot_ending_at(kMemoryEnd);
  EXPECT_TRUE(parent().can_write(Ipa{kMemoryEnd - kFrame}));
  host::DmaDevice device(machine(), kDevice);
  std::array<std::uint8_t, 8> bytes{};
  EXPECT_TRUE(device.read(kMemoryEnd - kFrame, bytes));
  for (const std::uint64_t address :
       {kMemoryEnd, base::align_up(kMemoryEnd, kBlock), kBoardEnd - kBlock, kBoardEnd - kFrame}) {
    EXPECT_FALSE(parent().can_read(Ipa{address})) << std::hex << address;
    EXPECT_FALSE(parent().can_write(Ipa{address})) << std::hex << address;
    EXPECT_FALSE(device.read(address, bytes)) << std::hex << address;
    EXPECT_FALSE(device.write(address, bytes)) << std::hex << address;
  }
  EXPECT_EQ(parent().call(Function::kPartitionInfo).x[3], kMemoryEnd - kRam);
}

TEST_F(LessMemory, WhatIsMissingCantBeGivenAway) {
  boot_ending_at(kMemoryEnd);
  const std::uint64_t uid = parent().call(Function::kSlotAllocate).x[1];
  ASSERT_NE(uid, 0U);
  const auto donate = [&](std::uint64_t address, std::uint64_t size) {
    return parent().call(Function::kMemoryDonate, {uid, address, size}).error();
  };
  EXPECT_EQ(donate(kMemoryEnd, kFrame), error_number(Error::kOutOfRange));
  EXPECT_EQ(donate(kBoardEnd - kBlock, kBlock), error_number(Error::kOutOfRange));
  EXPECT_EQ(donate(kMemoryEnd - kFrame, 2 * kFrame), error_number(Error::kOutOfRange)) << "across the end";
  EXPECT_TRUE(parent().can_write(Ipa{kMemoryEnd - kFrame})) << "a refusal changes nothing";
  EXPECT_EQ(parent().call(Function::kChannelOpen, {uid, kMemoryEnd, kFrame}).error(), error_number(Error::kOutOfRange));
  EXPECT_EQ(parent().call(Function::kEventLogRead, {0, kMemoryEnd, kFrame}).error(), error_number(Error::kNotOwned));
  EXPECT_TRUE(parent().call_to_end(Function::kSlotFree, {uid}).ok());
}

TEST_F(LessMemory, AnEnclaveLivesInTheLastOfIt) {
  boot_ending_at(kMemoryEnd);
  EnclavePlan plan;
  plan.address = kMemoryEnd - plan.size;
  const std::uint64_t uid = run_enclave(parent(), plan);
  ASSERT_NE(uid, 0U) << machine().console();
  EXPECT_FALSE(parent().can_read(Ipa{kMemoryEnd - kFrame}));
  EXPECT_EQ(parent().call(Function::kPartitionInfo).x[3], kMemoryEnd - kRam - plan.size);
  ASSERT_TRUE(end_enclave(parent(), uid).ok());
  EXPECT_EQ(parent().read64(Ipa{kMemoryEnd - kFrame}), 0U);
  EXPECT_FALSE(parent().can_read(Ipa{kMemoryEnd})) << "what comes back is what was there";
  EXPECT_EQ(parent().call(Function::kPartitionInfo).x[3], kMemoryEnd - kRam);
}

TEST_F(LessMemory, MoreThanTheBoardHasRoomForStaysUnused) {
  boot_ending_at(kBoardEnd + kBlock);
  EXPECT_TRUE(parent().can_write(Ipa{kBoardEnd - kFrame}));
  EXPECT_FALSE(parent().can_read(Ipa{kBoardEnd}));
}

TEST_F(LessMemory, WithTooLittleThereIsNoParent) {
  for (const std::uint64_t end : {board::kBoard.monitor.base + kFrame, kRam, board::kBoard.parent_entry}) {
    boot_ending_at(end);
    expect_halted("less memory than");
    TearDown();
    machine_.reset();
  }
}

TEST_F(LessMemory, AnAmountThatIsNoneIsRefused) {
  for (const std::uint64_t bytes : {std::uint64_t{0}, kRam + 1, measure::kMaxMemory + kFrame, ~std::uint64_t{0}}) {
    boot_with(bytes);
    expect_halted("malformed");
    TearDown();
    machine_.reset();
  }
}

}  // namespace
}  // namespace scenario
