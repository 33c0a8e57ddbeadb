// cofferdam eif build: the command that reads folders, archives and compressed kernels, and so needs libarchive. Apart from the
// other commands, which are also built for a parent that has none.
#pragma once

#include "tools/cofferdam/commands.hpp"

namespace cofferdam {

// `eif` is the command that add_eif_commands answers.
void add_eif_build_command(CLI::App& eif, Run& run);

}  // namespace cofferdam
