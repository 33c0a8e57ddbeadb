#include "tools/chat/answer.hpp"

#include <nlohmann/json.hpp>

#include "tools/chat/refused.hpp"
#include "tools/cofferdam/terminal_text.hpp"

namespace chat {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kMaxErrorText = 400;

// A member that an object may lack or hold with another type.
const Json* member(const Json& json, const char* key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() ? nullptr : &*found;
}

std::string text_of(const Json* json) { return json != nullptr && json->is_string() ? json->get<std::string>() : std::string{}; }

std::string message_in(const Json& error) {
  const std::string message = error.is_string() ? error.get<std::string>() : text_of(member(error, "message"));
  return message.empty() ? "it gives no reason" : message;
}

std::string shortened(std::string text) {
  for (char& letter : text) {
    if (letter == '\n' || letter == '\t') letter = ' ';
  }
  if (text.size() > kMaxErrorText) text = text.substr(0, kMaxErrorText) + "...";
  return cofferdam::terminal_text(text);
}

}  // namespace

std::string error_text(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (const Json* error = member(json, "error")) return shortened(message_in(*error));
  return body.empty() ? "it gives no reason" : shortened(std::string(body));
}

void Answer::feed(std::string_view piece) {
  events_.feed(piece, [this](std::string_view data) { take(data); });
}

void Answer::take(std::string_view data) {
  if (done_) return;
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  const Json json = Json::parse(data, nullptr, false);
  if (!json.is_object()) throw Refused("stream", "the service sends an event that is no JSON object");
  if (const Json* error = member(json, "error")) {
    throw Refused("service", "the service ends the answer with an error: " + shortened(message_in(*error)));
  }
  const Json* choices = member(json, "choices");
  if (choices == nullptr || !choices->is_array() || choices->empty()) return;  // a report of usage
  const Json& choice = (*choices)[0];
  if (const std::string reason = text_of(member(choice, "finish_reason")); !reason.empty()) finish_reason_ = reason.substr(0, 64);
  const Json* delta = member(choice, "delta");
  const std::string text = delta == nullptr ? std::string{} : text_of(member(*delta, "content"));
  if (text.empty()) return;
  if (text_.size() + text.size() > kMaxAnswer) throw Refused("stream", "the answer is longer than 1048576 bytes");
  text_ += text;
  sink_(text);
}

}  // namespace chat
