// From a request and an image to an enclave that has reported that it runs, or to nothing at all: every way out of here
// gives back what was taken.
//
// The order is the driver's: an enclave, memory with the image in it, CPUs, start. The driver ties the enclave to the
// process, so this runs in the process that keeps it (enclave_process.hpp).
#pragma once

#include <functional>
#include <memory>

#include "guests/parent/cli/enclave_memory.hpp"
#include "guests/parent/cli/run_request.hpp"
#include "tools/cofferdam/eif_image.hpp"

namespace enclave_cli {

struct Enclave {
  std::unique_ptr<EnclaveMemory> memory;  // outlives the descriptor below: members end in reverse order
  Descriptor descriptor;
  std::uint64_t slot_uid{};
  std::uint64_t cid{};
  CpuList cpus;
  bool debug{};

  // Ends it and gives everything back; returns when the monitor has scrubbed the memory.
  void end() {
    descriptor.reset();
    if (memory) memory->give_back();
  }
};

// Words for the person who waits.
using Say = std::function<void(const std::string&)>;

// starter, signals: see boot_wait.hpp. Throws Failure.
[[nodiscard]] Enclave launch(Environment& environment, const RunRequest& request, cofferdam::ByteView image,
                             const Say& say, int starter, int signals);

// What a monitor would refuse at the start, told before anything is taken. machine: uname's, "aarch64"; now: Unix
// seconds. A signed image is measured by the way. Throws Failure E35 (another architecture, the checksum), E59 (the
// signature, or its certificate is not valid now).
void check_image(cofferdam::EifImage& image, std::string_view machine, std::int64_t now);

}  // namespace enclave_cli
