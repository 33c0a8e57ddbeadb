// The frames of the distributor and the redistributors as a guest reads and writes them (IHI 0069, chapter 12).
#include "firmware/vgic/controller.hpp"

namespace vgic {
namespace {

constexpr std::uint64_t kFrameSize = 0x10000;

// Both frames.
constexpr std::uint64_t kBankRegisters = 0x0080;  // GICx_IGROUPR to GICx_ICACTIVER
constexpr std::uint64_t kPriorities = 0x0400;
constexpr std::uint64_t kPrioritiesEnd = 0x0800;
constexpr std::uint64_t kEdges = 0x0C00;
constexpr std::uint64_t kEdgesEnd = 0x0D00;
constexpr std::uint64_t kIdentification = 0xFFD0;

namespace distributor {
constexpr std::uint64_t kControl = 0x0000;
constexpr std::uint64_t kType = 0x0004;
constexpr std::uint64_t kImplementer = 0x0008;
constexpr std::uint64_t kSetSpi = 0x0040;
constexpr std::uint64_t kClearSpi = 0x0048;
constexpr std::uint64_t kRouters = 0x6000;
constexpr std::uint64_t kRoutersEnd = kRouters + 8 * kIntids;
constexpr std::uint32_t kGroups = 0b11;                    // EnableGrp0, EnableGrp1
constexpr std::uint32_t kFixed = 1U << 4 | 1U << 6;        // ARE, DS
constexpr std::uint32_t kWritePending = 1U << 31;
constexpr std::uint64_t kAnyCore = std::uint64_t{1} << 31;  // GICD_IROUTER.IRM
}  // namespace distributor

namespace redistributor {
constexpr std::uint64_t kControl = 0x0000;
constexpr std::uint64_t kImplementer = 0x0004;
constexpr std::uint64_t kType = 0x0008;
constexpr std::uint64_t kWaker = 0x0014;
constexpr std::uint32_t kWritePending = 1U << 3;
constexpr std::uint32_t kProcessorSleep = 1U << 1;
constexpr std::uint32_t kChildrenAsleep = 1U << 2;
}  // namespace redistributor

constexpr std::uint32_t kImplementerValue = 0x4300'0000;  // GICx_IIDR: a product of no JEP106 manufacturer

// GICx_PIDR4 to GICx_CIDR3, as Arm's GICv3 frames have them; PIDR2.ArchRev = 3 says GICv3.
[[nodiscard]] std::uint32_t identification(std::uint64_t offset) {
  constexpr std::uint8_t kValues[] = {0x44, 0, 0, 0, 0x92, 0xB4, 0x3B, 0x00, 0x0D, 0xF0, 0x05, 0xB1};
  return kValues[(offset - kIdentification) / 4];
}

// An access of 4 or 8 bytes to a register of 8, and of nothing else.
[[nodiscard]] std::uint64_t half_or_whole(std::uint64_t value, std::uint64_t offset, unsigned size) {
  if (size == 8) return value;
  return size == 4 ? value >> (8 * (offset & 4)) & 0xFFFF'FFFF : 0;
}

}  // namespace

bool Controller::is_valid(Frame frame, std::uint64_t offset, unsigned size) const {
  if (size != 1 && size != 2 && size != 4 && size != 8) return false;
  if (offset >= kFrameSize || offset % size != 0) return false;
  return frame.kind == FrameKind::kDistributor || frame.core.value < core_count_;
}

base::Result<std::uint64_t> Controller::read(Frame frame, std::uint64_t offset, unsigned size,
                                             Actions& actions) const {
  if (!is_valid(frame, offset, size)) return base::Error::kInvalidArgument;
  switch (frame.kind) {
    case FrameKind::kDistributor: return read_distributor(offset, size, actions);
    case FrameKind::kRedistributor: return read_redistributor(frame.core, offset, size);
    case FrameKind::kSgi: return read_sgi_frame(frame.core, offset, size, actions);
  }
  return base::Error::kInvalidArgument;
}
base::Status Controller::write(Frame frame, std::uint64_t offset, unsigned size, std::uint64_t value,
                               Actions& actions) {
  if (!is_valid(frame, offset, size)) return base::Error::kInvalidArgument;
  switch (frame.kind) {
    case FrameKind::kDistributor: write_distributor(offset, size, value, actions); return {};
    case FrameKind::kRedistributor: write_redistributor(frame.core, offset, size, value); return {};
    case FrameKind::kSgi: write_sgi_frame(frame.core, offset, size, value, actions); return {};
  }
  return base::Error::kInvalidArgument;
}

Controller::PhysicalPending Controller::physical_pending(Frame frame, std::uint64_t offset) const {
  constexpr std::uint64_t kSetPendingOffset = 0x0200;
  constexpr std::uint64_t kPendingEnd = 0x0300;
  if (frame.kind == FrameKind::kRedistributor || offset < kSetPendingOffset || offset >= kPendingEnd) return {0, 0};
  const std::size_t word = (offset % 0x80) / 4;
  if (frame.kind == FrameKind::kSgi) {
    const bool own = word == 0 && frame.core.value < core_count_ && is_online(frame.core.value);
    return {own ? banks_[frame.core.value].physical : 0, 0};  // of a core that is off: another's by now, perhaps
  }
  if (word == 0) return {0, 0};
  return {banks_[bank_of(CoreIndex{0}, word)].physical, static_cast<std::uint8_t>(word)};
}

// ---- Distributor --------------------------------------------------------------------------------------------

std::uint64_t Controller::read_distributor(std::uint64_t offset, unsigned size, Actions& actions) const {
  if (offset >= distributor::kRouters && offset < distributor::kRoutersEnd) {
    const std::size_t intid = (offset - distributor::kRouters) / 8;
    if (intid < kFirstSpi) return 0;
    const std::size_t bank = bank_of(CoreIndex{0}, intid / 32);
    const std::uint64_t affinity = interrupts_[32 * bank + intid % 32].affinity;
    const bool any = (banks_[bank].any_core >> (intid % 32) & 1) != 0;
    return half_or_whole((affinity & 0xFF00'0000) << 8 | (affinity & 0x00FF'FFFF) | (any ? distributor::kAnyCore : 0),
                         offset, size);
  }
  if (offset >= kPriorities && offset < kPrioritiesEnd) {
    const std::size_t intid = offset - kPriorities;
    if (intid < kFirstSpi || intid >= 32 * kWords || (size != 1 && size != 4)) return 0;
    return read_priorities(bank_of(CoreIndex{0}, intid / 32), intid % 32, size);
  }
  if (size != 4) return 0;
  if (offset >= kBankRegisters && offset < kPriorities) {
    const std::size_t word = (offset % 0x80) / 4;
    if (word == 0) return 0;  // the redistributors have those
    return read_bank(bank_of(CoreIndex{0}, word), static_cast<BankRegister>(offset / 0x80), actions);
  }
  if (offset >= kEdges && offset < kEdgesEnd) {
    const std::size_t half = (offset - kEdges) / 4;
    return half < 2 ? 0 : read_edges(bank_of(CoreIndex{0}, half / 2), half % 2);
  }
  if (offset >= kIdentification) return identification(offset);
  if (offset == distributor::kControl) {
    return groups_enabled_ | distributor::kFixed | (distributor_waits_ != 0 ? distributor::kWritePending : 0);
  }
  if (offset == distributor::kType) return type_;
  if (offset == distributor::kImplementer) return kImplementerValue;
  // GICD_TYPER2 and GICD_STATUSR have nothing to tell; GICD_ITARGETSR, GICD_IGRPMODR, GICD_NSACR and the SGI registers are
  // reserved with affinity routing and one security state.
  return 0;
}

void Controller::write_distributor(std::uint64_t offset, unsigned size, std::uint64_t value, Actions& actions) {
  if (offset >= distributor::kRouters && offset < distributor::kRoutersEnd) {
    if (size < 4) return;
    const auto intid = static_cast<std::uint32_t>((offset - distributor::kRouters) / 8);
    if (intid < kFirstSpi) return;
    Actions none;
    const std::uint64_t before = read_distributor(offset & ~std::uint64_t{7}, 8, none);
    const std::uint64_t upper = std::uint64_t{0xFFFF'FFFF} << 32;
    if (size == 4) value = (offset & 4) != 0 ? value << 32 | (before & ~upper) : (before & upper) | (value & ~upper);
    return write_route(intid, value, actions);
  }
  if (offset >= kPriorities && offset < kPrioritiesEnd) {
    const std::size_t intid = offset - kPriorities;
    if (intid < kFirstSpi || intid >= 32 * kWords || (size != 1 && size != 4)) return;
    return write_priorities(bank_of(CoreIndex{0}, intid / 32), intid % 32, size, value, actions);
  }
  // A device's message may be 16 bits wide (IHI 0069, GICD_SETSPI_NSR).
  if ((offset == distributor::kSetSpi || offset == distributor::kClearSpi) && (size == 2 || size == 4)) {
    return write_message(value & 0x3FF, offset == distributor::kSetSpi, actions);
  }
  if (size != 4) return;
  const auto word_value = static_cast<std::uint32_t>(value);
  if (offset >= kBankRegisters && offset < kPriorities) {
    const std::size_t word = (offset % 0x80) / 4;
    if (word != 0) write_bank(bank_of(CoreIndex{0}, word), static_cast<BankRegister>(offset / 0x80), word_value, actions);
  } else if (offset >= kEdges && offset < kEdgesEnd) {
    const std::size_t half = (offset - kEdges) / 4;
    if (half >= 2) write_edges(bank_of(CoreIndex{0}, half / 2), half % 2, word_value, actions);
  } else if (offset == distributor::kControl) {
    write_control(word_value, actions);
  }
}

void Controller::write_control(std::uint32_t value, Actions& actions) {
  const std::uint32_t before = groups_enabled_;
  groups_enabled_ = static_cast<std::uint8_t>(value & distributor::kGroups);
  const std::uint32_t changed = before ^ groups_enabled_;
  if (changed == 0) return;
  const std::uint32_t off = before & changed;
  for (std::size_t index = 0; index < kBanks; ++index) {
    const Bank& bank = banks_[index];
    const auto of_groups = [&bank](std::uint32_t groups) {
      return bank.present & (((groups & 1) != 0 ? ~bank.group1 : 0) | ((groups & 2) != 0 ? bank.group1 : 0));
    };
    wait_for_holders(index, of_groups(off), distributor_waits_);
    reconfigure_all(index, of_groups(changed), actions);
  }
}

void Controller::write_route(std::uint32_t intid, std::uint64_t route, Actions& actions) {
  const Place at = place(CoreIndex{0}, base::Intid{intid});
  if ((at.bank.present & at.bit) == 0) return;
  at.interrupt.affinity = static_cast<std::uint32_t>((route >> 8 & 0xFF00'0000) | (route & 0x00FF'FFFF));
  at.bank.any_core = (route & distributor::kAnyCore) != 0 ? at.bank.any_core | at.bit : at.bank.any_core & ~at.bit;
  retarget(at, actions);
  reconfigure(at, actions);
}

void Controller::write_message(std::uint64_t intid, bool set, Actions& actions) {
  if (intid < kFirstSpi || intid >= kIntids) return;
  const Place at = place(CoreIndex{0}, base::Intid{static_cast<std::uint32_t>(intid)});
  if ((at.bank.message & at.bit) == 0) return;
  if (set) {
    (void)message(base::Intid{static_cast<std::uint32_t>(intid)}, actions);  // it was just found to be one of these
  } else if ((at.bank.edge & at.bit) != 0) {
    clear_pending(at.slot / 32U, at.bit, actions);
  } else {
    set_line(at, false, actions);
  }
}

// ---- Redistributor ------------------------------------------------------------------------------------------

std::uint64_t Controller::read_redistributor(CoreIndex core, std::uint64_t offset, unsigned size) const {
  if ((offset & ~std::uint64_t{7}) == redistributor::kType) {
    const bool last = core.value + 1 == core_count_;
    const std::uint64_t type = std::uint64_t{cores_[core.value].affinity} << 32 | std::uint64_t{core.value} << 8 |
                               (last ? std::uint64_t{1} << 4 : 0);
    return half_or_whole(type, offset, size);
  }
  if (size != 4) return 0;
  if (offset >= kIdentification) return identification(offset);
  if (offset == redistributor::kControl) {
    return (redistributors_wait_ >> core.value & 1) != 0 ? redistributor::kWritePending : 0;
  }
  if (offset == redistributor::kImplementer) return kImplementerValue;
  if (offset == redistributor::kWaker) {
    return cores_[core.value].processor_sleep ? redistributor::kProcessorSleep | redistributor::kChildrenAsleep : 0;
  }
  return 0;
}

// Sleep is a promise of the guest that its CPU interface is off; nothing is held back for it.
void Controller::write_redistributor(CoreIndex core, std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (offset == redistributor::kWaker && size == 4) {
    cores_[core.value].processor_sleep = (value & redistributor::kProcessorSleep) != 0;
  }
}

std::uint64_t Controller::read_sgi_frame(CoreIndex core, std::uint64_t offset, unsigned size, Actions& actions) const {
  if (offset >= kPriorities && offset < kPriorities + 32) {
    return size == 1 || size == 4 ? read_priorities(core.value, offset - kPriorities, size) : 0;
  }
  if (size != 4) return 0;
  if (offset >= kBankRegisters && offset < kPriorities && offset % 0x80 == 0) {
    return read_bank(core.value, static_cast<BankRegister>(offset / 0x80), actions);
  }
  if (offset == kEdges || offset == kEdges + 4) return read_edges(core.value, (offset - kEdges) / 4);
  return 0;
}

void Controller::write_sgi_frame(CoreIndex core, std::uint64_t offset, unsigned size, std::uint64_t value,
                                 Actions& actions) {
  if (offset >= kPriorities && offset < kPriorities + 32) {
    if (size == 1 || size == 4) write_priorities(core.value, offset - kPriorities, size, value, actions);
    return;
  }
  // GICR_ICFGR0 is fixed by the architecture, GICR_ICFGR1 here: all PPIs are levels.
  if (size == 4 && offset >= kBankRegisters && offset < kPriorities && offset % 0x80 == 0) {
    write_bank(core.value, static_cast<BankRegister>(offset / 0x80), static_cast<std::uint32_t>(value), actions);
  }
}

}  // namespace vgic
