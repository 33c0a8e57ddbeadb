// Workloads whose price with and without a monitor is compared (bench/linux/run.py). Each prints
//   WORKLOAD name count ticks frequency
// ticks of the virtual counter for `count` times. Under QEMU's instruction clock a nanosecond is an instruction.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <thread>
#include <vector>

namespace {

std::uint64_t ticks() {
  std::uint64_t value = 0;
  asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
  return value;
}

std::uint64_t frequency() {
  std::uint64_t value = 0;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(value));
  return value;
}

void report(const char* name, std::uint64_t count, std::uint64_t spent) {
  std::printf("WORKLOAD %s %llu %llu %llu\n", name, static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(spent), static_cast<unsigned long long>(frequency()));
}

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

void stay_on(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) give_up("workload: choosing a core");
}

void spin(std::uint64_t rounds) {
  asm volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(rounds)::"cc");
}

void boot() { report("boot", 1, ticks()); }

// The kernel's clock (count: nanoseconds of CLOCK_MONOTONIC) beside the counter: one is told from the other.
void clocks() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  report("clocks", static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec), ticks());
}

void processor() {
  constexpr std::uint64_t kRounds = 200'000'000;
  const std::uint64_t start = ticks();
  spin(kRounds);
  report("processor", kRounds, ticks() - start);
}

// What a timer tick costs: short loops that take longer than the shortest were interrupted.
void tick() {
  constexpr int kLoops = 100'000;
  std::vector<std::uint64_t> spent(kLoops);
  for (auto& each : spent) {
    const std::uint64_t start = ticks();
    spin(2000);
    each = ticks() - start;
  }
  const std::uint64_t least = *std::ranges::min_element(spent);
  std::uint64_t interrupted = 0, extra = 0;
  for (const std::uint64_t each : spent) {
    if (each <= least + least / 10) continue;
    ++interrupted;
    extra += each - least;
  }
  report("tick", interrupted, extra);
}

void system_call() {
  constexpr std::uint64_t kCalls = 200'000;
  const std::uint64_t start = ticks();
  for (std::uint64_t call = 0; call < kCalls; ++call) syscall(SYS_getppid);
  report("syscall", kCalls, ticks() - start);
}

void pipe_between_cores() {
  constexpr std::uint64_t kRounds = 5'000;
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) give_up("workload: pipes");
  std::thread other([&] {
    stay_on(1);
    char byte = 0;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1) give_up("workload: the far end of the pipes");
    }
  });
  char byte = 1;
  const std::uint64_t start = ticks();
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) give_up("workload: the pipes");
  }
  report("pipe", kRounds, ticks() - start);
  other.join();
}

void disk() {
  constexpr std::uint64_t kReads = 2'000;
  const int file = open("/dev/vda", O_RDONLY | O_DIRECT);
  void* block = nullptr;
  if (file < 0 || posix_memalign(&block, 4096, 4096) != 0) give_up("workload: /dev/vda");
  const std::uint64_t start = ticks();
  for (std::uint64_t at = 0; at < kReads; ++at) {
    if (pread(file, block, 4096, static_cast<off_t>(at * 4096)) != 4096) give_up("workload: reading /dev/vda");
  }
  report("disk", kReads, ticks() - start);
  close(file);
}

std::uint16_t checksum(const void* data, std::size_t size) {
  const auto* words = static_cast<const std::uint16_t*>(data);
  std::uint32_t sum = 0;
  for (std::size_t index = 0; index < size / 2; ++index) sum += words[index];
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

// QEMU's user network answers an echo request to its gateway itself; nothing reaches the host. The median of all.
void network() {
  constexpr std::uint64_t kRounds = 1'000;
  const int echo = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  if (echo < 0) give_up("workload: a raw socket");
  const timeval patience = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(echo, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in gateway = {};
  gateway.sin_family = AF_INET;
  inet_pton(AF_INET, "10.0.2.2", &gateway.sin_addr);
  std::vector<std::uint64_t> spent;  // of each, so that a host that was late once does not count
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    const std::uint64_t start = ticks();
    struct {
      icmphdr head;
      char data[56];
    } request = {};
    request.head.type = ICMP_ECHO;
    request.head.un.echo.sequence = htons(static_cast<std::uint16_t>(round));
    request.head.checksum = checksum(&request, sizeof(request));
    if (sendto(echo, &request, sizeof(request), 0, reinterpret_cast<sockaddr*>(&gateway), sizeof(gateway)) < 0) {
      give_up("workload: sending to the gateway");
    }
    char answer[256];
    if (recv(echo, answer, sizeof(answer), 0) < 0) give_up("workload: the gateway's answer");
    spent.push_back(ticks() - start);
  }
  std::ranges::nth_element(spent, spent.begin() + kRounds / 2);
  report("network", 1, spent[kRounds / 2]);
}

struct Workload {
  const char* name;
  void (*run)();
};
constexpr Workload kWorkloads[] = {{"boot", boot}, {"clocks", clocks}, {"processor", processor},     {"tick", tick}, {"syscall", system_call},
                                   {"pipe", pipe_between_cores}, {"disk", disk}, {"network", network}};

}  // namespace

int main(int count, char** words) {
  for (int index = 1; index < count; ++index) {
    const auto* found = std::ranges::find_if(kWorkloads, [&](const Workload& one) { return std::string_view(words[index]) == one.name; });
    if (found == std::end(kWorkloads)) {
      std::fprintf(stderr, "workload: NAME... of boot clocks processor tick syscall pipe disk network\n");
      return 2;
    }
    stay_on(0);
    found->run();
    std::fflush(stdout);
  }
  return 0;
}
