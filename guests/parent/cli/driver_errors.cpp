#include "guests/parent/cli/driver_errors.hpp"

#include <linux/nitro_enclaves.h>

#include <cerrno>
#include <cstring>

namespace enclave_cli {

DriverError driver_error(int error) {
  const char* const allocate =
      "`cofferdam-cli allocate --show` shows CPUs and memory; `cofferdam-cli allocate --cpu-count N "
      "--memory MIB` sets them up.";
  const char* const ours = "This is a mistake of this program; please report it with the log.";
  switch (error) {
    case NE_ERR_VCPU_ALREADY_USED:
      return {"NE_ERR_VCPU_ALREADY_USED", "this enclave or another one has that CPU already",
              "Name another CPU with --cpu-ids, or let the driver choose with --cpu-count."};
    case NE_ERR_VCPU_NOT_IN_CPU_POOL:
      return {"NE_ERR_VCPU_NOT_IN_CPU_POOL", "that CPU is not free in the pool", allocate};
    case NE_ERR_VCPU_INVALID_CPU_CORE:
      return {"NE_ERR_VCPU_INVALID_CPU_CORE", "that CPU's core is not one of the pool's", allocate};
    case NE_ERR_INVALID_MEM_REGION_SIZE:
      return {"NE_ERR_INVALID_MEM_REGION_SIZE", "the memory is not a multiple of 2 MiB", ours};
    case NE_ERR_INVALID_MEM_REGION_ADDR:
      return {"NE_ERR_INVALID_MEM_REGION_ADDR", "the memory's address is not one of this process", ours};
    case NE_ERR_UNALIGNED_MEM_REGION_ADDR:
      return {"NE_ERR_UNALIGNED_MEM_REGION_ADDR", "the memory is not aligned to 2 MiB", ours};
    case NE_ERR_MEM_REGION_ALREADY_USED:
      return {"NE_ERR_MEM_REGION_ALREADY_USED", "the memory was given to the enclave already", ours};
    case NE_ERR_MEM_NOT_HUGE_PAGE:
      return {"NE_ERR_MEM_NOT_HUGE_PAGE", "the memory is not made of hugepages", ours};
    case NE_ERR_MEM_DIFFERENT_NUMA_NODE:
      return {"NE_ERR_MEM_DIFFERENT_NUMA_NODE", "the memory lies on another NUMA node than the pool's CPUs",
              "Free hugepages on the CPUs' node (/sys/devices/system/node/node*/hugepages), or choose CPUs of the "
              "memory's node."};
    case NE_ERR_MEM_MAX_REGIONS:
      return {"NE_ERR_MEM_MAX_REGIONS", "the memory is in more pieces than an enclave can have",
              "Use larger hugepages (1 GiB), or set the pool up early after boot so that its pages lie side by side: "
              "`cofferdam-cli allocate --release`, then `cofferdam-cli allocate --memory MIB`."};
    case NE_ERR_NO_MEM_REGIONS_ADDED:
      return {"NE_ERR_NO_MEM_REGIONS_ADDED", "the enclave has no memory", ours};
    case NE_ERR_NO_VCPUS_ADDED:
      return {"NE_ERR_NO_VCPUS_ADDED", "the enclave has no CPU", "Give --cpu-count of at least 1."};
    case NE_ERR_ENCLAVE_MEM_MIN_SIZE:
      return {"NE_ERR_ENCLAVE_MEM_MIN_SIZE", "the enclave has less than 64 MiB", "Give --memory of at least 64."};
    case NE_ERR_FULL_CORES_NOT_USED:
      return {"NE_ERR_FULL_CORES_NOT_USED", "the enclave has only some of a core's threads",
              "Give all threads of a core: an even --cpu-count where cores have two threads."};
    case NE_ERR_NOT_IN_INIT_STATE:
      return {"NE_ERR_NOT_IN_INIT_STATE", "the enclave has been started or has ended",
              "Terminate it and run it again."};
    case NE_ERR_INVALID_VCPU:
      return {"NE_ERR_INVALID_VCPU", "there is no CPU with that number",
              "Name CPUs of the pool. " + std::string(allocate)};
    case NE_ERR_NO_CPUS_AVAIL_IN_POOL:
      return {"NE_ERR_NO_CPUS_AVAIL_IN_POOL",
              "no CPU is free in the pool: it is empty, or the running enclaves have them all",
              "Terminate an enclave, or enlarge the pool while none runs. " + std::string(allocate)};
    case NE_ERR_INVALID_PAGE_SIZE:
      return {"NE_ERR_INVALID_PAGE_SIZE", "the memory's pages are smaller than 2 MiB", ours};
    case NE_ERR_INVALID_FLAG_VALUE:
      return {"NE_ERR_INVALID_FLAG_VALUE", "the driver does not know a flag", ours};
    case NE_ERR_INVALID_ENCLAVE_CID:
      return {"NE_ERR_INVALID_ENCLAVE_CID", "the CID is one of the reserved ones (1, 2, 3, 4294967295) or too large",
              "Give another --enclave-cid, or none: the monitor chooses a free one."};
    case EACCES:
    case EPERM:
      return {"EACCES", "you may not use it", "Be root, or a member of the group that owns /dev/nitro_enclaves."};
    case ENODEV:
    case ENXIO:
      return {"ENODEV", "there is no Nitro Enclaves device",
              "Load the driver (modprobe nitro_enclaves, or insmod), and look for `nitro_enclaves` in dmesg: it binds "
              "to the PCI "
              "device 1d0f:e4c1 of the monitor."};
    // From here on what the monitor answers (firmware/nitro/command_format.hpp).
    case ENOENT:
      return {"ENOENT", "the monitor does not know the enclave any more",
              "Run it again; dmesg and the monitor's log say more."};
    case ENOEXEC:
      return {"ENOEXEC",
              "the image breaks a rule of its format, its checksum is wrong, or it is for another architecture",
              "`describe-eif` shows which; build the image again."};
    case EKEYEXPIRED:
      return {
          "EKEYEXPIRED", "the image's signing certificate is not valid at this time",
          "Sign the image again (sign-eif) with a valid certificate; compare the clocks of parent and monitor (date)."};
    case EKEYREJECTED:
      return {"EKEYREJECTED", "the image's signature does not hold",
              "Sign the image again (sign-eif): it was changed after it was signed."};
    case ENOMEM:
      return {"ENOMEM", "out of memory: the unpacked image does not fit the enclave, or the monitor has no table left",
              "Give more --memory; four times the image's size is enough for most."};
    case EINVAL:
      return {"EINVAL", "the monitor refuses the request", "dmesg and the monitor's log have the reason."};
    case EEXIST:
    case EADDRINUSE:
      return {"EADDRINUSE", "the CID is taken", "Give another --enclave-cid, or none: the monitor chooses a free one."};
    case ENOSPC:
      return {"ENOSPC", "the monitor has no free slot",
              "Terminate an enclave (`describe-enclaves` lists them), and try again."};
    case EBUSY:
      return {"EBUSY", "the enclave's state does not allow it", "Terminate it and run it again."};
    case ETIMEDOUT:
      return {"ETIMEDOUT", "the monitor did not answer in the driver's 120 seconds",
              "Look at dmesg and the monitor's log."};
    case EIO:
      return {"EIO",
              "the driver takes requests for an enclave only from the process that made it, or the device failed",
              "Look at dmesg."};
    default:
      break;
  }
  return {"error " + std::to_string(error), std::strerror(error), "Look at dmesg: the driver says more there."};
}

Failure driver_failure(ErrorCode code, const std::string& doing, int error) {
  const DriverError known = driver_error(error);
  return {code, "The driver refuses to " + doing + ": " + known.words + " (" + known.name + ").", known.mend};
}

}  // namespace enclave_cli
