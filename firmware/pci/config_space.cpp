#include "firmware/pci/config_space.hpp"

namespace pci {

namespace {

// PCI 3.0, figure 6-1.
constexpr std::uint32_t kIdentity = 0x00;
constexpr std::uint32_t kCommandStatus = 0x04;
constexpr std::uint32_t kClass = 0x08;
constexpr std::uint32_t kCacheLine = 0x0c;
constexpr std::uint32_t kFirstBar = 0x10;
constexpr std::uint32_t kSubsystem = 0x2c;
constexpr std::uint32_t kCapabilities = 0x34;
constexpr std::uint32_t kInterrupt = 0x3c;
// Ours to choose.
constexpr std::uint32_t kExpress = 0x40;  // 60 bytes
constexpr std::uint32_t kMsix = 0x80;     // 12 bytes

constexpr std::uint16_t kMemorySpace = 1U << 1;
constexpr std::uint16_t kBusMaster = 1U << 2;
constexpr std::uint16_t kInterruptDisable = 1U << 10;
constexpr std::uint16_t kCommandWritable = kMemorySpace | kBusMaster | kInterruptDisable;
constexpr std::uint32_t kCapabilitiesList = 1U << 4;  // of the status register

constexpr std::uint32_t kExpressId = 0x10;
constexpr std::uint32_t kExpressVersion = 2U << 16;
constexpr std::uint32_t kIntegratedEndpoint = 9U << 20;
constexpr std::uint32_t kRoleBasedErrors = 1U << 15;  // must be 1 (7.5.3.3)
constexpr std::uint8_t kErrorReporting = 0xF;         // the four enables, the only bits that are not hardwired
constexpr std::uint32_t kMsixId = 0x11;

[[nodiscard]] bool is_access(std::uint64_t offset, std::uint32_t size) {
  return (size == 1 || size == 2 || size == 4) && offset % size == 0 && offset < kConfigSize;
}

}  // namespace

std::uint32_t ConfigSpace::register_at(std::uint32_t offset) const {
  const FunctionDescription& f = *description_;
  const bool has_msix = f.msix.vectors != 0;
  if (offset >= kFirstBar && offset < kFirstBar + 4 * kBars) return bars_[(offset - kFirstBar) / 4];
  switch (offset) {
    case kIdentity:
      return std::uint32_t{f.device} << 16 | f.vendor;
    case kCommandStatus:
      return kCapabilitiesList << 16 | command_;
    case kClass:
      return f.class_code << 8 | f.revision;
    case kCacheLine:
      return cache_line_;
    case kSubsystem:
      return std::uint32_t{f.subsystem} << 16 | f.subsystem_vendor;
    case kCapabilities:
      return kExpress;
    case kInterrupt:
      return interrupt_line_;
    case kExpress:
      return kIntegratedEndpoint | kExpressVersion | (has_msix ? kMsix : 0) << 8 | kExpressId;
    case kExpress + 4:
      return kRoleBasedErrors;
    case kExpress + 8:
      return device_control_;
    default:
      break;
  }
  if (!has_msix) return 0;
  switch (offset) {
    case kMsix:
      return std::uint32_t{msix_control_} << 16 | (f.msix.vectors - 1) << 16 | kMsixId;
    case kMsix + 4:
      return f.msix.table_offset | f.msix.table_bar;
    case kMsix + 8:
      return f.msix.pending_offset | f.msix.pending_bar;
    default:
      return 0;
  }
}

std::uint64_t ConfigSpace::read(std::uint64_t offset, std::uint32_t size) const {
  if (!is_access(offset, size)) return all_ones(size);
  const std::uint32_t value = register_at(static_cast<std::uint32_t>(offset & ~std::uint64_t{3}));
  return (value >> (8 * (offset % 4))) & all_ones(size);
}

void ConfigSpace::write(std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
  if (!is_access(offset, size)) return;
  const auto place = static_cast<std::uint32_t>(offset & ~std::uint64_t{3});
  const auto shift = static_cast<std::uint32_t>(8 * (offset % 4));
  const auto mask = static_cast<std::uint32_t>(all_ones(size) << shift);
  // The whole register as it shall be. No field of any register changes by being written back as it was read.
  const std::uint32_t whole = (register_at(place) & ~mask) | (static_cast<std::uint32_t>(value << shift) & mask);
  if (place >= kFirstBar && place < kFirstBar + 4 * kBars) {
    const std::uint32_t bar = (place - kFirstBar) / 4;
    const std::uint32_t bytes = description_->bar_sizes[bar];
    bars_[bar] = bytes == 0 ? 0 : whole & ~(bytes - 1);  // bits 0..3 say 32-bit memory, not prefetchable
    return;
  }
  switch (place) {
    case kCommandStatus:
      command_ = static_cast<std::uint16_t>(whole & kCommandWritable);
      break;
    case kCacheLine:
      cache_line_ = static_cast<std::uint8_t>(whole);
      break;
    case kInterrupt:
      interrupt_line_ = static_cast<std::uint8_t>(whole);
      break;
    case kExpress + 8:
      device_control_ = static_cast<std::uint8_t>(whole & kErrorReporting);
      break;
    case kMsix:
      if (description_->msix.vectors != 0) {
        msix_control_ = static_cast<std::uint16_t>(whole >> 16) & (kMsixEnable | kMsixFunctionMask);
      }
      break;
    default:
      break;
  }
}

std::optional<ConfigSpace::Place> ConfigSpace::decode(std::uint64_t address) const {
  if ((command_ & kMemorySpace) == 0) return std::nullopt;
  for (std::uint8_t bar = 0; bar < kBars; ++bar) {
    const std::uint32_t bytes = description_->bar_sizes[bar];
    if (bytes == 0 || address < bars_[bar] || address - bars_[bar] >= bytes) continue;
    return Place{bar, static_cast<std::uint32_t>(address - bars_[bar])};
  }
  return std::nullopt;
}

}  // namespace pci
