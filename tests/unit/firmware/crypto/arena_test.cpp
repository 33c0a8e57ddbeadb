// The bare machine's allocator on the host: every operation ends within half of the arena, and one that does not
// get its memory answers kInternal, gives everything back, and works again later.
#include "firmware/crypto/arena.hpp"

#include <gtest/gtest.h>
#include <mbedtls/memory_buffer_alloc.h>
#include <mbedtls/platform.h>

#include <array>
#include <cstdlib>

#include "firmware/crypto/certificate_view.hpp"
#include "firmware/crypto/drbg.hpp"
#include "firmware/crypto/ecdsa_verify.hpp"
#include "firmware/crypto/hkdf.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

// Allocates from an arena of mbedTLS's while it lives. Counts, and can refuse the n-th allocation.
class CountingAllocator {
 public:
  explicit CountingAllocator(std::size_t refuse_at = SIZE_MAX) {
    refuse_at_ = refuse_at;
    calls_ = live_ = bytes_ = peak_ = 0;
    mbedtls_platform_set_calloc_free(allocate, release);
  }
  ~CountingAllocator() { mbedtls_platform_set_calloc_free(std::calloc, std::free); }
  static std::size_t live() { return live_; }
  static std::size_t calls() { return calls_; }
  static std::size_t peak() { return peak_; }

 private:
  static constexpr std::size_t kHeader = 64;  // at least what mbedTLS's own block headers take
  static void* allocate(std::size_t count, std::size_t size) {
    if (++calls_ > refuse_at_) return nullptr;
    const std::size_t total = (count * size + 15) / 16 * 16 + kHeader;
    auto* block = static_cast<unsigned char*>(std::calloc(1, total));
    *reinterpret_cast<std::size_t*>(block) = total;
    ++live_;
    bytes_ += total;
    peak_ = std::max(peak_, bytes_);
    return block + kHeader;
  }
  static void release(void* pointer) {
    if (pointer == nullptr) return;
    auto* block = static_cast<unsigned char*>(pointer) - kHeader;
    bytes_ -= *reinterpret_cast<std::size_t*>(block);
    --live_;
    std::free(block);
  }
  static inline std::size_t refuse_at_, calls_, live_, bytes_, peak_;
};

base::Status sign_and_verify() {
  auto key = crypto::P384KeyPair::from_seed(crypto::sha384({}));
  if (!key.ok()) return key.error();
  auto signature = key.value().sign(crypto::sha384({}));
  if (!signature.ok()) return signature.error();
  return crypto::verify_p384(key.value().public_key(), crypto::sha384({}), signature.value());
}

base::Status seed_and_generate() {
  crypto::EntropyCollector collector;
  for (std::uint64_t i = 0; collector.wants_more(); ++i) MON_TRY(collector.add(test_data::number(i)));
  crypto::Drbg drbg;
  MON_TRY(drbg.instantiate(collector.take().value(), {}));
  const auto random = drbg.generate<256>();
  drbg.wipe();
  if (!random.ok()) return random.error();
  return {};
}

// A P-521 signature is the largest that the monitor verifies (RFC 6979 A.2.7, SHA-512, "sample").
base::Status verify_p521() {
  auto point = test_data::from_hex(
      "0401894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2B"
      "D761DCAC474B9A2F5023A400493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A28A0DB25741B5B34A828008B22"
      "ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5");
  auto signature = test_data::from_hex(
      "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC9"
      "1F9B15BF05EC36E377FA00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37F"
      "F0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A");
  return crypto::verify(crypto::Curve::kP521, crypto::Hash::kSha512, point, {test_data::bytes_of("sample")}, signature);
}

struct Operation {
  const char* name;
  base::Status (*run)();
};
constexpr Operation kOperations[] = {
    {"sign and verify", sign_and_verify}, {"seed and generate", seed_and_generate}, {"verify P-521", verify_p521}};

TEST(Arena, EveryOperationNeedsLessThanHalf) {
  for (const Operation& operation : kOperations) {
    const CountingAllocator allocator;
    EXPECT_TRUE(operation.run().ok()) << operation.name;
    EXPECT_EQ(CountingAllocator::live(), 0U) << operation.name;
    EXPECT_LT(CountingAllocator::peak(), crypto::kArenaSize / 2) << operation.name;
  }
}

TEST(Arena, RefusedAllocationsAreReportedAndNothingLeaks) {
  for (const Operation& operation : kOperations) {
    std::size_t allocations = 0;
    {
      const CountingAllocator allocator;
      ASSERT_TRUE(operation.run().ok());
      allocations = CountingAllocator::calls();
    }
    // Every early one, then a sample: the operations allocate some thousand times.
    for (std::size_t refuse_at = 0; refuse_at < allocations; refuse_at += 1 + refuse_at / 16) {
      const CountingAllocator allocator(refuse_at);
      const base::Status status = operation.run();
      ASSERT_FALSE(status.ok()) << operation.name << " allocation " << refuse_at;
      EXPECT_EQ(status.error(), base::Error::kInternal) << operation.name << " allocation " << refuse_at;
      EXPECT_EQ(CountingAllocator::live(), 0U) << operation.name << " allocation " << refuse_at;
    }
  }
}

TEST(Arena, MbedtlsArenaServesAndIsWholeAfterwards) {
  alignas(16) static std::array<unsigned char, crypto::kArenaSize> memory;
  mbedtls_memory_buffer_alloc_init(memory.data(), memory.size());
  for (int i = 0; i < 3; ++i) {
    for (const Operation& operation : kOperations) EXPECT_TRUE(operation.run().ok()) << operation.name;
  }
  EXPECT_EQ(mbedtls_memory_buffer_alloc_verify(), 0);
  mbedtls_memory_buffer_alloc_free();
  // Far too small: every operation is refused.
  alignas(16) static std::array<unsigned char, 256> small;
  mbedtls_memory_buffer_alloc_init(small.data(), small.size());
  for (const Operation& operation : kOperations) {
    EXPECT_EQ(operation.run().error(), base::Error::kInternal) << operation.name;
  }
  mbedtls_memory_buffer_alloc_free();
  mbedtls_platform_set_calloc_free(std::calloc, std::free);
}

}  // namespace
