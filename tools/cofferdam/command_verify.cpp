// cofferdam verify
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "tools/cofferdam/commands.hpp"
#include "tools/cofferdam/report.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kMaxSmallFile = 1 << 20;
constexpr std::size_t kMaxEvidence = std::size_t{256} << 20;

struct Options {
  std::string document;
  std::optional<std::string> time, nonce, event_log, ledger;  // given and empty is a mistake, not an absence
  std::vector<std::string> roots, pcrs, policies, reference_values;
  bool json{}, allow_development{}, allow_debug{};
};

std::int64_t time_of(const std::optional<std::string>& given) {
  if (!given) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    return now.time_since_epoch().count();
  }
  const std::string& text = *given;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr std::int64_t kLatest = 253402300799;  // the end of the year 9999, where X.509 ends
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0 || seconds > kLatest) {
    throw Unreadable("--time " + text + ": write Unix seconds, for example --time \"$(date +%s)\"");
  }
  return seconds;
}

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

int run_verify(const Options& options) {
  VerifyOptions verify;
  verify.anchors = anchors_of(options.roots);
  verify.time = time_of(options.time);
  if (options.nonce) {
    verify.nonce = from_hex(*options.nonce);
    if (!verify.nonce || verify.nonce->empty()) {
      throw Unreadable("--nonce \"" + *options.nonce + "\": write an even number of hexadecimal digits");
    }
  }
  if (!options.pcrs.empty()) verify.policies.push_back(policy_of_flags(options.pcrs));
  for (const std::string& file : options.policies) {
    verify.policies.push_back(parse_policy(as_text(read_file(file, kMaxSmallFile)), file));
  }
  for (const std::string& file : options.reference_values) {
    verify.policies.push_back(parse_reference_values(as_text(read_file(file, kMaxSmallFile)), file));
  }
  verify.allow_development = options.allow_development;
  verify.allow_debug = options.allow_debug;
  verify.evidence.event_log = evidence(options.event_log, kEventSize);
  verify.evidence.ledger = evidence(options.ledger, kLedgerRecordSize);

  const Bytes document = document_bytes(read_file(options.document, kMaxDocument * 4));
  if (document.size() > kMaxDocument) throw Unreadable("the document is longer than 65536 bytes");
  const Report report = verify_document(document, verify);
  if (options.json) {
    std::cout << report_json(report).dump(2) << '\n';
  } else {
    const char* no_colour = std::getenv("NO_COLOR");
    const bool colour = ::isatty(STDOUT_FILENO) != 0 && (no_colour == nullptr || *no_colour == 0);
    std::cout << report_text(report, verify.anchors, colour ? Colour::kAlways : Colour::kNever);
  }
  return report.refused ? kRefused : kAccepted;
}

}  // namespace

void add_verify_command(CLI::App& application, Run& run) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* verify = application.add_subcommand(
      "verify",
      "Verify an attestation document of AWS Nitro Enclaves or of a Cofferdam monitor");
  verify->add_option("DOCUMENT", o.document, "COSE_Sign1, raw, hexadecimal or base64; - for standard input")->required();
  verify->add_option("--root", o.roots, "Root certificates to accept instead of AWS's: PEM (one or several) or DER")->type_name("FILE")
      ->expected(1)
      ->take_all();
  verify->add_option("--time", o.time, "Verify as of this Unix time in seconds (default: now)")->type_name("SECONDS");
  verify->add_option("--nonce", o.nonce, "The nonce, in hexadecimal, that the document must carry")->type_name("HEX");
  verify->add_option("--pcr", o.pcrs, "Register N must have this value; may be given again for others")
      ->expected(1)
      ->take_all();
  verify->add_option("--policy", o.policies, "JSON policy: nitro-cli describe-eif output, its Measurements, or\n"
                                             "{\"pcrs\": {\"0\": [HEX, ...]}, \"platform\": {...}, \"max_age_seconds\": N}")->type_name("FILE")
      ->expected(1)
      ->take_all();
  verify->add_option("--reference-values", o.reference_values,
                     "JSON of `cofferdam reference-values`: the platform registers of an honest build")->type_name("FILE")
      ->expected(1)
      ->take_all();
  verify->add_option("--event-log", o.event_log, "The machine's event log: replayed and compared with the document")->type_name("FILE");
  verify->add_option("--ledger", o.ledger, "The machine's ownership ledger: hashed and compared with the document")->type_name("FILE");
  verify->add_flag("--allow-debug", o.allow_debug, "Let debug enclaves meet a policy");
  verify->add_flag("--allow-development", o.allow_development, "Accept development identities");
  verify->add_flag("--json", o.json, "Print the report as JSON");
  verify->footer("Without --root, the chain must begin at AWS's Nitro Enclaves root G1. Without a policy, a debug enclave's\n"
                 "document is accepted with a warning: it is genuine, and says that it is a debug enclave's.\n"
                 "Exit codes: 0 accepted, 1 refused (the first line says why), 2 unreadable input or wrong usage.");
  verify->callback([&run, options] { run = [options] { return run_verify(*options); }; });
}

}  // namespace cofferdam
