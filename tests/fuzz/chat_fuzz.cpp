// What a service sends as an answer: no bytes crash the reader, the answer doesn't depend on where the network cuts them, and nothing
// that is shown acts on a terminal. The first byte says how long the pieces are.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "tests/fuzz/demand.hpp"
#include "tools/chat/answer.hpp"
#include "tools/chat/refused.hpp"
#include "tools/cofferdam/terminal_text.hpp"
#include "tools/cofferdam/bytes.hpp"

namespace {

struct Outcome {
  std::string text, pieces, refused;
  bool complete{};
  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view stream, std::size_t size) {
  Outcome outcome;
  chat::Answer answer([&](std::string_view text) { outcome.pieces += text; });
  try {
    for (std::size_t at = 0; at < stream.size(); at += size) answer.feed(stream.substr(at, size));
  } catch (const chat::Refused& refused) {
    outcome.refused = refused.what();
  }
  outcome.text = answer.text();
  outcome.complete = answer.complete();
  return outcome;
}

void show(std::string_view text) {
  const std::string shown = cofferdam::terminal_text(text);
  DEMAND(cofferdam::is_valid_utf8(cofferdam::as_bytes(shown)));
  DEMAND(std::all_of(shown.begin(), shown.end(), [](char c) {
    const auto letter = static_cast<unsigned char>(c);
    return (letter >= 0x20 && letter != 0x7f) || c == '\n' || c == '\t';
  }));
  DEMAND(shown.find("\xc2\x9b") == std::string::npos && cofferdam::terminal_text(shown) == shown);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = read(stream, stream.size() + 1);
  DEMAND(whole == read(stream, data[0] % 16U + 1U));
  DEMAND(whole.text == whole.pieces);
  show(whole.text);
  show(whole.refused);
  show(stream);
  show(chat::error_text(stream));
  return 0;
}
