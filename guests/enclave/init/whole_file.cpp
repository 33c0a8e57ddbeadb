#include "guests/enclave/init/whole_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace enclave_init {

WholeFile read_whole_file(const char* path, std::size_t limit) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {"", errno};
  WholeFile result;
  char chunk[4096];
  while (result.error == 0) {
    const ssize_t count = ::read(file, chunk, sizeof chunk);
    if (count == 0) break;
    if (count < 0) {
      if (errno != EINTR) result.error = errno;
      continue;
    }
    result.content.append(chunk, static_cast<std::size_t>(count));
    if (result.content.size() > limit) result.error = EFBIG;
  }
  ::close(file);
  if (result.error != 0) result.content.clear();
  return result;
}

}  // namespace enclave_init
