#include "tools/provision/package.hpp"

#include <algorithm>
#include <cstring>

#include "firmware/crypto/sha384.hpp"
#include "firmware/rom/identity.hpp"
#include "firmware/rom/layout.hpp"
#include "firmware/rom/manifest_check.hpp"

namespace provision {
namespace {

constexpr std::uint8_t kErased = 0xff;

}  // namespace

Bytes make_package(ByteView image, const PackageOptions& options, const PrivateKey& signer) {
  const std::size_t padded = (image.size() + 15) / 16 * 16;
  Bytes package(rom::kManifestPageSize + padded);
  std::copy(image.begin(), image.end(), package.begin() + rom::kManifestPageSize);

  measure::Manifest manifest{};
  manifest.magic = measure::kManifestMagic;
  manifest.version = measure::kManifestVersion;
  manifest.security_version = options.security_version;
  manifest.image_size = padded;
  manifest.load_address = options.load_address;
  manifest.entry = options.entry;
  manifest.image_digest = crypto::sha384(ByteView{package}.subspan(rom::kManifestPageSize));
  manifest.board_digest = options.board_digest;
  if (options.name.size() >= manifest.name.size()) throw ProvisionError("--name: at most 31 characters");
  std::copy(options.name.begin(), options.name.end(), manifest.name.begin());
  manifest.signer = signer.pair.public_key();
  const auto signature = signer.pair.sign(rom::signed_digest(manifest));
  if (!signature.ok()) throw ProvisionError("internal: the manifest can't be signed");
  manifest.signature = *signature;
  std::memcpy(package.data(), &manifest, sizeof manifest);

  const rom::ManifestPolicy policy{.load_address = options.load_address,
                                   .max_image_size = rom::layout::kMaxImageSize,
                                   .minimum_security_version = 0,
                                   .signer_digest = crypto::sha384(manifest.signer)};
  const rom::CheckedManifest checked = rom::check_manifest(package, policy);
  if (checked.verdict != rom::ManifestVerdict::kAccepted) {
    throw ProvisionError("no device would take this package: " + std::string(rom::describe(checked.verdict)));
  }
  return package;
}

Bytes make_flash(ByteView rom, ByteView identity) {
  if (rom.size() > rom::layout::kCodeSize) {
    throw ProvisionError("the ROM has " + std::to_string(rom.size()) + " bytes; its region has " +
                         std::to_string(rom::layout::kCodeSize));
  }
  if (identity.size() > rom::layout::kIdentitySize) throw ProvisionError("the identity is larger than its region");
  const rom::ParsedIdentity parsed = rom::parse_identity(identity);
  if (parsed.verdict != rom::IdentityVerdict::kAccepted) {
    throw ProvisionError("the ROM would refuse this identity: " + std::string(rom::describe(parsed.verdict)));
  }
  Bytes flash(rom::layout::kIdentityBase + rom::layout::kIdentitySize, kErased);
  std::copy(rom.begin(), rom.end(), flash.begin());
  std::copy(identity.begin(), identity.end(), flash.begin() + rom::layout::kIdentityBase);
  return flash;
}

}  // namespace provision
