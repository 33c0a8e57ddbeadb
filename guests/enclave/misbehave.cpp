// What a hostile program of an enclave does, one way at a time. The enclave may come to harm; the parent, the monitor and other
// enclaves may not. Runs as root in an enclave of its own, never on a machine that somebody needs.
//
//   misbehave MODE [N]      prints what it does and what came of it; ends with 0 when it is still there afterwards
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "guests/enclave/nsm_device.hpp"

namespace {

std::uint64_t g_state = 0x9E3779B97F4A7C15ULL;
std::uint64_t dice() {
  g_state ^= g_state << 13;
  g_state ^= g_state >> 7;
  g_state ^= g_state << 17;
  return g_state;
}

int report(const char* what, unsigned long tried, unsigned long went) {
  std::printf("misbehave: %s: %lu of %lu went through\n", what, went, tried);
  std::fflush(stdout);
  return 0;
}

int write_to(const char* path, const char* text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || ::write(file, text, std::strlen(text)) < 0) {
    std::fprintf(stderr, "misbehave: %s: %s\n", path, std::strerror(errno));
    return 1;
  }
  ::close(file);
  return 0;
}

int panic(unsigned long) {
  std::printf("misbehave: a kernel panic\n");
  std::fflush(stdout);
  write_to("/proc/sys/kernel/sysrq", "1");
  return write_to("/proc/sysrq-trigger", "c");
}

[[noreturn]] void burn() {
  for (std::uint64_t value = 0;; ++value) asm volatile("" : "+r"(value));
}

// A child on every core, `seconds` long, without end for 0.
int burn_all(unsigned long seconds, bool first_in_line) {
  const long cores = std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
  std::printf("misbehave: %ld cores busy%s\n", cores, first_in_line ? ", ahead of everything else" : "");
  std::fflush(stdout);
  if (first_in_line) write_to("/proc/sys/kernel/sched_rt_runtime_us", "-1");
  std::vector<pid_t> children;
  for (long core = 0; core < cores; ++core) {
    const pid_t child = ::fork();
    if (child == 0) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(static_cast<std::size_t>(core), &set);
      ::sched_setaffinity(0, sizeof set, &set);
      sched_param parameters{};
      parameters.sched_priority = 99;
      if (first_in_line) ::sched_setscheduler(0, SCHED_FIFO, &parameters);
      if (seconds > 0) ::alarm(static_cast<unsigned>(seconds));
      burn();
    }
    if (child > 0) children.push_back(child);
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  return 0;
}

int spin(unsigned long seconds) { return burn_all(seconds, false); }
// As near to a core with its interrupts off as user space gets: nothing else is ever scheduled.
int hang(unsigned long seconds) { return burn_all(seconds, true); }

int fork_bomb(unsigned long most) {
  most = std::min(most == 0 ? 2000UL : most, 20'000UL);
  unsigned long made = 0;
  std::vector<pid_t> children;
  for (unsigned long number = 0; number < most; ++number) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
    if (child > 0) ++made, children.push_back(child);
  }
  for (const pid_t child : children) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  return report("processes", most, made);
}

// Every page that there is, touched. The kernel ends it before the last: whoever waits for it sees SIGKILL.
int memory(unsigned long) {
  std::printf("misbehave: every page that there is\n");
  std::fflush(stdout);
  unsigned long pages = 0;
  for (; pages < (1UL << 28); ++pages) {
    auto* page = static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (page == MAP_FAILED) break;
    *page = 1;
  }
  return report("pages", pages, pages);
}

// Connections to whoever: the parent's ports, other enclaves' numbers, the host's; some with bytes, none closed in good order.
int flood_vsock(unsigned long most) {
  most = most == 0 ? 2000 : most;
  unsigned long made = 0;
  std::vector<int> open;
  for (unsigned long number = 0; number < most; ++number) {
    const int stream = ::socket(AF_VSOCK, (number % 8 == 7 ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream < 0) {
      for (const int each : open) ::close(each);
      open.clear();
      continue;
    }
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    constexpr unsigned kCids[] = {3, 3, 3, 0, 2, 4, 16, 17, 0xFFFFFFFE};
    address.svm_cid = kCids[dice() % std::size(kCids)];
    address.svm_port = dice() % 2 == 0 ? 9000 : static_cast<unsigned>(dice());
    const int result = ::connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (result == 0 || errno == EINPROGRESS) ++made;
    std::vector<char> junk(1 + dice() % 70'000, static_cast<char>(dice()));
    [[maybe_unused]] const ssize_t sent = ::send(stream, junk.data(), junk.size(), MSG_NOSIGNAL);
    if (dice() % 3 == 0) {
      const linger at_once{1, 0};
      ::setsockopt(stream, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(stream);
    } else {
      open.push_back(stream);
    }
    if (open.size() > 500) {
      for (const int each : open) ::close(each);
      open.clear();
    }
  }
  return report("vsock connections", most, made);
}

int flood_nsm(unsigned long most) {
  most = most == 0 ? 500 : most;
  enclave::NsmDevice nsm;
  if (!nsm.is_open()) return std::fprintf(stderr, "misbehave: /dev/nsm: %s\n", std::strerror(errno)), 1;
  unsigned long answered = 0;
  for (unsigned long number = 0; number < most; ++number) {
    std::string request(1 + dice() % enclave::kNsmRequestMost, '\0');
    for (char& byte : request) byte = static_cast<char>(dice());
    if (number % 3 == 0) request.replace(0, std::min<std::size_t>(request.size(), 13), "\xa1\x6b" "Attestation");
    nsm.ask(request, 1 + dice() % enclave::kNsmResponseMost);
    if (nsm.error() == 0) ++answered;
  }
  return report("garbage for the NSM", most, answered);
}

// The request without a byte in it, on which a device may give up. Whether it did is what the next request shows.
int empty_nsm(unsigned long) {
  enclave::NsmDevice nsm;
  if (!nsm.is_open()) return std::fprintf(stderr, "misbehave: /dev/nsm: %s\n", std::strerror(errno)), 1;
  nsm.ask(std::string());
  std::printf("misbehave: an empty request for the NSM: %s\n", std::strerror(nsm.error()));
  std::fflush(stdout);
  nsm.ask("\x69" "GetRandom");
  return report("a sound request after it", 1, nsm.error() == 0 ? 1 : 0);
}

sigjmp_buf g_back;
void come_back(int signal) { siglongjmp(g_back, signal); }

void catch_faults() {
  for (const int signal : {SIGILL, SIGSEGV, SIGBUS, SIGTRAP}) std::signal(signal, come_back);
}

#ifdef __aarch64__
constexpr std::uint32_t kInstructions[] = {
    0x00000000,  // udf #0
    0xD4000002,  // hvc #0
    0xD4000003,  // smc #0
    0xD4400000,  // hlt #0
    0xD51E1000,  // msr sctlr_el3, x0
    0xD51C1100,  // msr hcr_el2, x0
    0xD5181000,  // msr sctlr_el1, x0
    0xD5087510,  // ic iallu, in its encoding for EL1
    0xD508871F,  // tlbi vmalle1
    0xD69F03E0,  // eret
    0xD50342DF,  // msr daifset, #2
    0xD538CC00,  // mrs x0, icc_iar1_el1
};
// Each from a page of its own. From EL0 none of them may do anything but end in a signal.
int instructions(unsigned long) {
  constexpr std::uint32_t kReturn = 0xD65F03C0;
  catch_faults();
  unsigned long went = 0;
  for (const std::uint32_t instruction : kInstructions) {
    auto* page = static_cast<std::uint32_t*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (page == MAP_FAILED) return std::fprintf(stderr, "misbehave: a page to execute: %s\n", std::strerror(errno)), 1;
    page[0] = instruction;
    page[1] = kReturn;
    __builtin___clear_cache(reinterpret_cast<char*>(page), reinterpret_cast<char*>(page + 2));
    const int signal = sigsetjmp(g_back, 1);
    if (signal == 0) {
      reinterpret_cast<void (*)()>(page)();
      ++went;
    }
    std::printf("misbehave: %08x: %s\n", instruction, signal == 0 ? "nothing happened" : strsignal(signal));
    ::munmap(page, 4096);
  }
  return report("instructions of others", std::size(kInstructions), went);
}
#else
int instructions(unsigned long) { return std::fprintf(stderr, "misbehave: instructions of arm64 only\n"), 1; }
#endif

// Physical addresses that are not the enclave's. A kernel with STRICT_DEVMEM refuses its own RAM, and maps what it takes for
// devices: there stage 2 has the last word, and the access ends in a signal.
int physical(unsigned long) {
  constexpr std::uint64_t kAddresses[] = {0x0,          0x0400'0000,  0x0800'0000,  0x0900'0000,   0x0904'0000,     0x0A00'0000,  0x0E00'0000,
                                          0x4000'0000,  0x4400'0000,  0x6000'0000,  0x7000'0000,   0xBFFF'F000,     0x40'1000'0000, 0xFF'FFFF'F000};
  const int file = ::open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
  if (file < 0) {
    std::printf("misbehave: /dev/mem: %s; the kernel keeps it closed, and nothing was tried\n", std::strerror(errno));
    return 0;
  }
  catch_faults();
  unsigned long went = 0;
  for (const std::uint64_t address : kAddresses) {
    auto* page = static_cast<volatile std::uint32_t*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, static_cast<off_t>(address)));
    if (page == MAP_FAILED) {
      std::printf("misbehave: %llx: the kernel refuses: %s\n", static_cast<unsigned long long>(address), std::strerror(errno));
      continue;
    }
    const int signal = sigsetjmp(g_back, 1);
    if (signal == 0) {
      const std::uint32_t value = *page;
      std::printf("misbehave: %llx: read %08x\n", static_cast<unsigned long long>(address), value);
      ++went;
    } else {
      std::printf("misbehave: %llx: %s\n", static_cast<unsigned long long>(address), strsignal(signal));
    }
    ::munmap(const_cast<std::uint32_t*>(page), 4096);
  }
  return report("reads of others' memory", std::size(kAddresses), went);
}

int leave(unsigned long status) { return static_cast<int>(status & 0xff); }
int power_off(unsigned long) { return ::reboot(RB_POWER_OFF); }
int reset(unsigned long) { return ::reboot(RB_AUTOBOOT); }

struct Mode {
  const char* name;
  int (*run)(unsigned long);
  const char* what;
};
constexpr Mode kModes[] = {{"panic", panic, "a kernel panic"},
                           {"spin", spin, "every core busy for N seconds, 0: without end"},
                           {"hang", hang, "every core busy ahead of everything else, for N seconds"},
                           {"fork", fork_bomb, "up to N processes at once"},
                           {"memory", memory, "all the memory that there is"},
                           {"vsock", flood_vsock, "N connections to whoever"},
                           {"nsm", flood_nsm, "N requests of garbage"},
                           {"nsm-empty", empty_nsm, "a request without a byte"},
                           {"instructions", instructions, "instructions of higher exception levels"},
                           {"physical", physical, "memory of others, through /dev/mem"},
                           {"exit", leave, "ends with status N"},
                           {"off", power_off, "power-off, behind the first process's back"},
                           {"reset", reset, "reset, likewise"}};

}  // namespace

int main(int count, char** words) {
  const unsigned long number = count > 2 ? std::strtoul(words[2], nullptr, 0) : 0;
  for (const Mode& mode : kModes) {
    if (count > 1 && std::string_view(words[1]) == mode.name) return mode.run(number);
  }
  std::fprintf(stderr, "usage: misbehave MODE [N]\n");
  for (const Mode& mode : kModes) std::fprintf(stderr, "  %-13s %s\n", mode.name, mode.what);
  return 2;
}
