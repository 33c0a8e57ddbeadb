#include "guests/parent/cli/allocation.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <sstream>

#include "guests/parent/cli/enclave_memory.hpp"
#include "guests/parent/cli/failure.hpp"
#include "guests/parent/cli/linux_environment.hpp"

namespace enclave_cli {
namespace {

constexpr const char* kPages = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
constexpr const char* kCompact = "/proc/sys/vm/compact_memory";
constexpr const char* kDropCaches = "/proc/sys/vm/drop_caches";
constexpr int kTries = 4;
constexpr std::uint64_t kLeftForParent = 64 * kMiB;
const std::string kCpuFolder = "/sys/devices/system/cpu";

std::string text_at(KernelFiles& files, const std::string& path) {
  std::string text;
  if (files.read(path, text) < 0) text.clear();
  return text;
}

std::uint64_t number_at(KernelFiles& files, const std::string& path) {
  const std::string text = text_at(files, path);
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::uint64_t free_for_enclaves(KernelFiles& files) {
  std::uint64_t bytes = 0;
  for (const HugePages& kind : hugepage_kinds(files)) {
    if (kind.page_size >= kSmallestEnclavePage) bytes += kind.page_size * kind.free;
  }
  return bytes;
}

// ---- memory -------------------------------------------------------------------------------------------------

// The kernel's free memory, and how much of it lies in pieces that a hugepage fits into: /proc/buddyinfo counts free
// blocks of 2^n pages, each of at most one of the columns.
std::string fragmentation(KernelFiles& files) {
  std::istringstream lines(text_at(files, "/proc/buddyinfo"));
  std::uint64_t all = 0;
  std::uint64_t large = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 4 && words >> word; ++i) {  // "Node", "0,", "zone", its name
    }
    std::uint64_t count = 0;
    for (unsigned order = 0; order < 24 && words >> count; ++order) {
      const std::uint64_t size = std::uint64_t{4096} << order;
      all += count * size;
      if (size >= kSmallestEnclavePage) large += count * size;
    }
  }
  if (all == 0) return "the kernel does not say how its free memory lies";
  return "free in the parent: " + std::to_string(all / kMiB) +
         " MiB, of it in pieces of 2 MiB and more: " + std::to_string(large / kMiB) + " MiB" +
         (large * 2 < all ? " (fragmented)" : "");
}

// What the kernel could give without pushing programs out (MemAvailable); empty when it does not say.
std::optional<std::uint64_t> available_memory(KernelFiles& files) {
  std::istringstream lines(text_at(files, "/proc/meminfo"));
  std::string name;
  std::uint64_t kib = 0;
  for (std::string line; std::getline(lines, line);) {
    if (std::istringstream(line) >> name >> kib && name == "MemAvailable:") return kib << 10;
  }
  return {};
}

// Answers the number of pages before, for going back.
std::uint64_t enlarge_pool(KernelFiles& files, std::uint64_t wanted_mib) {
  const std::uint64_t before = number_at(files, kPages);
  const std::uint64_t wanted = wanted_mib * kMiB;
  std::uint64_t free = free_for_enclaves(files);
  if (free >= wanted) return before;
  const std::uint64_t target = before + (wanted - free + kSmallestEnclavePage - 1) / kSmallestEnclavePage;
  // The kernel would take the parent's last page and then kill programs for want of memory.
  if (const auto available = available_memory(files); available && wanted - free + kLeftForParent > *available) {
    Failure failure(ErrorCode::kInsufficientMemoryAvailable,
                    std::to_string(wanted_mib) + " MiB of hugepages are asked for, " +
                        std::to_string((wanted - free) / kMiB) + " MiB more than are free; the parent has " +
                        std::to_string(*available / kMiB) + " MiB available and keeps " +
                        std::to_string(kLeftForParent / kMiB) + " MiB. Nothing was changed.",
                    "Ask for less, end programs of the parent that hold memory, or give the machine more.");
    for (std::string& line : pool_lines(hugepage_kinds(files))) failure.add_detail(std::move(line));
    throw failure;
  }
  for (int attempt = 0; attempt < kTries && free < wanted; ++attempt) {
    if (attempt > 0) {  // what is cached can be read again; what is scattered can be moved together
      if (attempt == 1) files.write(kDropCaches, "3");
      files.write(kCompact, "1");
    }
    if (const int error = files.write(kPages, std::to_string(target)); error < 0) {
      throw Failure(ErrorCode::kFileOperation,
                    std::string(kPages) + " can't be written: " + std::strerror(-error) + '.',
                    error == -EACCES || error == -EPERM
                        ? "Be root."
                        : "This kernel needs hugepages of 2 MiB (CONFIG_HUGETLBFS, 4 KiB pages).");
    }
    free = free_for_enclaves(files);
  }
  if (free < wanted) {
    const std::uint64_t came = number_at(files, kPages) - std::min(before, number_at(files, kPages));
    Failure failure(ErrorCode::kInsufficientMemoryAvailable,
                    std::to_string(wanted_mib) + " MiB of hugepages are asked for: of " +
                        std::to_string(target - before) + " more pages of 2 MiB came " + std::to_string(came) +
                        ", so " + std::to_string(free / kMiB) + " MiB would be free. They were given back.",
                    "Ask for less; end programs of the parent that hold memory; or allocate early after boot, while "
                    "memory is whole "
                    "(hugepages=" +
                        std::to_string(target) + " on the parent's kernel command line is the surest).");
    failure.add_detail(fragmentation(files));
    for (std::string& line : pool_lines(hugepage_kinds(files))) failure.add_detail(std::move(line));
    files.write(kPages, std::to_string(before));
    throw failure;
  }
  return before;
}

// ---- CPUs ---------------------------------------------------------------------------------------------------

struct Core {
  CpuList threads;  // ascending
  std::uint64_t node{};
};

std::uint64_t node_of(KernelFiles& files, std::uint32_t cpu) {
  for (const std::string& name : files.list(kCpuFolder + "/cpu" + std::to_string(cpu))) {
    if (!name.starts_with("node")) continue;
    std::uint64_t node = 0;
    if (std::from_chars(name.data() + 4, name.data() + name.size(), node).ec == std::errc{}) return node;
  }
  return 0;
}

// Whole cores that could be given away. The pool's own are offline, where their siblings can't be seen, so the pool is
// dissolved before this is asked.
std::vector<Core> cores_to_give(KernelFiles& files) {
  std::map<std::uint32_t, Core> cores;  // by their first thread
  for (const std::uint32_t cpu : parse_cpu_list(text_at(files, kCpuFolder + "/online"))) {
    CpuList threads =
        parse_cpu_list(text_at(files, kCpuFolder + "/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list"));
    if (threads.empty()) threads = {cpu};
    if (threads.front() == 0) continue;  // the driver keeps CPU 0's core for the parent
    cores[threads.front()] = {.threads = threads, .node = node_of(files, cpu)};
  }
  std::vector<Core> list;
  for (auto& [first, core] : cores) list.push_back(std::move(core));
  return list;
}

// The last cores of one node: the parent keeps the first.
CpuList choose_cpus(KernelFiles& files, std::uint32_t count) {
  const std::vector<Core> cores = cores_to_give(files);
  std::map<std::uint64_t, CpuList> by_node;
  for (auto core = cores.rbegin(); core != cores.rend(); ++core) {
    CpuList& chosen = by_node[core->node];
    if (chosen.size() < count) chosen.insert(chosen.end(), core->threads.begin(), core->threads.end());
  }
  std::size_t most = 0;
  for (auto& [node, chosen] : by_node) {
    most = std::max(most, chosen.size());
    if (chosen.size() >= count) {  // whole cores: may be one more than asked
      std::sort(chosen.begin(), chosen.end());
      return chosen;
    }
  }
  throw Failure(ErrorCode::kInsufficientCpus,
                std::to_string(count) + " CPUs are asked for, and " + std::to_string(most) +
                    " can be given: CPU 0 and its core stay the parent's, and a pool is of one NUMA node.",
                "Ask for less, or give the machine more cores.");
}

[[noreturn]] void refuse_pool(const std::string& list, int error) {
  if (error == EPERM) {
    throw Failure(ErrorCode::kCpu,
                  "The driver does not let the pool of CPUs change: an enclave exists, or you are not root.",
                  "Terminate the enclaves first (`describe-enclaves`, `terminate-enclave --all`).");
  }
  throw Failure(ErrorCode::kCpu, "The driver refuses the pool " + list + ": " + std::strerror(error) + '.',
                "A pool is whole cores of one NUMA node, online, without CPU 0 and its siblings; dmesg says which rule "
                "was broken.");
}

void set_pool(KernelFiles& files, const AllocationRequest& request) {
  const CpuList old = read_cpu_pool(files);
  if (request.cpu_count && old.size() == *request.cpu_count) return;
  if (!request.cpu_count && old == request.cpu_ids) return;
  // The empty list dissolves the pool; the driver does it and then answers that no pool is EINVAL.
  if (!old.empty()) {
    const int error = files.write(kPoolFile, "\n");
    if (error == -EPERM || error == -EACCES) refuse_pool("", EPERM);
  }
  try {
    const std::string list =
        cpu_list_text(request.cpu_count ? choose_cpus(files, *request.cpu_count) : request.cpu_ids);
    if (const int error = files.write(kPoolFile, list); error < 0) refuse_pool(list, -error);
  } catch (const Failure&) {
    if (!old.empty()) files.write(kPoolFile, cpu_list_text(old));
    throw;
  }
}

}  // namespace

void allocate(KernelFiles& files, const AllocationRequest& request) {
  const bool cpus = request.cpu_count || !request.cpu_ids.empty();
  if (request.cpu_count && *request.cpu_count == 0) {
    throw Failure(ErrorCode::kInvalidArgument, "`cpu-count` is 0.", "`allocate --release` gives everything back.");
  }
  if (request.memory_mib && *request.memory_mib > (std::uint64_t{1} << 30)) {
    throw Failure(ErrorCode::kInvalidArgument, "`memory` is more than any machine has.");
  }
  if (cpus) static_cast<void>(read_cpu_pool(files));  // told before anything is changed: the driver is not there
  std::uint64_t pages_before = 0;
  if (request.memory_mib) pages_before = enlarge_pool(files, *request.memory_mib);
  try {
    if (cpus) set_pool(files, request);
  } catch (Failure& failure) {
    if (request.memory_mib) {
      files.write(kPages, std::to_string(pages_before));
      failure.add_detail("the hugepages were there; they were given back");
    }
    throw;
  }
}

void release_all(KernelFiles& files) {
  if (!read_cpu_pool(files).empty()) {
    const int error = files.write(kPoolFile, "\n");
    if (error == -EPERM || error == -EACCES) refuse_pool("", EPERM);
  }
  // Pages in use stay until they are free.
  for (const std::string& name : files.list("/sys/kernel/mm/hugepages")) {
    if (name.starts_with("hugepages-")) files.write("/sys/kernel/mm/hugepages/" + name + "/nr_hugepages", "0");
  }
}

Json allocation_json(KernelFiles& files) {
  Json json;
  json["CPUIDs"] = read_cpu_pool(files);
  json["MemoryMiB"] = free_for_enclaves(files) / kMiB;
  json["HugePages"] = Json::array();
  for (const HugePages& kind : hugepage_kinds(files)) {
    if (kind.page_size < kSmallestEnclavePage) continue;
    json["HugePages"].push_back({{"PageSizeKiB", kind.page_size >> 10}, {"Total", kind.total}, {"Free", kind.free}});
  }
  return json;
}

}  // namespace enclave_cli
