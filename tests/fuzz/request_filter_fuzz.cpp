// What a client of the inference service asks: whatever it sends, what goes on to llama-server has known members with bounded values,
// and is taken as it is when it comes again. The first byte chooses the path.
#include "guests/enclave/inference/request_filter.hpp"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/fuzz/demand.hpp"

namespace {

using Json = nlohmann::json;
constexpr std::string_view kPaths[] = {"/v1/chat/completions", "/v1/completions"};
constexpr std::string_view kKnown[] = {
    "messages",    "prompt",           "stream",           "stream_options", "max_tokens",    "max_completion_tokens", "n_predict",    "temperature",     "top_p",
    "top_k",       "min_p",            "typical_p",        "seed",           "stop",          "frequency_penalty",     "presence_penalty", "repeat_penalty", "repeat_last_n",
    "logit_bias",  "logprobs",         "top_logprobs",     "n_probs",        "response_format", "ignore_eos",          "return_tokens", "echo",           "cache_prompt",
    "reasoning_effort", "chat_template_kwargs", "modalities"};

// Numbers that a whole one is expected to stay within; what isn't there is no fault.
void demand_within(const Json& body, const char* name, std::int64_t least, std::int64_t most) {
  if (!body.contains(name) || body[name].is_boolean()) return;
  DEMAND(body[name].is_number_integer());
  DEMAND(!body[name].is_number_unsigned() || body[name].get<std::uint64_t>() <= static_cast<std::uint64_t>(most));
  DEMAND(body[name].get<std::int64_t>() >= least && body[name].get<std::int64_t>() <= most);
}

bool names_an_address(const Json& value) {
  if (value.is_array()) return std::ranges::any_of(value, names_an_address);
  if (!value.is_object()) return false;
  return std::ranges::any_of(value.items(), [](const auto& each) {
    return each.key() == "image_url" || each.key() == "url" || each.key() == "file" || each.key() == "input_audio" || names_an_address(each.value());
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view path = kPaths[data[0] % std::size(kPaths)], text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const char* method : {"GET", "POST"}) {
    const auto forwarded = inference::forwarded_path(method, text);
    DEMAND(!forwarded || *forwarded == "/v1/models" || std::ranges::find(kPaths, *forwarded) != std::end(kPaths));
  }
  const auto question = inference::filtered(path, text);
  if (!question) {
    DEMAND(!question.error().empty());
    return 0;
  }
  const Json body = Json::parse(question->body);
  for (const auto& [name, value] : body.items()) DEMAND(std::ranges::find(kKnown, name) != std::end(kKnown));
  DEMAND(body["cache_prompt"] == false);
  DEMAND(body.contains("messages") == (path == kPaths[0]) && body.contains("prompt") == (path != kPaths[0]));
  DEMAND(body.value("stream", false) == question->streams);
  DEMAND(!body.contains("prompt") || body["prompt"].is_string());
  demand_within(body, "repeat_last_n", -1, inference::kMostRemembered);
  for (const char* name : {"n_probs", "top_logprobs", "logprobs"}) demand_within(body, name, 0, inference::kMostProbabilities);
  for (const char* name : {"max_tokens", "max_completion_tokens", "n_predict"}) demand_within(body, name, -1, inference::kMostTokens);
  DEMAND(!names_an_address(body));
  const auto again = inference::filtered(path, question->body);
  DEMAND(again && again->body == question->body && again->streams == question->streams);
  return 0;
}
