// A value, or the reason why there is none, for people. std::expected<T, std::string> for what the fuzzers link too: the clang that builds
// them (14) can't compile libstdc++'s.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace relay {

struct Reason {
  explicit Reason(std::string text) : why(std::move(text)) {}
  std::string why;
};

template <class T>
class [[nodiscard]] OrReason {
 public:
  template <class Value>
    requires std::is_convertible_v<Value, T>
  OrReason(Value&& value) : result_(std::in_place_index<0>, std::forward<Value>(value)) {}
  OrReason(Reason reason) : result_(std::in_place_index<1>, std::move(reason)) {}
  explicit operator bool() const { return result_.index() == 0; }
  [[nodiscard]] bool has_value() const { return result_.index() == 0; }
  // Only when there is one.
  const T& operator*() const { return *std::get_if<0>(&result_); }
  T& operator*() { return *std::get_if<0>(&result_); }
  const T* operator->() const { return std::get_if<0>(&result_); }
  T* operator->() { return std::get_if<0>(&result_); }
  // Only when there is none.
  [[nodiscard]] const std::string& error() const { return std::get_if<1>(&result_)->why; }

 private:
  std::variant<T, Reason> result_;
};

}  // namespace relay
