#include <algorithm>

#include "tools/cofferdam/report.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kBytesPerLine = 32;
constexpr std::size_t kLinesShown = 4;  // of a long field

class Text {
 public:
  explicit Text(Colour colour) : colour_(colour) {}
  [[nodiscard]] std::string bold(const std::string& text) const { return paint("1", text); }
  [[nodiscard]] std::string good(const std::string& text) const { return paint("1;32", text); }
  [[nodiscard]] std::string bad(const std::string& text) const { return paint("1;31", text); }
  [[nodiscard]] std::string dim(const std::string& text) const { return paint("2", text); }

  void line(const std::string& text = {}) { out_ += text + '\n'; }
  void title(const std::string& text) { line(), line(bold(text)); }
  void entry(const std::string& name, const std::string& value) {
    constexpr std::size_t kWidth = 12;
    const std::size_t pad = name.size() < kWidth ? kWidth - name.size() : 1;
    line("  " + dim(name) + std::string(pad, ' ') + value);
  }
  [[nodiscard]] const std::string& result() const { return out_; }

 private:
  [[nodiscard]] std::string paint(const std::string& code, const std::string& text) const {
    return colour_ == Colour::kAlways ? "\033[" + code + "m" + text + "\033[0m" : text;
  }
  Colour colour_;
  std::string out_;
};

std::string size_of(ByteView bytes) {
  return std::to_string(bytes.size()) + (bytes.size() == 1 ? " byte" : " bytes");
}

bool is_readable(ByteView bytes) {
  return !bytes.empty() && is_valid_utf8(bytes) &&
         std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte >= 0x20 && byte != 0x7f; });
}

void show_field(Text& out, const std::string& name, const std::optional<Bytes>& bytes) {
  if (!bytes) return out.entry(name, out.dim("none"));
  if (bytes->empty()) return out.entry(name, out.dim("empty"));
  out.entry(name, size_of(*bytes) + (is_readable(*bytes) ? ": \"" + printable(*bytes) + "\"" : ""));
  if (is_readable(*bytes)) return;
  for (std::size_t at = 0; at < bytes->size(); at += kBytesPerLine) {
    if (at == kBytesPerLine * kLinesShown) {
      return out.entry("", out.dim("... all of it with --json"));
    }
    const std::size_t count = std::min(kBytesPerLine, bytes->size() - at);
    out.entry("", to_hex(ByteView(*bytes).subspan(at, count)));
  }
}

void show_verdict(Text& out, const Report& report, const TrustAnchors& anchors) {
  if (report.refused) {
    out.line(out.bad("refused:") + " " + report.message);
  } else {
    out.line(out.good("accepted:") + " " + printable(as_bytes(report.document->module_id)) + ", under " +
             (anchors.roots.empty() ? "AWS's Nitro Enclaves root G1" : report.chain.front().subject));
  }
  for (const std::string& warning : report.warnings) out.line(out.bad("warning:") + " " + warning);
}

void show_document(Text& out, const Report& report) {
  const Document& document = *report.document;
  out.title("Document");
  out.entry("module", printable(as_bytes(document.module_id)));
  out.entry("made", format_time(static_cast<std::int64_t>(std::min<std::uint64_t>(
                        document.timestamp / 1000, 253402300799ULL))) + out.dim("  by the clock of its machine"));
  out.entry("checked at", format_time(report.time));
  out.entry("signature", report.signature_valid ? out.good("valid") + ", ES384" : out.bad("not established"));
  out.entry("mode", report.debug ? out.bad("debug") : "production");
}

void show_chain(Text& out, const Report& report) {
  out.title("Certificate chain");
  std::string indent = "  ";
  for (std::size_t i = 0; i < report.chain.size(); ++i) {
    const Certificate& certificate = report.chain[i];
    const bool leaf = i + 1 == report.chain.size();
    const bool in_time = report.time >= certificate.not_before && report.time <= certificate.not_after;
    out.line(indent + (i == 0 ? "" : "└─ ") + out.bold(certificate.subject) +
             out.dim(i == 0 ? "  root" : leaf ? "  signed the document" : ""));
    if (i != 0) indent += "   ";
    const std::string trunk = indent + (leaf ? "   " : "│  ");
    out.line(trunk + format_time(certificate.not_before) + " to " + format_time(certificate.not_after) + " " +
             (in_time ? out.good("in time") : out.bad("not in time")) + out.dim(", " +
             std::string(name_of(certificate.key.curve)) +
             (certificate.basic_constraints && certificate.basic_constraints->path_length
                  ? ", path length " + std::to_string(*certificate.basic_constraints->path_length)
                  : "")));
    if (i == 0) out.line(trunk + out.dim("SHA-256 " + to_hex(sha256(certificate.der))));
  }
}

// Runs of zero registers go on one line.
void show_registers(Text& out, const std::map<unsigned, Bytes>& registers, std::string_view (*meaning)(unsigned)) {
  std::string zeroes;
  for (auto entry = registers.begin(); entry != registers.end();) {
    const auto& [index, value] = *entry;
    if (!all_zero(value)) {
      out.entry("PCR" + std::to_string(index), out.dim(std::string(meaning(index))));
      out.entry("", to_hex(value));
      ++entry;
      continue;
    }
    unsigned last = index;
    for (; entry != registers.end() && all_zero(entry->second) && (entry->first == index || entry->first == last + 1);
         ++entry) {
      last = entry->first;
    }
    zeroes += (zeroes.empty() ? "" : ", ") + std::to_string(index) + (last != index ? "-" + std::to_string(last) : "");
  }
  if (!zeroes.empty()) out.entry("all zero", "PCR " + zeroes);
}

void show_platform(Text& out, const Platform& platform) {
  out.title("Platform");
  if (platform.tcb) {
    out.entry("monitor", platform.tcb->vendor + " " + platform.tcb->model + " " + platform.tcb->version +
                             ", security version " + std::to_string(platform.tcb->security_version));
    constexpr std::array<const char*, 2> kNames{"image", "board"};
    for (std::size_t i = 0; i < platform.tcb->firmware_ids.size(); ++i) {
      out.entry(i < kNames.size() ? kNames[i] : "", to_hex(platform.tcb->firmware_ids[i]));
    }
  }
  if (platform.state) {
    out.entry("enclave", std::to_string(platform.state->cores) + " cores, " +
                             std::to_string(platform.state->memory >> 20) + " MiB of its own, " +
                             std::to_string(platform.state->shared_memory >> 10) + " KiB shared with its parent");
    for (const FlagMeaning& flag : platform_flags()) {
      const bool set = (platform.state->flags & flag.bit) != 0;
      if (set) out.entry("", out.good("yes ") + std::string(flag.meaning));
      if (!set && !flag.absence.empty()) out.entry("", out.bad("no  ") + std::string(flag.absence));
    }
    out.entry("registers", to_hex(platform.state->bank_digest) +
                               (platform.registers.empty() ? "" : "  " + out.good("event log replays to it")));
    out.entry("launch", to_hex(platform.state->launch_digest));
    out.entry("ledger", std::to_string(platform.state->ledger_records) + " records, head " +
                            to_hex(platform.state->ledger_head) +
                            (platform.ledger.empty() ? "" : "  " + out.good("records hash to it")));
  }
  if (!platform.registers.empty()) {
    out.title("Platform registers");
    show_registers(out, platform.registers, meaning_of_platform_pcr);
    out.title("Event log");
    for (const PlatformEvent& event : platform.events) {
      out.entry("PCR" + std::to_string(event.pcr), event.name + "  " + out.dim(to_hex(event.digest)));
    }
  }
  if (!platform.ledger.empty()) {
    out.title("Ownership ledger");
    for (const LedgerRecord& record : platform.ledger) {
      out.entry(std::to_string(record.sequence), describe(record));
    }
  }
}

}  // namespace

std::string report_text(const Report& report, const TrustAnchors& anchors, Colour colour) {
  Text out(colour);
  show_verdict(out, report, anchors);
  if (report.document) show_document(out, report);
  if (!report.chain.empty()) show_chain(out, report);
  if (report.document) {
    out.title("Registers");
    show_registers(out, report.document->pcrs, meaning_of_pcr);
    out.title("Fields");
    show_field(out, "user_data", report.document->user_data);
    show_field(out, "nonce", report.document->nonce);
    show_field(out, "public_key", report.document->public_key);
  }
  if (report.platform) show_platform(out, *report.platform);
  return out.result();
}

}  // namespace cofferdam
