// From llama-server's answer to the client's: whole events only, signs of life while there are none, and a clear error where
// llama-server breaks off. A client that is gone, or reads too slowly, ends it.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>

#include "guests/enclave/inference/model_exchange.hpp"
#include "tools/https/server.hpp"

namespace inference {

inline constexpr std::size_t kMostAnswer = 16 << 20, kLongestEvent = 1 << 20, kPieceForClient = 8 * 1024;  // bytes

// In the form of OpenAI's API, which clients know how to show.
[[nodiscard]] std::string error_json(int status, const char* type, const std::string& message);

// In small pieces, each of which the server's write_timeout bounds, and all of which together `patience` bounds.
class BoundedSink {
 public:
  BoundedSink(const https::Sink& sink, std::chrono::milliseconds patience) : sink_(sink), left_(patience) {}
  // False: the client is gone or too slow, now and ever after.
  bool send(std::string_view bytes);

 private:
  const https::Sink& sink_;
  std::chrono::nanoseconds left_;
  bool gone_{};
};

// What is left of the answer, whole; or why there is none.
[[nodiscard]] std::expected<std::string, std::string> rest_of(ModelExchange& exchange, std::chrono::milliseconds patience);
// Server-sent events, to their end. An error that comes when the answer has begun is an event: {"error": ...}.
void pass_events(ModelExchange& exchange, BoundedSink& client, std::chrono::milliseconds beat);
// One JSON text for which the client already waits: white space, which may precede it (RFC 8259, 2), then answer or error.
void pass_late_json(ModelExchange& exchange, BoundedSink& client, std::chrono::milliseconds beat);

}  // namespace inference
