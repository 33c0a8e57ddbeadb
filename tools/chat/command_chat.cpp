#include "tools/chat/command_chat.hpp"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "tools/chat/attested_service.hpp"
#include "tools/chat/refused.hpp"
#include "tools/cofferdam/terminal_text.hpp"
#include "tools/cofferdam/verify_flags.hpp"
#include "tools/command_line/command_line.hpp"
#include "tools/cryptography/cryptography.hpp"

namespace chat {
namespace {

using cofferdam::terminal_text;
using cofferdam::Unreadable;
using OrderedJson = nlohmann::ordered_json;
constexpr std::size_t kMaxApiKey = 4096;
constexpr std::size_t kMaxMessage = 64 * 1024;
constexpr std::size_t kMaxConversation = 1 << 20;  // bytes of all messages; the model's own window is smaller

struct ChatArguments {
  std::string service, api_key_file, model;
  std::optional<std::string> system;
  std::vector<std::string> messages;
  cofferdam::VerifyFlags verify;
  bool aws_root{}, json{};
  int timeout{60};
  std::optional<int> max_tokens;
  std::optional<double> temperature;
  std::optional<std::uint32_t> seed;
};

cryptography::SecretBytes api_key_of(const std::string& path) {
  cofferdam::Bytes bytes = cofferdam::read_file(path, kMaxApiKey);
  while (!bytes.empty() && (bytes.back() == '\n' || bytes.back() == '\r')) bytes.pop_back();
  cryptography::SecretBytes key(std::move(bytes));
  const cofferdam::ByteView view = key.view();
  const bool printable = std::all_of(view.begin(), view.end(), [](std::uint8_t letter) { return letter > 0x20 && letter < 0x7f; });
  if (key.empty() || !printable) throw Unreadable("--api-key-file " + path + ": it must hold one line of printable letters without spaces");
  return key;
}

cofferdam::VerifyOptions demands_of(const ChatArguments& options) {
  if (options.aws_root == !options.verify.roots.empty()) {
    throw Unreadable("say whose enclaves are believed: either --root FILE (may be given again) or --aws-root");
  }
  cofferdam::VerifyOptions demands = cofferdam::verify_options_of(options.verify);
  const bool pinned = std::any_of(demands.policies.begin(), demands.policies.end(), [](const auto& policy) { return !policy.pcrs.empty(); });
  if (!pinned) {
    throw Unreadable("say which image is believed, with --policy FILE or --pcr 0=HEX: without it, anybody's enclave under that root "
                     "would get the prompt");
  }
  return demands;
}

std::string platform_words(const cofferdam::Report& report) {
  if (!report.platform || !report.platform->tcb) return "states nothing about itself (an AWS Nitro system does not)";
  const cofferdam::TcbInfo& tcb = *report.platform->tcb;
  return tcb.vendor + " " + tcb.model + " " + tcb.version + ", security version " + std::to_string(tcb.security_version);
}

std::string pcr0_of(const cofferdam::Report& report) {
  const auto found = report.document->pcrs.find(0);
  return found == report.document->pcrs.end() ? "absent" : cofferdam::to_hex(found->second);
}

// What happens, as a person or as a script is told it.
class Teller {
 public:
  explicit Teller(bool json) : json_(json) {}

  void verified(const Verified& verified) const {
    const cofferdam::Report& report = verified.report;
    const std::string root = report.chain.front().subject, root_digest = cofferdam::to_hex(cofferdam::sha256(report.chain.front().der));
    const std::string tls = cofferdam::to_hex(verified.tls_key);
    if (json_) {
      OrderedJson event{{"event", "verified"}, {"module_id", report.document->module_id}, {"pcr0", pcr0_of(report)},
                 {"platform", platform_words(report)}, {"root", root}, {"root_sha256", root_digest}, {"tls_key_sha256", tls},
                 {"debug", report.debug}, {"development", report.development}, {"warnings", report.warnings}};
      return line(event);
    }
    std::cerr << "verified: this connection ends in the enclave, and its image is one you accept\n"
              << terminal_text("  PCR0      " + pcr0_of(report) + "\n  platform  " + platform_words(report) + "\n  root      " + root +
                               ", SHA-256 " + root_digest + "\n  TLS key   SHA-256 " + tls + "\n");
    for (const std::string& warning : report.warnings) std::cerr << "warning: " << terminal_text(warning) << '\n';
  }
  void token(std::string_view text) const {
    if (json_) return line(OrderedJson{{"event", "token"}, {"text", text}});
    std::cout << terminal_text(text) << std::flush;
  }
  void answered(const Answer& answer) const {
    if (json_) return line(OrderedJson{{"event", "answer"}, {"text", answer.text()}, {"finish_reason", answer.finish_reason()}});
    std::cout << '\n' << std::flush;
    if (answer.finish_reason() == "length") std::cerr << "(the answer reached the limit of tokens)\n";
  }
  void refused(const Refused& refused, bool in_answer) const {
    if (json_) return line(OrderedJson{{"event", "refused"}, {"reason", refused.code()}, {"message", terminal_text(refused.what())}});
    if (in_answer) std::cout << '\n' << std::flush;
    std::cerr << "refused: " << terminal_text(refused.what()) << '\n';
  }
  void prompt() const {
    if (!json_ && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) std::cout << "> " << std::flush;
  }

 private:
  static void line(const OrderedJson& event) {
    std::cout << event.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) << '\n' << std::flush;
  }
  bool json_;
};

// The next message: of those given, or a line of standard input. Nullopt: there are no more.
class Messages {
 public:
  Messages(std::vector<std::string> given, const Teller& teller) : given_(std::move(given)), interactive_(given_.empty()), teller_(teller) {}
  std::optional<std::string> next() {
    if (!interactive_) return at_ == given_.size() ? std::nullopt : std::optional(given_[at_++]);
    std::string line;
    do {
      teller_.prompt();
      if (!std::getline(std::cin, line)) return std::nullopt;
    } while (line.find_first_not_of(" \t\r") == std::string::npos);
    return line;
  }

 private:
  std::vector<std::string> given_;
  bool interactive_;
  const Teller& teller_;
  std::size_t at_{};
};

void check_message(const std::string& message) {
  if (message.empty() || message.size() > kMaxMessage) throw Unreadable("a message must have 1 to 65536 bytes");
  if (!cofferdam::is_valid_utf8(cofferdam::as_bytes(message))) throw Unreadable("a message is not UTF-8");
}

class Conversation {
 public:
  explicit Conversation(const ChatArguments& options) : options_(options), messages_(OrderedJson::array()) {
    if (!options.system) return;
    check_message(*options.system);
    add("system", *options.system);
  }
  void add(const char* role, const std::string& content) {
    size_ += content.size();
    if (size_ > kMaxConversation) throw Unreadable("the conversation is longer than 1048576 bytes; begin a new one");
    messages_.push_back(OrderedJson{{"role", role}, {"content", content}});
  }
  [[nodiscard]] std::string request() const {
    OrderedJson request;
    if (!options_.model.empty()) request["model"] = options_.model;
    request["messages"] = messages_;
    request["stream"] = true;
    if (options_.max_tokens) request["max_tokens"] = *options_.max_tokens;
    if (options_.temperature) request["temperature"] = *options_.temperature;
    if (options_.seed) request["seed"] = *options_.seed;
    return request.dump();
  }

 private:
  const ChatArguments& options_;
  OrderedJson messages_;
  std::size_t size_{};
};

int run_chat(const ChatArguments& options) {
  // All that the caller can have wrong comes before the first connection.
  const ServiceAddress address = parse_address(options.service);
  const cryptography::SecretBytes api_key = api_key_of(options.api_key_file);
  for (const std::string& message : options.messages) check_message(message);
  const Teller teller(options.json);
  bool in_answer = false;
  Conversation conversation(options);
  try {
    AttestedService service(address, std::chrono::seconds{options.timeout}, demands_of(options));
    teller.verified(service.verify());
    Messages messages(options.messages, teller);
    while (const std::optional<std::string> message = messages.next()) {
      check_message(*message);
      conversation.add("user", *message);
      Answer answer([&](std::string_view text) {
        in_answer = true;
        teller.token(text);
      });
      service.ask(conversation.request(), cofferdam::as_text(api_key.view()), answer);
      in_answer = false;
      teller.answered(answer);
      conversation.add("assistant", answer.text());
    }
  } catch (const Refused& refused) {
    teller.refused(refused, in_answer);
    return cofferdam::kRefused;
  }
  return cofferdam::kAccepted;
}

}  // namespace

void add_chat_command(command_line::Command application, cofferdam::Run& run) {
  const auto options = std::make_shared<ChatArguments>();
  ChatArguments& o = *options;
  command_line::Command chat = application.add_subcommand("chat", "Talk with a language model in an enclave, after the enclave has proven what it is");
  chat.add_option("--service", o.service, "Where the service is reached: its parent, or anything that passes bytes on")
      .type_name("HOST:PORT").required();
  chat.add_option("--api-key-file", o.api_key_file, "A file with the key that the service knows you by").type_name("FILE").required();
  chat.add_flag("--aws-root", o.aws_root, "Believe enclaves under AWS's Nitro Enclaves root G1");
  cofferdam::add_verify_flags(chat, o.verify);
  chat.add_option("--message", o.messages, "A prompt; given again, the next of the same conversation (default: lines of\nstandard input)")
      .type_name("TEXT").repeatable();
  chat.add_option("--system", o.system, "What the model is told before the conversation").type_name("TEXT");
  chat.add_option("--model", o.model, "The model's name, where the service has several").type_name("NAME");
  chat.add_option("--max-tokens", o.max_tokens, "At most so many tokens in an answer").type_name("N").within(1, 1 << 20);
  chat.add_option("--temperature", o.temperature, "0 takes the likeliest token always").type_name("X").within(0.0, 10.0);
  chat.add_option("--seed", o.seed, "Of the choice of tokens").type_name("N");
  chat.add_option("--timeout", o.timeout, "Seconds to wait for a connection, and for each next piece of an answer (60)")
      .type_name("SECONDS").within(1, 3600);
  chat.add_flag("--json", o.json, "Print one JSON object a line: verified, token, answer, refused");
  chat.footer("Needs a root (--root or --aws-root) and a policy on registers (--policy or --pcr). Before the enclave's document and the\n"
               "connection's key are verified, neither the API key nor a prompt is sent.\n"
               "Exit codes: 0 all answers are complete, 1 refused or broken off (with the reason), 2 unreadable input or wrong usage.");
  chat.callback([&run, options] { run = [options] { return run_chat(*options); }; });
}

}  // namespace chat
