// cofferdam eif build: the command that reads folders, archives and compressed kernels, and so needs libarchive. Apart from the
// other commands, which are also built for a parent that has none.
#pragma once

#include <string>
#include <vector>

#include "tools/cofferdam/commands.hpp"
#include "tools/command_line/command_line.hpp"

namespace cofferdam {

// `eif` is the command that add_eif_commands answers. `behind`: the words behind "--", which no command line parser looks
// at; they are the application's command. Answers the command, to be asked whether it was chosen.
command_line::Command add_eif_build_command(command_line::Command eif, Run& run, const std::vector<std::string>& behind);

}  // namespace cofferdam
