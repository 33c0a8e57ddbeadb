// The hugepages of one enclave: taken from the kernel's pool, large pages first, and given back unless kept.
//
// An enclave sees its regions one behind the other, in this order; the driver wants pages of 2 MiB and larger.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "guests/parent/cli/environment.hpp"

namespace enclave_cli {

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kSmallestEnclavePage = 2 * kMiB;
inline constexpr std::uint64_t kSmallestEnclave = 64 * kMiB;

struct Region {
  void* address{};
  std::uint64_t size{};  // bytes
  std::uint64_t page_size{};
};

class EnclaveMemory {
 public:
  explicit EnclaveMemory(PageSource& pages) : pages_(pages) {}
  ~EnclaveMemory();
  EnclaveMemory(const EnclaveMemory&) = delete;
  EnclaveMemory& operator=(const EnclaveMemory&) = delete;

  // At least `bytes`, rounded up to what pages there are. Throws Failure E27, holding nothing then.
  void take(std::uint64_t bytes);
  [[nodiscard]] std::span<const Region> regions() const { return regions_; }
  [[nodiscard]] std::uint64_t size() const;
  // Copies to `offset` of what the enclave sees. Throws Failure E26 when it reaches past the end.
  void copy_in(std::uint64_t offset, std::span<const std::uint8_t> bytes);
  void give_back();

 private:
  void take_of(std::uint64_t page_size, std::uint64_t count);

  PageSource& pages_;
  std::vector<Region> regions_;
};

// "2 MiB: 100 of 256 free", one line for each size that an enclave can use.
[[nodiscard]] std::vector<std::string> pool_lines(const std::vector<HugePages>& kinds);

}  // namespace enclave_cli
