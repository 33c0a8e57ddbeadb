// Recipients: real documents of AWS at a fixed time, forged ones of Cofferdam, and what a remembered chain may not excuse.
#include "tools/kms/recipient.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "firmware/measure/platform_log.hpp"
#include "firmware/rom/boot_measurements.hpp"
#include "tests/unit/tools/cofferdam/forged_document.hpp"
#include "tools/kms/condition_keys.hpp"
#include "tools/kms/errors.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;
using forged::Forgery;
using kms::Recipient;
using kms::Recipients;

constexpr std::int64_t kDay = 86'400;
constexpr std::string_view kOurs = "cofferdam:recipientattestation:";

const Bytes& rsa_spki() {
  static const Bytes spki = cryptography::PrivateKey::generate(cryptography::KeyKind::kRsa2048).public_key().spki();
  return spki;
}

std::string refusal(const Recipients& recipients, ByteView document, std::int64_t time, const std::optional<Bytes>& log = {}) {
  try {
    (void)recipients.verify(document, log, time);
  } catch (const kms::KmsError& error) {
    EXPECT_EQ(error.name(), kms::ErrorName::kValidation);
    return error.what();
  }
  return "";
}

// After "...is refused: " and before the next colon.
std::string reason(const std::string& message) {
  const std::size_t begin = message.find("refused: ") + 9;
  return message.empty() ? "" : message.substr(begin, message.find(':', begin) - begin);
}

class KmsRecipientOfAws : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::ifstream(folder_ + "yawn.cose")) GTEST_SKIP() << "no fixtures";
  }
  [[nodiscard]] Bytes fixture(const std::string& name) const { return cofferdam::read_file(folder_ + name + ".cose", 65536); }

  std::string folder_ = std::string(COFFERDAM_FIXTURES) + "/attestation/";
  Recipients aws_{{.anchors = {}}};
};

TEST_F(KmsRecipientOfAws, IsTakenInItsTimeOnly) {
  for (const auto& [name, begin, end] : {std::tuple{"anjuna_prod_pubkey", 1616601982L, 1616612782L},
                                         std::tuple{"yawn", 1736179622L, 1736190425L}}) {
    const Recipient recipient = aws_.verify(fixture(name), {}, begin + 100);
    EXPECT_EQ(recipient.conditions.at("kms:recipientattestation:imagesha384"), std::vector{recipient.pcr0});
    EXPECT_EQ(recipient.conditions.at(std::string(kOurs) + "rootsha256"), std::vector{std::string(cofferdam::kAwsRootFingerprint)});
    EXPECT_FALSE(recipient.conditions.contains(std::string(kOurs) + "smmuactive"));
    for (const std::int64_t time : {begin - 1, end + 1, begin + kDay, begin - kDay}) {
      EXPECT_EQ(reason(refusal(aws_, fixture(name), time)), "validity") << name << " " << time;
    }
  }
}

TEST_F(KmsRecipientOfAws, IsRefusedWhenItIsDebugOrHasNoKey) {
  EXPECT_EQ(reason(refusal(aws_, fixture("anjuna_full"), 1706120154)), "debug");
  EXPECT_NE(refusal(aws_, fixture("veracruz_good"), 1668034417).find("no public_key"), std::string::npos);
  EXPECT_NE(refusal(aws_, fixture("marlin_sample1"), 1708930774).find("not a SubjectPublicKeyInfo"), std::string::npos);
  EXPECT_EQ(reason(refusal(aws_, fixture("veracruz_bad_sig"), 1668034417)), "signature");
  const Recipients allowing({.anchors = {}, .allow_debug = true});
  const Recipient recipient = allowing.verify(fixture("anjuna_full"), {}, 1706120154);
  EXPECT_EQ(recipient.conditions.at(std::string(kOurs) + "debug"), std::vector<std::string>{"true"});
}

TEST_F(KmsRecipientOfAws, NeedsTheRootsThatAreConfigured) {
  const Bytes own_root = forged::certificate_of(forged::honest_links(), 0);
  const Recipients ours({.anchors = {.roots = {own_root}}});
  const Recipients both({.anchors = {.roots = {own_root}, .also_aws = true}});
  Forgery forgery;
  forgery.public_key = rsa_spki();
  EXPECT_EQ(reason(refusal(ours, fixture("yawn"), 1736179722)), "root");
  EXPECT_EQ(refusal(both, fixture("yawn"), 1736179722), "");
  EXPECT_EQ(reason(refusal(aws_, forgery.document(), forged::kNow)), "root");
  EXPECT_EQ(refusal(ours, forgery.document(), forged::kNow), "");
  EXPECT_EQ(refusal(both, forgery.document(), forged::kNow), "");
}

class KmsRecipient : public testing::Test {
 protected:
  KmsRecipient() { forgery_.public_key = rsa_spki(); }
  Forgery forgery_;
  Recipients recipients_{{.anchors = {.roots = {forged::certificate_of(forged::honest_links(), 0)}}}};
};

TEST_F(KmsRecipient, WithoutPcrsIsTakenForDebug) {
  forgery_.pcrs.erase(0);
  forgery_.pcrs.erase(1);
  forgery_.pcrs.erase(2);
  EXPECT_EQ(reason(refusal(recipients_, forgery_.document(), forged::kNow)), "debug");
}

TEST_F(KmsRecipient, OfADevelopmentIdentityIsRefused) {
  forgery_.links[2].unit = "DEVELOPMENT";
  EXPECT_EQ(reason(refusal(recipients_, forgery_.document(), forged::kNow)), "development");
  const Recipients allowing({.anchors = {.roots = {forged::certificate_of(forged::honest_links(), 0)}}, .allow_development = true});
  EXPECT_EQ(refusal(allowing, forgery_.document(), forged::kNow), "");
}

TEST_F(KmsRecipient, ARememberedChainExcusesNothing) {
  const Bytes document = forgery_.document();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(recipients_, document, forged::kNow), "");
  EXPECT_EQ(reason(refusal(recipients_, document, forged::kNow + 1001)), "validity");
  EXPECT_EQ(reason(refusal(recipients_, document, forged::kNow - 1001)), "validity");
  Forgery altered = forgery_;
  altered.edit_signature = [](Bytes& signature) { signature[5] ^= 1; };
  EXPECT_EQ(reason(refusal(recipients_, altered.document(), forged::kNow)), "signature");
  // A leaf by another key under the same names: its link was never seen.
  Forgery foreign = forgery_;
  foreign.links[4].signer = "somebody else";
  EXPECT_EQ(reason(refusal(recipients_, foreign.document(), forged::kNow)), "chain");
  EXPECT_EQ(reason(refusal(recipients_, foreign.document(), forged::kNow)), "chain");  // nor is the failure remembered as good
}

TEST_F(KmsRecipient, RemembersNoMoreThanItsBound) {
  const Recipients small({.anchors = {.roots = {forged::certificate_of(forged::honest_links(), 0)}}, .remembered = 2});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(small, forgery_.document(), forged::kNow), "");
}

TEST_F(KmsRecipient, ShowsItsPlatform) {
  measure::PlatformLog log;
  measure::Manifest manifest{};
  manifest.security_version = 5;
  manifest.image_digest.fill(7);
  manifest.board_digest.fill(8);
  for (const measure::Event& event : rom::measure_boot({}, {}, manifest)) {
    ASSERT_TRUE(log.record(static_cast<measure::PlatformPcr>(event.pcr), event.name.data(), event.digest).ok());
  }
  attestation::PlatformState state;
  state.platform_bank = measure::digest_of(log.bank());
  state.cores = 2;
  state.memory = 256 << 20;
  state.set(attestation::PlatformFlag::kSmmuActive);
  state.set(attestation::PlatformFlag::kMemoryExclusive);
  std::array<std::uint8_t, 256> state_room{};
  std::array<std::uint8_t, 256> tcb_room{};
  measure::TcbInfo tcb{.vendor = "Cofferdam",
                       .model = "qemu-virt",
                       .version = "1",
                       .security_version = 5,
                       .layer = 1,
                       .code = manifest.image_digest,
                       .configuration = manifest.board_digest};
  forgery_.links[3].extensions = {{measure::kTcbInfoOid, crypto::Criticality::kNotCritical, measure::write_tcb_info(tcb, tcb_room).value()}};
  forgery_.links[4].extensions = {{base::Bytes{attestation::kPlatformStateOid}, crypto::Criticality::kNotCritical,
                                   attestation::write_platform_state(state, state_room).value()}};
  const Bytes document = forgery_.document();
  const auto all = log.events();
  const auto* raw = reinterpret_cast<const std::uint8_t*>(all.data());
  Bytes events(raw, raw + all.size_bytes());

  const Recipient plain = recipients_.verify(document, {}, forged::kNow + 5);
  const auto shown = [](const Recipient& recipient, const std::string& name) {
    const auto found = recipient.conditions.find(std::string(kOurs) + kms::lower_case(name));
    return found == recipient.conditions.end() ? "absent" : found->second.at(0);
  };
  EXPECT_EQ(shown(plain, "SmmuActive"), "true");
  EXPECT_EQ(shown(plain, "MemoryExclusive"), "true");
  EXPECT_EQ(shown(plain, "PointerAuthentication"), "false");
  EXPECT_EQ(shown(plain, "Debug"), "false");
  EXPECT_EQ(shown(plain, "Cores"), "2");
  EXPECT_EQ(shown(plain, "SecurityVersion"), "5");
  EXPECT_EQ(shown(plain, "AgeSeconds"), "5");
  EXPECT_EQ(shown(plain, "MonitorSha384"), cofferdam::to_hex(Bytes(48, 7)));
  EXPECT_EQ(shown(plain, "BoardSha384"), cofferdam::to_hex(Bytes(48, 8)));
  EXPECT_EQ(shown(plain, "PlatformDigest"), "absent") << "nothing shows that the monitor is the one that it stands for";
  EXPECT_EQ(shown(plain, "PlatformPCR1"), "absent");
  const Recipient logged = recipients_.verify(document, events, forged::kNow);
  const measure::Digest bank = log.bank()[1];
  EXPECT_EQ(shown(logged, "PlatformPCR1"), cofferdam::to_hex(Bytes(bank.begin(), bank.end())));
  EXPECT_EQ(shown(logged, "PlatformDigest"),
            cofferdam::to_hex(Bytes(state.platform_bank.begin(), state.platform_bank.end())));
  tcb.code.fill(6);
  forgery_.links[3].extensions = {
      {measure::kTcbInfoOid, crypto::Criticality::kNotCritical, measure::write_tcb_info(tcb, tcb_room).value()}};
  EXPECT_EQ(reason(refusal(recipients_, forgery_.document(), forged::kNow, events)), "platform")
      << "another monitor than its registers say";
  events.back() ^= 1;
  EXPECT_EQ(reason(refusal(recipients_, document, forged::kNow, events)), "event-log");
  // Every condition that a document gives can be written into a policy.
  for (const auto& [name, values] : logged.conditions) EXPECT_TRUE(kms::find_condition_key(name)) << name;
}

}  // namespace
