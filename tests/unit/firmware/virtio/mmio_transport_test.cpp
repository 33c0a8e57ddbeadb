// The registers as drivers use them: Linux's drivers/virtio/virtio_mmio.c, U-Boot, EDK2 and FreeBSD take the same
// steps.
#include "firmware/virtio/mmio_transport.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/unit/firmware/virtio/ring_driver.hpp"

namespace {

using base::Error;
using virtio::MmioDevice;
using virtio::MmioEvent;
using EventKind = virtio::MmioEvent::Kind;

constexpr std::uint64_t kDeviceFeatures = 0x10, kDeviceFeaturesSelect = 0x14, kDriverFeatures = 0x20,
                        kDriverFeaturesSelect = 0x24, kQueueSelect = 0x30, kQueueNumMax = 0x34, kQueueNum = 0x38,
                        kQueueReady = 0x44, kNotify = 0x50, kInterruptStatus = 0x60, kInterruptAcknowledge = 0x64,
                        kStatus = 0x70;
constexpr std::uint8_t kCid[8] = {0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe};
constexpr std::uint64_t kFeature = 1U << 3;

constinit MmioDevice g_absent;  // no code runs before it may be read

class MmioTransport : public testing::Test {
 protected:
  MmioTransport() { EXPECT_TRUE(device_.reset({19, kFeature, 3, 64, kCid}).ok()); }

  std::uint32_t read(std::uint64_t offset) {
    const auto value = device_.read(offset, 4);
    EXPECT_TRUE(value.ok()) << offset;
    return value.ok() ? static_cast<std::uint32_t>(*value) : 0xdead;
  }
  MmioEvent write(std::uint64_t offset, std::uint32_t value) {
    const bool line = device_.interrupt_line();
    const auto event = device_.write(offset, 4, value);
    EXPECT_TRUE(event.ok()) << offset;
    if (!event.ok()) return {};
    EXPECT_EQ(event->line_changed, device_.interrupt_line() != line) << offset;
    return *event;
  }
  EventKind set_status(std::uint32_t bits) { return write(kStatus, read(kStatus) | bits).kind; }
  void accept(std::uint64_t features) {
    write(kDriverFeaturesSelect, 1);
    write(kDriverFeatures, static_cast<std::uint32_t>(features >> 32));
    write(kDriverFeaturesSelect, 0);
    write(kDriverFeatures, static_cast<std::uint32_t>(features));
  }
  void negotiate(std::uint64_t features = virtio::kFeatureVersion1) {
    set_status(1);
    set_status(2);
    accept(features);
    set_status(8);
  }
  bool set_up(std::uint32_t index, std::uint32_t size = 64, std::uint64_t base = 0x1'4000'0000) {
    write(kQueueSelect, index);
    write(kQueueNum, size);
    const std::uint64_t parts[] = {base, base + 0x1000, base + 0x2000};
    for (std::uint32_t i = 0; i < 3; ++i) {
      write(0x80 + 0x10 * i, static_cast<std::uint32_t>(parts[i]));
      write(0x84 + 0x10 * i, static_cast<std::uint32_t>(parts[i] >> 32));
    }
    write(kQueueReady, 1);
    return read(kQueueReady) == 1;
  }
  void bring_up() {
    negotiate();
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(set_up(i));
    EXPECT_EQ(set_status(4), EventKind::kDriverOk);
  }

  MmioDevice device_{};
};

TEST_F(MmioTransport, DriversFindTheDeviceByItsRegisters) {
  EXPECT_EQ(read(0x00), 0x74726976U);
  EXPECT_EQ(read(0x04), 2U);
  EXPECT_EQ(read(0x08), 19U);
  EXPECT_NE(read(0x0c), 0U);
  EXPECT_EQ(read(0xfc), 0U);
  for (const std::uint64_t offset : {0xb0U, 0xb4U, 0xb8U, 0xbcU}) EXPECT_EQ(read(offset), 0xffff'ffffU) << offset;
}

TEST_F(MmioTransport, ZeroBytesAreADeviceThatIsNotThere) {
  EXPECT_EQ(*g_absent.read(0x00, 4), 0x74726976U);
  EXPECT_EQ(*g_absent.read(0x04, 4), 2U);
  EXPECT_EQ(*g_absent.read(0x08, 4), 0U);  // drivers pass over it
  MmioDevice absent{};
  for (std::uint64_t offset = 0; offset < 0x200; offset += 4) {
    const auto event = absent.write(offset, 4, 0xffff'ffff);
    ASSERT_TRUE(event.ok());
    EXPECT_EQ(event->kind, EventKind::kNone) << offset;
  }
  EXPECT_EQ(*absent.read(kStatus, 4), 0U);
  EXPECT_FALSE(absent.live() || absent.interrupt_line());
}

TEST_F(MmioTransport, DescriptionsOutOfBoundsAreRefusedAndChangeNothing) {
  bring_up();
  const std::uint8_t large[virtio::kMaxConfigBytes + 1] = {};
  EXPECT_EQ(device_.reset({0, 0, 1, 16, {}}).error(), Error::kInvalidArgument);
  EXPECT_EQ(device_.reset({33, 0, 0, 16, {}}).error(), Error::kInvalidArgument);
  EXPECT_EQ(device_.reset({33, 0, 4, 16, {}}).error(), Error::kInvalidArgument);
  EXPECT_EQ(device_.reset({33, 0, 1, 0, {}}).error(), Error::kInvalidArgument);
  EXPECT_EQ(device_.reset({33, 0, 1, 24, {}}).error(), Error::kInvalidArgument);
  EXPECT_EQ(device_.reset({33, 0, 1, 2048, {}}).error(), Error::kInvalidArgument);
  EXPECT_EQ(device_.reset({33, 0, 1, 16, large}).error(), Error::kInvalidArgument);
  EXPECT_TRUE(device_.live());
  EXPECT_EQ(read(0x08), 19U);
  const std::uint32_t generation = device_.queue(0).generation();
  ASSERT_TRUE(device_.reset({33, 0, 1, 16, {}}).ok());
  EXPECT_EQ(read(0x08), 33U);
  EXPECT_EQ(read(kStatus), 0U);
  EXPECT_EQ(read(0x100), 0U);
  EXPECT_NE(device_.queue(0).generation(), generation);
}

TEST_F(MmioTransport, FeaturesAreOfferedAWordAtATime) {
  write(kDeviceFeaturesSelect, 0);
  EXPECT_EQ(read(kDeviceFeatures), kFeature);
  write(kDeviceFeaturesSelect, 1);
  EXPECT_EQ(read(kDeviceFeatures), 1U);
  write(kDeviceFeaturesSelect, 2);
  EXPECT_EQ(read(kDeviceFeatures), 0U);
  write(kDeviceFeaturesSelect, 0xffff'ffff);
  EXPECT_EQ(read(kDeviceFeatures), 0U);
}

TEST_F(MmioTransport, FeaturesOkStaysOnlyForAnOfferedSetWithVersion1) {
  const auto stays = [&](std::uint64_t features) {
    write(kStatus, 0);
    negotiate(features);
    return (read(kStatus) & 8) != 0;
  };
  EXPECT_FALSE(stays(0));
  EXPECT_FALSE(stays(kFeature));
  EXPECT_FALSE(stays(virtio::kFeatureVersion1 | 1U << 28));
  EXPECT_FALSE(stays(virtio::kFeatureVersion1 << 1 | virtio::kFeatureVersion1));
  EXPECT_TRUE(stays(virtio::kFeatureVersion1));
  EXPECT_EQ(device_.state().features(), virtio::kFeatureVersion1);
  EXPECT_TRUE(stays(virtio::kFeatureVersion1 | kFeature));
  EXPECT_EQ(device_.state().features(), virtio::kFeatureVersion1 | kFeature);
  accept(virtio::kFeatureVersion1);  // too late
  EXPECT_EQ(device_.state().features(), virtio::kFeatureVersion1 | kFeature);
  EXPECT_FALSE(stays(kFeature));
  EXPECT_EQ(device_.state().features(), 0U);
  accept(virtio::kFeatureVersion1);  // a second attempt after the refusal
  set_status(8);
  EXPECT_EQ(read(kStatus), 11U);
}

TEST_F(MmioTransport, DriverOkNeedsFeaturesOk) {
  set_status(1);
  set_status(2);
  EXPECT_EQ(set_status(4), EventKind::kNone);
  EXPECT_EQ(read(kStatus), 3U);
  EXPECT_EQ(set_status(8 | 4), EventKind::kNone);
  EXPECT_FALSE(device_.live());
  accept(virtio::kFeatureVersion1);
  set_status(8);
  EXPECT_EQ(set_status(4), EventKind::kDriverOk);
  EXPECT_EQ(set_status(4), EventKind::kNone);  // once
  EXPECT_TRUE(device_.live());
  write(kStatus, 1);  // bits go only by a reset
  EXPECT_EQ(read(kStatus), 15U);
  set_status(128);
  EXPECT_EQ(read(kStatus), 143U);
}

TEST_F(MmioTransport, ADriverCannotSetWhatIsTheDevicesOwn) {
  write(kStatus, 0xff);
  EXPECT_EQ(read(kStatus), 128U + 3U);
  EXPECT_FALSE(device_.live() || device_.state().needs_reset());
}

TEST_F(MmioTransport, QueuesAreSetUpByTheirRegisters) {
  negotiate();
  for (std::uint32_t i = 0; i < 3; ++i) {
    write(kQueueSelect, i);
    EXPECT_EQ(read(kQueueNumMax), 64U);
    EXPECT_EQ(read(kQueueReady), 0U);
  }
  write(kQueueSelect, 3);
  EXPECT_EQ(read(kQueueNumMax), 0U);
  write(kQueueSelect, 0xffff'ffff);
  EXPECT_EQ(read(kQueueNumMax), 0U);
  EXPECT_FALSE(set_up(3));
  EXPECT_TRUE(set_up(1));
  EXPECT_TRUE(device_.queue(1).ready());
  EXPECT_FALSE(device_.queue(0).ready() || device_.queue(2).ready());
  write(kQueueReady, 0);
  EXPECT_EQ(read(kQueueReady), 0U);
  EXPECT_FALSE(device_.queue(1).ready());
}

TEST_F(MmioTransport, QueuesThatCannotBeAreNotReady) {
  negotiate();
  EXPECT_FALSE(set_up(0, 0));
  EXPECT_FALSE(set_up(0, 63));
  EXPECT_FALSE(set_up(0, 128));  // more than QueueNumMax
  EXPECT_FALSE(set_up(0, 0x1'0040));
  EXPECT_FALSE(set_up(0, 64, 0x4000'0008));
  EXPECT_TRUE(set_up(0, 2));
}

TEST_F(MmioTransport, QueuesReachTheAddressesThatWereWritten) {
  virtio_test::ByteMemory memory(0x20000);
  virtio_test::RingDriver driver(memory, virtio_test::kMemoryBase + 0x1000, 8);
  negotiate();
  write(kQueueSelect, 2);
  write(kQueueNum, 8);
  const std::uint64_t parts[] = {driver.layout().descriptors.value, driver.layout().available.value,
                                 driver.layout().used.value};
  for (std::uint32_t i = 0; i < 3; ++i) {
    write(0x84 + 0x10 * i, 0);
    write(0x80 + 0x10 * i, static_cast<std::uint32_t>(parts[i]));
  }
  write(kQueueReady, 1);
  write(kQueueNum, 4);  // what is ready stands
  write(0x80, 0);
  write(kQueueReady, 1);
  const std::uint32_t generation = device_.queue(2).generation();
  ASSERT_TRUE(driver.add({{virtio_test::kMemoryBase, 16, true}}));
  const auto chain = device_.queue(2).pop(memory);
  ASSERT_TRUE(chain.ok() && chain->has_value());
  ASSERT_TRUE(device_.queue(2).push(memory, (*chain)->head, 7).ok());
  EXPECT_EQ(driver.collect().size(), 1U);
  EXPECT_EQ(device_.queue(2).generation(), generation);
}

TEST_F(MmioTransport, NotificationsCountWhenTheDeviceIsLive) {
  negotiate();
  EXPECT_TRUE(set_up(1));
  EXPECT_EQ(write(kNotify, 1).kind, EventKind::kNone);  // before DRIVER_OK
  EXPECT_EQ(set_status(4), EventKind::kDriverOk);
  const MmioEvent event = write(kNotify, 1);
  EXPECT_EQ(event.kind, EventKind::kNotify);
  EXPECT_EQ(event.queue, 1);
  EXPECT_EQ(write(kNotify, 0).kind, EventKind::kNone);  // not ready
  EXPECT_EQ(write(kNotify, 3).kind, EventKind::kNone);
  EXPECT_EQ(write(kNotify, 0x1'0001).kind, EventKind::kNone);
  device_.fail();
  EXPECT_EQ(write(kNotify, 1).kind, EventKind::kNone);
}

TEST_F(MmioTransport, TheInterruptStaysUntilItIsAcknowledged) {
  device_.raise_used();  // not live: no driver would expect it
  EXPECT_FALSE(device_.interrupt_line());
  bring_up();
  device_.raise_used();
  EXPECT_TRUE(device_.interrupt_line());
  EXPECT_EQ(read(kInterruptStatus), 1U);
  EXPECT_EQ(read(kInterruptStatus), 1U);
  EXPECT_FALSE(write(kInterruptAcknowledge, 2).line_changed);
  EXPECT_TRUE(write(kInterruptAcknowledge, 1).line_changed);
  EXPECT_FALSE(device_.interrupt_line());
}

TEST_F(MmioTransport, WhatAnAcknowledgementLeavesNeedsAnEdgeOfItsOwn) {
  bring_up();
  device_.raise_used();
  EXPECT_EQ(read(kInterruptStatus), 1U);
  device_.fail();  // after the driver has looked
  const auto event = write(kInterruptAcknowledge, 1);
  EXPECT_TRUE(event.line_stays);
  EXPECT_FALSE(event.line_changed);
  EXPECT_FALSE(write(kInterruptAcknowledge, 2).line_stays);
}

TEST_F(MmioTransport, ABrokenDeviceSaysSoAndStopsUntilItIsReset) {
  bring_up();
  const std::uint32_t generation = device_.queue(1).generation();
  device_.fail();
  EXPECT_EQ(read(kStatus), 15U + 64U);
  EXPECT_EQ(read(kInterruptStatus), 2U);
  EXPECT_FALSE(device_.live());
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(device_.queue(i).ready());
  EXPECT_NE(device_.queue(1).generation(), generation);
  EXPECT_FALSE(set_up(1));
  EXPECT_EQ(set_status(4), EventKind::kNone);
  device_.raise_used();
  EXPECT_EQ(read(kInterruptStatus), 2U);
  const MmioEvent event = write(kStatus, 0);
  EXPECT_EQ(event.kind, EventKind::kReset);
  EXPECT_TRUE(event.line_changed);
  EXPECT_EQ(read(kStatus), 0U);
  bring_up();
  EXPECT_TRUE(device_.live());
}

TEST_F(MmioTransport, ADeviceThatBreaksBeforeDriverOkInterruptsNobody) {
  negotiate();
  device_.fail();
  EXPECT_EQ(read(kStatus), 11U + 64U);
  EXPECT_FALSE(device_.interrupt_line());
}

TEST_F(MmioTransport, AResetTakesEverythingBack) {
  bring_up();
  device_.raise_used();
  const std::uint32_t generation = device_.queue(0).generation();
  const MmioEvent event = write(kStatus, 0);
  EXPECT_EQ(event.kind, EventKind::kReset);
  EXPECT_TRUE(event.line_changed);
  EXPECT_EQ(read(kStatus), 0U);
  EXPECT_EQ(read(kInterruptStatus), 0U);
  EXPECT_FALSE(device_.queue(0).ready());
  EXPECT_NE(device_.queue(0).generation(), generation);
  set_status(8);  // the features of before are forgotten
  EXPECT_EQ(read(kStatus), 0U);
  write(kQueueSelect, 0);
  write(kQueueReady, 1);  // the size too
  EXPECT_EQ(read(kQueueReady), 0U);
  virtio_test::ByteMemory memory(0x20000);
  EXPECT_TRUE(set_up(0, 64, virtio_test::kMemoryBase));
  EXPECT_TRUE(device_.queue(0).available(memory).ok());
  write(kStatus, 0);
  write(kQueueNum, 64);
  write(kQueueReady, 1);  // and the addresses
  EXPECT_EQ(device_.queue(0).available(memory).error(), Error::kOutOfRange);
  write(kStatus, 0);
  EXPECT_EQ(read(0x08), 19U);
  write(kDeviceFeaturesSelect, 1);
  EXPECT_EQ(read(kDeviceFeatures), 1U);
}

TEST_F(MmioTransport, TheConfigurationIsReadInAnySizeAndNeverWritten) {
  EXPECT_EQ(*device_.read(0x100, 8), 0xfedcba9876543210U);
  EXPECT_EQ(*device_.read(0x104, 4), 0xfedcba98U);
  EXPECT_EQ(*device_.read(0x102, 2), 0x7654U);
  EXPECT_EQ(*device_.read(0x107, 1), 0xfeU);
  EXPECT_EQ(*device_.read(0x108, 8), 0U);
  EXPECT_EQ(*device_.read(0xff8, 8), 0U);
  EXPECT_EQ(device_.write(0x100, 8, 0)->kind, EventKind::kNone);
  EXPECT_EQ(*device_.read(0x100, 8), 0xfedcba9876543210U);
  const std::uint8_t odd[3] = {1, 2, 3};
  ASSERT_TRUE(device_.reset({19, 0, 1, 64, odd}).ok());
  EXPECT_EQ(*device_.read(0x100, 4), 0x030201U);  // behind its end it is zero
  EXPECT_EQ(read(0xfc), 0U);                      // and its generation never moves
}

TEST_F(MmioTransport, AccessesThatTheBusDoesNotHaveAreErrors) {
  for (const auto& [offset, size] : std::vector<std::pair<std::uint64_t, std::uint32_t>>{{0x70, 1},
                                                                                         {0x70, 2},
                                                                                         {0x70, 8},
                                                                                         {0x72, 4},
                                                                                         {0xfe, 2},
                                                                                         {0x100, 3},
                                                                                         {0x100, 0},
                                                                                         {0x100, 16},
                                                                                         {0x101, 2},
                                                                                         {0x104, 8},
                                                                                         {0x1000, 4},
                                                                                         {~std::uint64_t{7}, 8}}) {
    EXPECT_EQ(device_.read(offset, size).error(), Error::kInvalidArgument) << offset << ' ' << size;
    EXPECT_EQ(device_.write(offset, size, 1).error(), Error::kInvalidArgument) << offset << ' ' << size;
  }
  EXPECT_EQ(read(kStatus), 0U);
}

}  // namespace
