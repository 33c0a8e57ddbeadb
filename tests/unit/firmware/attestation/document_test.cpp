#include "firmware/attestation/document.hpp"

#include <gtest/gtest.h>

#include "firmware/attestation/cbor.hpp"
#include "firmware/attestation/cose_sign1.hpp"
#include "firmware/attestation/nsm_engine.hpp"
#include "firmware/crypto/certificate_view.hpp"
#include "firmware/measure/launch_bank.hpp"
#include "tests/unit/firmware/attestation/test_chain.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using attestation::CborItem;
using attestation::CborKind;
using attestation::CborReader;
using attestation::CborWriter;
using base::Error;
using test_data::bytes_of;
using test_data::from_hex;
using test_data::kModuleId;
using test_data::kNow;
using test_data::kSlot;
using test_data::to_hex;

std::vector<std::uint8_t> document_of(const attestation::DocumentContent& content, const crypto::P384KeyPair& key) {
  std::vector<std::uint8_t> buffer(attestation::document_size(content));
  CborWriter writer(buffer);
  EXPECT_TRUE(attestation::write_document(writer, content, key).ok());
  EXPECT_EQ(writer.size(), buffer.size());
  return buffer;
}

// Registers 16 and 20 locked besides the usual ones, 17 to 19 and 21 to 31 open.
measure::PcrBank bank_with_gap() {
  measure::LaunchMeasurement measurement;
  measurement.image.fill(1);
  measurement.instance = "i-0bee92034f3d60691";
  auto bank = measure::launch_bank(measurement, measure::LaunchMode::kProduction);
  EXPECT_TRUE(bank.extend(16, bytes_of("x")).ok());
  EXPECT_TRUE(bank.extend(17, bytes_of("open registers are not in the document")).ok());
  EXPECT_TRUE(bank.lock(16).ok());
  EXPECT_TRUE(bank.lock(20).ok());
  return bank;
}

// The bytes of nitro-formats 2.1, written out by hand around the values.
TEST(Document, ExactBytes) {
  const test_data::TestChain chain;
  const auto bank = bank_with_gap();
  const auto user_data = from_hex("6869");
  const std::vector<std::uint8_t> nonce(300, 7);
  const attestation::DocumentContent content{kModuleId, 0x000001943c5eae00, bank,         chain.leaf().der(),
                                             chain.bundle(), std::nullopt,    user_data, nonce};
  const auto document = document_of(content, chain.leaf().key);

  const auto bytes_text = [](base::Bytes bytes) {
    char head[16];
    if (bytes.size() < 24) {
      std::snprintf(head, sizeof head, "%02x", static_cast<unsigned>(0x40 + bytes.size()));
    } else if (bytes.size() < 256) {
      std::snprintf(head, sizeof head, "58%02x", static_cast<unsigned>(bytes.size()));
    } else {
      std::snprintf(head, sizeof head, "59%04x", static_cast<unsigned>(bytes.size()));
    }
    return head + to_hex(bytes);
  };
  const auto text = [](std::string_view value) {
    char head[16];
    std::snprintf(head, sizeof head, value.size() < 24 ? "%02x" : "78%02x",
                  static_cast<unsigned>(value.size() < 24 ? 0x60 + value.size() : value.size()));
    return head + to_hex(bytes_of(value));
  };
  std::string payload = "a9" + text("module_id") + text(kModuleId) + text("digest") + text("SHA384") + text("timestamp") +
                        "1b000001943c5eae00" + text("pcrs") + "b2";
  for (std::uint32_t i = 0; i <= 20; ++i) {
    if (i > 16 && i < 20) continue;
    payload += to_hex(std::array{static_cast<std::uint8_t>(i)}) + "5830" + to_hex(bank.value(i));
  }
  payload += text("certificate") + bytes_text(chain.leaf().der()) + text("cabundle") + "84";
  for (const auto& certificate : chain.bundle()) payload += bytes_text(certificate);
  payload += text("public_key") + "f6" + text("user_data") + "426869" + text("nonce") + bytes_text(nonce);
  const std::string expected = "8444a1013822a0" + bytes_text(from_hex(payload)) + "5860";
  EXPECT_EQ(to_hex(document).substr(0, expected.size()), expected);
  EXPECT_EQ(document.size() * 2, expected.size() + 192);
}

// What a strict verifier does, step by step (nitro-formats 2.3), with only the root exchanged.
TEST(Document, HoldsForAStrictVerifier) {
  test_data::TestChain chain;
  auto bank = bank_with_gap();
  const attestation::NsmEnvironment environment{kModuleId, kNow * 1000, chain.random(), chain.leaf(), chain.bundle()};
  std::vector<std::uint8_t> response(attestation::kMaxNsmResponse);
  const auto request = from_hex(
      "a16b4174746573746174696f6ea369757365725f64617461426869656e6f6e63654201026a7075626c69635f6b657943030405");
  const auto answer = attestation::answer_nsm_request(request, bank, environment, response).value();
  CborReader outer(answer);
  ASSERT_EQ(outer.next().value().number, 1U);
  ASSERT_TRUE(outer.next().value().is_text("Attestation"));
  ASSERT_EQ(outer.next().value().number, 1U);
  ASSERT_TRUE(outer.next().value().is_text("document"));
  const auto document = outer.expect(CborKind::kBytes).value().bytes;
  ASSERT_TRUE(outer.at_end());

  const auto message = attestation::read_cose_sign1(document).value();
  const auto leaf = crypto::read_certificate(chain.leaf().der()).value();
  EXPECT_TRUE(attestation::verify_cose_sign1(message, leaf.curve, leaf.public_key()).ok());
  EXPECT_FALSE(leaf.authority);
  EXPECT_FALSE(leaf.path_length.has_value());
  EXPECT_TRUE(leaf.valid_at(kNow));
  std::vector<crypto::CertificateView> path;
  for (const auto& der : chain.bundle()) {
    EXPECT_GE(der.size(), 1U);
    EXPECT_LE(der.size(), 1024U);
    path.push_back(crypto::read_certificate(der).value());
  }
  path.push_back(leaf);
  for (std::size_t i = 0; i < path.size(); ++i) {
    EXPECT_TRUE(crypto::verify_issued_by(path[i], path[i == 0 ? 0 : i - 1]).ok()) << i;
    EXPECT_EQ(path[i].authority, i < 4);
    if (path[i].path_length) {
      EXPECT_LE(path.size() - 2 - i, *path[i].path_length) << i;
    }
  }
  EXPECT_LE(chain.leaf().size, 1024U);
}

TEST(Document, DebugRegistersAreStatedAsTheyAre) {
  const test_data::TestChain chain;
  measure::LaunchMeasurement measurement;
  measurement.image.fill(1);
  measurement.signer = measurement.image;
  const auto bank = measure::launch_bank(measurement, measure::LaunchMode::kDebug);
  const attestation::DocumentContent content{kModuleId, 1, bank, chain.leaf().der(), chain.bundle(), {}, {}, {}};
  const std::string document = to_hex(document_of(content, chain.leaf().key));
  const std::string zero = "5830" + std::string(96, '0');
  EXPECT_NE(document.find("b000" + zero + "01" + zero + "02" + zero), std::string::npos);
  EXPECT_NE(document.find("08" + zero + "09"), std::string::npos);
}

TEST(Leaf, IsWhatTheFormatSays) {
  const test_data::TestChain chain;
  const auto& leaf = chain.leaf();
  const auto view = crypto::read_certificate(leaf.der());
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view.value().subject_common_name, std::string(kModuleId) + ".qemu-virt.cofferdam");
  EXPECT_EQ(view.value().issuer_common_name, "cofferdam.monitor");
  // DER drops the leading zero; then 00000000, then the issue time.
  char serial[40];
  std::snprintf(serial, sizeof serial, "01943c5eaab3ad6a00000000%08x", static_cast<unsigned>(kNow));
  EXPECT_EQ(to_hex(view.value().serial), serial);
  EXPECT_EQ(view.value().not_before, kNow - 3);
  EXPECT_EQ(view.value().not_after, kNow + 10'800);
  EXPECT_EQ(*view.value().key_usage, 0xC0U);
  EXPECT_TRUE(
      crypto::verify_issued_by(view.value(), crypto::read_certificate(chain.bundle()[3]).value()).ok());

  const auto extension = crypto::find_extension(view.value(), attestation::kPlatformStateOid);
  ASSERT_TRUE(extension.ok());
  const auto state = attestation::read_platform_state(extension.value());
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state.value().platform_bank, chain.state().platform_bank);
  EXPECT_EQ(state.value().launch_digest, chain.state().launch_digest);
  EXPECT_EQ(state.value().ledger.digest, chain.state().ledger.digest);
  EXPECT_EQ(state.value().ledger.records, 7U);
  EXPECT_TRUE(state.value().has(attestation::PlatformFlag::kSmmuActive));
  EXPECT_FALSE(state.value().has(attestation::PlatformFlag::kDebugEnclave));
  EXPECT_EQ(state.value().cores, 2U);
  EXPECT_EQ(state.value().memory, 256U << 20U);
  EXPECT_EQ(state.value().shared_memory, 0U);
}

TEST(Leaf, RenewalAndWipe) {
  const test_data::TestChain chain;
  auto leaf = chain.issue();
  EXPECT_FALSE(leaf.needs_renewal(kNow));
  EXPECT_FALSE(leaf.needs_renewal(kNow + 10'200));
  EXPECT_TRUE(leaf.needs_renewal(kNow + 10'201));
  leaf.wipe();
  EXPECT_TRUE(leaf.needs_renewal(kNow));
  EXPECT_EQ(leaf.der().size(), 0U);
}

TEST(Leaf, RefusesAnotherMonitorsCertificateAndTooLongNames) {
  const test_data::TestChain chain;
  const auto wrong_key = test_data::key_of("cofferdam.device");
  const auto right_key = test_data::TestChain::monitor_key();
  const attestation::LeafRequest request{kModuleId, "qemu-virt", kSlot, kNow, {}};
  EXPECT_EQ(attestation::issue_leaf(request, {wrong_key, chain.bundle()[3]}, {}).error(), Error::kDenied);
  EXPECT_EQ(attestation::issue_leaf(request, {right_key, chain.bundle()[2]}, {}).error(), Error::kDenied);
  EXPECT_EQ(attestation::issue_leaf(request, {right_key, chain.bundle()[3].first(100)}, {}).error(),
            Error::kInvalidArgument);
  auto cut = request;
  cut.region = "a-region-of-22-letters";
  const auto leaf = attestation::issue_leaf(cut, {right_key, chain.bundle()[3]}, {});
  ASSERT_TRUE(leaf.ok());
  EXPECT_EQ(crypto::read_certificate(leaf.value().der()).value().subject_common_name,
            std::string(kModuleId) + ".a-region-of-22.cofferdam");
  auto too_long = request;
  const std::string long_id(54, 'x');
  too_long.module_id = long_id;
  EXPECT_EQ(attestation::issue_leaf(too_long, {right_key, chain.bundle()[3]}, {}).error(), Error::kTooLarge);
  auto too_early = request;
  too_early.unix_seconds = 2;
  EXPECT_EQ(attestation::issue_leaf(too_early, {right_key, chain.bundle()[3]}, {}).error(), Error::kInvalidArgument);
}

TEST(Leaf, ModuleId) {
  EXPECT_EQ(attestation::module_id_of("i-0bee92034f3d60691", kSlot).view(), kModuleId);
  EXPECT_EQ(attestation::module_id_of("i-1", base::SlotUid{1}).view(), "i-1-enc0000000000000001");
  EXPECT_EQ(attestation::module_id_of(std::string(200, 'x'), base::SlotUid{~0ULL}).view(),
            std::string(64, 'x') + "-encffffffffffffffff");
}

TEST(PlatformState, RefusesTruncationTrailingBytesAndOtherVersions) {
  attestation::PlatformState state;
  state.flags = 0xFFFFFFFF;
  state.ledger.records = UINT64_MAX;
  state.memory = state.shared_memory = UINT64_MAX;
  state.cores = UINT32_MAX;
  std::array<std::uint8_t, attestation::kMaxPlatformStateSize> buffer{};
  const auto der = attestation::write_platform_state(state, buffer).value();
  ASSERT_TRUE(attestation::read_platform_state(der).ok());
  EXPECT_EQ(attestation::read_platform_state(der).value().flags, 0xFFFFFFFF);
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(attestation::read_platform_state(der.first(size)).ok()) << size;
  }
  std::vector<std::uint8_t> changed(der.begin(), der.end());
  changed.push_back(0);
  EXPECT_FALSE(attestation::read_platform_state(changed).ok());
  changed.pop_back();
  auto longer = changed;  // a field more than version 1 has, inside the sequence
  for (const std::uint8_t byte : from_hex("020100")) longer.push_back(byte);
  longer[2] = static_cast<std::uint8_t>(longer[2] + 3);
  EXPECT_EQ(attestation::read_platform_state(longer).error(), Error::kInvalidArgument);
  changed[5] = 2;  // 30 81 xx 02 01 <version>
  EXPECT_EQ(attestation::read_platform_state(changed).error(), Error::kNotSupported);
}

}  // namespace
