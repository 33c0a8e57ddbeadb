// Real threads: every core calls at once. Run under ThreadSanitizer as well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "hal/host/dma_device.hpp"
#include "hal/host/reach.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

using base::Error;

constexpr unsigned kSeconds = 240;  // never waited for: a hang is a failure

class Races : public WholeMachine {
 protected:
  // Boots with threads; core 0 runs `main` as the parent and then ends the machine.
  void run(const std::function<void(GuestCpu&)>& main, const host::GuestProgram& other_cores,
           const host::GuestProgram& enclaves) {
    host::MachineConfig config;
    config.schedule = host::Schedule::kThreads;
    config.handover = support::handover_bytes(board::kBoard.digest);
    machine_ = std::make_unique<host::Machine>(config);
    machine_->set_observer([this](const host::Event& event) { automaton_.step(event); });
    machine_->set_program(base::kParent, other_cores);
    machine_->set_program(base::kParent, kBoot, [&](GuestCpu& cpu) {
      main(cpu);
      (void)cpu.hvc(cofferdam_abi::kPsciSystemOff);
    });
    for (std::uint8_t i = 0; i < board::kBoard.limits.enclaves; ++i) {
      machine_->set_program(base::partition_of(base::SlotIndex{i}), enclaves);
    }
    machine_->boot();
    EXPECT_TRUE(machine_->wait_until_off(kSeconds)) << machine_->console();
    EXPECT_EQ(machine_->power_state(), host::PowerState::kOff) << machine_->console();
    machine_->shutdown();
  }
  void start_core(GuestCpu& cpu, std::size_t core) {
    EXPECT_EQ(cpu.hvc(cofferdam_abi::kPsciCpuOn, {mpidr_of(core), kRam, 0}).x[0], 0U);
  }
};

TEST_F(Races, AnEnclaveLivesWhileItsParentLooksOn) {
  std::atomic<bool> served{false};
  run(
      [&](GuestCpu& cpu) {
        const EnclavePlan plan;
        const std::uint64_t uid = run_enclave(cpu, plan);
        ASSERT_NE(uid, 0U);
        const CallResult opened = cpu.call(Function::kChannelOpen, {uid, kRam + kBlock, kFrame});
        ASSERT_TRUE(opened.ok());
        cpu.write64(Ipa{kRam + kBlock}, 41);
        ASSERT_TRUE(cpu.call(Function::kChannelNotify, {uid, 0}).ok());
        while (cpu.read64(Ipa{kRam + kBlock}) != 42) cpu.relax();
        while (cpu.call(Function::kChannelPending, {uid}).x[1] == 0) cpu.relax();
        EXPECT_FALSE(cpu.can_read(Ipa{kDonated}));
        served = true;
        EXPECT_TRUE(end_enclave(cpu, uid).ok());
        EXPECT_EQ(cpu.read64(Ipa{kDonated}), 0U);
      },
      [](GuestCpu&) {},
      [](GuestCpu& cpu) {
        const std::uint64_t channel = board::kBoard.channel_ipa_base;
        while (!cpu.can_read(Ipa{channel})) cpu.relax();
        while (cpu.read64(Ipa{channel}) != 41) cpu.relax();
        (void)ask_nsm(cpu, attestation_request(std::vector<std::uint8_t>(16, 3)));
        cpu.write64(Ipa{channel}, 42);
        (void)cpu.call(Function::kChannelNotify, {0, 0});
      });
  EXPECT_TRUE(served);
}

// Every core of the parent's makes and destroys enclaves out of the same few frames, while enclaves run.
TEST_F(Races, CallsFromAllCoresAtOnce) {
  constexpr int kRounds = 300;
  const std::size_t callers = board::kBoard.cores.size() - 1;  // the last core is for enclaves
  std::atomic<std::size_t> finished{0};
  std::atomic<std::uint64_t> accepted{0};
  const auto storm = [&](GuestCpu& cpu) {
    std::mt19937_64 random(cpu.core().value + 1);
    const auto pick = [&](std::uint64_t bound) { return random() % bound; };
    for (int round = 0; round < kRounds; ++round) {
      std::uint64_t uid = 0;
      for (std::uint64_t i = pick(4), next = 0; i > 0; --i) {
        next = cpu.call(Function::kSlotNext, {next}).x[1];
        if (next != 0) uid = next;
      }
      const std::uint64_t address = kDonated + pick(4) * kBlock / 2 + pick(3) * kFrame;
      CallResult result{};
      switch (pick(12)) {
        case 0: result = cpu.call(Function::kSlotAllocate); break;
        case 1:
        case 2: result = cpu.call(Function::kMemoryDonate, {uid, address, (1 + pick(3)) * kFrame}); break;
        case 3: result = cpu.call(Function::kMemoryDonate, {uid, address, kBlock}); break;
        case 4: result = cpu.call(Function::kMemoryReclaim, {uid, address, kFrame}); break;
        case 5: result = cpu.call(Function::kChannelOpen, {uid, address, kFrame}); break;
        case 6: result = cpu.call(Function::kChannelClose, {uid, pick(2)}); break;
        case 7: result = cpu.call(Function::kDeviceAssign, {uid, 8}); break;
        case 8: result = cpu.call(Function::kCoreDonate, {uid, mpidr_of(board::kBoard.cores.size() - 1)}); break;
        case 9: result = cpu.call(Function::kSlotStart, {uid, 0, 16 + pick(4), 0}); break;
        case 10: result = cpu.call(Function::kSlotFree, {uid}); break;
        default:
          (void)cpu.can_read(Ipa{address});
          result = cpu.call(Function::kDeviceAccept, {8});
          break;
      }
      accepted += result.ok() ? 1 : 0;
    }
    ++finished;
  };
  run(
      [&](GuestCpu& cpu) {
        for (std::size_t i = 1; i < callers; ++i) start_core(cpu, i);
        storm(cpu);
        while (finished < callers) cpu.relax();
        for (std::uint64_t uid = cpu.call(Function::kSlotNext, {0}).x[1]; uid != 0;
             uid = cpu.call(Function::kSlotNext, {0}).x[1]) {
          ASSERT_TRUE(end_enclave(cpu, uid).ok());
        }
        for (std::uint64_t at = kDonated; at < kDonated + 4 * kBlock; at += kFrame) ASSERT_TRUE(cpu.can_write(Ipa{at}));
      },
      storm, [](GuestCpu&) {});
  EXPECT_GT(accepted, kRounds / 10);
}

// One core donates and reclaims a frame while another reads it as fast as it can: it sees its own bytes, zeroes after a
// reclaim, or a fault; never what is written after donation.
TEST_F(Races, ReadingWhileItIsDonated) {
  constexpr int kRounds = 200;
  constexpr std::uint64_t kMark = 0xA11CE;
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> seen{0};
  const auto reader = [&](GuestCpu& cpu) {
    while (!done) {
      try {
        const std::uint64_t value = cpu.read64(Ipa{kDonated});
        EXPECT_TRUE(value == 0 || value == kMark) << value;
        ++seen;
      } catch (const host::GuestException&) {
      }
    }
    done = false;
  };
  run(
      [&](GuestCpu& cpu) {
        start_core(cpu, 1);
        const std::uint64_t uid = cpu.call(Function::kSlotAllocate).x[1];
        while (seen == 0) cpu.relax();
        for (int i = 0; i < kRounds; ++i) {
          cpu.write64(Ipa{kDonated}, kMark);
          ASSERT_TRUE(cpu.call(Function::kMemoryDonate, {uid, kDonated, kFrame}).ok());
          // What the enclave would write now; the reader must never see it.
          machine().memory().store(base::PhysAddr{kDonated}, 0x5EC2E7);
          ASSERT_TRUE(cpu.call_to_end(Function::kMemoryReclaim, {uid, kDonated, kFrame}).ok());
        }
        done = true;
        while (done) cpu.relax();
        ASSERT_TRUE(end_enclave(cpu, uid).ok());
      },
      reader, [](GuestCpu&) {});
  EXPECT_GT(seen, 0U);
}

// A device hammers a frame that comes and goes: it moves its own bytes or is refused.
TEST_F(Races, DmaWhileItIsDonated) {
  constexpr int kRounds = 200;
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> written{0};
  std::thread device;
  run(
      [&](GuestCpu& cpu) {
        device = std::thread([&] {
          host::DmaDevice master(machine(), base::StreamId{8});
          const std::vector<std::uint8_t> bytes(8, 0xDD);
          while (!done) ++(master.write(kDonated, bytes) ? written : refused);
        });
        const std::uint64_t uid = cpu.call(Function::kSlotAllocate).x[1];
        for (int i = 0; i < kRounds || refused == 0 || written == 0; ++i) {
          ASSERT_TRUE(cpu.call(Function::kMemoryDonate, {uid, kDonated, kFrame}).ok());
          machine().memory().store(base::PhysAddr{kDonated}, 0x5EC2E7);
          EXPECT_EQ(machine().memory().load(base::PhysAddr{kDonated}), 0x5EC2E7U) << "the device still writes";
          ASSERT_TRUE(cpu.call_to_end(Function::kMemoryReclaim, {uid, kDonated, kFrame}).ok());
        }
        done = true;
        ASSERT_TRUE(end_enclave(cpu, uid).ok());
      },
      [](GuestCpu&) {}, [](GuestCpu&) {});
  done = true;
  if (device.joinable()) device.join();
}

}  // namespace
}  // namespace scenario
