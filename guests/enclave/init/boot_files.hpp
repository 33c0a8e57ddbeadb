// What the first process of an enclave reads: /cmd and /env as AWS's builder writes them (linuxkit: one argument, or one
// NAME=VALUE, a line), our list of modules, one word of the kernel's command line. Pure; nothing here touches the machine.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace enclave_init {

inline constexpr std::size_t kMaxBootFile = 128 * 1024;  // bytes of one file
inline constexpr std::size_t kMaxLines = 4096;           // of one file

struct Lines {
  std::vector<std::string> lines;
  std::string problem;  // not empty: the file was refused, and `lines` is empty
};
// /cmd: one argument a line, an empty line being an empty argument. Refused: no argument, an empty program, a NUL byte,
// more than the bounds.
[[nodiscard]] Lines parse_command(std::string_view text);
// /env: NAME=VALUE a line. Lines without a name or without "=" are left out, as a shell would not take them either; a NUL
// byte or more than the bounds is refused. Without a PATH, one is added.
[[nodiscard]] Lines parse_environment(std::string_view text);

struct Module {
  std::string name;        // letters, digits, "_" and "-"
  std::string parameters;  // what follows the name
};
struct Modules {
  std::vector<Module> modules;
  std::string problem;
};
// /etc/cofferdam/modules: "NAME [PARAMETERS]" a line, in the order of loading; "#" begins a comment.
[[nodiscard]] Modules parse_modules(std::string_view text);

// False when the last "cofferdam.heartbeat=" of the command line is "off".
[[nodiscard]] bool wants_heartbeat(std::string_view kernel_command_line);

// The folders of the last PATH= of an environment, or those of the PATH that parse_environment adds. Empty ones are left out.
[[nodiscard]] std::vector<std::string> search_path(const std::vector<std::string>& environment);

// How a program ended, from waitpid(2): its status, or 128 and the signal's number, as a shell says it.
[[nodiscard]] int status_of(int wait_status);
// "program ended with status 3" or "program was ended by signal 9, status 137".
[[nodiscard]] std::string describe_end(int wait_status);

}  // namespace enclave_init
