// The first process of an enclave: docs/enclave-images.md is its contract. In this order: devices and console, modules,
// loopback, the heartbeat to the parent, the image's own root, its program; and when that ends, the enclave's end.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "guests/enclave/init/boot_files.hpp"
#include "guests/enclave/init/first_mounts.hpp"
#include "guests/enclave/init/heartbeat.hpp"
#include "guests/enclave/init/last_words.hpp"
#include "guests/enclave/init/load_modules.hpp"
#include "guests/enclave/init/run_program.hpp"
#include "guests/enclave/init/whole_file.hpp"

namespace enclave_init {
namespace {

std::vector<std::string> read_command() {
  const WholeFile file = read_whole_file("/cmd", kMaxBootFile);
  if (file.error != 0) give_up("can't read /cmd", file.error, "let a ramdisk hold /cmd: the program and its arguments, one a line");
  Lines command = parse_command(file.content);
  if (!command.problem.empty()) give_up("/cmd " + command.problem, 0, "write the program and its arguments there, one a line");
  return std::move(command.lines);
}

std::vector<std::string> read_environment() {
  const WholeFile file = read_whole_file("/env", kMaxBootFile);
  if (file.error != 0 && file.error != ENOENT) give_up("can't read /env", file.error, "build the image anew");
  Lines environment = parse_environment(file.content);
  if (!environment.problem.empty()) give_up("/env " + environment.problem, 0, "write NAME=VALUE there, one a line");
  return std::move(environment.lines);
}

[[noreturn]] void run() {
  // As the first process gets no signal that it does not ask for, only those that a program could send matter.
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  ::umask(022);

  mount_first();
  load_modules();
  bring_up_loopback();
  const WholeFile words = read_whole_file("/proc/cmdline", kMaxBootFile);
  if (wants_heartbeat(words.content)) {
    const std::string problem = send_heartbeat();
    if (!problem.empty()) {
      give_up("no heartbeat: " + problem, 0, "let the parent listen on vsock port 9000 before it starts the enclave, or build the "
              "image with cofferdam.heartbeat=off on its command line");
    }
  } else {
    say("no heartbeat is sent: cofferdam.heartbeat=off");
  }
  // Before the root changes: they lie beside /rootfs, not in it.
  const std::vector<std::string> command = read_command(), environment = read_environment();
  ::unlink("/cmd");
  ::unlink("/env");
  const bool own_root = enter_root();
  mount_rest();
  say("starting " + command.front() + (own_root ? " in the image's root" : ""));
  const int status = run_until_end(command, environment);
  say(describe_end(status));
  end_enclave(status_of(status));
}

}  // namespace
}  // namespace enclave_init

int main() {
  if (::getpid() != 1) {
    enclave_init::say("error: this is the first process of an enclave; the kernel starts it, nobody else");
    return 2;
  }
  enclave_init::run();
}
