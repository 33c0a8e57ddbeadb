#include "guests/enclave/keys/kms_client.hpp"

#include <nlohmann/json.hpp>

namespace enclave_keys {
namespace {

using nlohmann::json;

constexpr std::size_t kMostAsked = 1024;  // bytes: what the API allows

void add_recipient(json& body, Recipient& recipient) {
  body["Recipient"] = {{"KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                       {"AttestationDocument", cofferdam::to_base64(recipient.document())}};
}

void expect_size(std::size_t size) {
  if (size == 0 || size > kMostAsked) throw KeyServiceError({}, "a key service gives 1 to 1024 bytes at once");
}

}  // namespace

Recipient::Recipient(DocumentSource source, std::function<std::chrono::steady_clock::time_point()> now)
    : source_(std::move(source)), now_(std::move(now)), key_(cryptography::PrivateKey::generate(cryptography::KeyKind::kRsa2048)) {
  renew();
}

const Bytes& Recipient::document() {
  if (now_() - made_ > kDocumentIsFresh) renew();
  return document_;
}

void Recipient::renew() {
  const auto begun = now_();  // before: the document's own time is later, so it is no older than we think
  document_ = source_(key_.public_key().spki());
  made_ = begun;
}

KmsClient::KmsClient(Endpoint endpoint, std::shared_ptr<Recipient> recipient)
    : service_(std::move(endpoint)), recipient_(std::move(recipient)) {}

SecretBytes KmsClient::open_answer(const json& answer, std::optional<std::size_t> length) const {
  // A service that answers in clear has ignored the document: it would answer anybody.
  const auto plaintext = answer.find("Plaintext");
  if (plaintext != answer.end() && !plaintext->is_null() && *plaintext != "") {
    throw KeyServiceError(
        {}, "the key service answers in clear, as if no recipient were asked for; use one that supports Recipient");
  }
  return open_envelope(kmsclient::bytes_member(answer, "CiphertextForRecipient"), recipient_->key(), length);
}

SecretBytes KmsClient::decrypt(ByteView ciphertext, const std::string& key_id, const Context& context,
                               const std::string& algorithm, std::optional<std::size_t> length) {
  json body{{"CiphertextBlob", cofferdam::to_base64(ciphertext)}};
  if (!key_id.empty()) body["KeyId"] = key_id;
  if (!algorithm.empty()) body["EncryptionAlgorithm"] = algorithm;
  if (!context.empty()) body["EncryptionContext"] = context;
  add_recipient(body, *recipient_);
  return open_answer(service_.call("Decrypt", body), length);
}

DataKey KmsClient::generate_data_key(const std::string& key_id, std::size_t size, const Context& context) {
  expect_size(size);
  json body{{"KeyId", key_id}};
  if (size == 16 || size == 32) {
    body["KeySpec"] = size == 16 ? "AES_128" : "AES_256";
  } else {
    body["NumberOfBytes"] = size;
  }
  if (!context.empty()) body["EncryptionContext"] = context;
  add_recipient(body, *recipient_);
  const json answer = service_.call("GenerateDataKey", body);
  DataKey key;
  key.plaintext = open_answer(answer, size);
  key.ciphertext = kmsclient::bytes_member(answer, "CiphertextBlob");
  key.key_arn = kmsclient::text_member(answer, "KeyId");
  return key;
}

SecretBytes KmsClient::random(std::size_t size) {
  expect_size(size);
  json body{{"NumberOfBytes", size}};
  add_recipient(body, *recipient_);
  return open_answer(service_.call("GenerateRandom", body), size);
}

}  // namespace enclave_keys
