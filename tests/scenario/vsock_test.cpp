// Sockets between the parent and its enclaves, through the devices on both sides: who reaches whom, what an end tells
// the other side, and memory that has left its owner meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "firmware/enclave/machine_map.hpp"
#include "tests/scenario/virtio_driver.hpp"

namespace scenario {
namespace {

using base::Error;

constexpr base::Intid kParentsInterrupt = board::kBoard.vsock_interrupt;
constexpr std::uint64_t kParentCid = 3;
constexpr std::uint64_t kConsolePort = 10000;
constexpr std::uint32_t kReceiveBuffer = 44 + 4096;
constexpr std::uint64_t kSpace = 0x2000;  // for one buffer; two for a packet that is sent
constexpr std::size_t kReceive = 0, kTransmit = 1;

enum Op : std::uint16_t { kRequest = 1, kResponse = 2, kReset = 3, kShutdown = 4, kData = 5, kCredit = 6 };

// Virtual I/O Device 1.2, 5.10.6: 44 bytes, little-endian.
struct Packet {
  std::uint64_t from_cid{}, to_cid{};
  std::uint32_t from_port{}, to_port{};
  std::uint16_t op{};
  Bytes data{};
  std::uint16_t type{1};
};
Bytes encode(const Packet& packet) {
  Bytes bytes;
  const auto put = [&](std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  put(packet.from_cid, 8);
  put(packet.to_cid, 8);
  put(packet.from_port, 4);
  put(packet.to_port, 4);
  put(packet.data.size(), 4);
  put(packet.type, 2);
  put(packet.op, 2);
  put(0, 4);           // flags
  put(256 * 1024, 4);  // buf_alloc
  put(0, 4);           // fwd_cnt
  bytes.insert(bytes.end(), packet.data.begin(), packet.data.end());
  return bytes;
}
Packet decode(const Bytes& bytes) {
  const auto get = [&](std::size_t at, int size) {
    std::uint64_t value = 0;
    for (int i = size - 1; i >= 0; --i) value = value << 8 | bytes.at(at + static_cast<std::size_t>(i));
    return value;
  };
  EXPECT_EQ(get(24, 4), bytes.size() - 44) << "the length that the device reports is the packet's";
  return {.from_cid = get(0, 8),
          .to_cid = get(8, 8),
          .from_port = static_cast<std::uint32_t>(get(16, 4)),
          .to_port = static_cast<std::uint32_t>(get(20, 4)),
          .op = static_cast<std::uint16_t>(get(30, 2)),
          .data = Bytes(bytes.begin() + 44, bytes.end()),
          .type = static_cast<std::uint16_t>(get(28, 2))};
}

Bytes noise(std::size_t size, std::uint32_t seed) {
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

// One guest's end: its driver, its buffers, and which core does it.
class Port {
 public:
  Port(host::Machine& machine, std::size_t core, std::uint64_t registers, std::uint64_t memory, std::uint16_t size)
      : machine_(&machine),
        core_(core),
        registers_(registers),
        memory_(memory),
        size_(size),
        driver_(registers, memory, 3, size) {}

  [[nodiscard]] GuestCpu cpu() { return machine_->cpu(base::CoreId{static_cast<std::uint8_t>(core_)}); }
  void use_core(std::size_t core) { core_ = core; }
  [[nodiscard]] std::uint64_t cid() { return cpu().read_register(Ipa{registers_ + mmio::kConfig}, 8); }
  [[nodiscard]] VirtioDriver& driver() { return driver_; }
  bool start(std::size_t buffers) {
    next_buffer_ = next_packet_ = 0;
    if (!driver_.start(cpu())) return false;
    for (std::size_t i = 0; i < buffers; ++i) offer();
    driver_.notify(cpu(), kReceive);
    return true;
  }
  // One more buffer for receiving, not notified.
  void offer(std::uint32_t size = kReceiveBuffer) { offer_at(memory_ + 0x1'0000 + (next_buffer_++ % size_) * kSpace, size); }
  void offer_at(std::uint64_t address, std::uint32_t size = kReceiveBuffer) {
    places_[driver_.add(cpu(), kReceive, {{address, size, true}})] = address;
  }
  void kick_receive() { driver_.notify(cpu(), kReceive); }
  void put(const Packet& packet) {  // not notified
    const std::uint64_t place = memory_ + 0x10'0000 + (next_packet_++ % 16) * 0x1'2000;
    const Bytes bytes = encode(packet);
    cpu().write(Ipa{place}, bytes);
    driver_.add(cpu(), kTransmit, {{place, static_cast<std::uint32_t>(bytes.size()), false}});
  }
  void send(const Packet& packet) {
    put(packet);
    driver_.notify(cpu(), kTransmit);
  }
  std::optional<Packet> receive() {
    const auto used = driver_.take_used(cpu(), kReceive);
    if (!used) return std::nullopt;
    return decode(cpu().read_vector(Ipa{places_.at(used->head)}, used->written));
  }
  [[nodiscard]] std::size_t sent() {  // packets that came back since the last look
    std::size_t count = 0;
    while (driver_.take_used(cpu(), kTransmit)) ++count;
    return count;
  }

 private:
  host::Machine* machine_;
  std::size_t core_;
  std::uint64_t registers_;
  std::uint64_t memory_;
  std::uint16_t size_;
  VirtioDriver driver_;
  std::map<std::uint16_t, std::uint64_t> places_;
  std::size_t next_buffer_{};
  std::size_t next_packet_{};
};

std::uint64_t parents_registers() {
  const auto& windows = board::kBoard.mmio;
  return std::find_if(windows.begin(), windows.end(),
                      [](const board::Mmio& each) { return each.parent_view == board::View::kVsock; })
      ->base;
}

constexpr std::uint64_t kParentsMemory = kRam + 2 * kBlock;
constexpr std::uint64_t kEnclaveSize = 4 * kBlock;

class Vsock : public WholeMachine {
 protected:
  void SetUp() override { boot(); }
  // The parent's end, and enclave n's (0, 1) on core n + 1 with CID 16 + n.
  [[nodiscard]] std::uint64_t begin_enclave(std::size_t n, std::uint64_t flags = 0) {
    return run_enclave(parent(), plan(n, flags));
  }
  [[nodiscard]] EnclavePlan plan(std::size_t n, std::uint64_t flags = 0) const {
    return {.address = kDonated + n * kEnclaveSize,
            .size = kEnclaveSize,
            .cores = {n + 1},
            .flags = flags,
            .cid = 16 + n,
            .image_offset = kEnclaveSize / 2};
  }
  [[nodiscard]] Port parents_end(std::size_t buffers = 16, std::uint16_t size = 16) {
    enable_spi(parent(), kParentsInterrupt);
    Port port{machine(), 0, parents_registers(), kParentsMemory, size};
    EXPECT_TRUE(port.start(buffers));
    return port;
  }
  [[nodiscard]] Port enclaves_end(std::size_t n, std::size_t buffers = 16, std::uint16_t size = 16) {
    enable_spi(on(n + 1), enclave::kVsock.interrupt);
    Port port{machine(), n + 1, enclave::kVsock.base, kEnclaveRam + kBlock / 2, size};
    EXPECT_TRUE(port.start(buffers));
    return port;
  }
  static Packet of(std::uint64_t from, std::uint32_t from_port, std::uint64_t to, std::uint32_t to_port, Op op,
                   Bytes data = {}) {
    return {
        .from_cid = from, .to_cid = to, .from_port = from_port, .to_port = to_port, .op = op, .data = std::move(data)};
  }
  // The parent asks, the enclave accepts.
  void connect(Port& parents, Port& enclaves, std::uint64_t cid, std::uint32_t port = 1000) {
    parents.send(of(kParentCid, port, cid, 5000, kRequest));
    expect(enclaves, kRequest, kParentCid);
    enclaves.send(of(cid, 5000, kParentCid, port, kResponse));
    expect(parents, kResponse, cid);
    quiet(parents, kParentsInterrupt);
    quiet(enclaves, enclave::kVsock.interrupt);
  }
  void expect(Port& port, Op op, std::uint64_t from) {
    const auto packet = port.receive();
    ASSERT_TRUE(packet) << "nothing came";
    EXPECT_EQ(packet->op, op);
    EXPECT_EQ(packet->from_cid, from);
  }
  // What a handler does with what has come so far.
  static void quiet(Port& port, base::Intid interrupt) {
    EXPECT_EQ(port.cpu().take_interrupt(), interrupt);
    EXPECT_NE(port.driver().acknowledge(port.cpu()), 0U);
    EXPECT_EQ(port.cpu().take_interrupt(), std::nullopt);
  }
  static Bytes all_data(Port& port) {
    Bytes bytes;
    while (const auto packet = port.receive()) {
      EXPECT_EQ(packet->op, kData);
      bytes.insert(bytes.end(), packet->data.begin(), packet->data.end());
    }
    return bytes;
  }
};

TEST_F(Vsock, TheDevicesSayWhoTheyAre) {
  ASSERT_NE(begin_enclave(0), 0U);
  ASSERT_NE(begin_enclave(1), 0U);
  Port ports[] = {parents_end(), enclaves_end(0), enclaves_end(1)};
  EXPECT_EQ(ports[0].cid(), kParentCid);
  EXPECT_EQ(ports[1].cid(), 16U);
  EXPECT_EQ(ports[2].cid(), 17U);
  for (Port& port : ports) {
    EXPECT_EQ(port.driver().get(port.cpu(), mmio::kMagic), 0x7472'6976U);
    EXPECT_EQ(port.driver().get(port.cpu(), mmio::kDevice), 19U);
  }
}

TEST_F(Vsock, ParentAndTwoEnclavesTalkBothWays) {
  ASSERT_NE(begin_enclave(0), 0U);
  ASSERT_NE(begin_enclave(1), 0U);
  Port parents = parents_end();
  Port enclaves[] = {enclaves_end(0), enclaves_end(1)};
  connect(parents, enclaves[0], 16, 1000);
  connect(parents, enclaves[1], 17, 1001);
  // The other way round as well: a connection that an enclave begins.
  enclaves[1].send(of(17, 6000, kParentCid, 9000, kRequest));
  expect(parents, kRequest, 17);
  parents.send(of(kParentCid, 9000, 17, 6000, kResponse));
  expect(enclaves[1], kResponse, kParentCid);
  for (std::size_t n = 0; n < 2; ++n) {
    const std::uint64_t cid = 16 + n;
    const auto port = static_cast<std::uint32_t>(1000 + n);
    const Bytes down = noise(10'000, 1 + static_cast<std::uint32_t>(n));
    const Bytes up = noise(9'000, 7 + static_cast<std::uint32_t>(n));
    parents.send(of(kParentCid, port, cid, 5000, kData, down));
    EXPECT_EQ(all_data(enclaves[n]), down);
    enclaves[n].send(of(cid, 5000, kParentCid, port, kData, up));
    EXPECT_EQ(all_data(parents), up);
    EXPECT_EQ(parents.cpu().take_interrupt(), kParentsInterrupt);
    (void)parents.driver().acknowledge(parents.cpu());
    EXPECT_EQ(enclaves[n].cpu().take_interrupt(), enclave::kVsock.interrupt);
    (void)enclaves[n].driver().acknowledge(enclaves[n].cpu());
  }
  EXPECT_EQ(all_data(enclaves[0]), Bytes{});
  EXPECT_EQ(all_data(enclaves[1]), Bytes{});
}

TEST_F(Vsock, AnEnclaveReachesTheParentAndNobodyElse) {
  ASSERT_NE(begin_enclave(0), 0U);
  ASSERT_NE(begin_enclave(1, cofferdam_abi::kStartDebug), 0U);
  Port parents = parents_end();
  Port bad = enclaves_end(0);
  Port good = enclaves_end(1);
  connect(parents, good, 17);
  for (const std::uint64_t target :
       {std::uint64_t{17}, std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{16}, std::uint64_t{1} << 32 | 3}) {
    bad.send(of(16, 1, target, target == 0 ? 10017U : 5000U, kRequest));
    expect(bad, kReset, target);
  }
  for (const std::uint64_t source : {std::uint64_t{17}, std::uint64_t{3}, std::uint64_t{0}, std::uint64_t{2}}) {
    bad.send(of(source, 5000, kParentCid, 1000, kData, {1, 2, 3}));
    bad.send(of(source, 5000, kParentCid, 1000, kReset));
    bad.send(of(source, 1000, 17, 5000, kData, {1, 2, 3}));
  }
  EXPECT_EQ(bad.receive(), std::nullopt);
  EXPECT_EQ(good.receive(), std::nullopt);
  EXPECT_EQ(parents.receive(), std::nullopt);
  EXPECT_EQ(bad.sent(), 17U) << "every buffer came back";
  good.send(of(17, 5000, kParentCid, 1000, kData, {4}));
  EXPECT_EQ(all_data(parents), Bytes{4}) << "the connection was nobody else's to end";
}

TEST_F(Vsock, TheParentLearnsOfEveryEnd) {
  const std::function<void(std::uint64_t)> ends[] = {
      [&](std::uint64_t) { EXPECT_THROW((void)on(1).call(Function::kEnclaveExit, {7}), host::LeaveGuest); },
      [&](std::uint64_t uid) { EXPECT_TRUE(parent().call_to_end(Function::kSlotStop, {uid}).ok()); },
      [&](std::uint64_t) {
        EXPECT_THROW(for (int i = 0; i < 200; ++i)(void) on(1).can_read(Ipa{0x1234'5000}), host::LeaveGuest);
      },
      [&](std::uint64_t) { EXPECT_THROW((void)on(1).hvc(cofferdam_abi::kPsciCpuOff), host::LeaveGuest); },
  };
  Port parents = parents_end();
  for (const auto& end : ends) {
    ASSERT_TRUE(parents.start(16));
    const std::uint64_t uid = begin_enclave(0);
    ASSERT_NE(uid, 0U);
    Port enclave = enclaves_end(0);
    connect(parents, enclave, 16, 1000);
    connect(parents, enclave, 16, 1001);
    end(uid);
    EXPECT_EQ(state_of(parent(), uid), cofferdam_abi::SlotState::kStopped);
    std::vector<std::uint32_t> reset;
    while (const auto packet = parents.receive()) {
      EXPECT_EQ(packet->op, kReset);
      EXPECT_EQ(packet->from_cid, 16U);
      reset.push_back(packet->to_port);
    }
    EXPECT_THAT(reset, ::testing::UnorderedElementsAre(1000, 1001));
    quiet(parents, kParentsInterrupt);
    parents.send(of(kParentCid, 1002, 16, 5000, kRequest));
    expect(parents, kReset, 16);
    ASSERT_TRUE(end_enclave(parent(), uid).ok());
  }
}

TEST_F(Vsock, ADriverThatResetsItsDeviceEndsItsConnections) {
  ASSERT_NE(begin_enclave(0), 0U);
  Port parents = parents_end();
  Port enclave = enclaves_end(0);
  connect(parents, enclave, 16);
  enclave.driver().stop(enclave.cpu());
  expect(parents, kReset, 16);
  ASSERT_TRUE(enclave.start(16));
  connect(parents, enclave, 16, 1001);
  parents.driver().stop(parents.cpu());
  expect(enclave, kReset, kParentCid);
}

// A buffer that was the parent's when it was offered, and is another's when it is used.
TEST_F(Vsock, WhatIsNotTheParentsIsNeverWritten) {
  ASSERT_NE(begin_enclave(0), 0U);
  const std::uint64_t donated = kDonated + 3 * kEnclaveSize;
  const std::uint64_t uid = parent().call(Function::kSlotAllocate).x[1];
  const std::uint64_t wrong[] = {
      donated,                        // on the way to another enclave
      kDonated + 3 * kBlock,          // the memory of the one that sends
      donated - 16,                   // half of it is still the parent's
      board::kBoard.gic_distributor,  // registers
      parents_registers(),            // the device's own
      board::kBoard.monitor.base,     // the monitor
      kRam + 64 * kBlock,             // nothing at all
      ~std::uint64_t{0} - 8192,
  };
  const Bytes pattern(kBlock, 0xA5);
  parent().write(Ipa{donated}, pattern);
  parent().write(Ipa{donated - 16}, base::Bytes{pattern}.first(16));
  Port enclave = enclaves_end(0);
  Port parents = parents_end(0);
  bool given = false;
  for (const std::uint64_t address : wrong) {
    ASSERT_TRUE(parents.start(0));
    parents.offer_at(address);
    parents.kick_receive();
    if (!given) {
      ASSERT_TRUE(parent().call(Function::kMemoryDonate, {uid, donated, kBlock}).ok());
      given = true;
    }
    const Bytes enclaves_own = on(1).read_vector(Ipa{kEnclaveRam + 3 * kBlock}, kReceiveBuffer);
    const Bytes the_monitors(machine().memory().at(base::PhysAddr{board::kBoard.monitor.base}),
                             machine().memory().at(base::PhysAddr{board::kBoard.monitor.base}) + 8192);
    enclave.send(of(16, 5000, kParentCid, 1000, kRequest));
    EXPECT_TRUE(parents.driver().needs_reset(parents.cpu())) << std::hex << address;
    EXPECT_EQ(parents.cpu().take_interrupt(), kParentsInterrupt);
    EXPECT_EQ(parents.driver().acknowledge(parents.cpu()), mmio::kConfigChange);
    EXPECT_EQ(on(1).read_vector(Ipa{kEnclaveRam + 3 * kBlock}, kReceiveBuffer), enclaves_own);
    EXPECT_TRUE(std::equal(the_monitors.begin(), the_monitors.end(),
                           machine().memory().at(base::PhysAddr{board::kBoard.monitor.base})));
    const std::uint8_t* memory = machine().memory().at(base::PhysAddr{donated - 16});
    EXPECT_TRUE(std::all_of(memory, memory + 16 + kBlock, [](std::uint8_t byte) { return byte == 0xA5; }));
    EXPECT_FALSE(enclave.driver().needs_reset(enclave.cpu())) << "it has done nothing wrong";
    while (enclave.receive()) {
      enclave.offer();
      enclave.kick_receive();
    }
  }
  ASSERT_TRUE(parents.start(16));
  connect(parents, enclave, 16);
}

// What the parent sends out of memory that it has given away meanwhile is not sent.
TEST_F(Vsock, WhatTheParentHasDonatedIsNotSent) {
  ASSERT_NE(begin_enclave(0), 0U);
  Port enclave = enclaves_end(0, 1);  // takes the request, and then nothing
  Port parents = parents_end();
  parents.send(of(kParentCid, 1000, 16, 5000, kRequest));
  expect(enclave, kRequest, kParentCid);
  enclave.send(of(16, 5000, kParentCid, 1000, kResponse));
  const std::uint64_t donated = kDonated + 3 * kEnclaveSize;
  const Bytes packet = encode(of(kParentCid, 1000, 16, 5000, kData, noise(100, 3)));
  parent().write(Ipa{donated}, packet);
  parents.driver().add(parents.cpu(), kTransmit, {{donated, static_cast<std::uint32_t>(packet.size()), false}});
  parents.driver().notify(parents.cpu(), kTransmit);
  const std::uint64_t uid = parent().call(Function::kSlotAllocate).x[1];
  ASSERT_TRUE(parent().call(Function::kMemoryDonate, {uid, donated, kBlock}).ok());
  enclave.offer();
  enclave.offer();
  enclave.kick_receive();
  EXPECT_TRUE(parents.driver().needs_reset(parents.cpu()));
  expect(enclave, kReset, kParentCid);
  EXPECT_EQ(enclave.receive(), std::nullopt);
}

TEST_F(Vsock, AnEnclavesRingsAreItsOwnMemory) {
  ASSERT_NE(begin_enclave(0), 0U);
  Port parents = parents_end();
  Port enclave = enclaves_end(0);
  const Bytes before = parent().read_vector(Ipa{kRam + 6 * kBlock}, 0x4000);
  for (const std::uint64_t address :
       {kRam + 6 * kBlock, kDonated, enclave::kNsm.base, kEnclaveRam + kEnclaveSize - 32}) {
    ASSERT_TRUE(enclave.start(0));
    enclave.offer_at(address);
    enclave.kick_receive();
    parents.send(of(kParentCid, 1000, 16, 5000, kRequest));
    EXPECT_TRUE(enclave.driver().needs_reset(enclave.cpu())) << std::hex << address;
    expect(parents, kReset, 16);
    EXPECT_FALSE(parents.driver().needs_reset(parents.cpu()));
    EXPECT_EQ(parent().read_vector(Ipa{kRam + 6 * kBlock}, 0x4000), before);
  }
}

TEST_F(Vsock, TheNextEnclaveWithTheCidBeginsAnew) {
  Port parents = parents_end();
  std::uint64_t uid = begin_enclave(0);
  {
    Port enclave = enclaves_end(0);
    connect(parents, enclave, 16);
  }
  ASSERT_TRUE(end_enclave(parent(), uid).ok());
  expect(parents, kReset, 16);
  uid = begin_enclave(0);
  ASSERT_NE(uid, 0U);
  parents.send(of(kParentCid, 1000, 16, 5000, kData, {1}));
  expect(parents, kReset, 16);  // its driver is not up
  Port enclave = enclaves_end(0);
  parents.send(of(kParentCid, 1000, 16, 5000, kData, {2}));
  expect(parents, kReset, 16);  // nobody has asked for this connection
  EXPECT_EQ(enclave.receive(), std::nullopt);
  EXPECT_EQ(enclave.driver().acknowledge(enclave.cpu()), 0U);
  (void)parents.cpu().take_interrupt();
  (void)parents.driver().acknowledge(parents.cpu());
  connect(parents, enclave, 16);
}

// An enclave that is stopping has its CID and its device until its last core has left.
TEST(VsockCid, IsTakenUntilItsOwnerHasStopped) {
  host::Machine machine({.handover = support::handover_bytes(board::kBoard.digest)});
  bool done = false;
  machine.set_program(base::partition_of(base::SlotIndex{0}), [](GuestCpu& cpu) {
    for (;;) cpu.relax();
  });
  machine.set_program(base::kParent, [&](GuestCpu& cpu) {
    const std::uint64_t first = run_enclave(cpu, {});
    const EnclavePlan plan{.address = kDonated + kEnclaveSize, .cores = {2}};
    const std::uint64_t second = build_enclave(cpu, plan);
    ASSERT_TRUE(first != 0 && second != 0);
    EXPECT_EQ(cpu.call(Function::kSlotStop, {first}).error(), error_number(Error::kInProgress));
    for (int i = 0; i < 50; ++i) {  // nobody else runs meanwhile
      EXPECT_EQ(cpu.call(Function::kSlotStart, {second, 0, plan.cid, plan.image_offset}).error(),
                error_number(Error::kInvalidArgument));
    }
    EXPECT_EQ(state_of(cpu, first), cofferdam_abi::SlotState::kStopping);
    EXPECT_TRUE(cpu.call_to_end(Function::kSlotStop, {first}).ok());
    EXPECT_TRUE(start_enclave(cpu, second, plan).ok()) << "who has stopped has none";
    done = true;
    (void)cpu.hvc(cofferdam_abi::kPsciSystemOff);
  });
  machine.boot();
  EXPECT_TRUE(done) << machine.console();
  EXPECT_EQ(machine.power_state(), host::PowerState::kOff) << machine.console();
  machine.shutdown();
}

// ---- the console of a debug enclave

class VsockConsole : public Vsock {
 protected:
  void print(std::string_view line) {
    for (const char character : line) {
      on(1).write_register(Ipa{enclave::kConsole.base}, 1, static_cast<std::uint8_t>(character));
    }
  }
  std::string console_of(Port& parents, std::uint32_t port, bool* ended = nullptr) {
    std::string seen;
    while (const auto packet = parents.receive()) {
      EXPECT_EQ(packet->from_cid, 0U);
      EXPECT_EQ(packet->to_port, port);
      seen.append(packet->data.begin(), packet->data.end());
      if (packet->op == kReset && ended != nullptr) *ended = true;
    }
    return seen;
  }
};

TEST_F(VsockConsole, IsReadWhileTheEnclaveRunsAndAfterItsEnd) {
  Port parents = parents_end();
  const std::uint64_t uid = begin_enclave(0, cofferdam_abi::kStartDebug);
  ASSERT_NE(uid, 0U);
  print("first\n");
  parents.send(of(kParentCid, 1000, 0, kConsolePort + 16, kRequest));
  expect(parents, kResponse, 0);
  EXPECT_EQ(console_of(parents, 1000), "first\n");
  quiet(parents, kParentsInterrupt);
  print("second\nlogin: ");
  std::string seen = console_of(parents, 1000);
  EXPECT_THAT(seen, ::testing::StartsWith("second\n"));
  machine().pass_ticks(10'000'000);
  seen += console_of(parents, 1000);
  EXPECT_EQ(seen, "second\nlogin: ") << "a prompt has no end of line";
  quiet(parents, kParentsInterrupt);
  print("last words");
  EXPECT_THROW((void)on(1).call(Function::kEnclaveExit, {0}), host::LeaveGuest);
  bool ended = false;
  EXPECT_EQ(console_of(parents, 1000, &ended), "last words");
  EXPECT_TRUE(ended);
  ASSERT_TRUE(parents.start(16));
  parents.send(of(kParentCid, 1001, 0, kConsolePort + 16, kRequest));
  ended = false;
  EXPECT_EQ(console_of(parents, 1001, &ended), "first\nsecond\nlogin: last words");
  EXPECT_TRUE(ended);
  ASSERT_TRUE(parent().call_to_end(Function::kSlotFree, {uid}).ok());
  parents.send(of(kParentCid, 1002, 0, kConsolePort + 16, kRequest));
  expect(parents, kReset, 0);
}

// Its serial port is there, for AWS's init opens /dev/console, and is a sink: nothing of it leaves, while it runs or after.
TEST_F(VsockConsole, OfAProductionEnclaveNothingLeaves) {
  Port parents = parents_end();
  const std::uint64_t uid = begin_enclave(0);
  ASSERT_NE(uid, 0U);
  const std::string before = machine().console();
  print("secret\n");
  constexpr std::uint64_t kLineStatus = 5;
  EXPECT_EQ(on(1).read_register(Ipa{enclave::kConsole.base + kLineStatus}, 1), 0x60U) << "empty, and nothing received";
  EXPECT_EQ(on(1).read_register(Ipa{enclave::kConsole.base}, 1), 0U);
  const auto nothing_leaves = [&](std::uint32_t port) {
    parents.send(of(kParentCid, port, 0, kConsolePort + 16, kRequest));
    expect(parents, kReset, 0);
    machine().pass_ticks(10'000'000);
    EXPECT_EQ(parents.receive(), std::nullopt);
  };
  nothing_leaves(1000);
  EXPECT_EQ(machine().console(), before);
  print("last words");
  EXPECT_THROW((void)on(1).call(Function::kEnclaveExit, {0}), host::LeaveGuest);
  ASSERT_TRUE(parents.start(16));
  nothing_leaves(1001);
  EXPECT_EQ(machine().console().find("secret"), std::string::npos);
  // The next one of the slot has a console, and reads nothing of the one before.
  ASSERT_TRUE(end_enclave(parent(), uid).ok());
  ASSERT_NE(begin_enclave(0, cofferdam_abi::kStartDebug), 0U);
  print("mine\n");
  parents.send(of(kParentCid, 1002, 0, kConsolePort + 16, kRequest));
  EXPECT_EQ(console_of(parents, 1002), "mine\n");
}

TEST_F(VsockConsole, TheNextEnclaveOfTheSlotHasItsOwn) {
  Port parents = parents_end();
  const std::uint64_t uid = begin_enclave(0, cofferdam_abi::kStartDebug);
  print("of the first one\n");
  ASSERT_TRUE(end_enclave(parent(), uid).ok());
  ASSERT_NE(begin_enclave(0, cofferdam_abi::kStartDebug), 0U);
  print("of the second one\n");
  parents.send(of(kParentCid, 1000, 0, kConsolePort + 16, kRequest));
  EXPECT_EQ(console_of(parents, 1000), "of the second one\n");
}

TEST_F(VsockConsole, ItsTransmitterInterruptComes) {
  ASSERT_NE(begin_enclave(0, cofferdam_abi::kStartDebug), 0U);
  enable_spi(on(1), enclave::kConsole.interrupt);
  EXPECT_EQ(on(1).take_interrupt(), std::nullopt);
  on(1).write_register(Ipa{enclave::kConsole.base + 1}, 1, 2);  // IER: transmitter empty
  EXPECT_EQ(on(1).take_interrupt(), enclave::kConsole.interrupt);
  EXPECT_EQ(on(1).read_register(Ipa{enclave::kConsole.base + 2}, 1) & 0xF, 2U);  // IIR says so, and that ends it
  EXPECT_EQ(on(1).take_interrupt(), std::nullopt);
}

// ---- who does the work

class VsockWork : public Vsock {
 protected:
  static constexpr std::size_t kPackets = 3;  // of 64 KiB: more than one trap moves
  void start_parents_core(std::size_t core) {
    EXPECT_EQ(parent().hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(core), kRam, 0}).x[0], 0U);
    EXPECT_TRUE(machine().driven(base::CoreId{static_cast<std::uint8_t>(core)}));
  }
  void start_all_cores() {
    for (std::size_t core = 1; core < board::kBoard.cores.size(); ++core) {
      if (!machine().driven(base::CoreId{static_cast<std::uint8_t>(core)})) start_parents_core(core);
    }
  }
  [[nodiscard]] Bytes send_much(Port& parents) {
    Bytes all;
    for (std::size_t i = 0; i < kPackets; ++i) {
      const Bytes data = noise(0x1'0000, static_cast<std::uint32_t>(i));
      parents.put(of(kParentCid, 1000, 16, 5000, kData, data));
      all.insert(all.end(), data.begin(), data.end());
    }
    parents.driver().notify(parents.cpu(), kTransmit);
    return all;
  }
};

TEST_F(VsockWork, AParkedCoreMovesWhatOneTrapDoesNot) {
  ASSERT_NE(begin_enclave(0), 0U);
  Port parents = parents_end();
  Port enclave = enclaves_end(0, 64, 64);
  connect(parents, enclave, 16);
  const Bytes all = send_much(parents);
  EXPECT_EQ(all_data(enclave), all);
  EXPECT_EQ(parents.sent(), 1 + kPackets);
}

TEST_F(VsockWork, WhereNoneIsParkedTheCoreComesBackByItself) {
  ASSERT_NE(begin_enclave(0), 0U);
  Port parents = parents_end();
  Port enclave = enclaves_end(0, 64, 64);
  connect(parents, enclave, 16);
  start_all_cores();
  const Bytes all = send_much(parents);
  Bytes seen = all_data(enclave);
  EXPECT_LT(seen.size(), all.size()) << "one trap is bounded";
  machine().pass_ticks(10'000'000);
  const Bytes rest = all_data(enclave);
  seen.insert(seen.end(), rest.begin(), rest.end());
  EXPECT_EQ(seen, all);
}

// Packets that are dropped: nothing but moving them is left to do.
class VsockFlood : public VsockWork {
 protected:
  static constexpr std::size_t kFlood = 250;  // more than a few traps move
  static constexpr std::uint64_t kPieceIn = 60;  // microseconds, of 1,000 ticks each
  void flood(Port& port) {
    for (std::size_t i = 0; i < kFlood; ++i) port.put(of(99, 1, kParentCid, 1, kData));
    port.driver().notify(port.cpu(), kTransmit);
  }
  [[nodiscard]] std::vector<std::size_t> come_back() {  // the cores that do
    std::vector<std::size_t> cores;
    for (const auto& core : machine().cores()) {
      if (core->alarm) cores.push_back(core->id.value);
    }
    return cores;
  }
};

TEST_F(VsockFlood, IsMovedByItsOwnCore) {
  ASSERT_NE(begin_enclave(0), 0U);
  Port parents = parents_end();
  Port enclave = enclaves_end(0, 16, 256);
  start_all_cores();
  ASSERT_THAT(come_back(), ::testing::IsEmpty());
  flood(enclave);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(come_back(), ::testing::ElementsAre(1));
    parents.kick_receive();  // its core does a piece, as every notification does, and not the rest
  }
  EXPECT_THAT(come_back(), ::testing::ElementsAre(1));
  const std::size_t moved_before = enclave.sent();
  EXPECT_LT(moved_before, kFlood);
  for (int i = 0; i < 10; ++i) machine().pass_ticks(kPieceIn * 1000);
  machine().pass_ticks(10'000'000);  // its driver is told of its buffers
  EXPECT_THAT(come_back(), ::testing::IsEmpty());
  EXPECT_EQ(moved_before + enclave.sent(), kFlood);
}

TEST_F(VsockFlood, OfSeveralIsMovedByEachOfThem) {
  ASSERT_NE(begin_enclave(0), 0U);
  ASSERT_NE(begin_enclave(1), 0U);
  Port parents = parents_end();
  Port enclaves[] = {enclaves_end(0, 16, 256), enclaves_end(1, 16, 256)};
  start_all_cores();
  flood(enclaves[0]);
  flood(enclaves[1]);
  parents.kick_receive();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(come_back(), ::testing::ElementsAre(1, 2));
    machine().pass_ticks(kPieceIn * 1000);
  }
}

// What began on a core that has no part in it goes over to one that has.
TEST_F(VsockFlood, IsHandedToItsOwnCore) {
  ASSERT_NE(begin_enclave(0), 0U);
  Port parents = parents_end(0);  // so that the first packet waits in the switch
  Port enclave = enclaves_end(0, 16, 256);
  start_all_cores();
  enclave.send(of(16, 1, kParentCid, 1, kRequest));
  flood(enclave);
  EXPECT_THAT(come_back(), ::testing::IsEmpty());
  parents.offer();
  parents.kick_receive();
  EXPECT_THAT(come_back(), ::testing::ElementsAre(1));
}

// A ring of small buffers for a packet of 64 KiB is a flood too, of whoever offers them.
TEST_F(VsockFlood, OfBuffersIsMovedByItsOwnCore) {
  ASSERT_NE(begin_enclave(0), 0U);
  ASSERT_NE(begin_enclave(1), 0U);
  Port parents = parents_end();
  Port taker = enclaves_end(0, 1, 256);
  Port other = enclaves_end(1);
  connect(parents, taker, 16);
  start_all_cores();
  parents.send(of(kParentCid, 1000, 16, 5000, kData, noise(0x1'0000, 1)));
  machine().pass_ticks(10'000'000);
  ASSERT_THAT(come_back(), ::testing::IsEmpty());
  for (int i = 0; i < 250; ++i) taker.offer(45);
  taker.kick_receive();
  EXPECT_THAT(come_back(), ::testing::ElementsAre(1));
  other.kick_receive();
  parents.kick_receive();
  EXPECT_THAT(come_back(), ::testing::ElementsAre(1));
}

// The parent has no buffers: an enclave whose packet waits for one can't go on, and others' packets are not its affair.
TEST_F(VsockFlood, IsNotMovedByWhoWaits) {
  ASSERT_NE(begin_enclave(0), 0U);
  ASSERT_NE(begin_enclave(1), 0U);
  Port parents = parents_end(0);
  Port enclaves[] = {enclaves_end(0, 16, 256), enclaves_end(1)};
  start_all_cores();
  for (std::uint32_t port = 1; port < 4; ++port) enclaves[1].put(of(17, port, kParentCid, 1, kRequest));
  enclaves[1].driver().notify(enclaves[1].cpu(), kTransmit);
  machine().pass_ticks(10'000'000);
  flood(enclaves[0]);
  enclaves[1].kick_receive();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(come_back(), ::testing::ElementsAre(1));
    machine().pass_ticks(kPieceIn * 1000);
  }
}

TEST_F(VsockWork, ACoreThatGoesLeavesNothingUndone) {
  ASSERT_NE(begin_enclave(0), 0U);
  Port parents = parents_end();
  Port enclave = enclaves_end(0, 64, 64);
  connect(parents, enclave, 16);
  start_all_cores();
  parents.use_core(3);
  const Bytes all = send_much(parents);
  Bytes seen = all_data(enclave);
  EXPECT_LT(seen.size(), all.size());
  EXPECT_THROW((void)on(3).hvc(cofferdam_abi::kPsciCpuOff), host::LeaveGuest);  // no time passes
  const Bytes rest = all_data(enclave);
  seen.insert(seen.end(), rest.begin(), rest.end());
  EXPECT_EQ(seen, all);
}

TEST_F(VsockWork, AnEnclaveThatEndsIsToldOfWhereNoCoreIsParked) {
  const std::uint64_t uid = begin_enclave(0);
  ASSERT_NE(uid, 0U);
  Port parents = parents_end();
  Port enclave = enclaves_end(0);
  connect(parents, enclave, 16);
  start_all_cores();
  EXPECT_THROW((void)on(1).call(Function::kEnclaveExit, {0}), host::LeaveGuest);
  expect(parents, kReset, 16);
  quiet(parents, kParentsInterrupt);
}

TEST_F(VsockWork, AnEnclaveThatTakesNothingHoldsNobodyUp) {
  ASSERT_NE(begin_enclave(0), 0U);
  ASSERT_NE(begin_enclave(1), 0U);
  Port parents = parents_end();
  Port slow = enclaves_end(0, 1);
  Port quick = enclaves_end(1);
  connect(parents, slow, 16, 1000);
  connect(parents, quick, 17, 1001);
  EXPECT_EQ(parents.sent(), 2U);
  for (int i = 0; i < 16; ++i) parents.put(of(kParentCid, 1000, 16, 5000, kData, {9}));
  parents.driver().notify(parents.cpu(), kTransmit);
  for (int i = 0; i < 200 && parents.sent() == 0; ++i) machine().pass_ticks(1'000'000);
  expect(parents, kReset, 16);
  parents.send(of(kParentCid, 1001, 17, 5000, kData, {8}));
  EXPECT_EQ(all_data(quick), Bytes{8});
}

}  // namespace
}  // namespace scenario
