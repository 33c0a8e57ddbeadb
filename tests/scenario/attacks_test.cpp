// What a hostile parent, a hostile enclave and a hostile device try: each attempt is refused, and changes nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "firmware/hypercall/abi.hpp"
#include "hal/host/dma_device.hpp"
#include "hal/registers/esr_el2.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

using base::Error;

constexpr std::uint64_t kMonitorRam = board::kBoard.monitor.base;
constexpr std::uint32_t kAccelerator = 8;

class Attacks : public WholeMachine {
 protected:
  void SetUp() override { boot(); }
  [[nodiscard]] std::uint64_t allocate() {
    const CallResult slot = parent().call(Function::kSlotAllocate);
    EXPECT_TRUE(slot.ok());
    return slot.x[1];
  }
  void expect_refused(const CallResult& result, Error error) { EXPECT_EQ(result.error(), error_number(error)); }
};

// ---- the parent: memory ----------------------------------------------------------------------------------------------

TEST_F(Attacks, DonatingWhatIsNotTheParents) {
  const std::uint64_t uid = allocate();
  const auto donate = [&](std::uint64_t address, std::uint64_t size) {
    return parent().call(Function::kMemoryDonate, {uid, address, size});
  };
  expect_refused(donate(kMonitorRam, kBlock), Error::kOutOfRange);  // no RAM that is given out
  expect_refused(donate(0x0900'0000, kFrame), Error::kOutOfRange);  // a device's registers
  expect_refused(donate(0, kFrame), Error::kOutOfRange);
  ASSERT_TRUE(donate(kDonated, kBlock).ok());
  expect_refused(donate(kDonated, kBlock), Error::kNotOwned);  // twice
  const std::uint64_t other = allocate();
  expect_refused(parent().call(Function::kMemoryDonate, {other, kDonated, kFrame}), Error::kNotOwned);
  // One foreign frame at either end, or in the middle, spoils the range.
  expect_refused(donate(kDonated - kBlock, 2 * kBlock), Error::kNotOwned);
  expect_refused(donate(kDonated + kBlock - kFrame, kBlock), Error::kNotOwned);
  expect_refused(donate(kDonated - kBlock, 3 * kBlock), Error::kNotOwned);
  expect_refused(donate(kRam - kFrame, 2 * kFrame), Error::kOutOfRange);
  EXPECT_TRUE(parent().can_read(Ipa{kDonated - kBlock}));
  EXPECT_TRUE(parent().can_read(Ipa{kDonated + kBlock}));
}

TEST_F(Attacks, RangesThatWrapOrAreCrooked) {
  const std::uint64_t uid = allocate();
  for (const Function function : {Function::kMemoryDonate, Function::kMemoryReclaim, Function::kChannelOpen}) {
    const auto call = [&](std::uint64_t address, std::uint64_t size) {
      return parent().call(function, {uid, address, size});
    };
    expect_refused(call(kDonated, 0), Error::kInvalidArgument);
    expect_refused(call(kDonated + 1, kFrame), Error::kUnaligned);
    expect_refused(call(kDonated, kFrame + 8), Error::kUnaligned);
    expect_refused(call(kDonated, ~std::uint64_t{0} << 12), Error::kOutOfRange);
    expect_refused(call(~std::uint64_t{0} << 12, kFrame), Error::kOutOfRange);
    expect_refused(call(~std::uint64_t{0} << 12, 2 * kFrame), Error::kOutOfRange);
    expect_refused(call(0xFFFF'FFFF'F000, 2 * kFrame), Error::kOutOfRange);
    expect_refused(call(kDonated | std::uint64_t{1} << 63, kFrame), Error::kOutOfRange);
  }
}

TEST_F(Attacks, DonatingSharedMemoryAndSharingDonatedMemory) {
  const std::uint64_t uid = allocate();
  const std::uint64_t other = allocate();
  ASSERT_TRUE(parent().call(Function::kChannelOpen, {uid, kDonated, kFrame}).ok());
  expect_refused(parent().call(Function::kMemoryDonate, {uid, kDonated, kFrame}), Error::kShared);
  expect_refused(parent().call(Function::kMemoryDonate, {other, kDonated - kFrame, 2 * kFrame}), Error::kShared);
  expect_refused(parent().call(Function::kChannelOpen, {other, kDonated, kFrame}), Error::kShared);
  ASSERT_TRUE(parent().call(Function::kMemoryDonate, {uid, kDonated + kBlock, kBlock}).ok());
  expect_refused(parent().call(Function::kChannelOpen, {other, kDonated + kBlock, kFrame}), Error::kNotOwned);
}

TEST_F(Attacks, ReadingAnEnclavesMemoryDuringAndAfterItsLife) {
  const std::uint64_t uid = run_enclave(parent(), {});
  ASSERT_NE(uid, 0U);
  on(1).write64(Ipa{kEnclaveRam + kBlock / 2}, 0x5EC2E7);
  for (std::uint64_t at = kDonated; at < kDonated + 2 * kBlock; at += kBlock / 8) {
    EXPECT_FALSE(parent().can_read(Ipa{at}));
    EXPECT_THROW(parent().write64(Ipa{at}, 0), host::GuestException);
    EXPECT_FALSE(parent().can_fetch(Ipa{at}));
  }
  ASSERT_TRUE(parent().call_to_end(Function::kSlotStop, {uid}).ok());
  EXPECT_FALSE(parent().can_read(Ipa{kDonated}));
  // While it comes back in pieces: what is readable is zero.
  for (;;) {
    const CallResult step = parent().call(Function::kSlotFree, {uid});
    for (std::uint64_t at = kDonated; at < kDonated + 2 * kBlock; at += kFrame) {
      if (parent().can_read(Ipa{at})) {
        ASSERT_EQ(parent().read64(Ipa{at}), 0U);
      }
    }
    if (step.ok()) break;
    ASSERT_EQ(step.error(), error_number(Error::kInProgress));
  }
  EXPECT_EQ(parent().read64(Ipa{kDonated + kBlock / 2}), 0U);
}

TEST_F(Attacks, AStaleTlbEntryDoesNotOutliveDonation) {
  EXPECT_TRUE(parent().can_read(Ipa{kDonated}));  // now it is in this core's TLB
  const std::uint64_t uid = build_enclave(parent(), {});
  ASSERT_NE(uid, 0U);
  EXPECT_FALSE(parent().can_read(Ipa{kDonated}));
}

TEST_F(Attacks, MonitorMemoryIsNobodys) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  for (std::uint64_t at = kMonitorRam; at < kMonitorRam + board::kBoard.monitor.size; at += kBlock / 4) {
    EXPECT_FALSE(parent().can_read(Ipa{at}));
    EXPECT_FALSE(parent().can_fetch(Ipa{at}));
  }
  EXPECT_FALSE(on(1).can_read(Ipa{kMonitorRam}));
}

TEST_F(Attacks, ChangingTheImageAfterDonation) {
  const EnclavePlan plan;
  const std::uint64_t uid = build_enclave(parent(), plan);
  ASSERT_NE(uid, 0U);
  const std::uint64_t image = kDonated + plan.image_offset;
  EXPECT_THROW(parent().write64(Ipa{image + 600}, 0), host::GuestException);
  // Between two steps of loading, too.
  for (;;) {
    const CallResult step = parent().call(Function::kSlotStart, {uid, 0, plan.cid, plan.image_offset});
    EXPECT_THROW(parent().write64(Ipa{image + 600}, 0), host::GuestException);
    EXPECT_THROW(parent().write64(Ipa{kDonated}, 0), host::GuestException);
    if (step.ok()) break;
    ASSERT_EQ(step.error(), error_number(Error::kInProgress));
  }
}

TEST_F(Attacks, ReclaimingWhileItLoadsOrRuns) {
  const EnclavePlan plan;
  const std::uint64_t uid = build_enclave(parent(), plan);
  const auto reclaim = [&] { return parent().call(Function::kMemoryReclaim, {uid, kDonated + kBlock, kBlock}); };
  ASSERT_EQ(parent().call(Function::kSlotStart, {uid, 0, plan.cid, plan.image_offset}).error(),
            error_number(Error::kInProgress));
  expect_refused(reclaim(), Error::kWrongState);
  expect_refused(parent().call(Function::kMemoryDonate, {uid, kDonated + 4 * kBlock, kBlock}), Error::kWrongState);
  expect_refused(parent().call(Function::kCoreReclaim, {uid, mpidr_of(1)}), Error::kWrongState);
  ASSERT_TRUE(start_enclave(parent(), uid, plan).ok());
  expect_refused(reclaim(), Error::kWrongState);
  expect_refused(parent().call(Function::kSlotFree, {uid}), Error::kWrongState);
  expect_refused(parent().call(Function::kSlotStart, {uid, 0, plan.cid, plan.image_offset}), Error::kWrongState);
}

TEST_F(Attacks, ABufferOfTheMonitorsReplyMayNotBeAnothers) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  for (const Function function : {Function::kEventLogRead, Function::kPlatformPcrRead, Function::kLedgerRead}) {
    for (const std::uint64_t buffer : {kDonated, kDonated - 8, kMonitorRam, kMonitorRam + 0x10'0000,
                                       std::uint64_t{0x0900'0000}, ~std::uint64_t{0} - 16, ~std::uint64_t{0} - 4096}) {
      const CallResult result = parent().call(function, {0, buffer, 4096});
      EXPECT_NE(result.error(), 0) << std::hex << buffer;
    }
    EXPECT_TRUE(parent().call(function, {0, kRam + 0x1FF8, 4096}).ok()) << "its own memory, across a page";
  }
}

// ---- the parent: cores -------------------------------------------------------------------------------------------------

TEST_F(Attacks, BringingADonatedCoreBack) {
  const std::uint64_t uid = build_enclave(parent(), {});
  ASSERT_NE(uid, 0U);
  EXPECT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(1), kRam, 0}).x[0], ~std::uint64_t{2});
  EXPECT_EQ(parent().smc(cofferdam_abi::kPsciCpuOn, {mpidr_of(1), kRam, 0}).x[0], ~std::uint64_t{2});
  EXPECT_EQ(parent().hvc(0x8400'0003, {mpidr_of(1), kRam, 0}).x[0], ~std::uint64_t{2});
  EXPECT_FALSE(machine().driven(base::CoreId{1}));
  const std::uint64_t other = allocate();
  expect_refused(parent().call(Function::kCoreDonate, {other, mpidr_of(1)}), Error::kNotOwned);
  expect_refused(parent().call(Function::kCoreReclaim, {other, mpidr_of(1)}), Error::kNotOwned);
  expect_refused(parent().call(Function::kCoreDonate, {other, mpidr_of(0)}), Error::kCoreBusy);
  expect_refused(parent().call(Function::kCoreDonate, {other, 0xFFFF'FFFF}), Error::kNoSuchCore);
  expect_refused(parent().call(Function::kCoreDonate, {other, mpidr_of(2) | std::uint64_t{1} << 32}), Error::kNoSuchCore);
}

TEST_F(Attacks, DonatingACoreThatRuns) {
  const std::uint64_t uid = allocate();
  ASSERT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(2), kRam, 0}).x[0], 0U);
  expect_refused(parent().call(Function::kCoreDonate, {uid, mpidr_of(2)}), Error::kCoreBusy);
  EXPECT_THROW((void)on(2).hvc(cofferdam_abi::kPsciCpuOff), host::LeaveGuest);
  EXPECT_TRUE(parent().call(Function::kCoreDonate, {uid, mpidr_of(2)}).ok());
}

TEST_F(Attacks, AReclaimedCoreCarriesNothing) {
  const std::uint64_t uid = run_enclave(parent(), {});
  on(1).state().floating_point[5] = {0x5EC2E7, 0x5EC2E7};
  on(1).state().scratch_el1 = 0x5EC2E7;
  ASSERT_TRUE(end_enclave(parent(), uid).ok());
  ASSERT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(1), kRam, 0}).x[0], 0U);
  EXPECT_EQ(on(1).partition(), base::kParent);
  EXPECT_EQ(on(1).state().floating_point[5][0], 0U);
  EXPECT_EQ(on(1).state().scratch_el1, 0U);
  for (int i = 1; i < 31; ++i) EXPECT_EQ(on(1).frame().x[i], 0U);
}

// ---- devices -----------------------------------------------------------------------------------------------------------------

TEST_F(Attacks, DmaIntoEnclaveAndMonitor) {
  host::DmaDevice device(machine(), base::StreamId{kAccelerator});
  Bytes bytes(64, 0xDD);
  EXPECT_TRUE(device.write(kDonated, bytes)) << "the parent's own memory";
  const std::uint64_t uid = run_enclave(parent(), {});
  ASSERT_NE(uid, 0U);
  EXPECT_FALSE(device.write(kDonated, bytes));
  EXPECT_FALSE(device.read(kDonated, bytes));
  EXPECT_FALSE(device.write(kMonitorRam, bytes));
  EXPECT_FALSE(device.read(kMonitorRam + 0x20'0000, bytes));
  EXPECT_EQ(parent().call(Function::kFaultCounters, {1}).x[1], 4U);
  EXPECT_THAT(machine().console(), ::testing::HasSubstr("refused: device stream"));
}

TEST_F(Attacks, ABurstOfDmaIsCountedToItsEnd) {
  constexpr base::Intid kEvents{106};  // smmu-events: once, when the queue becomes non-empty
  host::DmaDevice device(machine(), base::StreamId{kAccelerator});
  Bytes bytes(8, 0xDD);
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_FALSE(device.write(kMonitorRam + i * kFrame, bytes));
  machine().raise_interrupt(kEvents);
  for (int i = 0; i < 20; ++i) machine().pass_ticks(1'000'000);  // a millisecond
  EXPECT_FALSE(machine().smmu().take_fault().has_value()) << "nobody has asked for them";
  EXPECT_EQ(parent().call(Function::kFaultCounters, {1}).x[1], 100U);
}

TEST_F(Attacks, DmaBeyondTheQueueIsSaidToBeLost) {
  host::DmaDevice device(machine(), base::StreamId{kAccelerator});
  Bytes bytes(8, 0xDD);
  constexpr std::uint64_t kQueue = hal::device_isolation::kMostFaults;
  for (std::uint64_t i = 0; i < 3 * kQueue; ++i) EXPECT_FALSE(device.write(kMonitorRam, bytes));
  EXPECT_EQ(parent().call(Function::kFaultCounters, {1}).x[1], kQueue + 1) << "one for all that were lost";
  EXPECT_THAT(machine().console(), ::testing::HasSubstr("lost: what devices were refused"));
  EXPECT_EQ(parent().call(Function::kFaultCounters, {1}).x[1], kQueue + 1);
}

TEST_F(Attacks, ADeviceMappedFrameLeavesTheDeviceWithTheDonation) {
  host::DmaDevice device(machine(), base::StreamId{kAccelerator});
  Bytes bytes(8, 1);
  ASSERT_TRUE(device.write(kDonated + kBlock / 2, bytes));  // now the SMMU has it cached
  ASSERT_NE(build_enclave(parent(), {}), 0U);
  EXPECT_FALSE(device.write(kDonated + kBlock / 2, bytes));
}

TEST_F(Attacks, StreamsThatAreNotThereOrNotTheirs) {
  const std::uint64_t uid = allocate();
  const std::uint64_t other = allocate();
  const auto assign = [&](std::uint64_t to, std::uint64_t stream) {
    return parent().call(Function::kDeviceAssign, {to, stream});
  };
  expect_refused(assign(uid, 0x18), Error::kNoSuchDevice);  // the parent's for ever
  expect_refused(assign(uid, 0xFFFF), Error::kNoSuchDevice);
  expect_refused(assign(uid, kAccelerator | std::uint64_t{1} << 32), Error::kNoSuchDevice);
  ASSERT_TRUE(assign(uid, kAccelerator).ok());
  expect_refused(assign(uid, kAccelerator), Error::kNotOwned);
  expect_refused(assign(other, kAccelerator), Error::kNotOwned);
  expect_refused(parent().call(Function::kDeviceRelease, {other, kAccelerator}), Error::kNotOwned);
}

// The parent programs a device, assigns it, and lets it write while the enclave is measured. Nothing that it writes may
// be in the memory that runs (invariant measured-before-run).
TEST_F(Attacks, ADeviceDoesNotChangeAnEnclaveBetweenMeasurementAndStart) {
  const EnclavePlan plan;
  const std::uint64_t uid = build_enclave(parent(), plan);
  ASSERT_TRUE(parent().call(Function::kDeviceAssign, {uid, kAccelerator}).ok());
  host::DmaDevice device(machine(), base::StreamId{kAccelerator});
  const Bytes poison(64, 0xEE);
  for (;;) {
    const CallResult step = parent().call(Function::kSlotStart, {uid, 0, plan.cid, plan.image_offset});
    if (step.ok()) break;
    ASSERT_EQ(step.error(), error_number(Error::kInProgress));
    EXPECT_FALSE(device.write(kEnclaveRam + kBlock / 2, poison));
    EXPECT_FALSE(device.write(kEnclaveRam, poison));
  }
  EXPECT_EQ(on(1).read64(Ipa{kEnclaveRam + kBlock / 2}), 0U) << "bytes that nobody measured";
  EXPECT_FALSE(device.write(kEnclaveRam + kBlock / 2, poison)) << "not before the enclave has put it in order";
  expect_refused(parent().call(Function::kDeviceAccept, {kAccelerator}), Error::kNotOwned);
  ASSERT_TRUE(on(1).call(Function::kDeviceAccept, {kAccelerator}).ok());
  EXPECT_TRUE(device.write(kEnclaveRam + kBlock / 2, poison)) << "now it is the enclave's own";
}

TEST_F(Attacks, ADeviceOfAnEnclaveDoesNotOutliveIt) {
  EnclavePlan plan;
  const std::uint64_t uid = build_enclave(parent(), plan);
  ASSERT_TRUE(parent().call(Function::kDeviceAssign, {uid, kAccelerator}).ok());
  ASSERT_TRUE(start_enclave(parent(), uid, plan).ok());
  ASSERT_TRUE(on(1).call(Function::kDeviceAccept, {kAccelerator}).ok());
  host::DmaDevice device(machine(), base::StreamId{kAccelerator});
  Bytes bytes(8, 1);
  EXPECT_TRUE(device.write(kEnclaveRam + kBlock / 2, bytes));
  EXPECT_FALSE(device.read(kRam, bytes)) << "the parent is out of its reach now";
  ASSERT_TRUE(end_enclave(parent(), uid).ok());
  EXPECT_FALSE(device.read(kEnclaveRam + kBlock / 2, bytes));
  EXPECT_FALSE(device.read(kRam, bytes)) << "what the enclave had it do may still be queued in it";
  ASSERT_TRUE(parent().call(Function::kDeviceAccept, {kAccelerator}).ok());
  EXPECT_TRUE(device.read(kRam, bytes)) << "it is the parent's again";
}

// ---- every number, every extreme --------------------------------------------------------------------------------------------

constexpr std::uint64_t kExtremes[] = {0,
                                       1,
                                       0xFFF,
                                       0x1000,
                                       0x7FFF'FFFF,
                                       0x8000'0000,
                                       0xFFFF'FFFF,
                                       0x1'0000'0000,
                                       0xFFFF'FFFF'F000,
                                       0x1'0000'0000'0000,
                                       0x7FFF'FFFF'FFFF'FFFF,
                                       0x8000'0000'0000'0000,
                                       0xFFFF'FFFF'FFFF'F000,
                                       0xFFFF'FFFF'FFFF'FFFF};

bool ends_the_caller(std::uint64_t function) {
  const auto number = static_cast<std::uint32_t>(function);
  return number == cofferdam_abi::kPsciCpuOff || number == cofferdam_abi::kPsciSystemOff ||
         number == cofferdam_abi::kPsciSystemReset || (number | 0x4000'0000) == cofferdam_abi::kPsciSystemReset2 ||
         number == static_cast<std::uint32_t>(Function::kEnclaveExit);
}

TEST_F(Attacks, EveryUndefinedCallNumberIsRefused) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  const auto sweep = [&](std::size_t core) {
    std::size_t refused = 0;
    for (std::uint64_t high = 0; high < 256; ++high) {
      for (std::uint64_t low = 0; low < 0x60; ++low) {
        const std::uint64_t function = high << 24 | low;
        if (ends_the_caller(function)) continue;
        const CallResult result = on(core).hvc(function);
        const bool known = (high == 0xC6) || high == 0x84 || high == 0xC4 ||
                           function == cofferdam_abi::kSmcccVersion || function == cofferdam_abi::kSmcccArchFeatures;
        if (!known) {
          EXPECT_EQ(result.x[0], ~std::uint64_t{0}) << std::hex << function;
          ++refused;
        }
      }
    }
    return refused;
  };
  EXPECT_GT(sweep(0), 20000U);
  EXPECT_GT(sweep(1), 20000U);
}

TEST_F(Attacks, EveryCallWithEveryRegisterAtItsExtremes) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  for (const std::size_t core : {std::size_t{0}, std::size_t{1}}) {
    for (std::uint64_t low = 0; low < 0x58; ++low) {
      const std::uint64_t function = cofferdam_abi::kFunctionBase + low;
      if (core == 1 && ends_the_caller(function)) continue;
      for (const std::uint64_t a : kExtremes) {
        for (const std::uint64_t b : kExtremes) {
          for (const std::uint64_t c : {std::uint64_t{0}, std::uint64_t{0x1000}, ~std::uint64_t{0}}) {
            const CallResult result = on(core).hvc(function, {a, b, c, a, b, c});
            // The interface promises that x4..x17 come back as they were.
            ASSERT_EQ(result.x[4], a);
            ASSERT_EQ(result.x[5], b);
            ASSERT_EQ(result.x[6], c);
          }
        }
      }
    }
  }
  EXPECT_TRUE(machine().driven(base::CoreId{1})) << "the enclave still runs";
  EXPECT_EQ(on(1).read64(Ipa{kEnclaveRam + kBlock / 2}), 0U);
}

// ---- an enclave -----------------------------------------------------------------------------------------------------------------

TEST_F(Attacks, AnEnclaveMayNotActForTheParent) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  for (std::uint64_t low = 0x10; low < 0x58; ++low) {
    const auto function = static_cast<Function>(cofferdam_abi::kFunctionBase + low);
    switch (function) {
      case Function::kDeviceAccept:
      case Function::kChannelNotify:
      case Function::kChannelInfo:
      case Function::kChannelPending:
      case Function::kNsmRequest:
      case Function::kEnclaveExit: continue;
      default: break;
    }
    EXPECT_EQ(on(1).call(function, {1, kRam, kFrame}).error(), error_number(Error::kNotSupported)) << std::hex << low;
  }
}

TEST_F(Attacks, AnEnclaveReachesItsOwnMemoryOnly) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  GuestCpu enclave = on(1);
  for (const std::uint64_t at : {std::uint64_t{0}, kRam, kDonated, kMonitorRam, kEnclaveRam - kFrame,
                                 kEnclaveRam + 2 * kBlock, board::kBoard.channel_ipa_base, std::uint64_t{1} << 38,
                                 std::uint64_t{1} << 47}) {
    EXPECT_FALSE(enclave.can_read(Ipa{at})) << std::hex << at;
  }
  for (const std::uint64_t at : {kEnclaveRam - 8, kEnclaveRam + 2 * kBlock - 8, kRam, ~std::uint64_t{0} - 8}) {
    EXPECT_NE(enclave.call(Function::kNsmRequest, {at, 16, kEnclaveRam, 4096}).error(), 0);
    EXPECT_NE(enclave.call(Function::kNsmRequest, {kEnclaveRam, 16, at, 4096}).error(), 0);
  }
}

TEST_F(Attacks, AnEnclaveMayNotUseAnothersChannels) {
  EnclavePlan second;
  second.address = kDonated + 4 * kBlock;
  second.cores = {2};
  second.cid = 17;
  const std::uint64_t one = run_enclave(parent(), {});
  const std::uint64_t two = run_enclave(parent(), second);
  ASSERT_TRUE(one != 0 && two != 0);
  const CallResult opened = parent().call(Function::kChannelOpen, {one, kRam + kBlock, kFrame});
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(on(1).can_read(Ipa{opened.x[2]}));
  EXPECT_FALSE(on(2).can_read(Ipa{opened.x[2]}));
  expect_refused(on(2).call(Function::kChannelInfo, {opened.x[1]}), Error::kNoSuchChannel);
  expect_refused(on(2).call(Function::kChannelNotify, {one, opened.x[1]}), Error::kNoSuchChannel);
  EXPECT_EQ(on(2).call(Function::kChannelPending, {one}).x[1], 0U);
}

TEST_F(Attacks, BadImagesDoNotRunAndLeaveTheEnclaveAsItWas) {
  EnclavePlan plan;
  for (const std::size_t at : {std::size_t{0}, std::size_t{5}, std::size_t{6}, std::size_t{0x1B}, std::size_t{0x24},
                               std::size_t{0x220}, std::size_t{700}}) {
    plan.image = support::make_image();
    plan.image[at] ^= 0x55;
    const std::uint64_t uid = build_enclave(parent(), plan);
    ASSERT_NE(uid, 0U);
    const CallResult started = start_enclave(parent(), uid, plan);
    expect_refused(started, Error::kBadImage);
    EXPECT_NE(started.x[1], 0U) << "which check failed";
    EXPECT_EQ(state_of(parent(), uid), cofferdam_abi::SlotState::kInit);
    EXPECT_FALSE(machine().driven(base::CoreId{1}));
    EXPECT_TRUE(end_enclave(parent(), uid).ok());
  }
}

}  // namespace
}  // namespace scenario
