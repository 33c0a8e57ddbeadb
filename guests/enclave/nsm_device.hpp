// /dev/nsm through its raw ioctl (Linux, include/uapi/linux/nsm.h).
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

namespace enclave {

struct NsmVector {
  std::uint64_t address;
  std::uint64_t length;
};
struct NsmRaw {
  NsmVector request;
  NsmVector response;
};
inline constexpr unsigned long kNsmRaw = _IOWR(0x0A, 0x0, NsmRaw);
static_assert(kNsmRaw == 0xC0200A00);

inline constexpr std::size_t kNsmRequestMost = 0x1000, kNsmResponseMost = 0x3000;

class NsmDevice {
 public:
  explicit NsmDevice(const char* path = "/dev/nsm") : file_(::open(path, O_RDWR | O_CLOEXEC)) {}
  ~NsmDevice() {
    if (file_ >= 0) ::close(file_);
  }
  NsmDevice(const NsmDevice&) = delete;
  NsmDevice& operator=(const NsmDevice&) = delete;
  [[nodiscard]] bool is_open() const { return file_ >= 0; }

  // The answer, cut to `most` bytes; error() is 0, or the errno of a request that was not made.
  std::string ask(const std::string& request, std::size_t most = kNsmResponseMost) {
    std::string answer(most, '\0');
    NsmRaw raw{{reinterpret_cast<std::uintptr_t>(request.data()), request.size()},
               {reinterpret_cast<std::uintptr_t>(answer.data()), answer.size()}};
    error_ = ::ioctl(file_, kNsmRaw, &raw) == 0 ? 0 : errno;
    answer.resize(error_ == 0 && raw.response.length <= most ? raw.response.length : 0);
    return answer;
  }
  [[nodiscard]] int error() const { return error_; }

 private:
  int file_;
  int error_{};
};

}  // namespace enclave
