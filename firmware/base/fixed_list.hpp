// A list with a compile-time capacity; no heap, trivially copyable when its element is.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>

#include "firmware/base/result.hpp"

namespace base {

template <typename T, std::size_t kCapacity>
class FixedList {
 public:
  // Run time: only the size is written. Static storage is zero, as the linker wants it.
  constexpr FixedList() {
    if (std::is_constant_evaluated()) {
      for (T& item : items_) item = T{};
    }
  }
  // Errors: kTooLarge when full; the list is unchanged then.
  [[nodiscard]] constexpr Status push(const T& item) {
    if (size_ == kCapacity) return Error::kTooLarge;
    items_[size_++] = item;
    return {};
  }
  constexpr void pop() { --size_; }  // precondition: !empty()
  constexpr void erase(std::size_t index) {  // precondition: index < size(); keeps the order
    for (std::size_t i = index + 1; i < size_; ++i) items_[i - 1] = items_[i];
    --size_;
  }
  constexpr void clear() { size_ = 0; }
  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] static constexpr std::size_t capacity() { return kCapacity; }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr bool full() const { return size_ == kCapacity; }
  [[nodiscard]] constexpr T& operator[](std::size_t index) { return items_[index]; }
  [[nodiscard]] constexpr const T& operator[](std::size_t index) const { return items_[index]; }
  [[nodiscard]] constexpr T& back() { return items_[size_ - 1]; }
  [[nodiscard]] constexpr const T& back() const { return items_[size_ - 1]; }
  [[nodiscard]] constexpr const T* begin() const { return items_.data(); }
  [[nodiscard]] constexpr const T* end() const { return items_.data() + size_; }
  [[nodiscard]] constexpr T* begin() { return items_.data(); }
  [[nodiscard]] constexpr T* end() { return items_.data() + size_; }
  [[nodiscard]] constexpr std::span<const T> view() const { return {items_.data(), size_}; }

 private:
  std::array<T, kCapacity> items_;
  std::size_t size_{0};
};

}  // namespace base
