// The machine as the parent's Linux shows it: /dev/nitro_enclaves, hugetlb mappings, AF_VSOCK, /sys and /proc.
#pragma once

#include "guests/parent/cli/environment.hpp"

namespace enclave_cli {

class LinuxDriver final : public EnclaveDriver {
 public:
  int create(std::uint64_t& slot_uid) override;
  int image_offset(int enclave, std::uint64_t& offset) override;
  int add_memory(int enclave, void* address, std::uint64_t size) override;
  int add_cpu(int enclave, std::uint32_t& cpu) override;
  int start(int enclave, bool debug, std::uint64_t& cid) override;
};

class LinuxFiles final : public KernelFiles {
 public:
  int read(const std::string& path, std::string& content) override;
  int write(const std::string& path, const std::string& content) override;
  [[nodiscard]] std::vector<std::string> list(const std::string& folder) override;
};

class LinuxPages final : public PageSource {
 public:
  explicit LinuxPages(KernelFiles& files) : files_(files) {}
  [[nodiscard]] std::vector<HugePages> kinds() override;
  [[nodiscard]] void* map(std::uint64_t page_size, std::uint64_t size) override;
  void unmap(void* address, std::uint64_t size) override;

 private:
  KernelFiles& files_;
};

class Vsock final : public SocketFamily {
 public:
  int listen(std::uint32_t port) override;
  int accept(int listener, std::uint32_t& peer_cid) override;
  int connect(std::uint32_t cid, std::uint32_t port, int timeout_ms) override;
};

// /sys/kernel/mm/hugepages as KernelFiles show it.
[[nodiscard]] std::vector<HugePages> hugepage_kinds(KernelFiles& files);

// NITRO_CLI_SOCKETS_PATH or /run/nitro_enclaves; NITRO_CLI_LOGS_PATH or /var/log/nitro_enclaves.
[[nodiscard]] Places places_from_environment();

}  // namespace enclave_cli
