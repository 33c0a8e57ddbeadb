// What scenarios share: a booted machine, and the steps by which a parent makes an enclave.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "board_tables.hpp"
#include "firmware/base/result.hpp"
#include "hal/host/machine.hpp"
#include "tests/refinement/break_before_make.hpp"
#include "tests/scenario/development_identity.hpp"
#include "tests/scenario/enclave_images.hpp"

namespace scenario {

using base::Ipa;
using cofferdam_abi::Function;
using host::CallResult;
using host::GuestCpu;
using Bytes = std::vector<std::uint8_t>;

inline constexpr base::CoreId kBoot{0};
inline constexpr std::uint64_t kFrame = base::kFrameSize;
inline constexpr std::uint64_t kBlock = base::kBlockSize;
inline constexpr std::uint64_t kRam = board::kBoard.memory[0].base;
inline constexpr std::uint64_t kEnclaveRam = board::kBoard.enclave_ram_base;
// Where scenarios donate from: blocks well above what the parent itself uses.
inline constexpr std::uint64_t kDonated = kRam + 8 * kBlock;

[[nodiscard]] inline std::uint64_t mpidr_of(std::size_t core) { return board::kBoard.cores[core].mpidr; }
[[nodiscard]] inline int error_number(base::Error error) { return static_cast<int>(error); }

// The parent's own steps. `cpu` runs the parent.
struct EnclavePlan {
  std::uint64_t address{kDonated};
  std::uint64_t size{2 * kBlock};
  std::vector<std::size_t> cores{1};
  std::uint64_t flags{0};
  std::uint64_t cid{16};
  std::uint64_t image_offset{kBlock};
  std::vector<std::uint8_t> image{support::make_image()};
};
// Allocates, lays the image, donates memory and cores; not started. Returns the uid, 0 when a step was refused.
[[nodiscard]] std::uint64_t build_enclave(GuestCpu cpu, const EnclavePlan& plan);
[[nodiscard]] CallResult start_enclave(GuestCpu cpu, std::uint64_t uid, const EnclavePlan& plan);
[[nodiscard]] std::uint64_t run_enclave(GuestCpu cpu, const EnclavePlan& plan);
// Stops and frees; the last answer.
CallResult end_enclave(GuestCpu cpu, std::uint64_t uid);
[[nodiscard]] cofferdam_abi::SlotState state_of(GuestCpu cpu, std::uint64_t uid);

// Sets the interrupt controller up as a guest does, so that its doorbell comes to the core that calls.
void enable_doorbell(GuestCpu cpu);

// An enclave's request to its NSM; the response's bytes, or the error number of the call.
struct NsmAnswer {
  int error{};
  std::vector<std::uint8_t> response;
};
[[nodiscard]] NsmAnswer ask_nsm(GuestCpu cpu, const std::vector<std::uint8_t>& request);
[[nodiscard]] std::vector<std::uint8_t> attestation_request(const std::vector<std::uint8_t>& nonce);

// Boots before each test; afterwards: no broken contract of hal/, no failed core, every trace in order.
class WholeMachine : public ::testing::Test {
 protected:
  void boot(host::MachineConfig config = {});  // without a handover of its own: support::handover_bytes
  [[nodiscard]] GuestCpu parent() { return machine_->cpu(kBoot); }
  [[nodiscard]] GuestCpu on(std::size_t core) { return machine_->cpu(base::CoreId{static_cast<std::uint8_t>(core)}); }
  [[nodiscard]] host::Machine& machine() { return *machine_; }
  void TearDown() override;

  std::unique_ptr<host::Machine> machine_;
  refinement::BreakBeforeMake automaton_;
};

}  // namespace scenario
