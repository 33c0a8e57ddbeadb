// What the program's commands do: nitro-cli's verbs, with its output, and `allocate` (allocation.hpp). JSON goes to
// standard output, words for people to standard error. Each answers the exit status or throws Failure.
// The options are in command_line.cpp, the only file that knows how a command line is read.
#pragma once

#include "guests/parent/cli/run_request.hpp"
#include "tools/cofferdam/image/build_image.hpp"

namespace enclave_cli {

int run_enclave(Environment& environment, RunRequest request);

int describe_enclaves(const Environment& environment, bool metadata);
// id or name: the other is empty.
int terminate_enclave(const Environment& environment, const std::string& id, const std::string& name);
int terminate_all_enclaves(const Environment& environment);
int show_console(Environment& environment, const std::string& id, const std::string& name,
                 std::optional<Milliseconds> allowed);

int describe_image(const std::string& path);
int sign_image(const std::string& path, const std::string& certificate, const std::string& key);
int print_pcr(const std::string& input, const std::string& certificate);  // the certificate's, unless it is empty

struct BuildOptions {
  std::string docker_uri, docker_dir, output, certificate, key;
  cofferdam::ImageRecipe recipe;  // without a kernel, a name and a command line: NITRO_CLI_BLOBS' and the output's name
};
int build_image(const BuildOptions& options);

// Everything that main does. Answers the exit status: 0, or the number of the error code.
[[nodiscard]] int run_command_line(int argc, const char* const* argv, Environment& environment);

}  // namespace enclave_cli
