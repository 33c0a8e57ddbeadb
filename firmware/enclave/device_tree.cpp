#include "firmware/enclave/device_tree.hpp"

extern "C" {
#include <libfdt.h>
}

#include <array>
#include <cstring>

#include "firmware/enclave/eif.hpp"

namespace enclave {

namespace {

// Collects the first failure, so that the tree below reads like a tree.
class TreeWriter {
 public:
  explicit TreeWriter(base::MutableBytes out) : blob_(out.data()) {
    note(fdt_create(blob_, static_cast<int>(out.size())));
    note(fdt_finish_reservemap(blob_));
  }
  void begin(const char* name) { note(fdt_begin_node(blob_, name)); }
  void end() { note(fdt_end_node(blob_)); }
  void text(const char* name, const char* value) { bytes(name, value, std::strlen(value) + 1); }
  void cell(const char* name, std::uint32_t value) { note(fdt_property_u32(blob_, name, value)); }
  void address(const char* name, std::uint64_t value) { note(fdt_property_u64(blob_, name, value)); }
  void cells(const char* name, std::span<const std::uint32_t> values) {
    std::array<fdt32_t, 16> big_endian{};
    for (std::size_t i = 0; i < values.size(); ++i) big_endian[i] = cpu_to_fdt32(values[i]);
    note(fdt_property(blob_, name, big_endian.data(), static_cast<int>(values.size() * sizeof(fdt32_t))));
  }
  void bytes(const char* name, const void* data, std::size_t size) {
    note(fdt_property(blob_, name, data, static_cast<int>(size)));
  }
  void flag(const char* name) { bytes(name, "", 0); }  // memcpy wants an address even for nothing
  [[nodiscard]] base::Result<std::size_t> finish() {
    note(fdt_finish(blob_));
    if (failed_) return base::Error::kBufferTooSmall;
    return static_cast<std::size_t>(fdt_totalsize(blob_));
  }

 private:
  void note(int result) { failed_ |= result != 0; }
  void* blob_;
  bool failed_{false};
};

// "cpu@" and a number in hexadecimal.
void cpu_name(std::uint32_t number, std::array<char, 16>& name) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::memcpy(name.data(), "cpu@", 4);
  std::size_t at = 4;
  if (number >= 16) name[at++] = kDigits[(number >> 4) & 15];
  name[at++] = kDigits[number & 15];
  name[at] = '\0';
}

}  // namespace

base::Result<std::size_t> write_device_tree(const DeviceTreeInput& input, base::MutableBytes out) {
  TreeWriter tree{out};
  tree.begin("");
  tree.cell("#address-cells", 2);
  tree.cell("#size-cells", 2);
  tree.text("compatible", "cofferdam,enclave");
  tree.text("model", "Cofferdam enclave");

  tree.begin("chosen");
  std::array<char, kMaxEifCommandLine + 1> command_line{};
  if (input.command_line.size() > kMaxEifCommandLine) return base::Error::kBufferTooSmall;
  if (!input.command_line.empty()) {
    std::memcpy(command_line.data(), input.command_line.data(), input.command_line.size());
  }
  tree.text("bootargs", command_line.data());
  tree.address("linux,initrd-start", input.initrd);
  tree.address("linux,initrd-end", input.initrd + input.initrd_size);
  tree.end();

  tree.begin("memory");
  tree.text("device_type", "memory");
  const std::array<std::uint32_t, 4> reg{
      static_cast<std::uint32_t>(input.memory_base >> 32), static_cast<std::uint32_t>(input.memory_base),
      static_cast<std::uint32_t>(input.memory_size >> 32), static_cast<std::uint32_t>(input.memory_size)};
  tree.cells("reg", reg);
  tree.end();

  tree.begin("cpus");
  tree.cell("#address-cells", 1);
  tree.cell("#size-cells", 0);
  for (std::uint32_t i = 0; i < input.cores; ++i) {
    std::array<char, 16> name{};
    cpu_name(i, name);
    tree.begin(name.data());
    tree.text("device_type", "cpu");
    tree.text("compatible", "arm,armv8");
    tree.text("enable-method", "psci");
    tree.cell("reg", i);
    tree.end();
  }
  tree.end();

  tree.begin("psci");
  constexpr char kPsciCompatible[] = "arm,psci-1.0\0arm,psci-0.2";
  tree.bytes("compatible", kPsciCompatible, sizeof kPsciCompatible);
  tree.text("method", "hvc");
  tree.end();

  tree.begin("timer");
  tree.text("compatible", "arm,armv8-timer");
  // PPIs 13, 14, 11, 10, level, of the binding; there is no interrupt controller node yet, so polled only.
  constexpr std::array<std::uint32_t, 12> kTimerInterrupts{1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4};
  tree.cells("interrupts", kTimerInterrupts);
  tree.flag("always-on");
  tree.end();

  tree.end();
  return tree.finish();
}

}  // namespace enclave
