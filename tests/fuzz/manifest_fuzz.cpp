// The ROM's manifest check and identity parser on any bytes, from good ones outwards.
//
// Input: one byte that chooses, then changes of three bytes each: where (16 bits, little-endian), what to XOR there.
// No change: accepted; short inputs reach every field. The choice's bits: 0 the change is made before signing (or
// before the digest), so that what lies behind the signature is reached too; 1 an identity instead of a manifest;
// 4 cut off where the last change was.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "firmware/crypto/ecdsa_p384.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/rom/identity.hpp"
#include "firmware/rom/manifest_check.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::ptrdiff_t kDigestSize = 48;

void demand(bool holds) {
  if (!holds) std::abort();
}

const crypto::P384KeyPair& signer() {
  static const crypto::P384KeyPair key = [] {
    crypto::Digest seed{};
    seed.fill(1);
    return crypto::P384KeyPair::from_seed(seed).value();
  }();
  return key;
}

const rom::ManifestPolicy& policy() {
  static const rom::ManifestPolicy made{.load_address = 0x4020'0000,
                                        .max_image_size = 0x0100'0000 - 4096,
                                        .minimum_security_version = 3,
                                        .signer_digest = crypto::sha384(signer().public_key())};
  return made;
}

void sign(Bytes& page) {
  measure::Manifest manifest{};
  std::memcpy(&manifest, page.data(), sizeof manifest);
  manifest.signer = signer().public_key();
  manifest.signature = signer().sign(rom::signed_digest(manifest)).value();
  std::memcpy(page.data(), &manifest, sizeof manifest);
}

const Bytes& good_page() {
  static const Bytes page = [] {
    measure::Manifest manifest{};
    manifest.magic = measure::kManifestMagic;
    manifest.version = measure::kManifestVersion;
    manifest.security_version = 3;
    manifest.image_size = 4096;
    manifest.load_address = policy().load_address;
    manifest.entry = policy().load_address;
    Bytes made(rom::kManifestPageSize);
    std::memcpy(made.data(), &manifest, sizeof manifest);
    sign(made);
    return made;
  }();
  return page;
}

const Bytes& good_area() {
  static const Bytes area = [] {
    rom::Identity identity{};
    identity.device_id[0] = 'i';
    for (std::size_t i = 0; i < identity.uds.size(); ++i) identity.uds[i] = static_cast<std::uint8_t>(i);
    for (measure::Certificate& certificate : identity.certificates) {
      certificate.size = 300;
      certificate.der = {0x30, 0x82, 0x01, 0x28};
    }
    const auto encoded = rom::encode_identity(identity);
    return Bytes(encoded->begin(), encoded->end());
  }();
  return area;
}

struct Changed {
  Bytes content;
  std::size_t last{};  // place of the last change
};
Changed changed(const Bytes& good, const std::uint8_t* data, std::size_t size) {
  Changed result{good};
  for (std::size_t i = 0; i + 3 <= size; i += 3) {
    const std::size_t where = data[i] + std::size_t{data[i + 1]} * 256;
    // Half of all places are in the first bytes, where the fields are.
    result.last = (where & 0x8000) != 0 ? where % good.size() : where % sizeof(measure::Manifest);
    result.content[result.last] ^= data[i + 2];
  }
  return result;
}

enum class Signed : std::uint8_t { kYes, kNo };
void check_manifest(const Bytes& page, Signed by_us) {
  const rom::CheckedManifest checked = rom::check_manifest(page, policy());
  demand(!rom::describe(checked.verdict).empty());
  const measure::Manifest& manifest = checked.manifest;
  if (checked.verdict != rom::ManifestVerdict::kAccepted) {
    demand(manifest.magic == 0 && manifest.image_size == 0);
    return;
  }
  demand(by_us == Signed::kYes || page == good_page());  // nobody forges a signature
  demand(manifest.load_address == policy().load_address && manifest.security_version >= 3);
  demand(manifest.image_size > 0 && manifest.image_size <= policy().max_image_size && manifest.image_size % 16 == 0);
  demand(manifest.entry >= manifest.load_address && manifest.entry < manifest.load_address + manifest.image_size);
}

void check_identity(const Bytes& area) {
  const rom::ParsedIdentity parsed = rom::parse_identity(area);
  demand(!rom::describe(parsed.verdict).empty());
  if (parsed.verdict != rom::IdentityVerdict::kAccepted) {
    demand(parsed.identity.uds == decltype(rom::Identity::uds){});
    return;
  }
  const auto encoded = rom::encode_identity(parsed.identity);  // one meaning only: it writes back as it was read
  demand(encoded.ok() && std::equal(encoded->begin(), encoded->end(), area.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool manifest = (data[0] & 2) == 0;
  const bool made_good = (data[0] & 1) != 0;
  auto [content, last] = changed(manifest ? good_page() : good_area(), data + 1, size - 1);
  if (made_good && manifest) sign(content);
  if (made_good && !manifest) {
    const crypto::Digest digest = crypto::sha384(base::Bytes{content}.first(content.size() - std::size_t{kDigestSize}));
    std::copy(digest.begin(), digest.end(), content.end() - kDigestSize);
  }
  if ((data[0] & 16) != 0) content.resize(last);
  if (manifest) {
    check_manifest(content, made_good ? Signed::kYes : Signed::kNo);
  } else {
    check_identity(content);
  }
  return 0;
}
