#include "firmware/rom/memory_present.hpp"

#include <libfdt.h>

#include "firmware/base/address.hpp"
#include "firmware/measure/handover.hpp"

namespace rom {

base::Result<std::uint64_t> memory_present(base::Bytes tree, std::uint64_t ram_base) {
  constexpr base::Error kBad = base::Error::kInvalidArgument;
  constexpr int kCells = 2;  // 64-bit addresses and sizes, as the root says
  constexpr int kRange = kCells * 2 * static_cast<int>(sizeof(fdt32_t));
  // The header first: what it says of the rest lies inside the bytes that are ours to read.
  if (tree.size() < sizeof(fdt_header) || fdt_check_header(tree.data()) != 0) return kBad;
  if (fdt_totalsize(tree.data()) > tree.size()) return kBad;
  if (fdt_address_cells(tree.data(), 0) != kCells || fdt_size_cells(tree.data(), 0) != kCells) return kBad;
  const int node = fdt_path_offset(tree.data(), "/memory");
  if (node < 0) return kBad;
  int length = 0;
  const auto* reg = static_cast<const fdt64_t*>(fdt_getprop(tree.data(), node, "reg", &length));
  if (reg == nullptr || length < kRange || fdt64_ld(reg) != ram_base) return kBad;
  const std::uint64_t bytes = fdt64_ld(reg + 1) & ~(base::kFrameSize - 1);
  if (bytes == 0 || bytes > measure::kMaxMemory) return kBad;
  return bytes;
}

}  // namespace rom
