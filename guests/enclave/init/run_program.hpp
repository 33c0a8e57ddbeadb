// Runs the image's program and, as the first process must, waits for everything that loses its parent.
#pragma once

#include <string>
#include <vector>

namespace enclave_init {

// The program's status as waitpid(2) gives it. `command` has at least one word; a program without "/" is searched in the
// environment's PATH. Gives up when it can't be started.
[[nodiscard]] int run_until_end(const std::vector<std::string>& command, const std::vector<std::string>& environment);

}  // namespace enclave_init
