#include "guests/enclave/inference/model_process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <vector>

#include "tools/https/client.hpp"

namespace inference {
namespace {

constexpr uid_t kNobody = 65534;

// From here on this process can answer connections and make none: what it knows can't leave by vsock or through the relay.
// seccomp(2), classic BPF over struct seccomp_data; arguments are looked at in their lower halves, as these calls' are ints.
bool only_answer() {
  constexpr std::uint32_t kArchitecture =
#if defined(__aarch64__)
      AUDIT_ARCH_AARCH64;
#else
      AUDIT_ARCH_X86_64;
#endif
  const auto argument = [](std::size_t index) { return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * index); };
  const auto load = [](std::uint32_t at) { return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, at}; };
  const auto equal = [](std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, yes, no, value};
  };
  const auto has = [](std::uint32_t bits, std::uint8_t yes, std::uint8_t no) {
    return sock_filter{BPF_JMP | BPF_JSET | BPF_K, yes, no, bits};
  };
  const sock_filter allow{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}, refuse{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM};
  sock_filter program[] = {
      load(offsetof(seccomp_data, arch)), equal(kArchitecture, 1, 0), refuse,
      load(offsetof(seccomp_data, nr)),
      equal(__NR_connect, 12, 0), equal(__NR_ptrace, 11, 0), equal(__NR_io_uring_setup, 10, 0),
      equal(__NR_process_vm_readv, 9, 0), equal(__NR_socket, 4, 0), equal(__NR_sendto, 5, 0), equal(__NR_sendmmsg, 4, 0),
      equal(__NR_sendmsg, 7, 0), allow,
      load(argument(0)), equal(AF_VSOCK, 2, 3),                     // of socket
      load(argument(3)), has(MSG_FASTOPEN, 0, 1),                   // of sendto, sendmmsg: a connection without connect()
      refuse, allow,
      load(argument(2)), has(MSG_FASTOPEN, 0, 1), refuse, allow,    // of sendmsg
  };
  const sock_fprog filter{std::size(program), program};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

// glibc makes every thread's stack as large as the process's may be. Linux refuses one that is larger than the
// machine's memory.
rlimit stack_limit() {
  struct sysinfo machine{};
  if (::sysinfo(&machine) != 0) throw std::runtime_error("the machine's memory is not known");
  const std::uint64_t memory = std::uint64_t{machine.totalram} * machine.mem_unit;
  const rlim_t most = std::min(kStack, memory / 4 * 3);
  return {.rlim_cur = most, .rlim_max = most};
}

std::string ending(int status) {
  if (WIFEXITED(status)) return "with status " + std::to_string(WEXITSTATUS(status));
  return "by signal " + std::to_string(WTERMSIG(status));
}

}  // namespace

std::vector<std::string> model_command(const Service& service, int port) {
  return {kModelProgram, "--model", "/proc/self/fd/" + std::to_string(kModelFile), "--alias", service.model,
          "--host", "127.0.0.1", "--port", std::to_string(port), "--offline", "--no-ui", "--log-disable", "--no-warmup",
          "--ctx-size", std::to_string(service.context_tokens * service.parallel), "--parallel", std::to_string(service.parallel),
          "--threads", std::to_string(service.threads), "--fit", "off",
          // A question holds a thread of its server while it is answered or waits; the list of models is given beside them all.
          "--threads-http", std::to_string(questions_at_once(service) + 2),
          // What one client leaves behind, no other finds: no cache of prompts, no view of the slots, and the slot that is free the
          // longest, not the one whose last prompt is the most alike.
          "--no-slots", "--no-cache-prompt", "--cache-ram", "0", "--no-kv-unified", "--slot-prompt-similarity", "0"};
}

ModelProcess::ModelProcess(const Service& service, int model, int port, const char* program) : port_(port) {
  const std::vector<std::string> words = model_command(service, port);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  char path[] = "PATH=/usr/bin", home[] = "HOME=/nonexistent";
  char* const environment[] = {path, home, nullptr};
  const rlimit stack = stack_limit();
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error(std::string("llama-server can't be started: ") + std::strerror(errno));
  if (process_ > 0) return;
  // Its words could hold a prompt: they go nowhere.
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (const int standard : {0, 1, 2}) ::dup2(nowhere, standard);
  if (model == kModelFile) ::fcntl(model, F_SETFD, 0);
  else ::dup2(model, kModelFile);
  ::close_range(kModelFile + 1, ~0U, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::setrlimit(RLIMIT_STACK, &stack) != 0) ::_exit(126);
  if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // a change of user clears it
  if (!only_answer()) ::_exit(126);
  ::execve(program, arguments.data(), environment);
  ::_exit(127);
}

ModelProcess::~ModelProcess() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

void ModelProcess::wait_until_ready(std::chrono::seconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  for (;;) {
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) == process_) {
      process_ = 0;
      throw std::runtime_error("llama-server ended " + ending(status) +
                               " before it was ready: is the model a GGUF, and is there memory for it?");
    }
    try {
      https::ClientOptions options;
      options.host = "127.0.0.1";
      options.port = port_;
      options.tls = false;
      https::Client client(options);
      if (client.send({.method = "GET", .target = "/health", .headers = {}, .body = {}, .client_name = {}}).status == 200) return;
    } catch (const https::HttpsError&) {
    }
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("llama-server was not ready in time");
    ::usleep(200'000);
  }
}

std::string ModelProcess::wait_for_end() {
  int status = 0;
  while (::waitpid(process_, &status, 0) != process_) {
  }
  process_ = 0;
  return ending(status);
}

}  // namespace inference
