// Registers of a core that a monitor could lose or pass on to somebody else: pointer-authentication keys, vectors,
// predicates. All of it is read and written from EL1; what the core's identification does not show is left alone.
//
// Callers are compiled without FP/SIMD (-mgeneral-regs-only), so nothing else touches the vectors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bare {

#define CORE_READ(name)                                         \
  ([] {                                                         \
    std::uint64_t value_;                                       \
    asm volatile("mrs %0, " #name : "=r"(value_) : : "memory"); \
    return value_;                                              \
  }())
#define CORE_WRITE(name, value) asm volatile("msr " #name ", %0" : : "r"(static_cast<std::uint64_t>(value)) : "memory")

inline bool has_pointer_keys() {
  return (CORE_READ(id_aa64isar1_el1) & 0xFF0) != 0 || (CORE_READ(s3_0_c0_c6_2) & 0xF000) != 0;  // APA, API, APA3
}
inline bool has_scalable_vectors() { return (CORE_READ(id_aa64pfr0_el1) >> 32 & 0xF) != 0; }

struct alignas(16) CoreState {
  std::array<std::uint64_t, 10> keys;              // APIA, APIB, APDA, APDB, APGA, low word first
  std::uint64_t length_control;                    // ZCR_EL1 as it was found
  std::uint64_t vector_bytes;                      // 16 without scalable vectors
  std::array<std::uint8_t, 32 * 256> vectors;      // v0 to v31 or z0 to z31, vector_bytes apart
  std::array<std::uint8_t, 17 * 32> predicates;    // p0 to p15, FFR, vector_bytes / 8 apart
};

// FP, SIMD and SVE usable at EL1, with the longest vectors. Answers what ZCR_EL1 held, 0 without SVE.
inline std::uint64_t open_vectors() {
  CORE_WRITE(cpacr_el1, CORE_READ(cpacr_el1) | 3U << 20 | 3U << 16);
  asm volatile("isb" : : : "memory");
  if (!has_scalable_vectors()) return 0;
  const std::uint64_t found = CORE_READ(s3_0_c1_c2_0);
  CORE_WRITE(s3_0_c1_c2_0, 0xF);
  asm volatile("isb" : : : "memory");
  return found;
}

#define CORE_NUMBERS "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
#define CORE_MORE_NUMBERS "16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"

inline void read_core_state(CoreState& state) {
  state.keys = {};
  if (has_pointer_keys()) {
    state.keys = {CORE_READ(s3_0_c2_c1_0), CORE_READ(s3_0_c2_c1_1), CORE_READ(s3_0_c2_c1_2), CORE_READ(s3_0_c2_c1_3),
                  CORE_READ(s3_0_c2_c2_0), CORE_READ(s3_0_c2_c2_1), CORE_READ(s3_0_c2_c2_2), CORE_READ(s3_0_c2_c2_3),
                  CORE_READ(s3_0_c2_c3_0), CORE_READ(s3_0_c2_c3_1)};
  }
  state.length_control = open_vectors();
  state.vector_bytes = 16;
  if (!has_scalable_vectors()) {
    asm volatile(".arch armv8.5-a+sve\n.irp n, " CORE_NUMBERS "," CORE_MORE_NUMBERS "\n\tstr q\\n, [%0, #(16 * \\n)]\n.endr"
                 : : "r"(state.vectors.data()) : "memory");
    return;
  }
  asm volatile(".arch armv8.5-a+sve\n\trdvl %0, #1" : "=r"(state.vector_bytes));
  asm volatile(".irp n, " CORE_NUMBERS "," CORE_MORE_NUMBERS "\n\tstr z\\n, [%0, #\\n, mul vl]\n.endr\n"
               ".irp n, " CORE_NUMBERS "\n\tstr p\\n, [%1, #\\n, mul vl]\n.endr\n"
               "\trdffr p0.b\n\tstr p0, [%1, #16, mul vl]\n\tldr p0, [%1]"
               : : "r"(state.vectors.data()), "r"(state.predicates.data()) : "memory");
}

inline void write_core_state(const CoreState& state) {
  if (has_pointer_keys()) {
    CORE_WRITE(s3_0_c2_c1_0, state.keys[0]);
    CORE_WRITE(s3_0_c2_c1_1, state.keys[1]);
    CORE_WRITE(s3_0_c2_c1_2, state.keys[2]);
    CORE_WRITE(s3_0_c2_c1_3, state.keys[3]);
    CORE_WRITE(s3_0_c2_c2_0, state.keys[4]);
    CORE_WRITE(s3_0_c2_c2_1, state.keys[5]);
    CORE_WRITE(s3_0_c2_c2_2, state.keys[6]);
    CORE_WRITE(s3_0_c2_c2_3, state.keys[7]);
    CORE_WRITE(s3_0_c2_c3_0, state.keys[8]);
    CORE_WRITE(s3_0_c2_c3_1, state.keys[9]);
    asm volatile("isb" : : : "memory");
  }
  if (has_scalable_vectors()) {
    asm volatile(".arch armv8.5-a+sve\n"
                 ".irp n, " CORE_NUMBERS "," CORE_MORE_NUMBERS "\n\tldr z\\n, [%0, #\\n, mul vl]\n.endr\n"
                 "\tldr p0, [%1, #16, mul vl]\n\twrffr p0.b\n"
                 ".irp n, " CORE_NUMBERS "\n\tldr p\\n, [%1, #\\n, mul vl]\n.endr"
                 : : "r"(state.vectors.data()), "r"(state.predicates.data()) : "memory");
  } else {
    asm volatile(".arch armv8.5-a+sve\n.irp n, " CORE_NUMBERS "," CORE_MORE_NUMBERS "\n\tldr q\\n, [%0, #(16 * \\n)]\n.endr"
                 : : "r"(state.vectors.data()) : "memory");
  }
}

#undef CORE_NUMBERS
#undef CORE_MORE_NUMBERS

// Puts a mark that follows from the seed into all of it, and keeps it here.
inline void mark_core_state(CoreState& state, std::uint64_t seed) {
  read_core_state(state);  // for its lengths
  std::uint64_t word = seed;
  const auto next = [&word] { return word = word * 0x5851'F42D'4C95'7F2D + 0x1405'7B7E'F767'814F; };
  if (has_pointer_keys()) {
    for (std::uint64_t& key : state.keys) key = next() | 1;
  }
  for (std::uint64_t i = 0; i < 32 * state.vector_bytes; ++i) state.vectors[i] = static_cast<std::uint8_t>(next() >> 56 | 1);
  if (has_scalable_vectors()) {
    const std::uint64_t bytes = state.vector_bytes / 8;
    for (std::uint64_t i = 0; i < 16 * bytes; ++i) state.predicates[i] = static_cast<std::uint8_t>(next() >> 56 | 1);
    // FFR: ones, then zeros, as only a fault makes it (Arm ARM, WRFFR).
    for (std::uint64_t i = 0; i < bytes; ++i) state.predicates[16 * bytes + i] = i == 0 ? 0x1F : 0;
  }
  write_core_state(state);
}

// Bytes of `found` that are not as in `state`.
inline std::uint64_t core_state_lost(const CoreState& state, const CoreState& found) {
  std::uint64_t lost = 0;
  for (std::size_t i = 0; i < state.keys.size(); ++i) lost += state.keys[i] != found.keys[i] ? 8 : 0;
  if (state.vector_bytes != found.vector_bytes) return lost + 32 * state.vector_bytes;
  for (std::uint64_t i = 0; i < 32 * state.vector_bytes; ++i) lost += state.vectors[i] != found.vectors[i] ? 1 : 0;
  if (!has_scalable_vectors()) return lost;
  for (std::uint64_t i = 0; i < 17 * state.vector_bytes / 8; ++i) lost += state.predicates[i] != found.predicates[i] ? 1 : 0;
  return lost;
}

// Bytes that somebody left behind.
inline std::uint64_t core_state_left(const CoreState& found) {
  std::uint64_t left = found.length_control != 0 ? 8 : 0;
  for (const std::uint64_t key : found.keys) left += key != 0 ? 8 : 0;
  for (std::uint64_t i = 0; i < 32 * found.vector_bytes; ++i) left += found.vectors[i] != 0 ? 1 : 0;
  if (!has_scalable_vectors()) return left;
  for (std::uint64_t i = 0; i < 17 * found.vector_bytes / 8; ++i) left += found.predicates[i] != 0 ? 1 : 0;
  return left;
}

#undef CORE_READ
#undef CORE_WRITE

}  // namespace bare
