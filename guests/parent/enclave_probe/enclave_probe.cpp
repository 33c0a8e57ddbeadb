// Linux's nitro_enclaves driver by its ioctls, step by step: what a command that does all of it hides. Uses up nothing: what it
// took is back when it ends.
//
//   enclave-probe run EIF [OPTION...]  make, give memory, give cores, start, wait for the end; says each step as it is done
//     --memory MIB (64), --cpus N (1), --cid N (0: any), --debug
//     --pause STEP   (create, memory, vcpu, start) waits there to be killed
//     --file-bytes N only so much of the file
//   enclave-probe refusals EIF         every demand of the driver's and the monitor's broken once; a line each with the errno
//
// run ends with 0 when the enclave ended, 3 when a step was refused.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/mman.h>
#include <linux/nitro_enclaves.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr int kRefused = 3;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "enclave-probe: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int driver() {
  const int file = ::open("/dev/nitro_enclaves", O_RDWR | O_CLOEXEC);
  if (file < 0) give_up("/dev/nitro_enclaves");
  return file;
}

// 0, or the errno.
template <typename Argument>
int request(int file, unsigned long command, Argument* argument) {
  return ::ioctl(file, command, argument) < 0 ? errno : 0;
}

int create(std::uint64_t& slot) {
  const int file = driver();
  __u64 uid = 0;
  const int enclave = ::ioctl(file, NE_CREATE_VM, &uid);
  const int error = errno;
  ::close(file);
  slot = uid;
  return enclave < 0 ? -error : enclave;
}

void* hugepages(std::uint64_t size) {
  void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB | MAP_POPULATE, -1, 0);
  if (address == MAP_FAILED) give_up("hugepages");
  return address;
}

int give_memory(int enclave, void* address, std::uint64_t size, std::uint64_t flags = NE_DEFAULT_MEMORY_REGION) {
  ne_user_memory_region region{.flags = flags, .memory_size = size, .userspace_addr = reinterpret_cast<std::uintptr_t>(address)};
  return request(enclave, NE_SET_USER_MEMORY_REGION, &region);
}

int give_cpu(int enclave, std::uint32_t& cpu) {
  __u32 id = cpu;
  const int error = request(enclave, NE_ADD_VCPU, &id);
  cpu = id;
  return error;
}

int start(int enclave, std::uint64_t& cid, std::uint64_t flags) {
  ne_enclave_start_info info{.flags = flags, .enclave_cid = cid};
  const int error = request(enclave, NE_START_ENCLAVE, &info);
  cid = info.enclave_cid;
  return error;
}

int load_offset(int enclave, std::uint64_t flags, std::uint64_t& offset) {
  ne_image_load_info info{.flags = flags, .memory_offset = 0};
  const int error = request(enclave, NE_GET_IMAGE_LOAD_INFO, &info);
  offset = info.memory_offset;
  return error;
}

struct Plan {
  const char* image{};
  std::string_view pause;
  std::uint64_t memory{64 * kMiB}, cid{}, flags{NE_ENCLAVE_PRODUCTION_MODE}, most{~std::uint64_t{0}};
  unsigned cpus{1};
};

// What fits of the file, at the place that the driver names.
void lay_image(const Plan& plan, char* memory, std::uint64_t offset) {
  const int file = ::open(plan.image, O_RDONLY | O_CLOEXEC);
  if (file < 0) give_up(plan.image);
  for (std::uint64_t at = offset, left = std::min(plan.most, plan.memory - std::min(plan.memory, offset)); left > 0;) {
    const ssize_t count = ::read(file, memory + at, left);
    if (count < 0) give_up(plan.image);
    if (count == 0) break;
    at += static_cast<std::uint64_t>(count);
    left -= static_cast<std::uint64_t>(count);
  }
  ::close(file);
}

// Says how a step went; ends when it was refused, and waits when it is the one to wait at.
void step(const Plan& plan, const char* name, int error, std::uint64_t value) {
  if (error != 0) {
    std::printf("refused %s %d\n", name, error);
    std::exit(kRefused);
  }
  std::printf("step %s %llu\n", name, static_cast<unsigned long long>(value));
  std::fflush(stdout);
  if (plan.pause == name) {
    for (;;) ::pause();
  }
}

int run(const Plan& plan) {
  std::uint64_t slot = 0, offset = 0, cid = plan.cid;
  const int enclave = create(slot);
  step(plan, "create", enclave < 0 ? -enclave : 0, slot);
  auto* const memory = static_cast<char*>(hugepages(plan.memory));
  if (const int error = load_offset(enclave, NE_EIF_IMAGE, offset); error != 0) step(plan, "offset", error, 0);
  lay_image(plan, memory, offset);
  step(plan, "memory", give_memory(enclave, memory, plan.memory), plan.memory);
  std::uint32_t cpu = 0;
  for (unsigned index = 0; index < plan.cpus; ++index) {
    cpu = 0;
    if (const int error = give_cpu(enclave, cpu); error != 0) step(plan, "vcpu", error, 0);
  }
  step(plan, "vcpu", 0, cpu);
  step(plan, "start", start(enclave, cid, plan.flags), cid);
  pollfd waiting{.fd = enclave, .events = POLLIN, .revents = 0};
  while (::poll(&waiting, 1, -1) <= 0) {
  }
  std::printf("hangup %x\n", static_cast<unsigned>(waiting.revents));
  ::close(enclave);
  return (waiting.revents & POLLHUP) != 0 ? 0 : 1;
}

void say(const char* what, int error) {
  std::printf("refusal %s %d\n", what, error);
  std::fflush(stdout);
}

int cpu_error(int enclave, std::uint32_t cpu) { return give_cpu(enclave, cpu); }

int start_error(int enclave, std::uint64_t cid, std::uint64_t flags = NE_ENCLAVE_PRODUCTION_MODE) { return start(enclave, cid, flags); }

void memory_refusals(int enclave, char* memory) {
  say("memory-flags", give_memory(enclave, memory, 2 * kMiB, NE_MEMORY_REGION_MAX_FLAG_VAL));
  say("memory-size", give_memory(enclave, memory, kMiB));
  say("memory-unaligned", give_memory(enclave, memory + kMiB, 2 * kMiB));
  say("memory-of-the-kernel", give_memory(enclave, reinterpret_cast<void*>(0xFFFF'8000'0000'0000), 2 * kMiB));
  auto* const small = static_cast<char*>(
      ::mmap(nullptr, 4 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
  if (small == MAP_FAILED) give_up("memory");
  auto* const aligned = reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(small) + 2 * kMiB - 1) & ~(2 * kMiB - 1));
  ::madvise(small, 4 * kMiB, MADV_NOHUGEPAGE);
  say("memory-of-small-pages", give_memory(enclave, aligned, 2 * kMiB));
  say("start-without-memory", start_error(enclave, 0));
  say("memory-first", give_memory(enclave, memory, 2 * kMiB));
  say("memory-twice", give_memory(enclave, memory, 2 * kMiB));
  say("memory-overlapping", give_memory(enclave, memory, 4 * kMiB));
  say("start-with-2-mib", start_error(enclave, 0));
  say("memory-rest", give_memory(enclave, memory + 2 * kMiB, 62 * kMiB));
}

void cpu_refusals(int enclave) {
  say("start-without-cpu", start_error(enclave, 0));
  say("cpu-of-the-parent", cpu_error(enclave, 1));
  say("cpu-beyond-all", cpu_error(enclave, 4096));
  std::uint32_t cpu = 0;
  say("cpu-first", give_cpu(enclave, cpu));
  say("cpu-twice", cpu_error(enclave, cpu));
  while (cpu_error(enclave, 0) == 0) {
  }
  say("cpu-of-an-empty-pool", cpu_error(enclave, 0));
}

void start_refusals(int enclave) {
  say("start-flags", start_error(enclave, 0, NE_ENCLAVE_START_MAX_FLAG_VAL));
  for (const std::uint64_t cid : {1ULL, 2ULL, 3ULL, 0xFFFF'FFFFULL, 1ULL << 32}) say("start-cid", start_error(enclave, cid));
}

int refusals(const Plan& plan) {
  std::uint64_t slot = 0, offset = 0, cid = 0;
  const int device = driver();
  say("unknown-request", request(device, _IO(0xAE, 0x3F), &slot));
  const int enclave = create(slot);
  if (enclave < 0) return say("create", -enclave), 1;
  say("unknown-request-of-an-enclave", request(enclave, NE_CREATE_VM, &slot));
  say("image-flags-none", load_offset(enclave, 0, offset));
  say("image-flags", load_offset(enclave, NE_IMAGE_LOAD_MAX_FLAG_VAL, offset));
  auto* const memory = static_cast<char*>(hugepages(plan.memory));
  load_offset(enclave, NE_EIF_IMAGE, offset);
  lay_image(plan, memory, offset);
  memory_refusals(enclave, memory);
  cpu_refusals(enclave);
  start_refusals(enclave);
  std::uint64_t another = 0;
  say("create-from-an-empty-pool", -std::min(create(another), 0));
  say("start", start(enclave, cid, NE_ENCLAVE_PRODUCTION_MODE));
  say("running-start", start_error(enclave, 0));
  say("running-memory", give_memory(enclave, memory, 2 * kMiB));
  say("running-cpu", cpu_error(enclave, 0));
  say("running-image", load_offset(enclave, NE_EIF_IMAGE, offset));
  ::close(enclave);
  return 0;
}

int usage() {
  std::fprintf(stderr, "usage: enclave-probe run|refusals EIF [--memory MIB] [--cpus N] [--cid N] [--debug] [--pause create|memory|vcpu|start] "
                       "[--file-bytes N]\n");
  return 2;
}

}  // namespace

int main(int count, char** words) {
  Plan plan;
  const std::string_view verb = count > 2 ? words[1] : "";
  if (count > 2) plan.image = words[2];
  for (int index = 3; index < count; ++index) {
    const std::string_view word = words[index];
    if (word == "--debug") {
      plan.flags = NE_ENCLAVE_DEBUG_MODE;
      continue;
    }
    if (++index == count) return usage();
    const std::uint64_t number = std::strtoull(words[index], nullptr, 0);
    if (word == "--memory") plan.memory = number * kMiB;
    else if (word == "--cpus") plan.cpus = static_cast<unsigned>(number);
    else if (word == "--cid") plan.cid = number;
    else if (word == "--file-bytes") plan.most = number;
    else if (word == "--pause") plan.pause = words[index];
    else return usage();
  }
  if (verb == "run") return run(plan);
  if (verb == "refusals") return refusals(plan);
  return usage();
}
