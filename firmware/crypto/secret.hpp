// Erasing secrets so that the compiler keeps the erasing.
//
// Values that live in a base::Result must be trivially destructible, so a secret does not erase itself: the
// function that made it holds a WipeOnExit for it.
#pragma once

#include <span>
#include <type_traits>

#include "firmware/base/byte_reader.hpp"

namespace crypto {

void wipe(base::MutableBytes secret);

template <typename T>
void wipe_object(T& secret) {
  static_assert(std::is_trivially_copyable_v<T>);
  wipe({reinterpret_cast<std::uint8_t*>(&secret), sizeof(T)});
}

// Erases one object when the scope ends, whichever way it ends.
template <typename T>
class [[nodiscard]] WipeOnExit {
 public:
  explicit WipeOnExit(T& secret) : secret_(secret) {}
  ~WipeOnExit() { wipe_object(secret_); }
  WipeOnExit(const WipeOnExit&) = delete;
  WipeOnExit& operator=(const WipeOnExit&) = delete;

 private:
  T& secret_;
};

// Compares in a time that depends on the length only. Different lengths are different.
[[nodiscard]] bool equal_constant_time(base::Bytes a, base::Bytes b);

}  // namespace crypto
