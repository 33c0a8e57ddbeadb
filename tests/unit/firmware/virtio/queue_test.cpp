// The device's side of a virtqueue against a driver of our own: what is honest passes, whatever breaks the
// specification is refused and changes nothing.
#include "firmware/virtio/queue.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <initializer_list>
#include <random>
#include <string>

#include "tests/unit/firmware/virtio/ring_driver.hpp"

namespace {

using base::Error;
using virtio::Chain;
using virtio::Queue;
using virtio_test::Buffer;
using virtio_test::ByteMemory;
using virtio_test::kMemoryBase;
using virtio_test::RingDriver;
using virtio_test::Used;

constexpr std::uint64_t kRing = kMemoryBase + 0x1000;
constexpr std::uint64_t kData = kMemoryBase + 0x10000;

struct Machine {
  explicit Machine(std::uint16_t size = 8) : memory(4U << 20), driver(memory, kRing, size) {
    EXPECT_TRUE(queue.configure(driver.layout()).ok());
  }
  Chain pop() {
    const auto chain = queue.pop(memory);
    EXPECT_TRUE(chain.ok() && chain->has_value());
    return chain.ok() && chain->has_value() ? **chain : Chain{};
  }
  ByteMemory memory;
  RingDriver driver;
  Queue queue;
};

std::vector<std::uint8_t> pattern(std::size_t size, unsigned seed) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(seed + 7 * i + (i >> 8));
  return bytes;
}

TEST(Virtqueue, LayoutsThatTheSpecificationForbidsAreRefusedAndChangeNothing) {
  const Queue::Layout good{8, base::Ipa{0x1000}, base::Ipa{0x2002}, base::Ipa{0x3004}};
  Queue queue;
  ASSERT_TRUE(queue.configure(good).ok());
  const std::uint32_t generation = queue.generation();
  const auto refused = [&](auto change) {
    Queue::Layout layout = good;
    change(layout);
    const auto status = queue.configure(layout);
    return !status.ok() && status.error() == Error::kInvalidArgument && queue.ready() &&
           queue.generation() == generation;
  };
  for (const std::uint16_t size : std::initializer_list<std::uint16_t>{0, 3, 6, 257, 2048, 32768, 65535}) {
    EXPECT_TRUE(refused([&](Queue::Layout& layout) { layout.size = size; })) << size;
  }
  EXPECT_TRUE(refused([](Queue::Layout& layout) { layout.descriptors.value += 8; }));
  EXPECT_TRUE(refused([](Queue::Layout& layout) { layout.available.value += 1; }));
  EXPECT_TRUE(refused([](Queue::Layout& layout) { layout.used.value += 2; }));
  EXPECT_TRUE(refused([](Queue::Layout& layout) { layout.descriptors.value = ~std::uint64_t{15}; }));
  EXPECT_TRUE(refused([](Queue::Layout& layout) { layout.available.value = ~std::uint64_t{15}; }));
  EXPECT_TRUE(refused([](Queue::Layout& layout) { layout.used.value = ~std::uint64_t{63}; }));
  for (const std::uint16_t size : std::initializer_list<std::uint16_t>{1, 2, 256, 1024}) {
    Queue other;
    EXPECT_TRUE(other.configure({size, base::Ipa{0x1000}, base::Ipa{0x2000}, base::Ipa{0x3000}}).ok()) << size;
  }
  Queue top;  // the last descriptor ends where the address space does
  EXPECT_TRUE(top.configure({1, base::Ipa{~std::uint64_t{15}}, base::Ipa{0x2000}, base::Ipa{0x3000}}).ok());
}

TEST(Virtqueue, AChainCarriesBytesBothWaysAcrossItsDescriptors) {
  Machine machine;
  const auto request = pattern(300, 1);
  std::memcpy(machine.memory.at(kData), request.data(), 100);
  std::memcpy(machine.memory.at(kData + 0x1000), request.data() + 100, 200);
  const auto head = machine.driver.add({{kData, 100, false},
                                        {kData + 0x500, 0, false},
                                        {kData + 0x1000, 200, false},
                                        {kData + 0x2000, 16, true},
                                        {kData + 0x3000, 64, true}});
  ASSERT_TRUE(head.has_value());
  const Chain chain = machine.pop();
  EXPECT_EQ(chain.head, *head);
  EXPECT_EQ(chain.count, 5);
  EXPECT_EQ(chain.readable_bytes(), 300U);
  EXPECT_EQ(chain.writable_bytes(), 80U);

  std::vector<std::uint8_t> read(150);
  ASSERT_TRUE(virtio::read_chain(machine.memory, chain, 60, read).ok());
  EXPECT_EQ(read, std::vector<std::uint8_t>(request.begin() + 60, request.begin() + 210));
  const auto answer = pattern(50, 9);
  ASSERT_TRUE(virtio::write_chain(machine.memory, chain, 10, answer).ok());
  EXPECT_EQ(std::memcmp(machine.memory.at(kData + 0x200a), answer.data(), 6), 0);
  EXPECT_EQ(std::memcmp(machine.memory.at(kData + 0x3000), answer.data() + 6, 44), 0);
  EXPECT_EQ(*machine.memory.at(kData + 0x3000 + 44), 0);

  std::vector<std::uint8_t> longer(301);
  EXPECT_EQ(virtio::read_chain(machine.memory, chain, 0, longer).error(), Error::kOutOfRange);
  EXPECT_EQ(virtio::read_chain(machine.memory, chain, 301, {}).error(), Error::kOutOfRange);
  EXPECT_TRUE(virtio::read_chain(machine.memory, chain, 300, {}).ok());
  machine.memory.writes.clear();
  EXPECT_EQ(virtio::write_chain(machine.memory, chain, 31, answer).error(), Error::kOutOfRange);
  EXPECT_EQ(virtio::write_chain(machine.memory, chain, ~0U, answer).error(), Error::kOutOfRange);
  EXPECT_TRUE(machine.memory.writes.empty());

  ASSERT_TRUE(machine.queue.push(machine.memory, chain.head, 60).ok());
  EXPECT_EQ(machine.driver.collect(), (std::vector<Used>{{*head, 60}}));
}

TEST(Virtqueue, LargeBuffersAreCopiedInPiecesThatTheMemoryTakes) {
  Machine machine;
  const auto bytes = pattern(200'000, 3);
  std::memcpy(machine.memory.at(kData), bytes.data(), bytes.size());
  ASSERT_TRUE(machine.driver.add({{kData, 200'000, false}}));
  const Chain chain = machine.pop();
  machine.memory.reads.clear();
  std::vector<std::uint8_t> read(bytes.size());
  ASSERT_TRUE(virtio::read_chain(machine.memory, chain, 0, read).ok());
  EXPECT_EQ(read, bytes);
  for (const auto& [address, size] : machine.memory.reads) EXPECT_LE(size, 65536U) << address;
}

TEST(Virtqueue, EachRingFieldIsReadOnceAndLaterChangesChangeNothing) {
  Machine machine;
  ASSERT_TRUE(machine.driver.add({{kData, 64, false}, {kData + 0x100, 32, true}}));
  const std::uint64_t ring_end = machine.driver.end();
  // The driver turns over every byte as soon as it was read: whoever reads it twice gets another chain.
  machine.memory.after_read = [&](std::uint64_t address, std::size_t size) {
    for (std::size_t i = 0; address < ring_end && i < size; ++i) *machine.memory.at(address + i) ^= 0xff;
  };
  machine.memory.reads.clear();
  const Chain chain = machine.pop();
  EXPECT_EQ(chain.readable_bytes(), 64U);
  EXPECT_EQ(chain.writable_bytes(), 32U);
  EXPECT_EQ(chain.descriptors[0].address.value, kData);
  std::set<std::uint64_t> seen;
  for (const auto& [address, size] : machine.memory.reads) {
    for (std::size_t i = 0; i < size; ++i) EXPECT_TRUE(seen.insert(address + i).second) << address + i;
  }
}

TEST(Virtqueue, TheUsedElementIsWrittenBeforeTheIndex) {
  Machine machine;
  ASSERT_TRUE(machine.driver.add({{kData, 64, true}}));
  const Chain chain = machine.pop();
  machine.memory.writes.clear();
  ASSERT_TRUE(machine.queue.push(machine.memory, chain.head, 5).ok());
  const std::uint64_t used = machine.driver.layout().used.value;
  const std::vector<std::pair<std::uint64_t, std::size_t>> expected{{used + 4, 8}, {used + 2, 2}};
  EXPECT_EQ(machine.memory.writes, expected);
}

TEST(Virtqueue, OnlyWhatWasPoppedCanBePushed) {
  Machine machine;
  EXPECT_EQ(machine.queue.push(machine.memory, 0, 0).error(), Error::kWrongState);
  ASSERT_TRUE(machine.driver.add({{kData, 64, true}}));
  EXPECT_EQ(machine.queue.push(machine.memory, 0, 0).error(), Error::kWrongState);
  const Chain chain = machine.pop();
  EXPECT_EQ(machine.queue.push(machine.memory, 8, 0).error(), Error::kInvalidArgument);
  EXPECT_TRUE(machine.queue.push(machine.memory, chain.head, 0).ok());
  EXPECT_EQ(machine.queue.push(machine.memory, chain.head, 0).error(), Error::kWrongState);
  EXPECT_EQ(machine.driver.collect().size(), 1U);
}

TEST(Virtqueue, AQueueThatIsNotReadyTouchesNothing) {
  Machine machine;
  ASSERT_TRUE(machine.driver.add({{kData, 64, true}}));
  static_cast<void>(machine.pop());
  const std::uint32_t generation = machine.queue.generation();
  machine.queue.reset();
  EXPECT_FALSE(machine.queue.ready());
  EXPECT_NE(machine.queue.generation(), generation);
  machine.memory.reads.clear();
  machine.memory.writes.clear();
  EXPECT_EQ(machine.queue.pop(machine.memory).error(), Error::kWrongState);
  EXPECT_EQ(machine.queue.available(machine.memory).error(), Error::kWrongState);
  EXPECT_EQ(machine.queue.push(machine.memory, 0, 0).error(), Error::kWrongState);
  EXPECT_FALSE(machine.queue.wants_interrupt(machine.memory));
  EXPECT_TRUE(machine.memory.reads.empty() && machine.memory.writes.empty());
}

TEST(Virtqueue, TheDriverSaysWhetherItWantsAnInterrupt) {
  Machine machine;
  EXPECT_TRUE(machine.queue.wants_interrupt(machine.memory));
  machine.memory.put(machine.driver.available_flags(), 1, 2);
  EXPECT_FALSE(machine.queue.wants_interrupt(machine.memory));
  machine.memory.put(machine.driver.available_flags(), 0xfffe, 2);
  EXPECT_TRUE(machine.queue.wants_interrupt(machine.memory));
  Queue outside;
  ASSERT_TRUE(outside.configure({8, base::Ipa{0}, base::Ipa{0x1000}, base::Ipa{0x2000}}).ok());
  EXPECT_FALSE(outside.wants_interrupt(machine.memory));
}

// One honest chain of three descriptors is made available; each row then spoils one thing.
struct Spoiled {
  const char* name;
  Error error;
  void (*spoil)(Machine& machine, std::uint16_t head);
};

std::uint64_t next_of(Machine& machine, std::uint16_t head) { return machine.driver.descriptor(head) + 14; }
std::uint16_t second(Machine& machine, std::uint16_t head) {
  return static_cast<std::uint16_t>(machine.memory.get(next_of(machine, head), 2));
}

const Spoiled kSpoiled[] = {
    {"head is the queue's size", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t) { m.memory.put(m.driver.available_entry(0), 64, 2); }},
    {"head is the largest number", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t) { m.memory.put(m.driver.available_entry(0), 0xffff, 2); }},
    {"next is the queue's size", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) { m.memory.put(next_of(m, head), 64, 2); }},
    {"next is itself", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) { m.memory.put(next_of(m, head), head, 2); }},
    {"last goes on to the first", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) {
       m.memory.put(m.driver.descriptor(second(m, head)) + 12, 1, 2);
       m.memory.put(next_of(m, second(m, head)), head, 2);
     }},
    {"indirect", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) { m.memory.put(m.driver.descriptor(head) + 12, 4, 2); }},
    {"a flag that is not there", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) { m.memory.put(m.driver.descriptor(head) + 12, 0x8001, 2); }},
    {"readable after writable", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) { m.memory.put(m.driver.descriptor(head) + 12, 3, 2); }},
    {"one buffer too large", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) {
       m.memory.put(m.driver.descriptor(head) + 8, virtio::kMaxChainBytes + 1, 4);
     }},
    {"all buffers too large together", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) {
       m.memory.put(m.driver.descriptor(head) + 8, virtio::kMaxChainBytes, 4);
       m.memory.put(m.driver.descriptor(second(m, head)) + 8, 1, 4);
     }},
    {"the largest size", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) { m.memory.put(m.driver.descriptor(head) + 8, 0xffff'ffff, 4); }},
    {"a buffer over the top of the address space", Error::kOutOfRange,
     [](Machine& m, std::uint16_t head) { m.memory.put(m.driver.descriptor(head), ~std::uint64_t{0} - 5, 8); }},
    {"index one too far", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t) { m.memory.put(m.driver.available_index(), 65, 2); }},
    {"index behind", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t) { m.memory.put(m.driver.available_index(), 0xffff, 2); }},
    {"a chain of every descriptor", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) {
       for (std::uint16_t i = 0; i < 64; ++i) {
         const auto index = static_cast<std::uint16_t>((head + i) % 64);
         m.driver.write_descriptor(index, kData, 1, i == 63 ? 0 : 1, static_cast<std::uint16_t>((index + 1) % 64));
       }
     }},
    {"a chain one too long", Error::kInvalidArgument,
     [](Machine& m, std::uint16_t head) {
       for (std::uint16_t i = 0; i <= virtio::kMaxChainLength; ++i) {
         const auto index = static_cast<std::uint16_t>((head + i) % 64);
         m.driver.write_descriptor(index, kData, 1, i == virtio::kMaxChainLength ? 0 : 1,
                                   static_cast<std::uint16_t>((index + 1) % 64));
       }
     }},
};

TEST(Virtqueue, WhatBreaksTheSpecificationIsRefusedAndNothingIsPopped) {
  for (const Spoiled& row : kSpoiled) {
    Machine machine(64);
    const auto head = machine.driver.add({{kData, 64, false}, {kData + 0x100, 32, false}});
    ASSERT_TRUE(head.has_value());
    const std::vector<std::uint8_t> honest(machine.memory.at(kRing), machine.memory.at(machine.driver.end()));
    row.spoil(machine, *head);
    machine.memory.reads.clear();
    const auto chain = machine.queue.pop(machine.memory);
    ASSERT_FALSE(chain.ok()) << row.name;
    EXPECT_EQ(chain.error(), row.error) << row.name;
    EXPECT_LE(machine.memory.reads.size(), 2 + virtio::kMaxChainLength) << row.name;  // bounded, whatever it says
    EXPECT_TRUE(machine.memory.writes.empty()) << row.name;
    EXPECT_EQ(machine.queue.push(machine.memory, *head, 0).error(), Error::kWrongState) << row.name;
    std::memcpy(machine.memory.at(kRing), honest.data(), honest.size());
    EXPECT_EQ(machine.pop().head, *head) << row.name;  // as if nothing had been
  }
}

TEST(Virtqueue, TheLongestAndLargestChainsPass) {
  Machine machine(64);
  std::vector<Buffer> buffers(virtio::kMaxChainLength, Buffer{kData, virtio::kMaxChainBytes / 32, true});
  ASSERT_TRUE(machine.driver.add(buffers));
  const Chain chain = machine.pop();
  EXPECT_EQ(chain.count, virtio::kMaxChainLength);
  EXPECT_EQ(chain.writable_bytes(), virtio::kMaxChainBytes);
}

TEST(Virtqueue, RingsOutsideTheMemoryAreErrors) {
  Machine machine;
  const Queue::Layout good = machine.driver.layout();
  ASSERT_TRUE(machine.driver.add({{kData, 64, true}}));
  for (int part = 0; part < 3; ++part) {
    Queue::Layout layout = good;
    (part == 0 ? layout.descriptors : part == 1 ? layout.available : layout.used) = base::Ipa{0x1000};
    Queue queue;
    ASSERT_TRUE(queue.configure(layout).ok());
    const auto chain = queue.pop(machine.memory);
    if (part < 2) {
      ASSERT_FALSE(chain.ok());
      EXPECT_EQ(chain.error(), Error::kOutOfRange);
    } else {
      ASSERT_TRUE(chain.ok() && chain->has_value());
      EXPECT_EQ(queue.push(machine.memory, (*chain)->head, 0).error(), Error::kOutOfRange);
    }
  }
}

TEST(Virtqueue, MoreChainsThanDescriptorsAreNeverWithTheDevice) {
  Machine machine(4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(machine.driver.add({{kData, 8, true}}));
  EXPECT_EQ(*machine.queue.available(machine.memory), 4);
  for (int i = 0; i < 3; ++i) static_cast<void>(machine.pop());
  EXPECT_EQ(*machine.queue.available(machine.memory), 1);
  machine.driver.announce(0);  // a head that the device holds already
  EXPECT_EQ(machine.queue.available(machine.memory).error(), Error::kInvalidArgument);
  static_cast<void>(machine.pop());  // the fourth: it was announced rightly, and seen, before
  EXPECT_EQ(machine.queue.pop(machine.memory).error(), Error::kInvalidArgument);
  machine.memory.put(machine.driver.available_index(), 2, 2);  // it takes back what was popped
  EXPECT_EQ(machine.queue.pop(machine.memory).error(), Error::kInvalidArgument);
}

// Driver and device take turns at random, long enough for both indices to wrap; requests come as they were sent and
// answers arrive as they were written, whatever the order in which chains are given back.
TEST(Virtqueue, DriverAndDeviceAgreeOverLongRandomRuns) {
  for (const std::uint16_t size : std::initializer_list<std::uint16_t>{1, 2, 8, 64, 256, 1024}) {
    std::mt19937 random(size);
    const auto upto = [&](std::uint32_t most) { return static_cast<std::uint32_t>(random() % (most + 1)); };
    Machine machine(size);
    struct Sent {
      std::vector<std::uint8_t> request;
      std::vector<Buffer> buffers;
      std::vector<std::uint8_t> answer;
    };
    std::map<std::uint32_t, Sent> sent;
    std::deque<std::uint16_t> order;
    std::vector<Chain> held;
    std::size_t done = 0;
    for (int step = 0; step < 1'000'000 && done < 70'000; ++step) {
      switch (random() % 3) {
        case 0: {
          std::vector<Buffer> buffers(1 + upto(std::min<std::uint32_t>(3, size - 1U)));
          const std::size_t readable = upto(static_cast<std::uint32_t>(buffers.size()));
          if (machine.driver.free_descriptors() < buffers.size()) break;
          Sent chain;
          for (std::size_t i = 0; i < buffers.size(); ++i) {
            buffers[i] = {0, upto(40), i >= readable};
          }
          const auto head = machine.driver.add(buffers);
          ASSERT_TRUE(head.has_value());
          std::uint16_t index = *head;
          for (std::size_t i = 0; i < buffers.size(); ++i) {  // each descriptor has 64 bytes of its own
            buffers[i].address = kData + 64U * index;
            machine.memory.put(machine.driver.descriptor(index), buffers[i].address, 8);
            if (!buffers[i].writable) {
              const auto bytes = pattern(buffers[i].size, static_cast<unsigned>(random()));
              if (!bytes.empty()) std::memcpy(machine.memory.at(buffers[i].address), bytes.data(), bytes.size());
              chain.request.insert(chain.request.end(), bytes.begin(), bytes.end());
            }
            index = second(machine, index);
          }
          chain.buffers = buffers;
          sent[*head] = chain;
          order.push_back(*head);
          break;
        }
        case 1: {
          ASSERT_EQ(*machine.queue.available(machine.memory), order.size());
          const auto popped = machine.queue.pop(machine.memory);
          ASSERT_TRUE(popped.ok());
          ASSERT_EQ(popped->has_value(), !order.empty());
          if (order.empty()) break;
          const Chain& chain = **popped;
          ASSERT_EQ(chain.head, order.front());
          order.pop_front();
          std::vector<std::uint8_t> request(chain.readable_bytes());
          ASSERT_TRUE(virtio::read_chain(machine.memory, chain, 0, request).ok());
          ASSERT_EQ(request, sent[chain.head].request);
          held.push_back(chain);
          break;
        }
        default: {
          if (held.empty()) break;
          std::swap(held[random() % held.size()], held.back());
          const Chain chain = held.back();
          held.pop_back();
          Sent& mine = sent[chain.head];
          mine.answer = pattern(upto(chain.writable_bytes()), static_cast<unsigned>(random()));
          ASSERT_TRUE(virtio::write_chain(machine.memory, chain, 0, mine.answer).ok());
          ASSERT_TRUE(
              machine.queue.push(machine.memory, chain.head, static_cast<std::uint32_t>(mine.answer.size())).ok());
          const auto used = machine.driver.collect();
          ASSERT_EQ(used, (std::vector<Used>{{chain.head, static_cast<std::uint32_t>(mine.answer.size())}}));
          std::vector<std::uint8_t> arrived;
          for (const Buffer& buffer : mine.buffers) {
            const std::uint8_t* bytes = machine.memory.at(buffer.address);
            if (buffer.writable) arrived.insert(arrived.end(), bytes, bytes + buffer.size);
          }
          arrived.resize(mine.answer.size());
          ASSERT_EQ(arrived, mine.answer);
          sent.erase(chain.head);
          ++done;
          break;
        }
      }
      machine.memory.reads.clear();
      machine.memory.writes.clear();
    }
    EXPECT_GT(done, 66'000U) << size;  // the indices wrapped
  }
}

}  // namespace
