#include "guests/parent/cli/linux_environment.hpp"

#include <fcntl.h>
#include <linux/mman.h>
#include <linux/nitro_enclaves.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

// After sys/socket.h: the kernel's header does not bring sa_family_t.
#include <linux/vm_sockets.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace enclave_cli {
namespace {

constexpr const char* kDevice = "/dev/nitro_enclaves";
constexpr const char* kHugepages = "/sys/kernel/mm/hugepages";
constexpr std::size_t kFileLimit = 1 << 20;

int answer(int result) { return result < 0 ? -errno : result; }

}  // namespace

void Descriptor::reset() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

// ---- the driver ---------------------------------------------------------------------------------------------

int LinuxDriver::create(std::uint64_t& slot_uid) {
  const Descriptor device(::open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return errno == ENOENT ? -ENODEV : -errno;  // the monitor's ENOENT means something else
  __u64 slot = 0;
  const int enclave = ::ioctl(device.get(), NE_CREATE_VM, &slot);
  if (enclave < 0) return -errno;
  slot_uid = slot;
  return enclave;
}

int LinuxDriver::image_offset(int enclave, std::uint64_t& offset) {
  ne_image_load_info info{.flags = NE_EIF_IMAGE, .memory_offset = 0};
  const int result = answer(::ioctl(enclave, NE_GET_IMAGE_LOAD_INFO, &info));
  offset = info.memory_offset;
  return result;
}

int LinuxDriver::add_memory(int enclave, void* address, std::uint64_t size) {
  ne_user_memory_region region{.flags = NE_DEFAULT_MEMORY_REGION,
                               .memory_size = size,
                               .userspace_addr = reinterpret_cast<std::uintptr_t>(address)};
  return answer(::ioctl(enclave, NE_SET_USER_MEMORY_REGION, &region));
}

int LinuxDriver::add_cpu(int enclave, std::uint32_t& cpu) {
  __u32 id = cpu;
  const int result = answer(::ioctl(enclave, NE_ADD_VCPU, &id));
  cpu = id;
  return result;
}

int LinuxDriver::start(int enclave, bool debug, std::uint64_t& cid) {
  ne_enclave_start_info info{.flags = NE_ENCLAVE_PRODUCTION_MODE, .enclave_cid = cid};
  if (debug) info.flags = NE_ENCLAVE_DEBUG_MODE;
  const int result = answer(::ioctl(enclave, NE_START_ENCLAVE, &info));
  cid = info.enclave_cid;
  return result;
}

// ---- files --------------------------------------------------------------------------------------------------

int LinuxFiles::read(const std::string& path, std::string& content) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return -errno;
  content.clear();
  char piece[4096];
  while (content.size() < kFileLimit) {
    const ssize_t count = ::read(file.get(), piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) return 0;
    content.append(piece, static_cast<std::size_t>(count));
  }
  return -EFBIG;
}

int LinuxFiles::write(const std::string& path, const std::string& content) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return -errno;
  // One write: a kernel file takes its whole value at once.
  const ssize_t count = ::write(file.get(), content.data(), content.size());
  return count < 0 ? -errno : 0;
}

std::vector<std::string> LinuxFiles::list(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// ---- hugepages ----------------------------------------------------------------------------------------------

std::vector<HugePages> hugepage_kinds(KernelFiles& files) {
  constexpr std::string_view kPrefix = "hugepages-";
  const auto number = [&files](const std::string& path) {
    std::string text;
    std::uint64_t value = 0;
    if (files.read(path, text) == 0) std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  std::vector<HugePages> kinds;
  for (const std::string& name : files.list(kHugepages)) {  // hugepages-2048kB
    if (!name.starts_with(kPrefix)) continue;
    std::uint64_t kib = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), kib);
    if (kib == 0) continue;
    const std::string folder = std::string(kHugepages) + '/' + name;
    HugePages pages{
        .page_size = kib << 10, .total = number(folder + "/nr_hugepages"), .free = number(folder + "/free_hugepages")};
    // What other mappings have reserved and not yet touched counts as free there.
    pages.free -= std::min(pages.free, number(folder + "/resv_hugepages"));
    kinds.push_back(pages);
  }
  std::sort(kinds.begin(), kinds.end(),
            [](const HugePages& a, const HugePages& b) { return a.page_size < b.page_size; });
  return kinds;
}

std::vector<HugePages> LinuxPages::kinds() { return hugepage_kinds(files_); }

void* LinuxPages::map(std::uint64_t page_size, std::uint64_t size) {
  const int size_flag = std::countr_zero(page_size) << MAP_HUGE_SHIFT;
  void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | size_flag, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  ::madvise(address, size, MADV_DONTDUMP);  // once the enclave has it, reading it is a fault
  return address;
}

void LinuxPages::unmap(void* address, std::uint64_t size) { ::munmap(address, size); }

// ---- vsock --------------------------------------------------------------------------------------------------

namespace {

sockaddr_vm address_of(std::uint32_t cid, std::uint32_t port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

}  // namespace

int Vsock::listen(std::uint32_t port) {
  Descriptor listener(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return -errno;
  const sockaddr_vm address = address_of(VMADDR_CID_ANY, port);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -errno;
  if (::listen(listener.get(), SOMAXCONN) != 0) return -errno;  // every enclave may fill it (boot_wait.cpp)
  return listener.release();
}

int Vsock::accept(int listener, std::uint32_t& peer_cid) {
  sockaddr_vm peer{};
  socklen_t length = sizeof peer;
  const int connection = ::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection < 0) return -errno;
  peer_cid = peer.svm_cid;
  return connection;
}

int Vsock::connect(std::uint32_t cid, std::uint32_t port, int timeout_ms) {
  Descriptor connection(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!connection) return -errno;
  const sockaddr_vm address = address_of(cid, port);
  if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EINPROGRESS) return -errno;
    pollfd waiting{.fd = connection.get(), .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&waiting, 1, timeout_ms);
    if (ready < 0) return -errno;
    if (ready == 0) return -ETIMEDOUT;
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(connection.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -errno;
    if (error != 0) return -error;
  }
  return connection.release();
}

Places places_from_environment() {
  const auto folder = [](const char* name, const char* fallback) {
    const char* const value = std::getenv(name);
    return std::string(value != nullptr && *value != 0 ? value : fallback);
  };
  return {.run_folder = folder("NITRO_CLI_SOCKETS_PATH", "/run/nitro_enclaves"),
          .log_folder = folder("NITRO_CLI_LOGS_PATH", "/var/log/nitro_enclaves")};
}

}  // namespace enclave_cli
