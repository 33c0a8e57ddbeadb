// What reaches llama-server, as somebody would have it who also uses the model, or who wants it to end.
#include "guests/enclave/inference/request_filter.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace {

using inference::filtered;
using inference::forwarded_path;
using Json = nlohmann::json;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletion = "/v1/completions";

Json asked() { return {{"messages", {{{"role", "user"}, {"content", "hello"}}}}}; }
// What is passed on of a chat's request with one more member; the reason, as text, where it is refused.
Json passed(const std::string& name, const Json& value) {
  Json request = asked();
  request[name] = value;
  const auto question = filtered(kChat, request.dump());
  return question ? Json::parse(question->body) : Json(question.error());
}
bool refused(const std::string& name, const Json& value) { return passed(name, value).is_string(); }
bool kept(const std::string& name, const Json& value) {
  const Json body = passed(name, value);
  return body.is_object() && body.contains(name) && body[name] == value;
}
bool left_out(const std::string& name, const Json& value) {
  const Json body = passed(name, value);
  return body.is_object() && !body.contains(name);
}

TEST(RequestFilter, OffersFourPathsAndNoOther) {
  for (const char* path : {"/v1/chat/completions", "/v1/completions"}) {
    EXPECT_EQ(forwarded_path("POST", path), path);
    for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "post", ""}) EXPECT_FALSE(forwarded_path(method, path)) << method;
  }
  EXPECT_EQ(forwarded_path("GET", "/v1/models"), "/v1/models");
  EXPECT_FALSE(forwarded_path("POST", "/v1/models"));
  for (const char* path :
       {"/", "", "*", "/slots", "/slots/0?action=save", "/slots/0?action=restore", "/props", "/metrics", "/lora-adapters", "/infill", "/embedding",
        "/embeddings", "/v1/embeddings", "/rerank", "/tokenize", "/detokenize", "/apply-template", "/models", "/models/load", "/models/unload",
        "/api/show", "/api/chat", "/v1/messages", "/v1/responses", "/v1/audio/transcriptions", "/chat/completions", "/completions", "/cors-proxy",
        "/v1/completions/", "//v1/completions", "/v1//completions", "/v1/./completions", "/v1/../completion", "/../completion", "/v1/%63ompletions",
        "/completion", "/v1%2fcompletions", "/v1%2Fcompletions", "/%2e%2e/v1/completions", "/V1/completions", "/v1/completions?x=1", "/v1/completions#x", "/v1/completions;x",
        "/v1/completions\r\nGET /slots", "/v1/completions ", " /v1/completions", "http://127.0.0.1:8080/v1/completions", "/v1/models?x", "/v1/models/../slots"}) {
    for (const char* method : {"GET", "POST"}) EXPECT_FALSE(forwarded_path(method, path)) << method << ' ' << path;
  }
  EXPECT_FALSE(forwarded_path("POST", std::string_view("/v1/completions\0", 16)));
}

TEST(RequestFilter, AnHonestRequestGoesThroughAsItIs) {
  const Json honest{{"messages", {{{"role", "system"}, {"content", "Be brief."}}, {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "Gr\u00fc\u00dfe"}}}}}}},
                    {"stream", true}, {"stream_options", {{"include_usage", true}}}, {"max_tokens", 24}, {"temperature", 0.7}, {"top_p", 0.9}, {"top_k", 40},
                    {"min_p", 0.05}, {"seed", 1}, {"stop", {"\n", "END"}}, {"presence_penalty", -0.5}, {"frequency_penalty", 1}, {"repeat_penalty", 1.1},
                    {"repeat_last_n", 64}, {"logit_bias", {{"15043", -100}}}, {"logprobs", true}, {"top_logprobs", 5},
                    {"response_format", {{"type", "json_object"}}}};
  const auto question = filtered(kChat, honest.dump());
  ASSERT_TRUE(question) << question.error();
  EXPECT_TRUE(question->streams);
  Json body = Json::parse(question->body);
  EXPECT_EQ(body["cache_prompt"], false);
  body.erase("cache_prompt");
  EXPECT_EQ(body, honest);
}

TEST(RequestFilter, APromptIsOneText) {
  const auto prompt = [](const Json& value) { return filtered(kCompletion, Json{{"prompt", value}}.dump()).has_value(); };
  EXPECT_TRUE(prompt("hello"));
  const auto listed = filtered(kCompletion, R"({"prompt": ["hello"]})");
  ASSERT_TRUE(listed) << listed.error();
  EXPECT_EQ(Json::parse(listed->body)["prompt"], "hello");
  EXPECT_NE(filtered(kCompletion, R"({"prompt": ["a", "b"]})").error().find("one prompt a request"), std::string::npos);
  // Lists are several requests to llama-server, each for a slot of its own; objects carry images.
  for (const Json& value : {Json::array({"a", "b"}), Json::array(), Json::array({1}), Json::array({1, 2}), Json::array({Json::array({1})}), Json(7), Json(true),
                            Json{{"prompt_string", "x"}, {"multimodal_data", {"AAAA"}}}}) {
    EXPECT_FALSE(prompt(value)) << value;
  }
  EXPECT_FALSE(filtered(kCompletion, "{}"));
  EXPECT_FALSE(filtered(kCompletion, asked().dump())) << "messages are of the chat";
  EXPECT_FALSE(filtered(kChat, R"({"prompt": "x"})"));
  EXPECT_TRUE(left_out("prompt", "another")) << "two prompts, of which llama-server chooses one";
}

TEST(RequestFilter, MessagesAreTextOfKnownRoles) {
  const auto chat = [](const Json& messages) { return filtered(kChat, Json{{"messages", messages}}.dump()).has_value(); };
  const auto with = [&chat](const Json& content) { return chat(Json::array({{{"role", "user"}, {"content", content}}})); };
  EXPECT_TRUE(with("x"));
  EXPECT_TRUE(with(Json::array({{{"type", "text"}, {"text", "x"}}})));
  for (const Json& content : {Json(nullptr), Json(1), Json::object(), Json::array(), Json::array({"x"}),
                              Json::array({{{"type", "image_url"}, {"image_url", {{"url", "file:///etc/cofferdam/service.json"}}}}}),
                              Json::array({{{"type", "image_url"}, {"image_url", {{"url", "http://127.0.0.1:8001/"}}}}}),
                              Json::array({{{"type", "input_audio"}, {"input_audio", {{"data", ""}, {"format", "wav"}}}}}),
                              Json::array({{{"type", "text"}, {"text", "x"}}, {{"type", "file"}, {"file", {{"file_id", "x"}}}}}),
                              Json::array({{{"type", "text"}, {"text", {{"x", 1}}}}}), Json::array({{{"type", "text"}}})}) {
    EXPECT_FALSE(with(content)) << content;
  }
  for (const Json& messages : {Json("x"), Json::object(), Json::array(), Json::array({"x"}), Json::array({Json::object()}),
                               Json::array({{{"role", "user"}}}), Json::array({{{"content", "x"}}}), Json::array({{{"role", "tool"}, {"content", "x"}}}),
                               Json::array({{{"role", 1}, {"content", "x"}}}), Json::array({{{"role", "user\n"}, {"content", "x"}}})}) {
    EXPECT_FALSE(chat(messages)) << messages;
  }
  // What is not looked at is not passed on.
  const Json message{{"role", "user"}, {"content", {{{"type", "text"}, {"text", "x"}, {"url", "file:///x"}}}}, {"tool_calls", {1}}, {"name", "y"}};
  const auto question = filtered(kChat, Json{{"messages", {message}}}.dump());
  ASSERT_TRUE(question);
  EXPECT_EQ(Json::parse(question->body)["messages"], Json::parse(R"([{"role": "user", "content": [{"type": "text", "text": "x"}]}])"));
}

TEST(RequestFilter, ListsAreBounded) {
  const Json message{{"role", "user"}, {"content", "x"}}, part{{"type", "text"}, {"text", "x"}};
  EXPECT_TRUE(filtered(kChat, Json{{"messages", Json(inference::kMostMessages, message)}}.dump()));
  EXPECT_FALSE(filtered(kChat, Json{{"messages", Json(inference::kMostMessages + 1, message)}}.dump()));
  const auto parts = [&part](std::size_t count) { return Json{{"messages", {{{"role", "user"}, {"content", Json(count, part)}}}}}.dump(); };
  EXPECT_TRUE(filtered(kChat, parts(inference::kMostParts)));
  EXPECT_FALSE(filtered(kChat, parts(inference::kMostParts + 1)));
  Json biases = Json::object();
  for (std::size_t token = 0; token < inference::kMostBiases; ++token) biases[std::to_string(token)] = 1;
  EXPECT_TRUE(kept("logit_bias", biases));
  biases["999999"] = 1;
  EXPECT_TRUE(refused("logit_bias", biases));
  EXPECT_TRUE(kept("stop", Json(inference::kMostStops, "x")));
  EXPECT_TRUE(refused("stop", Json(inference::kMostStops + 1, "x")));
  EXPECT_TRUE(refused("stop", std::string(inference::kLongestStop + 1, 'x')));
  EXPECT_TRUE(refused("stop", {1}));
}

TEST(RequestFilter, NumbersHaveBounds) {
  EXPECT_TRUE(kept("repeat_last_n", inference::kMostRemembered));
  EXPECT_TRUE(refused("repeat_last_n", inference::kMostRemembered + 1)) << "llama-server allocates so many";
  EXPECT_TRUE(refused("repeat_last_n", 2'000'000'000));
  EXPECT_TRUE(kept("n_probs", inference::kMostProbabilities));
  EXPECT_TRUE(kept("logprobs", 5));
  for (const char* name : {"n_probs", "top_logprobs", "logprobs"}) {
    EXPECT_TRUE(refused(name, inference::kMostProbabilities + 1)) << name;
    EXPECT_TRUE(refused(name, -1)) << name;
  }
  EXPECT_TRUE(kept("n_predict", -1));
  EXPECT_TRUE(kept("seed", 4294967295U));
  for (const char* name : {"max_tokens", "max_completion_tokens", "n_predict", "top_k", "repeat_last_n", "n_probs", "top_logprobs"}) {
    for (const Json& value : {Json(-2), Json(1.5), Json(1e300), Json(18446744073709551615U), Json(9223372036854775807), Json(std::int64_t{-9223372036854775807}),
                              Json("1"), Json(true), Json::array(), Json::object()}) {
      EXPECT_TRUE(refused(name, value)) << name << ' ' << value;
    }
  }
  for (const char* name : {"temperature", "top_p", "min_p", "typical_p", "frequency_penalty", "presence_penalty", "repeat_penalty"}) {
    EXPECT_TRUE(kept(name, 0.5)) << name;
    for (const Json& value : {Json(-1e9), Json(101), Json(1e300), Json(18446744073709551615U), Json("0"), Json(true), Json::array({1})}) {
      EXPECT_TRUE(refused(name, value)) << name << ' ' << value;
    }
  }
  for (const Json& value : {Json{{"x", 1}}, Json{{"1", 1000}}, Json{{"1", "x"}}, Json{{"-1", 1}}, Json{{"", 1}}, Json{{"12345678901", 1}}, Json{{"1", false}},
                            Json::array({{1, 1}}), Json(1)}) {
    EXPECT_TRUE(refused("logit_bias", value)) << value;
  }
  for (const char* name : {"stream", "ignore_eos", "return_tokens", "echo"}) {
    for (const Json& value : {Json(1), Json("true"), Json::array()}) EXPECT_TRUE(refused(name, value)) << name;
  }
  EXPECT_FALSE(filtered(kChat, R"({"messages": [{"role": "user", "content": "x"}], "temperature": 1e999})"));
  EXPECT_FALSE(filtered(kChat, R"({"messages": [{"role": "user", "content": "x"}], "temperature": NaN})"));
}

TEST(RequestFilter, WhatTouchesOthersIsLeftOut) {
  for (const char* name : {"id_slot", "slot_id", "n_cache_reuse", "timings_per_token", "post_sampling_probs", "n_keep", "n_discard", "t_max_predict_ms", "samplers",
                           "min_keep", "model", "user", "metadata", "store", "return_progress", "reasoning_format", "add_generation_prompt",
                           "response_fields", "speculative.n_max", "logit_bias_eog", "mirostat", "dry_penalty_last_n", "dry_sequence_breakers", "file", "url",
                           "filename", "__verbose", "tool_choice", "parallel_tool_calls", "grammar_lazy", "grammar_triggers", "preserved_tokens"}) {
    EXPECT_TRUE(left_out(name, 1)) << name;
    EXPECT_TRUE(left_out(name, {{"x", "y"}})) << name;
  }
  const Json body = passed("cache_prompt", true);
  EXPECT_EQ(body["cache_prompt"], false);
}

TEST(RequestFilter, WhatWouldChangeTheAnswerAndIsNotOfferedIsRefused) {
  const Json schema{{"type", "string"}, {"minLength", 1'000'000'000}};
  EXPECT_TRUE(refused("grammar", "root ::= root"));
  EXPECT_TRUE(refused("json_schema", schema));
  EXPECT_TRUE(refused("response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", schema}}}}));
  EXPECT_TRUE(refused("response_format", {{"type", "json_object"}, {"schema", schema}}));
  EXPECT_EQ(passed("response_format", {{"type", "json_object"}, {"schema", nullptr}})["response_format"], (Json{{"type", "json_object"}}));
  EXPECT_TRUE(refused("suffix", "and so it ended"));
  EXPECT_TRUE(refused("suffix", "none"));
  EXPECT_TRUE(left_out("function_call", "none"));
  EXPECT_TRUE(left_out("suffix", ""));
  EXPECT_TRUE(kept("modalities", {"text"}));
  for (const Json& value : {Json{"text", "audio"}, Json{"audio"}, Json("text"), Json::array()}) EXPECT_TRUE(refused("modalities", value)) << value;
  EXPECT_TRUE(refused("response_format", "json_object"));
  EXPECT_TRUE(refused("response_format", Json::array()));
  EXPECT_TRUE(refused("tools", {{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", schema}}}}}));
  EXPECT_TRUE(refused("lora", {{{"id", 0}, {"scale", 1}}}));
  EXPECT_TRUE(refused("chat_template", "{% for x in range(1000000000) %}x{% endfor %}"));
  EXPECT_TRUE(refused("image_data", {{{"data", "AAAA"}, {"id", 1}}}));
  for (const char* name : {"n", "best_of", "n_cmpl"}) {
    EXPECT_TRUE(refused(name, 2)) << name;
    EXPECT_TRUE(refused(name, 1000000)) << name;
    EXPECT_TRUE(refused(name, "1")) << name;
    EXPECT_TRUE(left_out(name, 1)) << name;
  }
  // As clients send what they do not want.
  EXPECT_TRUE(left_out("tools", Json::array()));
  EXPECT_TRUE(left_out("grammar", ""));
  for (const char* name : {"stop", "max_tokens", "seed", "logit_bias", "response_format", "stream_options", "lora", "n"}) EXPECT_TRUE(left_out(name, nullptr)) << name;
  EXPECT_EQ(passed("stream_options", {{"include_usage", true}, {"x", 1}})["stream_options"], (Json{{"include_usage", true}}));
}

TEST(RequestFilter, HowMuchIsThoughtIsSaidInFixedWords) {
  for (const char* effort : {"minimal", "low", "medium", "high", "xhigh"}) {
    const Json body = passed("reasoning_effort", effort);
    EXPECT_EQ(body["reasoning_effort"], effort);
    EXPECT_EQ(body["chat_template_kwargs"], (Json{{"reasoning_effort", effort}}));
  }
  EXPECT_EQ(passed("reasoning_effort", "none")["chat_template_kwargs"], (Json{{"reasoning_effort", "none"}, {"enable_thinking", false}}));
  for (const Json& value : {Json("most"), Json("High"), Json(""), Json(1), Json::array({"low"}), Json{{"effort", "low"}}}) EXPECT_TRUE(refused("reasoning_effort", value)) << value;
  EXPECT_TRUE(kept("chat_template_kwargs", {{"enable_thinking", false}}));
  EXPECT_TRUE(kept("chat_template_kwargs", {{"enable_thinking", true}, {"reasoning_effort", "low"}}));
  for (const Json& value : {Json{{"reasoning_effort", "most"}}, Json{{"enable_thinking", "false"}}, Json{{"enable_thinking", 1}}, Json{{"x", "y"}}, Json{{"enable_thinking", true}, {"x", "y"}}, Json(1),
                            Json("{}"), Json::array({true})}) {
    EXPECT_TRUE(refused("chat_template_kwargs", value)) << value;
  }
}

TEST(RequestFilter, ASeedHas64Bits) {
  const auto seed = [](const Json& value) { return passed("seed", value)["seed"]; };
  EXPECT_EQ(seed(-1), -1);
  EXPECT_EQ(seed(4294967294U), 4294967294U);
  EXPECT_EQ(seed(4294967296), 1);
  EXPECT_EQ(seed(1'700'000'000'000), 1'700'000'000'000 % 4294967295);
  EXPECT_NE(seed(-2), seed(-3));
  for (const std::int64_t large : {INT64_MAX, INT64_MIN, std::int64_t{-2}, std::int64_t{2 * 4294967295}}) {
    EXPECT_TRUE(seed(large).is_number_unsigned()) << large;
    EXPECT_LT(seed(large), 4294967295U) << large << ": nobody asked for a random one";
  }
  for (const Json& value : {Json(18446744073709551615U), Json(9223372036854775808U), Json(1.5), Json("1"), Json(true)}) EXPECT_TRUE(refused("seed", value)) << value;
  EXPECT_TRUE(kept("top_k", -1)) << "all";
}

TEST(RequestFilter, OfAMemberThatStandsTwiceOneIsPassedOn) {
  const auto question = filtered(kChat, R"({"cache_prompt": true, "messages": [{"role": "user", "content": "a", "content": "b"}], "n_probs": 99, "n_probs": 1,
                                           "cache_prompt": true, "stream": true, "stream": false})");
  ASSERT_TRUE(question) << question.error();
  EXPECT_EQ(question->body, R"({"cache_prompt":false,"messages":[{"content":"b","role":"user"}],"n_probs":1,"stream":false})");
  EXPECT_FALSE(question->streams) << "what the gateway does and what llama-server does must be the same";
}

TEST(RequestFilter, BytesThatAreNoRequestAreRefused) {
  for (const char* body : {"", " ", "null", "1", "\"x\"", "[]", "{", "{}", "{\"messages\"}", "messages=x", "{} {}", "// comment\n{}", "\xEF\xBB\xBF", "{\"prompt\": \"\x80\"}",
                           "{\"prompt\": \"\xC0\xAF\"}", "{\"prompt\": \"\xED\xA0\x80\"}", R"({"prompt": "\ud800"})", "{\"prompt\": \"a\nb\"}", "{\"prompt\": 'a'}",
                           "{\"prompt\": \"a\",}"}) {
    for (const char* path : {kChat, kCompletion}) EXPECT_FALSE(filtered(path, body)) << body;
  }
  EXPECT_FALSE(filtered(kCompletion, std::string_view("{\"prompt\": \"a\0b\"}", 17)));
  EXPECT_TRUE(filtered(kCompletion, R"({"prompt": "a\u0000b"})"));
}

TEST(RequestFilter, DepthEndsNobody) {
  const auto nested = [](std::size_t depth, const std::string& open, const std::string& close) {
    std::string text = R"({"prompt": "x", "y": )";
    for (std::size_t i = 0; i < depth; ++i) text += open;
    text += "1";
    for (std::size_t i = 0; i < depth; ++i) text += close;
    return text + "}";
  };
  EXPECT_TRUE(filtered(kCompletion, nested(inference::kDeepestRequest - 1, "[", "]")));
  for (const std::size_t depth : {std::size_t{33}, std::size_t{1000}, std::size_t{300'000}}) {
    EXPECT_FALSE(filtered(kCompletion, nested(depth, "[", "]"))) << depth;
    EXPECT_FALSE(filtered(kCompletion, nested(depth, "{\"a\":", "}"))) << depth;
  }
  EXPECT_FALSE(filtered(kCompletion, std::string(1 << 20, '[')));
}

std::string times(const std::string& text, std::size_t count) {
  std::string all;
  while (count-- > 0) all += text;
  return all;
}

// What a regular expression's engine would take one call after another.
TEST(RequestFilter, ARunOfOneKindOfCharacterHasABound) {
  const auto prompt = [](const std::string& text) { return filtered(kCompletion, Json{{"prompt", text}}.dump()).has_value(); };
  const std::size_t most = inference::kLongestRun;
  const std::string word = " a1 ";
  for (const std::string one : {"x", "7", ".", "\n", "\u6f22", "a1", "x."}) {
    const std::size_t count = one.size() == 2 ? most / 2 : most;
    const std::string run = times(one, count), shorter = times(one, count - 2);  // spaces beside it may be of it
    EXPECT_TRUE(prompt(run)) << one;
    EXPECT_TRUE(prompt(shorter + word + shorter)) << one;
    EXPECT_FALSE(prompt(run + one)) << one;
    EXPECT_FALSE(prompt(word + run + one + word)) << one;
  }
  EXPECT_TRUE(prompt(times(" ", most) + "x" + times(" ", most)));
  EXPECT_FALSE(prompt("x" + times(" ", most + 1) + "x"));
  const Json half = std::string(most / 2 + 1, 'y');
  const auto chat = [](const Json& messages) { return filtered(kChat, Json{{"messages", messages}}.dump()).has_value(); };
  EXPECT_TRUE(chat({{{"role", "user"}, {"content", half}}}));
  EXPECT_FALSE(chat({{{"role", "user"}, {"content", half}}, {{"role", "user"}, {"content", half}}})) << "a template may join them";
  const Json part{{"type", "text"}, {"text", half}};
  EXPECT_FALSE(chat({{{"role", "user"}, {"content", {part, part}}}}));
}

// An expression's classes are not ASCII's: each of these is one match.
TEST(RequestFilter, ARunOfMixedKindsThatOneExpressionTakesHasABound) {
  for (const std::string& text : {times(" \u00a0", 40'000), times("-\u2014", 40'000), "!" + times("\n/", 40'000), times("a1", 40'000), times("1\u0663", 40'000),
                                  times("\u2028", 40'000) + times(" ", 40'000), times("\u3000", 40'000) + times("\n", 40'000)}) {
    EXPECT_FALSE(filtered(kCompletion, Json{{"prompt", text}}.dump())) << text.substr(0, 8);
    EXPECT_FALSE(filtered(kChat, Json{{"messages", {{{"role", "user"}, {"content", text}}}}}.dump())) << text.substr(0, 8);
  }
}

TEST(RequestFilter, TextWithoutSpacesGoesThrough) {
  const auto chat = [](const std::vector<std::string>& texts) {
    Json messages = Json::array();
    for (const std::string& text : texts) messages.push_back({{"role", messages.size() % 2 == 0 ? "user" : "assistant"}, {"content", text}});
    return filtered(kChat, Json{{"messages", messages}}.dump()).has_value();
  };
  EXPECT_TRUE(chat({times("\u6f22\u5b57\u3001", 2000)}));
  EXPECT_TRUE(chat({"\u4f60\u597d", times("\u6f22", 2000), "\u8c22\u8c22"}));
  EXPECT_TRUE(chat({times("\u6f22\u5b57\u3001", 10'000), times("\u6f22", 2000), times("\u6f22", 2000)}));
}

}  // namespace
