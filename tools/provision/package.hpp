// What is burned and shipped: the signed firmware package, and the contents of the ROM's flash.
#pragma once

#include <string>

#include "tools/provision/key_file.hpp"

namespace provision {

struct PackageOptions {
  measure::Digest board_digest{};
  std::uint32_t security_version{};
  std::uint64_t load_address{};
  std::uint64_t entry{};
  std::string name;
};

// Manifest (4096 bytes) and image, zero padded to a multiple of 16. A pure function of its arguments: signatures are
// deterministic, so the same image gives the same package. Throws when the ROM would refuse the result.
[[nodiscard]] Bytes make_package(ByteView image, const PackageOptions& options, const PrivateKey& signer);

// The code region, 0xff up to 256 KiB, then the identity, 0xff up to 64 KiB. Throws when the ROM is too large or the
// identity would not be accepted by it.
[[nodiscard]] Bytes make_flash(ByteView rom, ByteView identity);

}  // namespace provision
