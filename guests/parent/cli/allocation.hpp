// CPUs and hugepages for enclaves, set up in one go, given back, shown; and why it did not work.
//
// CPUs: the driver's parameter ne_cpus, which takes CPUs offline in the parent. It refuses CPU 0 and its siblings,
// parts of cores, CPUs of two NUMA nodes, and any change while an enclave exists
// (drivers/virt/nitro_enclaves/ne_misc_dev.c). Memory: /sys/kernel/mm/hugepages, pages of 2 MiB.
#pragma once

#include <optional>

#include "guests/parent/cli/control_channel.hpp"
#include "guests/parent/cli/cpu_pool.hpp"

namespace enclave_cli {

struct AllocationRequest {
  std::optional<std::uint32_t> cpu_count;
  CpuList cpu_ids;                          // instead of a count
  std::optional<std::uint64_t> memory_mib;  // free for enclaves afterwards, at least
};

// Everything, or nothing: what one part got is given back when the other fails. Throws Failure E22, E27, E19, E03.
// What is there already is counted: asking again for the same changes nothing.
void allocate(KernelFiles& files, const AllocationRequest& request);

// CPUs come back online and free hugepages go back to the kernel. Throws Failure: an enclave exists.
void release_all(KernelFiles& files);

// {"CPUIDs": [...], "MemoryMiB": free, "HugePages": [{"PageSizeKiB", "Total", "Free"}]}
[[nodiscard]] Json allocation_json(KernelFiles& files);

}  // namespace enclave_cli
