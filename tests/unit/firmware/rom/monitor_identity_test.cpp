// The secret and the certificate that the monitor starts with: what they depend on, and that the chain holds.
#include "firmware/rom/monitor_identity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "firmware/crypto/certificate.hpp"
#include "firmware/crypto/certificate_view.hpp"
#include "firmware/measure/dice.hpp"
#include "firmware/measure/handover_check.hpp"
#include "firmware/measure/tcb_info.hpp"
#include "tests/unit/firmware/filled_digest.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace rom {
namespace {

using test_data::key_of;
using test_data::to_hex;

constexpr std::uint64_t kBegin = 1'735'689'600, kEnd = kBegin + 1'000'000;
constexpr std::uint64_t kMemoryBytes = 0x2000'0000;

measure::Certificate issue(const crypto::CertificateRequest& request, const crypto::P384KeyPair& issuer) {
  std::array<std::uint8_t, measure::kMaxCertificateSize> buffer{};
  const auto der = crypto::write_certificate(request, issuer, buffer);
  measure::Certificate certificate{};
  certificate.size = static_cast<std::uint32_t>(der.value().size());
  std::copy(der->begin(), der->end(), certificate.der.begin());
  return certificate;
}

base::Bytes bytes_of(const measure::Certificate& certificate) {
  return base::Bytes{certificate.der}.first(certificate.size);
}

Identity make_identity(std::string_view unit) {
  constexpr std::array<std::uint8_t, 1> kSerial{1};
  Identity identity{};
  identity.development = unit.empty() ? 0 : 1;
  constexpr std::string_view kId = "i-0123456789abcdef0";
  std::copy(kId.begin(), kId.end(), identity.device_id.begin());
  for (std::size_t i = 0; i < identity.uds.size(); ++i) identity.uds[i] = static_cast<std::uint8_t>(i);
  const crypto::P384KeyPair root = key_of(1), manufacturer = key_of(2);
  const auto device = crypto::P384KeyPair::from_seed(measure::device_key_seed(identity.uds).value()).value();
  crypto::CertificateRequest request{};
  request.issuer = request.subject = {"root", {}, unit};
  request.serial = kSerial;
  request.validity = {kBegin, kEnd};
  request.kind = crypto::CertificateKind::kRoot;
  request.subject_key = root.public_key();
  identity.certificates[0] = issue(request, root);
  request.kind = crypto::CertificateKind::kAuthority;
  request.path_length = 2;
  request.subject = {"manufacturer", {}, unit};
  request.subject_key = manufacturer.public_key();
  identity.certificates[1] = issue(request, root);
  request.issuer = request.subject;
  request.path_length = 1;
  request.subject = {"device", {}, unit};
  request.subject_key = device.public_key();
  identity.certificates[2] = issue(request, manufacturer);
  return identity;
}
const Identity& development() {
  static const Identity identity = make_identity("DEVELOPMENT");
  return identity;
}

measure::Manifest monitor_manifest() {
  measure::Manifest manifest{};
  manifest.security_version = 5;
  manifest.image_digest.fill(0x33);
  manifest.board_digest.fill(0x44);
  constexpr std::string_view kName = "cofferdam-monitor";
  std::copy(kName.begin(), kName.end(), manifest.name.begin());
  return manifest;
}

measure::Handover handover_of(const Identity& identity, const measure::Manifest& manifest) {
  const BootEvents events = measure_boot({}, identity.signer_digest, manifest);
  const auto handover = make_handover(identity, events, manifest, kMemoryBytes);
  EXPECT_TRUE(handover.ok());
  return handover.ok() ? handover.value() : measure::Handover{};
}

TEST(MonitorIdentity, TheHandoverIsOneThatTheMonitorTakes) {
  const measure::Handover handover = handover_of(development(), monitor_manifest());
  EXPECT_TRUE(measure::validate(handover).ok());
  EXPECT_EQ(handover.event_count, 3u);
  EXPECT_EQ(handover.memory_bytes, kMemoryBytes);
  EXPECT_EQ(handover.development, 1u);
  EXPECT_EQ(handover.device_id, development().device_id);
}

TEST(MonitorIdentity, TheChainLeadsFromTheRootToTheKeyOfTheSecret) {
  const measure::Handover handover = handover_of(development(), monitor_manifest());
  std::array<crypto::CertificateView, 4> views;
  for (std::size_t i = 0; i < views.size(); ++i) {
    const auto view = crypto::read_certificate(bytes_of(handover.chain[i]));
    ASSERT_TRUE(view.ok());
    views[i] = view.value();
  }
  for (std::size_t i = 1; i < views.size(); ++i) {
    EXPECT_TRUE(crypto::verify_issued_by(views[i], views[i - 1]).ok()) << i;
  }

  const crypto::CertificateView& monitor = views[3];
  const auto key = crypto::P384KeyPair::from_seed(measure::attestation_seed(handover.cdi).value()).value();
  EXPECT_TRUE(std::ranges::equal(monitor.public_key(), key.public_key()));
  EXPECT_TRUE(monitor.authority);
  EXPECT_EQ(monitor.path_length, 0u);
  EXPECT_EQ(monitor.not_before, kBegin);
  EXPECT_EQ(monitor.not_after, kEnd);
  EXPECT_EQ(monitor.subject_organizational_unit, "DEVELOPMENT");
  EXPECT_EQ(monitor.subject_common_name, "i-0123456789abcdef0.cofferdam");
}

TEST(MonitorIdentity, TheCertificateStatesWhatWasMeasured) {
  const measure::Handover handover = handover_of(development(), monitor_manifest());
  const auto view = crypto::read_certificate(bytes_of(handover.chain[3]));
  ASSERT_TRUE(view.ok());
  const auto extension = crypto::find_extension(view.value(), measure::kTcbInfoOid);
  ASSERT_TRUE(extension.ok());
  const auto info = measure::read_tcb_info(extension.value());
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->code, monitor_manifest().image_digest);
  EXPECT_EQ(info->configuration, monitor_manifest().board_digest);
  EXPECT_EQ(info->security_version, 5u);
  EXPECT_EQ(info->layer, 1u);
  EXPECT_EQ(info->flags, measure::kTcbNotSecure);
  EXPECT_EQ(info->model, "cofferdam-monitor");
}

TEST(MonitorIdentity, AProductionDeviceIsNotMarked) {
  const measure::Handover handover = handover_of(make_identity({}), monitor_manifest());
  EXPECT_EQ(handover.development, 0u);
  const auto view = crypto::read_certificate(bytes_of(handover.chain[3]));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->subject_organizational_unit, "");
  const auto extension = crypto::find_extension(view.value(), measure::kTcbInfoOid);
  ASSERT_TRUE(extension.ok());
  EXPECT_EQ(measure::read_tcb_info(extension.value())->flags, 0);
}

TEST(MonitorIdentity, TheSameSoftwareHasTheSameIdentity) {
  const measure::Handover first = handover_of(development(), monitor_manifest());
  const measure::Handover second = handover_of(development(), monitor_manifest());
  EXPECT_EQ(first.cdi, second.cdi);
  EXPECT_EQ(first.chain[3].der, second.chain[3].der);
}

TEST(MonitorIdentity, AnythingElseHasAnother) {
  std::set<std::string> secrets{to_hex(handover_of(development(), monitor_manifest()).cdi)};
  const auto changed = [&](const std::function<void(measure::Manifest&)>& change) {
    measure::Manifest manifest = monitor_manifest();
    change(manifest);
    return secrets.insert(to_hex(handover_of(development(), manifest).cdi)).second;
  };
  EXPECT_TRUE(changed([](measure::Manifest& m) { m.image_digest[47] ^= 1; }));
  EXPECT_TRUE(changed([](measure::Manifest& m) { m.board_digest[47] ^= 1; }));
  EXPECT_TRUE(changed([](measure::Manifest& m) { m.security_version = 6; }));
  EXPECT_TRUE(secrets.insert(to_hex(handover_of(make_identity({}), monitor_manifest()).cdi)).second);
}

TEST(MonitorIdentity, RefusesADeviceCertificateForAnotherSecret) {
  Identity identity = development();
  identity.uds[0] ^= 1;
  const BootEvents events = measure_boot({}, identity.signer_digest, monitor_manifest());
  const auto handover = make_handover(identity, events, monitor_manifest(), kMemoryBytes);
  ASSERT_FALSE(handover.ok());
  EXPECT_EQ(handover.error(), base::Error::kDenied);
}

TEST(MonitorIdentity, RefusesADeviceCertificateThatCantBeRead) {
  Identity identity = development();
  identity.certificates[2].der[4] ^= 0xff;
  const BootEvents events = measure_boot({}, identity.signer_digest, monitor_manifest());
  EXPECT_FALSE(make_handover(identity, events, monitor_manifest(), kMemoryBytes).ok());
}

// A known answer of our own: UDS 00 01 .. 2f, the manifest above, a development identity. Made with Python's hmac from
// firmware/measure/dice.hpp's definition.
TEST(MonitorIdentity, KnownAnswer) {
  EXPECT_EQ(to_hex(handover_of(development(), monitor_manifest()).cdi),
            "d9926ed2f8d140d7c1d1138ba0a897ba36631075e5fb6f9e28c68cdaa0db205efb6556f4c976a6d0420622ddf75564e3");
}

}  // namespace
}  // namespace rom
