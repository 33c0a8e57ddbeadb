// Requests to the Nitro Secure Module as bytes, and the few answers that a test guest needs to take apart (CBOR, RFC
// 8949; the forms are those of AWS's NSM interface).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "guests/bare/hypercall.hpp"

namespace bare {

class NsmRequest {
 public:
  NsmRequest& text(std::string_view text) {  // at most 23 bytes
    put(static_cast<std::uint8_t>(0x60 | text.size()));
    for (const char character : text) put(static_cast<std::uint8_t>(character));
    return *this;
  }
  NsmRequest& map(std::uint8_t pairs) { return put(static_cast<std::uint8_t>(0xA0 | pairs)); }
  NsmRequest& number(std::uint8_t value) { return value < 24 ? put(value) : put(0x18).put(value); }
  NsmRequest& null() { return put(0xF6); }
  NsmRequest& bytes(std::span<const std::uint8_t> data) {  // at most 65,535
    put(0x59).put(static_cast<std::uint8_t>(data.size() >> 8)).put(static_cast<std::uint8_t>(data.size()));
    for (const std::uint8_t byte : data) put(byte);
    return *this;
  }
  [[nodiscard]] std::span<const std::uint8_t> view() const { return {bytes_, size_}; }

 private:
  NsmRequest& put(std::uint8_t byte) {
    if (size_ < sizeof bytes_) bytes_[size_++] = byte;
    return *this;
  }
  std::uint8_t bytes_[1024];
  std::size_t size_{0};
};

inline std::uint8_t g_nsm_response[cofferdam_abi::kNsmResponseMax];

// The answer's bytes; empty when the monitor refused the call itself.
[[nodiscard]] inline std::span<const std::uint8_t> ask_nsm(const NsmRequest& request) {
  const Answer answer =
      call_until_done(Function::kNsmRequest, reinterpret_cast<std::uint64_t>(request.view().data()), request.view().size(),
                      reinterpret_cast<std::uint64_t>(g_nsm_response), sizeof g_nsm_response);
  if (!answer.ok() || answer.x1 > sizeof g_nsm_response) return {};
  return {g_nsm_response, static_cast<std::size_t>(answer.x1)};
}

// The byte string that follows `key` (a text of the answer), or nothing.
[[nodiscard]] inline std::span<const std::uint8_t> bytes_after(std::span<const std::uint8_t> answer,
                                                               std::string_view key) {
  for (std::size_t i = 0; i + 1 + key.size() < answer.size(); ++i) {
    if (answer[i] != (0x60 | key.size()) || std::memcmp(&answer[i + 1], key.data(), key.size()) != 0) continue;
    std::size_t at = i + 1 + key.size();
    const std::uint8_t head = answer[at++];
    std::size_t size = head & 0x1F;
    if ((head >> 5) != 2 || size > 25) continue;
    if (size == 24 && at + 1 <= answer.size()) {
      size = answer[at];
      at += 1;
    } else if (size == 25 && at + 2 <= answer.size()) {
      size = std::size_t{answer[at]} << 8 | answer[at + 1];
      at += 2;
    }
    if (size > answer.size() - at) return {};
    return answer.subspan(at, size);
  }
  return {};
}

}  // namespace bare
