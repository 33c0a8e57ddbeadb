#include "firmware/boot/amend_device_tree.hpp"

#include <libfdt.h>

#include <algorithm>
#include <array>

namespace boot {

namespace {

[[nodiscard]] base::Status status_of(int result) {
  if (result >= 0) return {};
  return result == -FDT_ERR_NOSPACE ? base::Error::kTooLarge : base::Error::kInvalidArgument;
}

[[nodiscard]] base::Result<int> chosen_of(const void* tree) {
  const int node = fdt_path_offset(tree, "/chosen");
  if (node < 0) return base::Error::kInvalidArgument;
  return node;
}

// "/cpus/cpu@<mpidr>" or "/memory@<base>", the digits as boardgen writes a unit address: hexadecimal without leading
// zeroes. Precondition: the prefix has at most 15 characters.
struct UnitPath {
  std::array<char, 32> text{};

  UnitPath(std::string_view prefix, std::uint64_t address) {
    std::size_t digits = 1;
    while (digits < 16 && address >> (4 * digits) != 0) ++digits;
    std::size_t at = prefix.size();
    std::copy(prefix.begin(), prefix.end(), text.begin());
    for (std::size_t i = digits; i-- > 0;) text[at++] = "0123456789abcdef"[address >> (4 * i) & 15];
    text[at] = '\0';
  }
};

[[nodiscard]] base::Status remove_core(void* tree, std::uint64_t mpidr) {
  const int node = fdt_path_offset(tree, UnitPath{"/cpus/cpu@", mpidr}.text.data());
  if (node < 0) return base::Error::kInvalidArgument;
  return status_of(fdt_del_node(tree, node));
}

[[nodiscard]] base::Status say_memory(void* tree, const PresentMemory& memory) {
  const int node = fdt_path_offset(tree, UnitPath{"/memory@", memory.base}.text.data());
  if (node < 0) return base::Error::kInvalidArgument;
  if (memory.size == 0) return status_of(fdt_del_node(tree, node));
  MON_TRY(status_of(fdt_setprop_u64(tree, node, "reg", memory.base)));
  return status_of(fdt_appendprop_u64(tree, node, "reg", memory.size));
}

// The controller's reg: address and size of the distributor, then of the redistributors.
[[nodiscard]] base::Status say_redistributors(void* tree, std::uint64_t bytes) {
  constexpr std::string_view kName{"reg"};
  constexpr std::uint32_t kSizeAt = 24;
  const int node = fdt_node_offset_by_compatible(tree, -1, "arm,gic-v3");
  if (node < 0) return base::Error::kInvalidArgument;
  const fdt64_t size = cpu_to_fdt64(bytes);
  return status_of(fdt_setprop_inplace_namelen_partial(tree, node, kName.data(), static_cast<int>(kName.size()),
                                                       kSizeAt, &size, sizeof size));
}

[[nodiscard]] base::Status describe_boot(void* tree, const BootFacts& facts) {
  MON_TRY_ASSIGN(const int chosen, chosen_of(tree));
  if (facts.command_line.size() > kMaxCommandLine) return base::Error::kTooLarge;
  std::array<char, kMaxCommandLine + 1> text{};
  std::copy(facts.command_line.begin(), facts.command_line.end(), text.begin());
  const int length = static_cast<int>(facts.command_line.size() + 1);
  MON_TRY(status_of(fdt_setprop(tree, chosen, "bootargs", text.data(), length)));
  constexpr std::array<std::uint8_t, kRngSeedSize> kNoSeed{};
  MON_TRY(status_of(fdt_setprop(tree, chosen, "rng-seed", kNoSeed.data(), static_cast<int>(kNoSeed.size()))));
  MON_TRY(status_of(fdt_setprop_u64(tree, chosen, "kaslr-seed", 0)));
  if (facts.initrd_size == 0) return {};
  MON_TRY(status_of(fdt_setprop_u64(tree, chosen, "linux,initrd-start", facts.initrd)));
  return status_of(fdt_setprop_u64(tree, chosen, "linux,initrd-end", facts.initrd + facts.initrd_size));
}

}  // namespace

base::Result<std::size_t> amend_device_tree(base::Bytes original, const BootFacts& facts, base::MutableBytes out) {
  if (original.size() < sizeof(fdt_header) || fdt_totalsize(original.data()) > original.size()) {
    return base::Error::kInvalidArgument;
  }
  void* tree = out.data();
  MON_TRY(status_of(fdt_open_into(original.data(), tree, static_cast<int>(out.size()))));
  for (const std::uint64_t mpidr : facts.absent_cores) MON_TRY(remove_core(tree, mpidr));
  if (facts.redistributor_bytes != 0) MON_TRY(say_redistributors(tree, facts.redistributor_bytes));
  for (const PresentMemory& memory : facts.memory) MON_TRY(say_memory(tree, memory));
  MON_TRY(describe_boot(tree, facts));
  MON_TRY(status_of(fdt_pack(tree)));
  return static_cast<std::size_t>(fdt_totalsize(tree));
}

base::Status plant_seeds(base::MutableBytes tree, std::uint64_t kaslr_seed,
                         std::span<const std::uint8_t, kRngSeedSize> rng_seed) {
  MON_TRY_ASSIGN(const int chosen, chosen_of(tree.data()));
  MON_TRY(status_of(fdt_setprop_inplace_u64(tree.data(), chosen, "kaslr-seed", kaslr_seed)));
  return status_of(fdt_setprop_inplace(tree.data(), chosen, "rng-seed", rng_seed.data(), static_cast<int>(kRngSeedSize)));
}

}  // namespace boot
