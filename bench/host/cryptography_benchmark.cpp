// SHA-384 and P-384 as the monitor uses them, on the host's cores.
#include <benchmark/benchmark.h>

#include <vector>

#include "firmware/crypto/ecdsa_p384.hpp"
#include "firmware/crypto/ecdsa_verify.hpp"
#include "firmware/crypto/sha384.hpp"

namespace {

void hash(benchmark::State& state) {
  const std::vector<std::uint8_t> data(static_cast<std::size_t>(state.range(0)), 0x5a);
  for (auto _ : state) benchmark::DoNotOptimize(crypto::sha384(data));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(hash)->Name("sha384")->RangeMultiplier(32)->Range(64, 1 << 21);

crypto::P384KeyPair key_pair() { return crypto::P384KeyPair::from_seed(crypto::sha384({})).value(); }

void sign(benchmark::State& state) {
  const crypto::P384KeyPair key = key_pair();
  const crypto::Digest digest = crypto::sha384({});
  for (auto _ : state) {
    const auto signature = key.sign(digest);
    if (!signature.ok()) state.SkipWithError("sign refused");
  }
}
BENCHMARK(sign)->Name("p384/sign");

void verify(benchmark::State& state) {
  const crypto::P384KeyPair key = key_pair();
  const crypto::Digest digest = crypto::sha384({});
  const crypto::P384Signature signature = key.sign(digest).value();
  for (auto _ : state) {
    if (!crypto::verify_p384(key.public_key(), digest, signature).ok()) state.SkipWithError("verify refused");
  }
}
BENCHMARK(verify)->Name("p384/verify");

}  // namespace
