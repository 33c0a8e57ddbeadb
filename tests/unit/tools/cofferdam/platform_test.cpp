// What Cofferdam's own certificates say about the machine, and the logs that must tell the same.
#include <gtest/gtest.h>

#include <cstring>

#include "firmware/measure/ledger.hpp"
#include "firmware/measure/platform_log.hpp"
#include "firmware/rom/boot_measurements.hpp"
#include "tests/unit/tools/cofferdam/forged_document.hpp"
#include "tools/cofferdam/report.hpp"

namespace {

using attestation::PlatformFlag;
using cofferdam::Bytes;
using cofferdam::ByteView;
using cofferdam::Reason;
using cofferdam::Report;
using cofferdam::VerifyOptions;
using forged::Forgery;

// A document of an honest monitor with a log of four events and a ledger of three records, all by the firmware's code.
class PlatformOfDocument : public testing::Test {
 protected:
  PlatformOfDocument() {
    measure::Manifest manifest{};
    manifest.security_version = 5;
    manifest.image_digest.fill(2);
    manifest.board_digest.fill(4);
    tcb_.code = manifest.image_digest;
    tcb_.configuration = manifest.board_digest;
    for (const measure::Event& event : rom::measure_boot({}, {}, manifest)) {
      EXPECT_TRUE(log_.record(static_cast<measure::PlatformPcr>(event.pcr), event.name.data(), event.digest).ok());
    }
    measure::Digest protections;
    protections.fill(3);
    EXPECT_TRUE(log_.record(measure::PlatformPcr::kConfiguration, "protections", protections).ok());
    ledger_.append({measure::LedgerKind::kDonate, 1, 2, 0, 0x48000, 512});
    ledger_.append({measure::LedgerKind::kCoreDonate, 1, 2, 3, 0, 0});
    ledger_.append({measure::LedgerKind::kEnclaveStart, 0, 2, 0, 77, 0});
    state_.platform_bank = measure::digest_of(log_.bank());
    state_.launch_digest.fill(9);
    state_.ledger = ledger_.head();
    state_.cores = 2;
    state_.memory = 256 << 20;
    state_.shared_memory = 8192;
    state_.set(PlatformFlag::kSmmuActive);
    state_.set(PlatformFlag::kMemoryExclusive);
  }

  [[nodiscard]] Bytes events() const {
    const auto all = log_.events();
    return {reinterpret_cast<const std::uint8_t*>(all.data()),
            reinterpret_cast<const std::uint8_t*>(all.data()) + all.size_bytes()};
  }
  [[nodiscard]] Bytes records() const {
    Bytes bytes;
    for (std::uint64_t i = 0; i < ledger_.size(); ++i) {
      const measure::LedgerRecord record = *ledger_.read(i);
      const auto* raw = reinterpret_cast<const std::uint8_t*>(&record);
      bytes.insert(bytes.end(), raw, raw + sizeof(record));
    }
    return bytes;
  }
  [[nodiscard]] Report verify(const std::function<void(VerifyOptions&)>& ask = {}) {
    const auto oid = base::Bytes{attestation::kPlatformStateOid};
    const auto state = attestation::write_platform_state(state_, state_room_).value();
    const auto tcb = measure::write_tcb_info(tcb_, tcb_room_).value();
    forgery_.links[3].extensions.clear();
    if (names_monitor_) forgery_.links[3].extensions = {{measure::kTcbInfoOid, crypto::Criticality::kNotCritical, tcb}};
    forgery_.links[4].extensions = {{oid, crypto::Criticality::kNotCritical, state}};
    VerifyOptions options = forgery_.options();
    if (ask) ask(options);
    return cofferdam::verify_document(forgery_.document(), options);
  }
  // All eight registers at the values of the log.
  [[nodiscard]] cofferdam::Policy reference_values() const {
    cofferdam::Policy policy{.source = "test"};
    for (unsigned i = 0; i < 8; ++i) policy.platform[i] = {Bytes(log_.bank()[i].begin(), log_.bank()[i].end())};
    return policy;
  }

  measure::PlatformLog log_;
  measure::BasicLedger<8> ledger_;
  attestation::PlatformState state_;
  measure::TcbInfo tcb_{.vendor = "Cofferdam", .model = "qemu-virt", .version = "1", .security_version = 5, .layer = 1};
  bool names_monitor_{true};
  Forgery forgery_;
  std::array<std::uint8_t, 256> state_room_{};
  std::array<std::uint8_t, 256> tcb_room_{};
};

TEST_F(PlatformOfDocument, IsReadFromTheCertificates) {
  const Report report = verify();
  ASSERT_FALSE(report.refused) << report.message;
  ASSERT_TRUE(report.platform && report.platform->state && report.platform->tcb);
  EXPECT_EQ(report.platform->tcb->vendor, "Cofferdam");
  EXPECT_EQ(report.platform->tcb->model, "qemu-virt");
  EXPECT_EQ(report.platform->tcb->security_version, 5U);
  EXPECT_EQ(report.platform->tcb->firmware_ids.size(), 2U);
  EXPECT_EQ(report.platform->state->cores, 2U);
  EXPECT_EQ(report.platform->state->memory, 256U << 20);
  EXPECT_EQ(report.platform->state->shared_memory, 8192U);
  EXPECT_EQ(report.platform->state->ledger_records, 3U);
  const auto json = cofferdam::report_json(report);
  EXPECT_EQ(json["platform"]["state"]["flags"]["smmu_active"], true);
  EXPECT_EQ(json["platform"]["state"]["flags"]["debug_enclave"], false);
  const std::string text = cofferdam::report_text(report, {}, cofferdam::Colour::kNever);
  EXPECT_NE(text.find("every bus master is confined by an SMMU"), std::string::npos);
  EXPECT_NE(text.find("the monitor could reach the device secret"), std::string::npos);
}

TEST_F(PlatformOfDocument, LogsThatTellTheSameAreAccepted) {
  const Report report = verify([&](VerifyOptions& options) {
    options.evidence.event_log = events();
    options.evidence.ledger = records();
  });
  ASSERT_FALSE(report.refused) << report.message;
  ASSERT_EQ(report.platform->events.size(), 4U);
  EXPECT_EQ(report.platform->events[3].name, "protections");
  for (unsigned i = 0; i < 8; ++i) {
    EXPECT_TRUE(cofferdam::equal(report.platform->registers.at(i), log_.bank()[i])) << i;
  }
  ASSERT_EQ(report.platform->ledger.size(), 3U);
  EXPECT_EQ(cofferdam::describe(report.platform->ledger[0]), "donate parent -> enclave 0: 512 frames from frame 294912");
  EXPECT_EQ(cofferdam::describe(report.platform->ledger[1]), "core 3 parent -> enclave 0");
}

TEST_F(PlatformOfDocument, AnAlteredLogIsRefused) {
  const Bytes honest = events();
  for (std::size_t i = 0; i < honest.size(); i += 11) {
    const bool in_name = i % 80 >= 4 && i % 80 < 32;  // names are for people and not measured
    Bytes log = honest;
    log[i] ^= 1;
    const Report report = verify([&](VerifyOptions& options) { options.evidence.event_log = log; });
    EXPECT_EQ(report.refused, in_name ? std::nullopt : std::optional(Reason::kEventLog)) << i;
  }
  const Bytes shorter(honest.begin(), honest.end() - 80);
  EXPECT_EQ(verify([&](VerifyOptions& options) { options.evidence.event_log = shorter; }).refused, Reason::kEventLog);
}

TEST_F(PlatformOfDocument, AnAlteredLedgerIsRefused) {
  const Bytes honest = records();
  for (std::size_t i = 0; i < honest.size(); i += 3) {
    Bytes ledger = honest;
    ledger[i] ^= 1;
    const Report report = verify([&](VerifyOptions& options) { options.evidence.ledger = ledger; });
    EXPECT_EQ(report.refused, Reason::kLedger) << i;
  }
  const Bytes shorter(honest.begin(), honest.end() - 32);
  EXPECT_EQ(verify([&](VerifyOptions& options) { options.evidence.ledger = shorter; }).refused, Reason::kLedger);
}

TEST_F(PlatformOfDocument, ALedgerMayHaveGrownSince) {
  ledger_.append({measure::LedgerKind::kReclaim, 2, 1, 0, 0x48000, 512});
  const Report report = verify([&](VerifyOptions& options) { options.evidence.ledger = records(); });
  ASSERT_FALSE(report.refused) << report.message;
  EXPECT_EQ(report.platform->ledger.size(), 3U) << "what came later is not attested";
}

TEST_F(PlatformOfDocument, PoliciesOnPlatformRegisters) {
  cofferdam::Policy policy{.source = "test"};
  policy.platform[1] = {Bytes(log_.bank()[1].begin(), log_.bank()[1].end())};
  const auto with_log = [&](VerifyOptions& options) {
    options.policies = {policy};
    options.evidence.event_log = events();
  };
  const auto without_log = [&](VerifyOptions& options) { options.policies = {policy}; };
  EXPECT_FALSE(verify(with_log).refused);
  EXPECT_EQ(verify(without_log).refused, Reason::kPlatform) << "one register can't be told from the digest of eight";
  policy = reference_values();
  EXPECT_FALSE(verify(without_log).refused) << "all eight can";
  policy.platform[1][0][0] ^= 1;
  EXPECT_EQ(verify(without_log).refused, Reason::kPlatform);
  EXPECT_EQ(verify(with_log).refused, Reason::kPlatform);
}

// An older monitor has its own key and the ROM's word for what it is, and states the registers of another.
TEST_F(PlatformOfDocument, RegistersThatTheRomsCertificateContradictsAreRefused) {
  const measure::TcbInfo honest = tcb_;
  const auto with_log = [&](VerifyOptions& options) { options.evidence.event_log = events(); };
  const auto without_log = [&](VerifyOptions& options) { options.policies = {reference_values()}; };
  const auto with_both = [&](VerifyOptions& options) { with_log(options), without_log(options); };
  const std::vector<std::function<void(measure::TcbInfo&)>> lies{
      [](measure::TcbInfo& tcb) { tcb.code[0] ^= 1; }, [](measure::TcbInfo& tcb) { tcb.configuration[47] ^= 1; },
      [](measure::TcbInfo& tcb) { tcb.security_version = 4; }, [](measure::TcbInfo& tcb) { tcb.security_version = 6; },
      [](measure::TcbInfo& tcb) { std::swap(tcb.code, tcb.configuration); }};
  for (std::size_t i = 0; i <= lies.size(); ++i) {
    tcb_ = honest;
    if (i < lies.size()) lies[i](tcb_);
    const auto expected = i < lies.size() ? std::optional(Reason::kPlatform) : std::nullopt;
    EXPECT_EQ(verify(with_log).refused, expected) << i;
    EXPECT_EQ(verify(without_log).refused, expected) << i;
    EXPECT_EQ(verify(with_both).refused, expected) << i;
    EXPECT_FALSE(verify().refused) << i << ": nobody asked, and the registers are not known";
  }
  names_monitor_ = false;
  EXPECT_EQ(verify(with_log).refused, Reason::kPlatform);
  EXPECT_EQ(verify(without_log).refused, Reason::kPlatform);
}

TEST_F(PlatformOfDocument, ASecurityVersionHasAMinimum) {
  const auto least = [&](std::uint64_t version) {
    return verify([version](VerifyOptions& options) {
             options.policies = {{.source = "test", .min_security_version = version}};
           })
        .refused;
  };
  EXPECT_FALSE(least(0));
  EXPECT_FALSE(least(5));
  EXPECT_EQ(least(6), Reason::kPlatform);
  names_monitor_ = false;
  EXPECT_EQ(least(0), Reason::kPlatform);
}

TEST_F(PlatformOfDocument, EvidenceForADocumentThatStatesNothingIsRefused) {
  Forgery forgery;
  VerifyOptions options = forgery.options();
  options.evidence.event_log = events();
  EXPECT_EQ(cofferdam::verify_document(forgery.document(), options).refused, Reason::kPlatform);
}

TEST_F(PlatformOfDocument, DebugModeCantBeContradicted) {
  state_.set(PlatformFlag::kDebugEnclave);
  EXPECT_EQ(verify().refused, Reason::kPlatform) << "the leaf says debug, the registers production";
  for (const unsigned i : {0U, 1U, 2U, 8U}) forgery_.pcrs[i] = Bytes(48, 0);
  EXPECT_FALSE(verify().refused);
  state_.flags = 0;
  EXPECT_EQ(verify().refused, Reason::kPlatform) << "the registers say debug, the leaf production";
}

TEST_F(PlatformOfDocument, DevelopmentFlagsAreSeen) {
  state_.set(PlatformFlag::kDevelopmentIdentity);
  EXPECT_EQ(verify().refused, Reason::kDevelopment);
  state_.flags = 0;
  tcb_.flags = measure::kTcbNotSecure;
  EXPECT_EQ(verify().refused, Reason::kDevelopment);
  tcb_.flags = measure::kTcbDebug;
  EXPECT_FALSE(verify().refused);
}

TEST_F(PlatformOfDocument, ALeafThatSpeaksForTheMonitorIsRefused) {
  const auto tcb = measure::write_tcb_info({.vendor = "Cofferdam", .version = "1", .security_version = 99, .layer = 1}, tcb_room_).value();
  Forgery forgery;
  forgery.links[4].extensions = {{measure::kTcbInfoOid, crypto::Criticality::kNotCritical, tcb}};
  EXPECT_EQ(cofferdam::verify_document(forgery.document(), forgery.options()).refused, Reason::kPlatform);
}

TEST_F(PlatformOfDocument, MalformedExtensionsAreRefused) {
  Forgery forgery;
  constexpr std::array<std::uint8_t, 5> kNonsense{0x30, 0x03, 0x02, 0x01, 0x07};
  forgery.links[4].extensions = {{attestation::kPlatformStateOid, crypto::Criticality::kNotCritical, kNonsense}};
  EXPECT_EQ(cofferdam::verify_document(forgery.document(), forgery.options()).refused, Reason::kPlatform);
}

TEST(Evidence, IsRawOrHexadecimal) {
  const Bytes raw(160, 0x61);  // also hexadecimal digits, as it happens
  const std::string hex = cofferdam::to_hex(Bytes(80, 0x07)) + "\n";
  EXPECT_EQ(cofferdam::evidence_bytes(cofferdam::as_bytes(hex), 80, "log"), Bytes(80, 0x07));
  EXPECT_EQ(cofferdam::evidence_bytes(Bytes(80, 0x07), 80, "log"), Bytes(80, 0x07));
  EXPECT_EQ(cofferdam::evidence_bytes(raw, 80, "log").size(), 80U);
  EXPECT_THROW((void)cofferdam::evidence_bytes(Bytes(81, 0x07), 80, "log"), cofferdam::Unreadable);
  EXPECT_THROW((void)cofferdam::evidence_bytes({}, 80, "log"), cofferdam::Unreadable);
}

}  // namespace
