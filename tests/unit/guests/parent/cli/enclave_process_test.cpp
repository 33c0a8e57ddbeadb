// The enclave process as a real process, and the commands that talk to it: JSON as nitro-cli prints it, and what is
// left when it ends in each of the ways in which it can.
#include "guests/parent/cli/enclave_process.hpp"

#include <gtest/gtest.h>
#include <linux/nitro_enclaves.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/control_channel.hpp"
#include "guests/parent/cli/failure.hpp"
#include "tests/unit/guests/parent/cli/scripted_environment.hpp"
#include "tools/cofferdam/eif_describe.hpp"

namespace enclave_cli {
namespace {

using testing::Machine;
using Kind = enclave::EifSectionKind;

cofferdam::Bytes small_image() {
  utsname machine{};
  ::uname(&machine);
  const auto architecture = std::string_view(machine.machine) == "aarch64" ? enclave::EifArchitecture::kAarch64
                                                                           : enclave::EifArchitecture::kX86;
  const std::string metadata = cofferdam::metadata_section({.image_name = "small",
                                                            .image_version = "7",
                                                            .build_time = "1970-01-01T00:00:00+00:00",
                                                            .build_tool = "test",
                                                            .build_tool_version = "1",
                                                            .operating_system = "Linux",
                                                            .kernel_version = "6",
                                                            .custom = nullptr});
  return cofferdam::write_eif(architecture, {{Kind::kKernel, cofferdam::Bytes(100, 1)},
                                             {Kind::kCommandLine, cofferdam::Bytes{'a'}},
                                             {Kind::kMetadata, cofferdam::Bytes(metadata.begin(), metadata.end())},
                                             {Kind::kRamdisk, cofferdam::Bytes(200, 2)}});
}

struct EnclaveProcesses : ::testing::Test {
  Machine machine;
  std::string eif = machine.folder.path() + "/small.eif";

  EnclaveProcesses() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    cofferdam::write_file(eif, small_image());
    // The enclave: it reports, and ends when the file "end" appears.
    machine.driver.on_start = [this](std::uint64_t) {
      std::thread([this] {
        const Descriptor socket(machine.sockets.connect(3, kHeartbeatPort, 1000));
        const std::uint8_t byte = kHeartbeat;
        ::send(socket.get(), &byte, 1, MSG_NOSIGNAL);
        for (int i = 0; i < 30'000 && !std::filesystem::exists(machine.folder.path() + "/end"); ++i)
          std::this_thread::sleep_for(Milliseconds(2));
        machine.driver.far_end.reset();
      }).detach();
    };
  }
  ~EnclaveProcesses() override {
    const auto [status, out, error] = cli({"terminate-enclave", "--all"});
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
  struct Output {
    int status;
    std::string out, error;
  };
  Output cli(std::vector<std::string> words) {
    std::vector<const char*> argv{"nitro-cli"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int status = run_command_line(static_cast<int>(argv.size()), argv.data(), machine.environment);
    std::string out = ::testing::internal::GetCapturedStdout();
    return {status, std::move(out), ::testing::internal::GetCapturedStderr()};
  }
  Output run(std::vector<std::string> more = {}) {
    std::vector<std::string> words{"run-enclave", "--cpu-count", "2", "--memory", "64", "--eif-path", eif};
    words.insert(words.end(), more.begin(), more.end());
    return cli(words);
  }
  [[nodiscard]] bool socket_there(const std::string& slot = "19b0") const {
    return std::filesystem::exists(machine.folder.path() + "/run/" + slot + ".sock");
  }
  static int wait_for(pid_t process) {  // its exit status
    int status = 0;
    return ::waitpid(process, &status, 0) == process && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] std::string log() const {
    std::ifstream file(machine.folder.path() + "/log/nitro_enclaves.log");
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(EnclaveProcesses, LifeOfAnEnclaveInNitroClisJson) {
  const Output started = run();
  ASSERT_EQ(started.status, 0) << started.error;
  const Json json = Json::parse(started.out);
  const auto process = json.at("ProcessID").get<pid_t>();
  EXPECT_EQ(started.out,
            "{\n  \"EnclaveName\": \"small\",\n  \"EnclaveID\": \"i-0000000000000000-enc19b0\",\n  \"ProcessID\": " +
                std::to_string(process) +
                ",\n  \"EnclaveCID\": 16,\n  \"NumberOfCPUs\": 2,\n  \"CPUIDs\": [\n    1,\n    2\n  ],\n  "
                "\"MemoryMiB\": 64\n}\n");
  EXPECT_NE(started.error.find("Start allocating memory...\n"), std::string::npos);
  EXPECT_NE(started.error.find("Started enclave with enclave-cid: 16, memory: 64 MiB, cpu-ids: [1, 2]\n"),
            std::string::npos);

  const std::string pcr0 = cofferdam::to_hex(cofferdam::read_eif(small_image()).measurement.pcr0);
  const Json described = Json::parse(cli({"describe-enclaves"}).out);
  ASSERT_EQ(described.size(), 1U);
  std::string keys;
  for (const auto& [key, value] : described[0].items()) keys += key + ' ';
  EXPECT_EQ(keys, "EnclaveName EnclaveID ProcessID EnclaveCID NumberOfCPUs CPUIDs MemoryMiB State Flags Measurements ");
  EXPECT_EQ(described[0]["State"], "RUNNING");
  EXPECT_EQ(described[0]["Flags"], "NONE");
  EXPECT_EQ(described[0]["Measurements"]["PCR0"], pcr0);
  const Json with_metadata = Json::parse(cli({"describe-enclaves", "--metadata"}).out);
  EXPECT_EQ(with_metadata[0]["ImageName"], "small");
  EXPECT_EQ(with_metadata[0]["ImageVersion"], "7");
  EXPECT_EQ(with_metadata[0]["Metadata"]["BuildTool"], "test");

  const Output no_console = cli({"console", "--enclave-name", "small"});
  EXPECT_EQ(no_console.status, 44);
  EXPECT_NE(no_console.error.find("production mode"), std::string::npos);

  const Output ended = cli({"terminate-enclave", "--enclave-id", "i-0000000000000000-enc00000000000019b0"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out,
            "{\n  \"EnclaveName\": \"small\",\n  \"EnclaveID\": \"i-0000000000000000-enc19b0\",\n  \"Terminated\": "
            "true\n}\n");
  EXPECT_EQ(ended.error, "Successfully terminated enclave i-0000000000000000-enc19b0.\n");
  EXPECT_EQ(wait_for(process), 0);
  EXPECT_FALSE(socket_there());
  EXPECT_EQ(cli({"describe-enclaves"}).out, "[]\n");
}

TEST_F(EnclaveProcesses, AFailedStartPrintsItsCodeAndLeavesNothing) {
  machine.driver.refusal = {.step = "start", .error = NE_ERR_FULL_CORES_NOT_USED, .after = 0};
  const Output output = run();
  EXPECT_EQ(output.status, 33);
  EXPECT_NE(output.error.find("[ E33 ] Start enclave failure."), std::string::npos) << output.error;
  EXPECT_EQ(output.out, "");
  EXPECT_FALSE(socket_there());
  EXPECT_NE(log().find("[ E33 ]"), std::string::npos);
}

TEST_F(EnclaveProcesses, SigtermEndsItCleanly) {
  const auto process = Json::parse(run().out).at("ProcessID").get<pid_t>();
  EXPECT_TRUE(socket_there());
  ASSERT_EQ(::kill(process, SIGTERM), 0);
  EXPECT_EQ(wait_for(process), 0);
  EXPECT_FALSE(socket_there());
}

TEST_F(EnclaveProcesses, KilledItLeavesAStaleSocketThatDescribeRemoves) {
  const auto process = Json::parse(run().out).at("ProcessID").get<pid_t>();
  ASSERT_EQ(::kill(process, SIGKILL), 0);
  EXPECT_EQ(wait_for(process), -1);
  EXPECT_TRUE(socket_there());
  const Output output = cli({"describe-enclaves"});
  EXPECT_EQ(output.status, 0);
  EXPECT_EQ(output.out, "[]\n");
  EXPECT_FALSE(socket_there());
}

TEST_F(EnclaveProcesses, AnEnclaveThatEndsEndsItsProcessAndTheLogSaysSo) {
  const auto process = Json::parse(run().out).at("ProcessID").get<pid_t>();
  std::ofstream(machine.folder.path() + "/end").put('x');
  EXPECT_EQ(wait_for(process), 0);
  EXPECT_FALSE(socket_there());
  EXPECT_NE(log().find("has ended by itself"), std::string::npos);
}

TEST_F(EnclaveProcesses, GivesTheStartUpWhenTheCommandHasGone) {
  machine.driver.on_start = {};  // it never reports
  const RunRequest request{.eif_path = eif, .name = "x", .memory_mib = 64, .cpu_count = 1};
  Descriptor starter = spawn_enclave_process(machine.environment, request);
  ASSERT_TRUE(LineReader(starter.get()).next(Milliseconds(60'000)).has_value());
  starter.reset();
  int status = 0;
  ASSERT_GT(::waitpid(-1, &status, 0), 0);
  EXPECT_EQ(WEXITSTATUS(status), 36);
  EXPECT_FALSE(socket_there());
}

TEST_F(EnclaveProcesses, NamesAreMadeUniqueAndFound) {
  ASSERT_EQ(run().status, 0);
  machine.driver.slot = 0x19b1;
  machine.driver.chosen_cid = 17;
  machine.sockets.peer = 17;
  const Output second = run({"--debug-mode"});
  ASSERT_EQ(second.status, 0) << second.error;
  EXPECT_EQ(Json::parse(second.out)["EnclaveName"], "small_1");
  EXPECT_EQ(Json::parse(cli({"describe-enclaves"}).out).size(), 2U);
  EXPECT_EQ(cli({"terminate-enclave", "--enclave-name", "nobody"}).status, 58);
  EXPECT_EQ(cli({"terminate-enclave", "--enclave-name", "small_1"}).status, 0);
  EXPECT_TRUE(socket_there("19b0"));
  EXPECT_FALSE(socket_there("19b1"));
}

TEST_F(EnclaveProcesses, HostileRequestsAreAnsweredAndItGoesOn) {
  ASSERT_EQ(run().status, 0);
  for (const std::string text : {"\n", "[]\n", "{\"command\":7}\n", "{\"command\":\"die\"}\n",
                                 "{\"command\":\"describe\",\"metadata\":{}}\n", "\xff\xfe\n"}) {
    const EnclaveProcess process = connect_to(machine.environment.places.run_folder, "x-enc19b0");
    ASSERT_GT(::send(process.socket.get(), text.data(), text.size(), MSG_NOSIGNAL), 0);
    EXPECT_NE(collect(process.socket.get(), Milliseconds(60'000)).status, -1) << text;
  }
  EXPECT_EQ(Json::parse(cli({"describe-enclaves"}).out).size(), 1U);
  for (const char* id : {"", "19b0", "i-1-enc", "i-1-enc../../x", "i-1-encXYZ", "i-1-enc11111111111111111"}) {
    EXPECT_THROW(static_cast<void>(connect_to(machine.environment.places.run_folder, id)), Failure) << id;
  }
}

TEST_F(EnclaveProcesses, ImagesThatNoMonitorStartsAreRefusedFirst) {
  cofferdam::write_file(eif, cofferdam::Bytes(1000, 7));
  EXPECT_EQ(run().status, 35);
  // Each byte counts, wherever it lies: in the header, between sections, in the last ramdisk.
  const cofferdam::Bytes good = small_image();
  for (const std::size_t at : {std::size_t{9}, enclave::kEifHeaderSize - 1, enclave::kEifHeaderSize + 50, good.size() - 1}) {
    cofferdam::Bytes damaged = good;
    damaged[at] ^= 0x10;
    cofferdam::write_file(eif, damaged);
    const Output output = run();
    EXPECT_EQ(output.status, 35) << at;
    EXPECT_NE(output.error.find("damaged after it was built"), std::string::npos) << output.error;
    EXPECT_EQ(output.error.find("allocating"), std::string::npos) << output.error;  // nothing was taken for it
  }
  cofferdam::Bytes cut = good;
  cut.pop_back();
  cofferdam::write_file(eif, cut);
  EXPECT_EQ(run().status, 35);
  eif += ".absent";
  EXPECT_EQ(run().status, 19);
}

struct WrongUse {
  std::vector<std::string> words;
  int status;
};
TEST_F(EnclaveProcesses, WrongUseHasNitroClisCodes) {
  const WrongUse cases[] = {
      {{"run-enclave", "--memory", "64", "--eif-path", eif}, 1},
      {{"run-enclave", "--cpu-count", "1", "--eif-path", eif}, 1},
      {{"run-enclave", "--cpu-count", "1", "--cpu-ids", "1", "--memory", "64", "--eif-path", eif}, 2},
      {{"run-enclave", "--cpu-count", "1z", "--memory", "64", "--eif-path", eif}, 3},
      {{"run-enclave", "--cpu-count", "1", "--memory", "64x", "--eif-path", eif}, 3},
      {{"run-enclave", "--cpu-count", "1", "--memory", "64", "--eif-path", eif, "--enclave-cid", "3"}, 3},
      {{"run-enclave", "--cpu-ids", "1", "1", "--memory", "64", "--eif-path", eif}, 20},
      {{"run-enclave", "--cpu-ids", "1", "9", "--memory", "64", "--eif-path", eif}, 21},
      {{"run-enclave", "--cpu-count", "4", "--memory", "64", "--eif-path", eif}, 22},
      {{"run-enclave", "--cpu-count", "1", "--memory", "1", "--eif-path", eif}, 26},
      {{"run-enclave", "--cpu-count", "1", "--memory", "1G", "--eif-path", eif}, 27},
      {{"terminate-enclave"}, 1},
      {{"terminate-enclave", "--enclave-id", "i-1-enc77"}, 39},
      {{"terminate-enclave", "--enclave-id", "nonsense"}, 40},
      {{"build-enclave", "--docker-uri", "hello", "--output-file", "x"}, 50},
      {{"build-enclave", "--docker-uri", "hello", "--docker-dir", ".", "--output-file", "x"}, 49},
      {{"explain", "--error-code", "E61"}, 3},
      {{"explain", "--error-code", "E26"}, 0},
      {{"--help"}, 0},
  };
  for (const auto& [words, status] : cases) {
    const Output output = cli(words);
    EXPECT_EQ(output.status, status) << ::testing::PrintToString(words) << output.error;
    if (status != 0) {
      const std::string code = std::string("[ E") + (status < 10 ? "0" : "") + std::to_string(status) + " ] ";
      EXPECT_NE(output.error.find(code), std::string::npos) << output.error;
      EXPECT_EQ(output.out, "");
    }
  }
}

TEST_F(EnclaveProcesses, SettingsComeFromAFile) {
  const std::string config = machine.folder.path() + "/config.json";
  std::ofstream(config) << R"({"enclave_name":"mine","cpu_ids":[3,1],"memory_mib":66,"eif_path":")" << eif
                        << R"(","debug_mode":true,"color":1})";
  const Output output = cli({"run-enclave", "--config", config});
  ASSERT_EQ(output.status, 0) << output.error;
  EXPECT_NE(output.error.find("\"color\" is not known"), std::string::npos);
  const Json json = Json::parse(output.out);
  EXPECT_EQ(json["EnclaveName"], "mine");
  EXPECT_EQ(json["CPUIDs"], Json({3, 1}));
  EXPECT_EQ(json["MemoryMiB"], 66);
  EXPECT_EQ(Json::parse(cli({"describe-enclaves"}).out)[0]["Flags"], "DEBUG_MODE");
  const struct {
    const char* text;
    ErrorCode code;
  } broken[] = {{"{", ErrorCode::kSerialization},
                {"[]", ErrorCode::kSerialization},
                {R"({"cpu_count":1,"memory_mib":64})", ErrorCode::kMissingArgument},
                {R"({"eif_path":"x","memory_mib":64})", ErrorCode::kMissingArgument},
                {R"({"eif_path":"x","memory_mib":64,"cpu_count":1,"cpu_ids":[1]})", ErrorCode::kConflictingArgument},
                {R"({"eif_path":"x","memory_mib":-1,"cpu_count":1})", ErrorCode::kInvalidArgument},
                {R"({"eif_path":"x","memory_mib":1.5,"cpu_count":1})", ErrorCode::kInvalidArgument},
                {R"({"eif_path":7,"memory_mib":64,"cpu_count":1})", ErrorCode::kSerialization}};
  for (const auto& [text, code] : broken) {
    std::ofstream(config) << text;
    try {
      std::vector<std::string> ignored;
      static_cast<void>(request_from_config(config, ignored));
      ADD_FAILURE() << text;
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), code) << text;
    }
  }
}

TEST_F(EnclaveProcesses, ImagesAreBuiltDescribedAndMeasured) {
  const std::string folder = machine.folder.path();
  cofferdam::write_file(folder + "/kernel", cofferdam::Bytes(64, 9));
  cofferdam::write_file(folder + "/disk", cofferdam::Bytes(65, 8));
  const auto build = [&](const std::string& output) {
    return cli({"build-enclave", "--flat-kernel", "--kernel", folder + "/kernel", "--cmdline", "console=ttyS0", "--ramdisk",
                folder + "/disk", "--name", "n", "--output-file", output});
  };
  const Output built = build(folder + "/a.eif");
  ASSERT_EQ(built.status, 0) << built.error;
  ASSERT_EQ(build(folder + "/b.eif").status, 0);
  EXPECT_EQ(cofferdam::read_file(folder + "/a.eif", 1 << 20), cofferdam::read_file(folder + "/b.eif", 1 << 20));
  const Output described = cli({"describe-eif", "--eif-path", folder + "/a.eif"});
  EXPECT_EQ(described.status, 0);
  EXPECT_EQ(Json::parse(described.out)["Measurements"], Json::parse(built.out)["Measurements"]);
  EXPECT_EQ(Json::parse(described.out)["CheckCRC"], true);
  // PCR2 of an image without a second ramdisk extends the digest of nothing.
  cofferdam::write_file(folder + "/empty", {});
  EXPECT_EQ(Json::parse(cli({"pcr", "--input", folder + "/empty"}).out)["PCR"],
            Json::parse(built.out)["Measurements"]["PCR2"]);
  EXPECT_EQ(cli({"pcr", "--signing-certificate", folder + "/empty"}).status, 57);
  EXPECT_EQ(cli({"describe-eif", "--eif-path", folder + "/disk"}).status, 35);
}

}  // namespace
}  // namespace enclave_cli
