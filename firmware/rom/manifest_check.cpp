#include "firmware/rom/manifest_check.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <type_traits>

#include "firmware/crypto/ecdsa_verify.hpp"
#include "firmware/crypto/sha384.hpp"

namespace rom {
namespace {

using measure::Manifest;

// The struct is the format: little-endian, no padding.
static_assert(std::endian::native == std::endian::little);
static_assert(std::is_trivially_copyable_v<Manifest> && sizeof(Manifest) == 368);
static_assert(offsetof(Manifest, image_digest) == 40 && offsetof(Manifest, signer) == 168);
constexpr std::size_t kSignatureOffset = offsetof(Manifest, signature);
static_assert(kSignatureOffset == 272);

bool all_zero(base::Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool well_formed_name(const std::array<char, 32>& name) {
  const auto* const end = std::find(name.begin(), name.end(), '\0');
  return std::all_of(name.begin(), end, [](char c) { return c >= ' ' && c <= '~'; }) &&
         std::all_of(end, name.end(), [](char c) { return c == '\0'; });
}

ManifestVerdict check_fields(const Manifest& manifest, const ManifestPolicy& policy) {
  if (manifest.magic != measure::kManifestMagic) return ManifestVerdict::kWrongMagic;
  if (manifest.version != measure::kManifestVersion) return ManifestVerdict::kWrongVersion;
  if (!all_zero(manifest.reserved)) return ManifestVerdict::kReservedNotZero;
  const std::uint64_t size = manifest.image_size;
  if (size == 0 || size > policy.max_image_size || size % 16 != 0) return ManifestVerdict::kWrongImageSize;
  if (manifest.load_address != policy.load_address) return ManifestVerdict::kWrongLoadAddress;
  const bool inside = manifest.entry >= manifest.load_address && manifest.entry - manifest.load_address < size;
  if (!inside || manifest.entry % 4 != 0) return ManifestVerdict::kWrongEntry;
  if (!well_formed_name(manifest.name)) return ManifestVerdict::kWrongName;
  return ManifestVerdict::kAccepted;
}

ManifestVerdict check(const Manifest& manifest, base::Bytes rest, const ManifestPolicy& policy) {
  const ManifestVerdict fields = check_fields(manifest, policy);
  if (fields != ManifestVerdict::kAccepted) return fields;
  if (!all_zero(rest)) return ManifestVerdict::kReservedNotZero;
  if (crypto::sha384(manifest.signer) != policy.signer_digest) return ManifestVerdict::kWrongSigner;
  if (!crypto::verify_p384(manifest.signer, signed_digest(manifest), manifest.signature).ok()) {
    return ManifestVerdict::kWrongSignature;
  }
  // Only now: a rollback is a property of a manifest that the signer did sign.
  if (manifest.security_version < policy.minimum_security_version) return ManifestVerdict::kRolledBack;
  return ManifestVerdict::kAccepted;
}

}  // namespace

std::string_view describe(ManifestVerdict verdict) {
  switch (verdict) {
    case ManifestVerdict::kAccepted: return "accepted";
    case ManifestVerdict::kTooShort: return "the firmware package is shorter than a manifest";
    case ManifestVerdict::kWrongMagic: return "the firmware package holds no manifest";
    case ManifestVerdict::kWrongVersion: return "the manifest has a format version that this ROM does not know";
    case ManifestVerdict::kReservedNotZero: return "reserved bytes of the manifest are not zero";
    case ManifestVerdict::kWrongImageSize: return "the image size is zero, too large, or no multiple of 16";
    case ManifestVerdict::kWrongLoadAddress: return "the load address is not the monitor's on this board";
    case ManifestVerdict::kWrongEntry: return "the entry is not inside the image";
    case ManifestVerdict::kWrongName: return "the manifest's name is not printable text";
    case ManifestVerdict::kWrongSigner: return "the signer is not the one this device trusts";
    case ManifestVerdict::kWrongSignature: return "the manifest's signature does not verify";
    case ManifestVerdict::kRolledBack: return "the security version is below this device's minimum (rollback)";
    case ManifestVerdict::kWrongImage: return "the image's digest differs from the manifest's";
  }
  return "unknown";
}

measure::Digest signed_digest(const Manifest& manifest) {
  return crypto::sha384({reinterpret_cast<const std::uint8_t*>(&manifest), kSignatureOffset});
}

CheckedManifest check_manifest(base::Bytes page, const ManifestPolicy& policy) {
  if (page.size() < kManifestPageSize) return {ManifestVerdict::kTooShort, {}};
  Manifest manifest{};
  std::copy_n(page.begin(), sizeof(Manifest), reinterpret_cast<std::uint8_t*>(&manifest));
  // Unsigned bytes that mean nothing may not carry anything either.
  const base::Bytes rest = page.subspan(sizeof(Manifest), kManifestPageSize - sizeof(Manifest));
  const ManifestVerdict verdict = check(manifest, rest, policy);
  if (verdict != ManifestVerdict::kAccepted) return {verdict, {}};
  return {verdict, manifest};
}

ManifestVerdict check_image(const Manifest& manifest, base::Bytes image) {
  const bool same = image.size() == manifest.image_size && crypto::sha384(image) == manifest.image_digest;
  return same ? ManifestVerdict::kAccepted : ManifestVerdict::kWrongImage;
}

}  // namespace rom
