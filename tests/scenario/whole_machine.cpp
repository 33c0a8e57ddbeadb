#include "tests/scenario/whole_machine.hpp"

#include "hal/registers/gicv3.hpp"

#include <gmock/gmock.h>

namespace scenario {

std::uint64_t build_enclave(GuestCpu cpu, const EnclavePlan& plan) {
  const CallResult slot = cpu.call(Function::kSlotAllocate);
  if (!slot.ok()) return 0;
  const std::uint64_t uid = slot.x[1];
  cpu.write(Ipa{plan.address + plan.image_offset}, plan.image);
  if (!cpu.call(Function::kMemoryDonate, {uid, plan.address, plan.size}).ok()) return 0;
  for (const std::size_t core : plan.cores) {
    if (!cpu.call(Function::kCoreDonate, {uid, mpidr_of(core)}).ok()) return 0;
  }
  return uid;
}

CallResult start_enclave(GuestCpu cpu, std::uint64_t uid, const EnclavePlan& plan) {
  return cpu.call_to_end(Function::kSlotStart, {uid, plan.flags, plan.cid, plan.image_offset});
}

std::uint64_t run_enclave(GuestCpu cpu, const EnclavePlan& plan) {
  const std::uint64_t uid = build_enclave(cpu, plan);
  return uid != 0 && start_enclave(cpu, uid, plan).ok() ? uid : 0;
}

CallResult end_enclave(GuestCpu cpu, std::uint64_t uid) {
  const CallResult stopped = cpu.call_to_end(Function::kSlotStop, {uid});
  if (!stopped.ok() && stopped.error() != error_number(base::Error::kWrongState)) return stopped;
  return cpu.call_to_end(Function::kSlotFree, {uid});
}

cofferdam_abi::SlotState state_of(GuestCpu cpu, std::uint64_t uid) {
  return static_cast<cofferdam_abi::SlotState>(cpu.call(Function::kSlotInfo, {uid}).x[1] & 0xFFFF);
}

void enable_doorbell(GuestCpu cpu) {
  namespace distributor = hal::registers::gicv3::distributor;
  const Ipa base{board::kBoard.gic_distributor};
  const auto bank = [&](std::uint64_t offset) { return Ipa{base.value + offset + cofferdam_abi::kDoorbell / 32 * 4}; };
  constexpr std::uint32_t kBit = 1U << (cofferdam_abi::kDoorbell % 32);
  cpu.write_register(bank(distributor::kGroup), 4, kBit);
  cpu.write_register(bank(distributor::kSetEnable), 4, kBit);  // its route is affinity 0.0.0.0 after reset
  cpu.write_register(Ipa{base.value + distributor::kControl}, 4, distributor::kEnableGroup1);
}

NsmAnswer ask_nsm(GuestCpu cpu, const std::vector<std::uint8_t>& request) {
  // Above image and kernel, below ramdisk and device tree: memory that nothing uses.
  const std::uint64_t request_at = kEnclaveRam + kBlock / 2;
  const std::uint64_t response_at = request_at + 4 * kFrame;
  cpu.write(Ipa{request_at}, request);
  const CallResult result =
      cpu.call(Function::kNsmRequest, {request_at, request.size(), response_at, cofferdam_abi::kNsmResponseMax});
  if (!result.ok()) return {result.error(), {}};
  return {0, cpu.read_vector(Ipa{response_at}, result.x[1])};
}

std::vector<std::uint8_t> attestation_request(const std::vector<std::uint8_t>& nonce) {
  std::vector<std::uint8_t> request;
  const auto text = [&](std::string_view characters) {
    request.push_back(static_cast<std::uint8_t>(0x60 + characters.size()));
    request.insert(request.end(), characters.begin(), characters.end());
  };
  request.push_back(0xA1);
  text("Attestation");
  request.push_back(0xA3);
  text("user_data");
  request.push_back(0xF6);
  text("nonce");
  request.push_back(0x58);
  request.push_back(static_cast<std::uint8_t>(nonce.size()));
  request.insert(request.end(), nonce.begin(), nonce.end());
  text("public_key");
  request.push_back(0xF6);
  return request;
}

void WholeMachine::boot(host::MachineConfig config) {
  if (config.handover.empty()) config.handover = support::handover_bytes(board::kBoard.digest);
  machine_ = std::make_unique<host::Machine>(config);
  machine_->set_observer([this](const host::Event& event) { automaton_.step(event); });
  machine_->boot();
}

void WholeMachine::TearDown() {
  if (!machine_) return;
  machine_->shutdown();
  EXPECT_THAT(machine_->violations(), ::testing::IsEmpty());
  EXPECT_THAT(machine_->failures(), ::testing::IsEmpty());
  EXPECT_THAT(automaton_.objections(), ::testing::IsEmpty());
}

}  // namespace scenario
