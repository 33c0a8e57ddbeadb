// What each entry of kStatusRead says about a known world, byte by byte where a reader relies on it.
#include "firmware/hypercall/status.hpp"

#include <gtest/gtest.h>

#include "tests/unit/firmware/hypercall/world.hpp"

namespace {

using namespace world;
namespace abi = cofferdam_abi;
using abi::StatusSection;
using base::Error;

class Status : public testing::Test {
 protected:
  template <typename Entry>
  [[nodiscard]] Entry read(StatusSection section, std::uint64_t index = 0) {
    std::array<std::uint8_t, hypercall::kMaxStatusSize> buffer{};
    buffer.fill(0xEE);
    const hypercall::StatusFacts facts{.uptime_milliseconds = 5000, .unix_milliseconds = 1'700'000'000'000,
                                       .security_version = 7, .development = true, .traps = traps_};
    const auto number = static_cast<std::uint64_t>(section);
    const base::Bytes bytes = hypercall::write_status(world_.state(), facts, number, index, buffer);
    EXPECT_EQ(bytes.size(), sizeof(Entry));
    EXPECT_EQ(hypercall::status_size(number).value(), sizeof(Entry));
    Entry entry;
    std::memcpy(&entry, bytes.data(), sizeof entry);
    EXPECT_EQ(entry.head.size, sizeof(Entry));
    EXPECT_EQ(entry.head.version, 1U);
    return entry;
  }
  World world_{World::with_two_enclaves()};
  std::array<abi::TrapCounters, board::kMaxCores> traps_{};
};

TEST_F(Status, TheVersionNamesMonitorAndBoard) {
  const auto version = read<abi::VersionStatus>(StatusSection::kVersion);
  EXPECT_EQ(version.abi, abi::kAbiMajor << 16 | abi::kAbiMinor);
  EXPECT_EQ(version.security_version, 7U);
  EXPECT_EQ(version.development, 1U);
  EXPECT_EQ(std::string{version.board}, board::kBoard.name);
  EXPECT_TRUE(std::equal(board::kBoard.digest.begin(), board::kBoard.digest.end(), version.board_digest));
}

TEST_F(Status, TheMachineIsDividedWithoutRemainder) {
  world_.commit_fact({.kind = FactKind::kMemoryScrubbing, .slot = kSlotA,
                      .frames = base::FrameRange::from_bytes(kMemoryA + kSizeA - 0x2000, 0x2000).value()});
  const auto machine = read<abi::MachineStatus>(StatusSection::kMachine);
  EXPECT_EQ(machine.uptime_milliseconds, 5000U);
  EXPECT_EQ(machine.unix_milliseconds, 1'700'000'000'000U);
  EXPECT_EQ(machine.enclave_bytes, kSizeA + kSizeB - 0x2000);
  EXPECT_EQ(machine.scrubbing_bytes, 0x2000U);
  EXPECT_EQ(machine.parent_bytes + machine.enclave_bytes + machine.scrubbing_bytes, machine.memory_bytes);
  EXPECT_EQ(machine.memory_bytes, board::kBoard.memory[0].size);
  EXPECT_EQ(machine.shared_bytes, 0x2000U) << "a page in each channel";
  EXPECT_EQ(machine.cores, board::kBoard.cores.size());
  EXPECT_EQ(machine.enclave_cores, 2U);
  EXPECT_EQ(machine.parent_cores, machine.cores - 2);
  EXPECT_EQ(machine.slots_in_use, 2U);
}

TEST_F(Status, ACoreThatTheMachineDoesNotHaveIsNobodys) {
  const auto before = read<abi::MachineStatus>(StatusSection::kMachine);
  world_.state().cores.entries[kParentCore.value].owner = base::kMonitor;  // as boot leaves it when it did not start
  const auto machine = read<abi::MachineStatus>(StatusSection::kMachine);
  EXPECT_EQ(machine.cores, before.cores - 1);
  EXPECT_EQ(machine.parent_cores, before.parent_cores - 1);
  EXPECT_EQ(machine.enclave_cores, before.enclave_cores);
  EXPECT_EQ(read<abi::CounterStatus>(StatusSection::kCounters, kParentCore.value).owner, 0U);
}

TEST_F(Status, MemoryThatTheMachineDoesNotHaveIsNobodys) {
  const board::MemoryRegion& region = board::kBoard.memory[0];
  constexpr std::uint64_t kAbsent = 0x20'1000;  // more than a block: one is split
  const std::uint64_t end = region.base + region.size - kAbsent;
  const auto before = read<abi::MachineStatus>(StatusSection::kMachine);
  hypercall::end_memory_at(world_.state(), region.base + region.size);
  EXPECT_EQ(read<abi::MachineStatus>(StatusSection::kMachine).memory_bytes, before.memory_bytes) << "all is there";
  hypercall::end_memory_at(world_.state(), end);
  const auto machine = read<abi::MachineStatus>(StatusSection::kMachine);
  EXPECT_EQ(machine.memory_bytes, before.memory_bytes - kAbsent);
  EXPECT_EQ(machine.parent_bytes, before.parent_bytes - kAbsent);
  EXPECT_EQ(world_.call(Function::kPartitionInfo).values[2], machine.parent_bytes);
  for (std::uint64_t frame = end; frame < region.base + region.size; frame += 0x1000) {
    EXPECT_EQ(world_.state().frames.at(base::FrameNumber{frame >> 12}), partition::FrameEntry{});
  }
  // It can't be given away, shared or named as a buffer.
  EXPECT_EQ(world_.call(Function::kMemoryDonate, world_.uid_a, end, 0x1000U).status, status_of(Error::kOutOfRange));
  EXPECT_EQ(world_.call(Function::kChannelOpen, world_.uid_a, end, 0x1000U).status, status_of(Error::kOutOfRange));
  EXPECT_EQ(world_.call(Function::kEventLogRead, 0U, end, 0x1000U).status, status_of(Error::kNotOwned));
  EXPECT_NE(world_.call(Function::kMemoryDonate, world_.uid_a, end - 0x1000, 0x2000U).status, 0U) << "across the end";
}

TEST_F(Status, CountersOfAnEnclavesCoreAreNotShown) {
  for (abi::TrapCounters& core : traps_) core.count[3] = 41;
  world_.state().counters = {1, 2, 3, 4};
  for (const CoreId core : {kParentCore, kCoreOfB}) {
    const auto counters = read<abi::CounterStatus>(StatusSection::kCounters, core.value);
    const bool parents = core == kParentCore;
    EXPECT_EQ(counters.mpidr, mpidr_of(core));
    EXPECT_EQ(counters.owner, parents ? 1U : 2U);
    EXPECT_EQ(counters.traps.count[static_cast<std::size_t>(abi::TrapCause::kDistributor)], parents ? 41U : 0U);
    EXPECT_EQ(counters.faults[static_cast<std::size_t>(abi::FaultCounter::kDma)], 2U);
    EXPECT_EQ(counters.faults[static_cast<std::size_t>(abi::FaultCounter::kRefusedCalls)], 4U);
  }
}

TEST_F(Status, TheLastFaultsOfDevicesAreKeptAndNumbered) {
  EXPECT_EQ(hypercall::status_entries(world_.state(), 3), 0U);
  for (std::uint64_t i = 0; i < 40; ++i) {
    world_.state().dma_faults.add({i * 10, i << 12, base::StreamId{8}, 0x10, i % 2 == 0});
  }
  ASSERT_EQ(hypercall::status_entries(world_.state(), 3), abi::kDmaFaultsKept);
  for (std::uint64_t index = 0; index < abi::kDmaFaultsKept; ++index) {
    const auto fault = read<abi::DmaFaultStatus>(StatusSection::kDmaFaults, index);
    EXPECT_EQ(fault.sequence, index + 8);
    EXPECT_EQ(fault.address, (index + 8) << 12);
    EXPECT_EQ(fault.uptime_milliseconds, (index + 8) * 10);
    EXPECT_EQ(fault.write, index % 2 == 0 ? 1U : 0U);
    EXPECT_EQ(fault.stream, 8U);
    EXPECT_EQ(fault.type, 0x10U);
  }
}

TEST_F(Status, EventsAreThoseOfThePlatformsLog) {
  const auto event = read<abi::EventStatus>(StatusSection::kEventLog);
  EXPECT_EQ(event.pcr, 0U);
  EXPECT_EQ(std::string{event.name}, "rom");
}

TEST_F(Status, SlotsSayWhatTheParentGaveThem) {
  const auto a = read<abi::SlotStatus>(StatusSection::kSlots, 0);
  EXPECT_EQ(a.uid, world_.uid_a);
  EXPECT_EQ(a.cid, 0U);
  EXPECT_EQ(a.state, static_cast<std::uint16_t>(abi::SlotState::kInit));
  EXPECT_EQ(a.memory_bytes, kSizeA);
  const auto b = read<abi::SlotStatus>(StatusSection::kSlots, 1);
  EXPECT_EQ(b.uid, world_.uid_b);
  EXPECT_EQ(b.cid, kCidB);
  EXPECT_EQ(b.state, static_cast<std::uint16_t>(abi::SlotState::kRunning));
  EXPECT_EQ(b.cores, 1U);
  EXPECT_EQ(b.channels, 1U);
  EXPECT_EQ(b.flags, 0U);
}

}  // namespace
