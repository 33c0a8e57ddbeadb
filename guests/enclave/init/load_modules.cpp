#include "guests/enclave/init/load_modules.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "guests/enclave/init/boot_files.hpp"
#include "guests/enclave/init/last_words.hpp"
#include "guests/enclave/init/whole_file.hpp"

namespace enclave_init {
namespace {

constexpr const char* kList = "/etc/cofferdam/modules";

// 0, or the errno.
int load(const std::string& path, const std::string& parameters) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno;
  const long result = ::syscall(SYS_finit_module, file, parameters.c_str(), 0);
  const int error = result == 0 ? 0 : errno;
  ::close(file);
  return error == EEXIST ? 0 : error;
}

}  // namespace

void load_modules() {
  const WholeFile list = read_whole_file(kList, kMaxBootFile);
  if (list.error == ENOENT) {
    const int error = load("/nsm.ko", "");
    if (error != 0 && error != ENOENT) give_up("can't load /nsm.ko", error, "take the module of this very kernel");
    return;
  }
  if (list.error != 0) give_up(std::string("can't read ") + kList, list.error, "build the image anew");
  const Modules named = parse_modules(list.content);
  if (!named.problem.empty()) give_up(std::string(kList) + " " + named.problem, 0, "build the image anew");
  for (const Module& module : named.modules) {
    const std::string path = "/lib/modules/" + module.name + ".ko";
    const int error = load(path, module.parameters);
    if (error != 0) {
      give_up("can't load " + path, error, "take the modules of this very kernel, unpacked, each after those it depends on");
    }
  }
}

}  // namespace enclave_init
