// Runs a record (recorder.hpp) again and compares every reply.
//
// The monitor boots over the recorded handover; then each trap is put before it with the registers that the guest had, the
// bytes that it read of guests' memory lie where it read them, and clock, noise, counter, interrupts and device faults
// answer as they did. The first reply that differs ends the run.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/ids.hpp"
#include "hal/device_isolation.hpp"
#include "hal/vcpu.hpp"

namespace host {

struct ReplayReport {
  std::size_t traps{};                   // that were replayed and answered alike
  std::optional<std::string> difference; // nullopt: all of them
};

// Throws std::invalid_argument with the line when the text is no record, or one of another board.
// Precondition: no machine exists, and the monitor has not run in this process.
[[nodiscard]] ReplayReport replay(std::string_view record);

// What the machine answers the monitor while it is replayed: each kind in the order in which it was recorded.
class ReplayInputs {
 public:
  void add(std::string_view kind, std::vector<std::uint64_t> words) { queues_[std::string(kind)].push_back(std::move(words)); }
  // Throws std::runtime_error when the monitor asks for more than it did then. An empty answer stands for "none".
  [[nodiscard]] std::vector<std::uint64_t> take(std::string_view kind) {
    auto& queue = queues_[std::string(kind)];
    if (queue.empty()) throw std::runtime_error("the monitor asks for " + std::string(kind) + " more often than it did");
    std::vector<std::uint64_t> words = std::move(queue.front());
    queue.pop_front();
    return words;
  }

 private:
  std::map<std::string, std::deque<std::vector<std::uint64_t>>> queues_;
};

}  // namespace host
