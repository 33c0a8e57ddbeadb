// What the commands need of the machine, as interfaces: the driver, hugepages, vsock, kernel files. One real
// implementation (linux_environment.hpp); the tests script their own.
//
// Every function that answers int answers 0 or a file descriptor, or -error: an errno, or NE_ERR_* for the driver.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace enclave_cli {

// A file descriptor with an owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int file) : file_(file) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      file_ = std::exchange(other.file_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const { return file_; }
  [[nodiscard]] explicit operator bool() const { return file_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(file_, -1); }
  void reset();

 private:
  int file_{-1};
};

// include/uapi/linux/nitro_enclaves.h. The driver ties an enclave to the process that made it.
class EnclaveDriver {
 public:
  virtual ~EnclaveDriver() = default;
  // A descriptor that polls POLLHUP when the enclave ended. Closing it ends the enclave and gives everything back.
  virtual int create(std::uint64_t& slot_uid) = 0;
  virtual int image_offset(int enclave, std::uint64_t& offset) = 0;
  virtual int add_memory(int enclave, void* address, std::uint64_t size) = 0;
  virtual int add_cpu(int enclave, std::uint32_t& cpu) = 0;            // 0: the driver chooses and says which
  virtual int start(int enclave, bool debug, std::uint64_t& cid) = 0;  // 0: the monitor chooses and says which
};

struct HugePages {
  std::uint64_t page_size{};  // bytes
  std::uint64_t total{};
  std::uint64_t free{};
};

class PageSource {
 public:
  virtual ~PageSource() = default;
  // All sizes that the kernel has, ascending.
  [[nodiscard]] virtual std::vector<HugePages> kinds() = 0;
  // nullptr when there are not so many. size is a multiple of page_size; the memory is zero.
  [[nodiscard]] virtual void* map(std::uint64_t page_size, std::uint64_t size) = 0;
  virtual void unmap(void* address, std::uint64_t size) = 0;
};

// Stream sockets between partitions: AF_VSOCK.
class SocketFamily {
 public:
  virtual ~SocketFamily() = default;
  virtual int listen(std::uint32_t port) = 0;
  virtual int accept(int listener, std::uint32_t& peer_cid) = 0;
  virtual int connect(std::uint32_t cid, std::uint32_t port, int timeout_ms) = 0;
};

// Files of the kernel (/sys, /proc), by their absolute paths.
class KernelFiles {
 public:
  virtual ~KernelFiles() = default;
  virtual int read(const std::string& path, std::string& content) = 0;
  virtual int write(const std::string& path, const std::string& content) = 0;
  [[nodiscard]] virtual std::vector<std::string> list(const std::string& folder) = 0;  // names, sorted
};

struct Places {
  std::string run_folder;  // the enclave processes' sockets
  std::string log_folder;
};

struct Environment {
  EnclaveDriver& driver;
  PageSource& pages;
  SocketFamily& sockets;
  KernelFiles& files;
  Places places;
};

}  // namespace enclave_cli
