// The demonstration's parent: builds an enclave from an image, has it attest itself, attacks it, ends it.
//
// Whoever watches the console reads what is tried and what came of it. A word of refusal is printed only for what was
// seen: an exception of the processor, or a buffer that a device left as it was.
#include "guests/bare/edu.hpp"
#include "guests/bare/payload.hpp"
#include "guests/bare/probe.hpp"
#include "guests/bare/tenant.hpp"

namespace {

using bare::Edu;
using bare::Function;
using bare::Line;
using bare::MessageKind;
using bare::say;
using bare::Tenant;

constexpr std::uint64_t kEnclaveMemory = 0x5000'0000;
constexpr std::uint64_t kEnclaveBytes = 32 << 20;
constexpr std::uint64_t kChannelMemory = 0x4F00'0000;
constexpr std::uint64_t kDmaBuffer = 0x4E00'0000;
constexpr std::uint64_t kMonitorMemory = 0x4020'0000;  // its code, by the published memory map
constexpr std::uint64_t kSentinel = 0x5AFE'5AFE'5AFE'5AFE;

constexpr bare::TenantPlan kPlan{.memory = kEnclaveMemory,
                                 .size = kEnclaveBytes,
                                 .channel = kChannelMemory,
                                 .cid = 16,
                                 .first_core = 2,
                                 .cores = 2};

std::uint8_t g_buffer[16384];
unsigned g_breaches = 0;   // attacks that were not refused
unsigned g_failures = 0;   // steps that did not do what they must

void failed(std::string_view what, const bare::Answer& answer) {
  Line{}.text("parent: FAILED: ").text(what).text(", error ").number(static_cast<std::uint64_t>(-answer.status))
      .text(" detail ").number(answer.x1).print();
  ++g_failures;
}

[[noreturn]] void power_off() {
  bare::call_raw(cofferdam_abi::kPsciSystemOff);
  for (;;) asm volatile("wfi");
}

// ---- What the machine says about itself ---------------------------------------------------------------------

// Records of the same size, one call each, as one block of bytes.
void print_records(std::string_view name, Function function, std::uint64_t count) {
  std::size_t size = 0;
  for (std::uint64_t index = 0; index < count; ++index) {
    const bare::Answer answer = bare::call(function, index, reinterpret_cast<std::uint64_t>(g_buffer) + size,
                                           sizeof g_buffer - size);
    if (!answer.ok() || answer.x1 > sizeof g_buffer - size) return failed(name, answer);
    size += answer.x1;
  }
  bare::print_block(name, {g_buffer, size});
}

std::uint64_t records_of(Function function) {  // how many there are in all
  return bare::call(function, 0, reinterpret_cast<std::uint64_t>(g_buffer), sizeof g_buffer).x2;
}

void show_platform() {
  print_records("EVENT LOG", Function::kEventLogRead, records_of(Function::kEventLogRead));
  print_records("PLATFORM PCRS", Function::kPlatformPcrRead, 8);
  print_records("LEDGER", Function::kLedgerRead, records_of(Function::kLedgerRead));
}

// ---- The enclave ----------------------------------------------------------------------------------------------

bool build(Tenant& tenant, std::span<const std::uint8_t> image) {
  if (!tenant.allocate()) return failed("no slot for an enclave", tenant.last()), false;
  tenant.lay_out(image);
  if (!tenant.donate_memory()) return failed("memory was not taken", tenant.last()), false;
  if (!tenant.donate_cores()) return failed("a core was not taken", tenant.last()), false;
  if (!tenant.open_channel()) return failed("no channel", tenant.last()), false;
  if (!tenant.start(0)) return failed("the enclave does not start", tenant.last()), false;
  return true;
}

void show_register(std::span<const std::uint8_t> message) {
  Line{}.text("enclave: my PCR").number(message[0]).text(" is").print();
  Line{}.bytes(message.subspan(1, 24)).print();
  Line{}.bytes(message.subspan(25, 24)).print();
}

// Prints what the enclave sends until a message of this kind has come; answers its size, 0 when it did not come.
std::size_t listen(const Tenant& tenant, MessageKind until) {
  for (;;) {
    const bare::Ring::Message message = tenant.wait(g_buffer);
    const std::span<const std::uint8_t> bytes{g_buffer, message.size};
    switch (message.kind) {
      case MessageKind::kText:
        Line{}.text("enclave: ").text({reinterpret_cast<const char*>(g_buffer), message.size}).print();
        break;
      case MessageKind::kRandom: Line{}.text("enclave: random bytes ").bytes(bytes.first(8)).text("...").print(); break;
      case MessageKind::kPcr:
        if (message.size == 49) show_register(bytes);
        break;
      case MessageKind::kDocument: bare::print_block("ATTESTATION DOCUMENT", bytes); break;
      case MessageKind::kSecret:
      case MessageKind::kVerdict: break;
      default:
        Line{}.text("parent: FAILED: the enclave says: ")
            .text({reinterpret_cast<const char*>(g_buffer), message.size}).print();
        ++g_failures;
        return 0;
    }
    if (message.kind == until) return message.size;
  }
}

void attest(const Tenant& tenant) {
  // A fresh number that the enclave can't have known: a document with it was made after now.
  std::uint64_t count = 0;
  asm volatile("mrs %0, cntvct_el0" : "=r"(count));
  std::uint8_t nonce[16] = {'d', 'e', 'm', 'o', '-', 'n', 'o', 'n'};
  std::memcpy(&nonce[8], &count, sizeof count);
  Line{}.text("NONCE ").bytes(nonce).print();
  tenant.send(MessageKind::kNonce, nonce);
  listen(tenant, MessageKind::kDocument);
}

// ---- Attacks ----------------------------------------------------------------------------------------------------

void report(std::string_view what, bool refused, std::string_view how) {
  Line{}.text("attack: ").text(what).text(refused ? ": refused (" : ": NOT REFUSED (").text(how).text(")").print();
  if (!refused) ++g_breaches;
}

void attack_with_the_processor(std::string_view whose, std::uint64_t address) {
  const auto try_it = [&](std::string_view verb, bool refused) {
    Line{}.text("attack: ").text(verb).text(whose).text(" at ").hex(address)
        .text(refused ? ": refused (external abort)" : ": NOT REFUSED").print();
    if (!refused) ++g_breaches;
  };
  try_it("read ", bare::probe_read(address).refused);
  try_it("write ", bare::probe_write(address, kSentinel).refused);
  try_it("execute ", bare::probe_execute(address).refused);
}

volatile std::uint64_t& dma_word(std::uint64_t offset) {
  return *reinterpret_cast<volatile std::uint64_t*>(kDmaBuffer + offset);
}

std::uint64_t refused_dma() { return bare::call(Function::kFaultCounters, cofferdam_abi::FaultCounter::kDma).x1; }

// The device's buffer holds a word of ours; it is told to load the victim's memory over it. What it then holds is
// written back to our own memory: neither the enclave's secret nor the monitor's code begins with eight zero bytes, so
// the old word, or the zeroes that a stopped access leaves, show that nothing came. A write shows nothing to us; that
// it was stopped is what the monitor counted, and what the enclave says afterwards.
void attack_with_a_device(const Edu& edu, std::string_view whose, std::uint64_t address) {
  dma_word(0) = kSentinel;
  dma_word(8) = 1;
  edu.read_memory(kDmaBuffer, 8);
  edu.write_memory(kDmaBuffer + 8, 8);
  const bool device_works = dma_word(8) == kSentinel;
  edu.read_memory(address, 8);
  edu.write_memory(kDmaBuffer + 8, 8);
  const std::uint64_t got = dma_word(8);
  const bool read_refused = device_works && (got == kSentinel || got == 0);
  Line{}.text("attack: a device reads ").text(whose).text(" at ").hex(address)
      .text(read_refused ? ": refused (it got nothing)" : ": NOT REFUSED").print();
  const std::uint64_t before = refused_dma();
  edu.write_memory(address, 8);
  const bool write_refused = refused_dma() > before;
  Line{}.text("attack: a device writes ").text(whose).text(" at ").hex(address)
      .text(write_refused ? ": refused (the SMMU stopped it)" : ": NOT REFUSED").print();
  g_breaches += (read_refused ? 0U : 1U) + (write_refused ? 0U : 1U);
}

void attack(const Tenant& tenant, std::uint64_t secret) {
  attack_with_the_processor("the enclave's secret", secret);
  attack_with_the_processor("the monitor", kMonitorMemory);
  const Edu edu;
  if (edu.find()) {
    attack_with_a_device(edu, "the enclave's secret", secret);
    attack_with_a_device(edu, "the monitor", kMonitorMemory);
  } else {
    say("attack: there is no edu device, no DMA can be tried");
  }
  report("donate the enclave's memory again", !bare::call(Function::kMemoryDonate, tenant.uid(), kEnclaveMemory, 4096).ok(),
         "the call is refused");
  report("start the enclave's core ourselves",
         static_cast<std::int64_t>(bare::call_raw(cofferdam_abi::kPsciCpuOn, {kPlan.first_core, 0x4420'0000, 0}).status) < 0,
         "the call is refused");
  // Only the enclave can say whether its memory is as it was; the writes above were aimed at it.
  tenant.send(MessageKind::kCheck, {});
  const bool intact = listen(tenant, MessageKind::kVerdict) == 1 && g_buffer[0] == 1;
  Line{}.text(intact ? "enclave: my secret is as it was" : "enclave: MY SECRET WAS CHANGED").print();
  if (!intact) ++g_breaches;
  Line{}.text("monitor: counted ").number(bare::call(Function::kFaultCounters, 0).x1).text(" refused accesses, ")
      .number(bare::call(Function::kFaultCounters, 1).x1).text(" refused DMA accesses").print();
}

void end(Tenant& tenant) {
  if (!tenant.stop()) failed("the enclave does not stop", tenant.last());
  if (!tenant.free()) return failed("the enclave's slot is not freed", tenant.last());
  std::uint64_t nonzero = 0;
  const auto* words = reinterpret_cast<const volatile std::uint64_t*>(kEnclaveMemory);
  for (std::uint64_t i = 0; i < kEnclaveBytes / 8; ++i) nonzero += words[i] != 0 ? 1 : 0;
  Line{}.text("parent: the enclave is gone, its ").number(kEnclaveBytes >> 20).text(" MiB are mine again; ")
      .number(nonzero).text(" words of them are not zero").print();
  if (nonzero != 0) ++g_breaches;
}

}  // namespace

extern "C" void bare_main(std::uint64_t) {
  say("");
  say("parent: I am the operator's side: root here, and curious");
  const bare::Answer version = bare::call(Function::kVersion);
  const bare::Answer self = bare::call(Function::kPartitionInfo);
  Line{}.text("parent: interface ").number(version.x1 >> 16).text(".").number(version.x1 & 0xFFFF).text(", ")
      .number(self.x2).text(" cores, ").number(self.x3 >> 20).text(" MiB").print();
  const auto image = bare::payload_file("enclave.eif");
  const auto second = bare::payload_file("second.eif");
  if (image.empty()) {
    say("parent: FAILED: the payload has no enclave.eif");
    power_off();
  }

  say("== 1. An enclave from an image");
  Tenant tenant(kPlan);
  if (!build(tenant, image)) power_off();
  Line{}.text("parent: enclave ").hex(tenant.uid()).text(" runs on ").number(kPlan.cores)
      .text(" cores with ").number(kPlan.size >> 20).text(" MiB that were mine").print();

  say("== 2. The enclave proves what it is");
  attest(tenant);
  show_platform();
  const std::size_t size = listen(tenant, MessageKind::kSecret);
  std::uint64_t offset = 0;
  if (size == sizeof offset) std::memcpy(&offset, g_buffer, sizeof offset);

  say("== 3. I attack");
  attack(tenant, kEnclaveMemory + (offset < kEnclaveBytes ? offset : 0));

  say("== 4. The enclave is destroyed");
  end(tenant);
  print_records("LEDGER AT THE END", Function::kLedgerRead, records_of(Function::kLedgerRead));

  if (!second.empty()) {
    say("== 5. Another enclave in the same memory");
    Tenant next(kPlan);
    if (build(next, second)) {
      attest(next);
      end(next);
    }
  }
  Line{}.text("RESULT attacks not refused: ").number(g_breaches).text(", steps failed: ").number(g_failures).print();
  power_off();
}
