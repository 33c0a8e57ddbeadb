#include "guests/enclave/init/boot_files.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <cctype>

namespace enclave_init {
namespace {

constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::string_view kPath = "PATH=";
constexpr std::string_view kHeartbeat = "cofferdam.heartbeat=";
constexpr std::string_view kBlank = " \t\r\n";

// Lines without their newline; a newline at the very end begins no further line.
Lines split(std::string_view text) {
  if (text.size() > kMaxBootFile) return {{}, "is longer than " + std::to_string(kMaxBootFile) + " bytes"};
  if (text.find('\0') != text.npos) return {{}, "holds a NUL byte"};
  Lines result;
  while (!text.empty()) {
    if (result.lines.size() == kMaxLines) return {{}, "has more than " + std::to_string(kMaxLines) + " lines"};
    const std::size_t end = text.find('\n');
    result.lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return result;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool names_a_module(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

}  // namespace

Lines parse_command(std::string_view text) {
  Lines command = split(text);
  if (!command.problem.empty()) return command;
  if (command.lines.empty() || command.lines.front().empty()) return {{}, "names no program in its first line"};
  return command;
}

Lines parse_environment(std::string_view text) {
  Lines environment = split(text);
  if (!environment.problem.empty()) return environment;
  std::erase_if(environment.lines, [](const std::string& line) {
    const std::size_t equals = line.find('=');
    return equals == line.npos || equals == 0;
  });
  if (std::ranges::none_of(environment.lines, [](const std::string& line) { return line.starts_with(kPath); })) {
    environment.lines.push_back(std::string(kPath) + std::string(kDefaultPath));
  }
  return environment;
}

Modules parse_modules(std::string_view text) {
  const Lines file = split(text);
  if (!file.problem.empty()) return {{}, file.problem};
  Modules result;
  for (const std::string& raw : file.lines) {
    const std::string_view line = trimmed(std::string_view(raw).substr(0, raw.find('#')));
    if (line.empty()) continue;
    const std::size_t end = line.find_first_of(kBlank);
    const std::string_view name = line.substr(0, end);
    if (!names_a_module(name)) return {{}, "names a module '" + std::string(name) + "'; letters, digits, _ and - are allowed"};
    result.modules.push_back({std::string(name), end == line.npos ? "" : std::string(trimmed(line.substr(end)))});
  }
  return result;
}

bool wants_heartbeat(std::string_view kernel_command_line) {
  bool wanted = true;
  while (true) {
    const std::size_t first = kernel_command_line.find_first_not_of(kBlank);
    if (first == kernel_command_line.npos) return wanted;
    kernel_command_line.remove_prefix(first);
    const std::string_view word = kernel_command_line.substr(0, kernel_command_line.find_first_of(kBlank));
    if (word.starts_with(kHeartbeat)) wanted = word.substr(kHeartbeat.size()) != "off";
    kernel_command_line.remove_prefix(word.size());
  }
}

std::vector<std::string> search_path(const std::vector<std::string>& environment) {
  std::string_view path = kDefaultPath;
  for (const std::string& line : environment) {
    if (line.starts_with(kPath)) path = std::string_view(line).substr(kPath.size());
  }
  std::vector<std::string> folders;
  while (!path.empty()) {
    const std::size_t end = path.find(':');
    if (end != 0) folders.emplace_back(path.substr(0, end));
    path.remove_prefix(end == path.npos ? path.size() : end + 1);
  }
  return folders;
}

int status_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

std::string describe_end(int wait_status) {
  const std::string status = std::to_string(status_of(wait_status));
  if (WIFEXITED(wait_status)) return "program ended with status " + status;
  return "program was ended by signal " + std::to_string(WTERMSIG(wait_status)) + ", status " + status;
}

}  // namespace enclave_init
