// `cofferdam chat`: its options, and how it shows what happens, to a person or to a script.
//
// A person: what was verified goes to standard error, answers to standard output as they come. A script (--json): one JSON object
// a line on standard output; "event" is verified, token, answer or refused, further keys may be added.
#pragma once

#include "tools/cofferdam/commands.hpp"
#include "tools/command_line/command_line.hpp"

namespace chat {

void add_chat_command(command_line::Command application, cofferdam::Run& run);

}  // namespace chat
