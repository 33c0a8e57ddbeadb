#include "tools/kms/command_audit.hpp"

#include <cstdio>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tools/kms/store.hpp"

namespace kms {
namespace {

std::string text_of_time(Time time) {
  const std::int64_t milliseconds = time.time_since_epoch().count();
  const std::int64_t within = ((milliseconds % 1000) + 1000) % 1000;
  const std::time_t seconds = (milliseconds - within) / 1000;
  std::tm parts{};
  char text[64];
  if (gmtime_r(&seconds, &parts) == nullptr) return std::to_string(milliseconds) + " ms";
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(within));
  return text;
}

// The log may have been altered: what is printed is made harmless again.
nlohmann::ordered_json json_of(const AuditEntry& entry) {
  nlohmann::ordered_json json;
  json["sequence"] = entry.sequence;
  json["time"] = text_of_time(entry.time);
  json["principal"] = for_the_log(entry.event.principal);
  json["operation"] = for_the_log(entry.event.operation);
  json["key"] = for_the_log(entry.event.key);
  json["outcome"] = for_the_log(entry.event.outcome);
  json["request"] = for_the_log(entry.event.request);
  json["recipient_pcr0"] = nullptr;
  if (entry.event.recipient_pcr0) json["recipient_pcr0"] = for_the_log(*entry.event.recipient_pcr0);
  json["detail"] = for_the_log(entry.event.detail);
  json["hash"] = cofferdam::to_hex(entry.hash);
  return json;
}

void print_line(const AuditEntry& entry, std::ostream& out) {
  out << entry.sequence << ' ' << text_of_time(entry.time) << ' ' << for_the_log(entry.event.operation) << ' '
      << for_the_log(entry.event.outcome) << " key=" << (entry.event.key.empty() ? "-" : for_the_log(entry.event.key))
      << " principal=" << (entry.event.principal.empty() ? "-" : for_the_log(entry.event.principal))
      << " recipient=" << (entry.event.recipient_pcr0 ? for_the_log(*entry.event.recipient_pcr0) : "-")
      << " request=" << (entry.event.request.empty() ? "-" : for_the_log(entry.event.request));
  if (!entry.event.detail.empty()) out << " (" << for_the_log(entry.event.detail) << ')';
  out << '\n';
}

}  // namespace

std::optional<ExpectedHead> parse_expected_head(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos || colon == 0 || colon > 19) return std::nullopt;
  ExpectedHead head;
  for (const char digit : text.substr(0, colon)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    head.sequence = head.sequence * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  const auto hash = cofferdam::from_hex(text.substr(colon + 1));
  if (!hash || hash->size() != head.hash.size()) return std::nullopt;
  std::copy(hash->begin(), hash->end(), head.hash.begin());
  return head;
}

int print_audit_verification(Store& store, const std::optional<ExpectedHead>& expected, bool json, std::ostream& out) {
  const AuditReport report = verify_audit_log(store, store.log_key(), expected);
  const std::string head = std::to_string(report.head.sequence) + ":" + cofferdam::to_hex(report.head.hash);
  if (json) {
    nlohmann::ordered_json text;
    text["holds"] = report.findings.empty();
    text["entries"] = report.entries;
    text["head"] = head;
    text["seals_checked"] = report.seals_checked;
    text["findings"] = nlohmann::ordered_json::array();
    for (const AuditFinding& finding : report.findings) {
      text["findings"].push_back({{"sequence", finding.sequence}, {"fault", text_of(finding.fault)}, {"what", finding.what}});
    }
    out << text.dump(2) << '\n';
    return report.findings.empty() ? 0 : 1;
  }
  if (report.findings.empty()) {
    out << "The log holds: " << report.entries << " entries, each as it was written.\n";
  } else {
    out << "The log was changed:\n";
    for (const AuditFinding& finding : report.findings) {
      out << "  " << finding.what << " [" << text_of(finding.fault) << "]\n";
    }
  }
  if (!report.seals_checked) out << "Seals were not checked: that takes --config, and with it the root key's token.\n";
  out << "Head: " << head << "\nKeep it elsewhere; `--expect` shows later whether the store was put back to an older state.\n";
  return report.findings.empty() ? 0 : 1;
}

int print_audit_log(Store& store, const AuditShowOptions& options, std::ostream& out) {
  std::uint64_t after = options.after, printed = 0;
  while (printed < options.limit) {
    const auto piece = store.read_audit(after, 1000);
    if (piece.empty()) break;
    for (const AuditEntry& entry : piece) {
      after = entry.sequence;
      if (!options.key.empty() && entry.event.key != options.key) continue;
      if (!options.operation.empty() && entry.event.operation != options.operation) continue;
      if (printed++ == options.limit) return 0;
      if (options.json) {
        out << json_of(entry).dump() << '\n';
      } else {
        print_line(entry, out);
      }
    }
  }
  return 0;
}

void AuditCommand::add_to(command_line::Command app) {
  command_ = app.add_subcommand("audit", "Verify the audit log, or print it");
  command_.require_subcommand(1);
  verify_ = command_.add_subcommand("verify", "Say whether each entry is as it was written and none is missing");
  show_ = command_.add_subcommand("show", "Print entries, oldest first; nothing is verified");
  for (command_line::Command command : {verify_, show_}) {
    auto configuration = command.add_option("--config", configuration_, "The service's configuration: its store and token").type_name("FILE");
    auto store = command.add_option("--store", store_, "Only the store, sqlite:FILE or postgresql://...; seals are not checked").type_name("URL");
    configuration.excludes(store);
    command.add_flag("--json", json_, command == verify_ ? "Print the result as JSON" : "Print each entry as a JSON object, one a line");
  }
  verify_.add_option("--expect", expected_, "A head that was kept elsewhere: it must be in this log").type_name("SEQUENCE:HASH");
  show_.add_option("--after", show_options_.after, "Begin behind this entry").type_name("SEQUENCE");
  show_.add_option("--limit", show_options_.limit, "Print at most so many").type_name("N").capture_default_str();
  show_.add_option("--key", show_options_.key, "Only of this key, alias or custom key store").type_name("ID");
  show_.add_option("--operation", show_options_.operation, "Only of this operation, e.g. Decrypt").type_name("NAME");
  verify_.footer("Exit codes: 0 the log holds, 1 it was changed or the store can't be read, 2 wrong usage.");
}

bool AuditCommand::chosen() const { return command_.parsed(); }

int AuditCommand::run(const WithStore& with_store) const {
  if (configuration_.empty() == store_.empty()) throw cofferdam::Unreadable("give --config FILE or --store URL");
  std::optional<ExpectedHead> expected;
  if (!expected_.empty()) {
    expected = parse_expected_head(expected_);
    if (!expected) throw cofferdam::Unreadable("--expect takes SEQUENCE:HASH as `audit verify` prints it");
  }
  const auto use = [&](Store& store) {
    if (verify_.parsed()) return print_audit_verification(store, expected, json_, std::cout);
    AuditShowOptions options = show_options_;
    options.json = json_;
    return print_audit_log(store, options, std::cout);
  };
  if (!configuration_.empty()) {
    return with_store(configuration_, true, [&](Store& store, KeyWrapping&) { return use(store); });
  }
  const auto store = open_store_to_read({.url = store_});
  return use(*store);
}

void RewrapCommand::add_to(command_line::Command app) {
  command_ = app.add_subcommand("rewrap", "Wrap all keys by the root key that the configuration names now");
  command_.add_option("--config", configuration_, "The service's configuration, with the new root_key").required().type_name("FILE");
  command_.add_flag("--json", json_, "Print the result as JSON");
  command_.footer("The old root key must still be in the token. What was interrupted is continued by the next run; the service may run\n"
                   "meanwhile, if it was restarted with the new root key before. When it says that nothing is left, the old root key\n"
                   "can be destroyed: nothing that it wrapped, backups included, can be opened then.");
}

bool RewrapCommand::chosen() const { return command_.parsed(); }

int RewrapCommand::run(const WithStore& with_store) const {
  return with_store(configuration_, false, [&](Store& store, KeyWrapping& wrapping) {
    const std::size_t count = rewrap(store, wrapping, "cofferdam-kms rewrap", "");
    if (json_) {
      nlohmann::ordered_json json;
      json["rewrapped"] = count;
      json["root_key"] = wrapping.root_key();
      std::cout << json.dump() << '\n';
    } else {
      std::cout << count << " secrets were wrapped anew; nothing is left that \"" << wrapping.root_key() << "\" doesn't wrap.\n";
    }
    return 0;
  });
}

}  // namespace kms
