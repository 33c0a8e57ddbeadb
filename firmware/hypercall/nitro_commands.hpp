// What a command of the Nitro Enclaves device is in the monitor's own calls, and what its reply says.
//
// Whoever executes a command makes the calls one after another as the parent, exactly as if the parent had made them:
// the device can do nothing that the published calls can't. Between two calls the lock may be dropped; each call checks
// everything anew.
// A command that fails on the way takes back what it did: memory comes back zeroed, cores come back. Sources: Linux
// include/uapi/linux/nitro_enclaves.h and drivers/virt/nitro_enclaves for what each reply holds and each number means.
#pragma once

#include <cstdint>

#include "firmware/hypercall/call.hpp"
#include "firmware/hypercall/state.hpp"
#include "firmware/nitro/command_format.hpp"

namespace hypercall {

struct NitroStep {
  enum class Kind : std::uint8_t { kCall, kReply };
  Kind kind{};
  Call call{};   // kCall: make it, as the parent, and bring its reply to next()
  bool waits{};  // kCall: the call before could only wait (for cores to leave, for another core): do others first
  nitro::Reply reply{};  // kReply: the command is done
};

class NitroCommand {
 public:
  // Pure but for what this object remembers. Both under the state lock, next() once for each call that was asked for.
  [[nodiscard]] NitroStep begin(const nitro::Request& request, const SystemState& state);
  [[nodiscard]] NitroStep next(const SystemState& state, const partition::Reply& reply);

 private:
  [[nodiscard]] NitroStep ask(Function function, std::uint64_t x2 = 0, std::uint64_t x3 = 0, std::uint64_t x4 = 0);
  [[nodiscard]] NitroStep begin_start(const SystemState& state);
  [[nodiscard]] NitroStep begin_memory(const SystemState& state);
  [[nodiscard]] NitroStep begin_vcpus(const SystemState& state);
  [[nodiscard]] NitroStep start_with_free_cid(const SystemState& state);
  [[nodiscard]] NitroStep donate_piece();
  [[nodiscard]] NitroStep donate_core(const SystemState& state);
  [[nodiscard]] NitroStep went_well(const SystemState& state, const partition::Reply& reply);
  [[nodiscard]] NitroStep refused(const SystemState& state, base::Error error);
  [[nodiscard]] NitroStep take_back(nitro::ReturnCode reason);

  nitro::Request request_{};
  Call call_{};                  // the last one asked for
  std::uint64_t piece_{};        // bytes it donates
  std::uint64_t donated_{};      // bytes that this command has given so far
  partition::CoreMask cores_{};  // likewise
  std::uint32_t attempts_{};     // at a cid of our own choice
  nitro::ReturnCode failure_{};  // not kSuccess: on the way back
};

// What a refused call means as the answer to a command.
[[nodiscard]] nitro::ReturnCode nitro_return_code(nitro::Command command, base::Error error);

// The core that the parent's Linux calls CPU `number`: the boot core is 0, the others follow in the order of the device
// tree, which leaves out cores that the machine does not have. Errors: kNoSuchCore.
[[nodiscard]] base::Result<base::CoreId> core_of_vcpu(const SystemState& state, std::uint32_t number);

}  // namespace hypercall
