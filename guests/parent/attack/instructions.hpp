// Every system register, every firmware call: what root at EL1 can execute, one after the other.
#pragma once

#include "guests/parent/attack/kernel_access.hpp"

namespace attack {

inline constexpr std::uint32_t encoding(std::uint32_t op0, std::uint32_t op1, std::uint32_t crn, std::uint32_t crm, std::uint32_t op2) {
  return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
}

// Reading these takes an interrupt that Linux would then never end.
inline bool takes_an_interrupt(std::uint32_t code) {
  return code == encoding(3, 0, 12, 12, 0) || code == encoding(3, 0, 12, 8, 0) || code == encoding(3, 0, 12, 9, 5);
}

struct Tally {
  std::uint64_t refused = 0, answered = 0;
};

inline void show_register(std::uint32_t code, std::uint64_t value) {
  std::printf("S%u_%u_C%u_C%u_%u = 0x%llx\n", code >> 14, code >> 11 & 7, code >> 7 & 15, code >> 3 & 15, code & 7,
              static_cast<unsigned long long>(value));
}

inline Tally read_registers(bool show) {
  Tally tally;
  for (std::uint32_t code = 0x8000; code < 0x10000; ++code) {
    if (takes_an_interrupt(code)) continue;
    const attack_instruction done = execute({.x = {}, .syndrome = 0, .kind = ATTACK_READ_REGISTER, .encoding = code});
    ++(done.syndrome == 0 ? tally.answered : tally.refused);
    if (show && done.syndrome == 0) show_register(code, done.x[0]);
  }
  return tally;
}

// Linux lives on: what it can read gets the value that it has; what it can't, EL2's and EL3's registers first of all,
// gets zeros and ones.
inline Tally write_registers() {
  Tally tally;
  for (std::uint32_t code = 0x8000; code < 0x10000; ++code) {
    if (takes_an_interrupt(code)) continue;
    attack_instruction request = {.x = {}, .syndrome = 0, .kind = ATTACK_READ_REGISTER, .encoding = code};
    const attack_instruction held = execute(request);
    request.kind = ATTACK_WRITE_REGISTER;
    for (const std::uint64_t value : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      // Without a value to read, only what belongs to higher levels: an EL1 register that is write-only acts.
      if (held.syndrome != 0 && (code >> 11 & 7) < 4 && value != 0) continue;
      request.x[0] = held.syndrome == 0 ? held.x[0] : value;
      ++(execute(request).syndrome == 0 ? tally.answered : tally.refused);
      if (held.syndrome == 0) break;
    }
  }
  return tally;
}

// TLBI, DC, IC and AT of every encoding, with 0 in their register.
inline Tally system_instructions() {
  Tally tally;
  for (std::uint32_t code = 0x4000; code < 0x8000; ++code) {
    if ((code >> 7 & 15) < 7) continue;  // PSTATE fields and hints: nothing of another level
    const attack_instruction done = execute({.x = {}, .syndrome = 0, .kind = ATTACK_SYS, .encoding = code});
    ++(done.syndrome == 0 ? tally.answered : tally.refused);
  }
  return tally;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {  // splitmix64
    std::uint64_t word = state_ += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
  }

 private:
  std::uint64_t state_;
};

// PSCI's functions that stop the caller itself, or the machine: CPU_SUSPEND, CPU_OFF, SYSTEM_OFF, SYSTEM_RESET,
// CPU_FREEZE, CPU_DEFAULT_SUSPEND, SYSTEM_SUSPEND, SYSTEM_RESET2 (Arm DEN 0022).
inline bool stops_us(std::uint64_t function) {
  const auto number = static_cast<std::uint32_t>(function) & 0x1f;
  const bool psci = (static_cast<std::uint32_t>(function) & ~0x4000001fU) == 0x84000000;
  return psci && (number == 1 || number == 2 || number == 8 || number == 9 || (number >= 11 && number <= 14) || number == 18);
}

// Random calls: half of them with a function number near one that means something.
inline Tally random_calls(std::uint32_t kind, std::uint64_t count, std::uint64_t seed) {
  constexpr std::uint32_t kOwners[] = {0x80000000, 0x84000000, 0xc4000000, 0xc6000000, 0x86000000, 0xc3000000, 0x83000000, 0xbf000000};
  Random random(seed);
  Tally tally;
  for (std::uint64_t done = 0; done < count; ++done) {
    attack_instruction call = {.x = {}, .syndrome = 0, .kind = kind, .encoding = 0};
    for (auto& word : call.x) {
      const std::uint64_t choice = random.next();
      word = choice % 4 == 0 ? random.next() : choice % 4 == 1 ? random.next() % 8 : choice % 4 == 2 ? random.next() % 0x1'0000'0000 : 0;
    }
    if (random.next() % 2 == 0) call.x[0] = kOwners[random.next() % std::size(kOwners)] + random.next() % 0x120;
    if (stops_us(call.x[0])) continue;
    const attack_instruction after = execute(call);
    ++(after.syndrome != 0 || static_cast<std::int64_t>(after.x[0]) < 0 ? tally.refused : tally.answered);
  }
  return tally;
}

}  // namespace attack
