// cofferdam artifact encrypt | decrypt | describe.
#pragma once

#include "tools/cofferdam/commands.hpp"
#include "tools/command_line/command_line.hpp"

namespace artifact {

void add_artifact_commands(command_line::Command application, cofferdam::Run& run);

}  // namespace artifact
