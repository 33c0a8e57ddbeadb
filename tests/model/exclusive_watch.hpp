// Watches every single effect of the machine: the invariants `exclusive`, `scrubbed` and `dma-confined` between any two.
//
// Keeps, for each frame of RAM, which partitions' tables reach it (from the descriptors as they are written) and adds
// every translation that a core or the SMMU may still hold. Objects when
//   - a frame becomes reachable by a second partition and was not shared on purpose;
//   - a frame of the monitor becomes reachable by anyone;
//   - the parent gains a frame that an enclave had, and it is not zero;
//   - a device stream is attached to another partition than its owner.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "firmware/base/ids.hpp"
#include "hal/host/machine.hpp"

namespace model {

class ExclusiveWatch {
 public:
  // Whether parent and this enclave share the frame on purpose at this moment, or are about to.
  using Shared = std::function<bool(std::uint64_t frame, base::PartitionId enclave)>;
  // Whether the stream may be attached to the partition at this moment.
  using StreamOwner = std::function<bool(base::StreamId stream, base::PartitionId partition)>;

  ExclusiveWatch(host::Machine& machine, Shared shared, StreamOwner owner);
  void step(const host::Event& event);
  [[nodiscard]] const std::vector<std::string>& objections() const { return objections_; }
  [[nodiscard]] std::uint64_t checks() const { return checks_; }

 private:
  struct Frame {
    std::uint64_t reached{};  // bit per partition: tables
    bool enclave_had{};       // an enclave had it to itself since it was last zeroed
  };
  void gained(base::PartitionId partition, base::FrameRange frames, const host::Event& event);
  void lost(base::PartitionId partition, base::FrameRange frames);
  void object(const host::Event& event, std::uint64_t frame, const std::string& what);
  template <typename Visit>
  void leaves_of(std::uint64_t descriptor, unsigned level, const Visit& visit);

  host::Machine& machine_;
  Shared shared_;
  StreamOwner owner_;
  std::unordered_map<std::uint64_t, Frame> frames_;
  std::vector<std::string> objections_;
  std::uint64_t checks_{};
};

}  // namespace model
