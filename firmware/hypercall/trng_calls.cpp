// True Random Number Generator Firmware Interface 1.0 (Arm DEN 0098): random bits from the monitor's own generator.
//
// The plan checks how many bits are asked for; the bits come from work outside the state lock (monitor/answer_trng.cpp)
// and are cut to size by random_reply().
#include "firmware/hypercall/plan.hpp"

namespace hypercall {

namespace {

// DEN 0098 section 2.5.
enum class TrngStatus : std::int32_t { kNotSupported = -1, kInvalidParameters = -2, kNoEntropy = -3 };

constexpr std::uint32_t kCalls[] = {cofferdam_abi::kTrngVersion, cofferdam_abi::kTrngFeatures,
                                    cofferdam_abi::kTrngGetUuid, cofferdam_abi::kTrngRnd32, cofferdam_abi::kTrngRnd};

// 28f4ea73-bae4-4da1-a119-817beecb731f, the name of this source: byte 0 in the lowest bits of w0.
constexpr std::uint64_t kUuid[] = {0x73EA'F428, 0xA14D'E4BA, 0x7B81'19A1, 0x1F73'CBEE};

[[nodiscard]] Transition answer(TrngStatus status) { return answer_in_x0(static_cast<std::int32_t>(status)); }

// Bits of one result register: w1..w3 of the 32-bit form, x1..x3 of the other.
[[nodiscard]] unsigned register_bits(std::uint32_t function) { return function == cofferdam_abi::kTrngRnd ? 64 : 32; }

[[nodiscard]] std::uint64_t bits_asked_for(const Call& call) {
  return call.function == cofferdam_abi::kTrngRnd ? call.arguments[0] : call.arguments[0] & 0xFFFF'FFFF;
}

[[nodiscard]] Transition random_bits(const Call& call) {
  const std::uint64_t bits = bits_asked_for(call);
  if (bits == 0 || bits > 3 * register_bits(call.function)) return answer(TrngStatus::kInvalidParameters);
  Transition transition;
  transition.work.kind = partition::WorkKind::kRandom;
  return transition;
}

}  // namespace

bool is_random_call(std::uint32_t function) {
  for (const std::uint32_t known : kCalls) {
    if (function == known) return true;
  }
  return false;
}

Transition plan_random_call(const Call& call) {
  constexpr std::int64_t kVersion = 1 << 16;
  switch (call.function) {
    case cofferdam_abi::kTrngVersion: return answer_in_x0(kVersion);
    case cofferdam_abi::kTrngFeatures:
      return is_random_call(static_cast<std::uint32_t>(call.arguments[0])) ? answer_in_x0(0)
                                                                           : answer(TrngStatus::kNotSupported);
    case cofferdam_abi::kTrngGetUuid: {
      Transition transition;
      transition.reply = {kUuid[0], {kUuid[1], kUuid[2], kUuid[3]}};
      return transition;
    }
    default: return random_bits(call);
  }
}

// Register 3 has the lowest bits, register 1 the highest (DEN 0098 section 2.4.1); those not asked for are zero.
partition::Reply random_reply(const Call& call, std::span<const std::uint8_t, kMostRandomBytes> bytes) {
  const unsigned width = register_bits(call.function);
  std::uint64_t left = bits_asked_for(call);
  partition::Reply reply{};
  for (unsigned i = 0; i < 3; ++i) {
    std::uint64_t value = 0;
    for (unsigned byte = 0; byte < width / 8; ++byte) {
      value |= std::uint64_t{bytes[i * (width / 8) + byte]} << (8 * byte);
    }
    if (left < width) value &= (std::uint64_t{1} << left) - 1;
    left -= left < width ? left : width;
    reply.values[2 - i] = value;
  }
  return reply;
}

partition::Reply no_entropy_reply() { return answer(TrngStatus::kNoEntropy).reply; }

}  // namespace hypercall
