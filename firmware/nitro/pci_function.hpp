// The Nitro Enclaves device as a PCI function: what Linux's driver binds to.
//
// Identity and BAR 3 are the driver's (drivers/virt/nitro_enclaves/ne_pci_dev.h). The class is nobody's condition;
// MSI-X has a BAR of its own, so that BAR 3 holds the registers and nothing else.
#pragma once

#include "firmware/nitro/command_device.hpp"
#include "firmware/pci/description.hpp"

namespace nitro {

inline constexpr pci::FunctionDescription kPciFunction{
    .vendor = 0x1d0f,
    .device = 0xe4c1,
    .class_code = 0x08'80'00,  // a system peripheral of no kind that has a number
    .revision = 1,
    .subsystem_vendor = 0x1d0f,
    .subsystem = 0xe4c1,
    .bar_sizes = {0x1000, 0, 0, CommandDevice::kBarSize, 0, 0},
    .msix = {.vectors = CommandDevice::kVectors,
             .table_bar = 0,
             .table_offset = 0,
             .pending_bar = 0,
             .pending_offset = 0x800},
};
static_assert(pci::is_valid(kPciFunction));
static_assert(kPciFunction.bar_sizes[CommandDevice::kBarIndex] == CommandDevice::kBarSize);

}  // namespace nitro
