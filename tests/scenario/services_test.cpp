// Arm's services and the management view as guests meet them: through a trap, registers included.
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "hal/host/dma_device.hpp"
#include "hal/registers/esr_el2.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

namespace abi = cofferdam_abi;
namespace esr = hal::registers::esr_el2;

class Services : public WholeMachine {
 protected:
  void SetUp() override { boot(); }
  // An HVC or SMC with any immediate; answers x0.
  std::uint64_t with_immediate(esr::ExceptionClass kind, std::uint64_t immediate, std::uint64_t function) {
    GuestCpu cpu = parent();
    cpu.state().frame.x[0] = function;
    EXPECT_TRUE(cpu.trap(esr::make(kind, immediate)));
    return cpu.state().frame.x[0];
  }
  template <typename Entry>
  Entry status(abi::StatusSection section, std::uint64_t index = 0) {
    const CallResult read = parent().call(
        Function::kStatusRead, {static_cast<std::uint64_t>(section), index, kRam + kBlock, sizeof(Entry)});
    EXPECT_TRUE(read.ok());
    EXPECT_EQ(read.x[1], sizeof(Entry));
    Entry entry;
    std::memcpy(&entry, parent().read_vector(Ipa{kRam + kBlock}, sizeof entry).data(), sizeof entry);
    return entry;
  }
};

TEST_F(Services, ACallThatAnswersInX0LeavesTheOtherRegisters) {
  for (const std::uint64_t function : {std::uint64_t{abi::kPsciVersion}, std::uint64_t{abi::kPsciCpuSuspend},
                                       std::uint64_t{abi::kSmcccArchFeatures}, std::uint64_t{0x8400'0005},
                                       std::uint64_t{0x8000'0002}, std::uint64_t{0x8500'FF01}, std::uint64_t{0}}) {
    for (const CallResult& result : {parent().hvc(function, {11, 12, 13}), parent().smc(function, {11, 12, 13})}) {
      EXPECT_EQ(result.x[1], 11U) << std::hex << function;
      EXPECT_EQ(result.x[2], 12U);
      EXPECT_EQ(result.x[3], 13U);
    }
  }
  // A negative answer is one to who reads w0 and to who reads x0.
  EXPECT_EQ(static_cast<std::int64_t>(parent().hvc(0x8400'0005).x[0]), -1);
}

TEST_F(Services, WithAnotherImmediateTheCallIsNobodys) {
  for (const auto kind : {esr::ExceptionClass::kHvc64, esr::ExceptionClass::kSmc64}) {
    EXPECT_EQ(with_immediate(kind, 0, abi::kPsciVersion), 0x1'0001U);
    for (const std::uint64_t immediate : {1U, 0x8000U, 0xFFFFU}) {
      for (const std::uint64_t function : {std::uint64_t{abi::kPsciVersion}, std::uint64_t{abi::kPsciSystemOff},
                                           std::uint64_t{static_cast<std::uint32_t>(Function::kVersion)}}) {
        EXPECT_EQ(with_immediate(kind, immediate, function), ~std::uint64_t{0});
      }
    }
  }
}

TEST_F(Services, RandomBitsDifferAndEndWithTheSource) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 50; ++i) {
    const CallResult bits = parent().hvc(abi::kTrngRnd, {192});
    ASSERT_EQ(bits.x[0], 0U);
    seen.insert({bits.x[1], bits.x[2], bits.x[3]});
  }
  EXPECT_EQ(seen.size(), 150U);
  EXPECT_LT(parent().hvc(abi::kTrngRnd32, {8}).x[3], 256U);
  machine().set_entropy(host::EntropySource::kStuck);
  CallResult bits{};
  for (int i = 0; i < 1100 && bits.x[0] == 0; ++i) bits = parent().hvc(abi::kTrngRnd, {64});
  EXPECT_EQ(static_cast<std::int64_t>(bits.x[0]), -3);
  EXPECT_EQ(bits.x[1] | bits.x[2] | bits.x[3], 0U);
}

TEST_F(Services, TheStatusShowsAFaultAndTheTimeOfIt) {
  const auto before = status<abi::MachineStatus>(abi::StatusSection::kMachine);
  host::DmaDevice device(machine(), base::StreamId{8});
  std::vector<std::uint8_t> bytes(8);
  EXPECT_FALSE(device.read(board::kBoard.monitor.base, bytes));
  const auto fault = status<abi::DmaFaultStatus>(abi::StatusSection::kDmaFaults);
  EXPECT_EQ(fault.sequence, 0U);
  EXPECT_EQ(fault.address, board::kBoard.monitor.base);
  EXPECT_EQ(fault.stream, 8U);
  EXPECT_EQ(fault.write, 0U);
  EXPECT_GE(fault.uptime_milliseconds, before.uptime_milliseconds);
  EXPECT_EQ(status<abi::CounterStatus>(abi::StatusSection::kCounters).faults[1], 1U);
  EXPECT_EQ(parent().call(Function::kStatusRead, {3, 1, kRam + kBlock, 4096}).error(),
            error_number(base::Error::kOutOfRange));
}

TEST_F(Services, NothingIsWrittenBehindTheBuffer) {
  parent().write64(Ipa{kRam + kBlock + 16}, 0x1234);
  EXPECT_EQ(parent().call(Function::kStatusRead, {0, 0, kRam + kBlock, 16}).x[1], 16U);
  EXPECT_EQ(parent().read64(Ipa{kRam + kBlock + 16}), 0x1234U);
  EXPECT_EQ(parent().read64(Ipa{kRam + kBlock}), std::uint64_t{1} << 32 | sizeof(abi::VersionStatus));
}

TEST_F(Services, AnEnclaveHasNoManagementView) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  EXPECT_EQ(on(1).call(Function::kStatusRead, {0, 0, kEnclaveRam, 4096}).error(),
            error_number(base::Error::kNotSupported));
}

}  // namespace
}  // namespace scenario
