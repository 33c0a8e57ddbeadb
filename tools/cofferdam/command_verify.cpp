// cofferdam verify
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "tools/cofferdam/commands.hpp"
#include "tools/cofferdam/report.hpp"
#include "tools/cofferdam/verify_flags.hpp"
#include "tools/command_line/command_line.hpp"

namespace cofferdam {
namespace {

struct VerifyArguments {
  std::string document;
  std::optional<std::string> time, nonce;  // given and empty is a mistake, not an absence
  VerifyFlags flags;
  bool json{};
};

std::int64_t time_of(const std::optional<std::string>& given) {
  if (!given) return time_now();
  const std::string& text = *given;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr std::int64_t kLatest = 253402300799;  // the end of the year 9999, where X.509 ends
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0 || seconds > kLatest) {
    throw Unreadable("--time " + text + ": write Unix seconds, for example --time \"$(date +%s)\"");
  }
  return seconds;
}

int run_verify(const VerifyArguments& options) {
  VerifyOptions verify = verify_options_of(options.flags);
  verify.time = time_of(options.time);
  if (options.nonce) {
    verify.nonce = from_hex(*options.nonce);
    if (!verify.nonce || verify.nonce->empty()) {
      throw Unreadable("--nonce \"" + *options.nonce + "\": write an even number of hexadecimal digits");
    }
  }

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

void add_verify_command(command_line::Command application, Run& run) {
  const auto options = std::make_shared<VerifyArguments>();
  VerifyArguments& o = *options;
  command_line::Command verify = application.add_subcommand(
      "verify",
      "Verify an attestation document of AWS Nitro Enclaves or of a Cofferdam monitor");
  verify.add_option("DOCUMENT", o.document, "COSE_Sign1, raw, hexadecimal or base64; - for standard input").required();
  verify.add_option("--time", o.time, "Verify as of this Unix time in seconds (default: now)").type_name("SECONDS");
  verify.add_option("--nonce", o.nonce, "The nonce, in hexadecimal, that the document must carry").type_name("HEX");
  add_verify_flags(verify, o.flags);
  verify.add_flag("--json", o.json, "Print the report as JSON");
  verify.footer("Without --root, the chain must begin at AWS's Nitro Enclaves root G1. Without a policy, a debug enclave's\n"
                 "document is accepted with a warning: it is genuine, and says that it is a debug enclave's.\n"
                 "Exit codes: 0 accepted, 1 refused (the first line says why), 2 unreadable input or wrong usage.");
  verify.callback([&run, options] { run = [options] { return run_verify(*options); }; });
}

}  // namespace cofferdam
