// A chain root, manufacturer, device, monitor as an honest machine has it, a leaf, and a seeded generator.
#pragma once

#include <array>
#include <vector>

#include "firmware/attestation/leaf_certificate.hpp"
#include "firmware/crypto/certificate.hpp"
#include "firmware/crypto/drbg.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace test_data {

inline constexpr std::uint64_t kNow = 1'767'470'000;  // Unix seconds
inline constexpr std::string_view kModuleId = "i-0bee92034f3d60691-enc01943c5eaab3ad6a";
inline constexpr base::SlotUid kSlot{0x01943c5eaab3ad6a};

inline crypto::P384KeyPair key_of(std::string_view who) {
  return crypto::P384KeyPair::from_seed(crypto::sha384(bytes_of(who))).value();
}

class TestChain {
 public:
  TestChain() {
    const std::array<std::string_view, 4> names{"cofferdam.root", "cofferdam.manufacturer", "cofferdam.device",
                                                "cofferdam.monitor"};
    constexpr std::array<std::uint8_t, 1> kSerial{1};
    for (std::size_t i = 0; i < names.size(); ++i) {
      crypto::CertificateRequest request;
      const std::string_view issuer = names[i == 0 ? 0 : i - 1];
      request.issuer = {issuer, "Cofferdam", "test"};
      request.subject = {names[i], "Cofferdam", "test"};
      request.serial = kSerial;
      request.validity = {kNow - 1000, crypto::kNoExpiry};
      request.kind = i == 0   ? crypto::CertificateKind::kRoot
                     : i == 3 ? crypto::CertificateKind::kLastAuthority
                              : crypto::CertificateKind::kAuthority;
      request.path_length = static_cast<std::uint8_t>(i == 0 ? 0 : 3 - i);
      request.subject_key = key_of(names[i]).public_key();
      std::vector<std::uint8_t> buffer(1024);
      const auto der = crypto::write_certificate(request, key_of(issuer), buffer);
      buffer.resize(der.value().size());
      certificates_[i] = buffer;
      bundle_[i] = certificates_[i];
    }
    attestation::PlatformState state;
    state.platform_bank.fill(0xAA);
    state.launch_digest.fill(0xBB);
    state.ledger = {crypto::sha384({}), 7};
    state.set(attestation::PlatformFlag::kSmmuActive);
    state.cores = 2;
    state.memory = 256 << 20;
    state_ = state;
    leaf_ = issue();
    crypto::EntropyCollector collector;
    for (std::uint64_t i = 0; collector.wants_more(); ++i) static_cast<void>(collector.add(number(i)));
    static_cast<void>(random_.instantiate(collector.take().value(), {}));
  }
  ~TestChain() { random_.wipe(); }

  [[nodiscard]] attestation::LeafIdentity issue() const {
    const auto key = monitor_key();
    return attestation::issue_leaf({kModuleId, "qemu-virt", kSlot, kNow, state_}, {key, bundle_[3]},
                                   crypto::sha384(bytes_of("leaf seed")))
        .value();
  }
  [[nodiscard]] static crypto::P384KeyPair monitor_key() { return key_of("cofferdam.monitor"); }
  [[nodiscard]] const std::array<base::Bytes, 4>& bundle() const { return bundle_; }
  [[nodiscard]] const attestation::LeafIdentity& leaf() const { return leaf_; }
  [[nodiscard]] const attestation::PlatformState& state() const { return state_; }
  [[nodiscard]] crypto::Drbg& random() { return random_; }

 private:
  std::array<std::vector<std::uint8_t>, 4> certificates_;
  std::array<base::Bytes, 4> bundle_;
  attestation::PlatformState state_;
  attestation::LeafIdentity leaf_;
  crypto::Drbg random_;
};

}  // namespace test_data
