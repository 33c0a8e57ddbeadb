// A small enclave: asks the Nitro Secure Module who it is, tells the parent through the channel, keeps a secret.
#include "guests/bare/channel_ring.hpp"
#include "guests/bare/hypercall.hpp"
#include "guests/bare/nsm.hpp"

extern "C" const char __image_start[];  // linker/guest.ld: the first byte of the enclave's memory

namespace {

using bare::MessageKind;

alignas(4096) std::uint8_t g_secret[4096];

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class Parent {
 public:
  Parent(std::uint64_t ipa, std::uint64_t size) : out_(ipa, size / 2), in_(ipa + size / 2, size / 2) {}
  void put(MessageKind kind, std::span<const std::uint8_t> payload) const {
    while (!out_.put(kind, payload)) asm volatile("yield");
  }
  void send(MessageKind kind, std::span<const std::uint8_t> payload) const {  // and rings
    put(kind, payload);
    bare::call(bare::Function::kChannelNotify, 0, 0);
  }
  void say(std::string_view text) const { send(MessageKind::kText, as_bytes(text)); }
  [[noreturn]] void fail(std::string_view text) const {
    send(MessageKind::kFailure, as_bytes(text));
    bare::call(bare::Function::kEnclaveExit, 1);
    for (;;) {
    }
  }
  bare::Ring::Message wait(std::span<std::uint8_t> buffer) const {
    for (;;) {
      const bare::Ring::Message message = in_.take(buffer);
      if (message.kind != MessageKind{}) return message;
      asm volatile("yield");
    }
  }

 private:
  bare::Ring out_, in_;
};

void show_random(const Parent& parent) {
  const auto answer = bare::ask_nsm(bare::NsmRequest{}.text("GetRandom"));
  const auto random = bare::bytes_after(answer, "random");
  if (random.size() != 256) parent.fail("GetRandom gave no random bytes");
  std::memcpy(g_secret, random.data() + 16, random.size() - 16);
  parent.send(MessageKind::kRandom, random.first(16));  // the rest is the secret
}

void show_registers(const Parent& parent) {
  for (const std::uint8_t index : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{8}}) {
    const auto answer = bare::ask_nsm(bare::NsmRequest{}.map(1).text("DescribePCR").map(1).text("index").number(index));
    const auto value = bare::bytes_after(answer, "data");
    if (value.size() != 48) parent.fail("DescribePCR gave no register");
    std::uint8_t message[49] = {index};
    std::memcpy(&message[1], value.data(), value.size());
    parent.send(MessageKind::kPcr, message);
  }
}

void show_document(const Parent& parent, std::span<const std::uint8_t> nonce) {
  const auto answer = bare::ask_nsm(bare::NsmRequest{}
                                        .map(1)
                                        .text("Attestation")
                                        .map(3)
                                        .text("user_data")
                                        .bytes(as_bytes("hello from the enclave"))
                                        .text("nonce")
                                        .bytes(nonce)
                                        .text("public_key")
                                        .null());
  const auto document = bare::bytes_after(answer, "document");
  if (document.empty()) parent.fail("Attestation gave no document");
  parent.send(MessageKind::kDocument, document);
}

std::uint64_t now() {
  std::uint64_t count = 0;
  asm volatile("isb; mrs %0, cntvct_el0" : "=r"(count) : : "memory");
  return count;
}

// For the benchmark's parent: what requests cost by the counter, guest and monitor together. It sleeps meanwhile.
void measure(const Parent& parent) {
  const auto cost_of = [&](std::string_view name, const bare::NsmRequest& request) {
    const std::uint64_t start = now();
    if (bare::ask_nsm(request).empty()) parent.fail("a measured request was refused");
    const std::uint64_t cost = now() - start;
    std::uint8_t message[64];
    std::memcpy(message, &cost, sizeof cost);
    std::memcpy(message + sizeof cost, name.data(), name.size());
    parent.put(MessageKind::kCost, {message, sizeof cost + name.size()});
  };
  const auto document = [] {
    return bare::NsmRequest{}
        .map(1).text("Attestation").map(3).text("user_data").null().text("nonce").null().text("public_key").null();
  };
  for (int i = 0; i < 100'000; ++i) asm volatile("yield");  // until the parent sleeps
  cost_of("nsm_describe_pcr", bare::NsmRequest{}.map(1).text("DescribePCR").map(1).text("index").number(0));
  cost_of("nsm_get_random", bare::NsmRequest{}.text("GetRandom"));
  cost_of("attestation_first", document());  // issues the leaf certificate too
  cost_of("attestation", document());
  bare::call(bare::Function::kChannelNotify, 0, 0);
}

}  // namespace

extern "C" void bare_main(std::uint64_t) {
  const bare::Answer channel = bare::call(bare::Function::kChannelInfo, 0);
  if (!channel.ok()) {
    bare::call(bare::Function::kEnclaveExit, 2);
    return;
  }
  const Parent parent(channel.x1, channel.x2);
  parent.say("I run, and my first act is to ask who I am");
  show_random(parent);
  show_registers(parent);

  std::uint8_t buffer[512];
  bare::Ring::Message message = parent.wait(buffer);
  while (message.kind != MessageKind::kNonce) {
    if (message.kind == MessageKind::kMeasure) measure(parent);
    message = parent.wait(buffer);
  }
  show_document(parent, {buffer, message.size});

  // The secret lies in memory that nobody else reaches; its address is no secret.
  const std::uint64_t place = reinterpret_cast<std::uint64_t>(g_secret);
  std::uint8_t offset[8];
  const std::uint64_t in_memory = place - reinterpret_cast<std::uint64_t>(__image_start);
  std::memcpy(offset, &in_memory, sizeof offset);
  std::uint8_t copy[256];
  std::memcpy(copy, g_secret, sizeof copy);
  parent.send(MessageKind::kSecret, offset);

  for (;;) {
    message = parent.wait(buffer);
    if (message.kind != MessageKind::kCheck) continue;
    const std::uint8_t same = std::memcmp(copy, g_secret, sizeof copy) == 0 ? 1 : 0;
    parent.send(MessageKind::kVerdict, {&same, 1});
  }
}
