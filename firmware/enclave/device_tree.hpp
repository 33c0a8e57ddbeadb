// The device tree that an enclave finds in x0: its memory, cores, interrupt controller, clock, virtio-nsm, virtio-vsock and
// serial port, and how to call the monitor; nothing else exists there. Only a debug enclave's kernel is told to use the
// serial port by itself.
//
// Devicetree Specification 0.4; Linux's bindings of what is named. The monitor writes it itself, from the slot
// and the measured command line; its digest is part of the launch digest that the attestation states.
#pragma once

#include <cstdint>

#include "firmware/base/byte_reader.hpp"

namespace enclave {

struct DeviceTreeInput {
  std::uint64_t memory_base;  // IPA
  std::uint64_t memory_size;
  std::uint64_t initrd;       // IPA
  std::uint64_t initrd_size;
  std::uint32_t cores;
  std::uint64_t distributor;  // IPA of the GICv3's frames
  std::uint64_t redistributor;
  std::uint64_t redistributor_stride;
  bool stdout_path;           // to the serial port
  base::Bytes command_line;   // without a NUL
};

// Writes the blob to the front of `out`; answers its size. Errors: kBufferTooSmall.
[[nodiscard]] base::Result<std::size_t> write_device_tree(const DeviceTreeInput& input, base::MutableBytes out);

}  // namespace enclave
