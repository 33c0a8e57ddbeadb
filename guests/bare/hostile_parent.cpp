// A parent that does all it can to disturb the monitor, and counts what came of it. Ends with `RESULT lived` and a
// power-off when the monitor outlived it; tests run it on QEMU, by its instruction clock (with a thread for each core,
// an emulator that has fewer processors than cores spends its time in the monitor's fair lock).
//
//   1 every system-register encoding, read and written
//   2 every call number of the table and around it, arguments at their extremes, from every core at once
//   3 SMCs of every kind
//   4 reads, writes and fetches where it has nothing
//   5 (no attack) one core works in memory around pages and blocks that another donates and takes back: it must never
//     notice that the monitor splits what it uses
// Between the parts it shows that the monitor still answers.
#include <atomic>

#include "guests/bare/console.hpp"
#include "guests/bare/probe.hpp"
#include "guests/bare/register_sweep.hpp"

namespace {

using bare::Function;
using bare::Line;

constexpr std::uint64_t kCores = 4;
constexpr std::uint64_t kRounds = 16;

std::atomic<std::uint64_t> g_finished{0};

void beat(std::string_view part) {
  const bare::Answer answer = bare::call(Function::kVersion);
  Line{}.text("BEAT ").text(part).text(answer.ok() ? " ok" : " FAILED").print();
}

// Numbers of the interface, Arm's own calls, and their neighbourhood. What would end this run stays out.
bool would_end_the_run(std::uint64_t function) {
  switch (static_cast<std::uint32_t>(function)) {
    case cofferdam_abi::kPsciSystemOff:
    case cofferdam_abi::kPsciSystemReset:
    case cofferdam_abi::kPsciSystemReset2With32:
    case cofferdam_abi::kPsciSystemReset2:
    case cofferdam_abi::kPsciCpuOff:
    case cofferdam_abi::kPsciCpuOn:  // with these arguments a core would enter anywhere
    case cofferdam_abi::kPsciCpuOn - 0x4000'0000:  // its 32-bit form
    case static_cast<std::uint32_t>(Function::kConsoleWrite): return true;
    default: return false;
  }
}

void call_everything(std::uint64_t core) {
  constexpr std::uint64_t kExtremes[] = {0, 1, 0xFFF, 0x1000, 0x4420'0000, 0x8000'0000, 0x7FFF'FFFF'FFFF'FFFF,
                                         ~std::uint64_t{0}};
  constexpr std::uint64_t kBases[] = {0xC600'0000, 0x8400'0000, 0xC400'0000, 0x8000'0000, 0xFFFF'FFFF'C600'0000, 0};
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    for (const std::uint64_t base : kBases) {
      for (std::uint64_t low = 0; low < 0x60; ++low) {
        if (would_end_the_run(base + low)) continue;
        const std::uint64_t mixed = round * 7 + low + core;
        const std::uint64_t a = kExtremes[mixed % 8], b = kExtremes[mixed / 8 % 8], c = kExtremes[mixed / 64 % 8];
        bare::call_raw(base + low, {a, b, c, a, b, c});
      }
    }
  }
  g_finished.fetch_add(1);
}

struct Start {  // at the top of a secondary core's stack, start.S
  void (*function)(std::uint64_t);
  std::uint64_t argument;
  std::uint64_t record[6];
};
alignas(64) std::uint8_t g_stacks[kCores][16384];

void secondary(std::uint64_t core) {
  call_everything(core);
  bare::call_raw(cofferdam_abi::kPsciCpuOff);
}

extern "C" void bare_secondary_start();

bool start_core(std::uint64_t core, void (*function)(std::uint64_t)) {
  auto* top = reinterpret_cast<Start*>(&g_stacks[core][sizeof g_stacks[core] - sizeof(Start)]);
  *top = {function, core, {}};
  return bare::call_raw(cofferdam_abi::kPsciCpuOn, {core, reinterpret_cast<std::uint64_t>(&bare_secondary_start),
                                                    reinterpret_cast<std::uint64_t>(top + 1)}).ok();
}

void calls_from_all_cores() {
  std::uint64_t started = 1;
  for (std::uint64_t core = 1; core < kCores; ++core) started += start_core(core, secondary) ? 1 : 0;
  call_everything(0);
  while (g_finished.load() < started) asm volatile("yield");
  Line{}.text("CALLS from ").number(started).text(" cores at once, ").number(kRounds * 6 * 0x60).text(" each").print();
  // Whatever slots the calls made are given back.
  for (bare::Answer next = bare::call(Function::kSlotNext, 0); next.ok() && next.x1 != 0;
       next = bare::call(Function::kSlotNext, next.x1)) {
    bare::call_until_done(Function::kSlotFree, next.x1);
  }
  const bare::Answer count = bare::call(Function::kSlotCount);
  Line{}.text("SLOTS in use ").number(count.x1).print();
}

// ---- Part 5 ----
constexpr std::uint64_t kArena = 0x8000'0000;  // the second GiB of the parent's memory: one block at first
std::atomic<bool> g_arena_done{false};
std::atomic<std::uint64_t> g_arena_touches{0};
std::atomic<std::uint64_t> g_arena_faults{0};

// Touches every second page of the arena's first 64 MiB; the other core donates among the others.
void touch_arena(std::uint64_t) {
  const std::uint64_t before = bare::exceptions().count;
  while (!g_arena_done.load()) {
    for (std::uint64_t page = 0; page < 0x4000 && !g_arena_done.load(); page += 2) {
      *reinterpret_cast<volatile std::uint64_t*>(kArena + page * 4096) = page;
      g_arena_touches.fetch_add(1);
    }
  }
  g_arena_faults.store(bare::exceptions().count - before);
  g_finished.fetch_add(1);
  bare::call_raw(cofferdam_abi::kPsciCpuOff);
}

void neighbourhood() {
  g_finished.store(0);
  if (!start_core(1, touch_arena)) return bare::say("ARENA FAILED: core 1 does not start");
  while (g_arena_touches.load() < 100) asm volatile("yield");
  std::uint64_t failures = 0;
  for (std::uint64_t round = 0; round < 24; ++round) {
    const std::uint64_t page = kArena + (round * 0x20'0000) + 0x1000 + (round % 7) * 0x2000;
    const bare::Answer slot = bare::call(Function::kSlotAllocate);
    failures += slot.ok() ? 0 : 1;
    failures += bare::call(Function::kMemoryDonate, slot.x1, page, 4096).ok() ? 0 : 1;
    failures += bare::call_until_done(Function::kMemoryReclaim, slot.x1, page, 4096).ok() ? 0 : 1;
    failures += bare::call_until_done(Function::kSlotFree, slot.x1).ok() ? 0 : 1;
  }
  g_arena_done.store(true);
  while (g_finished.load() == 0) asm volatile("yield");
  Line{}.text("ARENA refused calls ").number(failures).text(" faults of the neighbour ").number(g_arena_faults.load())
      .print();
}

void secure_calls() {
  std::uint64_t refused = 0;
  for (std::uint64_t function = 0; function < 0x4000; ++function) {
    const std::uint64_t number = ((function >> 6) << 24) | (function & 0x3F);
    if (would_end_the_run(number)) continue;
    register std::uint64_t x0 asm("x0") = number;
    asm volatile(".inst 0xd4000003" : "+r"(x0) : : "x1", "x2", "x3", "memory");  // SMC #0
    if (static_cast<std::int64_t>(x0) < 0) ++refused;
  }
  Line{}.text("SMCS refused ").number(refused).print();
}

void foreign_addresses() {
  std::uint64_t refused = 0, tried = 0;
  const auto count = [&](bool exception) { ++tried, refused += exception ? 1 : 0; };
  for (std::uint64_t address = 0x4000'0000; address < 0x4400'0000; address += 0x20'0000) {  // the monitor's RAM
    count(bare::probe_read(address).refused);
    count(bare::probe_write(address, 0).refused);
    count(bare::probe_execute(address).refused);
  }
  // Flash, the ITS, its message page and what follows it, a redistributor of no core, fw_cfg, SMMU, virtio-mmio, the
  // ROM's.
  for (const std::uint64_t device : {0x0400'0000ULL, 0x0808'0000ULL, 0x0809'0040ULL, 0x0809'1000ULL, 0x081A'0000ULL,
                                     0x0902'0000ULL, 0x0905'0000ULL, 0x0A00'0000ULL, 0x0E00'0000ULL, 0x0ULL}) {
    count(bare::probe_read(device).refused);
    count(bare::probe_write(device, 0).refused);
  }
  Line{}.text("FOREIGN tried ").number(tried).text(" refused ").number(refused).print();
}

}  // namespace

extern "C" void bare_main(std::uint64_t) {
  bare::say("parent: I am hostile");
  const bare::Sweep sweep = bare::sweep_system_registers();
  Line{}.text("SWEEP reads ").number(sweep.reads).text(" refused ").number(sweep.reads_refused).text(" writes ")
      .number(sweep.writes).text(" refused ").number(sweep.writes_refused).print();
  beat("after the sweep");
  foreign_addresses();
  beat("after foreign addresses");
  secure_calls();
  beat("after secure calls");
  calls_from_all_cores();
  beat("after calls from all cores");
  neighbourhood();
  beat("after splitting");
  bare::say("RESULT lived");
  bare::call_raw(cofferdam_abi::kPsciSystemOff);
}
