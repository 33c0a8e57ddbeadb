// The virtual bus: whatever a parent writes to configuration spaces and MSI-X tables, identities and capabilities stay,
// memory goes where the BARs say, and each message that was raised is sent once, pending, or lost for a reason.
#include <array>

#include "firmware/nitro/pci_function.hpp"
#include "firmware/pci/bridge.hpp"
#include "tests/fuzz/demand.hpp"
#include "tests/fuzz/device_steps.hpp"

namespace {

constexpr std::uint64_t kMsix = 0x80, kFunctionBytes = 8 * pci::kConfigSize;

class Bus {
 public:
  void perform(const device_steps::Step& step) {
    const std::uint8_t index = step.action >> 7;
    pci::Function& function = functions_[index];
    switch (step.action % 8) {
      case 0:
      case 1: {
        const std::uint64_t offset = step.offset + (step.offset < pci::kConfigSize ? index * kFunctionBytes : 0);
        check_sent(bridge_.write_config(offset, step.size, step.value));
        break;
      }
      case 2:
        if (function.is_msix(0, step.offset)) check_sent(function.write_msix(0, step.offset, step.size, step.value));
        break;
      case 3:
        if (function.is_msix(0, step.offset)) {
          const std::uint64_t before = pending(function);
          (void)function.read_msix(0, step.offset, step.size);
          DEMAND(pending(function) == before);
        }
        break;
      case 4:
      case 5:
        raise(function, static_cast<std::uint32_t>(step.value));
        break;
      case 6: {
        const std::uint64_t value = bridge_.read_config(step.offset, step.size);
        DEMAND((value & ~pci::all_ones(step.size)) == 0);
        break;
      }
      case 7:
        check_decode(step.value);
        break;
    }
    check();
  }

 private:
  static std::uint64_t pending(const pci::Function& function) {
    return function.read_msix(0, nitro::kPciFunction.msix.pending_offset, 8);
  }
  static void check_sent(const pci::Messages& messages) {
    DEMAND(messages.size() <= nitro::CommandDevice::kVectors);
    for (const pci::Message& message : messages) DEMAND(message.address % 4 == 0);
  }
  void raise(pci::Function& function, std::uint32_t vector) {
    const std::uint64_t before = pending(function);
    const auto message = function.raise(vector);
    const std::uint64_t added = pending(function) & ~before;
    if (vector >= nitro::CommandDevice::kVectors) {
      DEMAND(!message && added == 0);
      return;
    }
    const bool on = function.config().msix_enabled();
    const std::uint64_t entry = function.read_msix(0, 16 * vector + 8, 8);
    const bool masked = function.config().msix_masked() || (entry >> 32 & 1) != 0;
    DEMAND(message.has_value() == (on && !masked));
    if (message) DEMAND(message->address == function.read_msix(0, 16 * vector, 8) && message->data == (entry & ~0U));
    DEMAND((pending(function) >> vector & 1) == (on && masked ? 1 : before >> vector & 1));
  }
  void check_decode(std::uint64_t address) {
    const auto target = bridge_.decode(address & 0xFFFF'FFFF);
    if (!target) return;
    const std::uint64_t place = target->function * kFunctionBytes;
    const std::uint64_t size = nitro::kPciFunction.bar_sizes[target->bar];
    DEMAND((bridge_.read_config(place + 4, 2) & 2) != 0 && target->offset < size);
    DEMAND(bridge_.read_config(place + 0x10 + 4 * target->bar, 4) + target->offset == (address & 0xFFFF'FFFF));
  }
  void check() const {
    for (std::uint64_t place = 0; place < 2 * kFunctionBytes; place += kFunctionBytes) {
      DEMAND(bridge_.read_config(place, 4) == 0xe4c1'1d0f);
      DEMAND((bridge_.read_config(place + 4, 4) & ~std::uint64_t{0x0406}) == 0x0010'0000);
      DEMAND(bridge_.read_config(place + 0x10, 4) % 0x1000 == 0 && bridge_.read_config(place + 0x14, 4) == 0);
      DEMAND((bridge_.read_config(place + kMsix, 4) & ~std::uint64_t{0xC000'0000}) == 0x0001'0011);
      DEMAND(bridge_.read_config(place + 0x100, 4) == 0);
    }
    for (const pci::Function& function : functions_) {
      // What is pending can't be sent now: MSI-X is on, and a mask holds it back.
      for (std::uint64_t vector = 0; vector < 64; ++vector) {
        if ((pending(function) >> vector & 1) == 0) continue;
        DEMAND(vector < nitro::CommandDevice::kVectors && function.config().msix_enabled());
        DEMAND(function.config().msix_masked() || (function.read_msix(0, 16 * vector + 12, 4) & 1) != 0);
      }
    }
  }

  std::array<pci::Function, 2> functions_{pci::Function{nitro::kPciFunction}, pci::Function{nitro::kPciFunction}};
  pci::Bridge bridge_{functions_};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bus bus;
  device_steps::each(data, size, [&](const device_steps::Step& step) { bus.perform(step); });
  return 0;
}
