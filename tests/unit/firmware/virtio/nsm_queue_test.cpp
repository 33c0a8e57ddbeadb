// Commands of virtio-nsm as Linux's driver lays them into its queue, as others may, and as none should.
#include "firmware/virtio/nsm_queue.hpp"

#include <gtest/gtest.h>

#include <string_view>

#include "tests/unit/firmware/virtio/ring_driver.hpp"

namespace {

using base::Error;
using virtio_test::Buffer;
using virtio_test::kMemoryBase;
using virtio_test::Used;
using TakenKind = virtio::NsmTaken::Kind;

constexpr std::uint64_t kRequest = kMemoryBase + 0x10000;
constexpr std::uint64_t kResponse = kMemoryBase + 0x20000;
constexpr std::string_view kText = "\x69GetRandom";

class NsmQueue : public testing::Test {
 protected:
  NsmQueue() : memory_(0x40000), driver_(memory_, kMemoryBase + 0x1000, 8) {
    EXPECT_TRUE(queue_.configure(driver_.layout()).ok());
    std::memcpy(memory_.at(kRequest), kText.data(), kText.size());
  }
  std::uint16_t add(const std::vector<Buffer>& buffers) {
    const auto head = driver_.add(buffers);
    EXPECT_TRUE(head.has_value());
    return head.value_or(0);
  }
  virtio::NsmTaken take() {
    const auto taken = nsm_.take(queue_, memory_, buffer_);
    EXPECT_TRUE(taken.ok());
    if (taken.ok() && (taken->kind == TakenKind::kRequest || taken->kind == TakenKind::kTooLong)) ticket_ = taken->ticket;
    return taken.ok() ? *taken : virtio::NsmTaken{};
  }
  std::string_view request(const virtio::NsmTaken& taken) const {
    return {reinterpret_cast<const char*>(buffer_), taken.bytes};
  }
  bool finish(std::size_t size) {
    const std::vector<std::uint8_t> answer(size, 0x5a);
    const auto notify = nsm_.finish(queue_, memory_, ticket_, answer);
    EXPECT_TRUE(notify.ok());
    return notify.ok() && *notify;
  }

  virtio_test::ByteMemory memory_;
  virtio_test::RingDriver driver_;
  virtio::Queue queue_;
  virtio::NsmQueue nsm_{};
  std::uint32_t ticket_{};
  std::uint8_t buffer_[virtio::kNsmMaxRequest];
};

TEST_F(NsmQueue, LinuxLaysTwoChainsAndGetsThemBackInOrderWithTheExactLength) {
  const std::uint16_t out = add({{kRequest, static_cast<std::uint32_t>(kText.size()), false}});
  const std::uint16_t in = add({{kResponse, 0x3000, true}});
  const auto taken = take();
  EXPECT_EQ(taken.kind, TakenKind::kRequest);
  EXPECT_EQ(request(taken), kText);
  EXPECT_EQ(taken.capacity, 0x3000U);
  EXPECT_TRUE(driver_.collect().empty());  // nothing goes back before the answer is there
  EXPECT_TRUE(finish(279));
  EXPECT_EQ(driver_.collect(), (std::vector<Used>{{out, 0}, {in, 279}}));
  EXPECT_EQ(memory_.get(kResponse + 278, 2), 0x5aU);
  EXPECT_EQ(take().kind, TakenKind::kNothing);
}

TEST_F(NsmQueue, TheAnswerIsWrittenBeforeEitherChainGoesBack) {
  add({{kRequest, 4, false}});
  add({{kResponse, 0x3000, true}});
  static_cast<void>(take());
  memory_.writes.clear();
  EXPECT_TRUE(finish(10));
  const std::uint64_t used = driver_.layout().used.value;
  const std::vector<std::pair<std::uint64_t, std::size_t>> expected{
      {kResponse, 10}, {used + 4, 8}, {used + 2, 2}, {used + 12, 8}, {used + 2, 2}};
  EXPECT_EQ(memory_.writes, expected);
}

TEST_F(NsmQueue, OneChainWithBothPartsIsACommandToo) {
  const std::uint16_t head =
      add({{kRequest, 3, false}, {kRequest + 3, 7, false}, {kResponse, 100, true}, {kResponse + 0x1000, 100, true}});
  const auto taken = take();
  EXPECT_EQ(taken.kind, TakenKind::kRequest);
  EXPECT_EQ(request(taken), kText);
  EXPECT_EQ(taken.capacity, 200U);
  EXPECT_TRUE(finish(150));
  EXPECT_EQ(driver_.collect(), (std::vector<Used>{{head, 150}}));
  EXPECT_EQ(memory_.get(kResponse + 0x1000 + 49, 2), 0x5aU);
}

TEST_F(NsmQueue, AFirstChainWaitsForItsSecond) {
  EXPECT_EQ(take().kind, TakenKind::kNothing);
  const std::uint16_t out = add({{kRequest, 10, false}});
  EXPECT_EQ(take().kind, TakenKind::kNothing);
  EXPECT_FALSE(finish(5));
  EXPECT_EQ(take().kind, TakenKind::kNothing);
  const std::uint16_t in = add({{kResponse, 64, true}});
  EXPECT_EQ(take().kind, TakenKind::kRequest);
  EXPECT_TRUE(finish(64));
  EXPECT_EQ(driver_.collect(), (std::vector<Used>{{out, 0}, {in, 64}}));
}

TEST_F(NsmQueue, TheNextCommandWaitsUntilThisOneIsFinished) {
  for (int i = 0; i < 2; ++i) {
    add({{kRequest, 10, false}});
    add({{kResponse, 64, true}});
  }
  EXPECT_EQ(take().kind, TakenKind::kRequest);
  EXPECT_EQ(take().kind, TakenKind::kBusy);
  EXPECT_TRUE(finish(1));
  EXPECT_EQ(take().kind, TakenKind::kRequest);
  EXPECT_TRUE(finish(2));
  EXPECT_EQ(take().kind, TakenKind::kNothing);
  EXPECT_EQ(driver_.collect().size(), 4U);
}

TEST_F(NsmQueue, RequestsOf4096BytesPassAndLongerOnesAreToldApart) {
  add({{kRequest, 4096, false}});
  add({{kResponse, 64, true}});
  const auto longest = take();
  EXPECT_EQ(longest.kind, TakenKind::kRequest);
  EXPECT_EQ(longest.bytes, 4096);
  EXPECT_TRUE(finish(1));
  const std::uint16_t out = add({{kRequest, 4096, false}, {kRequest, 1, false}});
  const std::uint16_t in = add({{kResponse, 64, true}});
  const auto longer = take();
  EXPECT_EQ(longer.kind, TakenKind::kTooLong);
  EXPECT_EQ(longer.capacity, 64U);
  static_cast<void>(driver_.collect());
  EXPECT_TRUE(finish(20));
  EXPECT_EQ(driver_.collect(), (std::vector<Used>{{out, 0}, {in, 20}}));
}

TEST_F(NsmQueue, AnAnswerThatDoesNotFitMayBeReplacedByAShorterOne) {
  add({{kRequest, 10, false}});
  add({{kResponse, 20, true}});
  EXPECT_EQ(take().capacity, 20U);
  memory_.writes.clear();
  const std::vector<std::uint8_t> answer(21);
  EXPECT_EQ(nsm_.finish(queue_, memory_, ticket_, answer).error(), Error::kBufferTooSmall);
  EXPECT_TRUE(memory_.writes.empty());
  EXPECT_TRUE(finish(20));
  EXPECT_EQ(driver_.collect().size(), 2U);
}

// One ioctl of any process makes them: the driver passes its lengths on.
TEST_F(NsmQueue, CommandsOfNoBytesAreCommands) {
  const std::vector<std::vector<std::vector<Buffer>>> commands{
      {{{kRequest, 0, false}}, {{kResponse, 64, true}}},
      {{{kRequest, 10, false}}, {{kResponse, 0, true}}},
      {{{kRequest, 0, false}}, {{kResponse, 0, true}}},
      {{{kRequest, 0, false}, {kResponse, 64, true}}},
      {{{kRequest, 10, false}, {kResponse, 0, true}}},
  };
  for (const auto& command : commands) {
    std::vector<Used> expected;
    for (const auto& chain : command) expected.push_back({add(chain), 0});
    const auto taken = take();
    EXPECT_EQ(taken.kind, TakenKind::kRequest);
    EXPECT_EQ(taken.bytes, command[0][0].size);
    EXPECT_EQ(taken.capacity, command.back().back().size);
    EXPECT_TRUE(finish(0));
    EXPECT_EQ(driver_.collect(), expected);
  }
}

TEST_F(NsmQueue, ADriverThatPollsIsNotInterrupted) {
  add({{kRequest, 10, false}});
  add({{kResponse, 20, true}});
  memory_.put(driver_.available_flags(), 1, 2);
  static_cast<void>(take());
  EXPECT_FALSE(finish(20));
  EXPECT_EQ(driver_.collect().size(), 2U);
}

TEST_F(NsmQueue, FormsThatNoCommandHasAreErrors) {
  const std::vector<std::vector<std::vector<Buffer>>> forms{
      {{{kResponse, 64, true}}, {{kRequest, 10, false}}},                        // the other way round
      {{{kRequest, 10, false}}, {{kRequest, 10, false}}},                        // no room for an answer
      {{{kRequest, 10, false}}, {{kRequest, 1, false}, {kResponse, 64, true}}},  // two requests
      {{{kRequest, 10, false}}, {{kRequest, 0, false}}},                         // none either
      {{{0x1000, 10, false}}, {{kResponse, 64, true}}},                          // not the partition's memory
  };
  for (std::size_t i = 0; i < forms.size(); ++i) {
    virtio_test::RingDriver driver(memory_, kMemoryBase + 0x1000, 8);
    std::memset(memory_.at(kMemoryBase + 0x1000), 0, 0x400);
    virtio::NsmQueue nsm{};
    virtio::Queue queue;
    ASSERT_TRUE(queue.configure(driver.layout()).ok());
    for (const auto& chain : forms[i]) ASSERT_TRUE(driver.add(chain));
    const auto taken = nsm.take(queue, memory_, buffer_);
    ASSERT_FALSE(taken.ok()) << i;
    EXPECT_EQ(taken.error(), i == 4 ? Error::kOutOfRange : Error::kInvalidArgument) << i;
    EXPECT_TRUE(memory_.writes.empty()) << i;
    queue.reset();  // what MmioDevice::fail() does
    EXPECT_FALSE(*nsm.finish(queue, memory_, queue.generation(), {})) << i;
  }
  EXPECT_EQ(nsm_.take(queue_, memory_, base::MutableBytes(buffer_).first(4095)).error(), Error::kBufferTooSmall);
}

TEST_F(NsmQueue, AnAnswerOutsideTheMemoryIsAnErrorAndGivesNothingBack) {
  add({{kRequest, 10, false}});
  add({{0x1000, 64, true}});
  EXPECT_EQ(take().kind, TakenKind::kRequest);
  const std::vector<std::uint8_t> answer(8);
  EXPECT_EQ(nsm_.finish(queue_, memory_, ticket_, answer).error(), Error::kOutOfRange);
  EXPECT_TRUE(driver_.collect().empty());
}

TEST_F(NsmQueue, AnAnswerToWhatWasThereBeforeAResetIsDropped) {
  for (const bool whole : {false, true}) {
    add({{kRequest, 10, false}});
    if (whole) add({{kResponse, 64, true}});
    EXPECT_EQ(take().kind, whole ? TakenKind::kRequest : TakenKind::kNothing);
    queue_.reset();
    std::memset(memory_.at(kMemoryBase + 0x1000), 0, 0x400);
    driver_.~RingDriver();
    new (&driver_) virtio_test::RingDriver(memory_, kMemoryBase + 0x1000, 8);
    ASSERT_TRUE(queue_.configure(driver_.layout()).ok());
    const std::uint16_t out = add({{kRequest, 4, false}});
    const std::uint16_t in = add({{kResponse + 0x1000, 64, true}});
    memory_.writes.clear();
    EXPECT_FALSE(finish(30));
    EXPECT_TRUE(memory_.writes.empty());
    EXPECT_EQ(take().bytes, 4);  // the new driver's command, from its first chain on
    EXPECT_TRUE(finish(3));
    EXPECT_EQ(driver_.collect(), (std::vector<Used>{{out, 0}, {in, 3}}));
  }
}

TEST_F(NsmQueue, AnAnswerOfBeforeAResetDoesNotGoToTheNextDriversCommand) {
  add({{kRequest, 10, false}});
  add({{kResponse, 64, true}});
  const std::uint32_t before = take().ticket;
  ASSERT_TRUE(queue_.configure(driver_.layout()).ok());  // a reset; the rings are as they were
  EXPECT_EQ(take().kind, TakenKind::kRequest);                // another core takes it, while the first answer is on its way
  memory_.writes.clear();
  EXPECT_FALSE(*nsm_.finish(queue_, memory_, before, {}));
  EXPECT_TRUE(memory_.writes.empty());
  EXPECT_TRUE(finish(3));
  EXPECT_FALSE(finish(3));
}

}  // namespace
