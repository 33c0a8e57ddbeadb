#include "guests/parent/cli/run_request.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "guests/parent/cli/failure.hpp"
#include "tools/cofferdam/bytes.hpp"

namespace enclave_cli {
namespace {

constexpr std::uint64_t kParentCid = 3;
constexpr std::uint64_t kHighestCid = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMostMemoryMib = std::uint64_t{1} << 30;  // a PiB: no product below can wrap
constexpr std::size_t kConfigLimit = 64 * 1024;

}  // namespace

std::uint64_t memory_in_mib(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  std::uint64_t factor = 0;
  if (unit.empty() || unit == "M" || unit == "m") factor = 1;
  if (unit == "G" || unit == "g") factor = 1024;
  if (unit == "T" || unit == "t") factor = 1024 * 1024;
  if (error != std::errc{} || factor == 0 || number > kMostMemoryMib / factor) {
    throw Failure(ErrorCode::kInvalidArgument, "The parameter `memory` is not an amount of memory (`" + text + "`).",
                  "Give MiB (512), or a number with a unit: 512M, 2G, 1T.");
  }
  return number * factor;
}

void check_cid(std::uint64_t cid) {
  if (cid == 0) return;
  if (cid <= kParentCid || cid >= kHighestCid) {
    throw Failure(ErrorCode::kInvalidArgument,
                  "CID " + std::to_string(cid) + (cid == kParentCid ? " is the parent's." : " can't be an enclave's."),
                  "Give one from 4 to 4294967294, or none: the monitor chooses.");
  }
}

RunRequest request_from_config(const std::string& path, std::vector<std::string>& ignored) {
  cofferdam::Bytes bytes;
  try {
    bytes = cofferdam::read_file(path, kConfigLimit);
  } catch (const cofferdam::Unreadable& error) {
    throw Failure(ErrorCode::kFileOperation, std::string(error.what()) + '.');
  }
  RunRequest request;
  try {
    const nlohmann::json json = nlohmann::json::parse(cofferdam::as_text(bytes));
    static const std::set<std::string> kKnown{"enclave_name", "cpu_count",   "cpu_ids",    "memory_mib",
                                              "eif_path",     "enclave_cid", "debug_mode", "attach_console"};
    if (!json.is_object()) throw Failure(ErrorCode::kSerialization, path + " is not a JSON object.");
    for (const auto& [key, value] : json.items()) {
      if (!kKnown.contains(key)) ignored.push_back(key);
    }
    const auto given = [&json](const char* key) { return json.contains(key) && !json[key].is_null(); };
    for (const char* key : {"eif_path", "memory_mib"}) {
      if (!given(key)) throw Failure(ErrorCode::kMissingArgument, path + " has no \"" + key + "\".");
    }
    if (given("cpu_count") && given("cpu_ids")) {
      throw Failure(ErrorCode::kConflictingArgument, path + " has both \"cpu_count\" and \"cpu_ids\".",
                    "Give one of them.");
    }
    if (!given("cpu_count") && !given("cpu_ids")) {
      throw Failure(ErrorCode::kMissingArgument, path + " has neither \"cpu_count\" nor \"cpu_ids\".",
                    "Give one of them.");
    }
    // get<unsigned>() would take 1.5, -1 and true.
    const auto number = [&](const nlohmann::json& value, const char* key, std::uint64_t most) {
      if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
        throw Failure(ErrorCode::kInvalidArgument,
                      path + ": \"" + key + "\" is not a number from 0 to " + std::to_string(most) + '.');
      }
      return value.get<std::uint64_t>();
    };
    request.eif_path = json["eif_path"].get<std::string>();
    request.memory_mib = number(json["memory_mib"], "memory_mib", kMostMemoryMib);
    if (given("enclave_name")) request.name = json["enclave_name"].get<std::string>();
    if (given("cpu_count"))
      request.cpu_count = static_cast<std::uint32_t>(number(json["cpu_count"], "cpu_count", 8192));
    if (given("cpu_ids")) {
      if (!json["cpu_ids"].is_array()) throw Failure(ErrorCode::kSerialization, path + ": \"cpu_ids\" is not a list.");
      for (const nlohmann::json& id : json["cpu_ids"])
        request.cpu_ids.push_back(static_cast<std::uint32_t>(number(id, "cpu_ids", 8191)));
    }
    if (given("enclave_cid")) request.cid = number(json["enclave_cid"], "enclave_cid", kHighestCid);
    if (given("debug_mode")) request.debug = json["debug_mode"].get<bool>();
    if (given("attach_console")) request.attach_console = json["attach_console"].get<bool>();
  } catch (const nlohmann::json::exception& error) {
    throw Failure(ErrorCode::kSerialization, path + ": " + error.what() + '.');
  }
  request.debug = request.debug || request.attach_console;
  return request;
}

std::string free_name(const std::string& wanted, const std::string& eif_path, const std::vector<std::string>& taken) {
  std::string name = wanted;
  if (name.empty()) {
    name = eif_path.substr(eif_path.rfind('/') + 1);  // npos + 1 is 0
    if (name.ends_with(".eif")) name.resize(name.size() - 4);
  }
  std::string candidate = name;
  for (std::size_t index = 1; std::find(taken.begin(), taken.end(), candidate) != taken.end(); ++index) {
    candidate = name + '_' + std::to_string(index);
  }
  return candidate;
}

}  // namespace enclave_cli
