// Ports that come, go, break and come again, in every state of what they had open.
#include <gtest/gtest.h>

#include "tests/unit/firmware/vsock/world.hpp"

namespace {

using namespace vsock_test;

constinit vsock::Switch g_switch{};  // needs no constructor to run

TEST(VsockLifecycle, AttachRefusesWhatItMust) {
  vsock::Switch& vsock = g_switch;
  const auto attach = [&](std::uint8_t slot, std::uint32_t cid) { return vsock.attach(SlotIndex{slot}, cid, false); };
  for (const std::uint32_t cid : {0U, 1U, 2U, 3U, 0xFFFF'FFFFU})
    EXPECT_EQ(attach(0, cid).error(), base::Error::kInvalidArgument);
  EXPECT_EQ(attach(board::kMaxEnclaves, 16).error(), base::Error::kNoSuchSlot);
  EXPECT_TRUE(attach(0, 16).ok());
  EXPECT_EQ(attach(0, 17).error(), base::Error::kWrongState);
  EXPECT_EQ(attach(1, 16).error(), base::Error::kInvalidArgument);
  vsock.detach(SlotIndex{0});
  EXPECT_TRUE(attach(1, 16).ok());
  vsock.detach(SlotIndex{1});
}

TEST(VsockLifecycle, ConnectRefusesWhatItMust) {
  World world(1);
  Guest stranger(base::partition_of(SlotIndex{1}), 99);
  EXPECT_EQ(stranger.connect(world.vsock()).error(), base::Error::kWrongState);  // nothing attached there
  EXPECT_EQ(world.enclave(0).connect(world.vsock()).error(), base::Error::kWrongState);
  world.vsock().disconnect(world.enclave(0).port());
  virtio::Queue queue{};
  EXPECT_EQ(world.vsock().connect(world.enclave(0).port(), {&queue, &queue, &world.parent().ram(), 256}).error(),
            base::Error::kInvalidArgument);
  EXPECT_TRUE(world.enclave(0).connect(world.vsock()).ok());
}

enum class Ending { kDetach, kReset, kBreak };

class VsockEnding : public ::testing::TestWithParam<Ending> {
 protected:
  static void end(World& world, std::size_t i) {
    switch (GetParam()) {
      case Ending::kDetach:
        world.vsock().detach(SlotIndex{static_cast<std::uint8_t>(i)});
        break;
      case Ending::kReset:
        world.vsock().disconnect(world.enclave(i).port());
        break;
      case Ending::kBreak:
        world.enclave(i).transmit_ring().set_available_index(0x7777);
        world.vsock().kick(world.enclave(i).port(), vsock::QueueKind::kTransmit);
        break;
    }
  }
};

TEST_P(VsockEnding, TheParentIsToldOfEveryOpenConnection) {
  World world(2);
  world.refill_all();
  for (std::uint32_t port = 0; port < 50; ++port) {
    world.open(0, 100 + port, 5);
    world.open(1, 100 + port, 5);
    world.refill_all();
  }
  end(world, 0);
  world.run();
  std::set<std::uint32_t> told;
  for (const Packet& packet : world.parent().receive_all()) {
    EXPECT_TRUE(packet.header.is(Op::kReset));
    EXPECT_EQ(packet.header.source_cid, kFirstCid);
    EXPECT_TRUE(told.insert(packet.header.target_port).second);
  }
  EXPECT_EQ(told.size(), 50U);
  world.send(world.parent(), World::to_enclave(1, 100, 5, Op::kData, 3), pattern(3, 1));  // the other's go on
  world.run();
  EXPECT_EQ(world.enclave(1).receive_all().size(), 1U);
  EXPECT_EQ(world.broken().has(world.enclave(0).port()), GetParam() == Ending::kBreak);
}

TEST_P(VsockEnding, ResetsWaitForTheParentsBuffers) {
  World world(1);
  world.refill_all();
  for (std::uint32_t port = 0; port < 100; ++port) world.open(0, 100 + port, 5);
  while (world.parent().receive_ring().free() != 256) {  // the rest of its buffers go to something else
    world.send(world.enclave(0), World::to_parent(0, 5, 100, Op::kCreditRequest));
    world.run();
    static_cast<void>(world.parent().receive_all());
  }
  end(world, 0);
  world.run();
  std::size_t told = 0;
  for (int round = 0; round < 200 && told < 100; ++round) {
    world.parent().refill(world.vsock(), 1);
    world.run();
    told += world.parent().receive_all().size();
    if (round == 30 && GetParam() != Ending::kDetach) {
      if (GetParam() == Ending::kBreak) world.vsock().disconnect(world.enclave(0).port());
      ASSERT_TRUE(world.enclave(0).connect(world.vsock()).ok());
    }
    if (round == 30 && GetParam() == Ending::kDetach) {  // the slot and the CID have a new enclave meanwhile
      ASSERT_TRUE(world.vsock().attach(SlotIndex{0}, kFirstCid, false).ok());
      ASSERT_TRUE(world.enclave(0).connect(world.vsock()).ok());
    }
  }
  EXPECT_EQ(told, 100U);
  world.refill_all();
  world.open(0, 100, 5);  // and the same ports can be used
}

TEST_P(VsockEnding, WhatWaitedForItGoesBackToTheParent) {
  World world(2);
  world.refill_all();
  world.open(0, 1, 2);
  while (world.enclave(0).receive_ring().free() != 256) {
    world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
    world.run();
    static_cast<void>(world.enclave(0).receive_all());
  }
  for (int i = 0; i < 30; ++i) world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kData, 9), pattern(9, 1));
  world.send(world.parent(), World::to_enclave(0, 3, 2, Op::kRequest));
  world.run();
  world.parent().reclaim();
  EXPECT_EQ(world.parent().transmit_ring().free(), 256U - 31);
  end(world, 0);
  world.run();
  world.parent().reclaim();
  EXPECT_EQ(world.parent().transmit_ring().free(), 256U);
  std::set<std::uint32_t> told;
  for (const Packet& packet : world.parent().receive_all()) {
    EXPECT_TRUE(packet.header.is(Op::kReset));
    told.insert(packet.header.target_port);
  }
  EXPECT_EQ(told, (std::set<std::uint32_t>{1, 3}));
}

TEST_P(VsockEnding, AnUnfinishedPacketOfItsOwnEndsWithIt) {
  Shape small;
  small.receive_buffer = 144;
  World world(1, small);
  world.refill_all();
  world.open(0, 1, 2);
  world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kData, 60'000), pattern(60'000, 1));
  world.run();  // until the parent's buffers are used up
  const auto part = world.parent().receive_all();
  ASSERT_GT(part.size(), 100U);
  end(world, 0);
  world.refill_all();
  world.run();
  auto rest = world.parent().receive_all();
  while (GetParam() == Ending::kBreak && !rest.empty() && rest.back().header.is(Op::kData)) {
    world.refill_all();  // its broken ring is looked at when this packet is through
    world.run();
    rest = world.parent().receive_all();
  }
  ASSERT_GE(rest.size(), 1U);
  EXPECT_TRUE(rest.size() == 1 || GetParam() == Ending::kBreak);
  expect_reset_of(rest.back(), World::to_enclave(0, 1, 2, Op::kData));
}

INSTANTIATE_TEST_SUITE_P(All, VsockEnding, ::testing::Values(Ending::kDetach, Ending::kReset, Ending::kBreak));

TEST(VsockLifecycle, AParentThatResetsItsDriverEndsEveryConnection) {
  World world(2);
  world.refill_all();
  for (std::uint32_t port = 0; port < 20; ++port) {
    world.open(0, 100 + port, 5);
    world.open(1, 100 + port, 5);
  }
  Header request = World::to_parent(0, 77, 9000, Op::kRequest);
  world.vsock().disconnect(base::kParent);
  world.send(world.enclave(0), request);
  world.run();
  for (std::size_t i = 0; i < 2; ++i) {
    std::set<std::uint32_t> told;
    for (const Packet& packet : world.enclave(i).receive_all()) {
      EXPECT_TRUE(packet.header.is(Op::kReset));
      EXPECT_EQ(packet.header.source_cid, vsock::kParentCid);
      told.insert(packet.header.source_port);
    }
    EXPECT_EQ(told.size(), i == 0 ? 21U : 20U);
  }
  ASSERT_TRUE(world.parent().connect(world.vsock()).ok());
  world.refill_all();
  world.run();
  EXPECT_TRUE(world.parent().receive_all().empty());
  world.open(0, 100, 5);
}

TEST(VsockLifecycle, AParentsResetForgetsWhatItHadSent) {
  World world(1);
  world.refill_all();
  world.open(0, 1, 2);
  for (int i = 0; i < 300; ++i) {  // more than the enclave has buffers
    if (!world.parent().send(world.vsock(), World::to_enclave(0, 1, 2, Op::kData, 9), pattern(9, 1))) break;
    world.run();
  }
  world.vsock().disconnect(base::kParent);
  ASSERT_TRUE(world.parent().connect(world.vsock()).ok());
  static_cast<void>(world.enclave(0).receive_all());
  world.refill_all();
  world.run();
  const auto packets = world.enclave(0).receive_all();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_TRUE(packets[0].header.is(Op::kReset));
  world.parent().reclaim();
  EXPECT_EQ(world.parent().transmit_ring().free(), 256U);  // nothing stale was pushed into its new ring
}

TEST(VsockLifecycle, AParentsResetGivesBackWhatEnclavesHadSent) {
  World world(1);
  world.enclave(0).refill(world.vsock());
  const Header request = World::to_parent(0, 7, 9000, Op::kRequest);
  world.send(world.enclave(0), request);  // waits: the parent has no buffers
  world.run();
  world.vsock().disconnect(base::kParent);
  world.run();
  world.enclave(0).reclaim();
  EXPECT_EQ(world.enclave(0).transmit_ring().free(), 256U);
  const auto here = world.enclave(0).receive_all();
  ASSERT_EQ(here.size(), 1U);
  expect_reset_of(here[0], request);
}

TEST(VsockLifecycle, TheResetOfAnOldConnectionComesBeforeTheRequestOfANewOne) {
  World world(1);
  world.refill_all();
  world.open(0, 1, 2);
  while (world.enclave(0).receive_ring().free() != 256) {
    world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
    world.run();
    static_cast<void>(world.enclave(0).receive_all());
  }
  world.vsock().disconnect(base::kParent);
  ASSERT_TRUE(world.parent().connect(world.vsock()).ok());
  world.parent().refill(world.vsock());
  world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kRequest));
  world.run();
  world.enclave(0).refill(world.vsock());
  world.run();
  const auto here = world.enclave(0).receive_all();
  ASSERT_EQ(here.size(), 2U);
  EXPECT_TRUE(here[0].header.is(Op::kReset));
  EXPECT_TRUE(here[1].header.is(Op::kRequest));
  world.send(world.enclave(0), World::to_parent(0, 2, 1, Op::kResponse));
  world.run();
  EXPECT_EQ(world.parent().receive_all().size(), 1U);
}

TEST(VsockLifecycle, ABrokenPortIsReportedOnceAndLeftAlone) {
  // World::run() fails when a port is reported twice.
  const auto hostile = [](auto break_it) {
    World world(2);
    world.refill_all();
    world.open(0, 1, 2);
    world.open(1, 1, 2);
    break_it(world, world.enclave(0));
    world.run();
    EXPECT_TRUE(world.broken().has(world.enclave(0).port()));
    const auto there = world.parent().receive_all();
    ASSERT_GE(there.size(), 1U);
    EXPECT_TRUE(there.back().header.is(Op::kReset));
    const Payload before(world.enclave(0).ram().data(), world.enclave(0).ram().data() + world.enclave(0).ram().size());
    world.vsock().kick(world.enclave(0).port(), vsock::QueueKind::kTransmit);
    world.vsock().kick(world.enclave(0).port(), vsock::QueueKind::kReceive);
    world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kData, 3), pattern(3, 1));
    world.send(world.enclave(1), World::to_parent(1, 2, 1, Op::kData, 3), pattern(3, 1));
    world.run();
    const Payload after(world.enclave(0).ram().data(), world.enclave(0).ram().data() + world.enclave(0).ram().size());
    EXPECT_EQ(before, after);
    EXPECT_GE(world.parent().receive_all().size(), 1U);
  };
  hostile([](World& world, Guest& guest) {
    guest.transmit_ring().set_available_index(999);
    world.vsock().kick(guest.port(), vsock::QueueKind::kTransmit);
  });
  hostile([](World& world, Guest& guest) {  // a header outside of its memory
    const std::uint16_t index = guest.transmit_ring().take();
    guest.transmit_ring().describe(index, 1ULL << 40, 44, 0);
    guest.transmit_ring().announce({index});
    world.vsock().kick(guest.port(), vsock::QueueKind::kTransmit);
  });
  hostile([](World& world, Guest& guest) {  // a header that is there, and a payload that is not
    const auto header = vsock::encode(World::to_parent(0, 2, 1, Op::kData, 5000));
    const std::uint16_t index = guest.transmit_ring().take();
    const std::uint64_t end = guest.ram().size();
    for (std::size_t i = 0; i < header.size(); ++i) guest.ram().set(end - 44 + i, header[i]);
    guest.transmit_ring().describe(index, end - 44, 44 + 5000, 0);
    guest.transmit_ring().announce({index});
    world.vsock().kick(guest.port(), vsock::QueueKind::kTransmit);
  });
  hostile([](World& world, Guest& guest) {  // a receive buffer without room for payload
    while (guest.receive_ring().free() != 256) {
      world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
      world.run();
      static_cast<void>(guest.receive_all());
    }
    ASSERT_TRUE(guest.receive_ring().offer_space(1, 44));
    world.vsock().kick(guest.port(), vsock::QueueKind::kReceive);
    world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
  });
  hostile([](World& world, Guest& guest) {  // a receive buffer that is not its memory
    while (guest.receive_ring().free() != 256) {
      world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
      world.run();
      static_cast<void>(guest.receive_all());
    }
    const std::uint16_t index = guest.receive_ring().take();
    guest.receive_ring().describe(index, 1ULL << 40, 4096, 2);
    guest.receive_ring().announce({index});
    world.vsock().kick(guest.port(), vsock::QueueKind::kReceive);
    world.send(world.parent(), World::to_enclave(0, 1, 2, Op::kCreditRequest));
  });
}

}  // namespace
