// Credit updates that are held back: which those are, and what makes them go on.
#include <gtest/gtest.h>

#include "tests/unit/firmware/vsock/world.hpp"

namespace {

using namespace vsock_test;

constexpr std::uint32_t kSpace = 1U << 18;  // what World's headers announce

// A connection 1 <-> 2 with the first enclave.
class VsockHeldUpdates : public testing::Test {
 protected:
  VsockHeldUpdates() {
    world_.refill_all();
    world_.open(0, 1, 2);
  }
  void parent_sends(Op op, std::uint32_t size = 0) {
    world_.send(world_.parent(), World::to_enclave(0, 1, 2, op, size), pattern(size, 1), 65536);
    world_.run();
  }
  void enclave_updates(std::uint32_t forwarded, std::uint32_t space = kSpace) {
    Header header = World::to_parent(0, 2, 1, Op::kCreditUpdate);
    header.forwarded = forwarded;
    header.buffer_size = space;
    world_.send(world_.enclave(0), header);
    world_.run();
  }
  void time_passes(std::uint64_t microseconds) {
    world_.pass_time(microseconds);
    world_.run();
  }
  // The one packet that has come to the parent.
  void expect_update(std::uint32_t forwarded) {
    const auto packets = world_.parent().receive_all();
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_TRUE(packets[0].header.is(Op::kCreditUpdate));
    EXPECT_EQ(packets[0].header.forwarded, forwarded);
    EXPECT_EQ(packets[0].header.buffer_size, kSpace);
    EXPECT_EQ(packets[0].header.source_cid, kFirstCid);
    EXPECT_EQ(packets[0].header.source_port, 2U);
    EXPECT_EQ(packets[0].header.target_cid, vsock::kParentCid);
    EXPECT_EQ(packets[0].header.target_port, 1U);
  }
  void expect_nothing() { EXPECT_TRUE(world_.parent().receive_all().empty()); }

  World world_{2, Shape{.transmit_buffer = 65536}, Shape{}};
};

TEST_F(VsockHeldUpdates, OneGoesOnAfterItsTime) {
  parent_sends(Op::kData, 1);
  enclave_updates(1);
  expect_nothing();
  EXPECT_TRUE(world_.impatient());
  time_passes(vsock::HeldUpdates::kHeldFor - 1);
  expect_nothing();
  enclave_updates(2);  // more of them put it off no further
  time_passes(1);
  expect_update(2);
  time_passes(10'000);
  expect_nothing();
  EXPECT_FALSE(world_.impatient());
}

TEST_F(VsockHeldUpdates, ThePacketThatFollowsMakesItNeedless) {
  parent_sends(Op::kData, 1);
  enclave_updates(1);
  Header answer = World::to_parent(0, 2, 1, Op::kData, 1);
  answer.forwarded = 1;
  world_.send(world_.enclave(0), answer, pattern(1, 2));
  world_.run();
  time_passes(10'000);
  const auto packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_TRUE(packets[0].header.is(Op::kData));
  EXPECT_EQ(packets[0].header.forwarded, 1U);
}

TEST_F(VsockHeldUpdates, TheOtherWayAsWell) {
  world_.send(world_.enclave(0), World::to_parent(0, 2, 1, Op::kData, 1), pattern(1, 1));
  world_.run();
  parent_sends(Op::kCreditUpdate);
  EXPECT_TRUE(world_.enclave(0).receive_all().empty());
  time_passes(vsock::HeldUpdates::kHeldFor);
  const auto packets = world_.enclave(0).receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_TRUE(packets[0].header.is(Op::kCreditUpdate));
  EXPECT_EQ(packets[0].header.source_port, 1U);
  EXPECT_EQ(packets[0].header.target_cid, kFirstCid);
}

TEST_F(VsockHeldUpdates, AWriterWithLessThanHalfWaitsForNoTime) {
  for (std::uint32_t sent = 0; sent <= kSpace / 2; sent += 32768) {
    parent_sends(Op::kData, 32768);
    static_cast<void>(world_.enclave(0).receive_all());
    world_.enclave(0).refill(world_.vsock());
    world_.run();
  }
  expect_nothing();
  enclave_updates(32768);
  expect_update(32768);
  enclave_updates(100'000);  // by the last one it has half again
  expect_nothing();
  parent_sends(Op::kData, 60'000);  // and now not
  expect_update(100'000);
}

TEST_F(VsockHeldUpdates, AWriterThatAsksWaitsForNoTime) {
  parent_sends(Op::kData, 1);
  enclave_updates(1);
  expect_nothing();
  parent_sends(Op::kCreditRequest);
  expect_update(1);
  enclave_updates(1);  // the answer
  time_passes(vsock::HeldUpdates::kHeldFor);
  expect_update(1);
  parent_sends(Op::kCreditRequest);
  enclave_updates(1);
  expect_update(1);
}

TEST_F(VsockHeldUpdates, LessSpaceIsToldAtOnce) {
  enclave_updates(0, kSpace - 1);
  const auto packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].header.buffer_size, kSpace - 1);
}

TEST_F(VsockHeldUpdates, ItOvertakesNothing) {
  // The enclave has no buffer: data waits, and the update behind it says more than its header does.
  World world(1, {}, Shape{.ring = 4});
  world.refill_all();
  world.open(0, 1, 2);
  while (world.enclave(0).receive_ring().free() != world.enclave(0).receive_ring().size()) {
    world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
    world.run();
    static_cast<void>(world.enclave(0).receive_all());
  }
  world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kData, 1), pattern(1, 1));
  Header update = World::to_enclave(0, 1, 2, Op::kCreditUpdate);
  update.forwarded = 7;
  world.send(world.parent(), update);
  world.run();
  world.pass_time(10'000);
  world.enclave(0).refill(world.vsock());
  world.run();
  const auto packets = world.enclave(0).receive_all();
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_TRUE(packets[0].header.is(Op::kData));
  EXPECT_TRUE(packets[1].header.is(Op::kCreditUpdate));
  EXPECT_EQ(packets[1].header.forwarded, 7U);
}

TEST_F(VsockHeldUpdates, NothingIsSaidOfAConnectionThatIsOver) {
  parent_sends(Op::kData, 1);
  enclave_updates(1);
  parent_sends(Op::kReset);
  time_passes(10'000);
  expect_nothing();
  // Nor of one that follows under the same numbers.
  enclave_updates(1);  // on none: its sender is told
  static_cast<void>(world_.enclave(0).receive_all());
  world_.open(0, 1, 2);
  parent_sends(Op::kData, 1);
  enclave_updates(5);
  world_.vsock().disconnect(base::kParent);
  ASSERT_TRUE(world_.parent().connect(world_.vsock()).ok());
  world_.parent().refill(world_.vsock());
  world_.run();
  static_cast<void>(world_.enclave(0).receive_all());
  world_.open(0, 1, 2);
  time_passes(10'000);
  expect_nothing();
}

TEST_F(VsockHeldUpdates, EachConnectionHasItsOwn) {
  world_.open(0, 3, 4);
  world_.open(1, 1, 2);
  parent_sends(Op::kData, 1);
  for (const auto& [i, enclave_port, parent_port] : {std::tuple{0U, 2U, 1U}, {0U, 4U, 3U}, {1U, 2U, 1U}}) {
    world_.send(world_.enclave(i), World::to_parent(i, enclave_port, parent_port, Op::kCreditUpdate));
    world_.run();
    world_.pass_time(100);
  }
  expect_nothing();
  world_.send(world_.parent(), World::to_enclave(0, 3, 4, Op::kCreditRequest));
  world_.run();
  auto packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].header.target_port, 3U);
  time_passes(200);
  packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].header.source_cid, kFirstCid);
  time_passes(200);
  packets = world_.parent().receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].header.source_cid, kFirstCid + 1);
}

}  // namespace
