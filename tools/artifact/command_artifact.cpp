#include "tools/artifact/command_artifact.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/artifact/decryptor.hpp"
#include "tools/artifact/encryptor.hpp"
#include "tools/artifact/files.hpp"
#include "tools/cofferdam/terminal_text.hpp"
#include "tools/command_line/command_line.hpp"
#include "tools/kmsclient/key_service.hpp"

namespace artifact {
namespace {

using cofferdam::Run;
using cofferdam::Unreadable;

constexpr std::size_t kMostPem = 1 << 20, kMostBlob = 0xFFFF, kPiece = 1 << 20;

struct ArtifactArguments {
  std::string input, output, endpoint, region{"us-east-1"}, ca, key_id, credentials, data_key_file,
      encrypted_data_key_file;
  std::vector<std::string> context;
  std::uint32_t frame_length{kUsualFrame};
  bool json{};
};

Context context_of(const std::vector<std::string>& pairs) {
  Context context;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == 0 || equals == pair.npos) throw Unreadable("--context takes NAME=VALUE, not " + pair);
    if (!context.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
      throw Unreadable("--context names " + pair.substr(0, equals) + " twice");
    }
  }
  return context;
}

kmsclient::Endpoint endpoint_of(const ArtifactArguments& options) {
  kmsclient::Endpoint endpoint;
  endpoint.region = options.region;
  endpoint.host = options.endpoint.empty() ? "kms." + options.region + ".amazonaws.com" : options.endpoint;
  if (endpoint.host.starts_with("https://")) endpoint.host.erase(0, 8);
  const std::size_t colon = endpoint.host.rfind(':');
  if (colon != endpoint.host.npos) {
    char* end = nullptr;
    const long port = std::strtol(endpoint.host.c_str() + colon + 1, &end, 10);
    if (*end != '\0' || port < 1 || port > 65535) throw Unreadable("--kms-endpoint takes HOST or HOST:PORT");
    endpoint.port = static_cast<int>(port);
    endpoint.host.resize(colon);
  }
  if (!options.ca.empty()) endpoint.ca_pem = cofferdam::as_text(cofferdam::read_file(options.ca, kMostPem));
  if (!options.credentials.empty()) {
    endpoint.credential = kmsclient::credential_from_file(options.credentials);
  } else if (const auto found = kmsclient::credential_from_environment()) {
    endpoint.credential = *found;
  } else {
    throw Unreadable("no credentials: pass --credentials FILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  return endpoint;
}

SecretBytes data_key_from_file(const std::string& path) {
  SecretBytes key(cofferdam::read_file(path, kMostBlob));
  if (key.size() != kDataKey)
    throw Unreadable(path + " has " + std::to_string(key.size()) + " bytes; a data key has 32");
  return key;
}

void refuse_same_file(const ArtifactArguments& options) {
  std::error_code error;
  if (std::filesystem::equivalent(options.input, options.output, error)) {
    throw Unreadable("input and output are the same file: " + options.input);
  }
}

// ---- encrypt ------------------------------------------------------------------------------------------------

int run_encrypt(const ArtifactArguments& options) {
  refuse_same_file(options);
  const Context context = context_of(options.context);
  kmsclient::DataKey key;
  if (!options.data_key_file.empty()) {
    key.plaintext = data_key_from_file(options.data_key_file);
    key.key_arn = options.key_id;
    if (!options.encrypted_data_key_file.empty())
      key.ciphertext = cofferdam::read_file(options.encrypted_data_key_file, kMostBlob);
  } else {
    if (options.key_id.empty())
      throw Unreadable("pass --key-id: the key service's key that the data key is encrypted under");
    kmsclient::KeyService service(endpoint_of(options));
    key = service.generate_data_key(options.key_id, context);
  }

  InputFile input(options.input);
  OutputFile output(options.output, OutputFile::Readers::kByUmask);
  EncryptorOptions settings;
  settings.context = context;
  settings.frame_length = options.frame_length;
  settings.data_keys.push_back({std::string(kKmsProvider), key.key_arn, key.ciphertext});
  std::uint64_t written = 0;
  Encryptor encryptor(settings, key.plaintext.view(), [&](ByteView bytes) {
    output.write(bytes);
    written += bytes.size();
  });
  key.plaintext.wipe();
  Progress progress("encrypting", input.size());
  SecretBytes piece(kPiece);
  std::uint64_t taken = 0;
  while (const std::size_t count = input.read(piece.writable())) {
    encryptor.write(piece.view().first(count));
    progress.at(taken += count);
  }
  encryptor.finish();
  output.keep();
  if (options.json) {
    std::cout << nlohmann::ordered_json{{"Artifact", options.output},
                                        {"KeyArn", key.key_arn},
                                        {"PlaintextBytes", taken},
                                        {"ArtifactBytes", written},
                                        {"Context", context}}
                     .dump(2)
              << '\n';
  } else {
    std::cout << options.output << "  " << written << " bytes, under "
              << (key.key_arn.empty() ? "a data key of yours" : key.key_arn) << '\n';
  }
  return cofferdam::kAccepted;
}

// ---- decrypt ------------------------------------------------------------------------------------------------

// Names come out of a file that nothing vouches for yet: nothing of them may act on a terminal, nor begin a line.
std::string printable(const std::string& text) {
  std::string out;
  for (const char letter : text) out += letter == '\n' ? "\\n" : letter == '\t' ? "\\t" : std::string(1, letter);
  return cofferdam::terminal_text(out);
}

struct Unlocking {
  SecretBytes data_key;
  std::string vouched_by;  // the key's ARN; empty: the data key was given
};
Unlocking data_key_for(const ArtifactArguments& options, const Header& header) {
  if (!options.data_key_file.empty()) return {data_key_from_file(options.data_key_file), {}};
  const auto wanted = std::ranges::find_if(header.data_keys, [&](const EncryptedDataKey& key) {
    return key.provider == kKmsProvider && (options.key_id.empty() || key.information == options.key_id);
  });
  if (wanted == header.data_keys.end()) {
    throw BadArtifact(options.key_id.empty() ? "none of its data keys is a key service's; pass --data-key-file"
                                             : "none of its data keys is encrypted under " + options.key_id +
                                                   "; cofferdam artifact describe lists them");
  }
  kmsclient::KeyService service(endpoint_of(options));
  return {service.decrypt(wanted->ciphertext, wanted->information, header.context), wanted->information};
}

int run_decrypt(const ArtifactArguments& options) {
  refuse_same_file(options);
  const Context required = context_of(options.context);
  InputFile input(options.input);
  Decryptor decryptor(input.source());
  decryptor.require(required);
  Unlocking unlocking = data_key_for(options, decryptor.header());
  decryptor.unlock(unlocking.data_key.view());
  unlocking.data_key.wipe();
  OutputFile output(options.output, OutputFile::Readers::kOwner);
  Progress progress("decrypting", input.size());
  while (const auto frame = decryptor.next()) {
    output.write(*frame);
    progress.at(decryptor.bytes_given());
  }
  output.keep();
  if (options.json) {
    std::cout << nlohmann::ordered_json{{"Output", options.output},
                                        {"KeyArn", unlocking.vouched_by},
                                        {"PlaintextBytes", decryptor.bytes_given()},
                                        {"Context", decryptor.header().context}}
                     .dump(2)
              << '\n';
  } else {
    // Whole and unaltered since it was encrypted under this key: whose it is, its name says and nothing else here does.
    std::cout << options.output << "  " << decryptor.bytes_given() << " bytes, whole, as encrypted under "
              << (unlocking.vouched_by.empty() ? "the data key given" : printable(unlocking.vouched_by)) << '\n';
  }
  return cofferdam::kAccepted;
}

// ---- describe -----------------------------------------------------------------------------------------------

int run_describe(const ArtifactArguments& options) {
  InputFile input(options.input);
  const Decryptor decryptor(input.source());
  const Header& header = decryptor.header();
  if (options.json) {
    nlohmann::ordered_json object{{"Format", "AWS Encryption SDK message 2"},
                                  {"AlgorithmSuite", "0x0478"},
                                  {"MessageId", cofferdam::to_hex(header.message_id)},
                                  {"Context", header.context},
                                  {"FrameLength", header.frame_length},
                                  {"Authenticated", false}};
    object["EncryptedDataKeys"] = nlohmann::ordered_json::array();
    for (const EncryptedDataKey& key : header.data_keys) {
      object["EncryptedDataKeys"].push_back({{"Provider", printable(key.provider)},
                                             {"Information", printable(key.information)},
                                             {"Ciphertext", cofferdam::to_base64(key.ciphertext)}});
    }
    std::cout << object.dump(2) << '\n';
    return cofferdam::kAccepted;
  }
  std::cout
      << "format      AWS Encryption SDK message 2, suite 0x0478 (AES-256-GCM, HKDF-SHA512, committed, unsigned)\n"
      << "message id  " << cofferdam::to_hex(header.message_id) << "\nframes      of " << header.frame_length
      << " bytes\n";
  for (const auto& [name, value] : header.context)
    std::cout << "context     " << printable(name) << " = " << printable(value) << '\n';
  for (const EncryptedDataKey& key : header.data_keys) {
    std::cout << "data key    " << printable(key.provider) << "  " << printable(key.information) << "  ("
              << key.ciphertext.size() << " bytes)\n";
  }
  std::cout << "Nothing of this is authenticated before the artifact is decrypted.\n";
  return cofferdam::kAccepted;
}

void add_key_options(command_line::Command command, ArtifactArguments& o) {
  const char* group = "Key service";
  command.add_option("--kms-endpoint", o.endpoint, "HOST or HOST:PORT; without it AWS's own, kms.REGION.amazonaws.com")
      .group(group);
  command.add_option("--region", o.region, "Region that requests are signed for").capture_default_str().group(group);
  command.add_option("--ca", o.ca, "PEM file of the authorities that may vouch for it; without it the system's")
      .group(group);
  command
      .add_option("--credentials", o.credentials,
                  "JSON file: access_key_id, secret_access_key, session_token; without it "
                  "AWS_ACCESS_KEY_ID,\nAWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN")
      .group(group);
  command.add_option("--data-key-file", o.data_key_file, "32 bytes: the data key itself, no key service is asked")
      .group(group);
}

// What parses and then fails as the command it is: a bad artifact is a refusal, everything else an error.
Run guarded(std::function<int(const ArtifactArguments&)> command, std::shared_ptr<ArtifactArguments> options) {
  return [command = std::move(command), options] {
    try {
      return command(*options);
    } catch (const BadArtifact& error) {
      std::cerr << "refused: " << options->input << ": " << printable(error.what()) << '\n';
    } catch (const kmsclient::KeyServiceError& error) {
      if (error.name().empty()) throw;
      std::cerr << "refused: " << printable(error.what()) << '\n';
    }
    return cofferdam::kRefused;
  };
}

}  // namespace

void add_artifact_commands(command_line::Command application, Run& run) {
  command_line::Command artifact =
      application.add_subcommand("artifact", "Encrypt, decrypt and describe artifacts, such as a model's weights");
  artifact.require_subcommand(1);
  const auto options = std::make_shared<ArtifactArguments>();
  ArtifactArguments& o = *options;
  const char* exits =
      "Exit codes: 0 done, 1 refused (the artifact or the key service's answer says why), 2 unreadable input or wrong "
      "usage.";

  command_line::Command encrypt = artifact.add_subcommand(
      "encrypt", "Encrypt a file under a new data key of a key service (AWS Encryption SDK format)");
  encrypt.add_option("INPUT", o.input, "The file; - for standard input").required();
  encrypt.add_option("OUTPUT", o.output, "The artifact, written beside and renamed").required();
  encrypt
      .add_option("--context", o.context,
                   "NAME=VALUE, once for each pair: says in clear what the artifact is; the key\nservice's policy may "
                   "ask for it, and who decrypts does")
      .repeatable()
      .required();
  encrypt.add_option("--key-id", o.key_id, "Key id, alias or ARN of the key service's key").group("Key service");
  encrypt
      .add_option("--encrypted-data-key-file", o.encrypted_data_key_file,
                   "With --data-key-file: what stands for it in the artifact (CiphertextBlob)")
      .group("Key service");
  encrypt.add_option("--frame-length", o.frame_length, "Bytes of plaintext in a frame: what a reader keeps in memory")
      .within(1, static_cast<int>(kMostFrame))
      .capture_default_str();
  add_key_options(encrypt, o);

  command_line::Command decrypt =
      artifact.add_subcommand("decrypt", "Decrypt an artifact; the output appears when all of it was authenticated");
  decrypt.add_option("INPUT", o.input, "The artifact; - for standard input").required();
  decrypt.add_option("OUTPUT", o.output, "The file, for its owner alone, written beside and renamed").required();
  decrypt
      .add_option("--context", o.context,
                   "NAME=VALUE, once for each pair that the artifact must have: another artifact is refused")
      .repeatable()
      .required();
  decrypt.add_option("--key-id", o.key_id, "ARN of the key whose encrypted data key is used: pass it, or any key that the\ncredentials may decrypt with vouches for the artifact")
      .group("Key service");
  add_key_options(decrypt, o);

  command_line::Command describe =
      artifact.add_subcommand("describe", "Print an artifact's header, which nothing vouches for yet");
  describe.add_option("INPUT", o.input, "The artifact; - for standard input").required();

  const std::pair<command_line::Command , int (*)(const ArtifactArguments&)> commands[] = {
      {encrypt, run_encrypt}, {decrypt, run_decrypt}, {describe, run_describe}};
  for (const auto& [command, what] : commands) {
    command.add_flag("--json", o.json, "Print a JSON object");
    command.footer(exits);
    command.callback([&run, does = what, options] { run = guarded(does, options); });
  }
}

}  // namespace artifact
