#include "firmware/pci/bridge.hpp"

namespace pci {

std::uint64_t Function::read_config(std::uint64_t offset, std::uint32_t size) const {
  return config_.read(offset, size);
}

Messages Function::write_config(std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
  config_.write(offset, size, value);
  return msix_.set_control(config_.msix_enabled(), config_.msix_masked());
}

bool Function::is_table(std::uint8_t bar, std::uint64_t offset) const {
  const MsixDescription& msix = description_->msix;
  return bar == msix.table_bar && offset >= msix.table_offset && offset - msix.table_offset < table_bytes(msix);
}

bool Function::is_msix(std::uint8_t bar, std::uint64_t offset) const {
  const MsixDescription& msix = description_->msix;
  if (msix.vectors == 0) return false;
  if (is_table(bar, offset)) return true;
  return bar == msix.pending_bar && offset >= msix.pending_offset && offset - msix.pending_offset < kPendingBytes;
}

std::uint64_t Function::read_msix(std::uint8_t bar, std::uint64_t offset, std::uint32_t size) const {
  const MsixDescription& msix = description_->msix;
  if (is_table(bar, offset)) return msix_.read_table(offset - msix.table_offset, size);
  return msix_.read_pending(offset - msix.pending_offset, size);
}

Messages Function::write_msix(std::uint8_t bar, std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
  if (!is_table(bar, offset)) return {};
  return msix_.write_table(offset - description_->msix.table_offset, size, value);
}

Function* Bridge::find(std::uint64_t offset) const {
  const std::uint64_t number = offset / kConfigSize;  // bus << 8 | device << 3 | function
  if (number % 8 != 0 || number / 8 >= functions_.size()) return nullptr;
  return &functions_[number / 8];
}

std::uint64_t Bridge::read_config(std::uint64_t offset, std::uint32_t size) const {
  const Function* function = offset < kEcamBytes ? find(offset) : nullptr;
  return function == nullptr ? all_ones(size) : function->read_config(offset % kConfigSize, size);
}

Messages Bridge::write_config(std::uint64_t offset, std::uint32_t size, std::uint64_t value) {
  Function* function = offset < kEcamBytes ? find(offset) : nullptr;
  if (function == nullptr) return {};
  return function->write_config(offset % kConfigSize, size, value);
}

std::optional<Bridge::Target> Bridge::decode(std::uint64_t address) const {
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    const auto place = functions_[i].config().decode(address);
    if (place) return Target{static_cast<std::uint8_t>(i), place->bar, place->offset};
  }
  return std::nullopt;
}

}  // namespace pci
