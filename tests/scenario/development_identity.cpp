#include "tests/scenario/development_identity.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "firmware/crypto/certificate.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/measure/dice.hpp"

namespace support {
namespace {

constexpr std::uint64_t kNotBefore = 1'700'000'000;
constexpr std::uint64_t kNotAfter = 4'000'000'000;

crypto::Digest digest_of(std::string_view text) {
  return crypto::sha384({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

template <typename T>
T need(const base::Result<T>& result, const char* what) {
  if (!result.ok()) throw std::runtime_error(what);
  return result.value();
}

crypto::P384KeyPair key_of(std::string_view name) {
  return need(crypto::P384KeyPair::from_seed(digest_of(name)), "no key");
}

measure::Certificate issue(std::string_view issuer, std::string_view subject, crypto::CertificateKind kind,
                           std::uint8_t path_length, const crypto::P384PublicKey& key,
                           const crypto::P384KeyPair& issuer_key) {
  const crypto::Digest number = crypto::sha384(key);
  std::array<std::uint8_t, 16> serial{};
  std::copy_n(number.begin(), serial.size(), serial.begin());
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3F) | 0x40);
  constexpr std::string_view kUnit = "Cofferdam tests";
  const crypto::CertificateRequest request{.issuer = {issuer, {}, kUnit},
                                           .issuer_der = {},
                                           .subject = {subject, {}, kUnit},
                                           .serial = serial,
                                           .validity = {kNotBefore, kNotAfter},
                                           .kind = kind,
                                           .path_length = path_length,
                                           .subject_key = key,
                                           .extensions = {}};
  measure::Certificate certificate{};
  const base::Bytes der = need(crypto::write_certificate(request, issuer_key, certificate.der), "no certificate");
  certificate.size = static_cast<std::uint32_t>(der.size());
  return certificate;
}

template <std::size_t kSize>
std::array<char, kSize> padded(std::string_view text) {
  std::array<char, kSize> out{};
  std::copy(text.begin(), text.end(), out.begin());
  return out;
}

}  // namespace

DevelopmentIdentity development_identity(const measure::Digest& board) {
  using crypto::CertificateKind;
  const crypto::Digest device_secret = digest_of("the device secret of the test device");
  const crypto::P384KeyPair root = key_of("test root");
  const crypto::P384KeyPair manufacturer = key_of("test manufacturer");
  const crypto::P384KeyPair device = need(
      crypto::P384KeyPair::from_seed(need(measure::device_key_seed(device_secret), "no device seed")), "no device key");
  const measure::LayerMeasurement layer{.code = digest_of("the monitor under test"),
                                        .configuration = board,
                                        .security_version = 1,
                                        .development = 1};
  const crypto::Digest cdi = need(measure::derive_cdi(device_secret, measure::digest_of(layer)), "no CDI");
  const crypto::P384KeyPair monitor =
      need(crypto::P384KeyPair::from_seed(need(measure::attestation_seed(cdi), "no seed")), "no monitor key");

  DevelopmentIdentity identity{};
  measure::Handover& handover = identity.handover;
  handover.magic = measure::kHandoverMagic;
  handover.development = 1;
  handover.event_count = 3;
  handover.events[0] = {0, padded<28>("rom"), digest_of("the ROM under test")};
  handover.events[1] = {1, padded<28>("monitor"), layer.code};
  handover.events[2] = {2, padded<28>("board"), layer.configuration};
  handover.cdi = cdi;
  handover.certificate_count = 4;
  handover.chain[0] = issue("test.root", "test.root", CertificateKind::kRoot, 0, root.public_key(), root);
  handover.chain[1] =
      issue("test.root", "test.manufacturer", CertificateKind::kAuthority, 2, manufacturer.public_key(), root);
  handover.chain[2] = issue("test.manufacturer", "i-0123456789abcdef0.test", CertificateKind::kAuthority, 1,
                            device.public_key(), manufacturer);
  handover.chain[3] = issue("i-0123456789abcdef0.test", "i-0123456789abcdef0.monitor.test",
                            CertificateKind::kLastAuthority, 0, monitor.public_key(), device);
  handover.device_id = padded<32>("i-0123456789abcdef0");
  handover.memory_bytes = measure::kMaxMemory;  // no board says more: the machine has all that its board says
  const measure::Certificate& anchor = handover.chain[0];
  identity.root_certificate.assign(anchor.der.begin(), anchor.der.begin() + anchor.size);
  return identity;
}

std::vector<std::uint8_t> handover_bytes(const measure::Digest& board) {
  const measure::Handover handover = development_identity(board).handover;
  std::vector<std::uint8_t> bytes(sizeof handover);
  std::memcpy(bytes.data(), &handover, sizeof handover);
  return bytes;
}

}  // namespace support
