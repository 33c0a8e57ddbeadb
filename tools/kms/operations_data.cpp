// What keys are for: encrypting, decrypting, making data keys.
#include <algorithm>
#include <array>

#include "tools/kms/call.hpp"
#include "tools/kms/ciphertext_blob.hpp"
#include "tools/kms/condition_keys.hpp"
#include "tools/kms/errors.hpp"

namespace kms {
namespace {

using cryptography::Hash;
using cryptography::KeyKind;
using cryptography::SecretBytes;

constexpr std::string_view kSymmetric = "SYMMETRIC_DEFAULT";
constexpr std::array<std::string_view, 4> kAlgorithms{"SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256",
                                                              "SM2PKE"};

std::string arn_of(const Call& call, const KeyRecord& key) { return key_arn(call.parts.place, key.id.text); }

bool is_symmetric(const KeyRecord& key) { return key.key_spec == kSymmetric; }

Hash hash_of(std::string_view algorithm) { return algorithm == "RSAES_OAEP_SHA_1" ? Hash::kSha1 : Hash::kSha256; }

EncryptionContext context_in(const Call& call, std::string_view member) {
  return call.fields.texts_by_name(member, kMaxAssociated - kBlobHead);
}

// The condition keys that the encryption context and the algorithm give.
void add_conditions(Call& call, const EncryptionContext& context, const std::string& algorithm) {
  constexpr std::string_view kOfContext = "kms:encryptioncontext:";
  std::erase_if(call.conditions, [&](const auto& entry) { return entry.first.starts_with(kOfContext); });
  call.conditions.erase("kms:encryptioncontextkeys");
  for (const auto& [key, value] : context) {
    call.conditions[std::string(kOfContext) + lower_case(key)].push_back(value);  // names that differ in case only: several values
    call.conditions["kms:encryptioncontextkeys"].push_back(key);
  }
  call.conditions["kms:encryptionalgorithm"] = {algorithm};
}

void check_algorithm(const Call& call, const KeyRecord& key, const std::string& algorithm, const EncryptionContext& context) {
  const std::vector<std::string> possible = algorithms_of(key.key_spec);
  if (std::find(possible.begin(), possible.end(), algorithm) == possible.end()) {
    throw KmsError(ErrorName::kInvalidKeyUsage,
                   arn_of(call, key) + " has the key spec " + key.key_spec + ", which is incompatible with " + algorithm + ".");
  }
  if (!is_symmetric(key) && !context.empty()) {
    throw KmsError(ErrorName::kValidation, "EncryptionContext is not supported with asymmetric keys.");
  }
}

SecretBytes material_of(const Call& call, const KeyRecord& key) {
  if (key.material.empty()) throw KmsError(ErrorName::kInternal, "the key has no material");
  return call.parts.wrapping.unwrap_material(key.id, key.material.back());
}

ProxyRequest proxy_request(const Call& call, const KeyRecord& key) {
  return {call.caller.arn, arn_of(call, key), call.operation, call.request_id};
}

Bytes encrypt_symmetric(Call& call, const KeyRecord& key, const EncryptionContext& context, ByteView plaintext) {
  Blob blob;
  blob.material = key.origin == KeyOrigin::kExternalKeyStore ? BlobMaterial::kExternal : BlobMaterial::kLocal;
  blob.key_id = key.id.text;
  blob.head = blob_head(blob.material, blob.key_id);
  const Bytes associated = associated_data(blob.head, context);
  blob.body = seal_local(material_of(call, key).view(), associated, plaintext);
  if (blob.material == BlobMaterial::kExternal) {
    ExternalCiphertext sealed =
        call.parts.external.encrypt(proxy_of(call, key), *key.xks_key, associated, blob.body, proxy_request(call, key));
    blob.iv = std::move(sealed.iv);
    blob.tag = std::move(sealed.tag);
    blob.metadata = std::move(sealed.metadata);
    blob.body = std::move(sealed.ciphertext);
  }
  return write_blob(blob);
}

KmsError invalid_ciphertext() { return {ErrorName::kInvalidCiphertext, "the ciphertext, its encryption context or its key don't belong together"}; }

SecretBytes decrypt_symmetric(Call& call, const KeyRecord& key, const Blob& blob, const EncryptionContext& context) {
  const bool external = key.origin == KeyOrigin::kExternalKeyStore;
  if (external != (blob.material == BlobMaterial::kExternal)) throw invalid_ciphertext();
  const Bytes associated = associated_data(blob.head, context);
  std::optional<SecretBytes> plaintext;
  if (external) {
    const SecretBytes inner = call.parts.external.decrypt(proxy_of(call, key), *key.xks_key, associated,
                                                          {blob.iv, blob.body, blob.tag, blob.metadata}, proxy_request(call, key));
    plaintext = open_local(material_of(call, key).view(), associated, inner.view());
  } else {
    plaintext = open_local(material_of(call, key).view(), associated, blob.body);
  }
  if (!plaintext) throw invalid_ciphertext();
  return *std::move(plaintext);
}

Bytes encrypt_under(Call& call, const KeyRecord& key, const std::string& algorithm, const EncryptionContext& context,
                    ByteView plaintext) {
  if (is_symmetric(key)) return encrypt_symmetric(call, key, context, plaintext);
  const std::optional<cryptography::PublicKey> public_key = cryptography::PublicKey::from_spki(key.public_key);
  if (!public_key) throw KmsError(ErrorName::kInternal, "the key's public half can't be read");
  std::optional<Bytes> ciphertext = public_key->encrypt_oaep(hash_of(algorithm), plaintext);
  if (!ciphertext) {
    throw KmsError(ErrorName::kValidation, "Algorithm " + algorithm + " and key spec " + key.key_spec +
                                               " cannot encrypt data of " + std::to_string(plaintext.size()) + " bytes.");
  }
  return *std::move(ciphertext);
}

// A key to decrypt with, found by the request or by the blob.
struct Source {
  KeyRecord key;
  std::string algorithm;
  EncryptionContext context;
  Bytes ciphertext;
  std::optional<Blob> blob;
};

Source find_source(Call& call, std::string_view key_member, std::string_view context_member, std::string_view algorithm_member) {
  Source source;
  source.ciphertext = call.fields.required_blob("CiphertextBlob", 1, kMaxBlob);
  source.algorithm = call.fields.word(algorithm_member, kAlgorithms).value_or(std::string(kSymmetric));
  source.context = context_in(call, context_member);
  const std::optional<std::string> reference = call.fields.text(key_member, 1, 2048);
  if (reference) {
    source.key = find_key(call, *reference);
    if (is_symmetric(source.key) && source.algorithm == kSymmetric) source.blob = read_blob(source.ciphertext);
    return source;
  }
  if (source.algorithm != kSymmetric) {
    throw KmsError(ErrorName::kValidation, "KeyId is required for ciphertexts of asymmetric keys.");
  }
  source.blob = read_blob(source.ciphertext);
  if (!source.blob) throw invalid_ciphertext();
  call.event.key = source.blob->key_id;
  std::optional<KeyRecord> key = call.parts.store.find_key({source.blob->key_id});
  if (!key) {
    throw KmsError(ErrorName::kAccessDenied, "The ciphertext refers to a key that does not exist, does not exist in this region, "
                                             "or you are not allowed to access.");
  }
  source.key = *std::move(key);
  return source;
}

SecretBytes decrypt_source(Call& call, const Source& source) {
  require_usable(call, source.key);
  check_algorithm(call, source.key, source.algorithm, source.context);
  if (!is_symmetric(source.key)) {
    end_dry_run(call);
    const std::optional<cryptography::PrivateKey> pair = cryptography::PrivateKey::from_pkcs8(material_of(call, source.key).view());
    if (!pair) throw KmsError(ErrorName::kInternal, "the key's private half can't be read");
    std::optional<SecretBytes> plaintext = pair->decrypt_oaep(hash_of(source.algorithm), source.ciphertext);
    if (!plaintext) throw invalid_ciphertext();
    return *std::move(plaintext);
  }
  if (!source.blob) throw invalid_ciphertext();
  if (source.blob->key_id != source.key.id.text) {
    throw KmsError(ErrorName::kIncorrectKey, "The key ID in the request does not identify a key that can perform this operation.");
  }
  end_dry_run(call);
  return decrypt_symmetric(call, source.key, *source.blob, source.context);
}

// The key is found before the Recipient is believed, so that the log has both of a refused request.
template <typename Find>
auto before_recipient(Call& call, Find find) {
  try {
    return find();
  } catch (const KmsError&) {
    SecretAnswer::note_recipient(call);
    throw;
  }
}

// The key and the checks that all GenerateDataKey operations begin with.
struct DataKeyRequest {
  KeyRecord key;
  EncryptionContext context;
};

DataKeyRequest begin_data_key(Call& call, KeyRecord key) {
  DataKeyRequest request{std::move(key), context_in(call, "EncryptionContext")};
  add_conditions(call, request.context, std::string(kSymmetric));
  authorize(call, request.key, call.operation);
  if (!is_symmetric(request.key)) {
    throw KmsError(ErrorName::kInvalidKeyUsage, arn_of(call, request.key) + " is not a symmetric encryption key.");
  }
  require_usable(call, request.key);
  end_dry_run(call);
  return request;
}

std::size_t data_key_size(const Fields& fields) {
  const std::optional<std::string> spec = fields.word("KeySpec", {"AES_256", "AES_128"});
  const std::optional<std::int64_t> size = fields.integer("NumberOfBytes", 1, 1024);
  if (spec.has_value() == size.has_value()) {
    throw KmsError(ErrorName::kValidation, "Please specify either number of bytes or key spec.");
  }
  if (size) return static_cast<std::size_t>(*size);
  return *spec == "AES_256" ? 32 : 16;
}

KeyKind pair_kind(const Fields& fields, std::string& spec) {
  constexpr std::array<std::string_view, 8> kSpecs{"RSA_2048",      "RSA_3072",      "RSA_4096",        "ECC_NIST_P256",
                                                           "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "SM2"};
  const std::optional<std::string> asked = fields.word("KeyPairSpec", kSpecs);
  if (!asked) throw validation("keyPairSpec", "Member must not be null");
  spec = *asked;
  if (spec == "RSA_2048") return KeyKind::kRsa2048;
  if (spec == "RSA_3072") return KeyKind::kRsa3072;
  if (spec == "RSA_4096") return KeyKind::kRsa4096;
  if (spec == "ECC_NIST_P256") return KeyKind::kP256;
  if (spec == "ECC_NIST_P384") return KeyKind::kP384;
  if (spec == "ECC_NIST_P521") return KeyKind::kP521;
  if (spec == "ECC_SECG_P256K1") return KeyKind::kSecp256k1;
  throw KmsError(ErrorName::kUnsupportedOperation, "key pairs of " + spec + " are not made here");
}

Json data_key_pair(Call& call, KeyRecord key, const SecretAnswer* secret_answer) {
  std::string spec;
  const KeyKind kind = pair_kind(call.fields, spec);
  call.conditions["kms:datakeypairspec"] = {spec};
  const DataKeyRequest request = begin_data_key(call, std::move(key));
  const cryptography::PrivateKey pair = cryptography::PrivateKey::generate(kind);
  const SecretBytes private_key = pair.pkcs8();
  Json answer = {{"KeyId", arn_of(call, request.key)},
                 {"KeyPairSpec", spec},
                 {"PublicKey", cofferdam::to_base64(pair.public_key().spki())},
                 {"PrivateKeyCiphertextBlob",
                  cofferdam::to_base64(encrypt_symmetric(call, request.key, request.context, private_key.view()))}};
  if (secret_answer != nullptr) secret_answer->put(answer, "PrivateKeyPlaintext", private_key.view());
  return answer;
}

Json data_key(Call& call, KeyRecord key, const SecretAnswer* secret_answer) {
  const std::size_t size = data_key_size(call.fields);
  const DataKeyRequest request = begin_data_key(call, std::move(key));
  const SecretBytes secret = cryptography::random_secret(size);
  Json answer = {{"KeyId", arn_of(call, request.key)},
                 {"CiphertextBlob", cofferdam::to_base64(encrypt_symmetric(call, request.key, request.context, secret.view()))}};
  if (secret_answer != nullptr) secret_answer->put(answer, "Plaintext", secret.view());
  return answer;
}

}  // namespace

Json encrypt(Call& call) {
  const SecretBytes plaintext(call.fields.required_blob("Plaintext", 1, kMaxPlaintext));
  const std::string algorithm = call.fields.word("EncryptionAlgorithm", kAlgorithms).value_or(std::string(kSymmetric));
  const EncryptionContext context = context_in(call, "EncryptionContext");
  const KeyRecord key = key_in_request(call);
  add_conditions(call, context, algorithm);
  authorize(call, key, "Encrypt");
  require_usable(call, key);
  check_algorithm(call, key, algorithm, context);
  end_dry_run(call);
  return {{"KeyId", arn_of(call, key)},
          {"CiphertextBlob", cofferdam::to_base64(encrypt_under(call, key, algorithm, context, plaintext.view()))},
          {"EncryptionAlgorithm", algorithm}};
}

Json decrypt(Call& call) {
  const Source source =
      before_recipient(call, [&call] { return find_source(call, "KeyId", "EncryptionContext", "EncryptionAlgorithm"); });
  const SecretAnswer secret_answer(call);
  add_conditions(call, source.context, source.algorithm);
  authorize(call, source.key, "Decrypt");
  const SecretBytes plaintext = decrypt_source(call, source);
  Json answer = {{"KeyId", arn_of(call, source.key)}, {"EncryptionAlgorithm", source.algorithm}};
  secret_answer.put(answer, "Plaintext", plaintext.view());
  return answer;
}

Json re_encrypt(Call& call) {
  const Source source = find_source(call, "SourceKeyId", "SourceEncryptionContext", "SourceEncryptionAlgorithm");
  const std::string algorithm = call.fields.word("DestinationEncryptionAlgorithm", kAlgorithms).value_or(std::string(kSymmetric));
  const EncryptionContext context = context_in(call, "DestinationEncryptionContext");
  const auto before = call.conditions;
  const KeyRecord destination = find_key(call, call.fields.required_text("DestinationKeyId", 1, 2048));
  const auto after = call.conditions;
  const std::string same = destination.id == source.key.id ? "true" : "false";
  call.event.detail = "to " + destination.id.text;
  call.event.key = source.key.id.text;

  call.conditions = before;
  call.conditions["kms:reencryptonsamekey"] = {same};
  add_conditions(call, source.context, source.algorithm);
  authorize(call, source.key, "ReEncryptFrom");
  call.conditions = after;
  call.conditions["kms:reencryptonsamekey"] = {same};
  add_conditions(call, context, algorithm);
  authorize(call, destination, "ReEncryptTo");
  require_usable(call, destination);
  check_algorithm(call, destination, algorithm, context);

  const SecretBytes plaintext = decrypt_source(call, source);
  return {{"KeyId", arn_of(call, destination)},
          {"SourceKeyId", arn_of(call, source.key)},
          {"CiphertextBlob", cofferdam::to_base64(encrypt_under(call, destination, algorithm, context, plaintext.view()))},
          {"SourceEncryptionAlgorithm", source.algorithm},
          {"DestinationEncryptionAlgorithm", algorithm}};
}

Json generate_data_key(Call& call) {
  KeyRecord key = before_recipient(call, [&call] { return key_in_request(call); });
  const SecretAnswer secret_answer(call);
  return data_key(call, std::move(key), &secret_answer);
}

Json generate_data_key_without_plaintext(Call& call) { return data_key(call, key_in_request(call), nullptr); }

Json generate_data_key_pair(Call& call) {
  KeyRecord key = before_recipient(call, [&call] { return key_in_request(call); });
  const SecretAnswer secret_answer(call);
  return data_key_pair(call, std::move(key), &secret_answer);
}

Json generate_data_key_pair_without_plaintext(Call& call) { return data_key_pair(call, key_in_request(call), nullptr); }

Json generate_random(Call& call) {
  const SecretAnswer secret_answer(call);  // first, so that refusals are logged with it
  if (call.fields.has("CustomKeyStoreId")) {
    throw KmsError(ErrorName::kUnsupportedOperation, "random bytes come from this service; external key stores give none");
  }
  const std::optional<std::int64_t> size = call.fields.integer("NumberOfBytes", 1, 1024);
  if (!size) throw validation("numberOfBytes", "Member must not be null");
  authorize_account(call, "GenerateRandom");
  const SecretBytes secret = cryptography::random_secret(static_cast<std::size_t>(*size));
  Json answer = Json::object();
  secret_answer.put(answer, "Plaintext", secret.view());
  return answer;
}

}  // namespace kms
