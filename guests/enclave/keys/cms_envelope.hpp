// CiphertextForRecipient: a CMS EnvelopedData (RFC 5652, 6) for one RSA key in an enclave, in the BER that AWS KMS
// sends: indefinite lengths, and content in one piece or in chunks. DER, as `openssl cms -encrypt -keyid` makes it, is
// read too.
//
// The content is AES-256-CBC, which authenticates nothing: whoever can alter an envelope on its way can change the
// plaintext (a bit of the IV changes that bit of the first block). Envelopes are therefore taken only from a key
// service that TLS has authenticated, and the caller checks what it got: its length here, its meaning by the artifact's
// commitment to its key.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>

#include "tools/cryptography/cryptography.hpp"

namespace enclave_keys {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cryptography::SecretBytes;

inline constexpr std::size_t kMostEnvelope = 6144 / 4 * 3;  // bytes: AWS's limit is 6144 characters of base64
inline constexpr std::size_t kMostChunks = 64;              // of content; AWS's have up to 1000 bytes each

// The message names the field. Whether the key or the padding was wrong is not told apart: that would be an oracle.
class BadEnvelope : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Envelope {
  ByteView key_identifier;  // SHA-256 of the recipient's SubjectPublicKeyInfo; all views are into the input
  ByteView encrypted_key;   // RSAES-OAEP with SHA-256, MGF1 with SHA-256, empty label
  ByteView iv;
  Bytes ciphertext;  // the chunks joined; a positive multiple of 16
};
// Structure and parameters alone. Throws BadEnvelope.
[[nodiscard]] Envelope read_envelope(ByteView ber);

// `length`: what the plaintext must have. Throws BadEnvelope.
[[nodiscard]] SecretBytes open_envelope(ByteView ber, const cryptography::PrivateKey& key,
                                        std::optional<std::size_t> length = std::nullopt);

}  // namespace enclave_keys
