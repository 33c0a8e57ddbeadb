#include "guests/enclave/inference/request_filter.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace inference {
namespace {

using Json = nlohmann::json;
using Checked = relay::OrReason<Json>;  // the value that is passed on, or what it must be

constexpr std::string_view kChat = "/v1/chat/completions";
// Not llama-server's own /completion, whose answers name the slot: that tells one user what others do.
constexpr std::array kPosts{kChat, std::string_view("/v1/completions")};
// They would change the answer, so that leaving them out would deceive. Schemas, tools and grammars become grammars in
// llama-server, whose size and depth a request decides; templates are programs; adapters are all users'; images come by address.
constexpr std::array kNotOffered{"grammar",       "json_schema",  "tools",         "functions",
                                 "function_call", "lora",         "chat_template", "image_data",
                                 "input_prefix",  "input_suffix", "suffix"};
constexpr std::array kEfforts{"none", "minimal", "low", "medium", "high", "xhigh"};
constexpr std::array kRoles{"system", "developer", "user", "assistant"};

bool is_nothing(const Json& value) {
  return value.is_null() || (value.is_structured() && value.empty()) || value == "";
}

bool is_whole(const Json& value, std::int64_t least, std::int64_t most) {
  if (value.is_number_unsigned()) {
    return value.get<std::uint64_t>() <= static_cast<std::uint64_t>(most) && value.get<std::int64_t>() >= least;
  }
  return value.is_number_integer() && value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most;
}

template <std::int64_t kLeast, std::int64_t kMost>
Checked whole(const Json& value) {
  if (is_whole(value, kLeast, kMost)) return value;
  return relay::Reason("is a whole number between " + std::to_string(kLeast) + " and " + std::to_string(kMost));
}

// OpenAI's are 64 bits, llama-server's 32, of which the last (-1) is its word for a random one.
Checked seed(const Json& value) {
  constexpr std::int64_t kRandom = 0xFFFF'FFFF;
  if (is_whole(value, -1, kRandom)) return value;
  if (is_whole(value, INT64_MIN, INT64_MAX))
    return Json(static_cast<std::uint64_t>(value.get<std::int64_t>()) % kRandom);
  return relay::Reason("is a whole number of 64 bits");
}

template <int kLeast, int kMost>
Checked number(const Json& value) {
  if (value.is_number() && value.get<double>() >= kLeast && value.get<double>() <= kMost) return value;
  return relay::Reason("is a number between " + std::to_string(kLeast) + " and " + std::to_string(kMost));
}

Checked flag(const Json& value) {
  if (value.is_boolean()) return value;
  return relay::Reason("is true or false");
}

// A list is several requests to llama-server, each for a slot of its own; of one text (as LangChain sends it) it is
// that text. Objects may hold images.
Checked prompt(const Json& value) {
  const Json& only = value.is_array() && value.size() == 1 ? value[0] : value;
  if (only.is_string()) return only;
  return relay::Reason("is text: one prompt a request");
}

Checked probabilities(const Json& value) {
  if (value.is_boolean() || is_whole(value, 0, kMostProbabilities)) return value;
  return relay::Reason("is true, false, or a whole number between 0 and " + std::to_string(kMostProbabilities));
}

Checked stops(const Json& value) {
  const auto good = [](const Json& each) {
    return each.is_string() && each.get_ref<const std::string&>().size() <= kLongestStop;
  };
  if (good(value) || (value.is_array() && value.size() <= kMostStops && std::ranges::all_of(value, good))) return value;
  return relay::Reason("is text or a list of at most 16 texts, of at most 256 bytes each");
}

Checked biases(const Json& value) {
  bool good = value.is_object() && value.size() <= kMostBiases;
  for (auto each = value.begin(); good && each != value.end(); ++each) {
    const std::string& token = each.key();
    good = !token.empty() && token.size() < 10 && std::ranges::all_of(token, [](char c) { return c >= '0' && c <= '9'; }) &&
           number<-100, 100>(*each);
  }
  if (good) return value;
  return relay::Reason("is an object of at most 1024 numbers between -100 and 100, named by tokens' numbers");
}

Checked stream_options(const Json& value) {
  if (!value.is_object()) return relay::Reason("is an object");
  const auto usage = value.find("include_usage");
  if (usage == value.end()) return Json::object();
  if (!usage->is_boolean()) return relay::Reason("has include_usage true or false");
  return Json{{"include_usage", *usage}};
}

Checked response_format(const Json& value) {
  const auto type = value.is_object() ? value.find("type") : value.end();
  if (value.is_object() && type != value.end() && (*type == "text" || *type == "json_object") &&
      (!value.contains("schema") || is_nothing(value["schema"]))) {
    return Json{{"type", *type}};
  }
  return relay::Reason("has the type text or json_object; schemas are not offered");
}

bool is_effort(const Json& value) {
  return std::ranges::any_of(kEfforts, [&value](const char* known) { return value == known; });
}
Checked effort(const Json& value) {
  if (is_effort(value)) return value;
  return relay::Reason("is one of none, minimal, low, medium, high, xhigh");
}

// Others would be words of the template's own.
Checked template_words(const Json& value) {
  bool good = value.is_object();
  for (auto each = value.begin(); good && each != value.end(); ++each) {
    good = each.key() == "enable_thinking" ? each->is_boolean() : each.key() == "reasoning_effort" && is_effort(*each);
  }
  if (good) return value;
  return relay::Reason("holds enable_thinking, true or false, a reasoning_effort, and nothing else");
}

Checked modalities(const Json& value) {
  if (value == Json::array({"text"})) return value;
  return relay::Reason("is [\"text\"]");
}

// nullopt: not one that is offered.
std::optional<Json> message_content(const Json& content) {
  if (content.is_string()) return content;
  if (!content.is_array() || content.empty() || content.size() > kMostParts) return std::nullopt;
  Json parts = Json::array();
  for (const Json& part : content) {
    if (!part.is_object()) return std::nullopt;
    const auto type = part.find("type"), text = part.find("text");
    if (type == part.end() || *type != "text" || text == part.end() || !text->is_string()) return std::nullopt;
    parts.push_back({{"type", "text"}, {"text", *text}});
  }
  return parts;
}

Checked messages(const Json& value) {
  if (!value.is_array() || value.empty() || value.size() > kMostMessages) return relay::Reason("is a list of 1 to 1024 messages");
  Json kept = Json::array();
  for (const Json& message : value) {
    if (!message.is_object()) return relay::Reason("holds objects");
    const auto role = message.find("role"), content = message.find("content");
    if (role == message.end() || std::ranges::none_of(kRoles, [&role](const char* known) { return *role == known; })) {
      return relay::Reason("has a role that is none of system, developer, user, assistant");
    }
    auto good = content == message.end() ? std::nullopt : message_content(*content);
    if (!good) {
      return relay::Reason("has content that is no text, nor a list of 1 to 64 parts of text: this service takes nothing else");
    }
    kept.push_back({{"role", *role}, {"content", std::move(*good)}});
  }
  return kept;
}

struct Member {
  const char* name;
  Checked (*check)(const Json& value);
};
// OpenAI's API reference, "Create chat completion", "Create completion"; tools/server/README.md of llama.cpp, "POST /completion".
// Not here, and so left out: `model` (there is one, and the answer says its measured name), id_slot and cache_prompt (others'
// state), and whatever names a file or an address.
constexpr Member kMembers[] = {
    {"messages", messages},
    {"prompt", prompt},
    {"stream", flag},
    {"stream_options", stream_options},
    {"max_tokens", whole<-1, kMostTokens>},
    {"max_completion_tokens", whole<-1, kMostTokens>},
    {"n_predict", whole<-1, kMostTokens>},
    {"temperature", number<0, 100>},
    {"top_p", number<0, 1>},
    {"top_k", whole<-1, 1 << 20>},
    {"min_p", number<0, 1>},
    {"typical_p", number<0, 1>},
    {"seed", seed},
    {"stop", stops},
    {"frequency_penalty", number<-100, 100>},
    {"presence_penalty", number<-100, 100>},
    {"repeat_penalty", number<0, 100>},
    {"repeat_last_n", whole<-1, kMostRemembered>},
    {"logit_bias", biases},
    {"logprobs", probabilities},
    {"top_logprobs", whole<0, kMostProbabilities>},
    {"n_probs", whole<0, kMostProbabilities>},
    {"response_format", response_format},
    {"reasoning_effort", effort},
    {"chat_template_kwargs", template_words},
    {"modalities", modalities},
    {"ignore_eos", flag},
    {"return_tokens", flag},
    {"echo", flag},
};

// What a character may be to an expression: a letter, a digit, a sign, white space, or no white space, as one of
// "[^\s.,]+" takes them. Beyond ASCII it may be any of these, and a line's end also belongs to the signs beside it
// ("[^\s\p{L}\p{N}]+[\r\n/]*").
constexpr std::size_t kClasses = 5;
constexpr unsigned kLetter = 1, kDigit = 2, kSign = 4, kSpace = 8, kNoSpace = 16;
unsigned classes_of(char c) {
  if ((static_cast<unsigned char>(c) & 0x80U) != 0) return kLetter | kDigit | kSign | kSpace | kNoSpace;
  if (c == '\n' || c == '\r') return kSpace | kSign;
  if (c == ' ' || (c >= '\t' && c <= '\r')) return kSpace;
  if (c >= '0' && c <= '9') return kDigit | kNoSpace;
  return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? kLetter : kSign) | kNoSpace;
}

// The longest run of characters of one class. Texts follow one another: a template may put two together.
class LongestRun {
 public:
  void take(const std::string& text) {
    for (const char c : text) {
      if ((static_cast<unsigned char>(c) & 0xC0U) == 0x80) continue;  // the rest of a character in UTF-8
      const unsigned classes = classes_of(c);
      for (std::size_t i = 0; i < kClasses; ++i) {
        runs_[i] = (classes >> i & 1U) != 0 ? runs_[i] + 1 : 0;
        longest_ = std::max(longest_, runs_[i]);
      }
    }
  }
  void take_all(const Json& asked) {
    if (asked.is_string()) return take(asked.get_ref<const std::string&>());
    for (const Json& message : asked) {
      const Json& content = message["content"];
      if (content.is_string()) take(content.get_ref<const std::string&>());
      else for (const Json& part : content) take(part["text"].get_ref<const std::string&>());
    }
  }
  [[nodiscard]] std::size_t characters() const { return longest_; }

 private:
  std::array<std::size_t, kClasses> runs_{};
  std::size_t longest_{};
};

std::optional<std::string> refusal_of(const Json& json) {
  for (const char* name : kNotOffered) {
    const bool none = name == std::string_view("function_call") && json.value(name, Json()) == "none";
    if (json.contains(name) && !is_nothing(json[name]) && !none)
      return "\"" + std::string(name) + "\" is not offered by this service";
  }
  for (const char* name : {"n", "best_of", "n_cmpl"}) {
    if (json.contains(name) && !json[name].is_null() && json[name] != 1) {
      return "\"" + std::string(name) + "\" is 1: a request has one answer";
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> forwarded_path(std::string_view method, std::string_view target) {
  if (method == "GET" && target == "/v1/models") return std::string(target);
  if (method == "POST" && std::ranges::find(kPosts, target) != kPosts.end()) return std::string(target);
  return std::nullopt;
}

relay::OrReason<Question> filtered(std::string_view path, std::string_view body) {
  bool too_deep = false;
  const auto watch = [&too_deep](int depth, Json::parse_event_t, const Json&) {
    too_deep = too_deep || depth > static_cast<int>(kDeepestRequest);
    return !too_deep;  // nothing deeper is kept: what compares or writes it out calls itself
  };
  const Json json = Json::parse(body, watch, false);
  if (too_deep) return relay::Reason("the request is nested more than 32 deep");
  if (!json.is_object()) return relay::Reason("the request is no JSON object in UTF-8");
  if (auto refused = refusal_of(json)) return relay::Reason(std::move(*refused));
  const std::string_view asks = path == kChat ? "messages" : "prompt", other = path == kChat ? "prompt" : "messages";
  Json kept = Json::object();
  for (const Member& member : kMembers) {
    if (member.name == other || !json.contains(member.name) || json[member.name].is_null()) continue;
    Checked checked = member.check(json[member.name]);
    if (!checked) return relay::Reason("\"" + std::string(member.name) + "\" " + checked.error());
    kept[member.name] = std::move(*checked);
  }
  if (!kept.contains(asks)) return relay::Reason("the request lacks \"" + std::string(asks) + "\"");
  LongestRun runs;
  runs.take_all(kept[asks]);
  if (runs.characters() > kLongestRun) {
    return relay::Reason("the text has " + std::to_string(runs.characters()) +
                         " characters of one kind (letters, digits, spaces, signs, anything but spaces; "
                         "those beyond ASCII are of each) without another; " +
                         std::to_string(kLongestRun) +
                         " are taken: put a word of ASCII letters between them, with spaces around it");
  }
  // Versions of llama-server before ggml-org/llama.cpp 26941 know the effort by the template's words alone.
  if (kept.contains("reasoning_effort")) {
    Json& words = kept["chat_template_kwargs"];
    words["reasoning_effort"] = kept["reasoning_effort"];
    if (kept["reasoning_effort"] == "none") words["enable_thinking"] = false;
  }
  kept["cache_prompt"] = false;
  return Question{kept.dump(), kept.value("stream", false)};
}

}  // namespace inference
