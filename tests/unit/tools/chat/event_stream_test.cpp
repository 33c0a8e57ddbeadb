// Server-sent events, however the network cuts them, and what a service may put into them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tools/chat/answer.hpp"
#include "tools/chat/event_stream.hpp"
#include "tools/chat/refused.hpp"

namespace {

using chat::Answer;
using chat::EventStream;
using chat::Refused;

// The events of a stream that comes in pieces of `size` bytes.
std::vector<std::string> events_of(std::string_view stream, std::size_t size) {
  std::vector<std::string> events;
  EventStream reader;
  for (std::size_t at = 0; at < stream.size(); at += size) {
    reader.feed(stream.substr(at, size), [&](std::string_view data) { events.emplace_back(data); });
  }
  return events;
}

std::string code_of_refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Refused& refused) {
    return refused.code();
  }
  return "accepted";
}

TEST(EventStream, IsTheSameHoweverItIsCut) {
  constexpr std::string_view kStream =
      ": a comment\n\ndata: one\n\nevent: x\r\ndata:two\r\ndata:  three\r\n\r\nid: 4\rdata: five\r\rdata\n\ndatas: no\n\ndata: lost";
  const std::vector<std::string> expected{"one", "two\n three", "five", ""};
  for (std::size_t size = 1; size <= kStream.size(); ++size) EXPECT_EQ(events_of(kStream, size), expected) << size;
}

TEST(EventStream, HoldsNoMoreThanItsBound) {
  const std::string most(chat::kMaxEvent - 5, 'x');
  EXPECT_EQ(events_of("data:" + most + "\n\n", 4096), std::vector{most});
  EXPECT_EQ(code_of_refusal([&] { events_of("data:" + most + "x\n\n", 4096); }), "stream");
  EXPECT_EQ(code_of_refusal([] { events_of(std::string(chat::kMaxEvent + 1, ':'), 4096); }), "stream");
  EXPECT_EQ(code_of_refusal([&] { events_of("data:" + most + "\ndata: a little more\n\n", 4096); }), "stream");
}

struct Heard {
  std::vector<std::string> pieces;
  Answer answer{[this](std::string_view text) { pieces.emplace_back(text); }};
  void event(const std::string& data) { answer.feed("data: " + data + "\n\n"); }
};

TEST(Answer, IsTheTextOfItsPieces) {
  Heard heard;
  heard.event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]})");
  heard.event(R"({"choices":[{"delta":{"content":"A PCR"}}],"model":7})");
  heard.event(R"({"choices":[{"delta":{"content":" is \u00e4"}}]})");
  EXPECT_FALSE(heard.answer.complete());
  heard.event(R"({"choices":[{"delta":{},"finish_reason":"stop"}]})");
  heard.event(R"({"choices":[],"usage":{"total_tokens":3}})");
  heard.event("[DONE]");
  heard.event(R"({"choices":[{"delta":{"content":"behind the end"}}]})");
  EXPECT_TRUE(heard.answer.complete());
  EXPECT_EQ(heard.answer.text(), "A PCR is \u00e4");
  EXPECT_EQ(heard.pieces, (std::vector<std::string>{"A PCR", " is \u00e4"}));
  EXPECT_EQ(heard.answer.finish_reason(), "stop");
}

TEST(Answer, TakesWrongTypesForAbsence) {
  Heard heard;
  for (const char* data : {R"({"choices":{}})", R"({"choices":[7]})", R"({"choices":[{"delta":[]}]})", R"({"choices":[{"delta":{"content":7}}]})",
                           R"({"choices":[{"finish_reason":[]}]})", "{}"}) {
    EXPECT_NO_THROW(heard.event(data)) << data;
  }
  EXPECT_EQ(heard.answer.text(), "");
}

TEST(Answer, RefusesWhatIsNoAnswer) {
  for (const char* data : {"", "[]", "7", "{", "[done]", "\xff"}) {
    EXPECT_EQ(code_of_refusal([&] { Heard().event(data); }), "stream") << data;
  }
  EXPECT_EQ(code_of_refusal([] { Heard().event(R"({"error":{"message":"no memory"}})"); }), "service");
  EXPECT_EQ(code_of_refusal([] {
              Heard heard;
              const std::string piece = R"({"choices":[{"delta":{"content":")" + std::string(200'000, 'x') + R"("}}]})";
              for (int i = 0; i < 6; ++i) heard.event(piece);
            }),
            "stream");
}

TEST(ErrorText, IsShortAndSafe) {
  EXPECT_EQ(chat::error_text(R"({"error":{"message":"Invalid API Key"}})"), "Invalid API Key");
  EXPECT_EQ(chat::error_text(R"({"error":"plain"})"), "plain");
  EXPECT_EQ(chat::error_text(R"({"error":{"code":7}})"), "it gives no reason");
  EXPECT_EQ(chat::error_text(""), "it gives no reason");
  EXPECT_EQ(chat::error_text("line\n\x1b[2J"), "line \\x1b[2J");
  EXPECT_LT(chat::error_text(std::string(100'000, 'x')).size(), 500U);
}

}  // namespace
