// What of a client's request reaches llama-server: known paths, known members, nothing that another client's requests left
// behind. Pure.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace inference {

// The path as llama-server knows it; nullopt: it isn't offered. A query is not taken.
[[nodiscard]] std::optional<std::string> forwarded_path(std::string_view method, std::string_view target);

struct Question {
  std::string body;  // what is sent on
  bool streams;
};
// Keeps the members that say what to generate, leaves out the rest, and turns the reuse of earlier prompts off. The error is for
// the client.
[[nodiscard]] std::expected<Question, std::string> filtered(std::string_view body);

}  // namespace inference
