#include "firmware/monitor/identity.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "firmware/crypto/certificate_view.hpp"
#include "firmware/crypto/entropy.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/measure/dice.hpp"
#include "firmware/measure/tcb_info.hpp"
#include "hal/entropy.hpp"

namespace monitor {

namespace {

constinit crypto::EntropyCollector g_collector{};
constinit crypto::Drbg g_generator{};
constinit std::optional<crypto::P384KeyPair> g_attestation_key{};
constinit std::array<measure::Certificate, measure::kMaxChainCertificates> g_chain{};
constinit std::array<base::Bytes, measure::kMaxChainCertificates> g_chain_views{};
constinit std::size_t g_chain_size{};
constinit std::array<char, 32> g_device_id{};
constinit bool g_development{};
constinit std::uint32_t g_security_version{};

[[nodiscard]] base::Result<crypto::Seed> fresh_seed() {
  while (g_collector.wants_more()) {
    MON_TRY_ASSIGN(const std::uint64_t sample, hal::entropy_sample());
    MON_TRY(g_collector.add(sample));
  }
  return g_collector.take();
}

// The ROM has certified it together with the key; the handover has no other word for it.
[[nodiscard]] std::uint32_t certified_security_version(base::Bytes certificate) {
  const auto view = crypto::read_certificate(certificate);
  if (!view) return 0;
  const auto extension = crypto::find_extension(*view, measure::kTcbInfoOid);
  if (!extension) return 0;
  const auto info = measure::read_tcb_info(*extension);
  return info ? info->security_version : 0;
}

}  // namespace

base::Status establish_identity(const measure::Handover& handover) {
  auto seed = fresh_seed();
  if (!seed) return seed.error();
  const crypto::WipeOnExit wipe_noise{*seed};
  MON_TRY(g_generator.instantiate(*seed, {reinterpret_cast<const std::uint8_t*>(handover.device_id.data()),
                                          handover.device_id.size()}));
  auto key_seed = measure::attestation_seed(handover.cdi);
  if (!key_seed) return key_seed.error();
  const crypto::WipeOnExit wipe_seed{*key_seed};
  auto key = crypto::P384KeyPair::from_seed(*key_seed);
  if (!key) return key.error();
  const crypto::WipeOnExit wipe_key{*key};
  g_attestation_key = *key;
  for (std::size_t i = 0; i < handover.certificate_count; ++i) {
    g_chain[i] = handover.chain[i];
    g_chain_views[i] = base::Bytes{g_chain[i].der}.first(g_chain[i].size);
  }
  g_chain_size = handover.certificate_count;
  g_device_id = handover.device_id;
  g_development = handover.development != 0;
  if (g_chain_size > 0) g_security_version = certified_security_version(g_chain_views[g_chain_size - 1]);
  return {};
}

std::string_view device_id() { return {g_device_id.data(), strnlen(g_device_id.data(), g_device_id.size())}; }

bool is_development() { return g_development; }

std::uint32_t security_version() { return g_security_version; }

crypto::Drbg& generator() {
  if (g_generator.wants_reseed()) {
    // A source that failed leaves the old state in use until the generator itself refuses (crypto/drbg.hpp).
    if (auto seed = fresh_seed(); seed.ok()) {
      const crypto::WipeOnExit wipe_noise{*seed};
      static_cast<void>(g_generator.reseed(*seed).ok());
    }
  }
  return g_generator;
}

bool entropy_has_failed() { return g_collector.failed(); }

const crypto::P384KeyPair& attestation_key() { return *g_attestation_key; }

std::span<const base::Bytes> certificate_chain() { return {g_chain_views.data(), g_chain_size}; }

}  // namespace monitor
