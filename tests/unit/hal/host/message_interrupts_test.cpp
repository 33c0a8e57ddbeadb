// Messages of devices on the simulated machine: only of streams that are attached, only in their range.
#include "hal/message_interrupts.hpp"

#include <gtest/gtest.h>

#include "hal/interrupts.hpp"
#include "hal/stage2.hpp"
#include "tests/unit/hal/host/scripted_monitor_test.hpp"

namespace {

namespace messages = hal::message_interrupts;
using base::Error;
using base::Intid;
using base::StreamId;
using hal::AfterTrap;
using hal::TrapKind;

constexpr StreamId kDisk{0x10}, kNetwork{0x18};  // of the board `host`
constexpr Intid kFirst{224};
constexpr std::uint32_t kCount = 16;
constexpr base::CoreId kBootCore{0};
constexpr std::uint32_t kWord = kFirst.value / 32, kFirstBit = 1U << (kFirst.value % 32);

// A guest on core 0; the monitor notes which SPI every message stands for.
class MessageInterrupts : public ::testing::Test {
 protected:
  MessageInterrupts() {
    scripted::core_main = [] {};
    scripted::monitor_main = [] {
      ASSERT_TRUE(hal::stage2::create(base::kParent).ok());
      hal::run_guest({.partition = base::kParent, .entry = 0x4400'0000, .argument = 0});
    };
    scripted::handle_trap = [this](TrapKind kind, hal::TrapFrame&) {
      if (kind == TrapKind::kInterrupt) {
        const Intid physical = hal::interrupts::acknowledge();
        EXPECT_TRUE(messages::is_message(physical));
        seen_.push_back(messages::virtual_spi(physical));
      } else if (work_) {
        work_();
      }
      return AfterTrap::kResume;
    };
    machine_.boot();
  }
  ~MessageInterrupts() override {
    EXPECT_TRUE(machine_.violations().empty());
    EXPECT_TRUE(machine_.failures().empty());
    machine_.shutdown();
    scripted::handle_trap = nullptr;
  }
  void in_monitor(std::function<void()> work) {
    work_ = std::move(work);
    (void)machine_.cpu(kBootCore).hvc(0);
    work_ = nullptr;
  }
  void attach(StreamId stream) {
    in_monitor([=] { EXPECT_TRUE(messages::attach(stream, kFirst, kCount).ok()); });
  }
  std::size_t raised_by(StreamId stream, std::uint32_t data) {
    const std::size_t before = seen_.size();
    machine_.raise_message(stream, data);
    return seen_.size() - before;
  }
  host::Machine machine_;
  std::vector<std::optional<Intid>> seen_;
  std::function<void()> work_;
};

TEST_F(MessageInterrupts, AMessageBecomesTheSpiThatItNames) {
  attach(kDisk);
  for (const std::uint32_t data : {224U, 231U, 239U}) {
    ASSERT_EQ(raised_by(kDisk, data), 1U);
    EXPECT_EQ(seen_.back(), Intid{data});
  }
}

TEST_F(MessageInterrupts, OutOfRangeIsDropped) {
  attach(kDisk);
  for (const std::uint32_t data : {0U, 7U, 35U, 223U, 240U, 1020U, 8192U, 0x1'00E0U, 0xFFFF'FFFFU}) {
    EXPECT_EQ(raised_by(kDisk, data), 0U) << data;
  }
}

TEST_F(MessageInterrupts, OthersAreDropped) {
  attach(kDisk);
  EXPECT_EQ(raised_by(kNetwork, kFirst.value), 0U);
  EXPECT_EQ(raised_by(StreamId{0}, kFirst.value), 0U);
}

TEST_F(MessageInterrupts, NothingComesAfterDetachEvenWhatWasPending) {
  attach(kDisk);
  attach(kNetwork);
  in_monitor([&] {
    const auto disk = machine_.messages().deliver(kDisk, kFirst.value);
    const auto network = machine_.messages().deliver(kNetwork, kFirst.value);
    ASSERT_TRUE(disk && network);
    machine_.make_pending(kBootCore, disk->physical);
    machine_.make_pending(kBootCore, network->physical);
    EXPECT_TRUE(messages::detach(kDisk).ok());
    EXPECT_EQ(messages::virtual_spi(disk->physical), std::nullopt);  // taken before, asked for too late
    EXPECT_EQ(messages::virtual_spi(network->physical), kFirst);
  });
  machine_.settle();
  EXPECT_EQ(seen_, (std::vector<std::optional<Intid>>{kFirst}));  // the neighbour's, of the same number
  EXPECT_EQ(raised_by(kDisk, kFirst.value), 0U);
}

TEST_F(MessageInterrupts, AttachingAgainReplacesTheRange) {
  attach(kDisk);
  in_monitor([] { EXPECT_TRUE(messages::attach(kDisk, Intid{230}, 1).ok()); });
  EXPECT_EQ(raised_by(kDisk, 224), 0U);
  EXPECT_EQ(raised_by(kDisk, 230), 1U);
}

TEST_F(MessageInterrupts, RefusalsChangeNothing) {
  in_monitor([] {
    EXPECT_EQ(messages::attach(StreamId{0}, kFirst, kCount).error(), Error::kNoSuchDevice);
    EXPECT_EQ(messages::attach(StreamId{0x77}, kFirst, kCount).error(), Error::kNoSuchDevice);
    EXPECT_EQ(messages::attach(kDisk, kFirst, 0).error(), Error::kOutOfRange);
    EXPECT_EQ(messages::attach(kDisk, Intid{31}, 1).error(), Error::kOutOfRange);
    EXPECT_EQ(messages::attach(kDisk, Intid{1019}, 2).error(), Error::kOutOfRange);
    EXPECT_EQ(messages::attach(kDisk, kFirst, 0xFFFF'FFFF).error(), Error::kOutOfRange);
    EXPECT_EQ(messages::route(kWord, kFirstBit, base::CoreId{200}).error(), Error::kNoSuchCore);
    EXPECT_EQ(messages::route(0, 1, base::CoreId{1}).error(), Error::kOutOfRange);
    EXPECT_EQ(messages::route(32, 1, base::CoreId{1}).error(), Error::kOutOfRange);
    EXPECT_EQ(messages::route(31, 1U << 28, base::CoreId{1}).error(), Error::kOutOfRange);  // INTID 1020
    EXPECT_TRUE(messages::detach(kDisk).ok());
  });
  EXPECT_FALSE(machine_.messages().attached(kDisk));
}

TEST_F(MessageInterrupts, AFailedDetachDeliversNothingEither) {
  attach(kDisk);
  machine_.faults().arm(0);
  in_monitor([] { EXPECT_EQ(messages::detach(kDisk).error(), Error::kDeviceTimeout); });
  EXPECT_EQ(machine_.faults().hit(), host::FallibleStep::kMessageDetach);
  EXPECT_EQ(raised_by(kDisk, kFirst.value), 0U);
}

TEST_F(MessageInterrupts, TheyGoWhereTheyAreRouted) {
  attach(kDisk);
  EXPECT_EQ(machine_.messages().deliver(kDisk, kFirst.value)->core, kBootCore);
  in_monitor([] { EXPECT_TRUE(messages::route(kWord, kFirstBit | kFirstBit << 2, base::CoreId{2}).ok()); });
  EXPECT_EQ(machine_.messages().deliver(kDisk, kFirst.value)->core, base::CoreId{2});
  EXPECT_EQ(machine_.messages().deliver(kDisk, kFirst.value + 1)->core, kBootCore);
  EXPECT_EQ(machine_.messages().deliver(kDisk, kFirst.value + 2)->core, base::CoreId{2});
}

TEST_F(MessageInterrupts, OneThatWaitsMovesWithItsRouteOnceAndNoOther) {
  attach(kDisk);
  attach(kNetwork);
  in_monitor([&] {
    for (const StreamId stream : {kDisk, kNetwork}) {
      for (const std::uint32_t data : {kFirst.value, kFirst.value + 1}) {
        machine_.make_pending(base::CoreId{2}, machine_.messages().deliver(stream, data)->physical);
      }
    }
    EXPECT_TRUE(messages::route(kWord, kFirstBit, kBootCore).ok());
  });
  machine_.settle();
  EXPECT_EQ(seen_, (std::vector<std::optional<Intid>>{kFirst, kFirst}));  // of both devices; the others wait on core 2
}

}  // namespace
