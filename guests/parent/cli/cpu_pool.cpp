#include "guests/parent/cli/cpu_pool.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <set>

#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {
namespace {

constexpr std::uint32_t kHighestCpu = 8191;  // CONFIG_NR_CPUS of any kernel

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\n") - from + 1);
}

std::uint32_t cpu_number(std::string_view text) {
  text = trimmed(text);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > kHighestCpu) {
    throw Failure(ErrorCode::kMalformedCpuId, "'" + std::string(text) + "' is not the number of a CPU.");
  }
  return number;
}

}  // namespace

CpuList parse_cpu_list(std::string_view text) {
  std::set<std::uint32_t> cpus;
  text = trimmed(text);
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view range = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const std::size_t dash = range.find('-');
    const std::uint32_t first = cpu_number(range.substr(0, dash));
    const std::uint32_t last = dash == std::string_view::npos ? first : cpu_number(range.substr(dash + 1));
    if (last < first) throw Failure(ErrorCode::kCpu, "'" + std::string(range) + "' is not a range of CPUs.");
    for (std::uint32_t cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
  }
  return {cpus.begin(), cpus.end()};
}

std::string cpu_list_text(CpuList cpus) {
  std::sort(cpus.begin(), cpus.end());
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t end = i + 1;
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    text += (text.empty() ? "" : ",") + std::to_string(cpus[i]);
    if (end - i > 1) text += '-' + std::to_string(cpus[end - 1]);
    i = end;
  }
  return text;
}

CpuList read_cpu_pool(KernelFiles& files) {
  std::string text;
  if (const int error = files.read(kPoolFile, text); error < 0) {
    throw Failure(ErrorCode::kFileOperation,
                  std::string("The driver's CPU pool ") + kPoolFile + " can't be read: " + std::strerror(-error) + '.',
                  "Load the driver: modprobe nitro_enclaves (or insmod nitro_enclaves.ko).");
  }
  return parse_cpu_list(text);
}

void check_cpu_choice(const CpuList& pool, const std::optional<std::uint32_t>& count, const CpuList& ids) {
  const std::string shown = pool.empty() ? "The pool is empty." : "The pool is " + cpu_list_text(pool) + '.';
  if (count) {
    if (*count == 0)
      throw Failure(ErrorCode::kInsufficientCpus, "`cpu-count` is 0.", "An enclave needs at least one CPU.");
    if (*count > pool.size()) {
      throw Failure(ErrorCode::kInsufficientCpus,
                    "`cpu-count` is " + std::to_string(*count) + ", and the pool has " + std::to_string(pool.size()) +
                        ". " + shown,
                    "`cofferdam-cli allocate --cpu-count " + std::to_string(*count) + "`, while no enclave exists.");
    }
    return;
  }
  std::set<std::uint32_t> seen;
  for (const std::uint32_t id : ids) {
    if (!seen.insert(id).second) {
      throw Failure(ErrorCode::kInvalidCpuConfiguration,
                    "`cpu-ids` has CPU " + std::to_string(id) + " more than once.");
    }
  }
  for (const std::uint32_t id : ids) {
    if (std::find(pool.begin(), pool.end(), id) == pool.end()) {
      throw Failure(ErrorCode::kNoSuchCpuInPool,
                    "`cpu-ids` has CPU " + std::to_string(id) + ", which is not in the pool. " + shown,
                    "`cofferdam-cli allocate --cpu-ids ...`, while no enclave exists.");
    }
  }
  if (ids.empty())
    throw Failure(ErrorCode::kInsufficientCpus, "`cpu-ids` is empty.", "An enclave needs at least one CPU.");
}

}  // namespace enclave_cli
