// An enclave that does all it can to disturb. What it does is its command line's word after "mode=":
//
//   sweep       reads and writes every system-register encoding (register_sweep.hpp); exits with 0 if it lives, which
//               it does not where the monitor stops an enclave that executes too much of what it has not
//   undefined   executes an undefined instruction for ever
//   unmapped    reads, writes and fetches where it has nothing, for ever
//   calls       every call number near the table's, with arguments at their extremes, for ever
//   spin        does nothing, with everything masked
//   console     writes to a console that a production enclave has not, for ever
//   smc         SMCs of every kind, for ever
//   registers   fills its core's keys, vectors and predicates with marks, then spins
//   secret      fills its memory with a word that must never be seen again, then spins
//
// It reports its mode and progress through channel 0 when there is one.
#include "guests/bare/channel_ring.hpp"
#include "guests/bare/core_state.hpp"
#include "guests/bare/hypercall.hpp"
#include "guests/bare/probe.hpp"
#include "guests/bare/register_sweep.hpp"

#include <cstring>
#include <string_view>

extern "C" const char __image_start[];  // linker/guest.ld

namespace {

using bare::Function;

constexpr std::uint64_t kSecretWord = 0x5EC2'E75E'C2E7'5EC2;

// The command line stands in the device tree as a string: looked for, not parsed.
std::string_view mode_of(std::uint64_t device_tree) {
  constexpr std::string_view kKey = "mode=";
  constexpr std::uint64_t kMost = 8192;
  const auto* bytes = reinterpret_cast<const char*>(device_tree);
  for (std::uint64_t i = 0; i + kKey.size() < kMost; ++i) {
    if (std::memcmp(bytes + i, kKey.data(), kKey.size()) != 0) continue;
    std::uint64_t end = i + kKey.size();
    while (end < kMost && bytes[end] > ' ' && bytes[end] < 0x7F) ++end;
    return {bytes + i + kKey.size(), static_cast<std::size_t>(end - i - kKey.size())};
  }
  return "sweep";
}

void tell(std::string_view text) {
  const bare::Answer channel = bare::call(Function::kChannelInfo, 0);
  if (!channel.ok()) return;
  const bare::Ring out(channel.x1, channel.x2 / 2);
  if (out.put(bare::MessageKind::kText, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()})) {
    bare::call(Function::kChannelNotify, 0, 0);
  }
}

[[noreturn]] void leave(std::uint64_t code) {
  bare::call(Function::kEnclaveExit, code);
  for (;;) {
  }
}

[[noreturn]] void undefined() {
  for (;;) asm volatile(".inst 0" : : : "memory");
}

[[noreturn]] void unmapped() {
  for (std::uint64_t address = 0;; address += 0x1234'5000) {
    const std::uint64_t place = address & 0x7F'FFFF'F000;
    bare::probe_read(place & 0x3FFF'FFFF);
    bare::probe_write(place & 0x3FFF'FFFF, address);
    bare::probe_execute(0x4020'0000);
  }
}

[[noreturn]] void calls() {
  constexpr std::uint64_t kExtremes[] = {0, 1, 2, 0xFFF, 0x1000, 0x8000'0000, 0x7FFF'FFFF'FFFF'FFFF, ~std::uint64_t{0}};
  for (std::uint64_t round = 0;; ++round) {
    for (std::uint64_t function = 0; function < 0x80; ++function) {
      if (0xC600'0000 + function == static_cast<std::uint64_t>(Function::kEnclaveExit)) continue;
      const std::uint64_t a = kExtremes[round % 8], b = kExtremes[round / 8 % 8], c = kExtremes[round / 64 % 8];
      bare::call_raw(0xC600'0000 + function, {a, b, c, a, b, c});
      bare::call_raw((round << 8) + function, {a, b, c, a, b, c});
    }
  }
}

[[noreturn]] void console() {
  for (;;) bare::call(Function::kConsoleWrite, 8, 0x2121'2121'2121'2121);
}

[[noreturn]] void smc() {
  for (std::uint64_t function = 0;; ++function) {
    register std::uint64_t x0 asm("x0") = (function & 0x3F) | ((function >> 6) << 24);
    asm volatile(".inst 0xd4000003" : "+r"(x0)  /* SMC #0 */ : : "x1", "x2", "x3", "memory");
  }
}

// All memory above the image holds the word from here on.
[[noreturn]] void secret() {
  const bare::Answer self = bare::call(Function::kPartitionInfo);
  constexpr std::uint64_t kAfterImage = 0x10'0000;
  const std::uint64_t first = reinterpret_cast<std::uint64_t>(__image_start);
  for (std::uint64_t offset = kAfterImage; offset < self.x3; offset += sizeof kSecretWord) {
    *reinterpret_cast<volatile std::uint64_t*>(first + offset) = kSecretWord;
  }
  tell("secret laid out");
  for (;;) asm volatile("wfi");
}

}  // namespace

extern "C" void bare_main(std::uint64_t device_tree) {
  const std::string_view mode = mode_of(device_tree);
  tell("hostile enclave");
  if (mode == "sweep") {
    bare::sweep_system_registers();
    tell("swept every system register and live");
    leave(0);
  }
  if (mode == "undefined") undefined();
  if (mode == "unmapped") unmapped();
  if (mode == "calls") calls();
  if (mode == "console") console();
  if (mode == "smc") smc();
  if (mode == "secret") secret();
  if (mode == "registers") {
    static bare::CoreState marks;
    bare::mark_core_state(marks, kSecretWord);
    for (;;) asm volatile("nop");
  }
  if (mode == "spin") {
    for (;;) asm volatile("nop");
  }
  leave(3);
}
