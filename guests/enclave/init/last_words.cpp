#include "guests/enclave/init/last_words.hpp"

#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>

namespace enclave_init {

void say(const std::string& text) {
  const std::string line = "init: " + text + "\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void give_up(const std::string& cause, int error, const std::string& mend) {
  say("error: " + cause + (error == 0 ? "" : std::string(": ") + std::strerror(error)) + "; " + mend);
  end_enclave(1);
}

void end_enclave(int status) {
  ::tcdrain(STDERR_FILENO);
  ::sync();
  ::reboot(status == 0 ? RB_POWER_OFF : RB_AUTOBOOT);
  // Not the first process, or a kernel without that way out. As the first process this is a kernel panic, and a reset.
  ::_exit(status == 0 ? 0 : 1);
}

}  // namespace enclave_init
