// A virtual GICv3 (Arm IHI 0069) of one partition: its distributor, its redistributors, and what stands in the list
// registers (ICH_LR<n>_EL2) of its cores. A pure model; the machine is told what to do by Actions.
//
// One security state (GICD_CTLR.DS = 1), affinity routing always on, no LPIs, no extended ranges.
//
// How the monitor uses it, all under one lock of the partition:
//   exit of virtual core n         sync(n) with the list registers as the guest left them; then whatever the exit is about
//                                  (read, write, send_sgi, deactivate, physical, ...); Actions carried out; fill(n); entry
//   another core is to be kicked   physical SGI to it; its exit does the same
// A core whose content changed behind its back goes on with its list registers until its next sync. For interrupts that
// stand in them, others see what the last sync saw, and every access that would want to know better asks for a kick; what
// they want changed is remembered and done by that core's sync, before it reports the interrupt to anybody.
//
// Physical interrupts. The monitor acknowledges one and drops its priority (ICC_CTLR_EL1.EOImode = 1); it stays active in
// the physical GIC until the guest deactivates the virtual one, which the hardware does by itself (LR.HW). While it is
// active it can't come again. A pending state that the guest must not see now (disabled, moved, core off) goes back to the
// physical GIC, set pending again if it is an edge; so there is always one place that knows.
//
// Devices' messages. Where the guest routes such an SPI, there its messages are to arrive (kRoute), as long as that core is
// on; else on another that is. A message that arrives elsewhere all the same counts as much.
//
// Active interrupts for which no list register is left:
//   EOImode 0   the guest's EOI finds none and counts in ICH_HCR_EL2.EOIcount; sync() takes the count and ends that many,
//               highest priority first, which is the order in which a guest must end them. fill() asks for LRENPIE.
//   EOImode 1   EOI only drops the priority; ICC_DIR must trap (ICH_HCR_EL2.TDIR), always: an SPI may be deactivated
//               on another core than the one that took it. The monitor answers with deactivate(). The count means
//               nothing then: pass 0. With EOImode 0 a write of ICC_DIR has no effect: ask ICH_VMCR_EL2.VEOIM first.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"
#include "firmware/vgic/actions.hpp"
#include "firmware/vgic/configuration.hpp"

namespace vgic {

enum class FrameKind : std::uint8_t { kDistributor, kRedistributor, kSgi };

struct Frame {  // 64 KiB each
  FrameKind kind;
  CoreIndex core;  // of the two redistributor frames
};

enum class SgiRegister : std::uint8_t { kSgi0, kSgi1, kAliasSgi1 };  // ICC_SGI0R_EL1, ICC_SGI1R_EL1, ICC_ASGI1R_EL1

// What must be asked of the hypervisor interface (ICH_HCR_EL2) until the next fill.
struct Maintenance {
  bool no_pending;      // NPIE: more pending interrupts wait than list registers hold
  bool end_of_outside;  // LRENPIE: an active interrupt has no list register
  bool group_change;    // VGrp<n>EIE for a group that is off, VGrp<n>DIE for one that is on: it would change the choice
};

// What the guest's CPU interface takes now (ICH_VMCR_EL2.VENG<n>); it decides who gets a list register when they are few.
struct EnabledGroups {
  bool group0;
  bool group1;
};

class Controller {
 public:
  constexpr Controller() = default;

  // Everything as after power on, every core off. Precondition: the partition's physical interrupts are disabled, not
  // pending, not active and level-sensitive, as stop() leaves them. Errors: kInvalidArgument (sets overlap, an SGI in a
  // set, number of cores, two cores with one affinity); nothing is changed then.
  [[nodiscard]] base::Status reset(const Configuration& configuration);
  // The partition ends or starts anew: no physical interrupt of its own stays enabled, pending or active.
  void stop(Actions& actions);

  // A physical SPI becomes one of the partition's, as after reset, or is one no longer: disabled, neither pending nor
  // active, and no register of it remains. What is none of these is left alone.
  void admit(base::Intid intid, Actions& actions);
  void withdraw(base::Intid intid, Actions& actions);

  // A core goes on, with what was set and sent while it was off. Its list registers are empty.
  void join(CoreIndex core, Actions& actions);
  // A core goes off, after its last sync(): its private interrupts as after reset. What was pending there and may go to
  // others does.
  void leave(CoreIndex core, Actions& actions);

  // A guest's access at `offset` of a frame. What the architecture reserves, and accesses of a size that it does not
  // allow, read as zero and write nothing (IHI 0069, 12.1.3 leaves that choice). `actions` of a read: kicks of the cores
  // whose list registers would tell more. Errors: kInvalidArgument (no such core or offset, size not 1, 2, 4 or 8, or
  // the offset no multiple of it): no architectural access.
  [[nodiscard]] base::Result<std::uint64_t> read(Frame frame, std::uint64_t offset, unsigned size, Actions& actions) const;
  [[nodiscard]] base::Status write(Frame frame, std::uint64_t offset, unsigned size, std::uint64_t value,
                                   Actions& actions);
  // Whether this access reads pending bits, and of which physical interrupts: the machine knows of pending ones that were
  // not yet taken (a disabled line is high). The monitor may add `mask & GICD_ISPENDR<word>` to what read() answered.
  struct PhysicalPending {
    std::uint32_t mask;
    std::uint8_t word;
  };
  [[nodiscard]] PhysicalPending physical_pending(Frame frame, std::uint64_t offset) const;

  // The guest on `from` wrote `value` to a register that generates SGIs.
  void send_sgi(CoreIndex from, SgiRegister which, std::uint64_t value, Actions& actions);
  // The guest on `core` wrote ICC_DIR_EL1, with EOImode 1. Any value.
  void deactivate(CoreIndex core, base::Intid intid, Actions& actions);

  // The machine's core that runs `core` acknowledged this physical interrupt and dropped its priority; it is active.
  // kNotOwned: not one of this partition's; the state is as before, and what to do with it is the caller's business.
  [[nodiscard]] base::Status physical(CoreIndex core, base::Intid intid, Actions& actions);
  // The level of a line that the monitor drives. Edge-triggered ones become pending when it rises.
  // kNotOwned: not in Configuration::raised.
  [[nodiscard]] base::Status raise(base::Intid intid, bool level, Actions& actions);  // SPI
  // An edge-triggered one of them falls, which changes nothing that a core sees. False: nothing was done, raise() is to be asked.
  [[nodiscard]] bool fall(base::Intid intid);  // SPI
  [[nodiscard]] base::Status raise_private(CoreIndex core, base::Intid intid, bool level, Actions& actions);  // PPI
  // A device's message for an SPI of Configuration::message; as GICD_SETSPI_NSR, so a level-sensitive one stays until
  // GICD_CLRSPI_NSR. An SPI of Configuration::raised becomes pending once, however it is triggered: a doorbell.
  // kNotOwned: any other.
  [[nodiscard]] base::Status message(base::Intid intid, Actions& actions);

  // How many list registers, from the first on, hold something since the last fill: only these need be read.
  [[nodiscard]] std::size_t used_list_registers(CoreIndex core) const { return cores_[core.value].used; }
  // Takes in what the guest did, and empties `list_registers`, of which there are at least used_list_registers().
  // `ended_outside`: ICH_HCR_EL2.EOIcount, with EOImode 0; it is at zero again from now on.
  void sync(CoreIndex core, std::span<std::uint64_t> list_registers, unsigned ended_outside, Actions& actions);
  // Writes every list register. Precondition: sync() since the last fill. Choice when there are more interrupts than
  // registers: the best pending one first, then active ones, then more pending ones, each by priority.
  [[nodiscard]] Maintenance fill(CoreIndex core, std::span<std::uint64_t> list_registers, EnabledGroups groups);
  // Does anything wait for the core, in its list registers or out of them? What ends a wait for interrupts. After sync().
  [[nodiscard]] bool has_pending(CoreIndex core) const;

 private:
  static constexpr std::uint8_t kNowhere = 0xFF;
  // Banks of 32 interrupts: one for each core's private ones, then INTIDs 32 to 1023.
  static constexpr std::size_t kBanks = kMaxCores + kWords - 1;

  struct Bank {  // a bit for each interrupt
    std::uint32_t present;
    std::uint32_t physical;
    std::uint32_t message;
    std::uint32_t enabled;
    std::uint32_t group1;
    std::uint32_t edge;
    std::uint32_t latch;         // pending, by an edge, by software, or as a physical interrupt that was taken
    std::uint32_t line;          // level of the input, of those that are not physical
    std::uint32_t active;
    std::uint32_t written;       // active because GICD_ISACTIVER says so: no EOI will end it, it needs no list register
    std::uint32_t listed;        // in a list register of Interrupt::holder
    std::uint32_t listed_latch;  // what `latch` was when it went there; pending again if it comes back pending
    std::uint32_t taken;         // active in the physical GIC
    std::uint32_t came_again;    // taken anew while still listed: the guest has ended it there
    // Of physical ones that GICD_ISPENDR made pending, whatever their line: not yet taken, and taken.
    std::uint32_t set_in_machine;
    std::uint32_t set_by_guest;
    std::uint32_t armed;         // enabled in the physical GIC
    std::uint32_t any_core;      // GICD_IROUTER.IRM
    // Asked for while in the list register of another core; done by its sync.
    std::uint32_t drop_pending;
    std::uint32_t drop_active;
    std::uint32_t gain_active;
  };
  struct Interrupt {
    std::uint32_t affinity;  // GICD_IROUTER, Aff3.Aff2.Aff1.Aff0
    std::uint8_t priority;
    std::uint8_t target;  // the core it goes to, or kNowhere
    std::uint8_t holder;  // the core that has it listed or active
    std::uint8_t queued;  // the core in whose queue it waits for a list register, or kNowhere
    std::uint8_t routed;  // where the physical GIC sends it, or messages for it; kNowhere: not said yet
    std::uint8_t ran_priority;  // as it was listed: the guest's end of it must find that (IHI 0069, 4.8.5)
    bool ran_group1;
  };
  struct Listed {  // what stands in one list register
    std::uint16_t slot;
    bool hardware;
  };
  struct Core {
    std::uint32_t affinity;
    bool processor_sleep;
    std::uint8_t used;
    std::array<Listed, kMaxListRegisters> listed;
    std::uint32_t queued_words;                // bit n: queue[n] has bits
    std::array<std::uint32_t, kWords> queue;  // wants a list register: pending and deliverable here, or active here
  };

  // An interrupt of a core is a slot: 32 * bank + bit.
  struct Place {
    Bank& bank;
    Interrupt& interrupt;
    std::uint32_t bit;
    std::uint16_t slot;
  };

  [[nodiscard]] static constexpr std::size_t bank_of(CoreIndex core, std::size_t word) {
    return word == 0 ? core.value : kMaxCores - 1 + word;
  }
  [[nodiscard]] static constexpr std::size_t word_of_bank(std::size_t bank) {
    return bank < kMaxCores ? 0 : bank - kMaxCores + 1;
  }
  [[nodiscard]] Place place(std::size_t slot);
  [[nodiscard]] Place place(CoreIndex core, base::Intid intid);
  [[nodiscard]] bool is_online(std::uint8_t core) const { return core != kNowhere && (online_ >> core & 1) != 0; }
  [[nodiscard]] std::uint32_t group_enabled(const Bank& bank) const;
  [[nodiscard]] static std::uint32_t pending(const Bank& bank) { return bank.latch | (bank.line & ~bank.edge); }
  [[nodiscard]] bool is_deliverable(const Place& at) const;
  [[nodiscard]] std::uint8_t lowest_online() const;

  // After a change of what decides on delivery: the queues, kicks, and what goes back to the physical GIC.
  void requeue(const Place& at, Actions& actions);
  void move_to_queue(const Place& at, std::uint8_t core);
  // After a change of configuration: the physical GIC's enable and route too.
  void reconfigure(const Place& at, Actions& actions);
  void reconfigure_all(std::size_t bank, std::uint32_t mask, Actions& actions);
  void retarget(const Place& at, Actions& actions);
  void retarget_all(std::uint8_t core, Actions& actions);  // SPIs that go there, or anywhere
  void clear_private(CoreIndex core, Actions& actions);
  void give_back(const Place& at, Actions& actions);
  void act(ActionKind kind, const Place& at, Actions& actions) const;
  void kick(std::uint8_t core, Actions& actions) const {
    if (is_online(core)) actions.kick(CoreIndex{core});
  }
  void set_line(const Place& at, bool level, Actions& actions);
  void end_active(const Place& at, Actions& actions);
  void end_outside(CoreIndex core, unsigned count, Actions& actions);
  void take_back(const Listed& listed, std::uint64_t state, Actions& actions);
  [[nodiscard]] Maintenance fill_in_order(CoreIndex core, std::span<std::uint64_t> list_registers, EnabledGroups groups);
  [[nodiscard]] std::uint64_t list(CoreIndex core, std::uint16_t slot, Listed& listed);
  [[nodiscard]] std::uint64_t list_active(const Place& at, Listed& listed);
  [[nodiscard]] static constexpr std::uint32_t intid_of(std::size_t slot) {
    return static_cast<std::uint32_t>(32 * word_of_bank(slot / 32) + slot % 32);
  }

  // In registers.cpp and banks.cpp. Registers of one bit an interrupt, in the order of their offsets, 0x80 apart.
  enum class BankRegister : std::uint8_t {
    kGroup = 1, kSetEnable, kClearEnable, kSetPending, kClearPending, kSetActive, kClearActive
  };
  [[nodiscard]] std::uint32_t read_bank(std::size_t bank, BankRegister which, Actions& actions) const;
  void write_bank(std::size_t bank, BankRegister which, std::uint32_t mask, Actions& actions);
  void set_pending(std::size_t bank, std::uint32_t mask, Actions& actions);
  void clear_pending(std::size_t bank, std::uint32_t mask, Actions& actions);
  void set_active(std::size_t bank, std::uint32_t mask, Actions& actions);
  void clear_active(std::size_t bank, std::uint32_t mask, Actions& actions);
  void wait_for_holders(std::size_t bank, std::uint32_t mask, std::uint8_t& waits) const;
  [[nodiscard]] std::uint64_t read_priorities(std::size_t bank, std::size_t first, unsigned size) const;
  void write_priorities(std::size_t bank, std::size_t first, unsigned size, std::uint64_t value, Actions& actions);
  [[nodiscard]] std::uint32_t read_edges(std::size_t bank, std::size_t half) const;
  void write_edges(std::size_t bank, std::size_t half, std::uint32_t value, Actions& actions);
  [[nodiscard]] std::uint64_t read_distributor(std::uint64_t offset, unsigned size, Actions& actions) const;
  void write_distributor(std::uint64_t offset, unsigned size, std::uint64_t value, Actions& actions);
  [[nodiscard]] std::uint64_t read_redistributor(CoreIndex core, std::uint64_t offset, unsigned size) const;
  [[nodiscard]] std::uint64_t read_sgi_frame(CoreIndex core, std::uint64_t offset, unsigned size, Actions& actions) const;
  void write_sgi_frame(CoreIndex core, std::uint64_t offset, unsigned size, std::uint64_t value, Actions& actions);
  void write_redistributor(CoreIndex core, std::uint64_t offset, unsigned size, std::uint64_t value);
  void write_control(std::uint32_t value, Actions& actions);
  void write_route(std::uint32_t intid, std::uint64_t route, Actions& actions);
  void write_message(std::uint64_t intid, bool set, Actions& actions);
  [[nodiscard]] bool is_valid(Frame frame, std::uint64_t offset, unsigned size) const;

  std::array<Bank, kBanks> banks_{};
  std::array<Interrupt, kBanks * 32> interrupts_{};
  std::array<Core, kMaxCores> cores_{};
  std::uint32_t type_{};          // GICD_TYPER
  std::uint8_t core_count_{};
  std::uint8_t online_{};         // bit a core
  std::uint8_t groups_enabled_{}; // GICD_CTLR.EnableGrp0, EnableGrp1
  std::uint8_t distributor_waits_{};     // GICD_CTLR.RWP: these cores have yet to sync
  std::uint8_t redistributors_wait_{};   // GICR_CTLR.RWP, bit a core
};

static_assert(sizeof(Controller) < 24 * 1024);

}  // namespace vgic
