#include "guests/enclave/key_client/command_line.hpp"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tools/cofferdam/bytes.hpp"
#include "tools/command_line/command_line.hpp"

namespace key_client {
namespace {

using cofferdam::Bytes;
using enclave_keys::Context;

constexpr int kDone = 0, kFailed = 1, kWrongUsage = 2;
constexpr std::size_t kMostPem = 1 << 20;
constexpr const char* kAuthorities = "/etc/cofferdam/key-service-ca.pem";

struct Options {
  std::string endpoint, region{"us-east-1"}, ca{kAuthorities}, credentials;
  std::string access_key_id, secret_access_key, session_token;
  std::string proxy_address{"127.0.0.1"};
  int proxy_port{8000};
  std::string ciphertext, key_id, algorithm, key_spec{"AES_256"}, output, nonce, user_data;
  std::vector<std::string> context;
  std::size_t length{32};
  bool json{}, direct{};
};

class WrongUsage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

Context context_of(const std::vector<std::string>& pairs) {
  Context context;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == 0 || equals == pair.npos) throw WrongUsage("--encryption-context takes NAME=VALUE, not " + pair);
    if (!context.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
      throw WrongUsage("--encryption-context names " + pair.substr(0, equals) + " twice");
    }
  }
  return context;
}

sigv4::Credential credential_of(const Options& options) {
  if (!options.access_key_id.empty() || !options.secret_access_key.empty()) {
    if (options.access_key_id.empty() || options.secret_access_key.empty()) {
      throw WrongUsage("--aws-access-key-id and --aws-secret-access-key go together");
    }
    return {options.access_key_id, options.secret_access_key, options.session_token};
  }
  if (!options.credentials.empty()) return kmsclient::credential_from_file(options.credentials);
  if (const auto found = kmsclient::credential_from_environment()) return *found;
  throw WrongUsage(
      "no credentials: pass --credentials FILE, --aws-access-key-id and --aws-secret-access-key, or set "
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
}

enclave_keys::Endpoint endpoint_of(const Options& options) {
  enclave_keys::Endpoint endpoint;
  endpoint.host = options.endpoint.empty() ? "kms." + options.region + ".amazonaws.com" : options.endpoint;
  const std::size_t colon = endpoint.host.rfind(':');
  if (colon != endpoint.host.npos) {
    char* end = nullptr;
    const long port = std::strtol(endpoint.host.c_str() + colon + 1, &end, 10);
    if (*end != '\0' || port < 1 || port > 65535) throw WrongUsage("--kms-endpoint takes HOST or HOST:PORT");
    endpoint.port = static_cast<int>(port);
    endpoint.host.resize(colon);
  }
  if (!options.direct) {
    endpoint.connect_to = options.proxy_address;
    endpoint.connect_port = options.proxy_port;
  }
  endpoint.region = options.region;
  endpoint.ca_pem = cofferdam::as_text(cofferdam::read_file(options.ca, kMostPem));
  if (endpoint.ca_pem.find("BEGIN CERTIFICATE") == endpoint.ca_pem.npos) {
    throw WrongUsage(options.ca + " has no certificate in PEM; it says who may vouch for the key service");
  }
  endpoint.credential = credential_of(options);
  return endpoint;
}

Bytes from_text(const std::string& text, const char* option) {
  auto bytes = cofferdam::from_base64(text);
  if (!bytes || bytes->empty()) throw WrongUsage(std::string(option) + " takes base64");
  return std::move(*bytes);
}

// `bare`: the base64 alone and no line end, as AWS's tool printed it before it had verbs.
void print(const Options& options, const enclave_keys::SecretBytes& plaintext, const Bytes& ciphertext,
           const std::string& key_arn, bool bare) {
  if (!options.output.empty()) cofferdam::write_file(options.output, plaintext.view());
  const std::string text = options.output.empty() ? cofferdam::to_base64(plaintext.view()) : "";
  if (options.json) {
    nlohmann::ordered_json object;
    if (!key_arn.empty()) object["KeyId"] = key_arn;
    if (!ciphertext.empty()) object["CiphertextBlob"] = cofferdam::to_base64(ciphertext);
    if (options.output.empty()) object["Plaintext"] = text;
    std::cout << object.dump(2) << '\n';
    return;
  }
  if (!ciphertext.empty()) std::cout << "CIPHERTEXT: " << cofferdam::to_base64(ciphertext) << '\n';
  if (options.output.empty()) std::cout << (bare ? "" : "PLAINTEXT: ") << text << (bare ? "" : "\n");
}

int decrypt(const Options& options, const DocumentsOf& documents, bool bare) {
  const Bytes ciphertext = from_text(options.ciphertext, "--ciphertext");
  const Context context = context_of(options.context);
  enclave_keys::KmsClient client(endpoint_of(options), std::make_shared<enclave_keys::Recipient>(documents({})));
  print(options, client.decrypt(ciphertext, options.key_id, context, options.algorithm), {}, {}, bare);
  return kDone;
}

int generate_data_key(const Options& options, const DocumentsOf& documents) {
  const Context context = context_of(options.context);
  enclave_keys::KmsClient client(endpoint_of(options), std::make_shared<enclave_keys::Recipient>(documents({})));
  const enclave_keys::DataKey key =
      client.generate_data_key(options.key_id, options.key_spec == "AES_128" ? 16 : 32, context);
  print(options, key.plaintext, key.ciphertext, key.key_arn, false);
  return kDone;
}

int random(const Options& options, const DocumentsOf& documents) {
  enclave_keys::KmsClient client(endpoint_of(options), std::make_shared<enclave_keys::Recipient>(documents({})));
  print(options, client.random(options.length), {}, {}, false);
  return kDone;
}

int document(const Options& options, const DocumentsOf& documents) {
  enclave_keys::DocumentExtras extras;
  if (!options.nonce.empty()) {
    auto nonce = cofferdam::from_hex(options.nonce);
    if (!nonce) throw WrongUsage("--nonce takes pairs of hexadecimal digits");
    extras.nonce = std::move(*nonce);
  }
  if (!options.user_data.empty()) extras.user_data = from_text(options.user_data, "--user-data");
  const Bytes made = documents(extras)({});
  if (!options.output.empty()) {
    cofferdam::write_file(options.output, made);
  } else if (options.json) {
    std::cout << nlohmann::ordered_json{{"AttestationDocument", cofferdam::to_base64(made)}}.dump(2) << '\n';
  } else {
    std::cout << cofferdam::to_base64(made) << '\n';
  }
  return kDone;
}

void add_options(command_line::Command application, Options& o) {
  const char* service = "Key service";
  application
      .add_option(
          "--kms-endpoint", o.endpoint,
          "HOST or HOST:PORT, the name that its certificate must have; without it AWS's own: kms.REGION.amazonaws.com")
      .group(service);
  application.add_option("-r,--region", o.region, "Region that requests are signed for")
      .capture_default_str()
      .group(service);
  application
      .add_option("--ca", o.ca,
                  "PEM file of the authorities that may vouch for the key service, part of the measured image")
      .capture_default_str()
      .group(service);
  application
      .add_option("-x,--proxy-port", o.proxy_port, "Port of the relay that carries the connection out of the enclave")
      .within(1, 65535)
      .capture_default_str()
      .group(service);
  application.add_option("--proxy-address", o.proxy_address, "Address of that relay")
      .capture_default_str()
      .group(service);
  application.add_flag("--direct", o.direct, "Connect to the endpoint itself, without a relay (outside enclaves)")
      .group(service);
  const char* credentials = "Credentials (else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)";
  application.add_option("--credentials", o.credentials, "JSON file: access_key_id, secret_access_key, session_token")
      .group(credentials);
  application
      .add_option("-k,--aws-access-key-id", o.access_key_id,
                  "Access key id; on a command line, others in the enclave see it")
      .group(credentials);
  application.add_option("-s,--aws-secret-access-key", o.secret_access_key, "Secret access key").group(credentials);
  application.add_option("-t,--aws-session-token", o.session_token, "Session token of temporary credentials")
      .group(credentials);
  const char* request = "What is asked for";
  application.add_option("-c,--ciphertext", o.ciphertext, "decrypt: base64 of what the key service encrypted")
      .group(request);
  application.add_option("-K,--key-id", o.key_id, "Key id, alias or ARN; decrypt needs it for asymmetric keys only")
      .group(request);
  application
      .add_option("-a,--encryption-algorithm", o.algorithm,
                  "decrypt: SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1 or RSAES_OAEP_SHA_256")
      .group(request);
  application.add_option("--key-spec", o.key_spec, "generate-data-key: AES_256 or AES_128")
      .one_of({"AES_256", "AES_128"})
      .capture_default_str()
      .group(request);
  application.add_option("--encryption-context", o.context, "NAME=VALUE, once for each pair")
      .repeatable()
      .group(request);
  application.add_option("-l,--length", o.length, "random: number of bytes")
      .within(1, 1024)
      .capture_default_str()
      .group(request);
  application.add_option("--nonce", o.nonce, "document: hexadecimal").group(request);
  application.add_option("--user-data", o.user_data, "document: base64").group(request);
  const char* output = "Output";
  application
      .add_option("-o,--output", o.output,
                  "Write the plaintext or document as it is to this file, print nothing secret")
      .group(output);
  application.add_flag("--json", o.json, "Print a JSON object").group(output);
}

}  // namespace

int run(int count, char** words, const DocumentsOf& documents) {
  Options options;
  command_line::Program application(
      "Keys from a key service into this enclave: requests carry an attestation document, answers come encrypted to a\n"
      "key that was made here. Takes the options of AWS's kmstool_enclave_cli, with or without a verb.",
      "key-client");
  application.fallthrough();
  application.footer(
      "Prints PLAINTEXT: and base64 (generate-data-key CIPHERTEXT: before it). Without a verb it decrypts --ciphertext "
      "and prints\n"
      "the base64 alone.\n"
      "Exit codes: 0 done, 1 refused by the key service or failed (standard error says why), 2 wrong usage.");
  add_options(application, options);
  const command_line::Command decrypt_verb = application.add_subcommand("decrypt", "Decrypt --ciphertext");
  const command_line::Command key_verb =
      application.add_subcommand("generate-data-key", "Make a data key under --key-id; AWS's tool says genkey")
          .alias("genkey");
  const command_line::Command random_verb =
      application.add_subcommand("random", "--length random bytes of the key service; AWS's tool says genrandom")
          .alias("genrandom");
  const command_line::Command document_verb = application.add_subcommand("document", "An attestation document, as base64");
  application.require_subcommand(0, 1);
  if (const auto ended = application.parse_or_explain(count, words)) return *ended;
  try {
    if (document_verb.parsed()) return document(options, documents);
    if (random_verb.parsed()) return random(options, documents);
    if (key_verb.parsed()) {
      if (options.key_id.empty()) throw WrongUsage("generate-data-key needs --key-id");
      return generate_data_key(options, documents);
    }
    if (options.ciphertext.empty()) throw WrongUsage("decrypt needs --ciphertext; see key-client --help");
    return decrypt(options, documents, !decrypt_verb.parsed());
  } catch (const WrongUsage& error) {
    std::cerr << "key-client: " << error.what() << '\n';
    return kWrongUsage;
  } catch (const cofferdam::Unreadable& error) {
    std::cerr << "key-client: " << error.what() << '\n';
    return kWrongUsage;
  } catch (const std::exception& error) {
    std::cerr << "key-client: " << error.what() << '\n';
    return kFailed;
  }
}

}  // namespace key_client
