// The key service behind its signature check: any body for any operation, by a caller whom no key policy names. Whatever comes, the
// answer has a name that AWS knows, nothing fails inside, and the secret under the guarded key is not in it.
#include <array>
#include <filesystem>

#include "tests/fuzz/demand.hpp"
#include "tools/kms/service.hpp"
#include "tools/sigv4/sigv4.hpp"

namespace {

constexpr std::string_view kSecret = "the secret that a policy keeps";
constexpr std::int64_t kTime = 1'767'470'000;
constexpr std::array<std::string_view, 24> kOperations{
    "Decrypt", "Encrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateRandom", "GetPublicKey",
    "DescribeKey", "ListKeys", "PutKeyPolicy", "GetKeyPolicy", "ListKeyPolicies", "ScheduleKeyDeletion", "CancelKeyDeletion",
    "EnableKey", "DisableKey", "UpdateKeyDescription", "CreateAlias", "UpdateAlias", "DeleteAlias", "ListAliases",
    "DescribeCustomKeyStores", "UpdateCustomKeyStore", "Nothing"};
const sigv4::Credential kUser{"AKIAENCLAVEHOSTAAAAA", "secret-of-the-enclave-host-0000000000000", ""};
const sigv4::Credential kAdministrator{"AKIAADMINISTRATORAAA", "secret-of-the-administrator-000000000000", ""};

class MemoryRootKeys final : public kms::RootKeys {
 public:
  pkcs11::Token::Sealed seal(std::string_view, kms::ByteView associated, kms::ByteView plaintext) override {
    const kms::Bytes iv = cryptography::random_bytes(cryptography::kGcmIv);
    cryptography::Sealed sealed = cryptography::seal(key_, iv, associated, plaintext);
    return {iv, std::move(sealed.ciphertext), kms::Bytes(sealed.tag.begin(), sealed.tag.end())};
  }
  std::optional<cryptography::SecretBytes> open(std::string_view, kms::ByteView iv, kms::ByteView associated, kms::ByteView ciphertext,
                                                kms::ByteView tag) override {
    return cryptography::open(key_, iv, associated, ciphertext, tag);
  }

 private:
  kms::Bytes key_ = kms::Bytes(32, 9);
};

class NoProxy final : public kms::ExternalKeys {
 public:
  void check_health(const kms::ProxyAccess&, const kms::ProxyRequest&) override { std::abort(); }
  void check_key(const kms::ProxyAccess&, const std::string&, const kms::ProxyRequest&) override { std::abort(); }
  kms::ExternalCiphertext encrypt(const kms::ProxyAccess&, const std::string&, kms::ByteView, kms::ByteView,
                                  const kms::ProxyRequest&) override {
    std::abort();
  }
  cryptography::SecretBytes decrypt(const kms::ProxyAccess&, const std::string&, kms::ByteView, const kms::ExternalCiphertext&,
                                    const kms::ProxyRequest&) override {
    std::abort();
  }
};

struct World {
  World() {
    std::filesystem::create_directories(folder);
    cofferdam::write_private_file(folder + "/principals.json", cofferdam::as_bytes(R"({"principals": [
      {"arn": "arn:aws:iam::000000000000:user/host", "permissions": ["kms:List*", "kms:GenerateRandom", "kms:Decrypt", "kms:Describe*"],
       "keys": [{"access_key_id": "AKIAENCLAVEHOSTAAAAA", "secret": "secret-of-the-enclave-host-0000000000000"}]},
      {"arn": "arn:aws:iam::000000000000:user/administrator", "permissions": ["kms:*"],
       "keys": [{"access_key_id": "AKIAADMINISTRATORAAA", "secret": "secret-of-the-administrator-000000000000"}]}]})"));
    principals = std::make_unique<kms::Principals>(folder + "/principals.json");
    store = kms::open_store({.url = "sqlite:" + folder + "/keys.db"}, wrapping);
    parts.reset(new kms::Parts{{}, true, "", [] { return kms::Time(std::chrono::seconds(kTime)); }, *store, wrapping, recipients,
                               proxies, {}});
    service = std::make_unique<kms::Service>(*parts, *principals);
    const std::string policy = R"({"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/administrator"}, "Action": "kms:*", "Resource": "*"},
      {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
       "Condition": {"StringEquals": {"kms:RecipientAttestation:PCR0": "aa"}}}]})";
    key = ask(kAdministrator, "CreateKey", kms::Json{{"Policy", policy}}.dump()).second["KeyMetadata"]["KeyId"];
    blob = ask(kAdministrator, "Encrypt", kms::Json{{"KeyId", key}, {"Plaintext", secret}}.dump()).second["CiphertextBlob"];
    DEMAND(!blob.empty());
  }
  ~World() { std::filesystem::remove_all(folder); }

  std::pair<int, kms::Json> ask(const sigv4::Credential& who, std::string_view operation, const std::string& body) {
    https::Request request{.method = "POST", .target = "/", .headers = {{"Host", "localhost"}}, .body = body};
    request.headers.emplace_back("X-Amz-Target", "TrentService." + std::string(operation));
    sigv4::sign(request, who, {"us-east-1", "kms"}, kTime);
    const https::Response response = service->answer(request);
    return {response.status, response.body.empty() ? kms::Json::object() : kms::Json::parse(response.body)};
  }

  std::string folder = (std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path().string()) +
                       "/cofferdam-kms-fuzz-" + cofferdam::to_hex(cryptography::random_bytes(8));
  MemoryRootKeys root_keys;
  kms::KeyWrapping wrapping{root_keys, "root"};
  kms::Recipients recipients{kms::RecipientOptions{}};
  NoProxy proxies;
  std::unique_ptr<kms::Principals> principals;
  std::unique_ptr<kms::Store> store;
  std::unique_ptr<kms::Parts> parts;
  std::unique_ptr<kms::Service> service;
  std::string secret = cofferdam::to_base64(cofferdam::as_bytes(kSecret));
  std::string key, blob;
};

void replace_all(std::string& text, std::string_view what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) text.replace(at, what.size(), with);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  if (size == 0) return 0;
  std::string body(reinterpret_cast<const char*>(data + 1), size - 1);
  replace_all(body, "$K", world.key);
  replace_all(body, "$B", world.blob);
  const auto [status, answer] = world.ask(kUser, kOperations[data[0] % kOperations.size()], body);
  DEMAND(status == 200 || status == 400);
  DEMAND(status == 200 || (answer.contains("__type") && answer["__type"].get<std::string>().ends_with("Exception")));
  DEMAND(answer.dump(-1, ' ', false, kms::Json::error_handler_t::replace).find(world.secret) == std::string::npos);
  return 0;
}
