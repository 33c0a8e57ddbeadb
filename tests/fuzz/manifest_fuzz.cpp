// The ROM's manifest check and identity parser on any bytes. Input: one byte that chooses, then the page or the area.
//
// Choice 0: the page as it is. 1: the same fields under a good signature of the trusted signer, so that what lies
// behind the signature is reached too. 2: an identity area as it is. 3: an identity area under its right digest.
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
  if (page.size() < sizeof(measure::Manifest)) return;
  measure::Manifest manifest{};
  std::memcpy(&manifest, page.data(), sizeof manifest);
  manifest.signer = signer().public_key();
  manifest.signature = signer().sign(rom::signed_digest(manifest)).value();
  std::memcpy(page.data(), &manifest, sizeof manifest);
}

void check_manifest(const Bytes& page, bool is_signed) {
  const rom::CheckedManifest checked = rom::check_manifest(page, policy());
  demand(!rom::describe(checked.verdict).empty());
  const measure::Manifest& manifest = checked.manifest;
  if (checked.verdict != rom::ManifestVerdict::kAccepted) {
    demand(manifest.magic == 0 && manifest.image_size == 0);
    return;
  }
  demand(is_signed);  // nobody forges a signature
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
  Bytes content(data + 1, data + size);
  switch (data[0] % 4) {
    case 0: check_manifest(content, false); break;
    case 1:
      content.resize(std::max(content.size(), rom::kManifestPageSize));  // fields at the front, zeroes behind
      sign(content);
      check_manifest(content, true);
      break;
    case 2: check_identity(content); break;
    default:
      if (content.size() >= rom::kIdentityEncodedSize) {
        const std::size_t digested = rom::kIdentityEncodedSize - 48;
        const crypto::Digest digest = crypto::sha384(base::Bytes{content}.first(digested));
        std::copy(digest.begin(), digest.end(), content.begin() + static_cast<std::ptrdiff_t>(digested));
      }
      check_identity(content);
      break;
  }
  return 0;
}
