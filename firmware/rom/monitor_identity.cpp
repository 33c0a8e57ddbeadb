#include "firmware/rom/monitor_identity.hpp"

#include <algorithm>
#include <string_view>

#include "firmware/crypto/certificate.hpp"
#include "firmware/crypto/certificate_view.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/measure/dice.hpp"
#include "firmware/measure/tcb_info.hpp"

namespace rom {
namespace {

constexpr std::uint32_t kMonitorLayer = 1;
constexpr std::size_t kSerialSize = 16;

template <std::size_t kSize>
std::string_view text_of(const std::array<char, kSize>& padded) {
  const auto* const end = std::find(padded.begin(), padded.end(), '\0');
  return {padded.data(), static_cast<std::size_t>(end - padded.begin())};
}

base::Bytes bytes_of(const measure::Certificate& certificate) {
  return base::Bytes{certificate.der}.first(certificate.size);
}

// The key that the device secret stands for, and that the manufacturer must have certified.
base::Result<crypto::P384KeyPair> device_key(const Identity& identity) {
  MON_TRY_ASSIGN(crypto::Digest seed, measure::device_key_seed(identity.uds));
  const crypto::WipeOnExit wipe{seed};
  return crypto::P384KeyPair::from_seed(seed);
}

base::Result<crypto::P384KeyPair> monitor_key(const crypto::Digest& cdi) {
  MON_TRY_ASSIGN(crypto::Digest seed, measure::attestation_seed(cdi));
  const crypto::WipeOnExit wipe{seed};
  return crypto::P384KeyPair::from_seed(seed);
}

// The same software on the same device has the same key, so the same serial; other software has another.
std::array<std::uint8_t, kSerialSize> serial_of(const crypto::P384PublicKey& key) {
  const crypto::Digest digest = crypto::sha384(key);
  std::array<std::uint8_t, kSerialSize> serial{};
  std::copy_n(digest.begin(), serial.size(), serial.begin());
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3f) | 0x40);  // positive, and never shorter
  return serial;
}

base::Result<measure::Certificate> issue(const Identity& identity, const measure::Manifest& manifest,
                                         const crypto::CertificateView& device,
                                         const crypto::P384KeyPair& issuer_key, const crypto::P384PublicKey& subject) {
  const measure::TcbInfo info{
      .vendor = "Cofferdam",
      .model = text_of(manifest.name),
      .version = {},
      .security_version = manifest.security_version,
      .layer = kMonitorLayer,
      .code = manifest.image_digest,
      .configuration = manifest.board_digest,
      .flags = identity.development == 1 ? measure::kTcbNotSecure : std::uint8_t{0},
  };
  std::array<std::uint8_t, 256> info_buffer{};
  MON_TRY_ASSIGN(const base::Bytes info_der, measure::write_tcb_info(info, info_buffer));
  const std::array extensions{
      crypto::Extension{measure::kTcbInfoOid, crypto::Criticality::kNotCritical, info_der}};

  std::array<char, 64> common_name{};
  const std::string_view device_id = text_of(identity.device_id);
  constexpr std::string_view kSuffix = ".cofferdam";
  std::copy(device_id.begin(), device_id.end(), common_name.begin());
  std::copy(kSuffix.begin(), kSuffix.end(), common_name.begin() + device_id.size());

  const auto serial = serial_of(subject);
  const crypto::CertificateRequest request{
      .issuer = {.common_name = device.subject_common_name,
                 .organization = {},
                 .organizational_unit = device.subject_organizational_unit},
      .subject = {.common_name = text_of(common_name),
                  .organization = {},
                  .organizational_unit = device.subject_organizational_unit},
      .serial = serial,
      .validity = {device.not_before, device.not_after},  // the ROM has no clock that it could trust
      .kind = crypto::CertificateKind::kLastAuthority,
      .path_length = 0,
      .subject_key = subject,
      .extensions = extensions,
  };
  std::array<std::uint8_t, measure::kMaxCertificateSize> buffer{};
  MON_TRY_ASSIGN(const base::Bytes der, crypto::write_certificate(request, issuer_key, buffer));
  measure::Certificate certificate{};  // zero after the DER
  certificate.size = static_cast<std::uint32_t>(der.size());
  std::copy(der.begin(), der.end(), certificate.der.begin());
  return certificate;
}

}  // namespace

base::Result<measure::Handover> make_handover(const Identity& identity, const BootEvents& events,
                                              const measure::Manifest& manifest, std::uint64_t memory_bytes) {
  const measure::Certificate& device_certificate = identity.certificates.back();
  MON_TRY_ASSIGN(const crypto::CertificateView device, crypto::read_certificate(bytes_of(device_certificate)));
  MON_TRY_ASSIGN(crypto::P384KeyPair issuer_key, device_key(identity));
  const crypto::WipeOnExit wipe_issuer{issuer_key};
  const base::Bytes certified = device.public_key();
  if (!std::equal(certified.begin(), certified.end(), issuer_key.public_key().begin(), issuer_key.public_key().end())) {
    return base::Error::kDenied;
  }

  const measure::LayerMeasurement layer{.code = manifest.image_digest,
                                        .configuration = manifest.board_digest,
                                        .security_version = manifest.security_version,
                                        .development = identity.development};
  MON_TRY_ASSIGN(crypto::Digest cdi, measure::derive_cdi(identity.uds, measure::digest_of(layer)));
  const crypto::WipeOnExit wipe_cdi{cdi};
  MON_TRY_ASSIGN(crypto::P384KeyPair subject_key, monitor_key(cdi));
  const crypto::WipeOnExit wipe_subject{subject_key};
  MON_TRY_ASSIGN(const measure::Certificate monitor,
                 issue(identity, manifest, device, issuer_key, subject_key.public_key()));

  measure::Handover handover{};
  handover.magic = measure::kHandoverMagic;
  handover.development = identity.development;
  handover.event_count = kBootEvents;
  std::copy(events.begin(), events.end(), handover.events.begin());
  handover.cdi = cdi;
  handover.certificate_count = measure::kMaxChainCertificates;
  std::copy(identity.certificates.begin(), identity.certificates.end(), handover.chain.begin());
  handover.chain.back() = monitor;
  handover.device_id = identity.device_id;
  handover.memory_bytes = memory_bytes;
  return handover;
}

}  // namespace rom
