// The core's timers and their interrupts, waiting for them, and the devices that every such board has.
#include "guests/bare/architecture/gic.hpp"

namespace architecture {

namespace {

using namespace gic;

// Types, not tables of functions: the image runs wherever it is laid, and nobody relocates a pointer in it.
#define TIMER(name, ppi, control_register, compare_register, countdown_register, counter)             \
  struct name {                                                                                       \
    static constexpr std::uint32_t intid = 16 + ppi;                                                  \
    static void control(std::uint64_t value) { WRITE_REGISTER(control_register, value); }             \
    static std::uint64_t status() { return READ_REGISTER(control_register); }                         \
    static void compare(std::uint64_t value) { WRITE_REGISTER(compare_register, value); }             \
    static void countdown(std::uint64_t value) { WRITE_REGISTER(countdown_register, value); }         \
    static std::uint64_t count() { return READ_REGISTER(counter); }                                   \
  }
// PPIs as in the device tree.
TIMER(VirtualTimer, 11, cntv_ctl_el0, cntv_cval_el0, cntv_tval_el0, cntvct_el0);
TIMER(PhysicalTimer, 14, cntp_ctl_el0, cntp_cval_el0, cntp_tval_el0, cntpct_el0);
#undef TIMER

volatile std::uint64_t g_ticks, g_early;

// A tick, in either of the two ways to end an interrupt.
template <typename Timer>
void on_tick(Core& core, Exception) {
  const std::uint32_t taken = acknowledge();
  core.last_intid = taken;
  if (taken == kNone) return;
  if ((Timer::status() & 4) == 0) g_early = g_early + 1;
  g_ticks = g_ticks + 1;
  Timer::countdown(ticks_of(500));
  end(taken);
  if ((READ_REGISTER(s3_0_c12_c12_4) & 2) != 0) deactivate(taken);
}

template <typename Timer>
void check_timer(Timer timer, std::string_view name) {
  Core& core = this_core();
  mask();
  timer.control(0);
  set(kSetEnable, timer.intid);
  const std::uint64_t start = timer.count();
  const std::uint64_t end_of_quiet = start + ticks_of(2000);
  timer.compare(end_of_quiet);
  timer.control(1);
  const bool quiet = !irq_signalled() || timer.count() >= end_of_quiet;  // an emulated core may stand still for longer
  const bool came = wait_for([] { return irq_signalled(); });
  const std::uint64_t at = timer.count();
  std::uint32_t taken = acknowledge();
  check(name, quiet && came && taken == timer.intid && at - start >= ticks_of(2000) && (timer.status() & 5) == 5,
        {quiet, came, taken, at - start, timer.status()});
  end(taken);
  check("  its level stays until the timer is set: it comes again", wait_for([] { return irq_signalled(); }));
  taken = acknowledge();
  timer.control(3);
  end(taken);
  pause(200);
  check("  IMASK keeps it back", taken == timer.intid && !irq_signalled() && (timer.status() & 4) != 0,
        {taken, timer.status()});
  timer.control(0);
  pause(200);
  check("  off, it is silent", !irq_signalled() && !is(kSetPending, timer.intid) && !is(kSetActive, timer.intid));

  for (const bool separately : {false, true}) {
    end_separately(separately);
    g_ticks = g_early = 0;
    core.on_interrupt = on_tick<Timer>;
    timer.countdown(ticks_of(500));
    timer.control(1);
    unmask(true, false);
    const bool all = wait_for([] { return g_ticks >= 50; }, 20'000'000);  // a busy host is late with each
    mask();
    timer.control(0);
    core.on_interrupt = nullptr;
    check(separately ? "  50 ticks, EOImode 1" : "  50 ticks, EOImode 0", all && g_early == 0, {g_ticks, g_early});
  }
  end_separately(false);

  // WFI with interrupts masked: it is a wake-up all the same (Arm ARM D1.7.3).
  const std::uint64_t before = timer.count();
  timer.countdown(ticks_of(3000));
  timer.control(1);
  int woken = 0;
  while (!irq_signalled() && woken < 1000) {
    asm volatile("dsb sy\n\twfi" : : : "memory");
    ++woken;
  }
  check("  it ends WFI while masked", irq_signalled() && timer.count() - before >= ticks_of(3000),
        {static_cast<std::uint64_t>(woken), timer.count() - before});
  // A line that falls before its interrupt is taken: a virtual one may lie in a list register by then (IHI 0069, 6.2),
  // and the handler finds the timer's status clear. It must not come twice.
  timer.control(0);
  pause(200);
  const std::uint32_t late = acknowledge();
  if (late != kNone) end(late);
  pause(200);
  check("  switched off before it is taken, it comes once at most",
        (late == kNone || late == timer.intid) && (timer.status() & 5) == 0 && !irq_signalled() &&
            acknowledge() == kNone && !is(kSetActive, timer.intid) && !is(kSetPending, timer.intid),
        {late, timer.status(), highest_pending()});
  set(kClearEnable, timer.intid);
}

}  // namespace

void check_timers() {
  const std::uint64_t virtual_before = READ_REGISTER(cntvct_el0);
  asm volatile("isb");
  const std::uint64_t physical = READ_REGISTER(cntpct_el0);
  asm volatile("isb");
  const std::uint64_t virtual_after = READ_REGISTER(cntvct_el0);
  check("the counters go on", virtual_before <= virtual_after && physical != 0,
        {virtual_before, physical, virtual_after});
  check_timer(VirtualTimer{}, "the virtual timer");
  check_timer(PhysicalTimer{}, "the physical timer");
}

void check_devices() {
  constexpr std::uint64_t kUart = 0x0900'0000, kClock = 0x0901'0000;
  constexpr std::uint32_t kUartIntid = 33, kTransmit = 1U << 5;
  check("the UART is a PL011", (mmio<std::uint32_t>(kUart + 0xFE0) & 0xFF) == 0x11,
        {mmio<std::uint32_t>(kUart + 0xFE0)});
  mask();
  route(kUartIntid) = this_core().mpidr;
  set(kSetEnable, kUartIntid);
  mmio<std::uint32_t>(kUart + 0x44) = 0x7FF;      // ICR
  mmio<std::uint32_t>(kUart + 0x38) = kTransmit;  // IMSC
  print("PASS one line that makes an interrupt\r\n");
  const bool came = wait_for([] { return irq_signalled(); });
  const std::uint32_t taken = acknowledge();
  const std::uint32_t raised = mmio<std::uint32_t>(kUart + 0x40);  // MIS
  mmio<std::uint32_t>(kUart + 0x38) = 0;
  mmio<std::uint32_t>(kUart + 0x44) = 0x7FF;
  end(taken);
  pause(200);
  check("the UART's interrupt", came && taken == kUartIntid && (raised & kTransmit) != 0 && !irq_signalled(),
        {came, taken, raised, highest_pending()});
  set(kClearEnable, kUartIntid);
  const std::uint32_t first = mmio<std::uint32_t>(kClock);
  check("the clock is a PL031 that shows a time", (mmio<std::uint32_t>(kClock + 0xFE0) & 0xFF) == 0x31 && first != 0,
        {mmio<std::uint32_t>(kClock + 0xFE0), first});
  check("and goes on", wait_for([first] { return mmio<std::uint32_t>(kClock) > first; }, 5'000'000), {first});
}

}  // namespace architecture
