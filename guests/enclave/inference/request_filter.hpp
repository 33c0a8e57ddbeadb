// What of a client's request reaches llama-server: known paths, known members with values in their bounds, nothing that another
// client's requests left behind. A member is passed on when it is known, refused when it would change what is answered and isn't
// offered, and left out otherwise. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "guests/relay/or_reason.hpp"

namespace inference {

inline constexpr std::size_t kDeepestRequest = 32, kMostMessages = 1024, kMostParts = 64, kMostBiases = 1024, kMostStops = 16;
inline constexpr std::size_t kLongestStop = 256;   // bytes
// Characters in a row that an expression for splitting text may take in one match: std::regex, which runs many models'
// expressions, calls itself for each of them (ggml-org/llama.cpp 21257, 27783). This many cost 20 MiB of the thread's
// stack, which it keeps; kStack of model_process.hpp has room for a whole request.
inline constexpr std::size_t kLongestRun = 65536;
inline constexpr int kMostProbabilities = 20;      // of one token: each costs a sort of the vocabulary, and text
inline constexpr int kMostRemembered = 4096;       // tokens: llama-server allocates as many as a request says
inline constexpr int kMostTokens = 1 << 24;        // of an answer; the context bounds it more narrowly

// The path as llama-server knows it; nullopt: it isn't offered. A query is not taken.
[[nodiscard]] std::optional<std::string> forwarded_path(std::string_view method, std::string_view target);

struct Question {
  std::string body;  // what is sent on
  bool streams;
};
// `path`: one that is forwarded with POST. The error is for the client.
[[nodiscard]] relay::OrReason<Question> filtered(std::string_view path, std::string_view body);

}  // namespace inference
