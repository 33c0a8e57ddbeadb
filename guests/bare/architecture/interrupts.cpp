// The interrupt controller: what a driver sets, and what the core then takes, in which order, and how it ends.
#include "guests/bare/architecture/gic.hpp"
#include "guests/bare/edu.hpp"

namespace architecture {

namespace gic {

bool find_redistributor(Core& core) {
  const std::uint64_t affinity = (core.mpidr >> 32 & 0xFF) << 24 | (core.mpidr & 0xFF'FFFF);
  std::uint64_t frame = kRedistributors;
  for (int count = 0; count < 64; ++count) {
    const std::uint64_t type = mmio<std::uint64_t>(frame + 8);
    if (type >> 32 == affinity) {
      core.redistributor = frame;
      return true;
    }
    if ((type & 0x10) != 0) return false;
    frame += (type & 2) != 0 ? 4 * kFrame : 2 * kFrame;  // VLPIs: four frames
  }
  return false;
}

void start_distributor() {
  distributor(0) = 0;
  wait_for_write();
  const std::uint32_t lines = 32 * ((distributor(4) & 0x1F) + 1);
  for (std::uint32_t intid = 32; intid < lines && intid < 1020; intid += 32) {
    bank(kClearEnable, intid) = ~0U;
    bank(kClearActive, intid) = ~0U;
    bank(kClearPending, intid) = ~0U;
    bank(kGroup, intid) = ~0U;
  }
  for (std::uint32_t intid = 32; intid < lines && intid < 1020; ++intid) priority(intid) = 0xA0;
  distributor(0) = 1U << 4 | 1U << 5;  // ARE first (IHI 0069, GICD_CTLR)
  wait_for_write();
  distributor(0) = 1U << 4 | 1U << 5 | 3;
  wait_for_write();
}

void start_this_core() {
  redistributor(0x14) = redistributor(0x14) & ~2U;  // GICR_WAKER.ProcessorSleep
  wait_for([] { return (redistributor(0x14) & 4) == 0; });
  bank(kClearEnable, 0) = ~0U;
  bank(kClearActive, 0) = ~0U;
  bank(kClearPending, 0) = ~0U;
  bank(kGroup, 0) = ~0U;
  for (std::uint32_t intid = 0; intid < 32; ++intid) priority(intid) = 0xA0;
  bank(kSetEnable, 0) = 0xFFFF;
  start_interface();
}

void start_interface() {
  barrier();
  WRITE_REGISTER(s3_0_c12_c12_5, READ_REGISTER(s3_0_c12_c12_5) | 1);  // ICC_SRE_EL1.SRE
  set_mask(0xF0);
  WRITE_REGISTER(s3_0_c12_c12_3, 0);  // ICC_BPR1_EL1: as fine as there is
  end_separately(false);
  WRITE_REGISTER(s3_0_c12_c12_6, 1);  // ICC_IGRPEN0_EL1
  WRITE_REGISTER(s3_0_c12_c12_7, 1);  // ICC_IGRPEN1_EL1
}

}  // namespace gic

namespace {

using namespace gic;

constexpr std::uint32_t kUartIntid = 33, kMessage = 224;

void check_frames() {
  check("the distributor is a GICv3", (distributor(0xFFE8) >> 4 & 0xF) == 3, {distributor(0xFFE8)});
  check("this core's redistributor is found by its affinity", find_redistributor(this_core()), {this_core().mpidr});
  check("the redistributor is a GICv3", (redistributor(0xFFE8) >> 4 & 0xF) == 3, {redistributor(0xFFE8)});
  start_distributor();
  start_this_core();
  check("affinity routing is on", (distributor(0) & 0x10) != 0, {distributor(0)});
  check("the redistributor is awake", (redistributor(0x14) & 6) == 0, {redistributor(0x14)});
  check("the system registers are on", (READ_REGISTER(s3_0_c12_c12_5) & 1) != 0);
  check("nothing is pending: 1023", acknowledge() == kNone && highest_pending() == kNone);
  check("running priority when idle", running_priority() == 0xFF, {running_priority()});
  priority(kUartIntid) = 0x40;
  set_edge(kUartIntid, true);
  const bool edge = (distributor(0xC00 + 8) >> 3 & 1) != 0;
  set_edge(kUartIntid, false);
  set(kSetEnable, kUartIntid);
  const bool enabled = is(kSetEnable, kUartIntid);
  set(kClearEnable, kUartIntid);
  check("registers of an SPI hold what is written",
        priority(kUartIntid) == 0x40 && edge && enabled && !is(kSetEnable, kUartIntid),
        {priority(kUartIntid), edge, enabled});
  route(kUartIntid) = this_core().mpidr;
  check("its route as well", route(kUartIntid) == this_core().mpidr, {route(kUartIntid)});
}

// A big-endian guest finds the same registers. One block in which nothing else is loaded or stored, and the MMU off: translation tables
// would be read the other way round as well.
void check_byte_order() {
  if ((READ_REGISTER(id_aa64mmfr0_el1) >> 8 & 0xF) == 0) return;  // BigEnd
  mask();
  constexpr std::uint64_t kMmuAndCaches = 0x1005, kBigEndian = 1U << 25;
  const std::uint64_t usual = READ_REGISTER(sctlr_el1);
  constexpr std::uint64_t kRoute = 0x04'0003'0201;  // no core of this machine: the register holds any
  std::uint32_t identification = 0;
  asm volatile(
      "msr sctlr_el1, %[other]\n\tisb\n\t"
      "ldr %w[read], [%[from]]\n\t"
      "str %[written], [%[to]]\n\t"
      "dsb sy\n\tmsr sctlr_el1, %[usual]\n\tisb"
      : [read] "=&r"(identification)
      : [other] "r"((usual & ~kMmuAndCaches) | kBigEndian), [usual] "r"(usual), [from] "r"(kDistributor + 0xFFE8),
        [to] "r"(&route(kUartIntid)), [written] "r"(__builtin_bswap64(kRoute))
      : "memory");
  check("big-endian: a load of four bytes", identification == __builtin_bswap32(distributor(0xFFE8)), {identification});
  check("big-endian: a store of eight", route(kUartIntid) == kRoute, {route(kUartIntid)});
  route(kUartIntid) = this_core().mpidr;
}

// Masked, polled: what the CPU interface shows at each step.
void check_life_of_an_interrupt() {
  mask();
  end_separately(false);
  send_to_self(3);
  check("an SGI to oneself is signalled", wait_for([] { return irq_signalled(); }), {highest_pending()});
  check("and pending", is(kSetPending, 3) && highest_pending() == 3, {highest_pending()});
  std::uint32_t taken = acknowledge();
  check("acknowledged: active, not pending, its priority runs",
        taken == 3 && is(kSetActive, 3) && !is(kSetPending, 3) && running_priority() == 0xA0,
        {taken, bank(kSetActive, 3), bank(kSetPending, 3), running_priority()});
  send_to_self(3);
  pause(100);
  check("again while active: pending, not signalled", is(kSetPending, 3) && !irq_signalled(), {bank(kSetPending, 3)});
  end(3);
  check("ended: signalled again", wait_for([] { return irq_signalled(); }) && running_priority() == 0xFF);
  taken = acknowledge();
  end(taken);
  pause(100);
  check("twice ended: idle", taken == 3 && !is(kSetActive, 3) && !irq_signalled() && acknowledge() == kNone, {taken});

  end_separately(true);
  send_to_self(4);
  wait_for([] { return irq_signalled(); });
  taken = acknowledge();
  end(taken);
  check("EOImode 1: EOIR drops the priority only", taken == 4 && is(kSetActive, 4) && running_priority() == 0xFF,
        {taken, bank(kSetActive, 4), running_priority()});
  send_to_self(4);
  send_to_self(5);
  wait_for([] { return irq_signalled(); });
  taken = acknowledge();
  end(taken);
  deactivate(taken);
  check("EOImode 1: another one comes meanwhile", taken == 5, {taken});
  pause(100);
  check("EOImode 1: the same one does not", !irq_signalled() && is(kSetPending, 4));
  deactivate(4);
  check("EOImode 1: DIR lets it come again", wait_for([] { return irq_signalled(); }));
  taken = acknowledge();
  end(taken);
  deactivate(taken);
  check("EOImode 1: and ends it", taken == 4 && !is(kSetActive, 4), {taken});
  end_separately(false);
}

void check_priorities() {
  mask();
  priority(1) = 0xC0;
  priority(2) = 0x40;
  priority(6) = 0x80;
  for (const std::uint32_t intid : {1U, 6U, 2U}) send_to_self(intid);
  wait_for([] { return highest_pending() == 2; });
  std::uint32_t order = 0;
  for (int i = 0; i < 3; ++i) {
    wait_for([] { return irq_signalled(); });
    const std::uint32_t taken = acknowledge();
    order = order << 8 | taken;
    end(taken);
  }
  check("the highest priority comes first", order == 0x02'06'01, {order});
  set_mask(0x80);
  send_to_self(6);
  pause(200);
  const bool held_back = !irq_signalled() && acknowledge() == kNone && is(kSetPending, 6);
  set_mask(0xF0);
  check("the priority mask holds back, and lets go", held_back && wait_for([] { return irq_signalled(); }),
        {held_back});
  end(acknowledge());
  for (std::uint32_t intid = 0; intid < 16; ++intid) {
    priority(intid) = static_cast<std::uint8_t>(0x10 * (15 - intid));
    send_to_self(intid);
  }
  bool sorted = true;
  for (std::uint32_t i = 0; i < 15; ++i) {  // INTID 0 has 0xF0, which the mask holds back
    wait_for([] { return irq_signalled(); });
    const std::uint32_t taken = acknowledge();
    sorted = sorted && taken == 15 - i;
    end(taken);
  }
  set_mask(0xF8);
  wait_for([] { return irq_signalled(); });
  const std::uint32_t last = acknowledge();
  end(last);
  check("16 at once, more than there are list registers, come in order", sorted && last == 0, {sorted, last});
  set_mask(0xF0);
  for (std::uint32_t intid = 0; intid < 32; ++intid) priority(intid) = 0xA0;
}

// Taken through the vectors, nested.
void check_preemption() {
  Core& core = this_core();
  static volatile std::uint32_t order;
  order = 0;
  core.depth = core.deepest = 0;
  core.on_interrupt = [](Core& self, Exception) {
    const std::uint32_t taken = acknowledge();
    if (taken == kNone) return;
    order = order << 8 | taken;
    self.depth = self.depth + 1;
    if (self.depth > self.deepest) self.deepest = self.depth;
    if (taken == 7) {
      send_to_self(8);  // higher: comes at once
      send_to_self(9);  // lower: waits
    }
    unmask(true, false);
    pause(200);
    mask();
    end(taken);
    self.depth = self.depth - 1;
  };
  priority(7) = 0xA0;
  priority(8) = 0x80;
  priority(9) = 0xC0;
  unmask(true, false);
  send_to_self(7);
  wait_for([] { return order == 0x07'08'09; });
  mask();
  check("a higher priority preempts, a lower one waits", order == 0x07'08'09 && core.deepest == 2,
        {order, core.deepest});
  WRITE_REGISTER(s3_0_c12_c12_3, 7);  // ICC_BPR1_EL1: at most bit 7 preempts
  order = 0;
  core.deepest = 0;
  unmask(true, false);
  send_to_self(7);
  wait_for([] { return order == 0x07'08'09; });
  mask();
  check("the binary point can forbid it", order == 0x07'08'09 && core.deepest == 1, {order, core.deepest});
  WRITE_REGISTER(s3_0_c12_c12_3, 0);
  for (std::uint32_t intid = 0; intid < 32; ++intid) priority(intid) = 0xA0;
  core.on_interrupt = nullptr;
}

void check_groups() {
  Core& core = this_core();
  mask();
  set_group(10, false);
  check("an SGI can be in group 0", !is(kGroup, 10), {bank(kGroup, 10)});
  static volatile std::uint64_t taken_as;
  taken_as = 0;
  core.on_interrupt = [](Core& self, Exception what) {
    const std::uint32_t taken = what == Exception::kFiq ? acknowledge_group0() : acknowledge();
    self.last_intid = taken;
    taken_as = what == Exception::kFiq ? 0xF1 : 0x11;
    if (what == Exception::kFiq) {
      end_group0(taken);
    } else {
      end(taken);
    }
  };
  unmask(true, true);
  barrier();
  const std::uint64_t self = READ_REGISTER(mpidr_el1);
  WRITE_REGISTER(s3_0_c12_c11_7,
                 std::uint64_t{10} << 24 | (self >> 8 & 0xFF) << 16 | 1U << (self & 0xF));  // ICC_SGI0R_EL1
  wait_for([] { return taken_as != 0; });
  mask();
  check("group 0 is taken as FIQ", taken_as == 0xF1 && core.last_intid == 10, {taken_as, core.last_intid});
  taken_as = 0;
  set(kSetPending, 10);
  unmask(true, false);
  pause(200);
  const bool kept = taken_as == 0 && fiq_signalled() && acknowledge() != 10;
  unmask(false, true);
  wait_for([] { return taken_as != 0; });
  mask();
  check("with FIQ masked it waits", kept && taken_as == 0xF1, {kept, taken_as});
  WRITE_REGISTER(s3_0_c12_c12_6, 0);
  set(kSetPending, 10);
  pause(200);
  const bool off = !fiq_signalled();
  WRITE_REGISTER(s3_0_c12_c12_6, 1);
  check("with group 0 off it waits", off && wait_for([] { return fiq_signalled(); }), {off});
  end_group0(acknowledge_group0());
  set_group(10, true);
  core.on_interrupt = nullptr;
}

// Precondition: kMessage is an enabled edge for this core. A device writes to the register's own address.
void check_device_message() {
  constexpr bare::Edu kDevice;
  const bool sends = kDevice.find() && kDevice.send_messages(kDistributor + 0x40, kMessage);
  if (sends) kDevice.interrupt(1);
  const bool came = wait_for([] { return irq_signalled(); });
  const std::uint32_t taken = acknowledge();
  if (taken != kNone) end(taken);
  if (sends) kDevice.acknowledge(1);
  check("so does a device's", sends && came && taken == kMessage && !irq_signalled(), {sends, came, taken});
}

void check_shared() {
  mask();
  route(kUartIntid) = this_core().mpidr;
  set_group(kUartIntid, true);
  priority(kUartIntid) = 0xA0;
  set(kSetPending, kUartIntid);
  pause(200);
  const bool waits = is(kSetPending, kUartIntid) && !irq_signalled();
  set(kSetEnable, kUartIntid);
  check("an SPI made pending by software waits until it is enabled", waits && wait_for([] { return irq_signalled(); }),
        {waits, highest_pending()});
  std::uint32_t taken = acknowledge();
  end(taken);
  pause(200);
  check("it comes once",
        taken == kUartIntid && !irq_signalled() && !is(kSetActive, kUartIntid) && !is(kSetPending, kUartIntid),
        {taken, highest_pending()});
  set(kSetPending, kUartIntid);
  set(kClearPending, kUartIntid);
  pause(200);
  check("what was taken back does not come", !irq_signalled() && acknowledge() == kNone);
  set(kSetActive, kUartIntid);
  set(kSetPending, kUartIntid);
  pause(200);
  const bool held = !irq_signalled() && is(kSetActive, kUartIntid);
  set(kClearActive, kUartIntid);
  check("what is active is not signalled; made inactive it is", held && wait_for([] { return irq_signalled(); }),
        {held});
  end(acknowledge());
  set(kClearEnable, kUartIntid);

  set(kSetPending, 600);
  set(kSetEnable, 600);
  check("an interrupt that is not there reads as zero", !is(kSetEnable, 600) && !is(kSetPending, 600));
  if ((distributor(4) & 1U << 16) != 0) {  // GICD_TYPER.MBIS
    route(kMessage) = this_core().mpidr;
    set_edge(kMessage, true);
    set(kSetEnable, kMessage);
    distributor(0x40) = kMessage;  // GICD_SETSPI_NSR
    const bool came = wait_for([] { return irq_signalled(); });
    taken = acknowledge();
    if (taken != kNone) end(taken);
    check("a message makes its SPI pending", came && taken == kMessage, {came, taken});
    check_device_message();
    set(kClearEnable, kMessage);
  }
  distributor(0) = distributor(0) & ~3U;
  wait_for_write();
  send_to_self(11);
  pause(200);
  const bool silent = !irq_signalled();
  distributor(0) = distributor(0) | 3;
  wait_for_write();
  check("with the distributor off nothing comes, with it on again it does",
        silent && wait_for([] { return irq_signalled(); }), {silent});
  end(acknowledge());
}

}  // namespace

void check_interrupts() {
  check_frames();
  check_byte_order();
  check_life_of_an_interrupt();
  check_priorities();
  check_preemption();
  check_groups();
  check_shared();
}

}  // namespace architecture
