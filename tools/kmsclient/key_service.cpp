#include "tools/kmsclient/key_service.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

#include "tools/https/client.hpp"

namespace kmsclient {
namespace {

using nlohmann::json;

constexpr std::size_t kMostAnswer = 256 * 1024;

void wipe(std::string& text) {
  for (volatile char& letter : text) letter = 0;
  text.clear();
}

// "com.amazonaws.kms#AccessDeniedException" and the bare name are both in use.
std::string error_name(const json& answer) {
  if (!answer.is_object() || !answer.contains("__type") || !answer["__type"].is_string()) return {};
  const std::string name = answer["__type"];
  return name.substr(name.rfind('#') == name.npos ? 0 : name.rfind('#') + 1);
}

std::string error_message(const json& answer) {
  for (const char* member : {"message", "Message"}) {
    if (answer.is_object() && answer.contains(member) && answer[member].is_string()) return answer[member];
  }
  return "no message";
}

// What can be done about it, where the name tells.
std::string_view mend_of(std::string_view name) {
  struct Mend {
    std::string_view name, text;
  };
  static constexpr Mend kMends[] = {
      {"AccessDeniedException",
       "compare the key's policy with this caller and, in an enclave, with the document's PCRs "
       "(key-client document | cofferdam verify)"},
      {"NotFoundException", "check the key id and the region"},
      {"DisabledException", "enable the key"},
      {"KMSInvalidStateException",
       "look at the key's state (DescribeKey): it may be scheduled for deletion, or its key store cut off"},
      {"InvalidCiphertextException",
       "the ciphertext was altered, or the encryption context differs from the one it was made with"},
      {"IncorrectKeyException", "name the key that the ciphertext was made with"},
      {"IncompleteSignatureException", "check the credentials"},
      {"UnrecognizedClientException",
       "check the access key id, and that the session token is passed with temporary credentials"},
      {"InvalidSignatureException", "check the secret access key and this machine's clock"},
      {"ExpiredTokenException", "get new temporary credentials"},
      {"ThrottlingException", "wait and ask again"},
  };
  for (const Mend& mend : kMends) {
    if (mend.name == name) return mend.text;
  }
  return {};
}

std::int64_t system_seconds() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

}  // namespace

KeyService::KeyService(Endpoint endpoint) : endpoint_(std::move(endpoint)) {
  if (!endpoint_.now) endpoint_.now = system_seconds;
}
KeyService::~KeyService() = default;

https::Client& KeyService::connection() {
  if (!client_) {
    https::ClientOptions options;
    options.host = endpoint_.host;
    options.port = endpoint_.connect_port != 0 ? endpoint_.connect_port : endpoint_.port;
    options.connect_to = endpoint_.connect_to;
    options.ca_pem = endpoint_.ca_pem;
    options.largest_body = kMostAnswer;
    client_ = std::make_unique<https::Client>(options);
  }
  return *client_;
}

json KeyService::call(std::string_view operation, const json& body) {
  https::Request request;
  request.method = "POST";
  request.target = "/";
  request.headers = {
      {"Host", endpoint_.port == 443 ? endpoint_.host : endpoint_.host + ":" + std::to_string(endpoint_.port)},
      {"Content-Type", "application/x-amz-json-1.1"},
      {"X-Amz-Target", "TrentService." + std::string(operation)}};
  request.body = body.dump();
  sigv4::sign(request, endpoint_.credential, {.region = endpoint_.region, .service = "kms"}, endpoint_.now());
  const std::string where = endpoint_.host + ":" + std::to_string(endpoint_.port);
  https::Response response;
  try {
    response = connection().send(request);
  } catch (const https::ConnectionAltered& error) {
    client_.reset();
    throw KeyServiceError({}, "the answer of the key service " + where + " is lost: " + error.what());
  } catch (const https::HttpsError& error) {
    client_.reset();
    throw KeyServiceError({}, "can't reach the key service " + where + ": " + error.what());
  }
  json answer = json::parse(response.body, nullptr, false);
  wipe(response.body);
  if (response.status != 200) {
    const std::string name = error_name(answer);
    std::string message =
        "the key service refuses " + std::string(operation) + ": " +
        (name.empty() ? "HTTP status " + std::to_string(response.status) : name + ": " + error_message(answer));
    if (const std::string_view mend = mend_of(name); !mend.empty()) message += "; " + std::string(mend);
    throw KeyServiceError(name, message);
  }
  if (!answer.is_object())
    throw KeyServiceError({}, where + " answers " + std::string(operation) + " with no JSON object");
  return answer;
}

DataKey KeyService::generate_data_key(const std::string& key_id, const Context& context) {
  json body{{"KeyId", key_id}, {"KeySpec", "AES_256"}};
  if (!context.empty()) body["EncryptionContext"] = context;
  json answer = call("GenerateDataKey", body);
  DataKey key;
  key.plaintext = SecretBytes(bytes_member(answer, "Plaintext"));
  wipe(answer["Plaintext"].get_ref<std::string&>());
  key.ciphertext = bytes_member(answer, "CiphertextBlob");
  key.key_arn = text_member(answer, "KeyId");
  if (key.plaintext.size() != cryptography::kAes256Key)
    throw KeyServiceError({}, "the key service's data key has not 32 bytes");
  return key;
}

SecretBytes KeyService::decrypt(ByteView ciphertext, const std::string& key_id, const Context& context) {
  json body{{"CiphertextBlob", cofferdam::to_base64(ciphertext)}};
  if (!key_id.empty()) body["KeyId"] = key_id;
  if (!context.empty()) body["EncryptionContext"] = context;
  json answer = call("Decrypt", body);
  SecretBytes plaintext(bytes_member(answer, "Plaintext"));
  wipe(answer["Plaintext"].get_ref<std::string&>());
  return plaintext;
}

Bytes bytes_member(const json& answer, const char* member) {
  auto bytes = cofferdam::from_base64(text_member(answer, member));
  if (!bytes) throw KeyServiceError({}, std::string("the key service's ") + member + " is no base64");
  return std::move(*bytes);
}

std::string text_member(const json& answer, const char* member) {
  const auto found = answer.find(member);
  if (found == answer.end() || !found->is_string()) {
    throw KeyServiceError({}, std::string("the key service's answer has no ") + member);
  }
  return found->get<std::string>();
}

}  // namespace kmsclient
