#include "firmware/attestation/leaf_certificate.hpp"

#include "firmware/crypto/certificate.hpp"
#include "firmware/crypto/certificate_view.hpp"
#include "firmware/crypto/secret.hpp"

namespace attestation {
namespace {

constexpr std::size_t kMaxCommonName = 64;
constexpr std::string_view kSuffix = ".cofferdam";

struct CommonName {
  std::array<char, kMaxCommonName> text{};
  std::size_t size{};
  [[nodiscard]] std::string_view view() const { return {text.data(), size}; }
};

base::Result<CommonName> common_name_of(const LeafRequest& request) {
  CommonName name;
  const std::size_t without_region = request.module_id.size() + 1 + kSuffix.size();
  if (without_region > kMaxCommonName) return base::Error::kTooLarge;
  const auto append = [&](std::string_view text) {
    for (const char letter : text) name.text[name.size++] = letter;
  };
  append(request.module_id);
  append(".");
  const std::size_t room = kMaxCommonName - without_region;
  append({request.region.data(), request.region.size() < room ? request.region.size() : room});
  append(kSuffix);
  return name;
}

// slot uid (8) || 00000000 || issue time in Unix seconds (4), all big-endian.
std::array<std::uint8_t, 16> serial_of(const LeafRequest& request) {
  std::array<std::uint8_t, 16> serial{};
  for (std::size_t i = 0; i < 8; ++i) serial[7 - i] = static_cast<std::uint8_t>(request.slot.value >> (8 * i));
  for (std::size_t i = 0; i < 4; ++i) serial[15 - i] = static_cast<std::uint8_t>(request.unix_seconds >> (8 * i));
  return serial;
}

bool same(base::Bytes a, base::Bytes b) { return crypto::equal_constant_time(a, b); }

}  // namespace

void LeafIdentity::wipe() { crypto::wipe_object(*this); }

base::Result<LeafIdentity> issue_leaf(const LeafRequest& request, const MonitorIdentity& monitor,
                                      const crypto::Digest& seed) {
  if (request.unix_seconds < kLeafBackdating) return base::Error::kInvalidArgument;
  MON_TRY_ASSIGN(const crypto::CertificateView issuer, crypto::read_certificate(monitor.certificate));
  if (!same(issuer.public_key(), monitor.key.public_key())) return base::Error::kDenied;
  MON_TRY_ASSIGN(const CommonName common_name, common_name_of(request));
  const std::array<std::uint8_t, 16> serial = serial_of(request);

  std::array<std::uint8_t, kMaxPlatformStateSize> state_buffer{};
  MON_TRY_ASSIGN(const base::Bytes state, write_platform_state(request.state, state_buffer));
  const std::array<crypto::Extension, 1> extensions{
      {{kPlatformStateOid, crypto::Criticality::kNotCritical, state}}};

  auto key = crypto::P384KeyPair::from_seed(seed);
  if (!key.ok()) return key.error();
  const crypto::WipeOnExit wipe_key(key.value());

  crypto::CertificateRequest certificate;
  certificate.issuer_der = issuer.subject;
  certificate.subject = {common_name.view(), "Cofferdam", "enclave"};
  certificate.serial = serial;
  certificate.validity = {request.unix_seconds - kLeafBackdating, request.unix_seconds + kLeafLifetime};
  certificate.kind = crypto::CertificateKind::kLeaf;
  certificate.subject_key = key.value().public_key();
  certificate.extensions = extensions;

  LeafIdentity leaf;
  MON_TRY_ASSIGN(const base::Bytes der, crypto::write_certificate(certificate, monitor.key, leaf.certificate));
  leaf.key = key.value();
  leaf.size = static_cast<std::uint32_t>(der.size());
  leaf.not_after = certificate.validity.not_after;
  return leaf;
}

ModuleId module_id_of(std::string_view device_id, base::SlotUid slot) {
  constexpr std::size_t kMaxDeviceId = 64;
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  ModuleId id;
  const auto append = [&](char letter) { id.text[id.size++] = letter; };
  for (std::size_t i = 0; i < device_id.size() && i < kMaxDeviceId; ++i) append(device_id[i]);
  for (const char letter : std::string_view{"-enc"}) append(letter);
  for (unsigned shift = 64; shift > 0; shift -= 4) append(kHexDigits[(slot.value >> (shift - 4)) & 0xF]);
  return id;
}

}  // namespace attestation
