// hal/message_interrupts.hpp over the one machine, and the model behind it.
#include "hal/host/message_interrupts.hpp"

#include <bit>

#include "hal/host/machine.hpp"
#include "hal/message_interrupts.hpp"

namespace host {
namespace {

constexpr std::uint32_t kInterrupts = 1020;  // of a slot: as many as there are INTIDs of SPIs

std::optional<std::size_t> slot_of(base::StreamId stream) {
  const auto& devices = Machine::current().board().devices;
  for (std::size_t slot = 0; slot < devices.size(); ++slot) {
    if (devices[slot].stream == stream) return slot;
  }
  return std::nullopt;
}

base::Intid physical_of(std::size_t slot, std::uint32_t intid) {
  return base::Intid{hal::message_interrupts::kFirstMessage.value + static_cast<std::uint32_t>(slot) * kInterrupts +
                     intid};
}

}  // namespace

void MessageInterrupts::attach(base::StreamId stream, base::Intid first, std::uint32_t count) {
  const std::lock_guard lock(mutex_);
  attached_[stream] = {.slot = slot_of(stream).value(), .first = first, .count = count};
}

std::vector<base::Intid> MessageInterrupts::detach(base::StreamId stream) {
  const std::lock_guard lock(mutex_);
  std::vector<base::Intid> messages;
  const auto found = attached_.find(stream);
  if (found == attached_.end()) return messages;
  for (std::uint32_t i = 0; i < found->second.count; ++i) {
    messages.push_back(physical_of(found->second.slot, found->second.first.value + i));
  }
  attached_.erase(found);
  return messages;
}

std::vector<base::Intid> MessageInterrupts::route(base::Intid spi, base::CoreId core) {
  const std::lock_guard lock(mutex_);
  routes_[spi] = core;
  std::vector<base::Intid> messages;
  for (const auto& [stream, of_stream] : attached_) {
    if (spi.value - of_stream.first.value < of_stream.count) messages.push_back(physical_of(of_stream.slot, spi.value));
  }
  return messages;
}

void MessageInterrupts::lose() {
  const std::lock_guard lock(mutex_);
  lost_ = true;
  attached_.clear();
}

bool MessageInterrupts::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

std::optional<base::Intid> MessageInterrupts::virtual_spi(base::Intid message) const {
  if (!hal::message_interrupts::is_message(message)) return std::nullopt;
  const std::uint32_t index = message.value - hal::message_interrupts::kFirstMessage.value;
  const std::lock_guard lock(mutex_);
  for (const auto& [stream, messages] : attached_) {
    const std::uint32_t intid = index % kInterrupts;
    if (messages.slot != index / kInterrupts || intid - messages.first.value >= messages.count) continue;
    return base::Intid{intid};
  }
  return std::nullopt;
}

std::optional<MessageInterrupts::Delivery> MessageInterrupts::deliver(base::StreamId stream, std::uint32_t data) const {
  const std::lock_guard lock(mutex_);
  const auto found = attached_.find(stream);
  if (found == attached_.end() || data - found->second.first.value >= found->second.count) return std::nullopt;
  const auto route = routes_.find(base::Intid{data});
  base::CoreId core{};
  if (route != routes_.end()) {
    core = route->second;
  } else {
    const auto& cores = Machine::current().board().cores;
    while (!cores[core.value].boot) ++core.value;
  }
  return Delivery{physical_of(found->second.slot, data), core};
}

bool MessageInterrupts::attached(base::StreamId stream) const {
  const std::lock_guard lock(mutex_);
  return attached_.contains(stream);
}

void Machine::raise_message(base::StreamId stream, std::uint32_t data) {
  if (const auto delivery = messages_.deliver(stream, data)) make_pending(delivery->core, delivery->physical);
  if (config_.schedule == Schedule::kDeterministic && !on_fiber_) settle();
}

}  // namespace host

namespace hal::message_interrupts {

using host::Machine;

bool present() {  // the source's id comes from where the SMMU's does
  Machine& machine = Machine::current();
  return machine.board().smmu_base != 0 && !machine.messages().lost();
}

base::Status attach(base::StreamId stream, base::Intid first, std::uint32_t count) {
  Machine& machine = Machine::current();
  if (!present() || stream.value == 0 || !host::slot_of(stream)) return base::Error::kNoSuchDevice;
  if (count == 0 || first.value < 32 || first.value >= host::kInterrupts || count > host::kInterrupts - first.value) {
    return base::Error::kOutOfRange;
  }
  MON_TRY(detach(stream));
  if (machine.faults().strikes(host::FallibleStep::kMessageAttach)) return base::Error::kDeviceTimeout;
  machine.messages().attach(stream, first, count);
  return {};
}

base::Status detach(base::StreamId stream) {
  Machine& machine = Machine::current();
  if (!machine.messages().attached(stream)) return {};
  for (const base::Intid message : machine.messages().detach(stream)) machine.drop_pending(message);
  if (machine.faults().strikes(host::FallibleStep::kMessageDetach)) return base::Error::kDeviceTimeout;
  return {};
}

base::Status route(std::uint32_t word, std::uint32_t mask, base::CoreId core) {
  Machine& machine = Machine::current();
  if (!present()) return base::Error::kNoSuchDevice;
  // SPIs begin with word 1 and end in the middle of word 31.
  if (word == 0 || word >= 32 || (word == 31 && mask >> (host::kInterrupts % 32) != 0)) return base::Error::kOutOfRange;
  if (core.value >= machine.cores().size()) return base::Error::kNoSuchCore;
  if (machine.faults().strikes(host::FallibleStep::kMessageRoute)) {
    machine.messages().lose();
    return base::Error::kDeviceTimeout;
  }
  for (; mask != 0; mask &= mask - 1) {
    const base::Intid spi{32 * word + static_cast<std::uint32_t>(std::countr_zero(mask))};
    for (const base::Intid message : machine.messages().route(spi, core)) machine.move_pending(message, core);
  }
  return {};
}

std::optional<base::Intid> virtual_spi(base::Intid message) {
  return Machine::current().messages().virtual_spi(message);
}

}  // namespace hal::message_interrupts
