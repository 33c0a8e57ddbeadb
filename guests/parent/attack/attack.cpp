// What root in the parent can try against the monitor and everybody else, one attempt or a sweep of them.
#include <string>
#include <string_view>
#include <vector>

#include "guests/parent/attack/dma.hpp"
#include "guests/parent/attack/instructions.hpp"
#include "guests/parent/attack/kernel_access.hpp"
#include "guests/parent/attack/pci.hpp"

namespace attack {
namespace {

constexpr const char* kUsage =
    "attack: what root can do to the machine beneath it. Numbers as 17 or 0x11. Exit status: 0 it went through, 3 refused.\n"
    "  attack read ADDRESS              a load from a physical address (64 bits)\n"
    "  attack write ADDRESS VALUE       a store\n"
    "  attack execute ADDRESS           a jump there, in a program\n"
    "  attack sweep BASE SIZE [STEP]    loads, stores of what was there (or 0) and jumps at every STEP (4096): counts\n"
    "  attack dma-read ADDRESS          by the edu device (zero counts as refused: it looks the same)\n"
    "  attack dma-write ADDRESS VALUE\n"
    "  attack nvme-read ADDRESS         by the nvme controller (its clock is read from there: 48 bits)\n"
    "  attack nvme-write ADDRESS        (its description, 4 KiB)\n"
    "  attack call hvc|smc X0 [X1...]   one call with up to 18 registers\n"
    "  attack calls hvc|smc COUNT [SEED]  random calls, but those that stop this core or the machine\n"
    "  attack register OP0 OP1 CRN CRM OP2 [VALUE]   one system register, read or written\n"
    "  attack registers [show|write|instructions]    all of them: counts\n"
    "  attack gic                       every register of the distributor and of each redistributor: counts\n"
    "  attack pci                       edu's BAR over memory and devices of others, buses that don't exist: counts\n";

int say(const std::string& what, bool went_through, std::optional<std::uint64_t> value = std::nullopt) {
  std::printf("attack: %s: %s", what.c_str(), went_through ? "done" : "refused");
  if (went_through && value) std::printf(", 0x%llx", static_cast<unsigned long long>(*value));
  std::printf("\n");
  return went_through ? 0 : 3;
}

int say(const std::string& what, const Tally& tally) {
  std::printf("attack: %s: %llu refused, %llu went through\n", what.c_str(), static_cast<unsigned long long>(tally.refused),
              static_cast<unsigned long long>(tally.answered));
  return 0;
}

int sweep(std::uint64_t base, std::uint64_t size, std::uint64_t step) {
  Tally loads, stores, jumps;
  std::uint64_t nonzero = 0;
  for (std::uint64_t at = base; at - base < size; at += step) {
    const auto value = read_physical<std::uint64_t>(at);
    ++(value ? loads.answered : loads.refused);
    nonzero += value.value_or(0) != 0;
    ++(write_physical<std::uint64_t>(at, value.value_or(0)) ? stores.answered : stores.refused);
    // A jump into memory of our own would run whatever stands there.
    if (!value) ++(execute_physical(at) == SIGBUS ? jumps.refused : jumps.answered);
  }
  say("loads", loads);
  say("stores", stores);
  say("jumps to where loads were refused", jumps);
  std::printf("attack: words that were read and not zero: %llu\n", static_cast<unsigned long long>(nonzero));
  return 0;
}

// Every word of a range of the GIC's registers: read, and perhaps written with ones, zeros and what was there.
void registers_of(std::uint64_t base, std::uint64_t size, bool change, Tally& reads, Tally& writes) {
  for (std::uint64_t at = base; at < base + size; at += kPage) {
    const PhysicalPage page(at, PROT_READ | PROT_WRITE);
    for (std::uint64_t word = 0; word < kPage && at + word < base + size; word += 4) {
      const auto value = page.read<std::uint32_t>(word);
      ++(value ? reads.answered : reads.refused);
      if (!change) continue;
      for (const std::uint32_t content : {~std::uint32_t{0}, std::uint32_t{0}, value.value_or(0)}) {
        ++(page.write(content, word) ? writes.answered : writes.refused);
      }
    }
  }
}

// Register banks as QEMU's virt machine and GICv3 (Arm IHI 0069) lay them. Written is what would reach beyond this
// partition: interrupts from INTID 512 on, which are nobody's, and the tables that redistributors keep in memory.
int gic() {
  constexpr std::uint64_t kDistributor = 0x08000000, kRedistributors = 0x080a0000, kStride = 0x20000;
  Tally reads, writes;
  registers_of(kDistributor, 0x1000, false, reads, writes);
  // Not the last word of each: 1017 and 1018 are the parent's own devices', and an interrupt that was made active stays so.
  for (const std::uint64_t bank : {0x100, 0x200, 0x300}) registers_of(kDistributor + bank + 0x40, 0x3c, true, reads, writes);
  registers_of(kDistributor + 0x6000 + 8 * 512, 8 * 508, true, reads, writes);
  registers_of(kDistributor + 0xf000, 0x1000, false, reads, writes);
  for (std::uint64_t core = 0; core < 8; ++core) {
    const std::uint64_t frame = kRedistributors + core * kStride;
    for (const std::uint64_t at : {0x0, 0xf000, 0x10000, 0x1f000}) registers_of(frame + at, 0x1000, false, reads, writes);
    registers_of(frame + 0x70, 0x10, true, reads, writes);  // GICR_PROPBASER, GICR_PENDBASER
  }
  say("reads of the interrupt controller", reads);
  return say("writes to the interrupt controller", writes);
}

int pci() {
  const BarGame game = move_bar();
  say("writes that move edu's BAR", game.writes);
  say("registers of the host bridge and of nobody written", rewrite_configuration());
  const std::uint64_t functions = functions_beyond_bus_0();
  std::printf("attack: edu's BAR elsewhere opened %llu addresses and hid %llu pages; functions beyond bus 0: %llu\n",
              static_cast<unsigned long long>(game.opened), static_cast<unsigned long long>(game.covered),
              static_cast<unsigned long long>(functions));
  return game.opened + game.covered == 0 ? 3 : 0;
}

int call(std::uint32_t kind, const std::vector<std::uint64_t>& words) {
  attack_instruction request = {.x = {}, .syndrome = 0, .kind = kind, .encoding = 0};
  for (std::size_t index = 0; index < words.size() && index < std::size(request.x); ++index) request.x[index] = words[index];
  const attack_instruction done = execute(request);
  if (done.syndrome != 0) return say("the call", false);
  for (int index = 0; index < 8; ++index) std::printf("x%d = 0x%llx\n", index, static_cast<unsigned long long>(done.x[index]));
  return 0;
}

int one_register(const std::vector<std::uint64_t>& words) {
  const std::uint32_t code = encoding(words[0] & 3, words[1] & 7, words[2] & 15, words[3] & 15, words[4] & 7);
  const bool write = words.size() > 5;
  const std::uint32_t kind = code < 0x8000 ? ATTACK_SYS : write ? ATTACK_WRITE_REGISTER : ATTACK_READ_REGISTER;
  const attack_instruction done = execute({.x = {write ? words[5] : 0}, .syndrome = 0, .kind = kind, .encoding = code});
  return say("the register", done.syndrome == 0, done.x[0]);
}

int all_registers(std::string_view how) {
  if (how == "write") return say("system registers written", write_registers());
  if (how == "instructions") return say("system instructions", system_instructions());
  return say("system registers read", read_registers(how == "show"));
}

int attempt(const std::vector<std::string>& words) {
  const std::string& verb = words[0];
  std::vector<std::uint64_t> numbers;
  for (std::size_t index = 1; index < words.size(); ++index) numbers.push_back(std::strtoull(words[index].c_str(), nullptr, 0));
  const auto has = [&](std::size_t least) { return numbers.size() >= least; };
  const std::string at = has(1) ? words[1] : "";
  if (verb == "read" && has(1)) {
    const auto value = read_physical<std::uint64_t>(numbers[0] & ~std::uint64_t{7});
    return say("read " + at, value.has_value(), value);
  }
  if (verb == "write" && has(2)) return say("write " + at, write_physical(numbers[0] & ~std::uint64_t{7}, numbers[1]));
  if (verb == "execute" && has(1)) return say("execute " + at, execute_physical(numbers[0]) != SIGBUS);
  if (verb == "sweep" && has(2)) {
    const std::uint64_t step = has(3) && numbers[2] >= 8 ? numbers[2] & ~std::uint64_t{7} : kPage;
    return sweep(numbers[0] & ~std::uint64_t{7}, numbers[1], step);
  }
  if (verb == "dma-read" && has(1)) {
    const auto value = Edu().read(numbers[0]);
    return say("edu reads " + at, value.has_value(), value);
  }
  if (verb == "dma-write" && has(2)) {
    Edu().write(numbers[0], numbers[1]);
    const auto value = Edu().read(numbers[0]);  // the device does not say whether it could
    return say("edu writes " + at, value == numbers[1], value);
  }
  if (verb == "nvme-read" && has(1)) {
    const auto value = Nvme().read(numbers[0]);
    return say("nvme reads " + at, value.has_value(), value);
  }
  if (verb == "nvme-write" && has(1)) return say("nvme writes " + at, Nvme().write(numbers[0]));
  if ((verb == "call" || verb == "calls") && has(2) && (at == "hvc" || at == "smc")) {
    const std::uint32_t kind = at == "hvc" ? ATTACK_HVC : ATTACK_SMC;
    if (verb == "call") return call(kind, {numbers.begin() + 1, numbers.end()});
    return say("random calls by " + at, random_calls(kind, numbers[1], has(3) ? numbers[2] : 1));
  }
  if (verb == "register" && has(5)) return one_register(numbers);
  if (verb == "registers" && numbers.size() <= 1 && (at.empty() || at == "show" || at == "write" || at == "instructions")) {
    return all_registers(at);
  }
  if (verb == "gic") return gic();
  if (verb == "pci") return pci();
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace
}  // namespace attack

int main(int count, char** words) {
  if (count < 2) {
    std::fputs(attack::kUsage, stderr);
    return 2;
  }
  attack::catch_refusals();
  return attack::attempt({words + 1, words + count});
}
