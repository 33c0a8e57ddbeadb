#include "firmware/measure/platform_log.hpp"

#include <gtest/gtest.h>

#include "firmware/measure/handover_check.hpp"
#include "tests/unit/firmware/filled_digest.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using measure::Digest;
using measure::Event;
using measure::Handover;
using measure::PlatformLog;
using measure::PlatformPcr;
using test_data::filled;
using test_data::to_hex;

PlatformLog small_log() {
  PlatformLog log;
  EXPECT_TRUE(log.record(PlatformPcr::kRom, "rom", filled(1)).ok());
  EXPECT_TRUE(log.record(PlatformPcr::kMonitor, "monitor", filled(2)).ok());
  EXPECT_TRUE(log.record(PlatformPcr::kMonitor, "monitor security version", filled(3)).ok());
  EXPECT_TRUE(log.record(PlatformPcr::kConfiguration, "protections that are on", filled(4)).ok());
  return log;
}

// Computed with Python's hashlib.
TEST(PlatformLog, KnownAnswers) {
  const PlatformLog log = small_log();
  EXPECT_EQ(to_hex(log.bank()[1]), 
            "1f3b8d0155a691c5625263a74d761a73c8558b6c63b610ed0096acc64c2e6e82ad30485ea0efdc8ba493f4278fc7a0b3");
  EXPECT_EQ(log.bank()[3], Digest{});
  EXPECT_EQ(to_hex(measure::digest_of(log.bank())), 
            "df17d2e6f626fe84e070289bb3df4eab1c521d7e803dd95112cc7a72d315582bc8067bc96c04842e1696a20398511a21");
}

TEST(PlatformLog, ReplayGivesTheBankAndNoOtherOrderDoes) {
  const PlatformLog log = small_log();
  EXPECT_EQ(measure::replay(log.events()).value(), log.bank());
  std::vector<Event> swapped(log.events().begin(), log.events().end());
  std::swap(swapped[1], swapped[2]);
  EXPECT_NE(measure::replay(swapped).value(), log.bank());
  swapped.pop_back();
  EXPECT_NE(measure::replay(swapped).value(), log.bank());
}

TEST(PlatformLog, ReplayRefusesAnUnknownRegister) {
  const std::array<Event, 1> events{{{8, {}, {}}}};
  EXPECT_EQ(measure::replay(events).error(), Error::kOutOfRange);
}

TEST(PlatformLog, FullLogRefusesAndStaysReplayable) {
  PlatformLog log;
  for (std::size_t i = 0; i < measure::kMaxPlatformEvents; ++i) {
    ASSERT_TRUE(log.record(PlatformPcr::kDeviceTree, "device tree", filled(static_cast<std::uint8_t>(i))).ok());
  }
  const auto bank = log.bank();
  EXPECT_EQ(log.record(PlatformPcr::kRom, "late", filled(9)).error(), Error::kTooLarge);
  EXPECT_EQ(log.bank(), bank);
  EXPECT_EQ(measure::replay(log.events()).value(), bank);
}

TEST(PlatformLog, LongNamesAreCut) {
  PlatformLog log;
  ASSERT_TRUE(log.record(PlatformPcr::kRom, std::string(100, 'x'), {}).ok());
  EXPECT_EQ(log.events()[0].name.back(), 'x');
}

Handover good_handover() {
  Handover handover{};
  handover.magic = measure::kHandoverMagic;
  handover.event_count = 2;
  handover.events[0] = {0, {'r', 'o', 'm'}, filled(1)};
  handover.events[1] = {1, {'m', 'o', 'n'}, filled(2)};
  handover.cdi = filled(7);
  handover.certificate_count = measure::kMaxChainCertificates;
  for (auto& certificate : handover.chain) certificate.size = 600;
  handover.device_id = {'i', '-', '0', '1'};
  handover.memory_bytes = 0x8000'0000;
  return handover;
}

TEST(PlatformLog, GoesOnWhereTheRomStopped) {
  const Handover handover = good_handover();
  PlatformLog log;
  ASSERT_TRUE(log.adopt(handover).ok());
  ASSERT_EQ(log.events().size(), 2U);
  PlatformLog same;
  ASSERT_TRUE(same.record(PlatformPcr::kRom, "rom", filled(1)).ok());
  ASSERT_TRUE(same.record(PlatformPcr::kMonitor, "mon", filled(2)).ok());
  EXPECT_EQ(log.bank(), same.bank());
  EXPECT_EQ(log.adopt(handover).error(), Error::kWrongState);
}

TEST(HandoverCheck, AcceptsTheGoodOneAndNoneOfTheBad) {
  ASSERT_TRUE(measure::validate(good_handover()).ok());
  const auto refused = [](auto change) {
    Handover handover = good_handover();
    change(handover);
    const base::Status status = measure::validate(handover);
    return !status.ok() && status.error() == Error::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](Handover& h) { h.magic ^= 1; }));
  EXPECT_TRUE(refused([](Handover& h) { h.development = 2; }));
  EXPECT_TRUE(refused([](Handover& h) { h.reserved = 1; }));
  EXPECT_TRUE(refused([](Handover& h) { h.event_count = measure::kMaxHandoverEvents + 1; }));
  EXPECT_TRUE(refused([](Handover& h) { h.event_count = 0xFFFFFFFF; }));
  EXPECT_TRUE(refused([](Handover& h) { h.events[1].pcr = measure::kPlatformPcrCount; }));
  EXPECT_TRUE(refused([](Handover& h) { h.events[0].name[10] = 'x'; }));  // behind the end
  EXPECT_TRUE(refused([](Handover& h) { h.events[0].name[0] = '\n'; }));
  EXPECT_TRUE(refused([](Handover& h) { h.cdi = {}; }));
  EXPECT_TRUE(refused([](Handover& h) { h.certificate_count = 3; }));
  EXPECT_TRUE(refused([](Handover& h) { h.certificate_count = 0xFFFFFFFF; }));
  EXPECT_TRUE(refused([](Handover& h) { h.chain[3].size = 0; }));
  EXPECT_TRUE(refused([](Handover& h) { h.chain[0].size = measure::kMaxCertificateSize + 1; }));
  EXPECT_TRUE(refused([](Handover& h) { h.memory_bytes = 0; }));
  EXPECT_TRUE(refused([](Handover& h) { h.memory_bytes += 0x800; }));  // half a frame
  EXPECT_TRUE(refused([](Handover& h) { h.memory_bytes = measure::kMaxMemory + 0x1000; }));
  EXPECT_TRUE(refused([](Handover& h) { h.device_id = {}; }));
  EXPECT_TRUE(refused([](Handover& h) { h.device_id.fill('a'); }));  // no end
}

}  // namespace
