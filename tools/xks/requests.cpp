#include "tools/xks/requests.hpp"

#include <algorithm>
#include <utility>

#include "tools/strict_json/strict_json.hpp"

namespace xks {
namespace {

using Json = nlohmann::json;

// Wiped with its owner: the JSON of an encrypt call holds the plaintext's text.
void wipe_text(Json& object, const char* name) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_string()) std::ranges::fill(found->get_ref<std::string&>(), '\0');
}

std::string metadata_text(const Json& metadata, const char* name, bool needed) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) {
    if (needed) throw Refusal{ErrorName::kValidation, std::string("requestMetadata.") + name + " is missing"};
    return {};
  }
  if (!found->is_string()) throw Refusal{ErrorName::kValidation, std::string("requestMetadata.") + name + " is no string"};
  const auto& text = found->get_ref<const std::string&>();
  if ((needed && text.empty()) || text.size() > kMostArn) {
    throw Refusal{ErrorName::kValidation, std::string("requestMetadata.") + name + " has no character, or more than 2048"};
  }
  return text;
}

RequestMetadata request_metadata(Call call, const Json& body) {
  const auto found = body.find("requestMetadata");
  if (found == body.end() || !found->is_object()) throw Refusal{ErrorName::kValidation, "requestMetadata is missing, or no object"};
  const bool for_key = call != Call::kHealth;
  return {.principal_arn = metadata_text(*found, "awsPrincipalArn", for_key),
          .key_arn = metadata_text(*found, "kmsKeyArn", call == Call::kEncrypt || call == Call::kDecrypt),
          .operation = metadata_text(*found, "kmsOperation", true),
          .request_id = metadata_text(*found, "kmsRequestId", true),
          .via_service = metadata_text(*found, "kmsViaService", false),
          .source_vpc = metadata_text(*found, "awsSourceVpc", false),
          .source_vpce = metadata_text(*found, "awsSourceVpce", false)};
}

// An optional field that is null counts as absent: some writers send it so.
std::optional<Bytes> bytes_of(const Json& body, const char* name, ErrorName refusal, bool needed, std::size_t most) {
  const auto found = body.find(name);
  if (found == body.end() || found->is_null()) {
    if (needed) throw Refusal{refusal, std::string(name) + " is missing"};
    return std::nullopt;
  }
  auto bytes = found->is_string() ? strict_base64(found->get_ref<const std::string&>()) : std::nullopt;
  if (!bytes) throw Refusal{refusal, std::string(name) + " is no base64 text"};
  if (bytes->size() > most) {
    throw Refusal{ErrorName::kUnsupportedOperation, std::string(name) + " is longer than " + std::to_string(most) + " bytes"};
  }
  return bytes;
}

void demand_algorithm(const Json& body) {
  if (strict_json::string_at(body, "encryptionAlgorithm") != "AES_GCM") throw Refusal{ErrorName::kValidation, "encryptionAlgorithm is not AES_GCM"};
}

}  // namespace

std::string_view text_of(Call call) {
  switch (call) {
    case Call::kMetadata: return "metadata";
    case Call::kEncrypt: return "encrypt";
    case Call::kDecrypt: return "decrypt";
    case Call::kHealth: return "health";
  }
  std::unreachable();
}

ParsedRequest parse_request(Call call, std::string_view text) {
  std::optional<Json> parsed = strict_json::parse_object(text, 8);
  if (!parsed) throw Refusal{ErrorName::kValidation, "the body is no JSON object, or has a name twice"};
  struct Wiped {
    Json& body;
    ~Wiped() { wipe_text(body, "plaintext"); }
  } const wiped{*parsed};
  const Json& body = *parsed;
  ParsedRequest request;
  request.metadata = request_metadata(call, body);
  switch (call) {
    case Call::kMetadata:
    case Call::kHealth: break;
    case Call::kEncrypt: {
      demand_algorithm(body);
      request.associated = bytes_of(body, "additionalAuthenticatedData", ErrorName::kValidation, false, kMostAssociated).value_or(Bytes());
      request.plaintext = cryptography::SecretBytes(*bytes_of(body, "plaintext", ErrorName::kValidation, true, kMostPlaintext));
      if (request.plaintext.empty()) throw Refusal{ErrorName::kValidation, "plaintext is empty"};
      const auto algorithm = body.find("ciphertextDataIntegrityValueAlgorithm");
      if (algorithm != body.end() && !algorithm->is_null()) {
        if (*algorithm != "SHA_256") throw Refusal{ErrorName::kValidation, "ciphertextDataIntegrityValueAlgorithm is not SHA_256"};
        request.wants_integrity_value = true;
      }
      break;
    }
    case Call::kDecrypt: {
      demand_algorithm(body);
      // All of these are what the API calls a ciphertext that is corrupted, missing or otherwise invalid.
      constexpr ErrorName kBad = ErrorName::kInvalidCiphertext;
      request.associated = bytes_of(body, "additionalAuthenticatedData", kBad, false, kMostAssociated).value_or(Bytes());
      request.encrypted = {.ciphertext = *bytes_of(body, "ciphertext", kBad, true, kMostPlaintext),
                           .metadata = bytes_of(body, "ciphertextMetadata", kBad, false, kMostBody).value_or(Bytes()),
                           .iv = *bytes_of(body, "initializationVector", kBad, true, kMostBody),
                           .tag = *bytes_of(body, "authenticationTag", kBad, true, kMostBody)};
      const Encrypted& encrypted = request.encrypted;
      if (encrypted.ciphertext.empty()) throw Refusal{kBad, "ciphertext is empty"};
      if (encrypted.iv.size() != 12 && encrypted.iv.size() != 16) throw Refusal{kBad, "initializationVector has neither 12 nor 16 bytes"};
      if (encrypted.tag.size() != kTag) throw Refusal{kBad, "authenticationTag has not 16 bytes"};
      if (encrypted.metadata.size() > kMostMetadata) throw Refusal{kBad, "ciphertextMetadata has more than 20 bytes"};
      break;
    }
  }
  return request;
}

}  // namespace xks
