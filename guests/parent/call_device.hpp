// Calls of the monitor from a program of the parent's Linux, through /dev/cofferdam.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace parent {

struct CallResult {
  std::array<std::uint64_t, 4> x{};  // x[0]: 0, or an error of docs/hypercall-abi.md as a negative number
};

class CallDevice {
 public:
  CallDevice() = default;
  ~CallDevice();
  CallDevice(const CallDevice&) = delete;
  CallDevice& operator=(const CallDevice&) = delete;

  // False: there is no such device, or this user may not open it; errno says which.
  [[nodiscard]] bool open(const char* path = "/dev/cofferdam");
  // `buffer`, up to 4096 bytes, is what argument number `buffer_argument` (1..6) points to; the call may write to it.
  // False: the device did not make the call; errno says why.
  [[nodiscard]] bool call(std::uint32_t function, const std::array<std::uint64_t, 6>& arguments,
                          std::span<std::uint8_t> buffer, unsigned buffer_argument, CallResult& result);

 private:
  int file_{-1};
};

}  // namespace parent
