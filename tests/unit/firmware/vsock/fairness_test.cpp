// A side that stalls, floods or talks rubbish harms itself.
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/firmware/vsock/world.hpp"

namespace {

using namespace vsock_test;

void exhaust_buffers(World& world, std::size_t i, std::uint32_t parent_port, std::uint32_t enclave_port) {
  while (world.enclave(i).receive_ring().free() != world.enclave(i).receive_ring().size()) {
    world.send(world.parent(), World::to_enclave(i, parent_port, enclave_port, Op::kCreditRequest));
    world.run();
    static_cast<void>(world.enclave(i).receive_all());
  }
}

// Few buffers, so that little patience was earned and it is soon gone.
Shape few_buffers() {
  Shape shape;
  shape.ring = 4;
  return shape;
}

TEST(VsockFairness, AnEnclaveThatTakesNothingDoesNotStopTheParentsRing) {
  World world(2, {}, few_buffers());
  world.refill_all();
  world.open(0, 1, 2);
  world.open(1, 1, 2);
  exhaust_buffers(world, 0, 1, 2);
  world.run();
  std::size_t delivered = 0;
  for (std::uint32_t round = 0; round < 400; ++round) {
    world.pass_time(1'000);
    world.parent().reclaim();
    ASSERT_TRUE(world.parent().send(world.vsock(), World::to_enclave(0, 1, 2, Op::kData, 9), pattern(9, 1))) << round;
    ASSERT_TRUE(world.parent().send(world.vsock(), World::to_enclave(1, 1, 2, Op::kData, 9), pattern(9, round)))
        << round;
    world.run();
    for (const Packet& packet : world.enclave(1).receive_all()) {
      EXPECT_EQ(packet.payload, pattern(9, round));
      ++delivered;
    }
    world.enclave(1).refill(world.vsock());
    world.parent().refill(world.vsock());
  }
  EXPECT_EQ(delivered, 400U);
  // The stalled connection was reset, on both sides.
  const auto there = world.parent().receive_all();
  ASSERT_GE(there.size(), 1U);
  expect_reset_of(there[0], World::to_enclave(0, 1, 2, Op::kData));
  world.enclave(0).refill(world.vsock());
  world.run();
  const auto here = world.enclave(0).receive_all();
  ASSERT_GE(here.size(), 1U);
  expect_reset_of(here[0], World::to_parent(0, 2, 1, Op::kData));
  for (const Packet& packet : here) EXPECT_FALSE(packet.header.is(Op::kData));  // nothing behind a gap
}

TEST(VsockFairness, NotifyingWithoutABufferBuysNoTime) {
  World world(2, {}, few_buffers());
  world.refill_all();
  world.open(0, 1, 2);
  world.open(1, 1, 2);
  exhaust_buffers(world, 0, 1, 2);
  for (std::uint32_t round = 0; round < 600; ++round) {
    for (int i = 0; i < 10; ++i) {
      world.pass_time(100);
      world.vsock().kick(base::partition_of(base::SlotIndex{0}), vsock::QueueKind::kReceive);
      world.run();
    }
    world.parent().reclaim();
    ASSERT_TRUE(world.parent().send(world.vsock(), World::to_enclave(0, 1, 2, Op::kData, 9), pattern(9, 1))) << round;
    world.run();
    static_cast<void>(world.parent().receive_all());
    world.parent().refill(world.vsock());
  }
}

TEST(VsockFairness, BuffersOfAFewBytesBuyNoTime) {
  Shape tiny = few_buffers();
  tiny.receive_buffer = vsock::kHeaderSize + 16;
  World world(2, {}, tiny);
  world.refill_all();
  world.open(0, 1, 2);
  world.open(1, 1, 2);
  // Enclave 0 has a buffer ready each millisecond, and takes 250 of them for a packet: it would hold the ring for hours.
  std::uint64_t waited = 0;
  const auto a_millisecond = [&] {
    world.pass_time(1'000);
    static_cast<void>(world.enclave(0).receive_all());
    world.enclave(0).refill(world.vsock(), 1);
    world.run();
    world.parent().reclaim();
  };
  std::size_t delivered = 0;
  for (std::uint32_t round = 0; round < 600; ++round) {
    a_millisecond();
    static_cast<void>(world.parent().send(world.vsock(), World::to_enclave(0, 1, 2, Op::kData, 4000), pattern(4000, 1)));
    while (!world.parent().send(world.vsock(), World::to_enclave(1, 1, 2, Op::kData, 9), pattern(9, round))) {
      a_millisecond();
      ASSERT_LE(waited += 1'000, vsock::kMaxPatience) << round;
    }
    world.run();
    delivered += world.enclave(1).receive_all().size();
    world.enclave(1).refill(world.vsock());
    static_cast<void>(world.parent().receive_all());
    world.parent().refill(world.vsock());
  }
  EXPECT_EQ(delivered, 600U);
}

TEST(VsockFairness, AQuarterOfTheRingIsKeptWithoutPatience) {
  World world(2, {}, few_buffers());
  world.parent().refill(world.vsock());
  world.enclave(1).refill(world.vsock());
  // Enclave 0 has never taken a buffer: nothing has to wait for it once the ring is short.
  for (std::uint32_t port = 0; port < 250; ++port) {
    world.parent().reclaim();
    ASSERT_TRUE(world.parent().send(world.vsock(), World::to_enclave(0, port, 2, Op::kRequest)));
    world.run();
    world.parent().refill(world.vsock());
    EXPECT_GE(world.parent().transmit_ring().free(), 63U);
  }
  std::size_t refused = 0;
  for (const Packet& packet : world.parent().receive_all()) refused += packet.header.is(Op::kReset) ? 1 : 0;
  EXPECT_EQ(refused, 250U - 192);
}

TEST(VsockFairness, WhoHoldsMoreThanItsShareGivesWayToItsNeighbour) {
  World world(2, {}, few_buffers());
  world.parent().refill(world.vsock());
  // Neither takes a buffer. The first has the ring to itself, until the second wants its share too.
  for (std::size_t enclave : {0U, 1U}) {
    for (std::uint32_t port = 0; port < (enclave == 0 ? 192 : 128); ++port) {
      world.parent().reclaim();
      ASSERT_TRUE(world.parent().send(world.vsock(), World::to_enclave(enclave, port, 2, Op::kRequest))) << port;
      world.run();
      world.parent().refill(world.vsock());
    }
  }
  std::map<std::uint64_t, std::size_t> refused;
  for (const Packet& packet : world.parent().receive_all()) ++refused[packet.header.source_cid];
  EXPECT_EQ(refused[kFirstCid], 192U - 128);
  EXPECT_EQ(world.searches(), 192U - 128);  // each is said, so that a hold of the state lock ends with it
  EXPECT_EQ(refused[kFirstCid + 1], 0U);
}

TEST(VsockFairness, ASlowEnclaveKeepsItsConnectionsWhileTheRingHasRoom) {
  World world(2, {}, few_buffers());
  world.refill_all();
  world.open(0, 1, 2);
  exhaust_buffers(world, 0, 1, 2);
  for (int i = 0; i < 180; ++i) {  // more than its share of 128, with hours between
    world.parent().reclaim();
    ASSERT_TRUE(world.parent().send(world.vsock(), World::to_enclave(0, 1, 2, Op::kData, 9), pattern(9, 1)));
    world.pass_time(3'600'000'000);
    world.run();
  }
  EXPECT_FALSE(world.impatient());
  std::size_t received = 0;
  for (int round = 0; round < 200; ++round) {
    world.enclave(0).refill(world.vsock());
    world.run();
    for (const Packet& packet : world.enclave(0).receive_all()) received += packet.header.is(Op::kData) ? 1 : 0;
  }
  EXPECT_EQ(received, 180U);
  EXPECT_TRUE(world.parent().receive_all().empty());
}

TEST(VsockFairness, ASlowEnclaveIsWaitedForWhileItTakesBuffers) {
  World world(2);
  world.refill_all();
  world.open(0, 1, 2);
  Payload received;
  std::uint32_t sent = 0;
  for (std::uint32_t round = 0; received.size() < 20'000; ++round) {
    ASSERT_LT(round, 100'000U);
    world.parent().reclaim();
    while (sent < 20'000 && world.parent().send(world.vsock(), World::to_enclave(0, 1, 2, Op::kData, 10),
                                                Payload(10, static_cast<std::uint8_t>(sent / 10)))) {
      sent += 10;
      world.run();
      world.parent().reclaim();
    }
    world.pass_time(700);  // one buffer in that time
    if (auto packet = world.enclave(0).receive()) {
      received.insert(received.end(), packet->payload.begin(), packet->payload.end());
      world.enclave(0).refill(world.vsock(), 1);
      world.run();
    }
  }
  for (std::size_t i = 0; i < received.size(); ++i) ASSERT_EQ(received[i], static_cast<std::uint8_t>(i / 10));
  EXPECT_TRUE(world.parent().receive_all().empty());
}

TEST(VsockFairness, OneEnclaveAloneMayFillTheRingForEver) {
  World world(1, {}, few_buffers());
  world.refill_all();
  world.open(0, 1, 2);
  exhaust_buffers(world, 0, 1, 2);
  std::size_t sent = 0;
  while (world.parent().send(world.vsock(), World::to_enclave(0, 1, 2, Op::kData, 9), pattern(9, 1))) {
    ++sent;
    world.pass_time(1'000'000);
    world.run();
  }
  EXPECT_EQ(sent, 256U);
  EXPECT_FALSE(world.impatient());
  std::size_t received = 0;
  for (int round = 0; round < 200; ++round) {
    world.enclave(0).refill(world.vsock());
    world.run();
    for (const Packet& packet : world.enclave(0).receive_all()) received += packet.header.is(Op::kData) ? 1 : 0;
  }
  EXPECT_EQ(received, 256U);
}

TEST(VsockFairness, ADroppedResetStillReachesTheEnclave) {
  World world(2, {}, few_buffers());
  world.refill_all();
  world.open(0, 1, 2);
  world.open(0, 5, 2);
  exhaust_buffers(world, 0, 1, 2);
  world.pass_time(1'000'000);
  for (int i = 0; i < 192; ++i) {
    world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kData, 1), pattern(1, 1));
    world.run();
    world.pass_time(1'000'000);
  }
  world.send(world.parent(), World::to_enclave(0, 5, 2, Op::kReset));  // over the share
  for (int i = 0; i < 10; ++i) {
    world.run();
    world.pass_time(1'000'000);
  }
  EXPECT_TRUE(world.parent().receive_all().empty());
  bool told = false;
  for (int round = 0; round < 100; ++round) {
    world.enclave(0).refill(world.vsock());
    world.run();
    for (const Packet& packet : world.enclave(0).receive_all()) {
      told = told || (packet.header.is(Op::kReset) && packet.header.source_port == 5);
    }
  }
  EXPECT_TRUE(told);
}

TEST(VsockFairness, TheParentsBuffersGoRound) {
  World world(4);
  world.refill_all();
  for (std::size_t i = 0; i < 4; ++i) world.open(i, 1, 2);
  while (world.parent().receive_ring().free() != 256) {
    world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kCreditRequest));
    world.run();
    static_cast<void>(world.parent().receive_all());
  }
  std::map<std::uint64_t, std::size_t> share;
  for (int round = 0; round < 40; ++round) {
    // Enclave 0 keeps its ring full, the others have one packet at a time.
    while (world.enclave(0).send(world.vsock(), World::to_parent(0, 2, 1, Op::kData, 4000), pattern(4000, 1))) continue;
    for (std::size_t i = 1; i < 4; ++i) {
      world.send(world.enclave(i), World::to_parent(i, 2, 1, Op::kData, 10), pattern(10, 1));
    }
    world.parent().refill(world.vsock(), 4);
    world.run();
    for (const Packet& packet : world.parent().receive_all()) ++share[packet.header.source_cid];
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(share[kFirstCid + i], 40U) << i;
}

TEST(VsockFairness, RubbishStopsItsSenderAtMost) {
  World world(2);
  world.parent().refill(world.vsock());
  world.enclave(1).refill(world.vsock());
  // No receive buffers, and requests that are all to be refused: its answers fill up, then its ring.
  std::size_t sent = 0;
  Header bad = World::to_parent(0, 1, 2, Op::kRequest);
  bad.target_cid = 77;
  while (world.enclave(0).send(world.vsock(), bad)) {
    ++sent;
    world.run();
    ASSERT_LT(sent, 1000U);
  }
  EXPECT_GE(sent, 256U);
  world.open(1, 1, 2);
  std::size_t answers = 0;
  for (int round = 0; round < 10; ++round) {
    world.enclave(0).refill(world.vsock());
    world.run();
    answers += world.enclave(0).receive_all().size();
  }
  EXPECT_EQ(answers, sent);
}

// Whoever keeps the switch at work must not keep it from telling others that their buffers came back.
TEST(VsockFairness, AFloodDoesNotKeepTheParentFromHearingOfItsBuffers) {
  for (const std::size_t enclaves : {2U, 5U}) {
    SCOPED_TRACE(enclaves);
    World world(enclaves);
    world.refill_all();
    world.open(1, 1, 2);
    Header foreign = World::to_parent(0, 1, 2, Op::kRequest);
    foreign.source_cid = 77;
    world.enclave(0).transmit_ring().set_flags(1);  // no interrupts
    ASSERT_TRUE(world.parent().send(world.vsock(), World::to_enclave(1, 1, 2, Op::kData, 9), pattern(9, 1)));
    constexpr std::uint64_t kRound = 50;  // microseconds
    constexpr std::uint64_t kBegin = 1'000'000;
    vsock::PortSet told;
    for (std::uint64_t now = kBegin; now < kBegin + 10 * vsock::kTellWithin; now += kRound) {
      for (int step = 0; step < 32; ++step) {
        while (world.enclave(0).send(world.vsock(), foreign)) continue;
        const vsock::StepReport report = world.vsock().step(now);
        EXPECT_TRUE(report.worked && !report.quiet);
        told.bits |= report.interrupt.bits;
      }
    }
    EXPECT_TRUE(told.has(base::kParent));
    EXPECT_FALSE(told.has(base::partition_of(SlotIndex{0})));
  }
}

TEST(VsockFairness, ParentWithoutBuffersAndFullAnswersStillTakesItsResets) {
  World world(1);
  world.enclave(0).refill(world.vsock());
  // Strays never stop a sender.
  for (std::uint32_t i = 0; i < 1000; ++i) {
    world.parent().reclaim();
    ASSERT_TRUE(
        world.parent().send(world.vsock(), World::to_enclave(0, i, 2, i % 2 == 0 ? Op::kReset : Op::kResponse)));
    world.run();
  }
  world.parent().reclaim();
  EXPECT_EQ(world.parent().transmit_ring().free(), 256U);
}

}  // namespace
