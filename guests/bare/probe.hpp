// Touching what may not be ours, and living on: the vectors of start.S record the exception and step over it.
#pragma once

#include <cstdint>

namespace bare {

struct ExceptionRecord {  // at TPIDR_EL1; start.S writes it
  std::uint64_t count;
  std::uint64_t esr;
  std::uint64_t far;
  std::uint64_t elr;
};

inline volatile ExceptionRecord& exceptions() {
  volatile ExceptionRecord* record = nullptr;
  asm volatile("mrs %0, tpidr_el1" : "=r"(record));
  return *record;
}

struct Probe {
  bool refused;          // the access took an exception
  std::uint64_t value;   // what a read gave otherwise
  std::uint64_t esr;
};

inline Probe probe_read(std::uint64_t address) {
  const std::uint64_t before = exceptions().count;
  std::uint64_t value = 0;
  asm volatile("ldr %0, [%1]" : "+r"(value) : "r"(address) : "memory");
  return {exceptions().count != before, value, exceptions().esr};
}

inline Probe probe_write(std::uint64_t address, std::uint64_t value) {
  const std::uint64_t before = exceptions().count;
  asm volatile("str %0, [%1]" : : "r"(value), "r"(address) : "memory");
  return {exceptions().count != before, 0, exceptions().esr};
}

inline Probe probe_execute(std::uint64_t address) {
  const std::uint64_t before = exceptions().count;
  asm volatile("blr %0" : : "r"(address) : "x30", "memory");
  return {exceptions().count != before, 0, exceptions().esr};
}

}  // namespace bare
