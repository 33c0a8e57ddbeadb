// The Nitro Enclaves PCI device as the parent's driver meets it: found on its bus, set up, and driven through enclaves'
// lives, refusals and failures, by whichever core has time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <iostream>
#include <map>
#include <string>

#include "hal/host/reach.hpp"
#include "hal/registers/gicv3.hpp"
#include "tests/scenario/virtio_driver.hpp"

namespace scenario {
namespace {

using ::testing::AnyOf;

std::uint64_t window_of(board::View view) {
  const auto& windows = board::kBoard.mmio;
  return std::find_if(windows.begin(), windows.end(), [&](const board::Mmio& each) { return each.parent_view == view; })
      ->base;
}
const std::uint64_t kConfig = window_of(board::View::kCommandConfiguration);
const std::uint64_t kMsixBar = window_of(board::View::kCommandMemory);  // where the test places BAR 0
const std::uint64_t kBar = kMsixBar + 0x1000;                           // and BAR 3
constexpr base::Intid kReplyInterrupt{board::kBoard.message_interrupts.first.value};
constexpr base::Intid kEventInterrupt{kReplyInterrupt.value + 1};
constexpr std::uint64_t kMessageFrame = board::kBoard.gic_distributor + 0x40;  // GICD_SETSPI_NSR

constexpr std::uint64_t kMemory = std::uint64_t{64} << 20;  // the least that a start accepts
constexpr std::uint64_t kPiece = 2 << 20;

// Numbers of Linux's include/uapi/linux/nitro_enclaves.h and errno.h.
enum : int {
  kNoEntry = -2,
  kBadImage = -8,
  kBusy = -16,
  kInvalid = -22,
  kNoSpace = -28,
  kVcpuUsed = -256,
  kVcpuNotInPool = -257,
  kMemorySize = -259,
  kMemoryAddress = -260,
  kMemoryUnaligned = -261,
  kMemoryUsed = -262,
  kNoRegions = -266,
  kNoVcpus = -267,
  kMemoryMinimum = -268,
  kNotInit = -270,
  kInvalidVcpu = -271,
  kNoCpusInPool = -272,
  kInvalidFlag = -274,
  kInvalidCid = -275,
};
enum Command : std::uint32_t {
  kStart = 1,
  kGetSlot = 2,
  kStop = 3,
  kAllocate = 4,
  kFree = 5,
  kAddMemory = 6,
  kAddVcpu = 7,
  kCount = 8,
  kNext = 9,
  kInfo = 10,
  kAddVcpus = 11,
};

struct Reply {
  int rc{};
  std::uint64_t uid{}, cid{}, slots{}, regions{}, memory{}, vcpus{}, flags{};
  unsigned state{};
};

// One driver, by the offsets of Linux's ne_pci_dev.h.
class Driver {
 public:
  explicit Driver(std::function<GuestCpu()> cpu) : cpu_(std::move(cpu)) {}

  std::uint64_t config(std::uint64_t offset, std::size_t size = 4) {
    return cpu_().read_register(Ipa{kConfig + offset}, size);
  }
  void set_config(std::uint64_t offset, std::size_t size, std::uint64_t value) {
    cpu_().write_register(Ipa{kConfig + offset}, size, value);
  }
  std::uint64_t get(std::uint64_t offset, std::size_t size) { return cpu_().read_register(Ipa{kBar + offset}, size); }
  void set(std::uint64_t offset, std::size_t size, std::uint64_t value) {
    cpu_().write_register(Ipa{kBar + offset}, size, value);
  }
  void place_bars() {
    set_config(0x10, 4, kMsixBar);
    set_config(0x1C, 4, kBar);
    set_config(0x04, 2, 2 | 4);  // memory space, bus master
  }
  bool probe() {
    place_bars();
    set(0, 1, 0);
    set(2, 2, 1);
    if (get(2, 2) != 1) return false;
    set(0, 1, 1);
    return get(0, 1) == 1;
  }
  unsigned replies() { return static_cast<unsigned>(get(0x0C, 4) & 0xFFFF); }
  unsigned events() { return static_cast<unsigned>(get(0x0C, 4) >> 16); }
  void send(std::uint32_t command, std::initializer_list<std::uint64_t> fields) {
    std::uint64_t offset = 0x10;
    for (const std::uint64_t field : fields) {
      set(offset, 8, field);
      offset += 8;
    }
    set(4, 4, command);
  }
  Reply reply() {
    return {.rc = static_cast<int>(static_cast<std::uint32_t>(get(0x100, 4))),
            .uid = get(0x108, 8),
            .cid = get(0x110, 8),
            .slots = get(0x118, 8),
            .regions = get(0x120, 8),
            .memory = get(0x128, 8),
            .vcpus = get(0x130, 8),
            .flags = get(0x138, 8),
            .state = static_cast<unsigned>(get(0x140, 2))};
  }

 private:
  std::function<GuestCpu()> cpu_;
};

class CommandDevice : public WholeMachine {
 protected:
  void SetUp() override {
    boot();
    ASSERT_TRUE(driver_.probe());
  }
  // Sends it and waits for the reply as the driver does; time passes meanwhile, if it has to.
  Reply command(std::uint32_t number, std::initializer_list<std::uint64_t> fields = {}) {
    const unsigned before = driver_.replies();
    driver_.send(number, fields);
    rounds_ = 0;
    for (; driver_.replies() == before && rounds_ < 1000; ++rounds_) machine().pass_ticks(100'000);
    EXPECT_EQ(driver_.replies(), (before + 1) & 0xFFFF) << "one reply to command " << number;
    return driver_.reply();
  }
  // A slot with memory and, when asked for, a core: what kStart wants.
  std::uint64_t build(std::uint64_t memory = kMemory, std::uint64_t core = 1, std::uint64_t address = kDonated) {
    const std::uint64_t uid = command(kAllocate).uid;
    parent().write(Ipa{address + cofferdam_abi::kImageOffset}, support::make_image());
    EXPECT_EQ(command(kAddMemory, {uid, address, memory}).rc, 0);
    if (core != 0) {
      EXPECT_EQ(command(kAddVcpu, {uid, core}).rc, 0);
    }
    return uid;
  }
  void remove(std::uint64_t uid) {
    (void)command(kStop, {uid});
    EXPECT_EQ(command(kFree, {uid}).rc, 0);
  }
  bool is_zero(std::uint64_t address, std::uint64_t size) {
    return machine().memory().is_zero(
        base::FrameRange::trusted(base::frame_of(base::PhysAddr{address}), base::FrameCount{size / kFrame}));
  }
  void start_all_cores() {
    for (std::size_t core = 1; core < board::kBoard.cores.size(); ++core) {
      if (machine().driven(base::CoreId{static_cast<std::uint8_t>(core)})) continue;
      EXPECT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(core), kRam, 0}).x[0], 0U) << core;
    }
  }
  void set_vector(std::uint64_t vector, std::uint64_t address, std::uint64_t data, bool masked = false) {
    const auto put = [&](std::uint64_t offset, std::uint64_t value) {
      parent().write_register(Ipa{kMsixBar + 16 * vector + offset}, 4, value);
    };
    put(0, address & 0xFFFF'FFFF);
    put(4, address >> 32);
    put(8, data);
    put(12, masked ? 1 : 0);
  }
  // Where the MSI-X capability is: found as a driver finds it.
  std::uint64_t msix_capability() {
    for (std::uint64_t at = driver_.config(0x34, 1); at != 0; at = driver_.config(at + 1, 1)) {
      if (driver_.config(at, 1) == 0x11) return at;
    }
    return 0;
  }
  void enable_messages() {
    driver_.set_config(msix_capability() + 2, 2, 0x8000);
    for (const base::Intid intid : {kReplyInterrupt, kEventInterrupt}) {
      const Ipa trigger{board::kBoard.gic_distributor + hal::registers::gicv3::distributor::kConfiguration +
                        intid.value / 16 * 4};
      const std::uint64_t edge = std::uint64_t{2} << (2 * (intid.value % 16));
      parent().write_register(trigger, 4, parent().read_register(trigger, 4) | edge);
      enable_spi(parent(), intid);
    }
  }

  Driver driver_{[this] { return parent(); }};
  unsigned rounds_{};
};

// What such a core has in its registers is the other way round; what is on the bus is the same.
TEST_F(CommandDevice, ABigEndianParentFindsTheSameRegisters) {
  const std::uint64_t identity = driver_.config(0);
  driver_.set(0x10, 8, 0x0102'0304'0506'0708);
  driver_.set(0x18, 8, 0);
  parent().state().big_endian = true;
  EXPECT_EQ(driver_.config(0), std::byteswap(static_cast<std::uint32_t>(identity)));
  EXPECT_EQ(driver_.config(2, 2), std::byteswap(static_cast<std::uint16_t>(identity >> 16)));
  EXPECT_EQ(driver_.config(1, 1), identity >> 8 & 0xFF);
  EXPECT_EQ(driver_.get(0x10, 8), 0x0807'0605'0403'0201U);
  driver_.set(0x18, 8, 0x0102'0304'0506'0708);
  driver_.set(0x18, 2, 0xAABB);
  driver_.set(0x1A, 1, 0xCC);
  parent().state().big_endian = false;
  EXPECT_EQ(driver_.get(0x18, 8), 0x0807'0605'04CC'BBAAU);
}

TEST_F(CommandDevice, IsFoundOnItsBusAndNothingElseIs) {
  EXPECT_EQ(driver_.config(0), 0xE4C1'1D0FU);
  EXPECT_EQ(driver_.config(0, 2), 0x1D0FU);
  EXPECT_EQ(driver_.config(0x0E, 1) & 0x7F, 0U) << "a header of type 0";
  for (std::uint64_t function = 1; function < 256; ++function) {
    ASSERT_EQ(driver_.config(function << 12), 0xFFFF'FFFFU) << function;
  }
  for (const std::uint64_t bar : {0U, 3U}) {
    driver_.set_config(0x10 + 4 * bar, 4, 0xFFFF'FFFF);
    EXPECT_EQ(driver_.config(0x10 + 4 * bar), 0xFFFF'F000U) << "4 KiB";
  }
  for (const std::uint64_t bar : {1U, 2U, 4U, 5U}) {
    driver_.set_config(0x10 + 4 * bar, 4, 0xFFFF'FFFF);
    EXPECT_EQ(driver_.config(0x10 + 4 * bar), 0U);
  }
  EXPECT_EQ(driver_.config(msix_capability() + 2, 2), 1U) << "two vectors, off";
}

TEST_F(CommandDevice, AnswersWhereItsBarsArePlaced) {
  EXPECT_EQ(driver_.get(2, 2), 1U);
  driver_.set_config(0x04, 2, 0);
  EXPECT_EQ(driver_.get(2, 2), 0xFFFFU) << "memory space is off";
  driver_.set_config(0x04, 2, 2);
  driver_.set_config(0x1C, 4, kBar + 0x8000);
  EXPECT_EQ(driver_.get(2, 2), 0xFFFFU);
  EXPECT_EQ(driver_.get(0x8002, 2), 1U);
  // Over memory it is nobody's business: the parent's own loads and stores do not come here.
  driver_.set_config(0x1C, 4, kRam + kBlock);
  parent().write64(Ipa{kRam + kBlock}, 0x1234);
  EXPECT_EQ(parent().read64(Ipa{kRam + kBlock}), 0x1234U);
  driver_.place_bars();
  EXPECT_EQ(driver_.get(2, 2), 1U) << "the device kept its state";
  EXPECT_EQ(driver_.get(1, 1), 0U);
}

TEST_F(CommandDevice, AnEnclaveHasNone) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  EXPECT_FALSE(on(1).can_read(Ipa{kConfig}));
  EXPECT_FALSE(on(1).can_read(Ipa{kBar}));
}

TEST_F(CommandDevice, CarriesAnEnclaveThroughItsLife) {
  Reply reply = command(kAllocate);
  ASSERT_EQ(reply.rc, 0);
  EXPECT_EQ(reply.regions, board::kBoard.limits.regions_per_enclave);
  const std::uint64_t uid = reply.uid;
  EXPECT_EQ(command(kCount).slots, 1U);
  parent().write(Ipa{kDonated + cofferdam_abi::kImageOffset}, support::make_image());
  EXPECT_EQ(command(kAddMemory, {uid, kDonated, kMemory - kPiece}).rc, 0);
  EXPECT_EQ(command(kAddMemory, {uid, kDonated + kMemory, kPiece}).rc, 0);
  EXPECT_FALSE(parent().can_read(Ipa{kDonated}));
  EXPECT_TRUE(parent().can_read(Ipa{kDonated + kMemory - kPiece}));
  EXPECT_EQ(command(kAddVcpu, {uid, 2}).rc, 0);
  EXPECT_EQ(command(kAddVcpus, {uid, 2}).rc, 0);
  reply = command(kInfo, {uid});
  EXPECT_EQ(reply.state, 0U);
  EXPECT_EQ(reply.regions, 2U);
  EXPECT_EQ(reply.memory, kMemory);
  EXPECT_EQ(reply.vcpus, 3U);
  EXPECT_EQ(driver_.events(), 0U);

  reply = command(kStart, {uid, 0, 1});  // any CID, debug
  ASSERT_EQ(reply.rc, 0) << machine().console();
  EXPECT_EQ(reply.cid, 4U);
  reply = command(kInfo, {uid});
  EXPECT_EQ(reply.rc, 0);
  EXPECT_EQ(reply.uid, uid);
  EXPECT_EQ(reply.cid, 4U);
  EXPECT_EQ(reply.state, 2U);
  EXPECT_EQ(reply.flags, 1U);
  EXPECT_EQ(command(kGetSlot, {4}).uid, uid);
  EXPECT_EQ(command(kNext, {0}).uid, uid);
  EXPECT_EQ(command(kNext, {uid}).uid, 0U);
  EXPECT_EQ(ask_nsm(on(2), {0x6B, 'D', 'e', 's', 'c', 'r', 'i', 'b', 'e', 'N', 'S', 'M'}).error, 0);

  EXPECT_EQ(command(kStop, {uid}).rc, 0);
  EXPECT_EQ(driver_.events(), 1U);
  EXPECT_EQ(command(kInfo, {uid}).state, 0xFFFFU);
  EXPECT_EQ(command(kFree, {uid}).rc, 0);
  EXPECT_EQ(command(kCount).slots, 0U);
  EXPECT_EQ(command(kInfo, {uid}).rc, kNoEntry);
  EXPECT_TRUE(is_zero(kDonated, kMemory + kPiece));
  EXPECT_TRUE(parent().can_write(Ipa{kDonated}));
  EXPECT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(2), kRam, 0}).x[0], 0U) << "its cores are the parent's";
}

TEST_F(CommandDevice, TellsOfEveryEnd) {
  const std::uint64_t first = build();
  EXPECT_EQ(command(kStart, {first, 20, 0}).rc, 0);
  EXPECT_EQ(driver_.events(), 0U);
  EXPECT_THROW((void)on(1).call(Function::kEnclaveExit, {3}), host::LeaveGuest);
  EXPECT_EQ(driver_.events(), 1U);
  EXPECT_EQ(command(kInfo, {first}).state, 0xFFFFU);
  EXPECT_EQ(command(kStop, {first}).rc, 0) << "it has";
  remove(first);
  EXPECT_EQ(driver_.events(), 1U);
  const std::uint64_t second = run_enclave(parent(), {});
  ASSERT_TRUE(end_enclave(parent(), second).ok());
  EXPECT_EQ(driver_.events(), 2U) << "whoever ended it";
}

TEST_F(CommandDevice, ItsMessagesAreTheParentsInterrupts) {
  EXPECT_EQ(command(kCount).rc, 0);
  EXPECT_EQ(parent().take_interrupt(), std::nullopt) << "none before MSI-X is on";
  set_vector(0, kMessageFrame, kReplyInterrupt.value);
  set_vector(1, kMessageFrame, kEventInterrupt.value);
  enable_messages();
  EXPECT_EQ(command(kCount).rc, 0);
  EXPECT_EQ(parent().take_interrupt(), kReplyInterrupt);
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  EXPECT_EQ(command(99).rc, kInvalid);
  EXPECT_EQ(parent().take_interrupt(), kReplyInterrupt) << "a refusal is a reply";
  const std::uint64_t uid = run_enclave(parent(), {});
  EXPECT_THROW((void)on(1).call(Function::kEnclaveExit, {3}), host::LeaveGuest);
  EXPECT_EQ(parent().take_interrupt(), kEventInterrupt);
  EXPECT_TRUE(end_enclave(parent(), uid).ok());
  // Masked it waits; unmasked it comes.
  set_vector(0, kMessageFrame, kReplyInterrupt.value, true);
  EXPECT_EQ(command(kCount).rc, 0);
  EXPECT_EQ(parent().take_interrupt(), std::nullopt);
  EXPECT_EQ(parent().read_register(Ipa{kMsixBar + 0x800}, 4), 1U);
  set_vector(0, kMessageFrame, kReplyInterrupt.value);
  EXPECT_EQ(parent().take_interrupt(), kReplyInterrupt);
  EXPECT_EQ(parent().read_register(Ipa{kMsixBar + 0x800}, 4), 0U);
}

TEST_F(CommandDevice, AMessageReachesNothingButTheParentsOwnMessages) {
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  for (const std::uint32_t intid : {33U, 40U, 223U, 256U, 1015U, 1016U}) {
    enable_spi(parent(), base::Intid{intid});
    enable_spi(on(1), base::Intid{intid});
  }
  enable_messages();
  for (const std::uint64_t intid : {0U, 27U, 33U, 40U, 223U, 256U, 1015U, 1016U, 1020U, 5000U, 0xFFFF'FFFFU}) {
    set_vector(0, kMessageFrame, intid);
    EXPECT_EQ(command(kCount).rc, 0);
    EXPECT_EQ(parent().take_interrupt(), std::nullopt) << intid;
    EXPECT_EQ(on(1).take_interrupt(), std::nullopt) << intid;
  }
  const Bytes before = parent().read_vector(Ipa{kRam + 6 * kBlock}, 64);
  for (const std::uint64_t address : {std::uint64_t{0}, kRam + 6 * kBlock, kDonated, board::kBoard.monitor.base,
                                      kMessageFrame + 4, kMessageFrame | std::uint64_t{1} << 40}) {
    set_vector(0, address, kReplyInterrupt.value);
    EXPECT_EQ(command(kCount).rc, 0);
    EXPECT_EQ(parent().take_interrupt(), std::nullopt) << address;
  }
  EXPECT_EQ(parent().read_vector(Ipa{kRam + 6 * kBlock}, 64), before);
}

TEST_F(CommandDevice, RefusesInTheDriversNumbers) {
  for (const std::uint32_t number : {0U, 12U, 0xFFFF'FFFFU}) EXPECT_EQ(command(number).rc, kInvalid);
  constexpr std::uint64_t kNobody = 12345;
  for (const std::uint32_t number : {kStart, kStop, kFree, kAddMemory, kAddVcpu, kInfo, kAddVcpus}) {
    EXPECT_EQ(command(number, {kNobody, 4, 0}).rc, kNoEntry) << number;
  }
  EXPECT_EQ(command(kGetSlot, {77}).rc, kNoEntry);
  EXPECT_EQ(command(kGetSlot, {3}).rc, kInvalidCid);

  const std::uint64_t uid = command(kAllocate).uid;
  EXPECT_EQ(command(kStop, {uid}).rc, kInvalid);
  EXPECT_EQ(command(kStart, {uid, 4, 0}).rc, kNoRegions);
  EXPECT_EQ(command(kAddMemory, {uid, kDonated, 0}).rc, kMemorySize);
  EXPECT_EQ(command(kAddMemory, {uid, kDonated, kFrame}).rc, kMemorySize);
  EXPECT_EQ(command(kAddMemory, {uid, kDonated + kFrame, kPiece}).rc, kMemoryUnaligned);
  EXPECT_EQ(command(kAddMemory, {uid, kRam + board::kBoard.memory[0].size, kPiece}).rc, kMemoryAddress);
  EXPECT_EQ(command(kAddMemory, {uid, ~std::uint64_t{0} - kPiece + 1, kPiece}).rc, kMemoryAddress);
  EXPECT_EQ(command(kAddMemory, {uid, board::kBoard.monitor.base, kPiece}).rc, kMemoryAddress);
  EXPECT_EQ(command(kAddMemory, {uid, kDonated, kPiece}).rc, 0);
  EXPECT_EQ(command(kAddMemory, {uid, kDonated, kPiece}).rc, kMemoryUsed);
  EXPECT_EQ(command(kStart, {uid, 4, 0}).rc, kMemoryMinimum);
  EXPECT_EQ(command(kAddMemory, {uid, kDonated + kPiece, kMemory}).rc, 0);
  EXPECT_EQ(command(kStart, {uid, 4, 0}).rc, kNoVcpus);

  EXPECT_EQ(command(kAddVcpu, {uid, 99}).rc, kInvalidVcpu);
  EXPECT_EQ(command(kAddVcpu, {uid, 0}).rc, kVcpuNotInPool) << "the core that asks";
  EXPECT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(3), kRam, 0}).x[0], 0U);
  EXPECT_EQ(command(kAddVcpu, {uid, 3}).rc, kVcpuNotInPool) << "on";
  EXPECT_EQ(command(kAddVcpus, {uid, 0}).rc, kInvalid);
  EXPECT_EQ(command(kAddVcpus, {uid, 5}).rc, kNoCpusInPool);
  EXPECT_EQ(command(kInfo, {uid}).vcpus, 0U);
  EXPECT_EQ(command(kAddVcpu, {uid, 1}).rc, 0);
  EXPECT_EQ(command(kAddVcpu, {uid, 1}).rc, kVcpuUsed);

  EXPECT_EQ(command(kStart, {uid, 4, 2}).rc, kInvalidFlag);
  for (const std::uint64_t cid :
       {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{0xFFFF'FFFF}, std::uint64_t{1} << 32 | 4}) {
    EXPECT_EQ(command(kStart, {uid, cid, 0}).rc, kInvalidCid) << cid;
  }
  EXPECT_EQ(command(kStart, {uid, 4, 0}).rc, kBadImage);
  EXPECT_EQ(command(kInfo, {uid}).state, 0U) << "as before";
  remove(uid);

  EnclavePlan other;
  other.cid = 30;
  other.address = kRam + board::kBoard.memory[0].size - 8 * kBlock;
  other.cores = {2};
  ASSERT_NE(run_enclave(parent(), other), 0U);
  const std::uint64_t running = build();
  EXPECT_EQ(command(kStart, {running, 30, 0}).rc, kInvalidCid) << "another one's";
  EXPECT_EQ(command(kStart, {running, 31, 0}).rc, 0);
  EXPECT_EQ(command(kStart, {running, 31, 0}).rc, kNotInit);
  EXPECT_EQ(command(kAddMemory, {running, kRam + 4 * kBlock, kPiece}).rc, kNotInit);
  EXPECT_EQ(command(kAddVcpu, {running, 4}).rc, kNotInit);
  EXPECT_EQ(command(kAddVcpus, {running, 1}).rc, kNotInit);
  EXPECT_EQ(command(kFree, {running}).rc, kBusy);
  for (std::size_t i = 2; i < board::kBoard.limits.enclaves; ++i) EXPECT_EQ(command(kAllocate).rc, 0);
  EXPECT_EQ(command(kAllocate).rc, kNoSpace);
  EXPECT_EQ(driver_.events(), 0U);
}

TEST_F(CommandDevice, WithoutASetUpItDoesNothing) {
  driver_.set(0, 1, 0);
  driver_.send(kAllocate, {});
  EXPECT_EQ(driver_.replies(), 0U);
  driver_.set(0, 1, 1);  // no version
  driver_.send(kAllocate, {});
  driver_.set(2, 2, 2);
  EXPECT_EQ(driver_.get(2, 2), 0U);
  driver_.send(kAllocate, {});
  EXPECT_EQ(driver_.replies(), 0U);
  ASSERT_TRUE(driver_.probe());
  EXPECT_EQ(command(kCount).slots, 0U);
}

// ---- who does the work

TEST_F(CommandDevice, WhereNoCoreIsParkedTheBootCoreGoesOn) {
  start_all_cores();
  driver_.send(kAllocate, {});
  EXPECT_EQ(driver_.replies(), 0U) << "not within the trap";
  driver_.send(kCount, {});  // a second one is ignored meanwhile
  machine().pass_ticks(10'000'000);
  EXPECT_EQ(driver_.replies(), 1U);
  const std::uint64_t uid = driver_.reply().uid;
  EXPECT_NE(uid, 0U);
  EXPECT_EQ(command(kAddMemory, {uid, kDonated, kMemory}).rc, 0);
  EXPECT_EQ(command(kFree, {uid}).rc, 0);
  EXPECT_GT(rounds_, 1U) << "in pieces, the guest in between";
  EXPECT_TRUE(parent().can_write(Ipa{kDonated}));
  EXPECT_EQ(command(kCount).slots, 0U);
}

// An enclave's core, or one that may become an enclave's, has no part in the parent's commands.
TEST_F(CommandDevice, TheBootCoreCarriesOutWhatAnotherAsked) {
  start_all_cores();
  Driver([this] { return on(3); }).send(kAllocate, {});
  for (const auto& core : machine().cores()) EXPECT_EQ(core->alarm.has_value(), core->id == kBoot) << +core->id.value;
  machine().pass_ticks(10'000'000);
  EXPECT_EQ(driver_.replies(), 1U);
}

TEST_F(CommandDevice, ARunningEnclaveIsEndedWhereNoCoreIsParked) {
  const std::uint64_t uid = build();
  EXPECT_EQ(command(kStart, {uid, 4, 0}).rc, 0);
  start_all_cores();
  EXPECT_EQ(command(kInfo, {uid}).state, 2U);
  EXPECT_EQ(command(kStop, {uid}).rc, 0);
  EXPECT_EQ(driver_.events(), 1U);
  EXPECT_EQ(command(kFree, {uid}).rc, 0);
  EXPECT_TRUE(is_zero(kDonated, kMemory));
}

TEST_F(CommandDevice, AResetInBetweenDropsTheReplyAndNothingElse) {
  start_all_cores();
  driver_.send(kAllocate, {});
  driver_.set(0, 1, 0);
  machine().pass_ticks(10'000'000);
  ASSERT_TRUE(driver_.probe());
  EXPECT_EQ(driver_.replies(), 0U);
  const unsigned slots = static_cast<unsigned>(command(kCount).slots);
  EXPECT_LE(slots, 1U);
  // A long one: it is at work when the device is reset, and a new one waits for it.
  const std::uint64_t uid = command(kAllocate).uid;
  EXPECT_EQ(command(kAddMemory, {uid, kDonated, kMemory}).rc, 0);
  driver_.send(kFree, {uid});
  machine().pass_ticks(100'000);
  driver_.set(0, 1, 0);
  ASSERT_TRUE(driver_.probe());
  EXPECT_EQ(command(kCount).slots, slots);
  EXPECT_EQ(driver_.replies(), 1U);
  EXPECT_TRUE(parent().can_write(Ipa{kDonated + kMemory - 8}));
}

// ---- what fails on the way

class CommandDeviceFailures : public CommandDevice {
 protected:
  // What anyone can reach, and which streams go where.
  std::string picture() {
    std::string text;
    for (std::uint8_t partition = 0; partition < 10; ++partition) {
      for (const host::Reach& run : host::walk_partition(machine(), base::PartitionId{partition})) {
        text += std::to_string(partition) + ":" + std::to_string(run.ipa.value) + ">" +
                std::to_string(run.frames.first().value) + "+" + std::to_string(run.frames.count().value) + " ";
      }
    }
    return text;
  }
  // The n-th step that can fail does, for n = 0, 1, ..; a command that failed has changed nothing that `same` looks at
  // and can be given again. Answers how many failures there were.
  std::size_t fail_each_step(
      const std::function<Reply()>& run, const std::function<void()>& again = [] {}, bool same = true) {
    for (std::uint64_t n = 0; n < 300; ++n) {
      const std::string before = picture();
      machine().faults().arm(n);
      const Reply reply = run();
      const auto hit = machine().faults().hit();
      machine().faults().disarm();
      EXPECT_EQ(machine().power_state(), host::PowerState::kOn) << machine().console();
      if (!hit) {
        EXPECT_EQ(reply.rc, 0);
        return n;
      }
      EXPECT_THAT(reply.rc, AnyOf(0, -12, -110, -5)) << name_of(*hit);
      if (reply.rc != 0 && same) {
        EXPECT_EQ(picture(), before) << name_of(*hit);
      }
      if (reply.rc == 0) again();  // it had another way, or the failure was one of an attempt that was repeated
    }
    ADD_FAILURE() << "no end of steps";
    return 300;
  }
};

TEST_F(CommandDeviceFailures, EveryStepOfEveryCommandOfALife) {
  std::uint64_t uid = 0;
  std::map<std::string, std::size_t> failures;
  failures["allocate"] = fail_each_step(
      [&] {
        const Reply reply = command(kAllocate);
        uid = reply.uid;
        return reply;
      },
      [&] { remove(uid); });
  parent().write(Ipa{kDonated + cofferdam_abi::kImageOffset}, support::make_image());
  failures["memory"] = fail_each_step([&] { return command(kAddMemory, {uid, kDonated, kMemory}); });
  EXPECT_EQ(command(kInfo, {uid}).memory, kMemory);
  EXPECT_EQ(command(kInfo, {uid}).regions, 1U);
  failures["core"] = fail_each_step([&] { return command(kAddVcpu, {uid, 1}); });
  failures["cores"] = fail_each_step([&] { return command(kAddVcpus, {uid, 2}); });
  EXPECT_EQ(command(kInfo, {uid}).vcpus, 3U);
  failures["start"] = fail_each_step([&] { return command(kStart, {uid, 0, 0}); });
  EXPECT_EQ(command(kInfo, {uid}).state, 2U);
  failures["stop"] = fail_each_step([&] { return command(kStop, {uid}); });
  failures["free"] = fail_each_step([&] { return command(kFree, {uid}); }, [] {}, false);
  EXPECT_EQ(command(kCount).slots, 0U);
  EXPECT_TRUE(is_zero(kDonated, kMemory));
  for (const auto& [name, count] : failures) std::cout << name << ": " << count << " failures injected\n";
  EXPECT_GE(failures["allocate"], 1U);
  EXPECT_GE(failures["memory"], 3U);
  EXPECT_GE(failures["free"], 5U);
  // Nothing was lost on the way: another life fits.
  const std::uint64_t next = build();
  EXPECT_EQ(command(kStart, {next, 0, 0}).rc, 0);
}

// ---- threads: parked cores do the work while the parent looks on

TEST(CommandDeviceThreads, ParkedCoresCarryCommandsOutWhileTheParentGoesOn) {
  host::MachineConfig config;
  config.schedule = host::Schedule::kThreads;
  config.handover = support::handover_bytes(board::kBoard.digest);
  host::Machine machine(config);
  int lives = 0;
  machine.set_program(base::kParent, [](GuestCpu&) {});
  machine.set_program(base::partition_of(base::SlotIndex{0}), [](GuestCpu& cpu) {
    for (int i = 0; i < 3; ++i) (void)ask_nsm(cpu, attestation_request(std::vector<std::uint8_t>(16, 3)));
    (void)cpu.call(Function::kEnclaveExit, {0});
  });
  machine.set_program(base::kParent, kBoot, [&](GuestCpu& cpu) {
    Driver driver{[&] { return cpu; }};
    ASSERT_TRUE(driver.probe());
    const auto command = [&](std::uint32_t number, std::initializer_list<std::uint64_t> fields) {
      const unsigned before = driver.replies();
      driver.send(number, fields);
      while (driver.replies() == before) cpu.relax();
      return driver.reply();
    };
    for (int round = 0; round < 3; ++round) {
      const std::uint64_t uid = command(kAllocate, {}).uid;
      cpu.write(Ipa{kDonated + cofferdam_abi::kImageOffset}, support::make_image());
      EXPECT_EQ(command(kAddMemory, {uid, kDonated, kMemory}).rc, 0);
      EXPECT_EQ(command(kAddVcpus, {uid, 2}).rc, 0);
      const unsigned events = driver.events();
      EXPECT_EQ(command(kStart, {uid, 0, 0}).rc, 0);
      while (driver.events() == events) cpu.relax();
      EXPECT_EQ(command(kInfo, {uid}).state, 0xFFFFU);
      EXPECT_EQ(command(kFree, {uid}).rc, 0);
      EXPECT_EQ(cpu.read64(Ipa{kDonated}), 0U);
      ++lives;
    }
    (void)cpu.hvc(cofferdam_abi::kPsciSystemOff);
  });
  machine.boot();
  EXPECT_TRUE(machine.wait_until_off(240)) << machine.console();
  machine.shutdown();
  EXPECT_EQ(lives, 3);
  EXPECT_THAT(machine.violations(), ::testing::IsEmpty());
  EXPECT_THAT(machine.failures(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace scenario
