// What a core keeps for its owner and for nobody else: pointer-authentication keys and vectors. The same is asked of every
// core, with marks of its own, while exceptions, calls and interrupts take it away from them.
#include "guests/bare/core_state.hpp"

#include "guests/bare/architecture/machine.hpp"

namespace architecture {

namespace {

bare::CoreState g_marks[kMostCores];
bare::CoreState g_found[kMostCores];
std::uint64_t g_signed[kMostCores][5];

extern "C" std::uint64_t call_keeping_registers(std::uint64_t* x, bool smc);

std::size_t number_of(const Core& core) { return static_cast<std::size_t>(&core - g_cores); }

// A pointer signed with each of the five keys; the fifth makes a code for any word.
constexpr std::uint64_t kPointer = 0x4444'0000, kModifier = 0x77;
void sign(std::uint64_t (&to)[5]) {
  std::uint64_t ia = kPointer, ib = kPointer, da = kPointer, db = kPointer, ga = 0;
  asm volatile(".arch armv8.5-a\n\tpacia %0, %5\n\tpacib %1, %5\n\tpacda %2, %5\n\tpacdb %3, %5\n\tpacga %4, %6, %5"
               : "+r"(ia), "+r"(ib), "+r"(da), "+r"(db), "=&r"(ga)
               : "r"(kModifier), "r"(kPointer));
  to[0] = ia, to[1] = ib, to[2] = da, to[3] = db, to[4] = ga;
}
// What was signed is accepted, and signing it again gives the same.
bool still_signed(const std::uint64_t (&from)[5]) {
  std::uint64_t ia = from[0], ib = from[1], da = from[2], db = from[3];
  asm volatile(".arch armv8.5-a\n\tautia %0, %4\n\tautib %1, %4\n\tautda %2, %4\n\tautdb %3, %4"
               : "+r"(ia), "+r"(ib), "+r"(da), "+r"(db)
               : "r"(kModifier));
  std::uint64_t again[5];
  sign(again);
  return ia == kPointer && ib == kPointer && da == kPointer && db == kPointer && again[4] == from[4];
}

bool g_has_keys, g_has_vectors;

}  // namespace

void note_first_state(Core& core) {
  bare::CoreState& found = g_found[number_of(core)];
  bare::read_core_state(found);
  core.left_behind = bare::core_state_left(found);
}

void hold_state(Core& core, std::uint64_t seed) {
  const std::size_t number = number_of(core);
  bare::mark_core_state(g_marks[number], seed * 64 + number + 1);
  core.state_lost = 0;
  if (!bare::has_pointer_keys()) return;
  WRITE_REGISTER(sctlr_el1, READ_REGISTER(sctlr_el1) | 1U << 31 | 1U << 30 | 1U << 27 | 1U << 13);  // EnIA, EnIB, EnDA, EnDB
  sign(g_signed[number]);
}

void look_at_state(Core& core) {
  const std::size_t number = number_of(core);
  bare::read_core_state(g_found[number]);
  std::uint64_t lost = bare::core_state_lost(g_marks[number], g_found[number]);
  if (bare::has_pointer_keys() && !still_signed(g_signed[number])) lost += 0x1'0000;
  core.state_lost = core.state_lost + lost;
}

void check_core_state() {
  Core& core = this_core();
  g_has_keys = bare::has_pointer_keys();
  g_has_vectors = bare::has_scalable_vectors();
  check("the first core begins with nothing in its keys and vectors", core.left_behind == 0, {core.left_behind});
  hold_state(core, 1);
  look_at_state(core);
  check("keys and vectors hold what is written", core.state_lost == 0, {core.state_lost});
  for (int round = 0; round < 50; ++round) {
    call(kPsciVersion);
    call(0x8000'7777);
    call(kTrngRandom, 192);  // the monitor's own cryptography
    const std::uint32_t identity = mmio<std::uint32_t>(0x0800'0000 + 0x8);  // GICD_IIDR: an exit for a load
    (void)identity;
    (void)READ_REGISTER(id_aa64pfr0_el1);
  }
  look_at_state(core);
  check("calls, loads from devices and traps lose none of them", core.state_lost == 0, {core.state_lost});
  if (g_has_keys) {
    const auto bits = [](std::uint64_t word) { return word & ~std::uint64_t{0xFF'FFFF'FFFF}; };
    const std::uint64_t first = g_signed[0][0];
    check("pointer authentication: a signed pointer is another", bits(first) != 0 && g_signed[0][4] != 0, {first, g_signed[0][4]});
    hold_state(core, 2);
    check("pointer authentication: with another key, another code", g_signed[0][0] != first && g_signed[0][0] != kPointer);
    hold_state(core, 1);
    check("pointer authentication: with the same key, the same", g_signed[0][0] == first, {g_signed[0][0], first});
  }
  if (g_has_vectors) {
    const std::uint64_t longest = g_marks[0].vector_bytes;
    check("scalable vectors: a length that there is", longest >= 16 && longest <= 256 && longest % 16 == 0, {longest});
    // Short vectors leave what lies beyond alone or clear it; exits must not change which.
    WRITE_REGISTER(s3_0_c1_c2_0, 0);
    std::uint64_t shortest = 0;
    asm volatile(".arch armv8.5-a+sve\n\trdvl %0, #1" : "=r"(shortest));
    check("scalable vectors: 128 bits when that is asked for", shortest == 16, {shortest});
    call(kTrngRandom, 192);
    bare::read_core_state(g_found[0]);  // opens them again
    std::uint64_t changed = 0;
    for (std::uint64_t n = 0; n < 32; ++n) {
      for (std::uint64_t i = 0; i < 16; ++i) changed += g_found[0].vectors[n * longest + i] != g_marks[0].vectors[n * longest + i];
    }
    check("scalable vectors: the short part is kept across a call", changed == 0, {changed});
  }
  look_at_state(core);
}

}  // namespace architecture
