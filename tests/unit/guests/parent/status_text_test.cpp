// What cofferdam-status prints of given entries, and that no entry, however cut or hostile, upsets it.
#include "guests/parent/status_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace parent {
namespace {

namespace abi = cofferdam_abi;
using abi::StatusSection;
using testing::HasSubstr;
using testing::Not;

template <typename Status>
Entry bytes_of(const Status& status) {
  Entry entry(sizeof status);
  std::memcpy(entry.data(), &status, sizeof status);
  return entry;
}
std::vector<Entry>& of(Sections& sections, StatusSection section) { return sections[static_cast<std::size_t>(section)]; }

Sections some() {
  Sections sections;
  of(sections, StatusSection::kVersion) = {bytes_of(abi::VersionStatus{
      .head = {104, 1}, .abi = 1 << 16 | 1, .security_version = 3, .board = "qemu-virt", .board_digest = {0xAB, 0xCD}})};
  of(sections, StatusSection::kMachine) = {
      bytes_of(abi::MachineStatus{.head = {88, 1}, .uptime_milliseconds = 61'005, .memory_bytes = 4096, .cores = 4})};
  abi::CounterStatus mine{.head = {184, 1}, .mpidr = 2, .owner = 1, .faults = {1, 2, 3, 4}};
  mine.traps.count[8] = 99;
  abi::CounterStatus other{.head = {184, 1}, .mpidr = 3, .owner = 2};
  of(sections, StatusSection::kCounters) = {bytes_of(mine), bytes_of(other)};
  of(sections, StatusSection::kDmaFaults) = {bytes_of(abi::DmaFaultStatus{
      .head = {48, 1}, .sequence = 5, .address = 0x4000'0000, .stream = 8, .type = 0x10, .write = 1}),
      bytes_of(abi::DmaFaultStatus{.head = {48, 1}, .sequence = 6, .uptime_milliseconds = 7})};
  of(sections, StatusSection::kEventLog) = {bytes_of(abi::EventStatus{.head = {88, 1}, .pcr = 1, .name = "monitor"})};
  of(sections, StatusSection::kSlots) = {bytes_of(abi::SlotStatus{
      .head = {48, 1}, .uid = 0xABC, .cid = 16, .memory_bytes = 8192, .state = 0xFFFF, .exit = 3 << 8 | 2, .flags = 1})};
  return sections;
}

TEST(StatusText, SaysWhatTheEntriesSay) {
  const std::string text = status_text(some());
  EXPECT_THAT(text, HasSubstr("interface 1.1, security version 3\n"));
  EXPECT_THAT(text, HasSubstr("board: qemu-virt, abcd00"));
  EXPECT_THAT(text, HasSubstr("up: 61.005 s"));
  EXPECT_THAT(text, HasSubstr("faults: stage2 1 dma 2 undefined 3 refused_calls 4\n"));
  EXPECT_THAT(text, HasSubstr("core 2: traps physical_interrupt 99\n"));
  EXPECT_THAT(text, HasSubstr("core 3: an enclave's\n"));
  EXPECT_THAT(text, HasSubstr("DMA fault 5: at 0 ms stream 8 wrote to 40000000, SMMU event 10\n"));
  EXPECT_THAT(text, HasSubstr("DMA fault 6: at 7 ms, and some were lost\n"));
  EXPECT_THAT(text, HasSubstr("event: PCR1 monitor 00"));
  EXPECT_THAT(text, HasSubstr("slot abc: stopped (DEBUG), cid 16, 8 KiB, 0 cores, 0 channels, exit reason 3 code 2\n"));
}

TEST(StatusText, JsonHasTheSameUnderNames) {
  const std::string json = status_json(some());
  EXPECT_THAT(json, HasSubstr(R"("abi":"1.1","security_version":3,"development":false,"board":"qemu-virt")"));
  EXPECT_THAT(json, HasSubstr(R"("uptime_ms":61005)"));
  EXPECT_THAT(json, HasSubstr(R"("physical_interrupt":99)"));
  EXPECT_THAT(json, HasSubstr(R"("stream":8,"event":16,"write":true)"));
  EXPECT_THAT(json, HasSubstr(R"("state":"stopped","exit_reason":3,"exit_code":2,"debug":true)"));
  EXPECT_EQ(std::count(json.begin(), json.end(), '{'), std::count(json.begin(), json.end(), '}'));
  EXPECT_EQ(std::count(json.begin(), json.end(), '['), std::count(json.begin(), json.end(), ']'));
  EXPECT_THAT(json, Not(HasSubstr("\n")));
  EXPECT_EQ(status_json({}), R"({"version":[],"machine":[],"cores":[],"dma_faults":[],"events":[],"slots":[]})");
}

TEST(StatusText, EntriesMayBeLongerThanKnownOrCut) {
  Sections longer = some();
  for (auto& section : longer) {
    for (Entry& entry : section) entry.resize(entry.size() + 64, 0xEE);
  }
  EXPECT_EQ(status_text(longer), status_text(some()));
  for (std::size_t size = 0; size < 200; ++size) {
    Sections cut = some();
    for (auto& section : cut) {
      for (Entry& entry : section) entry.resize(std::min(entry.size(), size));
    }
    EXPECT_FALSE(status_text(cut).empty());
    EXPECT_FALSE(status_json(cut).empty());
  }
}

TEST(StatusText, NamesCantForgeLinesOrJson) {
  Sections sections;
  abi::EventStatus event{.head = {88, 1}, .name = "a\"b\\c\nd\x1b[2J"};
  of(sections, StatusSection::kEventLog) = {bytes_of(event)};
  EXPECT_THAT(status_json(sections), HasSubstr(R"("name":"a.b.c.d.[2J")"));
  std::memset(event.name, 'x', sizeof event.name);  // no NUL at its end
  of(sections, StatusSection::kEventLog) = {bytes_of(event)};
  EXPECT_THAT(status_text(sections), HasSubstr("PCR0 " + std::string(28, 'x') + " 00"));
}

}  // namespace
}  // namespace parent
