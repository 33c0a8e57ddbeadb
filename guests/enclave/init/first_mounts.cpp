#include "guests/enclave/init/first_mounts.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>

#include "guests/enclave/init/last_words.hpp"

namespace enclave_init {
namespace {

struct Mount {
  const char* what;
  const char* where;
  const char* type;
  unsigned long flags;
  const char* data;
};
constexpr unsigned long kPlain = MS_NODEV | MS_NOSUID | MS_NOEXEC;
constexpr Mount kFirst[] = {{"proc", "/proc", "proc", kPlain, nullptr}, {"sysfs", "/sys", "sysfs", kPlain, nullptr}};
constexpr Mount kRest[] = {{"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666"},
                           {"tmpfs", "/dev/shm", "tmpfs", MS_NODEV | MS_NOSUID, "mode=1777"},
                           {"tmpfs", "/run", "tmpfs", MS_NODEV | MS_NOSUID, "mode=0755"},
                           {"tmpfs", "/tmp", "tmpfs", MS_NODEV | MS_NOSUID, "mode=1777"},
                           {"cgroup2", "/sys/fs/cgroup", "cgroup2", kPlain, nullptr}};
constexpr std::array<std::array<const char*, 2>, 4> kLinks{{{"/proc/self/fd", "/dev/fd"},
                                                            {"/proc/self/fd/0", "/dev/stdin"},
                                                            {"/proc/self/fd/1", "/dev/stdout"},
                                                            {"/proc/self/fd/2", "/dev/stderr"}}};

// 0, or the errno. Already mounted counts as mounted: a kernel may have done it (CONFIG_DEVTMPFS_MOUNT).
int mounted(const Mount& mount) {
  ::mkdir(mount.where, 0755);
  if (::mount(mount.what, mount.where, mount.type, mount.flags, mount.data) == 0 || errno == EBUSY) return 0;
  return errno;
}

// The kernel opens the console for its first process only where the archive holds /dev/console.
void open_console() {
  int console = ::open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (console < 0) console = ::open("/dev/null", O_RDWR | O_CLOEXEC);  // a kernel without a driver has none
  if (console < 0) return;
  for (int number = 0; number < 3; ++number) {
    if (number != console) ::dup2(console, number);
  }
  if (console < 3) {
    ::fcntl(console, F_SETFD, 0);
  } else {
    ::close(console);
  }
}

}  // namespace

void mount_first() {
  const Mount devices{"devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755"};
  const int without_devices = mounted(devices);
  open_console();
  if (without_devices != 0) {
    give_up("can't mount devtmpfs on /dev", without_devices, "build the kernel with CONFIG_DEVTMPFS");
  }
  for (const Mount& mount : kFirst) {
    const int error = mounted(mount);
    if (error != 0) {
      give_up(std::string("can't mount ") + mount.type + " on " + mount.where, error, "build the kernel with this file system");
    }
  }
}

bool enter_root() {
  struct stat status {};
  if (::stat("/rootfs", &status) != 0 || !S_ISDIR(status.st_mode)) return false;
  for (const char* name : {"dev", "proc", "sys"}) {
    const std::string from = std::string("/") + name, to = std::string("/rootfs/") + name;
    ::mkdir(to.c_str(), 0755);
    if (::mount(from.c_str(), to.c_str(), nullptr, MS_MOVE, nullptr) != 0) {
      give_up("can't move " + from + " to " + to, errno, "let the image's root have a folder " + from + ", no link");
    }
  }
  // The first archive's root can't be unmounted. Mounting over it and moving there leaves no path back to it.
  if (::mount("/rootfs", "/rootfs", nullptr, MS_BIND | MS_REC, nullptr) != 0 || ::chdir("/rootfs") != 0 ||
      ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 || ::chdir("/") != 0) {
    give_up("can't make /rootfs the root", errno, "report this: any kernel that runs the first process can");
  }
  return true;
}

void mount_rest() {
  for (const Mount& mount : kRest) {
    const int error = mounted(mount);
    if (error == ENODEV || error == ENOENT) continue;  // not in this kernel
    if (error != 0) give_up(std::string("can't mount on ") + mount.where, error, "let it be a folder in the image's root");
  }
  for (const auto& [target, path] : kLinks) {
    if (::symlink(target, path) != 0 && errno != EEXIST) say(std::string("warning: there will be no ") + path);
  }
}

void bring_up_loopback() {
  const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return;
  ifreq request{};
  std::snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
  if (::ioctl(any, SIOCGIFFLAGS, &request) == 0) {
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(any, SIOCSIFFLAGS, &request) != 0) say("warning: the loopback interface stays down");
  }
  ::close(any);
}

}  // namespace enclave_init
