// Bytes per second of encrypted artifacts, by the length of their frames.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "tools/artifact/decryptor.hpp"
#include "tools/artifact/encryptor.hpp"

namespace {

using artifact::Bytes;
using artifact::ByteView;

constexpr std::size_t kSize = 32 << 20;
const Bytes kKey(32, 0x5a);

Bytes encrypt(ByteView plaintext, std::uint32_t frame_length) {
  Bytes out;
  out.reserve(plaintext.size() + plaintext.size() / 64 + 4096);
  artifact::EncryptorOptions options;
  options.data_keys = {{"aws-kms", "arn", Bytes(150, 1)}};
  options.context = {{"artifact", "weights"}};
  options.frame_length = frame_length;
  artifact::Encryptor encryptor(options, kKey,
                                [&](ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  encryptor.write(plaintext);
  encryptor.finish();
  return out;
}

void artifact_decrypt(benchmark::State& run) {
  const Bytes message = encrypt(Bytes(kSize, 0x21), static_cast<std::uint32_t>(run.range(0)));
  for (auto _ : run) {
    artifact::Decryptor decryptor([&, at = std::size_t{0}](std::span<std::uint8_t> out) mutable {
      const std::size_t count = std::min(out.size(), message.size() - at);
      std::copy_n(message.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
      at += count;
      return count;
    });
    decryptor.unlock(kKey);
    while (const auto frame = decryptor.next()) benchmark::DoNotOptimize(frame->data());
  }
  run.SetBytesProcessed(run.iterations() * static_cast<std::int64_t>(kSize));
}
BENCHMARK(artifact_decrypt)
    ->Name("artifact/decrypt")
    ->Arg(4 << 10)
    ->Arg(64 << 10)
    ->Arg(1 << 20)
    ->Unit(benchmark::kMillisecond);

void artifact_encrypt(benchmark::State& run) {
  const Bytes plaintext(kSize, 0x21);
  for (auto _ : run) benchmark::DoNotOptimize(encrypt(plaintext, static_cast<std::uint32_t>(run.range(0))).data());
  run.SetBytesProcessed(run.iterations() * static_cast<std::int64_t>(kSize));
}
BENCHMARK(artifact_encrypt)->Name("artifact/encrypt")->Arg(64 << 10)->Unit(benchmark::kMillisecond);

}  // namespace
