#include "guests/parent/cli/failure.hpp"

#include <array>
#include <charconv>

namespace enclave_cli {
namespace {

struct Entry {
  std::string_view title;
  std::string_view explanation;
};

constexpr std::array<Entry, kErrorCodeCount> kEntries{{
    {"Unspecified error", "Something failed that has no code of its own. The log has the details."},
    {"Missing mandatory argument", "A command was given without an option that it needs; its --help lists them."},
    {"Conflicting arguments", "Two options exclude each other, such as --cpu-count and --cpu-ids: give one of them."},
    {"Invalid argument provided", "An option's value is not what the option takes, such as letters for a number."},
    {"Socket pair creation failure",
     "No channel to the new enclave process could be made; are there too many open files?"},
    {"Process spawn failure", "The enclave process could not be forked: out of processes or memory."},
    {"Daemonize process failure", "The enclave process could not leave the terminal's session."},
    {"Read from disk failure",
     "The folder with the enclave processes' sockets can't be read. It is /run/nitro_enclaves, NITRO_CLI_SOCKETS_PATH "
     "or "
     "--run-dir; check that it exists and is yours."},
    {"Unusable connection error", "An enclave process closed the connection too early. Run describe-enclaves."},
    {"Socket close error", "A socket could not be closed."},
    {"Socket connect timeout error", "A connection was not answered in time. Is vsock available (lsmod | grep vsock)?"},
    {"Socket error", "An operation on a socket failed that has no code of its own; the message says which."},
    {"Epoll error", "Waiting for several files at once failed."},
    {"Inotify error", "Watching a file failed. This program does not do that; the code is kept for scripts."},
    {"Invalid command", "An enclave process was sent a request that it does not know: two versions of this program?"},
    {"Lock acquire failure", "A lock could not be taken."},
    {"Thread join failure", "A thread could not be started or waited for."},
    {"Serialization error", "JSON could not be read or written; for --config the message says where it is wrong."},
    {"File permissions error", "The log file's permissions can't be set by somebody who does not own it."},
    {"File operation failure",
     "A file could not be opened, read or written. The message names the file and the reason."},
    {"Invalid CPU configuration", "The same CPU is listed twice in --cpu-ids."},
    {"No such CPU available in the pool",
     "--cpu-ids names a CPU that is not in the pool that the driver may give to enclaves. See the pool with "
     "`cofferdam-cli allocate --show`; set it with `cofferdam-cli allocate --cpu-ids ...`."},
    {"Insufficient CPUs available in the pool",
     "More CPUs are asked for than the pool has. Enlarge it with `cofferdam-cli allocate --cpu-count N`; CPU 0 stays "
     "the "
     "parent's, and the pool can't change while an enclave exists."},
    {"Malformed CPU ID", "The CPU pool's list holds something that is not a number."},
    {"CPU error", "The CPU pool's list holds a range that makes no sense."},
    {"No such hugepage flag", "A hugepage size is not known. This program asks the kernel for the sizes that it has."},
    {"Insufficient memory requested",
     "--memory is less than an enclave can have: at least 64 MiB, and the image must fit behind the first 8 MiB. Linux "
     "images need about four times the image's size to unpack their ramdisks and run."},
    {"Insufficient memory available",
     "The kernel's pool of free hugepages (2 MiB and larger) is smaller than --memory. Fill it with `cofferdam-cli "
     "allocate "
     "--memory MIB`, which also explains a refusal; early after boot the memory is least fragmented."},
    {"Invalid enclave descriptor",
     "The driver did not make an enclave (NE_CREATE_VM). Is nitro_enclaves loaded, is /dev/nitro_enclaves there and "
     "yours, "
     "and is there a pool of CPUs?"},
    {"Ioctl failure", "A request to the driver failed. The message gives the driver's error in words."},
    {"Image load information failure", "The driver did not say where the image goes (NE_GET_IMAGE_LOAD_INFO)."},
    {"Set memory region failure", "The driver did not take memory for the enclave (NE_SET_USER_MEMORY_REGION)."},
    {"Add vCPU failure", "The driver did not take a CPU for the enclave (NE_ADD_VCPU)."},
    {"Start enclave failure",
     "The monitor did not start the enclave (NE_START_ENCLAVE). It checks the image then: checksum, architecture, "
     "signature, "
     "sections. `describe-eif` shows the same checks."},
    {"Memory overflow", "Image and offset together are larger than an address can say."},
    {"EIF parsing error",
     "The file is no enclave image, or one that breaks a rule of the format; the message says which."},
    {"Enclave boot failure",
     "The enclave was started, but its first process did not report that it runs (a byte on vsock port 9000 of the "
     "parent). "
     "Either it ended before, which is told at once, or the time was over. Run it with --debug-mode to see its "
     "console; "
     "common causes are too little memory, a kernel without virtio-vsock, and an init that does not send the "
     "heartbeat."},
    {"Enclave event wait error", "Waiting for the enclave's events failed."},
    {"Enclave process command not executed", "An enclave process answered with an error, or may not do this for you."},
    {"Enclave process connection failure",
     "An enclave process does not answer. Its socket may be stale: run describe-enclaves."},
    {"Socket path not found",
     "The enclave ID does not name a socket; an ID looks like i-0123456789abcdef0-enc0123456789abcdef."},
    {"Enclave process send reply failure", "The enclave process could not answer: the command was gone."},
    {"Enclave mmap error", "Hugepages could not be mapped although they are free."},
    {"Enclave munmap error", "Hugepages could not be given back."},
    {"Enclave console connection failure",
     "The console can't be reached. Only enclaves that were started with --debug-mode have one, on vsock CID 0, port "
     "10000 + "
     "the enclave's CID."},
    {"Enclave console read error", "The connection to the console broke."},
    {"Enclave console write output error", "What the console said could not be written to standard output."},
    {"Integer parsing error", "An enclave's CID is not a number."},
    {"EIF building error", "The image could not be built; the message names the input."},
    {"Docker image build error",
     "There is no Docker in the parent. Build the image where Docker is (`docker export`, then `cofferdam eif build`), "
     "or give "
     "build-enclave kernel, command line and ramdisks."},
    {"Docker image pull error",
     "There is no Docker in the parent. Export the container where Docker is (`docker export`), make the image there "
     "with "
     "`cofferdam eif build`, or give build-enclave kernel, command line and ramdisks."},
    {"Artifacts path not set",
     "Docker's artifacts have no folder. This program makes none; the code is kept for scripts."},
    {"Blobs path not set",
     "Neither --kernel nor a folder with a kernel: NITRO_CLI_BLOBS, or /usr/share/nitro_enclaves/blobs."},
    {"Clock skew error", "The clock went backwards while a console was read."},
    {"Signal masking error", "Signals could not be masked before the enclave process was made."},
    {"Signal unmasking error", "Signals could not be unmasked after the enclave process was made."},
    {"Logger error", "The log could not be written."},
    {"Hasher error", "A file could not be measured; for --signing-certificate it must be a PEM certificate."},
    {"Enclave naming error", "No enclave has this name, or several have."},
    {"EIF signature checker error",
     "The image's signing certificate is not valid today, or the signature does not hold. Sign it again with sign-eif, "
     "and "
     "check the clock (date)."},
    {"EIF signing error",
     "The image could not be signed; key (P-256, P-384 or P-521) and certificate must belong together."},
}};

}  // namespace

std::string name_of(ErrorCode code) {
  const auto number = static_cast<unsigned>(code);
  return std::string(number < 10 ? "E0" : "E") + std::to_string(number);
}

std::string_view title_of(ErrorCode code) { return kEntries[static_cast<std::size_t>(code)].title; }
std::string_view explanation_of(ErrorCode code) { return kEntries[static_cast<std::size_t>(code)].explanation; }

std::optional<ErrorCode> code_named(std::string_view name) {
  if (!name.empty() && (name.front() == 'E' || name.front() == 'e')) name.remove_prefix(1);
  int number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || number < 0 || number >= kErrorCodeCount) return {};
  return static_cast<ErrorCode>(number);
}

std::string text_of(const Failure& failure) {
  std::string text =
      "[ " + name_of(failure.code()) + " ] " + std::string(title_of(failure.code())) + ". " + failure.what() + '\n';
  if (!failure.mend().empty()) text += "What to do: " + failure.mend() + '\n';
  for (const std::string& line : failure.details()) text += "  " + line + '\n';
  return text;
}

}  // namespace enclave_cli
