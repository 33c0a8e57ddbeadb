// Who may send what to whom, and what comes out at the other end.
#include <gtest/gtest.h>

#include <numeric>

#include "tests/unit/firmware/vsock/world.hpp"

namespace {

using namespace vsock_test;

constexpr std::uint64_t kUpperBit = std::uint64_t{1} << 32;  // of a CID

TEST(VsockRouting, AConnectionCarriesBytesBothWays) {
  World world(2);
  world.refill_all();
  world.open(0, 1000, 5005);
  Header header = World::to_enclave(0, 1000, 5005, Op::kData, 300);
  header.buffer_size = 0x1234'5678;
  header.forwarded = 0x9abc'def0;
  world.send(world.parent(), header, pattern(300, 1));
  const Header back = World::to_parent(0, 5005, 1000, Op::kData, 50);
  world.send(world.enclave(0), back, pattern(50, 2));
  world.run();
  const auto there = world.enclave(0).receive_all();
  ASSERT_EQ(there.size(), 1U);
  EXPECT_EQ(vsock::encode(there[0].header), vsock::encode(header));  // credit fields untouched
  EXPECT_EQ(there[0].payload, pattern(300, 1));
  const auto here = world.parent().receive_all();
  ASSERT_EQ(here.size(), 1U);
  EXPECT_EQ(vsock::encode(here[0].header), vsock::encode(back));
  EXPECT_EQ(here[0].payload, pattern(50, 2));
  EXPECT_TRUE(world.enclave(1).receive_all().empty());
  EXPECT_EQ(world.vsock().counters(base::kParent).bytes, 300U);
  EXPECT_EQ(world.vsock().counters(world.enclave(0).port()).bytes, 50U);
}

TEST(VsockRouting, PayloadMayBeSpreadOverDescriptorsAsTheDriverLikes) {
  for (const std::uint32_t piece : {20U, 43U, 44U, 45U, 100U}) {
    World world(1);
    world.refill_all();
    world.open(0, 1000, 5005);
    world.send(world.parent(), World::to_enclave(0, 1000, 5005, Op::kData, 500), pattern(500, piece), piece);
    world.run();
    const auto packets = world.enclave(0).receive_all();
    ASSERT_EQ(packets.size(), 1U) << piece;
    EXPECT_EQ(packets[0].payload, pattern(500, piece));
  }
}

TEST(VsockRouting, LargePacketsAreSplitToFitTheReceiversBuffers) {
  for (const std::uint32_t buffer : {45U, 100U, 3776U, 4096U, 4140U, 65536U}) {
    Shape shape;
    shape.receive_buffer = buffer;
    Shape parent_shape;
    parent_shape.transmit_buffer = 65536 + 44;
    parent_shape.ring = 16;
    World world(1, parent_shape, shape);
    world.refill_all();
    world.open(0, 1000, 5005);
    const std::uint32_t size = buffer < 100 ? 500 : buffer < 1000 ? 10'000 : vsock::kMaxPayload;
    const Payload sent = pattern(size, buffer);
    world.send(world.parent(), World::to_enclave(0, 1000, 5005, Op::kData, size), sent, 65536 + 44);
    Payload received;
    for (int round = 0; round < 20; ++round) {
      world.refill_all();
      world.run();
      for (const Packet& packet : world.enclave(0).receive_all()) {
        ASSERT_TRUE(packet.header.is(Op::kData));
        ASSERT_EQ(packet.header.size, packet.payload.size());
        ASSERT_LE(packet.payload.size(), std::min(buffer - 44, vsock::kFragmentSize));
        received.insert(received.end(), packet.payload.begin(), packet.payload.end());
      }
    }
    EXPECT_EQ(received, sent) << buffer;
  }
}

TEST(VsockRouting, ReceiveBuffersMayBeChains) {
  Shape shape;
  shape.receive_buffer = 30;  // a header is spread over two
  World world(1, {}, shape);
  world.parent().refill(world.vsock());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(world.enclave(0).receive_ring().offer_space(4, 30));
  world.vsock().kick(world.enclave(0).port(), vsock::QueueKind::kReceive);
  world.open(0, 1, 2);
  world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kData, 200), pattern(200, 3));
  world.run();
  Payload received;
  for (const Packet& packet : world.enclave(0).receive_all()) {
    received.insert(received.end(), packet.payload.begin(), packet.payload.end());
  }
  EXPECT_EQ(received, pattern(200, 3));
}

TEST(VsockRouting, OneStepCopiesOneFragment) {
  Shape wide;
  wide.transmit_buffer = 65536 + 44;
  wide.ring = 16;
  World world(1, wide);
  world.refill_all();
  world.open(0, 1000, 5005);
  world.send(world.parent(), World::to_enclave(0, 1000, 5005, Op::kData, 65536), pattern(65536, 1), 65536 + 44);
  std::size_t total = 0;
  for (int step = 0; step < 40; ++step) {
    static_cast<void>(world.vsock().step(1));
    std::size_t now = 0;
    for (const Packet& packet : world.enclave(0).receive_all()) now += packet.payload.size();
    EXPECT_LE(now, vsock::kFragmentSize);
    total += now;
  }
  EXPECT_EQ(total, 65536U);
}

TEST(VsockRouting, EnclavesReachNobodyButTheParent) {
  World world(3);
  world.refill_all();
  world.open(1, 1000, 5005);
  const std::uint64_t targets[] = {kFirstCid + 1,    kFirstCid, 0, 1, 2, 4, 0xFFFF'FFFF, std::uint64_t{3} | kUpperBit,
                                   ~std::uint64_t{0}};
  for (const std::uint64_t target : targets) {
    for (std::uint16_t op = 1; op <= vsock::kLastOp; ++op) {
      Header header = World::to_parent(0, 1000, 5005, static_cast<Op>(op));
      header.target_cid = target;
      Payload payload;
      if (header.is(Op::kData)) {
        header.size = 10;
        payload = pattern(10, op);
      }
      world.send(world.enclave(0), header, payload);
      world.run();
      world.refill_all();
      const auto answers = world.enclave(0).receive_all();
      ASSERT_EQ(answers.size(), header.is(Op::kReset) ? 0U : 1U) << target << " " << op;
      if (!answers.empty()) expect_reset_of(answers[0], header);
      EXPECT_TRUE(world.parent().receive_all().empty());
      EXPECT_TRUE(world.enclave(1).receive_all().empty());
      EXPECT_TRUE(world.enclave(2).receive_all().empty());
    }
  }
}

TEST(VsockRouting, ASenderCanNotBeAnotherOne) {
  World world(2);
  world.refill_all();
  world.open(0, 1000, 5005);
  world.open(1, 1000, 5005);
  for (const std::uint64_t source :
       {std::uint64_t{kFirstCid + 1}, std::uint64_t{3}, std::uint64_t{0}, kFirstCid | kUpperBit}) {
    Header header = World::to_parent(0, 5005, 1000, Op::kData, 4);
    header.source_cid = source;
    world.send(world.enclave(0), header, pattern(4, 1));
  }
  Header header = World::to_enclave(1, 1000, 5005, Op::kReset);
  header.source_cid = kFirstCid;
  world.send(world.parent(), header);
  world.run();
  EXPECT_TRUE(world.parent().receive_all().empty());
  EXPECT_TRUE(world.enclave(0).receive_all().empty());
  EXPECT_TRUE(world.enclave(1).receive_all().empty());
  EXPECT_EQ(world.vsock().counters(world.enclave(0).port()).dropped, 4U);
  EXPECT_EQ(world.vsock().counters(base::kParent).dropped, 1U);
}

TEST(VsockRouting, TheParentReachesItsAttachedEnclavesOnly) {
  World world(2);
  world.refill_all();
  world.vsock().disconnect(world.enclave(1).port());
  for (const std::uint64_t target : {std::uint64_t{kFirstCid + 1}, std::uint64_t{kFirstCid + 2}, std::uint64_t{3},
                                     std::uint64_t{1}, kFirstCid | kUpperBit}) {
    Header header = World::to_enclave(0, 1000, 5005, Op::kRequest);
    header.target_cid = target;
    world.send(world.parent(), header);
    world.run();
    const auto answers = world.parent().receive_all();
    ASSERT_EQ(answers.size(), 1U);
    expect_reset_of(answers[0], header);
  }
  EXPECT_TRUE(world.enclave(0).receive_all().empty());
}

TEST(VsockRouting, OnlyStreams) {
  World world(1);
  world.refill_all();
  for (const std::uint32_t type : {0U, 2U, 3U, 0xFFFFU}) {
    Header header = World::to_parent(0, 1, 2, Op::kRequest);
    header.type = static_cast<std::uint16_t>(type);
    world.send(world.enclave(0), header);
    world.run();
    const auto answers = world.enclave(0).receive_all();
    ASSERT_EQ(answers.size(), 1U);
    expect_reset_of(answers[0], header);
  }
  EXPECT_TRUE(world.parent().receive_all().empty());
}

TEST(VsockRouting, MalformedHeadersAreDroppedAndCounted) {
  World world(1);
  world.refill_all();
  world.open(0, 1, 2);
  for (const std::uint32_t op : {0U, 8U, 0xFFFFU}) {
    world.send(world.enclave(0), World::to_parent(0, 2, 1, static_cast<Op>(op)));
  }
  world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kCreditUpdate, 5), pattern(5, 1));
  for (const std::size_t size : {0U, 1U, 43U}) ASSERT_TRUE(world.enclave(0).transmit_ring().offer(Payload(size), 4096));
  world.vsock().kick(world.enclave(0).port(), vsock::QueueKind::kTransmit);
  world.run();
  EXPECT_EQ(world.vsock().counters(world.enclave(0).port()).dropped, 7U);
  EXPECT_TRUE(world.parent().receive_all().empty());
  EXPECT_TRUE(world.enclave(0).receive_all().empty());
  world.enclave(0).reclaim();
  EXPECT_EQ(world.enclave(0).transmit_ring().free(), 256U);  // all chains came back
  EXPECT_TRUE(world.broken().empty());
}

TEST(VsockRouting, APayloadThatIsNotThereEndsItsConnection) {
  for (const std::uint32_t size : {101U, 65537U, 0xFFFF'FFFFU, 0xFFFF'FFD4U}) {
    World world(1);
    world.refill_all();
    world.open(0, 1, 2);
    world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kData, size), pattern(100, 1));
    world.run();
    const auto there = world.parent().receive_all();
    const auto here = world.enclave(0).receive_all();
    ASSERT_EQ(there.size(), 1U);
    ASSERT_EQ(here.size(), 1U);
    expect_reset_of(there[0], World::to_enclave(0, 1, 2, Op::kData));
    expect_reset_of(here[0], World::to_parent(0, 2, 1, Op::kData));
  }
}

TEST(VsockRouting, WhatBelongsToNoConnectionIsReset) {
  World world(1);
  world.refill_all();
  world.open(0, 1, 2);
  const Header stray = World::to_parent(0, 2, 7, Op::kData, 3);
  world.send(world.enclave(0), stray, pattern(3, 1));
  world.send(world.enclave(0), World::to_parent(0, 2, 9, Op::kReset));
  world.run();
  const auto here = world.enclave(0).receive_all();
  ASSERT_EQ(here.size(), 1U);
  expect_reset_of(here[0], stray);
  EXPECT_TRUE(world.parent().receive_all().empty());
  // After its RST a connection is none, and the ports may be used anew.
  world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kReset));
  world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kShutdown));
  world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kRequest));
  world.run();
  const auto there = world.parent().receive_all();
  ASSERT_EQ(there.size(), 2U);
  EXPECT_TRUE(there[0].header.is(Op::kReset));
  EXPECT_TRUE(there[1].header.is(Op::kRequest));
}

TEST(VsockRouting, AFullTableRefusesTheEnclaveThatFilledIt) {
  World world(2);
  std::size_t requests = 0;
  std::size_t resets = 0;
  for (std::uint32_t port = 0; port < vsock::kConnectionsPerEnclave + 5; ++port) {
    world.refill_all();
    world.send(world.enclave(0), World::to_parent(0, port, 9000, Op::kRequest));
    world.run();
    for (const Packet& packet : world.parent().receive_all()) requests += packet.header.is(Op::kRequest) ? 1 : 0;
    for (const Packet& packet : world.enclave(0).receive_all()) resets += packet.header.is(Op::kReset) ? 1 : 0;
  }
  EXPECT_EQ(requests, vsock::kConnectionsPerEnclave);
  EXPECT_EQ(resets, 5U);
  world.refill_all();
  world.open(1, 1, 2);
}

TEST(VsockRouting, DriversThatWantInterruptsGetThem) {
  World world(1);
  world.refill_all();
  static_cast<void>(world.take_interrupts());
  world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kRequest));
  world.run();
  const auto received = world.take_interrupts();
  EXPECT_TRUE(received.has(world.enclave(0).port()));
  EXPECT_FALSE(received.has(base::kParent));  // its chain came back: that has time
  EXPECT_TRUE(world.impatient());
  world.pass_time(vsock::kTellWithin - 1);
  world.run();
  EXPECT_TRUE(world.take_interrupts().empty());
  world.pass_time(1);
  world.run();
  EXPECT_TRUE(world.take_interrupts().has(base::kParent));
  EXPECT_FALSE(world.impatient());
  world.enclave(0).receive_ring().set_flags(1);
  world.parent().transmit_ring().set_flags(1);
  world.send(world.parent(), World::to_enclave(0, 3, 2, Op::kRequest));
  world.run();
  EXPECT_TRUE(world.take_interrupts().empty());
  EXPECT_EQ(world.enclave(0).receive_all().size(), 2U);
  world.pass_time(vsock::kTellWithin);
  world.run();
  EXPECT_TRUE(world.take_interrupts().empty());  // who wants none waits for none
}

TEST(VsockRouting, BuffersThatCameBackAreToldOfWithAPacketOrWhenTheyAreMany) {
  World world(1);
  world.refill_all();
  world.open(0, 1, 2);
  world.pass_time(vsock::kTellWithin);
  world.run();
  static_cast<void>(world.take_interrupts());
  world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
  world.run();
  EXPECT_FALSE(world.take_interrupts().has(base::kParent));
  world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kCreditRequest));
  world.run();
  EXPECT_TRUE(world.take_interrupts().has(base::kParent));  // for the packet, and it finds its buffer too
  world.pass_time(vsock::kTellWithin);
  world.run();
  EXPECT_FALSE(world.take_interrupts().has(base::kParent));
  // A driver whose ring is full of what came back is told at once: it can't send before.
  std::size_t sent = 0;
  for (bool told = false; !told; told = world.take_interrupts().has(base::kParent)) {
    world.enclave(0).refill(world.vsock());
    world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
    world.run();
    static_cast<void>(world.enclave(0).receive_all());
    ASSERT_LE(++sent, 256U);
  }
  EXPECT_GT(sent, 1U);
}

}  // namespace
