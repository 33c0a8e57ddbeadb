#include "firmware/monitor/identity.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "firmware/crypto/entropy.hpp"
#include "firmware/crypto/secret.hpp"
#include "firmware/measure/dice.hpp"
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

[[nodiscard]] base::Result<crypto::Seed> fresh_seed() {
  while (g_collector.wants_more()) {
    MON_TRY_ASSIGN(const std::uint64_t sample, hal::entropy_sample());
    MON_TRY(g_collector.add(sample));
  }
  return g_collector.take();
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
  return {};
}

std::string_view device_id() { return {g_device_id.data(), strnlen(g_device_id.data(), g_device_id.size())}; }

bool is_development() { return g_development; }

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
