// What Encrypt answers and Decrypt takes: a ciphertext that names its key, so that Decrypt needs no KeyId.
//
//   version 1 | material: 1 local, 2 external | key id (16 bytes of its UUID) | body
//   body of local:    salt 16 | IV 12 | AES-256-GCM ciphertext | tag 16
//   body of external: IV length, IV | tag 16 | metadata length, metadata | what the key proxy answered for a whole local body
// The AES key is HKDF-SHA256(material, salt, "cofferdam-kms message key"): with a key of its own for each message, random IVs
// meet no bound of SP 800-38D section 8.3. Associated data: the 18 bytes of the head, then the encryption context.
// A key of an external store needs both: the local body inside is opened with the material that never left this service.
#pragma once

#include <array>
#include <map>
#include <string>

#include "tools/cryptography/cryptography.hpp"

namespace kms {

using cofferdam::Bytes;
using cofferdam::ByteView;

inline constexpr std::size_t kBlobHead = 18;
inline constexpr std::size_t kMaxBlob = 6144;        // as AWS bounds CiphertextBlob
inline constexpr std::size_t kMaxPlaintext = 4096;
inline constexpr std::size_t kMaxAssociated = 8192;  // XKS proxy API v1: the most that a proxy takes

using EncryptionContext = std::map<std::string, std::string>;  // sorted: its bytes don't depend on the request's order

enum class BlobMaterial : std::uint8_t { kLocal = 1, kExternal = 2 };

struct Blob {
  BlobMaterial material{};
  std::string key_id;
  Bytes head;      // kBlobHead bytes
  Bytes body;      // local: salt, IV, ciphertext, tag; external: what the proxy sealed
  Bytes iv, tag, metadata;  // of the external proxy
};

[[nodiscard]] Bytes blob_head(BlobMaterial material, const std::string& key_id);
// Head and context, each text behind its length (32 bits, big endian).
[[nodiscard]] Bytes associated_data(ByteView head, const EncryptionContext& context);

// `material` has 32 bytes.
[[nodiscard]] Bytes seal_local(ByteView material, ByteView associated, ByteView plaintext);
// Nullopt: another key, another context, or altered.
[[nodiscard]] std::optional<cryptography::SecretBytes> open_local(ByteView material, ByteView associated, ByteView body);

[[nodiscard]] Bytes write_blob(const Blob& blob);
// Nullopt: not a blob of this service. Nothing is authentic yet.
[[nodiscard]] std::optional<Blob> read_blob(ByteView bytes);

}  // namespace kms
