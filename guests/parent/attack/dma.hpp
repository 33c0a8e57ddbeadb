// Devices as weapons: edu and nvme, driven from a program, write and read any bus address.
#pragma once

#include <time.h>

#include <string>

#include "guests/parent/attack/kernel_access.hpp"

namespace attack {

// A page of our own whose physical address we know.
struct OwnPage {
  volatile std::uint64_t* words;
  std::uint64_t address;
};

inline OwnPage own_page() {
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
  if (page == MAP_FAILED) give_up("attack: a page");
  std::memset(page, 0, kPage);
  const int map = open("/proc/self/pagemap", O_RDONLY);
  std::uint64_t entry = 0;
  const auto at = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(page) / kPage * sizeof(entry));
  if (map < 0 || pread(map, &entry, sizeof(entry), at) != sizeof(entry)) give_up("attack: /proc/self/pagemap");
  close(map);
  const std::uint64_t frame = entry & ((std::uint64_t{1} << 55) - 1);
  if (frame == 0) give_up("attack: the page's frame is hidden (root is needed)");
  return {static_cast<volatile std::uint64_t*>(page), frame * kPage};
}

inline bool write_text(const std::string& path, const char* text) {
  const int file = open(path.c_str(), O_WRONLY);
  const bool done = file >= 0 && write(file, text, std::strlen(text)) >= 0;
  if (file >= 0) close(file);
  return done;
}

inline void pause_briefly() { usleep(1000); }

// A PCI function on bus 0: enabled, bus master, its first BAR mapped.
class PciFunction {
 public:
  PciFunction(int slot, std::uint32_t identity) {
    char name[64];
    std::snprintf(name, sizeof(name), "/sys/bus/pci/devices/0000:00:%02x.0/", slot);
    folder_ = name;
    const int configuration = open((folder_ + "config").c_str(), O_RDWR);
    std::uint32_t found = 0;
    if (configuration < 0 || pread(configuration, &found, 4, 0) != 4) give_up("attack: the device's configuration");
    if (identity != 0 && found != identity) {
      std::fprintf(stderr, "attack: slot %d is %08x, not %08x\n", slot, found, identity);
      std::exit(2);
    }
    write_text(folder_ + "enable", "1");
    std::uint16_t command = 0;
    if (pread(configuration, &command, 2, 4) != 2) give_up("attack: the device's command register");
    command |= 6;  // memory space, bus master
    if (pwrite(configuration, &command, 2, 4) != 2) give_up("attack: the device's command register");
    close(configuration);
    const int bar = open((folder_ + "resource0").c_str(), O_RDWR | O_SYNC);
    if (bar < 0) give_up("attack: the device's BAR");
    void* mapped = mmap(nullptr, kBarBytes, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
    if (mapped == MAP_FAILED) give_up("attack: mapping the device's BAR");
    close(bar);
    bar_ = static_cast<volatile char*>(mapped);
  }
  [[nodiscard]] volatile std::uint32_t& word(std::uint32_t at) const { return *reinterpret_cast<volatile std::uint32_t*>(bar_ + at); }
  void set_long(std::uint32_t at, std::uint64_t value) const {
    word(at) = static_cast<std::uint32_t>(value);
    word(at + 4) = static_cast<std::uint32_t>(value >> 32);
  }

 private:
  static constexpr std::size_t kBarBytes = 0x4000;
  std::string folder_;
  volatile char* bar_;
};

// QEMU's educational device (docs/specs/edu): DMA between the bus and its 4 KiB buffer at 0x40000.
class Edu {
 public:
  // One DMA, which takes a tenth of a second whatever its size; false: it did not end within a second.
  bool move(std::uint64_t from, std::uint64_t to, bool to_bus, std::uint64_t bytes = sizeof(std::uint64_t)) {
    set(0x80, from);
    set(0x88, to);
    set(0x90, bytes);
    set(0x98, 1 | (to_bus ? 2 : 0));
    for (int tries = 0; tries < 1000; ++tries) {
      if ((registers_.word(0x98) & 1) == 0) return true;
      pause_briefly();
    }
    return false;
  }
  // What the device read there. Nothing: its buffer still holds what we put there before, or zero, which is what QEMU
  // gives a device whose access fails; the device does not tell.
  std::optional<std::uint64_t> read(std::uint64_t address) {
    constexpr std::uint64_t kMark = 0x6e6f7468696e6721;
    page_.words[0] = kMark;
    move(page_.address, kBuffer, false);
    move(address, kBuffer, false);
    page_.words[1] = 0;
    move(kBuffer, page_.address + 8, true);
    const std::uint64_t value = page_.words[1];
    return value == kMark || value == 0 ? std::nullopt : std::optional(value);
  }
  void write(std::uint64_t address, std::uint64_t value) {
    page_.words[0] = value;
    move(page_.address, kBuffer, false);
    move(kBuffer, address, true);
  }
  // All that the buffer holds, and has held since somebody put it there: kPage bytes, until the next call.
  const volatile std::uint64_t* remembered() {
    if (!move(kBuffer, page_.address, true, kPage)) give_up("attack: edu's buffer");
    return page_.words;
  }

 private:
  static constexpr std::uint64_t kBuffer = 0x40000;
  void set(std::uint32_t at, std::uint64_t value) { *reinterpret_cast<volatile std::uint64_t*>(&registers_.word(at)) = value; }
  PciFunction registers_{1, 0x11e81234};
  OwnPage page_ = own_page();
};

// An nvme controller with only its admin queue, taken from Linux's driver for as long as this object lives.
class Nvme {
 public:
  Nvme() {
    registers_.word(kConfiguration) = 0;
    wait_ready(0);
    registers_.word(kQueueSizes) = (kEntries - 1) << 16 | (kEntries - 1);
    registers_.set_long(0x28, submissions_.address);
    registers_.set_long(0x30, completions_.address);
    registers_.word(kConfiguration) = 4 << 20 | 6 << 16 | 1;
    wait_ready(1);
  }
  ~Nvme() {
    registers_.word(kConfiguration) = 0;
    wait_ready(0);
    write_text("/sys/bus/pci/drivers/nvme/bind", kName);
  }
  Nvme(const Nvme&) = delete;
  Nvme& operator=(const Nvme&) = delete;

  // The controller's description, 4 KiB, is written to the address. It reports success for a write that failed as well:
  // what counts is what it reads there afterwards.
  bool write(std::uint64_t address) {
    if (admin(6, page_.address, 1) != 0) give_up("attack: the nvme controller does not describe itself");
    const std::uint64_t description = page_.words[0] & kClockBits;
    return admin(6, address, 1) == 0 && near(read(address), description);
  }
  // The controller fetches 8 bytes there as its clock ("Set Features, Timestamp"), and gives the clock back to
  // us. Nothing: an error, or zero, as for edu. The clock goes on meanwhile, by milliseconds.
  std::optional<std::uint64_t> read(std::uint64_t address) {
    if (admin(9, address, kTimestamp) != 0) return std::nullopt;
    if (admin(10, page_.address, kTimestamp) != 0) return std::nullopt;
    const std::uint64_t clock = page_.words[0] & kClockBits;
    return clock < kMeanwhile ? std::nullopt : std::optional(clock);
  }

 private:
  static constexpr std::uint64_t kClockBits = 0xffff'ffff'ffff, kMeanwhile = 1000;
  static constexpr std::uint32_t kConfiguration = 0x14, kStatus = 0x1c, kQueueSizes = 0x24, kDoorbells = 0x1000;
  static constexpr std::uint32_t kEntries = 16, kTimestamp = 0x0e;
  static constexpr const char* kName = "0000:00:02.0";

  static bool near(std::optional<std::uint64_t> clock, std::uint64_t description) {
    return clock && *clock - description < kMeanwhile;
  }
  static int take_from_driver() {
    write_text("/sys/bus/pci/drivers/nvme/unbind", kName);
    return 2;
  }
  void wait_ready(std::uint32_t wanted) {
    for (int tries = 0; tries < 5000; ++tries) {
      if ((registers_.word(kStatus) & 1) == wanted) return;
      pause_briefly();
    }
    std::fprintf(stderr, "attack: the nvme controller does not become ready\n");
    std::exit(2);
  }
  // The completion's status field; 0: success, 0xffff: nothing came.
  std::uint32_t admin(std::uint8_t opcode, std::uint64_t address, std::uint32_t argument) {
    auto* entry = reinterpret_cast<volatile std::uint32_t*>(submissions_.words) + tail_ * 16;
    for (int word = 0; word < 16; ++word) entry[word] = 0;
    entry[0] = opcode | std::uint32_t{++identifier_} << 16;
    entry[6] = static_cast<std::uint32_t>(address);
    entry[7] = static_cast<std::uint32_t>(address >> 32);
    entry[10] = argument;
    asm volatile("dsb sy" ::: "memory");
    tail_ = (tail_ + 1) % kEntries;
    registers_.word(kDoorbells) = tail_;
    auto* completion = reinterpret_cast<volatile std::uint32_t*>(completions_.words) + head_ * 4;
    for (int tries = 0; tries < 2000; ++tries) {
      const std::uint32_t status = completion[3];
      if ((status >> 16 & 1) == phase_) {
        head_ = (head_ + 1) % kEntries;
        if (head_ == 0) phase_ ^= 1;
        registers_.word(kDoorbells + 4) = head_;
        return status >> 17;
      }
      pause_briefly();
    }
    return 0xffff;
  }

  PciFunction registers_{take_from_driver(), 0};
  OwnPage submissions_ = own_page(), completions_ = own_page(), page_ = own_page();
  std::uint32_t tail_ = 0, head_ = 0, phase_ = 1;
  std::uint16_t identifier_ = 0;
};

}  // namespace attack
