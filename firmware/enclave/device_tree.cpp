#include "firmware/enclave/device_tree.hpp"

extern "C" {
#include <libfdt.h>
}

#include <array>
#include <cstring>
#include <string_view>

#include "firmware/enclave/eif.hpp"
#include "firmware/enclave/machine_map.hpp"

namespace enclave {

namespace {

// Collects the first failure, so that the tree below reads like a tree.
class TreeWriter {
 public:
  explicit TreeWriter(base::MutableBytes out) : blob_(out.data()) {
    // libfdt leaves the padding as it finds it; the blob is the enclave's to read, and its digest is attested.
    if (!out.empty()) std::memset(blob_, 0, out.size());
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

constexpr std::uint32_t kController = 1;  // phandles
constexpr std::uint32_t kBusClock = 2;
constexpr std::uint32_t kSpi = 0;  // first cell of an interrupt of the GIC
constexpr std::uint32_t kPpi = 1;
constexpr std::uint32_t kEdgeRising = 1;
constexpr std::uint32_t kLevelHigh = 4;
constexpr std::uint32_t kFirstSpi = 32;

// "cpu@" and alike, and a number in hexadecimal.
class UnitName {
 public:
  UnitName(std::string_view kind, std::uint64_t number) {
    std::size_t at = kind.copy(text_.data(), kMostOfKind);
    text_[at++] = '@';
    int shift = 60;
    while (shift > 0 && number >> shift == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) text_[at++] = "0123456789abcdef"[number >> shift & 15];
  }
  [[nodiscard]] const char* text() const { return text_.data(); }

 private:
  static constexpr std::size_t kMostOfKind = 24;
  std::array<char, 48> text_{};
};

[[nodiscard]] constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }
[[nodiscard]] constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

// `trigger`: a device that comes often and is acknowledged each time says it by an edge, whose fall is nobody's work.
void write_registers(TreeWriter& tree, const DevicePlace& place, std::uint32_t trigger = kLevelHigh) {
  tree.cells("reg", std::array{high(place.base), low(place.base), high(place.size), low(place.size)});
  if (place.interrupt.value == 0) return;
  tree.cells("interrupts", std::array{kSpi, place.interrupt.value - kFirstSpi, trigger});
}

// The registers at these addresses are trapped: what the enclave sees is a virtual GICv3 of its own.
void write_controller(TreeWriter& tree, const DeviceTreeInput& input) {
  constexpr std::uint64_t kDistributorSize = 0x1'0000;
  const std::uint64_t size = input.cores * input.redistributor_stride;
  tree.begin(UnitName{"interrupt-controller", input.distributor}.text());
  tree.text("compatible", "arm,gic-v3");
  tree.flag("interrupt-controller");
  tree.cell("#interrupt-cells", 3);
  tree.cell("#address-cells", 0);
  tree.cell("#redistributor-regions", 1);
  tree.address("redistributor-stride", input.redistributor_stride);
  tree.cells("reg", std::array{high(input.distributor), low(input.distributor), high(kDistributorSize), low(kDistributorSize),
                               high(input.redistributor), low(input.redistributor), high(size), low(size)});
  tree.cell("phandle", kController);
  tree.end();
}

void write_devices(TreeWriter& tree) {
  constexpr std::uint32_t kBusFrequency = 24'000'000;  // PrimeCells want a clock for their registers; of no account
  tree.begin("apb-pclk");
  tree.text("compatible", "fixed-clock");
  tree.cell("#clock-cells", 0);
  tree.cell("clock-frequency", kBusFrequency);
  tree.cell("phandle", kBusClock);
  tree.end();

  tree.begin(UnitName{"rtc", kClock.base}.text());
  constexpr char kClockCompatible[] = "arm,pl031\0arm,primecell";
  tree.bytes("compatible", kClockCompatible, sizeof kClockCompatible);
  write_registers(tree, kClock);
  tree.cell("clocks", kBusClock);
  tree.text("clock-names", "apb_pclk");
  tree.end();

  const auto write_virtio = [&](const DevicePlace& place, std::uint32_t trigger) {
    tree.begin(UnitName{"virtio", place.base}.text());
    tree.text("compatible", "virtio,mmio");
    write_registers(tree, place, trigger);
    tree.flag("dma-coherent");
    tree.end();
  };
  write_virtio(kNsm, kLevelHigh);
  write_virtio(kVsock, kEdgeRising);

  constexpr std::uint32_t kUartFrequency = 1'843'200;  // of the PC's; what divides it is of no account
  tree.begin(UnitName{"serial", kConsole.base}.text());
  tree.text("compatible", "ns16550a");
  write_registers(tree, kConsole);
  tree.cell("clock-frequency", kUartFrequency);
  tree.end();
}

}  // namespace

base::Result<std::size_t> write_device_tree(const DeviceTreeInput& input, base::MutableBytes out) {
  TreeWriter tree{out};
  tree.begin("");
  tree.cell("#address-cells", 2);
  tree.cell("#size-cells", 2);
  tree.cell("interrupt-parent", kController);
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
  if (input.stdout_path) tree.text("stdout-path", UnitName{"/serial", kConsole.base}.text());
  tree.end();

  tree.begin(UnitName{"memory", input.memory_base}.text());
  tree.text("device_type", "memory");
  tree.cells("reg", std::array{high(input.memory_base), low(input.memory_base), high(input.memory_size),
                               low(input.memory_size)});
  tree.end();

  tree.begin("cpus");
  tree.cell("#address-cells", 1);
  tree.cell("#size-cells", 0);
  for (std::uint32_t i = 0; i < input.cores; ++i) {
    tree.begin(UnitName{"cpu", i}.text());
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
  // Secure, non-secure, virtual and hypervisor's timer, as in the parent's tree. The last is not the enclave's.
  tree.cells("interrupts",
             std::array{kPpi, 13U, kLevelHigh, kPpi, 14U, kLevelHigh, kPpi, 11U, kLevelHigh, kPpi, 10U, kLevelHigh});
  tree.flag("always-on");
  tree.end();

  write_controller(tree, input);
  write_devices(tree);
  tree.end();
  return tree.finish();
}

}  // namespace enclave
