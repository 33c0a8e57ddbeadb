// The program's commands. Each adds itself to the command line and answers the exit code when it was chosen.
//
// 0 accepted, done; 1 refused: the input was read and is not acceptable; 2 unreadable input or wrong usage.
#pragma once

#include <functional>
#include <iosfwd>

#include "tools/cofferdam/bytes.hpp"
#include "tools/command_line/command_line.hpp"

namespace cofferdam {

inline constexpr int kAccepted = 0;
inline constexpr int kRefused = 1;
inline constexpr int kUnreadable = 2;

using Run = std::function<int()>;  // set by the command that was chosen

void add_verify_command(command_line::Command application, Run& run);
// Answers "eif", which further commands can be added to.
command_line::Command add_eif_commands(command_line::Command application, Run& run);
void add_reference_values_command(command_line::Command application, Run& run);

// Warns of what a monitor would refuse at the start of an enclave: a signer's certificate that is not valid now.
void warn_of_certificate_time(ByteView certificate_pem, std::ostream& out);

}  // namespace cofferdam
