#include "guests/enclave/init/run_program.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "guests/enclave/init/boot_files.hpp"
#include "guests/enclave/init/last_words.hpp"

namespace enclave_init {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& lines) {
  std::vector<char*> result;
  for (const std::string& line : lines) result.push_back(const_cast<char*>(line.c_str()));
  result.push_back(nullptr);
  return result;
}

// Only returns when nothing could be started; the errno of the file that was there, or ENOENT.
int start(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
  const std::vector<char*> arguments = pointers(command), variables = pointers(environment);
  const std::string& program = command.front();
  if (program.find('/') != program.npos) {
    ::execve(program.c_str(), arguments.data(), variables.data());
    return errno;
  }
  int found = ENOENT;
  for (const std::string& folder : search_path(environment)) {
    ::execve((folder + "/" + program).c_str(), arguments.data(), variables.data());
    if (errno != ENOENT && errno != ENOTDIR) found = errno;
  }
  return found;
}

}  // namespace

int run_until_end(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
  int failure[2];  // carries the errno of a program that could not be started; closed by one that was
  if (::pipe2(failure, O_CLOEXEC) != 0) give_up("can't make a pipe", errno, "give the enclave more memory");
  const pid_t child = ::fork();
  if (child < 0) give_up("can't start a process", errno, "give the enclave more memory");
  if (child == 0) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setsid();
    ::ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    const int error = start(command, environment);
    [[maybe_unused]] const ssize_t told = ::write(failure[1], &error, sizeof error);
    ::_exit(127);
  }
  ::close(failure[1]);
  int error = 0;
  if (::read(failure[0], &error, sizeof error) == static_cast<ssize_t>(sizeof error)) {
    give_up("can't start " + command.front(), error,
            "let /cmd name a program of the image's root, built for this machine, with its interpreter and libraries beside it");
  }
  ::close(failure[0]);
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) give_up("lost the program", errno, "report this: its parent is the one that waits");
  }
}

}  // namespace enclave_init
