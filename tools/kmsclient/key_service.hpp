// Asks a key service that speaks AWS KMS's JSON 1.1 (ours, or AWS's own: by configuration alone). One request at a
// time; not for several threads at once. Source: AWS KMS API reference; "Signature Version 4 signing process".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tools/cryptography/cryptography.hpp"
#include "tools/sigv4/sigv4.hpp"

namespace https {
class Client;
}

namespace kmsclient {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cryptography::SecretBytes;
using Context = std::map<std::string, std::string>;  // encryption context

struct Endpoint {
  std::string host;  // "kms.eu-central-1.amazonaws.com": what the certificate must be for
  int port{443};
  std::string connect_to;  // not empty: the address where a relay listens that carries the connection to the host
  int connect_port{};      // 0: `port`
  std::string region;
  std::string ca_pem;  // authorities that may vouch for the host; empty: the system's
  sigv4::Credential credential;
  std::function<std::int64_t()> now;  // Unix seconds; not set: the system's clock
};

// What was refused or failed, with what mends it.
class KeyServiceError : public std::runtime_error {
 public:
  KeyServiceError(std::string name, const std::string& message) : std::runtime_error(message), name_(std::move(name)) {}
  // AWS's name of the error ("AccessDeniedException"); empty: no answer came, or one that can't be used.
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

struct DataKey {
  SecretBytes plaintext;
  Bytes ciphertext;     // CiphertextBlob
  std::string key_arn;  // of the key that it is encrypted under
};

class KeyService {
 public:
  explicit KeyService(Endpoint endpoint);  // connects with the first request
  ~KeyService();
  KeyService(const KeyService&) = delete;
  KeyService& operator=(const KeyService&) = delete;

  // `operation` as in the API ("GenerateDataKey"). The answer is an object. Throws KeyServiceError.
  [[nodiscard]] nlohmann::json call(std::string_view operation, const nlohmann::json& body);

  // The plaintext travels inside TLS alone: for whoever may see it anyway. In an enclave use enclave_keys::KmsClient.
  [[nodiscard]] DataKey generate_data_key(const std::string& key_id, const Context& context);
  [[nodiscard]] SecretBytes decrypt(ByteView ciphertext, const std::string& key_id, const Context& context);

 private:
  https::Client& connection();

  Endpoint endpoint_;
  std::unique_ptr<https::Client> client_;
};

// A member of an answer that is base64. Throws KeyServiceError: it isn't there, or is none.
[[nodiscard]] Bytes bytes_member(const nlohmann::json& answer, const char* member);
[[nodiscard]] std::string text_member(const nlohmann::json& answer, const char* member);

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; nullopt: one of the first two is not set.
[[nodiscard]] std::optional<sigv4::Credential> credential_from_environment();
// A JSON object with access_key_id, secret_access_key and, where there is one, session_token; AWS's spelling
// (AccessKeyId, SecretAccessKey, SessionToken or Token) is read as well. Throws cofferdam::Unreadable.
[[nodiscard]] sigv4::Credential credential_from_file(const std::string& path);

}  // namespace kmsclient
