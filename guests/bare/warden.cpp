// A parent that runs one honest enclave and, beside it, one hostile enclave after the other, and tells how each ended.
//
// Payload: enclave.eif (honest), and every file whose name begins with "hostile-" (hostile_enclave.bin with a command
// line that names its mode). For each of these it prints
//     HOSTILE name state S reason R code C, words not zero Z, registers not zero G, honest enclave H
// where R and C are kSlotInfo's (3: stopped because of its faults; 2: the parent stopped it after its time; 1: it
// exited), Z counts what is left of it in its memory, G the bytes in the keys, vectors and
// predicates of its cores when the parent has them back (core_state.hpp), and H is `alive` when the honest enclave answers as
// before.
#include <atomic>

#include "guests/bare/core_state.hpp"
#include "guests/bare/payload.hpp"
#include "guests/bare/tenant.hpp"

namespace {

using bare::Function;
using bare::Line;
using bare::MessageKind;
using bare::Tenant;

constexpr std::uint64_t kBytes = 24 << 20;
constexpr bare::TenantPlan kHonest{.memory = 0x5000'0000, .size = kBytes, .channel = 0x4F00'0000, .cid = 16,
                                   .first_core = 1, .cores = 1};
constexpr bare::TenantPlan kHostile{.memory = 0x5400'0000, .size = kBytes, .channel = 0x4F10'0000, .cid = 17,
                                    .first_core = 2, .cores = 2};

std::uint8_t g_buffer[16384];
std::uint64_t g_failures = 0;

[[noreturn]] void power_off() {
  bare::call_raw(cofferdam_abi::kPsciSystemOff);
  for (;;) asm volatile("wfi");
}

std::uint64_t counter() {
  std::uint64_t count = 0;
  asm volatile("isb; mrs %0, cntvct_el0" : "=r"(count) : : "memory");
  return count;
}
std::uint64_t ticks_of(std::uint64_t milliseconds) {
  std::uint64_t frequency = 0;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
  return frequency / 1000 * milliseconds;
}

bool build(Tenant& tenant, std::span<const std::uint8_t> image, std::string_view name) {
  if (tenant.allocate()) {
    tenant.lay_out(image);
    if (tenant.donate_memory() && tenant.donate_cores() && tenant.open_channel() && tenant.start(0)) return true;
  }
  Line{}.text("FAILED ").text(name).text(" is not built, error ")
      .number(static_cast<std::uint64_t>(-tenant.last().status)).print();
  ++g_failures;
  return false;
}

// Waits for this kind of message, others are dropped.
bool wait_for(const Tenant& tenant, MessageKind kind) {
  for (;;) {
    const bare::Ring::Message message = tenant.wait(g_buffer);
    if (message.kind == kind) return true;
    if (message.kind == MessageKind{} || message.kind == MessageKind::kFailure) return false;
  }
}

bool is_alive(const Tenant& honest) {
  return honest.send(MessageKind::kCheck, {}) && wait_for(honest, MessageKind::kVerdict) && g_buffer[0] == 1;
}

struct Start {  // at the top of a secondary core's stack, start.S
  void (*function)(std::uint64_t);
  std::uint64_t argument;
  std::uint64_t record[6];
};
alignas(64) std::uint8_t g_stack[8192];
bare::CoreState g_found;
std::atomic<std::uint64_t> g_left;
constexpr std::uint64_t kNotSeen = ~std::uint64_t{0};

extern "C" void bare_secondary_start();

void look_at_core(std::uint64_t) {
  bare::read_core_state(g_found);
  g_left.store(bare::core_state_left(g_found));
  bare::call_raw(cofferdam_abi::kPsciCpuOff);
}

// Starts a core that an enclave had, and counts what is in its registers. kNotSeen: it does not start.
std::uint64_t left_on_core(std::uint64_t core) {
  constexpr std::uint64_t kPatience = 10'000'000;
  constexpr std::int64_t kOff = 1;
  g_left.store(kNotSeen);
  auto* top = reinterpret_cast<Start*>(&g_stack[sizeof g_stack - sizeof(Start)]);
  *top = {look_at_core, core, {}};
  bare::call_raw(cofferdam_abi::kPsciCpuOn,
                 {core, reinterpret_cast<std::uint64_t>(&bare_secondary_start), reinterpret_cast<std::uint64_t>(top + 1)});
  for (std::uint64_t i = 0; i < kPatience && g_left.load() == kNotSeen; ++i) asm volatile("yield");
  for (std::uint64_t i = 0; i < kPatience && bare::call_raw(cofferdam_abi::kPsciAffinityInfo, {core, 0}).status != kOff; ++i) {
  }
  return g_left.load();
}

void run_hostile(const Tenant& honest, const bare::PayloadFile& file) {
  constexpr std::uint64_t kMilliseconds = 200;
  Tenant hostile(kHostile);
  if (!build(hostile, file.content, file.name)) return;
  const std::uint64_t end = counter() + ticks_of(kMilliseconds);
  bool alive = true;
  bare::Answer info{};
  do {
    alive = is_alive(honest) && alive;
    info = bare::call(Function::kSlotInfo, hostile.uid());
  } while ((info.x1 & 0xFFFF) == static_cast<std::uint64_t>(cofferdam_abi::SlotState::kRunning) && counter() < end);
  bool ended = hostile.stop();
  info = bare::call(Function::kSlotInfo, hostile.uid());
  ended = hostile.free() && ended;
  if (!ended) ++g_failures;
  std::uint64_t left = 0;
  const auto* words = reinterpret_cast<const volatile std::uint64_t*>(kHostile.memory);
  for (std::uint64_t i = 0; i < kBytes / 8; ++i) left += words[i] != 0 ? 1 : 0;
  std::uint64_t registers = 0;
  for (std::uint64_t core = 0; core < kHostile.cores; ++core) registers += left_on_core(kHostile.first_core + core);
  alive = is_alive(honest) && alive;
  if (left != 0 || registers != 0 || !alive) ++g_failures;
  Line{}.text("HOSTILE ").text(file.name).text(" state ").number(info.x1 & 0xFFFF).text(" reason ")
      .number(info.x1 >> 40).text(" code ").number((info.x1 >> 32) & 0xFF).text(", words not zero ").number(left)
      .text(", registers not zero ").number(registers).text(", honest enclave ").text(alive ? "alive" : "SILENT")
      .text(ended ? "" : ", NOT FREED").print();
}

}  // namespace

extern "C" void bare_main(std::uint64_t) {
  const auto image = bare::payload_file("enclave.eif");
  Tenant honest(kHonest);
  const std::uint8_t nonce[8] = {};
  if (image.empty() || !build(honest, image, "the honest enclave") || !honest.send(MessageKind::kNonce, nonce) ||
      !wait_for(honest, MessageKind::kSecret)) {
    bare::say("RESULT FAILED: the honest enclave does not come up");
    power_off();
  }
  bare::for_each_payload_file([&](const bare::PayloadFile& file) {
    if (file.name.starts_with("hostile-")) run_hostile(honest, file);
  });
  Line{}.text("RESULT failures ").number(g_failures).print();
  power_off();
}
