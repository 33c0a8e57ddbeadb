// Keys from a key service into an enclave: requests carry an attestation document with the public half of a key that
// was made here, and answers come encrypted to it (AWS KMS, "Recipient"). TLS ends here as well; who may vouch for the
// key service is part of the measured image. AWS's own KMS and ours differ in their Endpoint alone.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "guests/enclave/keys/cms_envelope.hpp"
#include "tools/kmsclient/key_service.hpp"

namespace enclave_keys {

using kmsclient::Context;
using kmsclient::DataKey;
using kmsclient::Endpoint;
using kmsclient::KeyServiceError;

// Makes an attestation document with this public_key (SubjectPublicKeyInfo, DER). Throws std::runtime_error with cause
// and mend.
using DocumentSource = std::function<Bytes(ByteView public_key)>;

struct DocumentExtras {
  Bytes nonce, user_data;  // empty: none
};
// Documents of /dev/nsm.
[[nodiscard]] DocumentSource nsm_documents(DocumentExtras extras = {}, std::string device = "/dev/nsm");

// Key services refuse a document that has grown old: when its certificates have (three hours), or when a policy asks for a younger one
// (AgeSeconds). Half a minute spares a new document for each of several requests in a row.
inline constexpr std::chrono::seconds kDocumentIsFresh{30};

// An RSA-2048 key that exists in this process only, and the document that speaks for it: one for all key services that
// the enclave asks, so that several owners judge the same enclave.
class Recipient {
 public:
  // Makes the key (a tenth of a second or more) and the document. `now`: the time, where it isn't the clock's.
  explicit Recipient(DocumentSource source, std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now);
  // At most kDocumentIsFresh old: another for the same key when it was older. Throws as DocumentSource.
  [[nodiscard]] const Bytes& document();
  [[nodiscard]] const cryptography::PrivateKey& key() const { return key_; }

 private:
  void renew();

  DocumentSource source_;
  std::function<std::chrono::steady_clock::time_point()> now_;
  cryptography::PrivateKey key_;
  Bytes document_;
  std::chrono::steady_clock::time_point made_;
};

// All throw KeyServiceError (no answer, refused, an answer that ignores the recipient) or BadEnvelope. The key
// service's envelopes carry no authentication of their own (cms_envelope.hpp): it is TLS that says who wrote them.
class KmsClient {
 public:
  KmsClient(Endpoint endpoint, std::shared_ptr<Recipient> recipient);
  // `key_id` may be empty for symmetric keys. `algorithm` empty: SYMMETRIC_DEFAULT.
  // `length`: what the plaintext must have. To be said wherever it is known: an envelope of another length does not open, and nobody
  // learns whether its padding was right.
  [[nodiscard]] SecretBytes decrypt(ByteView ciphertext, const std::string& key_id = {}, const Context& context = {},
                                    const std::string& algorithm = {}, std::optional<std::size_t> length = std::nullopt);
  // `size`: 16 or 32 (AES_128, AES_256), else NumberOfBytes, at most 1024.
  [[nodiscard]] DataKey generate_data_key(const std::string& key_id, std::size_t size = 32,
                                          const Context& context = {});
  // At most 1024 bytes.
  [[nodiscard]] SecretBytes random(std::size_t size);

 private:
  [[nodiscard]] SecretBytes open_answer(const nlohmann::json& answer, std::optional<std::size_t> length) const;

  kmsclient::KeyService service_;
  std::shared_ptr<Recipient> recipient_;
};

}  // namespace enclave_keys
