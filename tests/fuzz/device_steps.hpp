// A driver's accesses as a fuzzer writes them: 12 bytes each, of which every value means something.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace device_steps {

struct Step {
  std::uint8_t action;
  std::uint32_t size;  // bytes of the access; now and then one that no processor makes
  std::uint64_t offset;
  std::uint64_t value;
};
inline constexpr std::size_t kBytes = 12;
inline constexpr std::size_t kMaxSteps = 512;

[[nodiscard]] inline Step step_of(std::span<const std::uint8_t, kBytes> bytes) {
  constexpr std::array<std::uint32_t, 8> kSizes{1, 2, 4, 8, 4, 8, 0, 3};
  Step step{.action = bytes[0], .size = kSizes[bytes[1] % 8], .offset = bytes[2] | std::uint64_t{bytes[3]} << 8};
  if (bytes[1] >= 0xF8) step.offset = ~step.offset;  // the top of the address space
  for (std::size_t i = 0; i < 8; ++i) step.value |= std::uint64_t{bytes[4 + i]} << (8 * i);
  return step;
}

// Calls perform(Step) for each whole step.
template <typename Perform>
void each(const std::uint8_t* data, std::size_t size, Perform perform) {
  std::span<const std::uint8_t> rest{data, size};
  for (std::size_t i = 0; i < kMaxSteps && rest.size() >= kBytes; ++i) {
    perform(step_of(rest.first<kBytes>()));
    rest = rest.subspan(kBytes);
  }
}

}  // namespace device_steps
