// A model of what takes the messages of devices: who is attached, with which INTIDs, and to which core they go.
//
// As on the target every stream has physical interrupts of its own, and what it asks for out of turn is dropped.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "firmware/base/ids.hpp"

namespace host {

class MessageInterrupts {
 public:
  struct Delivery {
    base::Intid physical;  // what the core's acknowledge() answers
    base::CoreId core;
  };

  // ---- what the monitor does
  void attach(base::StreamId stream, base::Intid first, std::uint32_t count);
  // Its messages, which may still be pending somewhere.
  [[nodiscard]] std::vector<base::Intid> detach(base::StreamId stream);
  // What is pending of these elsewhere moves as well.
  [[nodiscard]] std::vector<base::Intid> route(base::Intid spi, base::CoreId core);
  [[nodiscard]] std::optional<base::Intid> virtual_spi(base::Intid message) const;
  void lose();  // it does not answer, and is off from now on
  [[nodiscard]] bool lost() const;

  // ---- what a device's write of `data` to the message page meets; nullopt: it is dropped
  [[nodiscard]] std::optional<Delivery> deliver(base::StreamId stream, std::uint32_t data) const;
  [[nodiscard]] bool attached(base::StreamId stream) const;

 private:
  struct Messages {
    std::size_t slot;
    base::Intid first;
    std::uint32_t count;
  };
  mutable std::mutex mutex_;
  std::map<base::StreamId, Messages> attached_;
  std::map<base::Intid, base::CoreId> routes_;
  bool lost_{};
};

}  // namespace host
