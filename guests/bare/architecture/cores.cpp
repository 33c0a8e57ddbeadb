// PSCI, SMCCC, the TRNG, and everything that needs more than one core.
#include "guests/bare/architecture/gic.hpp"

namespace architecture {

namespace {

using namespace gic;

extern "C" {
void secondary_start();
std::uint64_t call_keeping_registers(std::uint64_t* x, bool smc);
}

constexpr std::int32_t kNotSupported = -1, kInvalidParameters = -2, kAlreadyOn = -4, kInvalidAddress = -9;
constexpr std::uint32_t kPing = 1, kPong = 2, kAll = 3, kEarly = 4, kMoved = 33;
constexpr std::uint64_t kStackBytes = 16384;
alignas(16) std::uint8_t g_stacks[kMostCores][kStackBytes];

std::uint64_t value_of(std::int32_t status) { return static_cast<std::uint32_t>(status); }

void on_ping(Core& core, Exception) {
  const std::uint32_t taken = acknowledge();
  if (taken == kNone) return;
  core.last_intid = taken;
  core.heard = core.heard + 1;
  end(taken);
  if (core.heard % 8 == 1 && core.mpidr != g_cores[0].mpidr) look_at_state(core);
  if (taken == kPing) send(kPong, g_cores[0].mpidr, 1U << (g_cores[0].mpidr & 0xF));
}

// What a started core does until it is told to go: answers pings, then CPU_OFF.
enum Alive : std::uint64_t { kNotYet, kRunning, kCounting, kGo, kCameBack };
volatile std::uint64_t g_counter;

void live(Core& core) {
  note_first_state(core);
  hold_state(core, core.starts);
  core.starts = core.starts + 1;
  WRITE_REGISTER(tpidr_el1, reinterpret_cast<std::uint64_t>(&core));
  core.mpidr = READ_REGISTER(mpidr_el1) & 0xFF'00FF'FFFF;
  const bool found = find_redistributor(core);
  if (found) start_this_core();
  core.on_interrupt = on_ping;
  core.alive = kRunning;
  asm volatile("dsb sy\n\tsev" : : : "memory");
  unmask(true, false);
  while (core.alive != kGo) {
    if (core.alive == kCounting) {
      for (int i = 0; i < 1000; ++i) {
        std::uint64_t old = 0, failed = 0;
        asm volatile("1: ldaxr %0, [%2]\n\tadd %0, %0, #1\n\tstlxr %w1, %0, [%2]\n\tcbnz %w1, 1b"
                     : "=&r"(old), "=&r"(failed)
                     : "r"(&g_counter)
                     : "memory");
      }
      core.alive = kRunning;
    }
    asm volatile("wfi" : : : "memory");
  }
  mask();
  look_at_state(core);
  call(kCpuOff);
  core.alive = kCameBack;
}

// Its redistributor was set by another core: it takes one interrupt, then CPU_OFF.
void take_one(Core& core) {
  WRITE_REGISTER(tpidr_el1, reinterpret_cast<std::uint64_t>(&core));
  start_interface();
  wait_for([] { return irq_signalled(); });
  core.last_intid = acknowledge();
  if (core.last_intid != kNone) end(static_cast<std::uint32_t>(core.last_intid));
  core.alive = kRunning;
  barrier();
  call(kCpuOff);
  core.alive = kCameBack;
}

std::int32_t start(std::uint64_t number, void (*run)(Core&) = live) {
  Core& core = g_cores[number];
  core.stack = reinterpret_cast<std::uint64_t>(g_stacks[number] + kStackBytes);
  core.run = run;
  core.alive = kNotYet;
  core.heard = 0;
  barrier();
  return call(kCpuOn, number, reinterpret_cast<std::uint64_t>(&secondary_start), reinterpret_cast<std::uint64_t>(&core))
      .status32();
}
bool stop(std::uint64_t number) {
  g_cores[number].alive = kGo;
  barrier();
  send(kPing, g_cores[number].mpidr, 1U << (g_cores[number].mpidr & 0xF));
  return wait_for([number] { return call(kAffinityInfo, number, 0).status32() == 1; });
}

void check_start() {
  bool all = true;
  for (std::uint64_t number = 1; number < kMostCores; ++number) {
    const std::int32_t state = call(kAffinityInfo, number, 0).status32();
    if (state == kInvalidParameters) {
      const std::int32_t nobody = start(number);
      check("CPU_ON of a core that is not there", nobody == kInvalidParameters, {number, value_of(nobody)});
      break;
    }
    const std::int32_t status = start(number);
    const bool runs = status == 0 && wait_for([number] { return g_cores[number].alive == kRunning; });
    check("CPU_ON: a core starts with its context",
          runs && state == 1 && g_cores[number].mpidr == number && g_cores[number].redistributor != 0,
          {number, value_of(state), value_of(status), g_cores[number].mpidr});
    all = all && runs;
    if (!runs) break;
    g_core_count = number + 1;
  }
  if (g_core_count == 1) return;
  const std::int32_t again = start(1);
  check("CPU_ON again: ALREADY_ON", again == kAlreadyOn, {value_of(again)});
  g_cores[1].alive = kRunning;
  check("AFFINITY_INFO: on", call(kAffinityInfo, 1, 0).status32() == 0);
}

void check_messages_between_cores() {
  Core& core = this_core();
  core.on_interrupt = on_ping;
  unmask(true, false);
  for (std::uint64_t number = 1; number < g_core_count; ++number) {
    core.heard = 0;
    std::uint64_t rounds = 0;
    for (; rounds < 100; ++rounds) {
      const std::uint64_t before = core.heard;
      send(kPing, g_cores[number].mpidr, 1U << (g_cores[number].mpidr & 0xF));
      if (!wait_for([&core, before] { return core.heard > before; })) break;
    }
    check("100 SGIs there and back", rounds == 100 && core.heard == 100, {number, rounds, core.heard});
  }
  std::uint64_t before[kMostCores];
  for (std::uint64_t number = 0; number < g_core_count; ++number) before[number] = g_cores[number].heard;
  send_to_others(kAll);
  bool heard = true;
  for (std::uint64_t number = 1; number < g_core_count; ++number) {
    heard = heard &&
            wait_for([&] { return g_cores[number].heard == before[number] + 1 && g_cores[number].last_intid == kAll; });
  }
  pause(200);
  check("an SGI to all others comes to all others", heard && core.heard == before[0], {core.heard - before[0]});
  mask();
  core.on_interrupt = nullptr;
}

void check_routes() {
  Core& other = g_cores[1];
  route(kMoved) = other.mpidr;
  set(kSetEnable, kMoved);
  const std::uint64_t before = other.heard;
  set(kSetPending, kMoved);
  const bool there = wait_for([&] { return other.heard == before + 1; }) && other.last_intid == kMoved;
  check("a routed SPI comes to the core of its route", there && !irq_signalled(),
        {other.heard - before, other.last_intid});
  set(kClearEnable, kMoved);
  set(kSetPending, kMoved);
  route(kMoved) = this_core().mpidr;
  set(kSetEnable, kMoved);
  check("rerouted while it waits, it comes here", wait_for([] { return irq_signalled(); }) && other.heard == before + 1,
        {other.heard - before});
  end(acknowledge());
  set(kClearEnable, kMoved);
}

void check_shared_memory() {
  g_counter = 0;
  for (std::uint64_t number = 1; number < g_core_count; ++number) g_cores[number].alive = kCounting;
  barrier();
  send_to_others(kAll);
  bool done = true;
  for (std::uint64_t number = 1; number < g_core_count; ++number) {
    done = done && wait_for([number] { return g_cores[number].alive == kRunning; }, 10'000'000);
  }
  check("cores count together without a loss", done && g_counter == 1000 * (g_core_count - 1), {g_counter});
}

void check_stop() {
  for (std::uint64_t number = 1; number < g_core_count; ++number) {
    bool well = true;
    std::uint64_t left = g_cores[number].left_behind, lost = 0;
    for (int round = 0; round < 5 && well; ++round) {
      well = stop(number) && g_cores[number].alive == kGo;
      lost += g_cores[number].state_lost;
      well = well && start(number) == 0 && wait_for([number] { return g_cores[number].alive == kRunning; });
      left += g_cores[number].left_behind;
    }
    check("a core keeps its keys and vectors while it is on", lost == 0, {number, lost});
    check("a core starts with nothing in them, whatever it was when it stopped", left == 0, {number, left});
    check("CPU_OFF and CPU_ON, five times", well, {number, g_cores[number].alive});
    check("  and off", stop(number), {number});
  }
  // What was sent to a core that is off does not stop it from starting.
  send(kPing, 1, 1U << 1);
  const bool started = start(1) == 0 && wait_for([] { return g_cores[1].alive == kRunning; });
  check("a core that got an SGI while off starts", started && stop(1));
  const std::uint64_t settings = g_cores[1].redistributor + kFrame;
  mmio<std::uint32_t>(g_cores[1].redistributor + 0x14) = 0;  // GICR_WAKER
  mmio<std::uint32_t>(settings + kClearPending) = ~0U;
  mmio<std::uint32_t>(settings + kGroup) = ~0U;
  mmio<std::uint8_t>(settings + 0x400 + kEarly) = 0xA0;
  mmio<std::uint32_t>(settings + kSetEnable) = bit_of(kEarly);
  const std::int32_t early = start(1, take_one);
  send(kEarly, g_cores[1].mpidr, 1U << (g_cores[1].mpidr & 0xF));
  const bool took = early == 0 && wait_for([] { return g_cores[1].alive == kRunning; }, 5'000'000);
  check("what CPU_ON has accepted takes an SGI that was sent before it ran, as another core has set it",
        took && g_cores[1].last_intid == kEarly, {value_of(early), g_cores[1].alive, g_cores[1].last_intid});
  wait_for([] { return call(kAffinityInfo, 1, 0).status32() == 1; });
  const std::int32_t nowhere = call(kCpuOn, 1, 0xFFFF'FFFF'F000, 0).status32();
  check("CPU_ON to no memory", nowhere == kInvalidAddress || nowhere == kInvalidParameters, {value_of(nowhere)});
}

}  // namespace

void check_firmware_calls() {
  const Answer version = call(kPsciVersion);
  check("PSCI 1.1 or later", version.status() >= 0x1'0001 && version.status() < 0x2'0000, {version.x[0]});
  bool all = true;
  for (const std::uint64_t function :
       {kCpuSuspend, kCpuOff, kCpuOn, kAffinityInfo, kSystemOff, kPsciFeatures, kSmcccVersion,
        std::uint64_t{0x8400'0009}, std::uint64_t{0x8400'0003}, kPsciVersion}) {
    all = all && call(kPsciFeatures, function).status32() >= 0;
  }
  check("PSCI_FEATURES: what every implementation has", all);
  check("PSCI_FEATURES: not what is nothing", call(kPsciFeatures, 0x8400'001F).status32() == kNotSupported);
  check("MIGRATE_INFO_TYPE: no trusted OS to move",
        call(kMigrateInfoType).status32() == 2 || call(kMigrateInfoType).status32() == kNotSupported,
        {call(kMigrateInfoType).x[0]});
  check("CPU_ON of no core", call(kCpuOn, 0x1234, 0x4420'0000, 0).status32() == kInvalidParameters);
  check("CPU_ON of oneself",
        call(kCpuOn, READ_REGISTER(mpidr_el1) & 0xFF'00FF'FFFF, 0x4420'0000, 0).status32() == kAlreadyOn);
  check("AFFINITY_INFO of oneself", call(kAffinityInfo, READ_REGISTER(mpidr_el1) & 0xFF'00FF'FFFF, 0).status32() == 0);
  const Answer smccc = call(kSmcccVersion);
  check("SMCCC 1.1 or later", smccc.status() >= 0x1'0001, {smccc.x[0]});
  check("SMCCC: its version call is a feature", call(kSmcccFeatures, kSmcccVersion).status32() >= 0);
  bool refused = true;
  for (const std::uint64_t nobodys :
       {0x8000'7777ULL, 0xC400'00FFULL, 0xBF00'1234ULL, 0x0ULL, 0xFFFF'FFFFULL, 0xC600'FFF0ULL}) {
    refused = refused && call(nobodys).status32() == kNotSupported;
  }
  check("what is nobody's function is not supported", refused);

  for (const bool smc : {false, true}) {
    std::uint64_t x[4] = {kPsciVersion, 0, 0, 0};
    std::uint64_t changed = call_keeping_registers(x, smc);
    check(smc ? "an SMC keeps x4 to x28 and v0 to v31" : "an HVC keeps x4 to x28 and v0 to v31",
          changed == 0 && x[0] == version.x[0], {changed, x[0]});
    x[0] = 0x8000'7777;
    changed = call_keeping_registers(x, smc);
    check("  also when it is refused", changed == 0 && static_cast<std::int32_t>(x[0]) == kNotSupported,
          {changed, x[0]});
    x[0] = kTrngRandom;
    x[1] = 192;
    changed = call_keeping_registers(x, smc);
    check("  also when it works with secrets",
          changed == 0 && (x[0] == 0 || static_cast<std::int32_t>(x[0]) == kNotSupported), {changed, x[0]});
  }
  if (call(kTrngVersion).status32() >= 0x1'0000) {
    const Answer first = call(kTrngRandom, 192), second = call(kTrngRandom, 192);
    check("TRNG: 192 bits, twice, not the same",
          first.x[0] == 0 && second.x[0] == 0 &&
              (first.x[1] != second.x[1] || first.x[2] != second.x[2] || first.x[3] != second.x[3]),
          {first.x[0], second.x[0]});
    const Answer few = call(kTrngRandom, 5);
    check("TRNG: 5 bits are no more", few.x[0] == 0 && few.x[1] == 0 && few.x[2] == 0 && few.x[3] < 32,
          {few.x[0], few.x[3]});
    check("TRNG: 0 and 193 bits are refused", call(kTrngRandom, 0).status32() == kInvalidParameters &&
                                                  call(kTrngRandom, 193).status32() == kInvalidParameters);
  }
}

void check_cores() {
  // Standby: whoever is woken by an interrupt that waits comes back at once.
  mask();
  send_to_self(12);
  wait_for([] { return irq_signalled(); });
  check("CPU_SUSPEND to standby comes back", call(kCpuSuspend, 0, 0, 0).status32() == 0 && irq_signalled());
  end(acknowledge());
  check_start();
  const std::uint64_t type = mmio<std::uint64_t>(g_cores[g_core_count - 1].redistributor + 8);  // GICR_TYPER
  check("the last core's redistributor is the last", (type & 0x10) != 0, {type, g_core_count});
  if (g_core_count == 1) return;
  check_messages_between_cores();
  check_routes();
  check_shared_memory();
  check_stop();
}

}  // namespace architecture
