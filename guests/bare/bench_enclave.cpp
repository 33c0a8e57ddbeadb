// The benchmark's enclave: tells what its requests cost, in instructions, guest and monitor together.
#include "guests/bare/channel_ring.hpp"
#include "guests/bare/hypercall.hpp"
#include "guests/bare/nsm.hpp"

namespace {

std::uint64_t now() {
  std::uint64_t count = 0;
  asm volatile("isb; mrs %0, cntvct_el0" : "=r"(count) : : "memory");
  return count;
}

bare::NsmRequest attestation_request() {
  return bare::NsmRequest{}
      .map(1).text("Attestation").map(3).text("user_data").null().text("nonce").null().text("public_key").null();
}

void measure(const bare::Ring& out, std::string_view name, const bare::NsmRequest& request) {
  const std::uint64_t start = now();
  const bool answered = !bare::ask_nsm(request).empty();
  const std::uint64_t cost = now() - start;
  std::uint8_t message[64];
  std::memcpy(message, &cost, sizeof cost);
  std::memcpy(message + sizeof cost, name.data(), name.size());
  const bare::MessageKind kind = answered ? bare::MessageKind::kCost : bare::MessageKind::kFailure;
  while (!out.put(kind, {message, sizeof cost + name.size()})) {
  }
}

}  // namespace

extern "C" void bare_main(std::uint64_t) {
  const bare::Answer channel = bare::call(bare::Function::kChannelInfo, 0);
  if (!channel.ok()) {
    bare::call(bare::Function::kEnclaveExit, 2);
    return;
  }
  const bare::Ring out(channel.x1, channel.x2 / 2);
  const bare::Ring in(channel.x1 + channel.x2 / 2, channel.x2 / 2);
  std::uint8_t buffer[64];
  while (in.take(buffer).kind != bare::MessageKind::kMeasure) asm volatile("yield");
  // The parent sleeps from its next look at the channel on: let it get there.
  for (int i = 0; i < 100'000; ++i) asm volatile("yield");
  measure(out, "nsm_describe_pcr", bare::NsmRequest{}.map(1).text("DescribePCR").map(1).text("index").number(0));
  measure(out, "nsm_get_random", bare::NsmRequest{}.text("GetRandom"));
  measure(out, "attestation_first", attestation_request());  // issues the leaf certificate too
  measure(out, "attestation", attestation_request());
  bare::call(bare::Function::kChannelNotify, 0, 0);
  for (;;) asm volatile("wfi");
}
