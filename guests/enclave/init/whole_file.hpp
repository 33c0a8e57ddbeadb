// A file's whole content, bounded.
#pragma once

#include <cstddef>
#include <string>

namespace enclave_init {

struct WholeFile {
  std::string content;
  int error{};  // an errno; EFBIG: longer than the limit
};
[[nodiscard]] WholeFile read_whole_file(const char* path, std::size_t limit);

}  // namespace enclave_init
