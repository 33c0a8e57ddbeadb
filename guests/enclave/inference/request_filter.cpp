#include "guests/enclave/inference/request_filter.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace inference {
namespace {

using Json = nlohmann::json;
constexpr int kDeepest = 32;
constexpr std::array kPosts{"/v1/chat/completions", "/v1/completions", "/completion"};
// OpenAI's API reference, "Create chat completion", "Create completion"; tools/server/README.md of llama.cpp, "POST /completion".
// Not here, on purpose: id_slot and cache_prompt (others' state), lora, whatever names a file or an address, and grammar,
// whose parser recurses as deep as a request says.
constexpr std::array kMembers{
    "model",          "messages",         "prompt",         "stream",        "stream_options", "max_tokens",        "max_completion_tokens",
    "n_predict",      "temperature",      "top_p",          "top_k",         "min_p",          "typical_p",         "seed",
    "stop",           "frequency_penalty", "presence_penalty", "repeat_penalty", "repeat_last_n", "logit_bias",      "logprobs",
    "top_logprobs",   "n_probs",          "response_format", "json_schema",  "tools",             "tool_choice",
    "parallel_tool_calls", "ignore_eos",  "return_tokens",  "echo",          "user"};

}  // namespace

std::optional<std::string> forwarded_path(std::string_view method, std::string_view target) {
  if (method == "GET" && target == "/v1/models") return std::string(target);
  if (method == "POST" && std::ranges::find(kPosts, target) != kPosts.end()) return std::string(target);
  return std::nullopt;
}

std::expected<Question, std::string> filtered(std::string_view body) {
  bool too_deep = false;
  const auto watch = [&too_deep](int depth, Json::parse_event_t, const Json&) {
    too_deep = too_deep || depth > kDeepest;
    return !too_deep;  // nothing deeper is kept: what writes it out again calls itself
  };
  const Json json = Json::parse(body, watch, false);
  if (too_deep) return std::unexpected("the request is nested more than 32 deep");
  if (!json.is_object()) return std::unexpected("the request is no JSON object");
  if (json.contains("stream") && !json["stream"].is_boolean()) return std::unexpected("\"stream\" is true or false");
  Json kept = Json::object();
  for (const char* member : kMembers) {
    if (json.contains(member)) kept[member] = json[member];
  }
  kept["cache_prompt"] = false;
  try {
    return Question{kept.dump(), kept.value("stream", false)};
  } catch (const Json::exception&) {
    return std::unexpected("the request is not UTF-8");
  }
}

}  // namespace inference
