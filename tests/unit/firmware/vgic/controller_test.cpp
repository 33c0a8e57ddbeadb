// A guest on its virtual interrupt controller: what it reads, what it gets, and what the machine is told.
#include "firmware/vgic/controller.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "tests/model/vgic_machine.hpp"

namespace {

using namespace vgic_model;  // NOLINT: the subject of the whole file
using base::Intid;
using vgic::Action;
using vgic::ActionKind;
using vgic::Actions;
using vgic::Configuration;
using vgic::SgiRegister;

constexpr std::uint32_t kTimer = 27;         // physical PPI, level
constexpr std::uint32_t kLinePpi = 23;       // PPI of the monitor's
constexpr std::uint32_t kUart = 33;          // physical SPI
constexpr std::uint32_t kEdge = 40;          // physical SPI, made edge-triggered by the guest
constexpr std::uint32_t kMessage = 100;      // message based, to 131
constexpr std::uint32_t kDoorbell = 1019;    // raised
constexpr std::uint32_t kForeign = 41;       // nobody's
constexpr std::uint64_t kGroup1 = 0b10;

Configuration four_cores() {
  Configuration configuration;
  configuration.cores = 4;
  for (std::uint8_t i = 0; i < 4; ++i) configuration.mpidr[i] = 0x8000'0000U | i;
  configuration.physical.add(Intid{kTimer});
  configuration.physical.add(Intid{30});
  configuration.physical.add(Intid{kUart});
  configuration.physical.add(Intid{kEdge});
  configuration.message.add(Intid{kMessage}, Intid{kMessage + 31});
  configuration.raised.add(Intid{kLinePpi});
  configuration.raised.add(Intid{kDoorbell});
  configuration.raised.add(Intid{200}, Intid{231});
  return configuration;
}

class VirtualGic : public testing::Test {
 protected:
  explicit VirtualGic(std::size_t list_registers = 4) : machine_(std::make_unique<Machine>(four_cores(), list_registers)) {}
  void SetUp() override {
    for (unsigned core = 0; core < 4; ++core) machine_->power_on(core);
    machine_->write(0, kDistributor, offset::kCtlr, kGroup1);
    for (std::uint64_t word = 1; word < 32; ++word) machine_->write(0, kDistributor, offset::kIgroupr + 4 * word, 0xFFFF'FFFF);
    for (unsigned core = 0; core < 4; ++core) machine_->write(core, sgi_frame(core), offset::kIgroupr, 0xFFFF'FFFF);
  }
  void TearDown() override { EXPECT_EQ(machine_->broken, ""); }

  Machine& on() { return *machine_; }
  void set_bit(unsigned core, std::uint64_t kind, std::uint32_t intid) {
    on().write(core, frame_of(core, intid), kind + intid / 32 * 4, std::uint64_t{1} << (intid % 32));
  }
  bool bit(unsigned core, std::uint64_t kind, std::uint32_t intid) {
    return (on().read(core, frame_of(core, intid), kind + intid / 32 * 4) >> (intid % 32) & 1) != 0;
  }
  void enable(unsigned core, std::uint32_t intid, std::uint8_t priority = 0x80) {
    on().write(core, frame_of(core, intid), offset::kIpriorityr + intid, priority, 1);
    set_bit(core, offset::kIsenabler, intid);
  }
  void route(std::uint32_t intid, std::uint64_t affinity) {
    on().write(0, kDistributor, offset::kIrouter + 8 * intid, affinity, 8);
  }
  void make_edge(std::uint32_t intid) {
    const std::uint64_t at = offset::kIcfgr + intid / 16 * 4;
    on().write(0, kDistributor, at, on().read(0, kDistributor, at) | std::uint64_t{2} << (intid % 16 * 2));
  }
  // Takes everything that comes and ends it at once.
  std::vector<std::uint32_t> drain(unsigned core) {
    std::vector<std::uint32_t> got;
    for (std::uint32_t intid = on().acknowledge(core); intid != kSpurious && got.size() < 2000; intid = on().acknowledge(core)) {
      got.push_back(intid);
      on().end(core, intid);
    }
    return got;
  }
  using Intids = std::vector<std::uint32_t>;

 private:
  std::unique_ptr<Machine> machine_;
};
class TwoListRegisters : public VirtualGic {
 protected:
  TwoListRegisters() : VirtualGic(2) {}
};

TEST_F(VirtualGic, SaysWhatItIs) {
  EXPECT_EQ(on().read(0, kDistributor, offset::kPidr2) & 0xF0, 0x30);
  const std::uint64_t type = on().read(0, kDistributor, offset::kTyper);
  EXPECT_EQ(type & 31, 31);                // lines to 1019
  EXPECT_EQ(type >> 10 & 1, 0);            // one security state
  EXPECT_EQ(type >> 16 & 3, 1);            // messages, no LPIs
  EXPECT_EQ(type >> 19 & 31, 9);           // 10 bits of INTID
  EXPECT_EQ(on().read(0, kDistributor, offset::kCtlr), 0x52);  // EnableGrp1, ARE, DS; not waiting
  for (unsigned core = 0; core < 4; ++core) {
    const std::uint64_t whole = on().read(0, redistributor(core), offset::kGicrTyper, 8);
    EXPECT_EQ(whole >> 32, core);
    EXPECT_EQ(whole >> 8 & 0xFFFF, core);
    EXPECT_EQ(whole >> 4 & 1, core == 3);
    EXPECT_EQ(whole & 0b1001, 0) << "no LPIs";
    EXPECT_EQ(on().read(0, redistributor(core), offset::kGicrTyper + 4), core);
    EXPECT_EQ(on().read(0, redistributor(core), offset::kPidr2) & 0xF0, 0x30);
    EXPECT_EQ(on().read(0, redistributor(core), offset::kGicrWaker), 6);
    on().write(0, redistributor(core), offset::kGicrWaker, 0);
    EXPECT_EQ(on().read(0, redistributor(core), offset::kGicrWaker), 0);
  }
}

TEST_F(VirtualGic, ReservedAccessesReadZeroAndWriteNothing) {
  enable(0, kUart);
  for (const unsigned size : {1U, 2U, 8U}) {
    on().write(0, kDistributor, offset::kIcenabler + 8, ~std::uint64_t{0}, size);
    EXPECT_EQ(on().read(0, kDistributor, offset::kIsenabler + 8, size), 0);
    on().write(0, kDistributor, offset::kCtlr, 0, size);
  }
  EXPECT_TRUE(bit(0, offset::kIsenabler, kUart));
  EXPECT_EQ(on().read(0, kDistributor, offset::kCtlr), 0x52);
  // The private ones are not in the distributor; the legacy registers are nowhere.
  set_bit(0, offset::kIsenabler, kTimer);
  for (const std::uint64_t at : {std::uint64_t{0x100}, std::uint64_t{0x800}, std::uint64_t{0x820}, std::uint64_t{0xF00},
                                 std::uint64_t{0xF10}, std::uint64_t{0xD04}, std::uint64_t{0xE08}, std::uint64_t{0x6000}}) {
    on().write(0, kDistributor, at, 0xFFFF'FFFF);
    EXPECT_EQ(on().read(0, kDistributor, at), 0) << at;
  }
  Actions actions;
  EXPECT_FALSE(on().controller.read(kDistributor, 0x10000, 4, actions).ok());
  EXPECT_FALSE(on().controller.read(kDistributor, 2, 4, actions).ok());
  EXPECT_FALSE(on().controller.read(kDistributor, 0, 3, actions).ok());
  EXPECT_FALSE(on().controller.read(sgi_frame(4), 0x100, 4, actions).ok());
  EXPECT_FALSE(on().controller.write(redistributor(200), 0x14, 4, 0, actions).ok());
  EXPECT_TRUE(actions.empty());
}

TEST_F(VirtualGic, ResetRefusesWhatIsNotSound) {
  const auto refused = [](auto change) {
    Configuration configuration = four_cores();
    change(configuration);
    return !std::make_unique<vgic::Controller>()->reset(configuration).ok();
  };
  EXPECT_TRUE(refused([](Configuration& c) { c.cores = 0; }));
  EXPECT_TRUE(refused([](Configuration& c) { c.cores = 9; }));
  EXPECT_TRUE(refused([](Configuration& c) { c.mpidr[3] = c.mpidr[0]; }));
  EXPECT_TRUE(refused([](Configuration& c) { c.physical.add(Intid{3}); }));
  EXPECT_TRUE(refused([](Configuration& c) { c.message.add(Intid{20}); }));
  EXPECT_TRUE(refused([](Configuration& c) { c.raised.add(Intid{kUart}); }));
  EXPECT_TRUE(refused([](Configuration& c) { c.message.add(Intid{kDoorbell}); }));
}

TEST_F(VirtualGic, TimerTickGoesThereAndBack) {
  on().set_high(2, kTimer, true);
  EXPECT_EQ(on().acknowledge(2), kSpurious) << "not enabled";
  EXPECT_FALSE(on().gic.line(2, kTimer).enabled);
  enable(2, kTimer);
  EXPECT_TRUE(on().gic.line(2, kTimer).enabled);
  EXPECT_FALSE(on().gic.line(1, kTimer).enabled);
  EXPECT_EQ(on().acknowledge(1), kSpurious);
  EXPECT_EQ(on().acknowledge(2), kTimer);
  EXPECT_TRUE(bit(0, offset::kIsactiver, kTimer) == false && bit(2, offset::kIsactiver, kTimer));
  EXPECT_EQ(on().acknowledge(2), kSpurious);
  on().set_high(2, kTimer, false);
  on().end(2, kTimer);
  EXPECT_FALSE(on().gic.line(2, kTimer).active) << "the guest's end is the machine's";
  EXPECT_EQ(on().acknowledge(2), kSpurious);
  on().set_high(2, kTimer, true);
  EXPECT_EQ(on().acknowledge(2), kTimer);
  on().end(2, kTimer);
  EXPECT_EQ(on().acknowledge(2), kTimer) << "still high";
}

TEST_F(VirtualGic, DisabledLineIsQuietInTheMachine) {
  enable(0, kUart);
  on().set_high(0, kUart, true);  // now in a list register of core 0
  set_bit(1, offset::kIcenabler, kUart);
  EXPECT_FALSE(on().gic.line(0, kUart).enabled);
  EXPECT_FALSE(on().gic.line(0, kUart).active) << "or it would never come again";
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  EXPECT_TRUE(bit(0, offset::kIspendr, kUart)) << "the line is high, as the machine says";
  on().set_high(0, kUart, false);
  set_bit(1, offset::kIsenabler, kUart);
  EXPECT_EQ(on().acknowledge(0), kSpurious) << "a level that fell is no interrupt";
  on().set_high(0, kUart, true);
  on().write(0, kDistributor, offset::kCtlr, 0);
  EXPECT_FALSE(on().gic.line(0, kUart).enabled) << "its group is off";
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  on().write(0, kDistributor, offset::kCtlr, kGroup1);
  EXPECT_EQ(on().acknowledge(0), kUart);
}

TEST_F(VirtualGic, EdgeSurvivesBeingDisabledAndMoved) {
  make_edge(kEdge);
  EXPECT_TRUE(on().gic.line(0, kEdge).edge);
  enable(0, kEdge);
  on().set_high(0, kEdge, true);
  on().set_high(0, kEdge, false);
  set_bit(1, offset::kIcenabler, kEdge);
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  EXPECT_TRUE(bit(0, offset::kIspendr, kEdge));
  route(kEdge, 3);
  set_bit(1, offset::kIsenabler, kEdge);
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  route(kEdge, 2);
  EXPECT_EQ(on().acknowledge(3), kSpurious);
  EXPECT_EQ(on().acknowledge(2), kEdge);
  on().set_high(0, kEdge, true);  // again, while it is active
  EXPECT_EQ(on().acknowledge(2), kSpurious);
  on().end(2, kEdge);
  EXPECT_EQ(on().acknowledge(2), kEdge);
  on().end(2, kEdge);
  EXPECT_EQ(on().acknowledge(2), kSpurious) << "one edge, one interrupt";
  set_bit(2, offset::kIspendr, kEdge);
  set_bit(2, offset::kIcpendr, kEdge);
  EXPECT_EQ(on().acknowledge(2), kSpurious);
  EXPECT_EQ(on().gic.active_count(), 0);
}

TEST_F(VirtualGic, WaitsForTheCoreThatHoldsADisabledInterrupt) {
  on().prompt = false;
  enable(0, kMessage);
  enable(1, 3);
  on().message(kMessage);
  on().settle();
  on().send_sgi(0, SgiRegister::kSgi1, 3U << 24 | 0b10);
  on().settle();  // each in its core's list registers
  set_bit(2, offset::kIcenabler, kMessage);
  EXPECT_NE(on().read(2, kDistributor, offset::kCtlr) >> 31, 0);
  EXPECT_EQ(on().kicked() & 1, 1);
  on().write(2, sgi_frame(1), offset::kIcenabler, 1U << 3);
  EXPECT_EQ(on().read(2, redistributor(1), 0), 1U << 3);
  EXPECT_EQ(on().read(2, redistributor(0), 0), 0);
  on().run_kick(0);
  EXPECT_EQ(on().read(2, kDistributor, offset::kCtlr) >> 31, 0);
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  on().run_kick(1);
  EXPECT_EQ(on().read(2, redistributor(1), 0), 0);
  EXPECT_EQ(on().acknowledge(1), kSpurious);
  set_bit(2, offset::kIsenabler, kMessage);
  on().settle();
  on().write(2, kDistributor, offset::kCtlr, 0);  // with its group off it is withdrawn likewise
  EXPECT_NE(on().read(2, kDistributor, offset::kCtlr) >> 31, 0);
  on().run_kick(0);
  EXPECT_EQ(on().read(2, kDistributor, offset::kCtlr) >> 31, 0);
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  on().write(2, kDistributor, offset::kCtlr, kGroup1);
  on().settle();
  EXPECT_EQ(on().acknowledge(0), kMessage) << "it stayed pending";
}

TEST_F(VirtualGic, ADeviceThatComesBackInterruptsAsIfItWereNew) {
  enable(0, kUart);
  set_bit(0, offset::kIsactiver, kUart);  // active with nobody to end it
  on().take_away(kUart);
  EXPECT_FALSE(bit(0, offset::kIsactiver, kUart));
  set_bit(0, offset::kIcactiver, kUart);  // what a kernel that starts anew does
  on().give(kUart);
  set_bit(0, offset::kIgroupr, kUart);
  enable(0, kUart);
  for (int i = 0; i < 2; ++i) {
    on().set_high(0, kUart, true);
    ASSERT_EQ(on().acknowledge(0), kUart);
    set_bit(1, offset::kIsenabler, kMessage);
    EXPECT_FALSE(bit(0, offset::kIspendr, kMessage));  // this core traps in its handler
    on().set_high(0, kUart, false);
    on().end(0, kUart);
    EXPECT_FALSE(bit(0, offset::kIsactiver, kUart));
  }
}

TEST_F(VirtualGic, TheBetterOneGoesFirst) {
  for (std::uint32_t i = 0; i < 20; ++i) {
    enable(0, kMessage + i, static_cast<std::uint8_t>(0xF8 - 8 * i));
    make_edge(kMessage + i);
    on().message(kMessage + i);
  }
  Intids expected;
  for (std::uint32_t i = 20; i-- > 0;) expected.push_back(kMessage + i);
  EXPECT_EQ(drain(0), expected);
  // A running one is interrupted by a better one only.
  on().message(kMessage + 5);
  EXPECT_EQ(on().acknowledge(0), kMessage + 5);
  on().message(kMessage + 4);
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  on().message(kMessage + 6);
  EXPECT_EQ(on().acknowledge(0), kMessage + 6);
  on().end(0, kMessage + 6);
  on().end(0, kMessage + 5);
  EXPECT_EQ(drain(0), Intids{kMessage + 4});
}

TEST_F(TwoListRegisters, MoreActiveThanListRegisters) {
  for (std::uint32_t i = 0; i < 6; ++i) {
    enable(0, kMessage + i, static_cast<std::uint8_t>(0xA0 - 8 * i));
    make_edge(kMessage + i);
  }
  enable(0, kTimer, 0xF0);
  on().set_high(0, kTimer, true);
  EXPECT_EQ(on().acknowledge(0), kTimer);
  on().set_high(0, kTimer, false);
  for (std::uint32_t i = 0; i < 6; ++i) {
    on().message(kMessage + i);
    EXPECT_EQ(on().acknowledge(0), kMessage + i);
  }
  EXPECT_EQ(on().read(0, kDistributor, offset::kIsactiver + 12), 0b11'1111U << 4);
  for (std::uint32_t i = 6; i-- > 0;) {
    on().end(0, kMessage + i);
    EXPECT_EQ(on().read(0, kDistributor, offset::kIsactiver + 12), ((1U << i) - 1) << 4);
  }
  EXPECT_TRUE(on().gic.line(0, kTimer).active);
  on().end(0, kTimer);
  EXPECT_FALSE(on().gic.line(0, kTimer).active);
  on().set_high(0, kTimer, true);
  EXPECT_EQ(drain(0).front(), kTimer);
}

TEST_F(TwoListRegisters, SplitEndDeactivatesInAnyOrderOnAnyCore) {
  for (unsigned core = 0; core < 4; ++core) on().interface(core).split_end = true;
  enable(0, kUart);
  on().set_high(0, kUart, true);
  for (std::uint32_t i = 0; i < 8; ++i) {
    enable(0, kMessage + i);
    make_edge(kMessage + i);
    on().message(kMessage + i);
  }
  for (int i = 0; i < 9; ++i) {
    const std::uint32_t intid = on().acknowledge(0);
    EXPECT_TRUE(intid == kUart || (intid >= kMessage && intid < kMessage + 8));
    on().end(0, intid);
  }
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  on().set_high(0, kUart, false);
  for (const std::uint32_t i : {3U, 0U, 7U, 5U, 1U, 2U, 6U, 4U}) on().deactivate(i % 4, kMessage + i);
  EXPECT_TRUE(on().gic.line(0, kUart).active);
  on().deactivate(3, kUart);
  EXPECT_FALSE(on().gic.line(0, kUart).active);
  on().deactivate(0, kForeign);
  on().deactivate(0, 5000);
  for (std::uint64_t word = 1; word < 32; ++word) EXPECT_EQ(on().read(0, kDistributor, offset::kIsactiver + 4 * word), 0);
}

TEST_F(VirtualGic, SgisGoWhereTheyAreSent) {
  for (unsigned core = 0; core < 4; ++core) enable(core, 5);
  on().send_sgi(1, SgiRegister::kSgi1, 5U << 24 | 0b1101);
  EXPECT_EQ(drain(0), Intids{5});
  EXPECT_EQ(drain(1), Intids{});
  EXPECT_EQ(drain(2), Intids{5});
  EXPECT_EQ(drain(3), Intids{5});
  on().send_sgi(1, SgiRegister::kSgi1, std::uint64_t{1} << 40 | 5U << 24);
  EXPECT_EQ(drain(0), Intids{5});
  EXPECT_EQ(drain(1), Intids{});
  EXPECT_EQ(drain(2), Intids{5});
  EXPECT_EQ(drain(3), Intids{5});
  // Another cluster, another range, another group.
  on().send_sgi(1, SgiRegister::kSgi1, 1U << 16 | 5U << 24 | 0xF);
  on().send_sgi(1, SgiRegister::kSgi1, std::uint64_t{1} << 44 | 5U << 24 | 0xF);
  on().send_sgi(1, SgiRegister::kSgi0, 5U << 24 | 0xF);
  on().send_sgi(1, SgiRegister::kAliasSgi1, 5U << 24 | 0xF);
  for (unsigned core = 0; core < 4; ++core) EXPECT_EQ(drain(core), Intids{}) << core;
  on().send_sgi(0, SgiRegister::kSgi1, 5U << 24 | 1);
  on().send_sgi(1, SgiRegister::kSgi1, 5U << 24 | 1);
  EXPECT_EQ(drain(0), Intids{5}) << "pending is pending, whoever sent it";
}

TEST_F(VirtualGic, MessagesArePendingOnceAndNotLostWhileActive) {
  enable(0, kMessage);
  make_edge(kMessage);
  on().message(kMessage);
  on().message(kMessage);
  EXPECT_EQ(on().acknowledge(0), kMessage);
  on().write(1, kDistributor, offset::kSetSpi, kMessage);
  EXPECT_TRUE(bit(0, offset::kIspendr, kMessage));
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  on().end(0, kMessage);
  EXPECT_EQ(drain(0), Intids{kMessage});
  on().write(1, kDistributor, offset::kSetSpi, kMessage, 2);
  on().write(1, kDistributor, offset::kClrSpi, kMessage);
  EXPECT_EQ(drain(0), Intids{});
  // Only for these: not for the machine's lines, not for the monitor's, not for nobody's.
  for (const std::uint32_t intid : {kUart, kDoorbell, kForeign, 3U, 1020U, 1023U}) {
    on().write(1, kDistributor, offset::kSetSpi, intid);
    EXPECT_TRUE(on().log.empty());
  }
  enable(0, kUart);
  enable(0, kDoorbell);
  EXPECT_EQ(drain(0), Intids{});
  on().message(kDoorbell);
  EXPECT_EQ(drain(0), Intids{kDoorbell});
  // Level-sensitive: until it is cleared.
  enable(0, kMessage + 1);
  on().message(kMessage + 1);
  EXPECT_EQ(on().acknowledge(0), kMessage + 1);
  on().end(0, kMessage + 1);
  EXPECT_EQ(on().acknowledge(0), kMessage + 1);
  on().write(0, kDistributor, offset::kClrSpi, kMessage + 1);
  on().end(0, kMessage + 1);
  EXPECT_EQ(on().acknowledge(0), kSpurious);
}

TEST_F(VirtualGic, AnEdgeTriggeredLineOfTheMonitorsFallsUnseen) {
  EXPECT_FALSE(on().controller.fall(Intid{200})) << "level-sensitive";
  make_edge(200);
  enable(0, 200);
  on().raise(200, true);
  EXPECT_TRUE(on().controller.fall(Intid{200}));
  EXPECT_EQ(on().acknowledge(0), 200) << "it was pending already";
  on().raise(200, true);
  on().end(0, 200);
  EXPECT_EQ(on().acknowledge(0), 200) << "it has risen again";
  on().end(0, 200);
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  EXPECT_FALSE(on().controller.fall(Intid{kUart}));
  EXPECT_FALSE(on().controller.fall(Intid{kMessage}));
  EXPECT_FALSE(on().controller.fall(Intid{3}));
}

TEST_F(VirtualGic, LinesOfTheMonitorAreLevels) {
  enable(0, 200);
  enable(3, kLinePpi);
  on().raise(200, true);
  on().raise_private(3, kLinePpi, true);
  EXPECT_EQ(on().acknowledge(3), kLinePpi);
  on().raise_private(3, kLinePpi, false);
  on().end(3, kLinePpi);
  EXPECT_EQ(on().acknowledge(3), kSpurious);
  on().raise(200, false);
  EXPECT_EQ(on().acknowledge(0), kSpurious) << "withdrawn in time";
  on().raise(200, true);
  EXPECT_EQ(on().acknowledge(0), 200);
  on().end(0, 200);
  EXPECT_EQ(on().acknowledge(0), 200) << "still high";
  Actions actions;
  EXPECT_FALSE(on().controller.raise(Intid{kUart}, true, actions).ok());
  EXPECT_FALSE(on().controller.raise(Intid{kMessage}, true, actions).ok());
  EXPECT_FALSE(on().controller.raise(Intid{kForeign}, true, actions).ok());
  EXPECT_FALSE(on().controller.raise_private(CoreIndex{0}, Intid{kTimer}, true, actions).ok());
  EXPECT_FALSE(on().controller.raise_private(CoreIndex{0}, Intid{3}, true, actions).ok());
  EXPECT_FALSE(on().controller.message(Intid{kUart}, actions).ok());
  EXPECT_FALSE(on().controller.physical(CoreIndex{0}, Intid{kForeign}, actions).ok());
  EXPECT_FALSE(on().controller.physical(CoreIndex{0}, Intid{kMessage}, actions).ok());
  EXPECT_FALSE(on().controller.physical(CoreIndex{7}, Intid{kUart}, actions).ok());
  EXPECT_FALSE(on().controller.physical(CoreIndex{0}, Intid{1023}, actions).ok());
  EXPECT_TRUE(actions.empty());
}

TEST_F(VirtualGic, RoutersHaveHalvesAndOneOfN) {
  enable(0, kUart);
  route(kUart, 0x12'0034'5603);
  EXPECT_EQ(on().read(0, kDistributor, offset::kIrouter + 8 * kUart, 8), 0x12'0034'5603);
  EXPECT_FALSE(on().gic.line(0, kUart).enabled) << "there is no such core";
  on().write(0, kDistributor, offset::kIrouter + 8 * kUart + 4, 0);
  on().write(0, kDistributor, offset::kIrouter + 8 * kUart, 2);
  EXPECT_EQ(on().read(0, kDistributor, offset::kIrouter + 8 * kUart, 8), 2);
  EXPECT_TRUE(on().gic.line(0, kUart).enabled);
  EXPECT_EQ(on().gic.line(0, kUart).route, 2);
  on().write(0, kDistributor, offset::kIrouter + 8 * kUart, 0x8000'0000);
  EXPECT_EQ(on().gic.line(0, kUart).route, 0);
  on().power_off(0);
  EXPECT_EQ(on().gic.line(0, kUart).route, 1) << "never to a core that may be another's by now";
  on().set_high(0, kUart, true);
  EXPECT_EQ(drain(1).front(), kUart);
}

TEST_F(VirtualGic, ACoreThatLeavesTakesNothingAlong) {
  route(kUart, 3);
  enable(0, kUart);
  enable(3, kTimer);
  enable(3, 2);
  enable(0, kMessage);
  make_edge(kMessage);
  route(kMessage, 3);
  on().set_high(3, kTimer, true);
  on().set_high(3, kUart, true);
  on().message(kMessage);
  on().send_sgi(0, SgiRegister::kSgi1, 2U << 24 | 0b1000);
  on().power_off(3);
  EXPECT_FALSE(on().gic.line(3, kTimer).enabled || on().gic.line(3, kTimer).active);
  EXPECT_FALSE(on().gic.line(3, kUart).enabled || on().gic.line(3, kUart).active);
  route(kMessage, 1);
  EXPECT_EQ(drain(1), Intids{kMessage});
  on().power_on(3);
  EXPECT_EQ(on().read(3, sgi_frame(3), offset::kIsenabler), 0);
  EXPECT_EQ(on().read(3, sgi_frame(3), offset::kIspendr), 1U << kTimer) << "the line is high, nothing else is left";
  EXPECT_EQ(on().acknowledge(3), kUart);
}

// A redistributor is there before its core runs, and keeps what comes (IHI 0069, chapter 11).
TEST_F(VirtualGic, WhatIsSetAndSentToACoreThatIsOffWaitsForIt) {
  constexpr std::uint32_t kSgi = 2;
  on().power_off(3);
  on().write(0, sgi_frame(3), offset::kIgroupr, 1U << kSgi | 1U << kTimer);
  on().write(0, sgi_frame(3), offset::kIpriorityr + kSgi, 0x40, 1);
  on().write(0, sgi_frame(3), offset::kIpriorityr + kTimer, 0x80, 1);
  on().write(0, sgi_frame(3), offset::kIsenabler, 1U << kSgi | 1U << kTimer);
  on().send_sgi(0, SgiRegister::kSgi1, kSgi << 24 | 0b1000);
  on().write(0, sgi_frame(3), offset::kIspendr, 1U << kTimer);
  EXPECT_FALSE(on().gic.line(3, kTimer).enabled || on().gic.line(3, kTimer).latch) << "the core may run another's code";
  EXPECT_EQ(on().read(0, sgi_frame(3), offset::kIspendr) & 1U << kSgi, 1U << kSgi);
  on().power_on(3);
  EXPECT_TRUE(on().gic.line(3, kTimer).enabled);
  EXPECT_EQ(drain(3), (Intids{kSgi, kTimer}));
  EXPECT_EQ(on().read(3, sgi_frame(3), offset::kIpriorityr + kSgi, 1), 0x40);
  on().power_off(3);
  on().power_on(3);
  EXPECT_EQ(on().read(3, sgi_frame(3), offset::kIsenabler), 0) << "when it leaves, its redistributor is reset";
}

TEST_F(VirtualGic, MessagesArriveAtTheCoreTheyAreForWhileItIsOn) {
  const auto arrives = [this](std::uint32_t intid) { return on().gic.line(0, intid).route; };
  EXPECT_EQ(arrives(kMessage), 0);
  route(kMessage, 3);
  EXPECT_EQ(arrives(kMessage), 3);
  EXPECT_EQ(arrives(kMessage + 1), 0) << "its neighbour stays";
  on().power_off(3);
  EXPECT_EQ(arrives(kMessage), 0) << "the core may be another's by now";
  on().power_off(0);
  EXPECT_EQ(arrives(kMessage), 1);
  EXPECT_EQ(arrives(kMessage + 1), 1);
  on().power_on(0);
  EXPECT_EQ(arrives(kMessage + 1), 0) << "where the guest wants it";
  EXPECT_EQ(arrives(kMessage), 1) << "no reason to move";
  on().power_on(3);
  EXPECT_EQ(arrives(kMessage), 3);
  on().write(0, kDistributor, offset::kIrouter + 8 * kMessage, 0x8000'0000);  // one of all
  EXPECT_EQ(arrives(kMessage), 0);
  for (std::uint32_t i = 0; i < 4; ++i) on().power_off(i);
  EXPECT_EQ(arrives(kMessage), 3) << "the last to go";
  on().power_on(2);
  EXPECT_EQ(arrives(kMessage), 2);
  EXPECT_EQ(arrives(kMessage + 1), 2);
}

TEST_F(VirtualGic, WhatIsNotTheirsCantBeTouched) {
  vgic::Controller& controller = on().controller;
  for (std::uint64_t at = 0x40; at < 0x8000; at += 4) {
    if (at == 0x50) at = 0x80;
    on().write(0, kDistributor, at, 0xFFFF'FFFF);
    on().write(1, sgi_frame(2), at, 0xFFFF'FFFF);
    on().write(1, redistributor(2), at, 0xFFFF'FFFF);
  }
  for (std::uint32_t word = 1; word < 32; ++word) {
    std::uint32_t own = 0;
    for (std::uint32_t i = 0; i < 32; ++i) {
      const Configuration configuration = four_cores();
      const Intid intid{32 * word + i};
      const bool is_own = configuration.physical.contains(intid) || configuration.message.contains(intid) ||
                          configuration.raised.contains(intid);
      own |= std::uint32_t{is_own} << i;
      Actions actions;
      if (!is_own) {
        EXPECT_EQ(*controller.read(kDistributor, offset::kIpriorityr + intid.value, 1, actions), 0);
        EXPECT_EQ(*controller.read(kDistributor, offset::kIrouter + 8 * intid.value, 8, actions), 0);
      }
    }
    for (std::uint64_t kind = 0x80; kind < 0x400; kind += 0x80) {
      EXPECT_EQ(on().read(0, kDistributor, kind + 4 * word) & ~own, 0) << kind << " " << word;
    }
  }
  EXPECT_EQ(on().read(0, sgi_frame(2), offset::kIsenabler), 0);  // 0x180 was written after 0x100
  on().write(0, sgi_frame(2), offset::kIsenabler, 0xFFFF'FFFF);
  EXPECT_EQ(on().read(0, sgi_frame(2), offset::kIsenabler), 0xFFFFU | 1U << kLinePpi | 1U << kTimer | 1U << 30);
  // TearDown: no action named another's INTID.
}

TEST_F(VirtualGic, TakenAgainBeforeTheCoreThatEndedItSynced) {
  on().prompt = false;
  enable(0, kUart);
  on().set_high(0, kUart, true);
  ASSERT_TRUE(on().take_physical(0));
  on().write(1, kDistributor, offset::kIrouter + 8 * kUart, 1, 8);  // core 0 is not kicked yet
  EXPECT_EQ(on().acknowledge(0), kUart);
  on().end(0, kUart);  // in hardware: free to come again, to core 1
  ASSERT_TRUE(on().take_physical(1));
  on().settle();
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  EXPECT_EQ(on().acknowledge(1), kUart);
  on().set_high(0, kUart, false);
  on().end(1, kUart);
  on().settle();
  EXPECT_EQ(on().gic.active_count(), 0);
}

TEST_F(VirtualGic, WhatOthersWriteAboutAHeldInterruptIsDone) {
  on().prompt = false;
  make_edge(kEdge);
  enable(0, kEdge);
  on().set_high(0, kEdge, true);
  on().settle();
  set_bit(1, offset::kIcpendr, kEdge);
  EXPECT_FALSE(bit(1, offset::kIspendr, kEdge));
  on().settle();
  EXPECT_EQ(on().acknowledge(0), kSpurious);
  EXPECT_EQ(on().gic.active_count(), 0);
  on().set_high(0, kEdge, false);
  on().set_high(0, kEdge, true);
  on().settle();
  EXPECT_EQ(on().acknowledge(0), kEdge);
  set_bit(1, offset::kIcactiver, kEdge);
  on().settle();
  EXPECT_EQ(on().gic.active_count(), 0);
  EXPECT_FALSE(bit(1, offset::kIsactiver, kEdge));
  set_bit(1, offset::kIsactiver, kEdge);
  on().settle();
  on().set_high(0, kEdge, false);
  on().set_high(0, kEdge, true);
  on().settle();
  EXPECT_EQ(on().acknowledge(0), kSpurious) << "active since the guest says so";
  set_bit(1, offset::kIcactiver, kEdge);
  on().settle();
  on().interface(0).running.clear();
  EXPECT_EQ(on().acknowledge(0), kEdge);
}

TEST_F(TwoListRegisters, AGroupThatIsOffTakesNoRoomFromTheOther) {
  on().write(0, kDistributor, offset::kCtlr, 3);
  for (std::uint32_t i = 0; i < 8; ++i) {
    enable(0, kMessage + i, static_cast<std::uint8_t>(8 * i));
    make_edge(kMessage + i);
    on().message(kMessage + i);
  }
  on().write(0, kDistributor, offset::kIgroupr + 12, ~(std::uint64_t{0b1100'0000} << 4));  // 106 and 107: group 0
  on().interface(0).group1 = false;
  on().settle();
  EXPECT_EQ(drain(0), (Intids{kMessage + 6, kMessage + 7}));
  on().interface(0).group1 = true;
  on().settle();
  EXPECT_EQ(drain(0).size(), 6);
}

TEST_F(VirtualGic, AfterStopTheMachineIsQuiet) {
  enable(0, kUart);
  make_edge(kEdge);
  enable(0, kEdge);
  for (unsigned core = 0; core < 4; ++core) enable(core, kTimer);
  on().set_high(1, kTimer, true);
  on().set_high(0, kUart, true);
  set_bit(0, offset::kIspendr, kEdge);
  Actions actions;
  on().controller.stop(actions);
  for (const Action& action : actions.list()) on().gic.apply(action, on().broken);
  EXPECT_FALSE(on().gic.anything_enabled_pending_or_active());
  EXPECT_FALSE(on().gic.line(0, kEdge).edge);
  EXPECT_TRUE(on().controller.reset(four_cores()).ok());
}

// A core that is off may be another partition's by now: its timers' state is neither shown nor changed.
TEST_F(VirtualGic, ACoreThatIsOffIsOutOfReach) {
  enable(2, kTimer);
  on().power_off(2);
  on().gic.line(2, kTimer) = {.enabled = true, .latch = true, .active = true};  // the other one's
  EXPECT_EQ(on().read(0, sgi_frame(2), offset::kIspendr), 0);
  for (std::uint64_t at = 0x80; at < 0x400; at += 0x80) on().write(0, sgi_frame(2), at, 0xFFFF'FFFF);
  on().write(0, kDistributor, offset::kCtlr, 0);
  Actions actions;
  on().controller.stop(actions);
  for (const Action& action : actions.list()) on().gic.apply(action, on().broken);
  const auto& line = on().gic.line(2, kTimer);
  EXPECT_TRUE(line.enabled && line.latch && line.active);
  EXPECT_FALSE(on().gic.line(2, 30).latch) << "made pending from outside";
}

TEST_F(VirtualGic, WhatAGuestMadePendingGoesWithTheCore) {
  set_bit(2, offset::kIspendr, kTimer);
  EXPECT_TRUE(on().gic.line(2, kTimer).latch);
  on().power_off(2);
  EXPECT_FALSE(on().gic.line(2, kTimer).latch);
  on().gic.line(2, kTimer).latch = true;  // left by somebody else
  on().power_on(2);
  EXPECT_FALSE(bit(2, offset::kIspendr, kTimer));
}

TEST_F(VirtualGic, ACoreThatIsOffGetsNoListRegisters) {
  route(kUart, 3);
  enable(0, kUart);
  on().set_high(3, kUart, true);
  EXPECT_EQ(on().acknowledge(3), kUart);  // and never ends it
  on().power_off(3);
  std::array<std::uint64_t, 4> list_registers{1, 1, 1, 1};
  const vgic::Maintenance wanted = on().controller.fill(CoreIndex{3}, list_registers, {true, true});
  EXPECT_EQ(list_registers, (std::array<std::uint64_t, 4>{}));
  EXPECT_FALSE(wanted.no_pending || wanted.end_of_outside || wanted.group_change);
  route(kUart, 1);
  set_bit(0, offset::kIcactiver, kUart);
  EXPECT_EQ(on().acknowledge(1), kUart) << "another core can end it, and take it again";
}

TEST_F(VirtualGic, WaitingIsSeen) {
  vgic::Controller& controller = on().controller;
  Actions actions;
  const auto synced = [&](unsigned core) {
    controller.sync(CoreIndex{static_cast<std::uint8_t>(core)}, std::span(on().interface(core).list_registers).first(4), 0, actions);
    const bool pending = controller.has_pending(CoreIndex{static_cast<std::uint8_t>(core)});
    (void)controller.fill(CoreIndex{static_cast<std::uint8_t>(core)}, std::span(on().interface(core).list_registers).first(4),
                          {true, true});
    return pending;
  };
  EXPECT_FALSE(synced(0));
  enable(0, kMessage);
  make_edge(kMessage);
  on().message(kMessage);
  EXPECT_TRUE(synced(0));
  EXPECT_FALSE(synced(1));
  EXPECT_EQ(controller.used_list_registers(CoreIndex{0}), 1);
  EXPECT_EQ(on().acknowledge(0), kMessage);
  EXPECT_FALSE(synced(0)) << "active is not pending";
}

TEST(VirtualGicActions, TheSameForOneWordIsOneAction) {
  Actions actions;
  actions.add(ActionKind::kDisable, 1, CoreIndex{0}, 1);
  actions.add(ActionKind::kDeactivate, 1, CoreIndex{0}, 1);
  actions.add(ActionKind::kDisable, 1, CoreIndex{0}, 2);
  ASSERT_EQ(actions.list().size(), 2);
  EXPECT_EQ(actions.list()[0].mask, 3);
  actions.add(ActionKind::kDisable, 1, CoreIndex{0}, 1);  // after what was said about it: in order
  EXPECT_EQ(actions.list().size(), 3);
  actions.add(ActionKind::kDisable, 0, CoreIndex{1}, 1);
  actions.add(ActionKind::kDisable, 0, CoreIndex{2}, 1);  // another core's private interrupts
  EXPECT_EQ(actions.list().size(), 5);
  EXPECT_FALSE(actions.overflow());
}

}  // namespace
