// The program's commands: nitro-cli's verbs, options and output, and `allocate`. JSON goes to standard output, words for
// people to standard error.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "guests/parent/cli/environment.hpp"
#include "guests/parent/cli/event_log.hpp"

namespace enclave_cli {

using Run = std::function<int()>;  // set by the command that was chosen; answers the exit status or throws Failure

void add_run_command(CLI::App& application, Environment& environment, Run& run);
void add_enclave_commands(CLI::App& application, Environment& environment, Run& run);  // describe-enclaves, terminate, console
void add_image_commands(CLI::App& application, Run& run);  // describe-eif, build-enclave, sign-eif, pcr
void add_allocate_command(CLI::App& application, Environment& environment, Run& run);
void add_explain_command(CLI::App& application, Run& run);

// Everything that main does. Answers the exit status: 0, or the number of the error code.
[[nodiscard]] int run_command_line(int argc, const char* const* argv, Environment& environment);

}  // namespace enclave_cli
