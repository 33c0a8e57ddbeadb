#include "guests/parent/call_device.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "guests/parent/cofferdam_ioctl.h"

namespace parent {

CallDevice::~CallDevice() {
  if (file_ >= 0) ::close(file_);
}

bool CallDevice::open(const char* path) {
  file_ = ::open(path, O_RDWR | O_CLOEXEC);
  return file_ >= 0;
}

bool CallDevice::call(std::uint32_t function, const std::array<std::uint64_t, 6>& arguments,
                      std::span<std::uint8_t> buffer, unsigned buffer_argument, CallResult& result) {
  cofferdam_call request{};
  request.x[0] = function;
  std::copy(arguments.begin(), arguments.end(), &request.x[1]);
  request.buffer = reinterpret_cast<std::uintptr_t>(buffer.data());
  request.buffer_length = static_cast<std::uint32_t>(buffer.size());
  request.buffer_argument = buffer_argument;
  if (::ioctl(file_, COFFERDAM_CALL, &request) != 0) return false;
  std::copy_n(request.x, result.x.size(), result.x.begin());
  return true;
}

}  // namespace parent
