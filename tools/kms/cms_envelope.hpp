// CiphertextForRecipient: CMS EnvelopedData (RFC 5652 section 6) in exactly the BER that AWS KMS sends.
#pragma once

#include "tools/cryptography/cryptography.hpp"

namespace kms {

// Indefinite lengths outside; one KeyTransRecipientInfo by subjectKeyIdentifier (SHA-256 of the SubjectPublicKeyInfo),
// RSAES-OAEP with SHA-256 and MGF1-SHA-256; content under AES-256-CBC in octet strings of at most 1000 bytes.
// Fresh content key and IV each time. `key` must be RSA; `plaintext` at most 4096 bytes is what callers have.
[[nodiscard]] cofferdam::Bytes envelope_for(const cryptography::PublicKey& key, cofferdam::ByteView plaintext);

}  // namespace kms
