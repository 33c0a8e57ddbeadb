// One answer of a chat completions API, streamed: the pieces of text, and whether it came to its end.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "tools/chat/event_stream.hpp"

namespace chat {

inline constexpr std::size_t kMaxAnswer = 1 << 20;  // bytes of text

class Answer {
 public:
  using TextSink = std::function<void(std::string_view)>;
  explicit Answer(TextSink sink) : sink_(std::move(sink)) {}
  // The next bytes of the response's body. Throws Refused: stream (not what such an API sends, too long), service (it reports
  // an error of its own).
  void feed(std::string_view piece);
  [[nodiscard]] bool complete() const { return done_; }  // "[DONE]" came
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& finish_reason() const { return finish_reason_; }  // "stop", "length"; empty: none given

 private:
  void take(std::string_view data);
  TextSink sink_;
  EventStream events_;
  std::string text_, finish_reason_;
  bool done_{};
};

// What a service says of an error, from a body of OpenAI's form {"error": {"message": TEXT}} or any other; safe for a terminal, short.
[[nodiscard]] std::string error_text(std::string_view body);

}  // namespace chat
