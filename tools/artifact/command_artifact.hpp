// cofferdam artifact encrypt | decrypt | describe.
#pragma once

#include "tools/cofferdam/commands.hpp"

namespace artifact {

void add_artifact_commands(CLI::App& application, cofferdam::Run& run);

}  // namespace artifact
