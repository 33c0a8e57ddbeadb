#include "tools/kms/recipient.hpp"

#include <algorithm>
#include <list>
#include <mutex>

#include "tools/kms/condition_keys.hpp"
#include "tools/kms/errors.hpp"

namespace kms {

using cofferdam::Bytes;
using cofferdam::ByteView;

// Least recently used goes first.
class Recipients::Memory final : public cofferdam::SignatureMemory {
 public:
  explicit Memory(std::size_t most) : most_(most) {}
  bool knows(const cofferdam::Digest256& link) override {
    const std::scoped_lock lock(mutex_);
    const auto found = places_.find(link);
    if (found == places_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    return true;
  }
  // The verifier checks every certificate's validity on its own each time, so an entry can't outlive what it is worth.
  void keep(const cofferdam::Digest256& link, std::int64_t /*not_after*/) override {
    const std::scoped_lock lock(mutex_);
    if (most_ == 0 || places_.contains(link)) return;
    order_.push_front(link);
    places_[link] = order_.begin();
    if (order_.size() <= most_) return;
    places_.erase(order_.back());
    order_.pop_back();
  }

 private:
  std::size_t most_;
  std::mutex mutex_;
  std::list<cofferdam::Digest256> order_;
  std::map<cofferdam::Digest256, std::list<cofferdam::Digest256>::iterator> places_;
};

namespace {

constexpr std::int64_t kClockSkewSeconds = 300;
constexpr std::string_view kOurs = "cofferdam:recipientattestation:";

KmsError refusal(const std::string& why) {
  return {ErrorName::kValidation, "The attestation document of the Recipient is refused: " + why};
}

// PCR0 to 2 are what a debug enclave hides. A document that lacks them says as little.
bool shows_nothing_of_its_code(const cofferdam::Document& document) {
  for (const unsigned index : {0U, 1U, 2U}) {
    const auto found = document.pcrs.find(index);
    if (found != document.pcrs.end() && !cofferdam::all_zero(found->second)) return false;
  }
  return true;
}

std::string camel_case(std::string_view snake) {
  std::string text;
  for (const char c : snake) {
    if (c != '_') text += c;  // condition keys are compared in lower case: the hump doesn't matter
  }
  return text;
}

void add_platform(std::map<std::string, std::vector<std::string>>& to, const cofferdam::Platform& platform) {
  const auto set = [&](std::string_view name, std::string value) {
    to[std::string(kOurs) + lower_case(name)] = {std::move(value)};
  };
  if (platform.tcb) {  // by the ROM; what follows is by the monitor
    set("SecurityVersion", std::to_string(platform.tcb->security_version));
    if (platform.tcb->firmware_ids.size() == 2) {
      set("MonitorSha384", cofferdam::to_hex(platform.tcb->firmware_ids[0]));
      set("BoardSha384", cofferdam::to_hex(platform.tcb->firmware_ids[1]));
    }
  }
  if (!platform.state) return;
  const cofferdam::PlatformState& state = *platform.state;
  // Without the log nothing compares it with what the ROM said of the monitor.
  if (!platform.registers.empty()) set("PlatformDigest", cofferdam::to_hex(state.bank_digest));
  set("LaunchDigest", cofferdam::to_hex(state.launch_digest));
  set("Cores", std::to_string(state.cores));
  set("Memory", std::to_string(state.memory));
  set("SharedMemory", std::to_string(state.shared_memory));
  for (const cofferdam::FlagMeaning& flag : cofferdam::platform_flags()) {
    const std::string name = camel_case(flag.key);
    if (find_condition_key(std::string(kOurs) + name)) set(name, (state.flags & flag.bit) != 0 ? "true" : "false");
  }
  for (const auto& [index, value] : platform.registers) set("PlatformPCR" + std::to_string(index), cofferdam::to_hex(value));
}

std::map<std::string, std::vector<std::string>> conditions_of(const cofferdam::Report& report, std::int64_t time) {
  const cofferdam::Document& document = *report.document;
  std::map<std::string, std::vector<std::string>> keys;
  for (const auto& [index, value] : document.pcrs) {
    const std::string hex = cofferdam::to_hex(value);
    keys["kms:recipientattestation:pcr" + std::to_string(index)] = {hex};
    if (index == 0) keys["kms:recipientattestation:imagesha384"] = {hex};
  }
  const auto set = [&](std::string_view name, std::string value) {
    keys[std::string(kOurs) + lower_case(name)] = {std::move(value)};
  };
  const bool debug = report.debug || shows_nothing_of_its_code(document);
  set("Debug", debug ? "true" : "false");
  set("Development", report.development ? "true" : "false");
  set("ModuleId", document.module_id);
  set("RootSha256", cofferdam::to_hex(cofferdam::sha256(report.chain.front().der)));
  set("PublicKeySha256", cofferdam::to_hex(cofferdam::sha256(*document.public_key)));
  set("AgeSeconds", std::to_string(std::max<std::int64_t>(0, time - static_cast<std::int64_t>(document.timestamp / 1000))));
  if (document.user_data) set("UserData", cofferdam::to_hex(*document.user_data));
  if (report.platform) add_platform(keys, *report.platform);
  return keys;
}

}  // namespace

Recipients::Recipients(RecipientOptions options)
    : options_(std::move(options)), memory_(std::make_unique<Memory>(options_.remembered)) {}
Recipients::~Recipients() = default;

Recipient Recipients::verify(ByteView bytes, const std::optional<Bytes>& event_log, std::int64_t time) const {
  if (bytes.empty() || bytes.size() > cofferdam::kMaxDocument) throw refusal("its size is not that of a document");
  cofferdam::VerifyOptions options;
  options.anchors = options_.anchors;
  options.time = time;
  options.allow_development = options_.allow_development;
  options.allow_debug = options_.allow_debug;
  options.memory = memory_.get();
  if (event_log) {
    if (event_log->empty() || event_log->size() % cofferdam::kEventSize != 0) throw refusal("the event log is no list of events");
    options.evidence.event_log = *event_log;
  }
  cofferdam::Report report;
  try {
    report = cofferdam::verify_document(bytes, options);
  } catch (const cofferdam::Unreadable& error) {
    throw refusal(error.what());
  }
  if (report.refused) throw refusal(std::string(cofferdam::code_of(*report.refused)) + ": " + report.message);
  const cofferdam::Document& document = *report.document;
  if ((report.debug || shows_nothing_of_its_code(document)) && !options_.allow_debug) {
    throw refusal("debug: its PCR0 to PCR2 are zero, as those of a debug enclave, whose memory its parent can read");
  }
  // Else its age, which a policy may ask for, would be less than nothing for hours.
  if (static_cast<std::int64_t>(document.timestamp / 1000) > time + kClockSkewSeconds) throw refusal("it was made in the future by this service's clock");
  if (!document.public_key) throw refusal("it has no public_key, so there is nothing to encrypt the answer for");
  std::optional<cryptography::PublicKey> key = cryptography::PublicKey::from_spki(*document.public_key);
  if (!key) throw refusal("its public_key is not a SubjectPublicKeyInfo (DER) of an RSA key");
  switch (key->kind()) {
    case cryptography::KeyKind::kRsa2048:
    case cryptography::KeyKind::kRsa3072:
    case cryptography::KeyKind::kRsa4096: break;
    case cryptography::KeyKind::kP256:
    case cryptography::KeyKind::kP384:
    case cryptography::KeyKind::kP521:
    case cryptography::KeyKind::kSecp256k1: throw refusal("its public_key is not an RSA key of 2048, 3072 or 4096 bits");
  }
  const auto pcr0 = document.pcrs.find(0);
  return {*std::move(key), pcr0 == document.pcrs.end() ? "" : cofferdam::to_hex(pcr0->second), conditions_of(report, time)};
}

}  // namespace kms
