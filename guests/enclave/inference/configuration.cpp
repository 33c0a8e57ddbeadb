#include "guests/enclave/inference/configuration.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace inference {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kLongestText = 16384, kMostContext = 16, kLongestArtifact = 128;
constexpr int kDeepest = 8;
constexpr std::uint64_t kMostTokens = 1 << 24;  // of all contexts

// One object of a file, read strictly: every member is asked for, and what is left over is an error.
class Members {
 public:
  Members(const Json& json, std::string where, std::initializer_list<const char*> known) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) wrong("", "is no object");
    for (const auto& [name, value] : json.items()) {
      if (std::ranges::none_of(known, [&key = name](const char* each) { return key == each; })) wrong(name, "is unknown");
    }
  }
  [[noreturn]] void wrong(const std::string& name, const std::string& what) const {
    throw BadConfiguration(where_ + (name.empty() ? "" : (where_.back() == ':' ? " " : ".") + name) + " " + what);
  }
  [[nodiscard]] bool has(const char* name) const { return json_.contains(name); }
  [[nodiscard]] const Json& object(const char* name) const {
    if (!has(name) || !json_[name].is_object()) wrong(name, "is missing, or no object");
    return json_[name];
  }
  [[nodiscard]] std::string text(const char* name) const {
    if (!has(name) || !json_[name].is_string()) wrong(name, "is missing, or no text");
    auto value = json_[name].get<std::string>();
    if (value.empty() || value.size() > kLongestText) wrong(name, "is empty or too long");
    return value;
  }
  [[nodiscard]] std::uint64_t number(const char* name, std::uint64_t least, std::uint64_t most) const {
    if (!has(name) || !json_[name].is_number_unsigned()) wrong(name, "is missing, or no number");
    const auto value = json_[name].get<std::uint64_t>();
    if (value < least || value > most) wrong(name, "is not between " + std::to_string(least) + " and " + std::to_string(most));
    return value;
  }
  [[nodiscard]] Context context(const char* name) const {
    Context context;
    for (const auto& [key, value] : object(name).items()) {
      if (key.empty() || !value.is_string() || context.size() == kMostContext) wrong(name, "holds pairs of text, at most 16");
      context.emplace(key, value.get<std::string>());
    }
    if (context.empty()) wrong(name, "is empty: it says what the ciphertext must be for");
    return context;
  }
  [[nodiscard]] std::string inside(const char* name) const { return where_ + (where_.back() == ':' ? " " : ".") + name; }

 private:
  const Json& json_;
  std::string where_;
};

// A member that stands there twice would be read by people as the first and by us as the last.
Json parsed(std::string_view text, const char* file) {
  std::vector<std::set<std::string>> open;
  std::string twice;
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t event, const Json& value) {
    too_deep = too_deep || depth > kDeepest;
    if (too_deep) return false;
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second) {
      twice = value.get<std::string>();
    }
    if (event == Json::parse_event_t::object_end) open.pop_back();
    return true;
  };
  Json json = Json::parse(text, watch, false);
  if (too_deep) throw BadConfiguration(std::string(file) + " is nested more than 8 deep");
  if (json.is_discarded()) throw BadConfiguration(std::string(file) + " is no JSON");
  if (!twice.empty()) throw BadConfiguration(std::string(file) + " has the member " + twice + " twice in one object");
  return json;
}

// They go into a header of the request to a key service: a line break would add headers, or a request, that are the parent's.
std::string header_word(const Members& in, const char* name) {
  std::string word = in.text(name);
  if (!std::ranges::all_of(word, [](char c) { return c > ' ' && c < 0x7F; })) {
    in.wrong(name, "holds more than visible ASCII characters");
  }
  return word;
}

KeyOwner key_owner(const Members& owners, Owner which, const std::function<std::string(const std::string&)>& read) {
  const std::string name(name_of(which));
  const Members in(owners.object(name.c_str()), owners.inside(name.c_str()),
                   {"host", "port", "region", "ca_file", "key_arn", "context", "vsock_port"});
  KeyOwner owner;
  owner.host = in.text("host");
  owner.port = in.has("port") ? static_cast<int>(in.number("port", 1, 65535)) : 443;
  owner.region = in.text("region");
  owner.ca_pem = read(in.text("ca_file"));
  if (owner.ca_pem.find("BEGIN CERTIFICATE") == owner.ca_pem.npos) in.wrong("ca_file", "holds no certificate in PEM");
  owner.key_arn = in.text("key_arn");
  owner.context = in.context("context");
  owner.vsock_port = static_cast<std::uint32_t>(in.number("vsock_port", 1, 0xFFFF'FFFE));
  return owner;
}

}  // namespace

Service parse_service(std::string_view text, const std::function<std::string(const std::string&)>& read) {
  const Json json = parsed(text, "service.json");
  const Members in(json, "service.json:",
                   {"model", "most_bytes", "threads", "context_tokens", "parallel", "listen_port", "parent", "owners"});
  Service service;
  service.model = in.text("model");
  service.most_bytes = in.number("most_bytes", 1, std::uint64_t{1} << 40);
  service.threads = static_cast<unsigned>(in.number("threads", 1, 1024));
  service.context_tokens = static_cast<unsigned>(in.number("context_tokens", 16, 1 << 24));
  service.parallel = static_cast<unsigned>(in.number("parallel", 1, 256));
  if (std::uint64_t{service.context_tokens} * service.parallel > kMostTokens) {
    in.wrong("context_tokens", "times parallel is more than " + std::to_string(kMostTokens));
  }
  service.listen_port = static_cast<std::uint32_t>(in.number("listen_port", 1, 0xFFFF'FFFE));
  const auto parent = relay::parse_address(in.text("parent"), relay::Purpose::kConnect);
  if (!parent) in.wrong("parent", "is no address: " + parent.error());
  if (relay::socket_address(*parent).size == 0) in.wrong("parent", "is a name, which nothing in an enclave resolves");
  service.parent = *parent;
  const Members owners(in.object("owners"), in.inside("owners"), {"weights", "prompts"});
  for (const Owner owner : kOwners) service.owners[static_cast<std::size_t>(owner)] = key_owner(owners, owner, read);
  return service;
}

Launch parse_launch(std::string_view text) {
  const Json json = parsed(text, "launch.json");
  const Members in(json, "launch.json:", {"artifact", "weights", "prompts"});
  Launch launch;
  launch.artifact = in.text("artifact");
  const auto of_a_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  if (launch.artifact.size() > kLongestArtifact || launch.artifact.front() == '.' ||
      !std::ranges::all_of(launch.artifact, of_a_name)) {
    in.wrong("artifact", "is no name of a file of the store: letters, digits, '.', '_', '-', at most 128");
  }
  for (const Owner owner : kOwners) {
    const std::string name(name_of(owner));
    const Members from(in.object(name.c_str()), in.inside(name.c_str()),
                       {"access_key_id", "secret_access_key", "session_token", "ciphertext"});
    sigv4::Credential& credential = launch.credentials[static_cast<std::size_t>(owner)];
    credential.access_key_id = header_word(from, "access_key_id");
    credential.secret = header_word(from, "secret_access_key");
    if (from.has("session_token")) credential.session_token = header_word(from, "session_token");
    if (owner == Owner::kWeights) {
      if (from.has("ciphertext")) from.wrong("ciphertext", "is unknown: that of the weights is part of the artifact");
      continue;
    }
    const auto ciphertext = cofferdam::from_base64(from.text("ciphertext"));
    if (!ciphertext || ciphertext->empty()) from.wrong("ciphertext", "is no base64");
    launch.prompts_ciphertext = *ciphertext;
  }
  return launch;
}

}  // namespace inference
