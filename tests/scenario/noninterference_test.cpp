// The same calls over two enclaves that hold different secrets: all that the parent can observe is equal.
//
// Observed: every register of every reply, every interrupt and exception, the console, the parent's memory after the
// enclave is gone, counters, ledger and log as the parent reads them. Allowed to differ is only what an enclave says on
// purpose: what it writes into a channel and its exit code, which are the same in both runs here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "firmware/crypto/sha384.hpp"
#include "firmware/enclave/machine_map.hpp"
#include "hal/host/dma_device.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

class Observer {
 public:
  explicit Observer(host::Machine& machine) : machine_(machine) {}
  [[nodiscard]] GuestCpu parent() { return machine_.cpu(kBoot); }
  CallResult call(Function function, std::initializer_list<std::uint64_t> arguments = {}) {
    const CallResult result = parent().call(function, arguments);
    text_ << std::hex << static_cast<std::uint32_t>(function) << ':';
    for (const std::uint64_t value : result.x) text_ << ' ' << value;
    text_ << '\n';
    return result;
  }
  void look(std::uint64_t address) { text_ << (parent().can_read(Ipa{address}) ? "reads\n" : "faults\n"); }
  void interrupt() {
    const auto intid = parent().take_interrupt();
    text_ << "interrupt " << (intid ? intid->value : 0) << '\n';
  }
  void memory(std::uint64_t address, std::uint64_t size) {
    const auto digest = crypto::sha384(parent().read_vector(Ipa{address}, size));
    text_ << std::hex;
    for (const std::uint8_t byte : digest) text_ << unsigned{byte} << ' ';
    text_ << '\n';
  }
  [[nodiscard]] std::string text() const { return text_.str() + machine_.console(); }

 private:
  host::Machine& machine_;
  std::ostringstream text_;
};

// What the parent sees of a life in which the enclave works on `secret`.
std::string observed(std::uint64_t secret, host::Sabotage sabotage) {
  host::MachineConfig config;
  config.sabotage = sabotage;
  config.seed = 4;
  config.handover = support::handover_bytes(board::kBoard.digest);
  host::Machine machine(config);
  machine.boot();
  Observer parent(machine);
  enable_doorbell(parent.parent());
  const std::uint64_t uid = build_enclave(parent.parent(), {});
  while (!parent.call(Function::kSlotStart, {uid, 0, 16, kBlock}).ok()) {
  }
  const auto enclave = [&] { return machine.cpu(base::CoreId{1}); };
  // Secrets in memory, in every register, in the NSM's registers, in what it asks of the monitor.
  for (std::uint64_t i = 0; i < 64; ++i) enclave().write64(Ipa{kEnclaveRam + kBlock / 2 + i * kFrame}, secret * (i + 1));
  for (auto& value : enclave().state().floating_point) value = {secret, ~secret};
  enclave().state().scratch_el1 = secret;
  std::vector<std::uint8_t> extend = {0xA1, 0x69, 'E', 'x', 't', 'e', 'n', 'd', 'P', 'C', 'R', 0xA2,
                                      0x65, 'i', 'n', 'd', 'e', 'x', 0x10, 0x64, 'd', 'a', 't', 'a', 0x48};
  for (int i = 0; i < 8; ++i) extend.push_back(static_cast<std::uint8_t>(secret >> (8 * i)));
  EXPECT_EQ(ask_nsm(enclave(), extend).error, 0);
  EXPECT_EQ(ask_nsm(enclave(), attestation_request(std::vector<std::uint8_t>(16, static_cast<std::uint8_t>(secret)))).error, 0);
  (void)enclave().hvc(0xC600'0077, {secret, secret, secret});  // refused calls with secrets in their registers
  (void)enclave().can_read(Ipa{0x1000});
  for (int i = 0; i < 8; ++i) {
    enclave().write_register(Ipa{enclave::kConsole.base}, 1, static_cast<std::uint8_t>(secret >> (8 * i)));
  }
  parent.call(Function::kSlotInfo, {uid});
  parent.call(Function::kChannelOpen, {uid, kRam + kBlock, kFrame});
  EXPECT_TRUE(enclave().call(Function::kChannelNotify, {0, 0}).ok());
  parent.interrupt();
  parent.call(Function::kChannelPending, {uid});
  parent.look(kDonated);
  host::DmaDevice device(machine, base::StreamId{8});
  std::vector<std::uint8_t> bytes(8);
  EXPECT_FALSE(device.read(kDonated, bytes));
  for (std::uint64_t kind = 0; kind < 4; ++kind) parent.call(Function::kFaultCounters, {kind});
  for (std::uint64_t section = 0; section < 6; ++section) {
    for (std::uint64_t i = 0; parent.call(Function::kStatusRead, {section, i, kRam + kBlock, 4096}).ok(); ++i) {
      parent.memory(kRam + kBlock, 256);
    }
  }
  parent.call(Function::kChannelClose, {uid, 0});
  EXPECT_THROW((void)enclave().call(Function::kEnclaveExit, {0}), host::LeaveGuest);
  parent.call(Function::kSlotInfo, {uid});
  while (!parent.call(Function::kSlotFree, {uid}).ok()) parent.look(kDonated + kBlock);
  parent.memory(kDonated, 2 * kBlock);
  for (std::uint64_t i = 0; parent.call(Function::kLedgerRead, {i, kRam + kBlock, 64}).ok(); ++i) {
    parent.memory(kRam + kBlock, 64);
  }
  for (std::uint64_t i = 0; i < 8; ++i) {
    parent.call(Function::kPlatformPcrRead, {i, kRam + kBlock, 64});
    parent.memory(kRam + kBlock, 64);
  }
  return parent.text();
}

// The monitor runs once in a process.
std::string observed_in_child(std::uint64_t secret, host::Sabotage sabotage = {}) {
  const std::string path = ::testing::TempDir() + "cofferdam_observed_" + std::to_string(getpid());
  const pid_t child = fork();
  if (child == 0) {
    std::ofstream(path, std::ios::binary) << observed(secret, sabotage);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::remove(path.c_str());
  return text;
}

TEST(Noninterference, TheParentSeesNothingOfAnEnclavesSecrets) {
  const std::string one = observed_in_child(0x1111'2222'3333'4444);
  EXPECT_THAT(one, ::testing::HasSubstr("interrupt 3fb"));
  EXPECT_GT(one.size(), 2000U);
  EXPECT_EQ(observed_in_child(0xFEDC'BA98'7654'3210), one);
  EXPECT_EQ(observed_in_child(0), one);
}

TEST(Noninterference, AMachineThatForgetsToScrubIsNoticed) {
  EXPECT_NE(observed_in_child(1, {.ignore_scrub = true}), observed_in_child(2, {.ignore_scrub = true}));
}

}  // namespace
}  // namespace scenario
