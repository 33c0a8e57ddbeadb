// From a request to an enclave or to nothing: each refusal of the driver, each end of a boot, and that everything is
// given back.
#include "guests/parent/cli/launch.hpp"

#include <gtest/gtest.h>
#include <linux/nitro_enclaves.h>

#include <thread>

#include "guests/parent/cli/console.hpp"
#include "guests/parent/cli/driver_errors.hpp"
#include "guests/parent/cli/failure.hpp"
#include "tests/unit/guests/parent/cli/scripted_environment.hpp"

namespace enclave_cli {
namespace {

using testing::Machine;

struct Launch : ::testing::Test {
  Machine machine;
  RunRequest request{
      .eif_path = "image.eif", .name = "image", .memory_mib = 64, .cpu_count = 2, .boot_timeout = Milliseconds(5000)};
  cofferdam::Bytes image = cofferdam::Bytes(3 * kMiB, 0x5a);
  std::vector<std::string> said;
  std::vector<std::thread> threads;

  ~Launch() override {
    for (std::thread& thread : threads) thread.join();
  }
  Enclave start(int starter = -1) {
    return launch(
        machine.environment, request, image, [this](const std::string& text) { said.push_back(text); }, starter, -1);
  }
  // The enclave's first process.
  void heartbeat_with(std::uint8_t byte) {
    machine.driver.on_start = [this, byte](std::uint64_t) {
      threads.emplace_back([this, byte] {
        const Descriptor socket(machine.sockets.connect(3, kHeartbeatPort, 1000));
        EXPECT_EQ(::send(socket.get(), &byte, 1, MSG_NOSIGNAL), 1);
        std::uint8_t answer = 0;
        EXPECT_EQ(::recv(socket.get(), &answer, 1, 0), byte == kHeartbeat ? 1 : 0);
        if (byte == kHeartbeat) {
          EXPECT_EQ(answer, kHeartbeat);
        }
      });
    };
  }
  // Answers the failure's text; everything must have been given back.
  std::string failure_text(ErrorCode code, int starter = -1) {
    try {
      static_cast<void>(start(starter));
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), code) << failure.what();
      EXPECT_EQ(machine.pages.held, 0U);
      EXPECT_TRUE(machine.driver.was_closed());
      return text_of(failure);
    }
    ADD_FAILURE() << "the start succeeded";
    return {};
  }
};

TEST_F(Launch, StartsAndReportsWhatTheDriverChose) {
  heartbeat_with(kHeartbeat);
  Enclave enclave = start();
  EXPECT_EQ(enclave.slot_uid, 0x19b0U);
  EXPECT_EQ(enclave.cid, 16U);
  EXPECT_EQ(enclave.cpus, (CpuList{1, 2}));
  EXPECT_EQ(enclave.memory->size(), 64 * kMiB);
  EXPECT_EQ(said.back(), "Started enclave with enclave-cid: 16, memory: 64 MiB, cpu-ids: [1, 2]");
  // The image lies 8 MiB into what the driver was given first.
  const auto* const bytes = static_cast<const std::uint8_t*>(machine.driver.memory.front().first);
  EXPECT_EQ(bytes[8 * kMiB - 1], 0);
  EXPECT_EQ(bytes[8 * kMiB], 0x5a);
  EXPECT_EQ(bytes[11 * kMiB - 1], 0x5a);
  EXPECT_EQ(bytes[11 * kMiB], 0);
  EXPECT_FALSE(machine.driver.was_closed());
  enclave.end();
  EXPECT_TRUE(machine.driver.was_closed());
  EXPECT_EQ(machine.pages.held, 0U);
}

TEST_F(Launch, GivesTheCpusAndTheCidThatWereNamed) {
  heartbeat_with(kHeartbeat);
  request.cpu_count.reset();
  request.cpu_ids = {3, 1};
  request.cid = 77;
  machine.sockets.peer = 77;
  request.debug = true;
  const Enclave enclave = start();
  EXPECT_EQ(enclave.cid, 77U);
  EXPECT_EQ(machine.driver.cpus, (CpuList{3, 1}));
  EXPECT_TRUE(machine.driver.debug);
}

TEST_F(Launch, EveryRefusalOfTheDriverHasItsCodeAndGivesEverythingBack) {
  const struct {
    const char* step;
    int error;
    int after;
    ErrorCode code;
    const char* words;
  } cases[] = {
      {"create", NE_ERR_NO_CPUS_AVAIL_IN_POOL, 0, ErrorCode::kInvalidEnclaveDescriptor, "NE_ERR_NO_CPUS_AVAIL_IN_POOL"},
      {"create", ENODEV, 0, ErrorCode::kInvalidEnclaveDescriptor, "modprobe nitro_enclaves"},
      {"image_offset", NE_ERR_INVALID_FLAG_VALUE, 0, ErrorCode::kImageLoadInfo, "NE_ERR_INVALID_FLAG_VALUE"},
      {"add_memory", NE_ERR_MEM_MAX_REGIONS, 0, ErrorCode::kSetMemoryRegion, "larger hugepages"},
      {"add_memory", NE_ERR_MEM_DIFFERENT_NUMA_NODE, 1, ErrorCode::kSetMemoryRegion, "NUMA"},
      {"add_cpu", NE_ERR_NO_CPUS_AVAIL_IN_POOL, 1, ErrorCode::kAddVcpu, "1 of 2 CPUs were given before"},
      {"add_cpu", NE_ERR_VCPU_ALREADY_USED, 0, ErrorCode::kAddVcpu, "another CPU"},
      {"start", NE_ERR_FULL_CORES_NOT_USED, 0, ErrorCode::kEnclaveStart, "all threads of a core"},
      {"create", ENOSPC, 0, ErrorCode::kInvalidEnclaveDescriptor, "no free slot"},
      {"start", ENOEXEC, 0, ErrorCode::kEnclaveStart, "describe-eif"},
      {"start", EKEYEXPIRED, 0, ErrorCode::kEnclaveStart, "sign-eif"},
      {"start", ENOMEM, 0, ErrorCode::kEnclaveStart, "more --memory"},
      {"start", NE_ERR_INVALID_ENCLAVE_CID, 0, ErrorCode::kEnclaveStart, "--enclave-cid"},
  };
  for (const auto& [step, error, after, code, words] : cases) {
    machine.driver.refusal = {.step = step, .error = error, .after = after};
    machine.driver.cpus.clear();
    machine.driver.far_end.reset();
    machine.pages.pool = {{.page_size = 2 * kMiB, .total = 16, .free = 16},
                          {.page_size = 32 * kMiB, .total = 1, .free = 1}};
    const std::string text = failure_text(code);
    EXPECT_NE(text.find(words), std::string::npos) << step << ": " << text;
    EXPECT_NE(text.find("What to do: "), std::string::npos) << text;
  }
}

TEST_F(Launch, TooLittleMemoryIsToldBeforeAnyIsTaken) {
  request.memory_mib = 63;
  EXPECT_NE(failure_text(ErrorCode::kInsufficientMemoryRequested).find("at least 64"), std::string::npos);
  request.memory_mib = 64;
  image.resize(57 * kMiB);
  EXPECT_NE(failure_text(ErrorCode::kInsufficientMemoryRequested).find("at least 65, better 228"), std::string::npos);
  EXPECT_TRUE(machine.driver.memory.empty());
}

TEST_F(Launch, LessThanFourTimesTheImageIsAWarning) {
  heartbeat_with(kHeartbeat);
  image.resize(17 * kMiB);
  static_cast<void>(start());
  EXPECT_NE(said.at(1).find("Warning: 64 MiB is less than four times"), std::string::npos);
}

TEST_F(Launch, AnEnclaveThatEndsIsToldAtOnceAndWithWhatToTry) {
  machine.driver.ends_at_start = true;
  request.boot_timeout = std::chrono::hours(1);
  const std::string text = failure_text(ErrorCode::kEnclaveBoot);
  EXPECT_NE(text.find("[ E36 ]"), std::string::npos);
  EXPECT_NE(text.find("ended before"), std::string::npos);
  EXPECT_NE(text.find("--debug-mode"), std::string::npos);
}

TEST_F(Launch, InDebugModeTheLastWordsAreShown) {
  machine.driver.ends_at_start = true;
  request.debug = true;
  const Descriptor console(machine.sockets.listen_at(kMonitorCid, kConsolePortOffset + 16));
  threads.emplace_back([&console] {
    std::string words;
    for (int line = 0; line < 30; ++line) words += "[    0.0] line " + std::to_string(line) + "\r\n";
    words += "\x1b[31mKernel panic - not syncing";
    int client = -1;
    for (int i = 0; i < 5000 && client < 0; ++i) {
      client = ::accept(console.get(), nullptr, nullptr);
      if (client < 0) std::this_thread::sleep_for(Milliseconds(1));
    }
    EXPECT_GT(::send(client, words.data(), words.size(), MSG_NOSIGNAL), 0);
    ::close(client);
  });
  const std::string text = failure_text(ErrorCode::kEnclaveBoot);
  EXPECT_NE(text.find("  | [31mKernel panic - not syncing\n"), std::string::npos)
      << text;  // nothing that moves the cursor
  EXPECT_NE(text.find("line 29"), std::string::npos);
  EXPECT_EQ(text.find("line 9\n"), std::string::npos);  // the last twenty
}

TEST_F(Launch, TheTimeIsBoundedAndTheTextSaysHowLong) {
  request.boot_timeout = Milliseconds(30);
  EXPECT_NE(failure_text(ErrorCode::kEnclaveBoot).find("--boot-timeout"), std::string::npos);
}

TEST_F(Launch, AnotherByteIsNoHeartbeat) {
  request.boot_timeout = Milliseconds(200);
  heartbeat_with(0xB6);
  failure_text(ErrorCode::kEnclaveBoot);
}

TEST_F(Launch, AnotherPartitionsHeartbeatIsNotTaken) {
  request.boot_timeout = Milliseconds(200);
  machine.sockets.peer = 17;
  machine.driver.on_start = [this](std::uint64_t) {
    threads.emplace_back([this] {
      const Descriptor socket(machine.sockets.connect(3, kHeartbeatPort, 1000));
      const std::uint8_t byte = kHeartbeat;
      ::send(socket.get(), &byte, 1, MSG_NOSIGNAL);
      std::uint8_t answer = 0;
      EXPECT_LE(::recv(socket.get(), &answer, 1, 0), 0);
    });
  };
  failure_text(ErrorCode::kEnclaveBoot);
  EXPECT_GT(machine.sockets.emptied, 0) << "all that wait are taken before anything else";
}

TEST_F(Launch, IsGivenUpWhenNobodyWaits) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const Descriptor starter(pair[0]);
  ::close(pair[1]);
  request.boot_timeout = std::chrono::hours(1);
  EXPECT_NE(failure_text(ErrorCode::kEnclaveBoot, starter.get()).find("nobody waits"), std::string::npos);
}

TEST_F(Launch, WithoutVsockNothingIsStarted) {
  machine.sockets.listen_error = EAFNOSUPPORT;
  bool started = false;
  machine.driver.on_start = [&started](std::uint64_t) { started = true; };
  EXPECT_NE(failure_text(ErrorCode::kSocket).find("modprobe vsock"), std::string::npos);
  EXPECT_FALSE(started);
}

TEST(BootTime, GrowsWithImageAndMemory) {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
  using std::chrono::seconds;
  EXPECT_EQ(boot_time_allowed(1, 64 * kMiB), seconds(90));
  EXPECT_EQ(boot_time_allowed(6 * kGiB, kGiB), seconds(90));
  EXPECT_EQ(boot_time_allowed(6 * kGiB + 1, kGiB), seconds(180));
  EXPECT_EQ(boot_time_allowed(1, 100 * kGiB), seconds(180));
}

TEST(DriverErrors, EachOfTheDriversHasAName) {
  for (int error = NE_ERR_VCPU_ALREADY_USED; error <= NE_ERR_INVALID_ENCLAVE_CID; ++error) {
    const DriverError known = driver_error(error);
    EXPECT_TRUE(known.name.starts_with("NE_ERR_")) << error;
    EXPECT_FALSE(known.mend.empty());
  }
}

}  // namespace
}  // namespace enclave_cli
