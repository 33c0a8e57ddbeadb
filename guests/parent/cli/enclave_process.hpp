// The process that keeps one enclave: it holds the driver's descriptor, so the enclave lives as long as it does. It
// starts the enclave, serves the commands at its socket, and ends when the enclave ends, on terminate and on SIGTERM.
//
// Killed, it leaves nothing but its socket's name: the kernel closes the descriptor, and the driver ends the enclave.
#pragma once

#include "guests/parent/cli/launch.hpp"

namespace enclave_cli {

// Forks it off, free of the terminal, the command's files and its folder. Answers the command's end of its socket,
// where the replies to the start arrive (control_channel.hpp). Throws Failure E04, E05, E06. request: its paths are
// absolute.
[[nodiscard]] Descriptor spawn_enclave_process(Environment& environment, const RunRequest& request);

// What that process does, from the start to its end. Answers its exit status: 0, or the error code of the start.
// SIGTERM, SIGINT and SIGHUP must be blocked in every thread.
[[nodiscard]] int run_enclave_process(Environment& environment, const RunRequest& request, Descriptor starter);

}  // namespace enclave_cli
