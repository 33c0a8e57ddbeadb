// What the compiler and the library call when the program itself is wrong.
#include <cstdint>

#include "hal/upcalls.hpp"

namespace {

// Told apart from exceptions by an exception class that no core reports.
constexpr std::uint64_t kStackGuard = 0xFFFF'0001;
constexpr std::uint64_t kAssertion = 0xFFFF'0002;
constexpr std::uint64_t kAbort = 0xFFFF'0003;

}  // namespace

extern "C" {

std::uint64_t __stack_chk_guard = 0x00BA'5E57'AC4B'0000;  // start.S replaces it by a random word

[[noreturn]] void __stack_chk_fail() {
  hal::handle_own_exception(kStackGuard, reinterpret_cast<std::uint64_t>(__builtin_return_address(0)), 0);
}

[[noreturn]] void hal_own_exception(std::uint64_t esr, std::uint64_t elr, std::uint64_t far) {
  hal::handle_own_exception(esr, elr, far);
}

[[noreturn]] void abort() {
  hal::handle_own_exception(kAbort, reinterpret_cast<std::uint64_t>(__builtin_return_address(0)), 0);
}

}  // extern "C"

namespace std {

// libstdc++ with _GLIBCXX_ASSERTIONS: an index out of bounds.
[[noreturn]] void __glibcxx_assert_fail(const char*, int, const char*, const char*) noexcept {
  hal::handle_own_exception(kAssertion, reinterpret_cast<std::uint64_t>(__builtin_return_address(0)), 0);
}

}  // namespace std
