// How the first process speaks, and how it ends the enclave.
//
// A program in user space can't make the call that hands the monitor a code (kEnclaveExit), so an enclave ends in one of
// two ways that the parent can tell apart: power-off (exit reason 1, code 0) and reset (exit reason 4). The status itself
// stands on the console, which only a debug enclave has.
#pragma once

#include <string>

namespace enclave_init {

// One line on the console, "init: " in front, in one write so that nobody's output cuts it.
void say(const std::string& text);

// Says "error: CAUSE: ERRNO; MEND" and resets the machine. `error` is an errno, or 0 when there is none to tell.
[[noreturn]] void give_up(const std::string& cause, int error, const std::string& mend);

// Power-off for status 0, reset for every other.
[[noreturn]] void end_enclave(int status);

}  // namespace enclave_init
