// The device /dev/attack as functions: instructions that may fault, and physical memory that may refuse.
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "guests/parent/attack_ioctl.h"

namespace attack {

inline constexpr std::uint64_t kPage = 4096;

[[noreturn]] inline void give_up(const char* what) {
  std::perror(what);
  std::exit(2);
}

inline int device() {
  static const int descriptor = [] {
    if (access("/dev/attack", F_OK) != 0) {
      const int module = open("/lib/modules/attack.ko", O_RDONLY);
      if (module < 0 || syscall(SYS_finit_module, module, "", 0) != 0) give_up("attack: /lib/modules/attack.ko");
      close(module);
      for (int tries = 0; tries < 100 && access("/dev/attack", F_OK) != 0; ++tries) usleep(10'000);
    }
    const int opened = open("/dev/attack", O_RDWR);
    if (opened < 0) give_up("attack: /dev/attack");
    return opened;
  }();
  return descriptor;
}

inline attack_instruction execute(attack_instruction instruction) {
  if (ioctl(device(), ATTACK_EXECUTE, &instruction) != 0) give_up("attack: the instruction");
  return instruction;
}

inline sigjmp_buf refused_here;

inline void on_refusal(int) { siglongjmp(refused_here, 1); }

inline void catch_refusals() {
  struct sigaction action = {};
  action.sa_handler = on_refusal;
  action.sa_flags = SA_NODEFER;
  for (const int number : {SIGBUS, SIGSEGV, SIGILL, SIGTRAP}) sigaction(number, &action, nullptr);
}

// The page around a physical address, mapped as Device memory, or as Normal memory that can be executed.
class PhysicalPage {
 public:
  PhysicalPage(std::uint64_t address, int protection) : offset_(address % kPage) {
    base_ = mmap(nullptr, kPage, protection, MAP_SHARED, device(), static_cast<off_t>(address - offset_));
    if (base_ == MAP_FAILED) give_up("attack: mapping a physical page");
  }
  PhysicalPage(const PhysicalPage&) = delete;
  PhysicalPage& operator=(const PhysicalPage&) = delete;
  ~PhysicalPage() { munmap(base_, kPage); }
  template <typename Word>
  [[nodiscard]] volatile Word* at(std::uint64_t further = 0) const {
    return reinterpret_cast<volatile Word*>(static_cast<char*>(base_) + offset_ + further);
  }
  // Nothing: the access was refused.
  template <typename Word>
  [[nodiscard]] std::optional<Word> read(std::uint64_t further = 0) const {
    if (sigsetjmp(refused_here, 1) != 0) return std::nullopt;
    const Word value = *at<Word>(further);
    return value;
  }
  template <typename Word>
  [[nodiscard]] bool write(Word value, std::uint64_t further = 0) const {
    if (sigsetjmp(refused_here, 1) != 0) return false;
    *at<Word>(further) = value;
    asm volatile("dsb sy" ::: "memory");
    return true;
  }

 private:
  std::uint64_t offset_;
  void* base_;
};

template <typename Word>
std::optional<Word> read_physical(std::uint64_t address) {
  return PhysicalPage(address, PROT_READ).read<Word>();
}

template <typename Word>
bool write_physical(std::uint64_t address, Word value) {
  return PhysicalPage(address, PROT_READ | PROT_WRITE).write(value);
}

// What signal ended the jump to that address: SIGBUS is a refusal; anything else means that an instruction was fetched.
inline int execute_physical(std::uint64_t address) {
  static volatile int seen;
  const PhysicalPage page(address & ~std::uint64_t{3}, PROT_READ | PROT_EXEC);
  struct sigaction action = {};
  action.sa_flags = SA_NODEFER;
  action.sa_handler = [](int number) {
    seen = number;
    siglongjmp(refused_here, 1);
  };
  for (const int number : {SIGBUS, SIGSEGV, SIGILL, SIGTRAP}) sigaction(number, &action, nullptr);
  seen = 0;
  if (sigsetjmp(refused_here, 1) == 0) reinterpret_cast<void (*)()>(const_cast<char*>(page.at<char>()))();
  const int signal = seen;
  catch_refusals();
  return signal;
}

}  // namespace attack
