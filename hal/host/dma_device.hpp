// A bus master: its accesses go through the SMMU model, with the caches that the SMMU has.
#pragma once

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"

namespace host {

class Machine;

class DmaDevice {
 public:
  DmaDevice(Machine& machine, base::StreamId stream) : machine_(machine), stream_(stream) {}
  // false: the SMMU aborted the access (at its first faulting page; what lies before it has been moved).
  [[nodiscard]] bool read(std::uint64_t address, base::MutableBytes to);
  [[nodiscard]] bool write(std::uint64_t address, base::Bytes from);

 private:
  template <typename Work>
  bool access(std::uint64_t address, std::size_t size, bool write, Work&& work);
  Machine& machine_;
  base::StreamId stream_;
};

}  // namespace host
