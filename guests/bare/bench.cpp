// What each operation costs, in instructions: runs as the parent under QEMU's instruction clock, where the counter
// counts them. Prints `BENCH name count instructions`; bench/target/run.py reads it.
//
// Every other core sleeps while something is measured, so that all counted instructions are this core's, guest and
// monitor together; the loop around a call is three instructions of each round.
#include "guests/bare/edu.hpp"
#include "guests/bare/interrupts.hpp"
#include "guests/bare/payload.hpp"
#include "guests/bare/tenant.hpp"

namespace {

using bare::Function;
using bare::Line;

constexpr std::uint64_t kMemory = 0x5000'0000;
constexpr std::uint64_t kBlock = 2 << 20;
constexpr std::uint64_t kEnclaveBytes = 32 << 20;

std::uint64_t now() {
  std::uint64_t count = 0;
  asm volatile("isb; mrs %0, cntvct_el0" : "=r"(count) : : "memory");
  return count;
}

void report(std::string_view name, std::uint64_t count, std::uint64_t instructions) {
  Line{}.text("BENCH ").text(name).text(" ").number(count).text(" ").number(instructions).print();
}

[[noreturn]] void power_off(std::string_view reason) {
  if (!reason.empty()) Line{}.text("bench: FAILED: ").text(reason).print();
  bare::call_raw(cofferdam_abi::kPsciSystemOff);
  for (;;) asm volatile("wfi");
}

void check(const bare::Answer& answer, std::string_view what) {
  if (!answer.ok()) {
    Line{}.text("bench: ").text(what).text(" answered ").number(static_cast<std::uint64_t>(-answer.status)).print();
    power_off(what);
  }
}

template <typename Work>
void measure(std::string_view name, std::uint64_t count, Work&& work) {
  for (std::uint64_t i = 0; i < 2; ++i) work(i);  // tables and caches as they will be
  const std::uint64_t start = now();
  for (std::uint64_t i = 2; i < count + 2; ++i) work(i);
  report(name, count, now() - start);
}

void measure_calls() {
  constexpr std::uint64_t kRounds = 1000;
  const std::uint64_t start = now();
  for (std::uint64_t i = 0; i < kRounds; ++i) {
    register std::uint64_t x0 asm("x0") = static_cast<std::uint64_t>(Function::kVersion);
    asm volatile("hvc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
  }
  report("empty_call", kRounds, now() - start);
  measure("psci_version", kRounds, [](std::uint64_t) { bare::call_raw(cofferdam_abi::kPsciVersion); });
  measure("unknown_call", kRounds, [](std::uint64_t) { bare::call_raw(0xC600'FFFF); });
}

// A core that only reads its counter sees a gap where the monitor took the timer's interrupt and made it pending for the
// guest. The loop's own instructions are in it, less than ten.
void measure_interrupt() {
  constexpr std::uint64_t kRounds = 32;
  constexpr std::uint64_t kAhead = 2000, kGap = 100;
  bare::enable_timer_interrupt();
  std::uint64_t sum = 0;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    std::uint64_t last = now();
    asm volatile("msr cntv_cval_el0, %0; msr cntv_ctl_el0, %1; isb" : : "r"(last + kAhead), "r"(std::uint64_t{1}));
    std::uint64_t gap = 0;
    last = now();
    while (gap < kGap) {
      const std::uint64_t at = now();
      gap = at - last;
      last = at;
    }
    sum += gap;
    asm volatile("msr cntv_ctl_el0, xzr; isb");
    if (bare::take_interrupt() != bare::kVirtualTimer) power_off("the timer did not interrupt");
  }
  report("timer_interrupt", kRounds, sum);
}

// From the store that makes a device send its message (through SMMU and ITS to the monitor) to the moment when the guest's own
// interface shows it pending: an unmasked guest would be in its handler. At the same priority and core as an idle Linux has it.
void measure_device_interrupt() {
  constexpr std::uint64_t kRounds = 32, kPatience = 100'000;
  const bare::Edu edu;
  if (!edu.find() || !edu.send_messages(bare::kMessageRegister, bare::kFirstMessage)) power_off("no edu device that sends messages");
  bare::enable_message(bare::kFirstMessage);
  std::uint64_t sum = 0;
  for (std::uint64_t round = 0; round < kRounds + 2; ++round) {
    const std::uint64_t start = now();
    edu.interrupt(1);
    std::uint64_t at = start, pending = 0;
    while (pending == 0 && at - start < kPatience) {
      at = now();
      asm volatile("mrs %0, isr_el1" : "=r"(pending) : : "memory");
    }
    if (round >= 2) sum += at - start;
    edu.acknowledge(1);
    if (bare::take_interrupt() != bare::kFirstMessage) power_off("the device did not interrupt");
  }
  report("device_interrupt", kRounds, sum);
}

// Up and down again, so that the enclave's last piece is always what comes back.
void measure_memory(std::uint64_t uid, std::string_view donate, std::string_view reclaim, std::uint64_t size) {
  constexpr std::uint64_t kRounds = 32;
  measure(donate, kRounds,
          [&](std::uint64_t i) { check(bare::call(Function::kMemoryDonate, uid, kMemory + i * size, size), donate); });
  std::uint64_t top = kRounds + 2;
  measure(reclaim, kRounds, [&](std::uint64_t) {
    --top;
    check(bare::call_until_done(Function::kMemoryReclaim, uid, kMemory + top * size, size), reclaim);
  });
}

void measure_donations() {
  const bare::Answer slot = bare::call(Function::kSlotAllocate);
  check(slot, "no slot");
  measure_memory(slot.x1, "donate_4k", "reclaim_4k", 4096);
  measure_memory(slot.x1, "donate_2m", "reclaim_2m", kBlock);
  check(bare::call_until_done(Function::kSlotFree, slot.x1), "free");
}

// An enclave from its image to its first instruction, and what it says its requests cost.
void measure_enclave(std::span<const std::uint8_t> image) {
  bare::Tenant tenant({.memory = kMemory, .size = kEnclaveBytes, .channel = 0x4F00'0000, .cid = 16, .first_core = 3,
                       .cores = 1});
  if (!tenant.allocate()) power_off("allocate");
  bare::enable_doorbell();
  tenant.lay_out(image);
  const std::uint64_t start = now();
  if (!tenant.donate_memory() || !tenant.donate_cores() || !tenant.open_channel()) power_off("donate");
  const std::uint64_t donated = now();
  if (!tenant.start(0)) power_off("start");
  const std::uint64_t started = now();
  report("enclave_donate", 1, donated - start);
  report("enclave_load_32m", 1, started - donated);
  const std::uint8_t nonce[16] = {};
  tenant.send(bare::MessageKind::kMeasure, nonce);
  // Asleep until the enclave rings: its figures are its own core's instructions.
  std::uint8_t buffer[64];
  for (unsigned reports = 0; reports < 4;) {
    const bare::Ring::Message message = tenant.look(buffer);
    if (message.kind == bare::MessageKind{}) {
      bare::wait_for_doorbell();
      continue;
    }
    if (message.kind == bare::MessageKind::kFailure) power_off("the enclave failed");
    if (message.kind != bare::MessageKind::kCost || message.size < 9) continue;
    std::uint64_t cost = 0;
    std::memcpy(&cost, buffer, sizeof cost);
    report({reinterpret_cast<const char*>(buffer) + 8, message.size - 8}, 1, cost);
    ++reports;
  }
  if (!tenant.stop()) power_off("stop");
  const std::uint64_t stopped = now();
  if (!tenant.free()) power_off("free");
  report("enclave_free_32m", 1, now() - stopped);
}

}  // namespace

extern "C" void bare_main(std::uint64_t) {
  measure_calls();
  measure_interrupt();
  measure_device_interrupt();
  measure_donations();
  const auto image = bare::payload_file("enclave.eif");
  if (!image.empty()) measure_enclave(image);
  power_off("");
}
