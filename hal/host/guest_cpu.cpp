#include "hal/host/guest_cpu.hpp"

#include <algorithm>
#include <mutex>
#include <stdexcept>

#include "firmware/base/result.hpp"
#include "hal/host/machine.hpp"
#include "hal/registers/esr_el2.hpp"

namespace host {
namespace {

namespace esr = hal::registers::esr_el2;
using esr::ExceptionClass;

constexpr unsigned kFaultRetries = 1000;

base::Ipa page_of(base::Ipa ipa) { return base::Ipa{ipa.value & ~(base::kFrameSize - 1)}; }

bool permits(base::Access access, bool write, bool instruction) {
  switch (access) {
    case base::Access::kReadWriteExecute: return true;
    case base::Access::kReadWrite: return !instruction;
    case base::Access::kReadOnly: return !write && !instruction;
    case base::Access::kDevice: return !instruction;
    case base::Access::kMessages: return false;
  }
  return false;
}

}  // namespace

void GuestCpu::deliver(hal::TrapKind kind) {
  if (machine_->deliver(*core_, kind) == hal::AfterTrap::kLeave) throw LeaveGuest{};
}

void GuestCpu::take_pending_interrupts() {
  while (core_->interrupt_pending.load()) deliver(hal::TrapKind::kInterrupt);
}

void GuestCpu::throw_if_excepted() {
  GuestState& guest = core_->guest;
  if (guest.frame.pc != kGuestVector) return;
  guest.frame.pc = guest.elr_el1;
  guest.frame.pstate = guest.spsr_el1;
  throw GuestException{guest.esr_el1, guest.far_el1};
}

template <typename Work>
void GuestCpu::access(base::Ipa ipa, std::size_t size, bool write, bool instruction, Work&& work) {
  const base::Ipa page = page_of(ipa);
  for (unsigned attempt = 0; attempt < kFaultRetries; ++attempt) {
    machine_->maybe_preempt();
    take_pending_interrupts();
    esr::FaultKind kind = esr::FaultKind::kTranslation;
    {
      const std::lock_guard lock(core_->tlb.mutex());
      auto translation = core_->tlb.find(partition(), page);
      if (!translation) {
        translation = machine_->walk(partition(), page);
        // What lacks the access flag is in no TLB (Arm ARM D8.16).
        if (translation && translation->access != base::Access::kMessages)
          core_->tlb.fill(partition(), page, *translation);
      }
      if (translation && permits(translation->access, write, instruction)) {
        work(base::PhysAddr{base::address_of(translation->frame).value | (ipa.value & (base::kFrameSize - 1))});
        return;
      }
      if (translation) {
        kind =
            translation->access == base::Access::kMessages ? esr::FaultKind::kAccessFlag : esr::FaultKind::kPermission;
      }
    }
    hal::TrapFrame& trapped = frame();
    constexpr unsigned kLevel = 3;
    const unsigned size_code = size == 8 ? 3 : size == 4 ? 2 : size == 2 ? 1 : 0;
    std::uint64_t syndrome = esr::make_data_abort(kind, kLevel, write);
    if (instruction) {
      syndrome = esr::make(ExceptionClass::kInstructionAbortLower, esr::FaultStatus::get(syndrome));
    } else if (size == 1 || size == 2 || size == 4 || size == 8) {  // a plain load or store of x0
      syndrome |= esr::kSyndromeValid | hal::registers::Field<22, 2>::put(size_code) | hal::registers::bit(15);
    }
    trapped.esr = syndrome;
    trapped.far = ipa.value;
    trapped.hpfar = esr::make_hpfar(ipa);
    const std::uint64_t at = trapped.pc;
    deliver(hal::TrapKind::kSynchronous);
    throw_if_excepted();
    if (trapped.pc == at + 4) {  // the monitor carried the access out itself
      trapped.pc = at;
      return;
    }
  }
  throw std::runtime_error("a guest's access faults for ever");
}

void GuestCpu::read(base::Ipa from, base::MutableBytes to) {
  for (std::size_t done = 0; done < to.size();) {
    const std::uint64_t address = from.value + done;
    const std::size_t count =
        std::min<std::size_t>(to.size() - done, base::kFrameSize - (address & (base::kFrameSize - 1)));
    const base::MutableBytes part = to.subspan(done, count);
    access(base::Ipa{address}, count, false, false, [&](base::PhysAddr physical) {
      if (machine_->memory().contains(physical, count)) {
        machine_->memory().read(physical, part);
      } else {
        std::fill(part.begin(), part.end(), std::uint8_t{0});  // a device's registers
      }
    });
    done += count;
  }
}

void GuestCpu::write(base::Ipa to, base::Bytes from) {
  for (std::size_t done = 0; done < from.size();) {
    const std::uint64_t address = to.value + done;
    const std::size_t count =
        std::min<std::size_t>(from.size() - done, base::kFrameSize - (address & (base::kFrameSize - 1)));
    access(base::Ipa{address}, count, true, false, [&](base::PhysAddr physical) {
      if (machine_->memory().contains(physical, count)) machine_->memory().write(physical, from.subspan(done, count));
    });
    done += count;
  }
}

std::uint64_t GuestCpu::read64(base::Ipa from) {
  std::array<std::uint8_t, 8> bytes{};
  read(from, bytes);
  return base::ByteReader(bytes).little_endian<std::uint64_t>().value();
}

void GuestCpu::write64(base::Ipa to, std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes{};
  base::ByteWriter writer(bytes);
  (void)writer.little_endian(value);
  write(to, bytes);
}

std::uint64_t GuestCpu::read_register(base::Ipa from, std::size_t size) {
  std::uint64_t value = 0;
  bool mapped = false;
  frame().x[0] = 0;
  access(from, size, false, false, [&](base::PhysAddr) { mapped = true; });
  if (!mapped) value = frame().x[0];
  return value;
}

void GuestCpu::write_register(base::Ipa to, std::size_t size, std::uint64_t value) {
  frame().x[0] = value;
  access(to, size, true, false, [](base::PhysAddr) {});
}

std::vector<std::uint8_t> GuestCpu::read_vector(base::Ipa from, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  read(from, bytes);
  return bytes;
}

void GuestCpu::fetch(base::Ipa from) {
  access(from, 4, false, true, [](base::PhysAddr) {});
}

bool GuestCpu::can_read(base::Ipa from) {
  try {
    (void)read64(from);
  } catch (const GuestException&) {
    return false;
  }
  return true;
}

bool GuestCpu::can_write(base::Ipa to) {
  try {
    write64(to, read64(to));
  } catch (const GuestException&) {
    return false;
  }
  return true;
}

bool GuestCpu::can_fetch(base::Ipa from) {
  try {
    fetch(from);
  } catch (const GuestException&) {
    return false;
  }
  return true;
}

CallResult GuestCpu::call_instruction(std::uint64_t syndrome, std::uint64_t function,
                                      std::initializer_list<std::uint64_t> arguments, std::uint64_t pc_after) {
  machine_->maybe_preempt();
  take_pending_interrupts();
  hal::TrapFrame& trapped = frame();
  std::fill(std::begin(trapped.x), std::end(trapped.x), 0);
  trapped.x[0] = function;
  std::copy(arguments.begin(), arguments.end(), &trapped.x[1]);
  trapped.esr = syndrome;
  trapped.far = 0;
  trapped.hpfar = 0;
  deliver(hal::TrapKind::kSynchronous);
  throw_if_excepted();
  machine_->check(trapped.pc == pc_after, "a call was answered with the program counter elsewhere");
  trapped.pc = core_->guest.entry.entry;
  CallResult result{};
  std::copy(std::begin(trapped.x), std::begin(trapped.x) + result.x.size(), result.x.begin());
  return result;
}

CallResult GuestCpu::hvc(std::uint64_t function, std::initializer_list<std::uint64_t> arguments) {
  frame().pc += 4;  // HVC: ELR_EL2 points behind the instruction
  return call_instruction(esr::make(ExceptionClass::kHvc64, 0), function, arguments, frame().pc);
}

CallResult GuestCpu::smc(std::uint64_t function, std::initializer_list<std::uint64_t> arguments) {
  // A trapped SMC: ELR_EL2 points at it, the monitor steps over it.
  return call_instruction(esr::make(ExceptionClass::kSmc64, 0), function, arguments, frame().pc + 4);
}

CallResult GuestCpu::call_to_end(cofferdam_abi::Function function, std::initializer_list<std::uint64_t> arguments) {
  for (;;) {
    const CallResult result = call(function, arguments);
    const auto error = static_cast<base::Error>(result.error());
    if (error != base::Error::kInProgress && error != base::Error::kBusy) return result;
    relax();
  }
}

std::uint64_t GuestCpu::read_system_register(std::uint32_t encoding) {
  const auto part = [&](unsigned shift, unsigned mask) { return static_cast<std::uint8_t>((encoding >> shift) & mask); };
  const std::uint64_t at = frame().pc;
  if (trap(esr::make_system_register({part(14, 3), part(11, 7), part(7, 15), part(3, 15), part(0, 7), 0, true}))) {
    machine_->check(frame().pc == at + 4, "a register read was answered without stepping over it");
    frame().pc = at;
  }
  throw_if_excepted();
  return frame().x[0];
}

void GuestCpu::write_system_register(std::uint32_t encoding, std::uint64_t value) {
  const auto part = [&](unsigned shift, unsigned mask) { return static_cast<std::uint8_t>((encoding >> shift) & mask); };
  const std::uint64_t at = frame().pc;
  frame().x[0] = value;
  if (trap(esr::make_system_register({part(14, 3), part(11, 7), part(7, 15), part(3, 15), part(0, 7), 0, false}))) {
    machine_->check(frame().pc == at + 4, "a register write was answered without stepping over it");
    frame().pc = at;
  }
  throw_if_excepted();
}

bool GuestCpu::trap(std::uint64_t syndrome, std::uint64_t far, std::uint64_t hpfar, hal::TrapKind kind) {
  machine_->maybe_preempt();
  take_pending_interrupts();
  frame().esr = syndrome;
  frame().far = far;
  frame().hpfar = hpfar;
  deliver(kind);
  return frame().pc != kGuestVector;
}

void GuestCpu::wait_for_interrupt() {
  machine_->wait_in_guest(*core_);
  take_pending_interrupts();
}

void GuestCpu::relax() {
  machine_->pause_guest();
  take_pending_interrupts();
}

std::optional<base::Intid> GuestCpu::take_interrupt() { return machine_->take_virtual(*core_); }

}  // namespace host
