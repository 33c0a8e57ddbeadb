// The enclave's NSM behind virtio, as a driver meets it: formats, refusals, and the same registers as kNsmRequest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string_view>

#include "firmware/crypto/sha384.hpp"
#include "firmware/enclave/machine_map.hpp"
#include "tests/scenario/virtio_driver.hpp"
#include "tools/cofferdam/verify.hpp"

namespace scenario {
namespace {

constexpr std::uint64_t kRegisters = enclave::kNsm.base;
constexpr std::uint64_t kRings = kEnclaveRam + kBlock / 2 + 0x1'0000;
constexpr std::uint64_t kRequests = kRings + 0x1'0000;   // 8 KiB for each command
constexpr std::uint64_t kResponses = kRings + 0x3'0000;  // 12 KiB for each command
constexpr std::uint32_t kRoom = 0x3000;                  // what Linux's driver offers for a response
constexpr std::uint8_t kUntouched = 0xEE;

Bytes text(std::string_view characters) {  // CBOR: a text of up to 23 characters
  Bytes bytes(1 + characters.size());
  bytes[0] = static_cast<std::uint8_t>(0x60 + characters.size());
  std::copy(characters.begin(), characters.end(), bytes.begin() + 1);
  return bytes;
}
Bytes operator+(const Bytes& a, const Bytes& b) {
  Bytes sum;
  for (const Bytes* part : {&a, &b}) {
    for (const std::uint8_t byte : *part) sum.push_back(byte);
  }
  return sum;
}
Bytes error(std::string_view name) { return Bytes{0xA1} + text("Error") + text(name); }
Bytes extend(std::uint8_t index, const Bytes& data) {
  return Bytes{0xA1} + text("ExtendPCR") + Bytes{0xA2} + text("index") + Bytes{index} + text("data") +
         Bytes{static_cast<std::uint8_t>(0x40 + data.size())} + data;
}
Bytes describe_pcr(std::uint8_t index) {
  return Bytes{0xA1} + text("DescribePCR") + Bytes{0xA1} + text("index") + Bytes{index};
}
// The register that an answer to ExtendPCR or DescribePCR ends with.
Bytes pcr_of(const Bytes& response) {
  return response.size() < 48 ? Bytes{} : Bytes(response.end() - 48, response.end());
}

class NsmDevice : public WholeMachine {
 protected:
  void SetUp() override {
    boot();
    uid_ = run_enclave(parent(), {});
    ASSERT_NE(uid_, 0U);
    enable_spi(enclave(), enclave::kNsm.interrupt);
  }
  [[nodiscard]] GuestCpu enclave() { return on(1); }
  // The two chains of a command, as Linux's driver makes them; its request lies at place `n`.
  void submit(const Bytes& request, std::size_t n = 0, std::uint32_t room = kRoom) {
    enclave().write(Ipa{kRequests + n * 0x2000}, request);
    enclave().write(Ipa{kResponses + n * kRoom}, Bytes(kRoom, kUntouched));
    driver_.add(enclave(), 0, {{kRequests + n * 0x2000, static_cast<std::uint32_t>(request.size()), false}});
    driver_.add(enclave(), 0, {{kResponses + n * kRoom, room, true}});
  }
  // The response to the oldest command, of place `n`; both chains must have come back, in order.
  Bytes response(std::size_t n = 0) {
    const auto out = driver_.take_used(enclave(), 0);
    const auto in = driver_.take_used(enclave(), 0);
    if (!out || !in) {
      ADD_FAILURE() << "the command did not come back";
      return {};
    }
    EXPECT_EQ(out->written, 0U);
    EXPECT_EQ(in->head, (out->head + 1) % 16);
    EXPECT_LE(in->written, kRoom);
    const Bytes whole = enclave().read_vector(Ipa{kResponses + n * kRoom}, kRoom);
    EXPECT_THAT(Bytes(whole.begin() + in->written, whole.end()), ::testing::Each(kUntouched)) << "behind the response";
    return {whole.begin(), whole.begin() + in->written};
  }
  Bytes ask(const Bytes& request) {
    submit(request);
    driver_.notify(enclave(), 0);
    return response();
  }
  // Works again after a reset, and the enclave's other door was open all the time.
  void expect_works() {
    EXPECT_EQ(ask_nsm(enclave(), text("DescribeNSM")).error, 0);
    ASSERT_TRUE(fresh());
    EXPECT_EQ(ask(text("DescribeNSM")), ask_nsm(enclave(), text("DescribeNSM")).response);
  }
  bool fresh() {
    driver_ = VirtioDriver{kRegisters, kRings, 1, 16};
    return driver_.start(enclave());
  }

  std::uint64_t uid_{};
  VirtioDriver driver_{kRegisters, kRings, 1, 16};
};

TEST_F(NsmDevice, IsAVirtioDeviceOfItsKind) {
  EXPECT_EQ(driver_.get(enclave(), mmio::kMagic), 0x7472'6976U);
  EXPECT_EQ(driver_.get(enclave(), mmio::kVersion), 2U);
  EXPECT_EQ(driver_.get(enclave(), mmio::kDevice), 33U);
  driver_.set(enclave(), mmio::kFeaturesSelect, 1);
  EXPECT_EQ(driver_.get(enclave(), mmio::kFeatures), 1U) << "VERSION_1 and nothing else";
  driver_.set(enclave(), mmio::kFeaturesSelect, 0);
  EXPECT_EQ(driver_.get(enclave(), mmio::kFeatures), 0U);
  driver_.set(enclave(), mmio::kQueueSelect, 1);
  EXPECT_EQ(driver_.get(enclave(), mmio::kQueueMax), 0U) << "one queue";
  EXPECT_FALSE(enclave().can_read(Ipa{kRegisters + 4})) << "registers are words";
}

TEST_F(NsmDevice, AnswersWithBothChainsItsExactLengthAndOneInterrupt) {
  ASSERT_TRUE(fresh());
  const Bytes answer = ask(text("DescribeNSM"));
  EXPECT_EQ(answer, ask_nsm(enclave(), text("DescribeNSM")).response);
  EXPECT_THAT(Bytes(answer.begin(), answer.begin() + 13), Bytes{0xA1} + text("DescribeNSM"));
  EXPECT_EQ(enclave().take_interrupt(), enclave::kNsm.interrupt);
  EXPECT_EQ(driver_.acknowledge(enclave()), mmio::kUsedBuffer);
  EXPECT_EQ(enclave().take_interrupt(), std::nullopt);
  EXPECT_EQ(driver_.get(enclave(), mmio::kInterruptStatus), 0U);
}

TEST_F(NsmDevice, OneChainWithBothPartsIsACommandAsWell) {
  ASSERT_TRUE(fresh());
  const Bytes request = text("DescribeNSM");
  enclave().write(Ipa{kRequests}, request);
  const std::uint16_t head = driver_.add(enclave(), 0,
                                         {{kRequests, 4, false},
                                          {kRequests + 4, static_cast<std::uint32_t>(request.size() - 4), false},
                                          {kResponses, 7, true},
                                          {kResponses + 7, kRoom - 7, true}});
  driver_.notify(enclave(), 0);
  const Bytes expected = ask_nsm(enclave(), request).response;
  EXPECT_EQ(driver_.take_used(enclave(), 0), (Used{head, static_cast<std::uint32_t>(expected.size())}));
  EXPECT_EQ(enclave().read_vector(Ipa{kResponses}, expected.size()), expected);
}

TEST_F(NsmDevice, WaitsForTheSecondChain) {
  ASSERT_TRUE(fresh());
  const Bytes request = text("DescribeNSM");
  enclave().write(Ipa{kRequests}, request);
  driver_.add(enclave(), 0, {{kRequests, static_cast<std::uint32_t>(request.size()), false}});
  driver_.notify(enclave(), 0);
  EXPECT_EQ(driver_.take_used(enclave(), 0), std::nullopt);
  EXPECT_EQ(enclave().take_interrupt(), std::nullopt);
  enclave().write(Ipa{kResponses}, Bytes(kRoom, kUntouched));
  driver_.add(enclave(), 0, {{kResponses, kRoom, true}});
  driver_.notify(enclave(), 0);
  EXPECT_EQ(response(), ask_nsm(enclave(), request).response);
}

TEST_F(NsmDevice, AnAttestationVerifies) {
  ASSERT_TRUE(fresh());
  const Bytes nonce(32, 0x42);
  const Bytes answer = ask(attestation_request(nonce));
  ASSERT_GT(answer.size(), 26U);
  cofferdam::VerifyOptions options;
  options.anchors.roots = {support::development_identity(board::kBoard.digest).root_certificate};
  options.time = 1'790'000'000;
  options.nonce = nonce;
  options.allow_development = true;
  // {"Attestation": {"document": bytes of a two-byte length}}
  const cofferdam::Report report = cofferdam::verify_document(Bytes(answer.begin() + 26, answer.end()), options);
  ASSERT_TRUE(report.document);
  EXPECT_FALSE(report.refused) << "the document and nothing behind it";
}

TEST_F(NsmDevice, TheRegistersAreThoseOfTheCall) {
  ASSERT_TRUE(fresh());
  const Bytes first = pcr_of(ask(extend(16, {1, 2, 3})));
  EXPECT_EQ(pcr_of(ask_nsm(enclave(), describe_pcr(16)).response), first);
  EXPECT_NE(first, Bytes(48, 0));
  const Bytes second = pcr_of(ask_nsm(enclave(), extend(16, {4})).response);
  EXPECT_EQ(pcr_of(ask(describe_pcr(16))), second);
  EXPECT_NE(second, first);
  EXPECT_EQ(ask(extend(0, {1})), error("ReadOnlyIndex"));
}

TEST_F(NsmDevice, ALongRequestIsTooLarge) {
  ASSERT_TRUE(fresh());
  for (const std::size_t size : {4097U, 8192U}) EXPECT_EQ(ask(Bytes(size, 0x61)), error("InputTooLarge")) << size;
  EXPECT_NE(ask(Bytes(4096, 0x61)), error("InputTooLarge"));
  EXPECT_FALSE(driver_.needs_reset(enclave()));
}

TEST_F(NsmDevice, AResponseThatDoesNotFitChangesNothing) {
  ASSERT_TRUE(fresh());
  const Bytes before = pcr_of(ask(describe_pcr(17)));
  submit(attestation_request(Bytes(16, 1)), 0, 1024);  // room for the error only
  driver_.notify(enclave(), 0);
  EXPECT_EQ(response(), error("InputTooLarge"));
  submit(extend(17, {1}), 0, 40);
  driver_.notify(enclave(), 0);
  EXPECT_EQ(response(), error("BufferTooSmall"));
  for (const std::uint32_t room : {20U, 0U}) {  // not even for the error
    submit(extend(17, {1}), 0, room);
    (void)enclave().take_interrupt();
    (void)driver_.acknowledge(enclave());
    driver_.notify(enclave(), 0);
    EXPECT_EQ(response(), Bytes{}) << "both chains, and no bytes";
    EXPECT_EQ(enclave().take_interrupt(), enclave::kNsm.interrupt);
  }
  EXPECT_FALSE(driver_.needs_reset(enclave()));
  EXPECT_EQ(pcr_of(ask(describe_pcr(17))), before) << "the next one is answered";
}

// Linux's driver passes on what any process asks for with one ioctl, and never resets the device.
TEST_F(NsmDevice, ARequestOfNoBytesIsAnInvalidOperation) {
  ASSERT_TRUE(fresh());
  EXPECT_EQ(ask({}), error("InvalidOperation"));
  EXPECT_FALSE(driver_.needs_reset(enclave()));
  EXPECT_EQ(ask(text("DescribeNSM")), ask_nsm(enclave(), text("DescribeNSM")).response);
}

TEST_F(NsmDevice, ManyRequestsAtOnceAreAllAnswered) {
  ASSERT_TRUE(fresh());
  Bytes value(48, 0);
  for (std::uint8_t n = 0; n < 8; ++n) submit(extend(18, {n}), n);
  driver_.notify(enclave(), 0);
  Bytes last;
  for (std::uint8_t n = 0; n < 8; ++n) {
    const Bytes next = pcr_of(response(n));
    EXPECT_EQ(next.size(), 48U);
    EXPECT_NE(next, last);
    last = next;
  }
  EXPECT_EQ(pcr_of(ask_nsm(enclave(), describe_pcr(18)).response), last) << "each counted, in order";
  EXPECT_EQ(driver_.take_used(enclave(), 0), std::nullopt);
}

TEST_F(NsmDevice, ABrokenRingAsksForAResetAndTouchesNothing) {
  const std::uint64_t parents = kRam + 6 * kBlock;
  const std::uint64_t nobodys[] = {parents,                             // RAM of the parent's
                                   enclave::kConsole.base & ~0xFFFULL,  // a device, not memory
                                   board::kBoard.gic_distributor,       // registers
                                   kEnclaveRam + 2 * kBlock,            // just behind its memory
                                   kDonated,                            // its own memory by the parent's address
                                   0,
                                   ~std::uint64_t{0xFFFF}};
  const Bytes pattern(0x4000, 0x5A);
  parent().write(Ipa{parents}, pattern);
  int experiments = 0;
  for (const std::uint64_t wrong : nobodys) {
    for (int what = 0; what < 5; ++what) {
      driver_ = VirtioDriver{kRegisters, kRings, 1, 16};
      Ring& ring = driver_.ring(0);
      if (what == 0) ring.available = wrong;
      if (what == 1) ring.used = wrong;
      ASSERT_TRUE(driver_.start(enclave())) << std::hex << wrong;
      if (what == 0) {
        driver_.notify(enclave(), 0);
      } else if (what == 1) {
        // Only seen when the answer is pushed: by then it is written, into memory of the enclave's own.
        ring.used = kRings + 0x2000;
        submit(text("DescribeNSM"));
        driver_.notify(enclave(), 0);
      } else {
        enclave().write(Ipa{kRequests}, text("DescribeNSM"));
        driver_.add(enclave(), 0, {{what == 2 ? wrong : kRequests, 12, false}});
        driver_.add(enclave(), 0, {{what == 3 ? wrong : kResponses, what == 4 ? 2U << 20 : kRoom, true}});
        driver_.notify(enclave(), 0);
      }
      EXPECT_TRUE(driver_.needs_reset(enclave())) << std::hex << wrong << " experiment " << what;
      EXPECT_EQ(enclave().take_interrupt(), enclave::kNsm.interrupt) << "a driver that is up is told";
      EXPECT_EQ(driver_.acknowledge(enclave()), mmio::kConfigChange);
      EXPECT_EQ(parent().read_vector(Ipa{parents}, pattern.size()), pattern);
      driver_.notify(enclave(), 0);  // a broken device answers nothing
      ++experiments;
    }
    expect_works();
    (void)enclave().take_interrupt();
    (void)driver_.acknowledge(enclave());
  }
  EXPECT_EQ(experiments, 35);
}

TEST_F(NsmDevice, AMalformedCommandAsksForAReset) {
  const std::vector<std::vector<std::vector<Buffer>>> commands = {
      {{{kResponses, kRoom, true}}},                          // no request at all
      {{{kRequests, 12, false}}, {{kRequests, 12, false}}},   // two requests
      {{{kResponses, kRoom, true}, {kRequests, 12, false}}},  // the wrong way round
  };
  for (const auto& command : commands) {
    ASSERT_TRUE(fresh());
    for (const auto& chain : command) driver_.add(enclave(), 0, chain);
    driver_.notify(enclave(), 0);
    EXPECT_TRUE(driver_.needs_reset(enclave()));
    EXPECT_EQ(driver_.take_used(enclave(), 0), std::nullopt);
    expect_works();
  }
}

TEST_F(NsmDevice, TheNextEnclaveFindsAFreshDevice) {
  ASSERT_TRUE(fresh());
  for (std::uint8_t n = 0; n < 8; ++n) submit(extend(18, {n}), n);
  driver_.notify(enclave(), 0);
  ASSERT_TRUE(end_enclave(parent(), uid_).ok());
  ASSERT_NE(run_enclave(parent(), {}), 0U);
  EXPECT_EQ(driver_.get(enclave(), mmio::kStatus), 0U);
  EXPECT_EQ(driver_.get(enclave(), mmio::kInterruptStatus), 0U);
  driver_.notify(enclave(), 0);
  EXPECT_EQ(enclave().take_interrupt(), std::nullopt);
  expect_works();
  EXPECT_EQ(pcr_of(ask(describe_pcr(18))), Bytes(48, 0));
}

class NsmDeviceStop : public WholeMachine, public ::testing::WithParamInterface<std::uint64_t> {};

// The enclave's core is in the midst of its requests, wherever the seed stops it.
TEST_P(NsmDeviceStop, AnEnclaveThatAsksAllTheTime) {
  machine_ = std::make_unique<host::Machine>(host::MachineConfig{
      .seed = GetParam(), .preempt_one_in = 2, .handover = support::handover_bytes(board::kBoard.digest)});
  machine_->set_observer([this](const host::Event& event) { automaton_.step(event); });
  std::uint64_t answered = 0;
  std::uint64_t ended = 0;
  machine_->set_program(base::partition_of(base::SlotIndex{0}), [&](GuestCpu& cpu) {
    VirtioDriver driver{kRegisters, kRings, 1, 16};
    const Bytes request = describe_pcr(16);
    cpu.write(Ipa{kRequests}, request);
    while (driver.start(cpu)) {
      for (int n = 0; n < 4; ++n) {
        driver.add(cpu, 0, {{kRequests, static_cast<std::uint32_t>(request.size()), false}});
        driver.add(cpu, 0, {{kResponses, kRoom, true}});
      }
      driver.notify(cpu, 0);
      for (int n = 0; n < 8; ++n) {
        while (!driver.take_used(cpu, 0)) cpu.relax();
      }
      answered += 4;
    }
  });
  machine_->set_program(base::kParent, [&](GuestCpu& cpu) {
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t uid = run_enclave(cpu, {});
      ASSERT_NE(uid, 0U);
      const std::uint64_t before = answered;
      for (std::uint64_t n = 0; n < 20 * GetParam() || answered < before + 4; ++n) cpu.relax();
      EXPECT_TRUE(end_enclave(cpu, uid).ok());
      ++ended;
    }
    (void)cpu.hvc(cofferdam_abi::kPsciSystemOff);
  });
  machine_->boot();
  EXPECT_EQ(machine_->power_state(), host::PowerState::kOff) << machine_->console();
  EXPECT_EQ(ended, 3U);
}
INSTANTIATE_TEST_SUITE_P(Seeds, NsmDeviceStop, ::testing::Range<std::uint64_t>(1, 9));

// Two cores of an enclave, one at each door: no extension is lost, and neither waits for ever.
TEST(NsmDeviceThreads, BothDoorsAtOnce) {
  constexpr int kEach = 25;
  const Bytes data{7};
  host::MachineConfig config;
  config.schedule = host::Schedule::kThreads;
  config.handover = support::handover_bytes(board::kBoard.digest);
  host::Machine machine(config);
  std::atomic<int> finished{0};
  Bytes value;
  machine.set_program(base::kParent, [](GuestCpu&) {});
  machine.set_program(base::kParent, kBoot, [&](GuestCpu& cpu) {
    EnclavePlan plan;
    plan.cores = {1, 2};
    const std::uint64_t uid = run_enclave(cpu, plan);
    ASSERT_NE(uid, 0U);
    while (state_of(cpu, uid) != cofferdam_abi::SlotState::kStopped) cpu.relax();
    EXPECT_TRUE(end_enclave(cpu, uid).ok());
    (void)cpu.hvc(cofferdam_abi::kPsciSystemOff);
  });
  const base::PartitionId enclave = base::partition_of(base::SlotIndex{0});
  const auto by_call = [](GuestCpu& cpu, const Bytes& request) {
    NsmAnswer answer = ask_nsm(cpu, request);
    while (answer.error == error_number(base::Error::kBusy)) {
      cpu.relax();
      answer = ask_nsm(cpu, request);
    }
    EXPECT_EQ(answer.error, 0);
    return answer.response;
  };
  machine.set_program(enclave, base::CoreId{1}, [&](GuestCpu& cpu) {
    EXPECT_EQ(cpu.hvc(cofferdam_abi::kPsciCpuOn, {1, kEnclaveRam, 0}).x[0], 0U);
    VirtioDriver driver{kRegisters, kRings, 1, 16};
    EXPECT_TRUE(driver.start(cpu));
    const Bytes request = extend(16, data);
    cpu.write(Ipa{kRequests}, request);
    for (int i = 0; i < kEach; ++i) {
      driver.add(cpu, 0, {{kRequests, static_cast<std::uint32_t>(request.size()), false}});
      driver.add(cpu, 0, {{kResponses, kRoom, true}});
      driver.notify(cpu, 0);
      for (int n = 0; n < 2; ++n) {
        while (!driver.take_used(cpu, 0)) cpu.relax();
      }
    }
    ++finished;
    while (finished != 2) cpu.relax();
    value = pcr_of(by_call(cpu, describe_pcr(16)));
    (void)cpu.call(Function::kEnclaveExit, {0});
  });
  machine.set_program(enclave, base::CoreId{2}, [&](GuestCpu& cpu) {
    for (int i = 0; i < kEach; ++i) (void)by_call(cpu, extend(16, data));
    ++finished;
  });
  machine.boot();
  EXPECT_TRUE(machine.wait_until_off(240)) << machine.console();
  machine.shutdown();
  EXPECT_THAT(machine.violations(), ::testing::IsEmpty());
  EXPECT_THAT(machine.failures(), ::testing::IsEmpty());
  Bytes expected(48, 0);
  for (int i = 0; i < 2 * kEach; ++i) {  // PCR := SHA-384(PCR || data)
    const crypto::Digest next = crypto::sha384(expected + data);
    expected.assign(next.begin(), next.end());
  }
  EXPECT_EQ(value, expected);
}

}  // namespace
}  // namespace scenario
