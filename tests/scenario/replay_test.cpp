// A recorded run replays to the same replies, and one that was changed does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "hal/host/dma_device.hpp"
#include "hal/host/replayer.hpp"
#include "tests/scenario/whole_machine.hpp"

namespace scenario {
namespace {

using ::testing::HasSubstr;

// The monitor runs once in a process: each run of it gets a child, which writes its answer to a file.
std::string in_child(const std::function<std::string()>& work) {
  const std::string path = ::testing::TempDir() + "cofferdam_replay_" + std::to_string(getpid());
  const pid_t child = fork();
  if (child == 0) {
    std::string answer;
    try {
      answer = work();
    } catch (const std::exception& error) {
      answer = std::string("exception: ") + error.what();
    }
    std::ofstream(path, std::ios::binary) << answer;
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::remove(path.c_str());
  return status == 0 ? text : "crashed";
}

// A life with everything in it that a record must hold: images, documents, channels, faults of a device, kicks.
std::string recorded_life() {
  return in_child([] {
    host::Recorder recorder;
    host::MachineConfig config;
    config.seed = 99;
    config.handover = support::handover_bytes(board::kBoard.digest);
    host::Machine machine(config);
    machine.record_to(&recorder);
    machine.boot();
    const auto on = [&](std::uint8_t core) { return machine.cpu(base::CoreId{core}); };
    const std::uint64_t uid = run_enclave(on(0), {});
    if (uid == 0) return std::string("no enclave");
    (void)on(0).call(Function::kChannelOpen, {uid, kRam + kBlock, kFrame});
    enable_doorbell(on(0));
    enable_doorbell(on(1));
    (void)on(0).call(Function::kChannelNotify, {uid, 0});
    (void)on(1).take_interrupt();
    (void)ask_nsm(on(1), attestation_request(std::vector<std::uint8_t>(16, 5)));
    (void)on(1).call(Function::kChannelNotify, {0, 0});
    (void)on(0).take_interrupt();
    host::DmaDevice device(machine, base::StreamId{8});
    const std::vector<std::uint8_t> bytes(8, 1);
    (void)device.write(kDonated, bytes);
    (void)on(0).call(Function::kFaultCounters, {1});
    (void)on(0).can_read(Ipa{kDonated});
    (void)end_enclave(on(0), uid);
    (void)on(0).call(Function::kSlotCount);
    machine.set_unix_milliseconds(1'795'000'000'000);
    (void)on(0).call(Function::kSlotAllocate);
    return recorder.text();
  });
}

std::string replayed(const std::string& record) {
  return in_child([&record] {
    const host::ReplayReport report = host::replay(record);
    return report.difference ? *report.difference : "alike: " + std::to_string(report.traps);
  });
}

TEST(Replay, TheSameRepliesComeAgain) {
  const std::string record = recorded_life();
  ASSERT_THAT(record, HasSubstr("cofferdam-record 1"));
  ASSERT_THAT(record, HasSubstr("\nirq 7\n"));
  const auto traps = [&] {
    std::size_t count = 0;
    for (std::size_t at = record.find("\ntrap "); at != std::string::npos; at = record.find("\ntrap ", at + 1)) ++count;
    return count;
  }();
  EXPECT_GT(traps, 30U);
  EXPECT_EQ(replayed(record), "alike: " + std::to_string(traps));
}

TEST(Replay, AnotherReplyIsNoticed) {
  std::string record = recorded_life();
  const std::size_t reply = record.rfind("\nreply ");
  record[record.size() - 2] = record[record.size() - 2] == '1' ? '2' : '1';  // the last register of the last reply
  ASSERT_NE(reply, std::string::npos);
  EXPECT_THAT(replayed(record), HasSubstr("x17 is"));
}

TEST(Replay, AnotherImageIsNoticed) {
  std::string record = recorded_life();
  const std::size_t image = record.find(" 2e656966");  // ".eif", where the monitor read it
  ASSERT_NE(image, std::string::npos);
  record[image + 1] = '3';
  EXPECT_THAT(replayed(record), HasSubstr("trap "));
}

TEST(Replay, AnotherClockIsNoticed) {
  std::string record = recorded_life();
  const std::size_t time = record.find("\ntime ");
  ASSERT_NE(time, std::string::npos);
  record[time + 6] = record[time + 6] == '2' ? '3' : '2';
  EXPECT_THAT(replayed(record), HasSubstr("x1 is"));
}

TEST(Replay, WhatIsNoRecordIsRefused) {
  for (const char* text : {"", "hello\n", "cofferdam-record 2\n", "cofferdam-record 1\nfrobnicate\n",
                           "cofferdam-record 1\nboard x 00\nhandover zz\n", "cofferdam-record 1\nreply 0 1\n"}) {
    EXPECT_THAT(replayed(text), HasSubstr("exception: not a record")) << text;
  }
  EXPECT_THAT(replayed("cofferdam-record 1\nboard other 00\nhandover -\n"), HasSubstr("another description"));
}

}  // namespace
}  // namespace scenario
