// May this monitor run on this device? The checks of the signed manifest, in a fixed order, each with its own verdict.
//
// Pure: bytes in, verdict out. The caller has copied the manifest once into memory that nobody else reaches; the
// image is checked (check_image) after it was copied to where it will run. Layout: firmware/measure/handover.hpp,
// little-endian; the manifest takes 4096 bytes, zero after the fields.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/base/byte_reader.hpp"
#include "firmware/measure/handover.hpp"

namespace rom {

inline constexpr std::size_t kManifestPageSize = 4096;

struct ManifestPolicy {
  std::uint64_t load_address;   // the only one allowed
  std::uint64_t max_image_size;
  std::uint32_t minimum_security_version;  // of the identity
  measure::Digest signer_digest;           // of the identity: SHA-384 of the signer's public point
};

// In the order in which the checks are made. The cheap ones come first: the signature is only computed for a manifest
// that would otherwise do.
enum class ManifestVerdict : std::uint8_t {
  kAccepted,
  kTooShort,
  kWrongMagic,
  kWrongVersion,
  kReservedNotZero,
  kWrongImageSize,
  kWrongLoadAddress,
  kWrongEntry,
  kWrongName,
  kWrongSigner,
  kWrongSignature,
  kRolledBack,
  kWrongImage,  // check_image()
};
[[nodiscard]] std::string_view describe(ManifestVerdict verdict);

struct CheckedManifest {
  ManifestVerdict verdict{};
  measure::Manifest manifest{};  // all zero unless the verdict is kAccepted
};
// `page` is the first page of the package.
[[nodiscard]] CheckedManifest check_manifest(base::Bytes page, const ManifestPolicy& policy);
// `image` is the copy that will run.
[[nodiscard]] ManifestVerdict check_image(const measure::Manifest& manifest, base::Bytes image);

// What the signature covers: every byte before it.
[[nodiscard]] measure::Digest signed_digest(const measure::Manifest& manifest);

}  // namespace rom
