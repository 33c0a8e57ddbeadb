#include "guests/parent/cli/launch.hpp"

#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "guests/parent/cli/console.hpp"
#include "guests/parent/cli/driver_errors.hpp"
#include "tools/cofferdam/eif_signature.hpp"

namespace enclave_cli {
namespace {

constexpr int kListenRetryMs = 200;
constexpr std::uint64_t kRoomyFactor = 4;  // nitro-cli's rule; here a warning

std::string mib_text(std::uint64_t bytes) { return std::to_string((bytes + kMiB - 1) / kMiB) + " MiB"; }

void take_memory(Environment& environment, const RunRequest& request, cofferdam::ByteView image, const Say& say,
                 Enclave& enclave) {
  say("Start allocating memory...");
  const std::uint64_t wanted = request.memory_mib * kMiB;
  if (wanted < kSmallestEnclave) {
    throw Failure(ErrorCode::kInsufficientMemoryRequested,
                  "`memory` is " + std::to_string(request.memory_mib) + " MiB, and an enclave has at least 64 MiB.",
                  "Give --memory of at least 64.");
  }
  std::uint64_t offset = 0;
  if (const int error = environment.driver.image_offset(enclave.descriptor.get(), offset); error < 0) {
    throw driver_failure(ErrorCode::kImageLoadInfo, "say where the image goes", -error);
  }
  if (offset > wanted || image.size() > wanted - offset) {
    throw Failure(ErrorCode::kInsufficientMemoryRequested,
                  "`memory` is " + std::to_string(request.memory_mib) + " MiB; the image has " +
                      mib_text(image.size()) + " and goes behind the first " + mib_text(offset) + '.',
                  "Give --memory of at least " + std::to_string((offset + image.size() + kMiB - 1) / kMiB) +
                      ", better " + std::to_string((image.size() * kRoomyFactor + kMiB - 1) / kMiB) +
                      ": Linux unpacks its ramdisks beside the image.");
  }
  if (wanted / kRoomyFactor < image.size()) {
    say("Warning: " + std::to_string(request.memory_mib) + " MiB is less than four times the image's " +
        mib_text(image.size()) + "; if the enclave does not boot, give it more memory.");
  }
  enclave.memory = std::make_unique<EnclaveMemory>(environment.pages);
  enclave.memory->take(wanted);
  enclave.memory->copy_in(offset, image);
  for (const Region& region : enclave.memory->regions()) {
    if (const int error = environment.driver.add_memory(enclave.descriptor.get(), region.address, region.size);
        error < 0) {
      throw driver_failure(ErrorCode::kSetMemoryRegion, "take " + mib_text(region.size) + " of memory for the enclave",
                           -error);
    }
  }
}

void take_cpus(Environment& environment, const RunRequest& request, Enclave& enclave) {
  CpuList asked = request.cpu_ids;
  if (request.cpu_count) asked.assign(*request.cpu_count, 0);
  for (std::uint32_t cpu : asked) {
    const std::string which = cpu == 0 ? "a CPU" : "CPU " + std::to_string(cpu);
    if (const int error = environment.driver.add_cpu(enclave.descriptor.get(), cpu); error < 0) {
      Failure failure = driver_failure(ErrorCode::kAddVcpu, "give " + which + " to the enclave", -error);
      failure.add_detail(std::to_string(enclave.cpus.size()) + " of " + std::to_string(asked.size()) +
                         " CPUs were given before");
      throw failure;
    }
    enclave.cpus.push_back(cpu);
  }
}

// Enclaves that start at the same time share the port, one after the other.
Descriptor heartbeat_listener(Environment& environment, const Say& say, int starter, int signals,
                              Milliseconds allowed) {
  bool said = false;
  for (Milliseconds waited{0};; waited += Milliseconds(kListenRetryMs)) {
    const int listener = environment.sockets.listen(kHeartbeatPort);
    if (listener >= 0) return Descriptor(listener);
    if (listener != -EADDRINUSE || waited >= allowed) {
      throw Failure(
          ErrorCode::kSocket,
          "vsock port 9000, for the enclave's heartbeat, can't be opened: " + std::string(std::strerror(-listener)) +
              '.',
          listener == -EADDRINUSE ? "Another program listens there, or another enclave is starting for very long."
                                  : "Load vsock: modprobe vsock, and the transport vmw_vsock_virtio_transport.");
    }
    if (!said) say("Another enclave is starting; waiting for it...");
    said = true;
    std::array<pollfd, 2> waiting{
        {{.fd = starter, .events = POLLIN, .revents = 0}, {.fd = signals, .events = POLLIN, .revents = 0}}};
    if (::poll(waiting.data(), waiting.size(), kListenRetryMs) > 0) {
      throw Failure(ErrorCode::kEnclaveBoot, "The start was given up: nobody waits for it any more.");
    }
  }
}

[[noreturn]] void fail_boot(Environment& environment, cofferdam::ByteView image, const Enclave& enclave,
                            BootResult result, Milliseconds allowed) {
  std::string what = "The start was given up: nobody waits for it any more.";
  if (result == BootResult::kEnded) what = "The enclave ended before it reported that it runs.";
  if (result == BootResult::kTimedOut) {
    what = "The enclave did not report that it runs (a byte on vsock port 9000) in " +
           std::to_string(allowed.count() / 1000) + " s, and was ended.";
  }
  std::string mend;
  if (enclave.memory->size() / kRoomyFactor < image.size()) {
    mend = "Give it more memory: " + std::to_string((image.size() * kRoomyFactor + kMiB - 1) / kMiB) +
           " MiB is four times its image. ";
  }
  std::vector<std::string> lines;
  if (enclave.debug && result != BootResult::kAbandoned) {
    lines = last_words(environment.sockets, enclave.cid);
    mend += lines.empty() ? "Its console said nothing: does the kernel command line have console=ttyS0?"
                          : "Read its last words below.";
  } else if (result == BootResult::kEnded) {
    mend +=
        "A production enclave's output goes nowhere. Run it with --debug-mode: its last words are printed then. If it ends "
        "only in "
        "production mode, look at what differs there: the measurements in its document are not zero.";
  } else if (result == BootResult::kTimedOut) {
    mend +=
        "A production enclave's output goes nowhere. Run it with --debug-mode: its last words are printed then. If it is only "
        "slow, "
        "give --boot-timeout SECONDS.";
  }
  Failure failure(ErrorCode::kEnclaveBoot, what, mend);
  for (const std::string& line : lines) failure.add_detail("| " + line);
  throw failure;
}

}  // namespace

Enclave launch(Environment& environment, const RunRequest& request, cofferdam::ByteView image, const Say& say,
               int starter, int signals) {
  Enclave enclave;
  enclave.debug = request.debug;
  const int descriptor = environment.driver.create(enclave.slot_uid);
  if (descriptor < 0) throw driver_failure(ErrorCode::kInvalidEnclaveDescriptor, "make an enclave", -descriptor);
  enclave.descriptor = Descriptor(descriptor);
  take_memory(environment, request, image, say, enclave);
  take_cpus(environment, request, enclave);
  const Milliseconds allowed = request.boot_timeout.value_or(boot_time_allowed(image.size(), enclave.memory->size()));
  const Descriptor listener = heartbeat_listener(environment, say, starter, signals, allowed);
  enclave.cid = request.cid;
  if (const int error = environment.driver.start(enclave.descriptor.get(), request.debug, enclave.cid); error < 0) {
    throw driver_failure(ErrorCode::kEnclaveStart, "start the enclave", -error);
  }
  std::string cpus;
  for (const std::uint32_t cpu : enclave.cpus) cpus += (cpus.empty() ? "" : ", ") + std::to_string(cpu);
  say("Started enclave with enclave-cid: " + std::to_string(enclave.cid) +
      ", memory: " + std::to_string(enclave.memory->size() / kMiB) + " MiB, cpu-ids: [" + cpus + "]");
  const BootResult result = wait_for_boot(environment.sockets, listener.get(), enclave.descriptor.get(), enclave.cid,
                                          starter, signals, allowed);
  if (result != BootResult::kReady) fail_boot(environment, image, enclave, result, allowed);
  return enclave;
}

void check_image(cofferdam::EifImage& image, std::string_view machine, std::int64_t now) {
  const std::string_view built_for =
      image.layout.architecture == enclave::EifArchitecture::kAarch64 ? "aarch64" : "x86_64";
  if (built_for != machine) {
    throw Failure(ErrorCode::kEifParsing,
                  "The image is for " + std::string(built_for) + ", and this machine is " + std::string(machine) + '.',
                  "Build it for " + std::string(machine) + '.');
  }
  if (!cofferdam::checksum_holds(image)) {
    throw Failure(ErrorCode::kEifParsing, "The image's checksum is not that of its bytes: it was damaged after it was built.",
                  "Copy it here once more and compare the two files' sha256sum, or build it again.");
  }
  if (!image.layout.signature) return;
  std::string problem;
  try {
    const cofferdam::EifSignature signature =
        cofferdam::decode_signature_section(image.section(*image.layout.signature));
    problem = cofferdam::check_certificate_time(signature.certificate, now);
    if (problem.empty()) {
      cofferdam::measure_eif(image);  // what was signed is PCR0
      problem = cofferdam::check_signature(signature, image.measurement.pcr0);
      if (!problem.empty()) problem = "The signature does not hold: " + problem;
    }
  } catch (const std::runtime_error& error) {
    problem = error.what();
  }
  if (!problem.empty()) {
    throw Failure(ErrorCode::kEifSignatureChecker, problem + '.',
                  "Sign it again with sign-eif, with a valid certificate and its key; check the clock with date.");
  }
}

}  // namespace enclave_cli
