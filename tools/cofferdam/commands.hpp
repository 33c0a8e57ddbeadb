// The program's commands. Each adds itself to the command line and answers the exit code when it was chosen.
//
// 0 accepted, done; 1 refused: the input was read and is not acceptable; 2 unreadable input or wrong usage.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace cofferdam {

inline constexpr int kAccepted = 0;
inline constexpr int kRefused = 1;
inline constexpr int kUnreadable = 2;

using Run = std::function<int()>;  // set by the command that was chosen

void add_verify_command(CLI::App& application, Run& run);
void add_eif_commands(CLI::App& application, Run& run);
void add_reference_values_command(CLI::App& application, Run& run);

}  // namespace cofferdam
