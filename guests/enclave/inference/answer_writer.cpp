#include "guests/enclave/inference/answer_writer.hpp"

#include <nlohmann/json.hpp>

namespace inference {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
constexpr const char* kNoAnswer = "the model gave no answer";
constexpr const char* kBrokenOff = "the model ended before its answer did";
constexpr std::string_view kEventEnd = "\n\n";  // as llama-server ends them

std::string event_of(const std::string& json) { return "data: " + json + std::string(kEventEnd); }

// llama-server's own words where they are JSON with an error, as an event's line.
std::string late_error(const std::expected<std::string, std::string>& body) {
  if (body) {
    const OrderedJson json = OrderedJson::parse(*body, nullptr, false);
    if (json.is_object() && json.contains("error")) return json.dump(-1, ' ', true, OrderedJson::error_handler_t::replace);
  }
  return error_json(502, "server_error", body ? kNoAnswer : body.error());
}

}  // namespace

std::string error_json(int status, const char* type, const std::string& message) {
  const OrderedJson error{{"error", {{"message", message}, {"type", type}, {"code", status}}}};
  return error.dump(-1, ' ', true, OrderedJson::error_handler_t::replace);
}

bool BoundedSink::send(std::string_view bytes) {
  while (!gone_ && !bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPieceForClient);
    const auto begun = Clock::now();
    gone_ = !sink_(piece);
    left_ -= Clock::now() - begun;
    gone_ = gone_ || left_.count() < 0;
    bytes.remove_prefix(piece.size());
  }
  return !gone_;
}

std::expected<std::string, std::string> rest_of(ModelExchange& exchange, std::chrono::milliseconds patience) {
  const auto end = Clock::now() + patience;
  std::string body;
  while (!exchange.ended()) {
    if (Clock::now() > end) return std::unexpected("the model's answer takes too long");
    body += exchange.next(std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()));
    if (body.size() > kMostAnswer) return std::unexpected("the model's answer is longer than 16 MiB");
  }
  if (exchange.head().status == 0) return std::unexpected(kNoAnswer);
  if (!exchange.whole()) return std::unexpected(kBrokenOff);
  return body;
}

void pass_events(ModelExchange& exchange, BoundedSink& client, std::chrono::milliseconds beat) {
  constexpr std::string_view kSign = ": waiting for the model\n\n";  // a comment, by the form of server-sent events
  while (!exchange.wait_for_head(beat)) {
    if (!client.send(kSign)) return;
  }
  if (exchange.head().status != 200 || !exchange.head().content_type.starts_with("text/event-stream")) {
    (void)client.send(event_of(late_error(rest_of(exchange, beat))));
    return;
  }
  std::string held;  // the beginning of an event: half of one would spoil what comes after it
  while (!exchange.ended()) {
    const std::string piece = exchange.next(beat);
    if (piece.empty()) {
      if (!exchange.ended() && !client.send(kSign)) return;
      continue;
    }
    held += piece;
    if (const std::size_t end = held.rfind(kEventEnd); end != held.npos) {
      if (!client.send(std::string_view(held).substr(0, end + kEventEnd.size()))) return;
      held.erase(0, end + kEventEnd.size());
    }
    if (held.size() > kLongestEvent) {
      return void(client.send(event_of(error_json(502, "server_error", "the model's answer has no events"))));
    }
  }
  if (!exchange.whole()) return void(client.send(event_of(error_json(502, "server_error", kBrokenOff))));
  (void)client.send(held);
}

void pass_late_json(ModelExchange& exchange, BoundedSink& client, std::chrono::milliseconds beat) {
  while (!exchange.wait_for_head(beat)) {
    if (!client.send(" ")) return;
  }
  const auto body = rest_of(exchange, beat);
  (void)client.send(body && exchange.head().status == 200 ? *body : late_error(body));
}

}  // namespace inference
