#include "tools/cofferdam/verify_flags.hpp"

#include <chrono>

namespace cofferdam {
namespace {

constexpr std::size_t kMaxSmallFile = 1 << 20;
constexpr std::size_t kMaxEvidence = std::size_t{256} << 20;

TrustAnchors anchors_of(const std::vector<std::string>& files) {
  TrustAnchors anchors;
  for (const std::string& file : files) {
    try {
      for (Bytes& der : certificates_in(read_file(file, kMaxSmallFile))) {
        (void)parse_certificate(der);
        anchors.roots.push_back(std::move(der));
      }
    } catch (const CryptoError& error) {
      throw Unreadable("--root " + file + ": " + error.what());
    }
  }
  return anchors;
}

std::optional<Bytes> evidence(const std::optional<std::string>& path, std::size_t record_size) {
  if (!path) return std::nullopt;
  return evidence_bytes(read_file(*path, kMaxEvidence), record_size, *path);
}

}  // namespace

void add_verify_flags(command_line::Command command, VerifyFlags& flags) {
  command.add_option("--root", flags.roots, "Root certificates to accept instead of AWS's: PEM (one or several) or DER").type_name("FILE")
      .repeatable();
  command.add_option("--pcr", flags.pcrs, "Register N must have this value; may be given again for others")
      .repeatable();
  command
      .add_option("--policy", flags.policies,
                  "JSON policy: nitro-cli describe-eif output, its Measurements, or\n"
                  "{\"pcrs\": {\"0\": [HEX, ...]}, \"platform\": {...}, \"min_security_version\": N,\n"
                  " \"max_age_seconds\": N}")
      .type_name("FILE")
      .repeatable();
  command.add_option("--reference-values", flags.reference_values,
                     "JSON of `cofferdam reference-values`: the platform registers of an honest build").type_name("FILE")
      .repeatable();
  command.add_option("--event-log", flags.event_log, "The machine's event log: replayed and compared with the document").type_name("FILE");
  command.add_option("--ledger", flags.ledger, "The machine's ownership ledger: hashed and compared with the document").type_name("FILE");
  command.add_flag("--allow-debug", flags.allow_debug, "Let debug enclaves meet a policy");
  command.add_flag("--allow-development", flags.allow_development, "Accept development identities");
}

VerifyOptions verify_options_of(const VerifyFlags& flags) {
  VerifyOptions verify;
  verify.anchors = anchors_of(flags.roots);
  if (!flags.pcrs.empty()) verify.policies.push_back(policy_of_flags(flags.pcrs));
  for (const std::string& file : flags.policies) {
    verify.policies.push_back(parse_policy(as_text(read_file(file, kMaxSmallFile)), file));
  }
  for (const std::string& file : flags.reference_values) {
    verify.policies.push_back(parse_reference_values(as_text(read_file(file, kMaxSmallFile)), file));
  }
  verify.allow_development = flags.allow_development;
  verify.allow_debug = flags.allow_debug;
  verify.evidence.event_log = evidence(flags.event_log, kEventSize);
  verify.evidence.ledger = evidence(flags.ledger, kLedgerRecordSize);
  return verify;
}

std::int64_t time_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

}  // namespace cofferdam
