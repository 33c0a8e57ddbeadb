// The monitor's end: what a debug enclave wrote, read by the parent at CID 0.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/firmware/vsock/world.hpp"

namespace {

using namespace vsock_test;

constexpr std::uint32_t kDebugCid = 40;
constexpr SlotIndex kSlot{2};

class VsockConsole : public ::testing::Test {
 protected:
  VsockConsole() : world_(1) {
    world_.refill_all();
    EXPECT_TRUE(world_.vsock().attach(kSlot, kDebugCid, true).ok());
  }
  static Header to_console(std::uint32_t cid, std::uint32_t port, Op op, std::uint32_t size = 0) {
    Header header = World::to_enclave(0, port, vsock::kConsolePortBase + cid, op, size);
    header.target_cid = vsock::kMonitorCid;
    return header;
  }
  void write(const std::string& text) {
    for (const char c : text) world_.vsock().console_write(kSlot, static_cast<std::uint8_t>(c));
  }
  // All that comes for this port, with credit given back as it comes.
  std::string read(std::uint32_t port, bool* ended = nullptr) {
    std::string text;
    for (;;) {
      world_.parent().refill(world_.vsock());
      world_.run();
      const auto packets = world_.parent().receive_all();
      if (packets.empty()) return text;
      for (const Packet& packet : packets) {
        if (packet.header.target_port != port) continue;
        EXPECT_EQ(packet.header.source_cid, 0U);
        text.append(packet.payload.begin(), packet.payload.end());
        taken_ += packet.header.size;
        if (!packet.header.is(Op::kReset)) continue;
        if (ended != nullptr) *ended = true;
        return text;
      }
      Header update = to_console(kDebugCid, port, Op::kCreditUpdate);
      update.forwarded = taken_;
      EXPECT_TRUE(world_.parent().send(world_.vsock(), update));
    }
  }
  void open(std::uint32_t port) {
    world_.send(world_.parent(), to_console(kDebugCid, port, Op::kRequest));
    world_.run();
    const auto packet = world_.parent().receive();
    ASSERT_TRUE(packet.has_value());
    EXPECT_TRUE(packet->header.is(Op::kResponse));
    EXPECT_EQ(packet->header.buffer_size, vsock::kReaderCredit);
  }
  void expect_refused(const Header& header) {
    world_.send(world_.parent(), header);
    world_.run();
    const auto answers = world_.parent().receive_all();
    ASSERT_EQ(answers.size(), 1U);
    expect_reset_of(answers[0], header);
  }
  World world_;
  std::uint32_t taken_{};
};

TEST_F(VsockConsole, GivesWhatWasWrittenBeforeAndAfter) {
  write("before ");
  open(7);
  EXPECT_EQ(read(7), "before ");
  write("after");
  EXPECT_EQ(read(7), "after");
}

TEST_F(VsockConsole, ProductionEnclavesHaveNone) {
  world_.vsock().console_write(SlotIndex{0}, 'x');
  expect_refused(to_console(kFirstCid, 7, Op::kRequest));
  expect_refused(to_console(41, 7, Op::kRequest));  // nobody's
  Header other = to_console(kDebugCid, 7, Op::kRequest);
  other.target_port = kDebugCid;
  expect_refused(other);
  // And what is no connection is none.
  expect_refused(to_console(kDebugCid, 7, Op::kData));
}

TEST_F(VsockConsole, IsNotForEnclaves) {
  Header header = World::to_parent(0, 7, vsock::kConsolePortBase + kDebugCid, Op::kRequest);
  header.target_cid = 0;
  write("secret");
  world_.send(world_.enclave(0), header);
  world_.run();
  const auto answers = world_.enclave(0).receive_all();
  ASSERT_EQ(answers.size(), 1U);
  expect_reset_of(answers[0], header);
}

TEST_F(VsockConsole, KeepsTheLast32KiB) {
  std::string all;
  for (int i = 0; all.size() < 100'000; ++i) all += "line " + std::to_string(i) + "\n";
  write(all);
  open(7);
  EXPECT_EQ(read(7), all.substr(all.size() - vsock::kConsoleSize));
}

TEST_F(VsockConsole, AReaderThatFallsBehindGoesOnAtTheOldestByteKept) {
  Header request = to_console(kDebugCid, 7, Op::kRequest);
  request.buffer_size = 100;
  world_.send(world_.parent(), request);
  write(std::string(1000, 'a'));
  world_.run();
  std::size_t got = 0;
  for (const Packet& packet : world_.parent().receive_all()) got += packet.payload.size();
  EXPECT_EQ(got, 100U);  // its credit
  write(std::string(50'000, 'b'));
  Header update = to_console(kDebugCid, 7, Op::kCreditUpdate);
  update.buffer_size = 1U << 18;
  update.forwarded = 100;
  world_.send(world_.parent(), update);
  taken_ = 100;
  EXPECT_EQ(read(7), std::string(vsock::kConsoleSize, 'b'));
}

TEST_F(VsockConsole, CreditBeyondReasonSendsNothing) {
  write("text");
  Header request = to_console(kDebugCid, 7, Op::kRequest);
  request.forwarded = 5;  // more than was ever sent: 2^32 - 5 bytes are under way
  world_.send(world_.parent(), request);
  world_.run();
  const auto packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_TRUE(packets[0].header.is(Op::kResponse));
}

TEST_F(VsockConsole, EndsWithTheRestThenShutdownThenReset) {
  write("last words");
  open(7);
  world_.vsock().detach(kSlot);
  world_.vsock().console_write(kSlot, '!');  // too late
  world_.run();
  const auto packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 3U);
  EXPECT_EQ(std::string(packets[0].payload.begin(), packets[0].payload.end()), "last words");
  EXPECT_TRUE(packets[1].header.is(Op::kShutdown));
  EXPECT_EQ(packets[1].header.flags, 3U);
  EXPECT_TRUE(packets[2].header.is(Op::kReset));
}

TEST_F(VsockConsole, CanBeReadAfterTheEndUntilForgotten) {
  write("last words");
  world_.vsock().detach(kSlot);
  open(7);
  bool ended = false;
  EXPECT_EQ(read(7, &ended), "last words");
  EXPECT_TRUE(ended);
  world_.vsock().forget(kSlot);
  expect_refused(to_console(kDebugCid, 8, Op::kRequest));
}

TEST_F(VsockConsole, ForgettingResetsReaders) {
  write(std::string(30'000, 'x'));
  Header request = to_console(kDebugCid, 7, Op::kRequest);
  request.buffer_size = 10;
  world_.send(world_.parent(), request);
  world_.run();
  static_cast<void>(world_.parent().receive_all());
  world_.vsock().detach(kSlot);
  world_.vsock().forget(kSlot);
  world_.run();
  const auto packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  expect_reset_of(packets[0], request);
}

TEST_F(VsockConsole, TheNextEnclaveOfASlotShowsNothingOfTheLast) {
  write("old");
  world_.vsock().detach(kSlot);
  ASSERT_TRUE(world_.vsock().attach(kSlot, kDebugCid, true).ok());
  write("new");
  open(7);
  EXPECT_EQ(read(7), "new");
}

TEST_F(VsockConsole, ACidUsedAgainMeansTheRunningEnclave) {
  write("old");
  world_.vsock().detach(kSlot);
  ASSERT_TRUE(world_.vsock().attach(SlotIndex{5}, kDebugCid, true).ok());
  world_.vsock().console_write(SlotIndex{5}, 'n');
  open(7);
  EXPECT_EQ(read(7), "n");
}

TEST_F(VsockConsole, TwoReadersAtATime) {
  write("text");
  open(7);
  EXPECT_EQ(read(7), "text");
  open(8);
  taken_ = 0;
  EXPECT_EQ(read(8), "text");
  expect_refused(to_console(kDebugCid, 9, Op::kRequest));
  world_.send(world_.parent(), to_console(kDebugCid, 7, Op::kReset));
  world_.run();
  open(9);
}

TEST_F(VsockConsole, WhatIsSentToItIsThrownAwayWithCreditGivenBack) {
  open(7);
  world_.send(world_.parent(), to_console(kDebugCid, 7, Op::kData, 500), pattern(500, 1));
  world_.run();
  auto packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_TRUE(packets[0].header.is(Op::kCreditUpdate));
  EXPECT_EQ(packets[0].header.forwarded, 500U);
  world_.send(world_.parent(), to_console(kDebugCid, 7, Op::kCreditRequest));
  world_.run();
  packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_TRUE(packets[0].header.is(Op::kCreditUpdate));
  EXPECT_EQ(packets[0].header.forwarded, 500U);
}

TEST_F(VsockConsole, AReaderThatShutsDownIsClosed) {
  open(7);
  Header header = to_console(kDebugCid, 7, Op::kShutdown);
  header.flags = vsock::kShutdownSend;
  world_.send(world_.parent(), header);
  world_.run();
  EXPECT_TRUE(world_.parent().receive_all().empty());  // it may go on reading
  header.flags = vsock::kShutdownReceive;
  world_.send(world_.parent(), header);
  world_.run();
  const auto packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  expect_reset_of(packets[0], header);
}

TEST_F(VsockConsole, ReadersGoWithTheParentsDriver) {
  write("text");
  open(7);
  world_.vsock().disconnect(base::kParent);
  ASSERT_TRUE(world_.parent().connect(world_.vsock()).ok());
  world_.parent().refill(world_.vsock());
  world_.run();
  EXPECT_TRUE(world_.parent().receive_all().empty());
  open(7);
}

}  // namespace
