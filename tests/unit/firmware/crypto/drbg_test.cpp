#include "firmware/crypto/drbg.hpp"

#include <gtest/gtest.h>

#include "firmware/crypto/entropy.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using crypto::Drbg;
using crypto::EntropyCollector;
using crypto::EntropyHealth;
using crypto::Seed;
using test_data::bytes_of;
using test_data::number;
using test_data::to_hex;

// Feeds number(next), number(next + 1) ... until the collector has enough.
Seed collect(EntropyCollector& collector, std::uint64_t& next) {
  while (collector.wants_more()) EXPECT_TRUE(collector.add(number(next++)).ok());
  return collector.take().value();
}

// Computed with Python's hmac module from SP 800-90A 10.1.2: seed samples as little-endian bytes, then the
// personalization; the reseed is HMAC_DRBG_Update with the second seed.
TEST(Drbg, KnownAnswers) {
  EntropyCollector collector;
  std::uint64_t next = 0;
  Drbg drbg;
  ASSERT_TRUE(drbg.instantiate(collect(collector, next), bytes_of("device-1")).ok());
  EXPECT_EQ(next, crypto::kStartUpSamples + Seed::kSamples);
  EXPECT_EQ(to_hex(drbg.generate<64>().value()),
            "55083d4c67bbac2268040f561353ac30cf954f50b09ea47fc2d706037185769369208e4ca6bb8f993ed3e94ecbc5838c81bd147778"
            "fa5ab4559cdb020cff66ca");
  EXPECT_EQ(to_hex(drbg.generate<40>().value()),
            "38e532b8731d19c16eb1016358d0a5dc79cb489ec4363bb49bc8829fa57fb93d6424552e4f6a42f7");
  ASSERT_TRUE(drbg.reseed(collect(collector, next)).ok());
  EXPECT_EQ(to_hex(drbg.generate<48>().value()),
            "b2d5fbcae33596176f78dd037be7daef414796404ad27491076b1945bec3c33d641182525201bc4f5acdd537f9ac92aa");
  drbg.wipe();
}

TEST(Drbg, WithoutASeedThereIsNoRandomness) {
  Drbg drbg;
  EXPECT_FALSE(drbg.seeded());
  EXPECT_EQ(drbg.generate<48>().error(), Error::kNoEntropy);
  EntropyCollector collector;
  std::uint64_t next = 0;
  const Seed seed = collect(collector, next);
  EXPECT_EQ(drbg.reseed(seed).error(), Error::kNoEntropy);
  ASSERT_TRUE(drbg.instantiate(seed, {}).ok());
  EXPECT_TRUE(drbg.generate<48>().ok());
  drbg.wipe();
  EXPECT_EQ(drbg.generate<48>().error(), Error::kNoEntropy);
}

TEST(Drbg, BoundsAndReseedCounter) {
  EntropyCollector collector;
  std::uint64_t next = 0;
  Drbg drbg;
  const Seed seed = collect(collector, next);
  EXPECT_EQ(drbg.instantiate(seed, std::vector<std::uint8_t>(257)).error(), Error::kTooLarge);
  EXPECT_FALSE(drbg.seeded());
  ASSERT_TRUE(drbg.instantiate(seed, std::vector<std::uint8_t>(256)).ok());
  EXPECT_EQ(drbg.generate<1025>().error(), Error::kTooLarge);
  for (std::uint64_t i = 0; i < Drbg::kReseedWanted; ++i) {
    EXPECT_FALSE(drbg.wants_reseed());
    ASSERT_TRUE(drbg.generate<1>().ok());
  }
  EXPECT_TRUE(drbg.wants_reseed());
  ASSERT_TRUE(drbg.reseed(seed).ok());
  EXPECT_FALSE(drbg.wants_reseed());
  drbg.wipe();
}

TEST(Drbg, RefusesWhenAReseedIsOverdue) {
  EntropyCollector collector;
  std::uint64_t next = 0;
  Drbg drbg;
  const Seed seed = collect(collector, next);
  ASSERT_TRUE(drbg.instantiate(seed, {}).ok());
  for (std::uint64_t i = 0; i < Drbg::kReseedNeeded; ++i) ASSERT_TRUE(drbg.generate<1>().ok());
  EXPECT_EQ(drbg.generate<1>().error(), Error::kNoEntropy);
  ASSERT_TRUE(drbg.reseed(seed).ok());
  EXPECT_TRUE(drbg.generate<1>().ok());
  drbg.wipe();
}

TEST(EntropyHealth, HealthyNoisePasses) {
  EntropyHealth health;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) ASSERT_TRUE(health.test(number(i)).ok()) << i;
  EXPECT_TRUE(health.started());
}

TEST(EntropyHealth, StuckSourceFailsAtTheCutoffAndForEver) {
  EntropyHealth health;
  for (std::uint64_t i = 0; i < 2'000; ++i) ASSERT_TRUE(health.test(number(i)).ok());
  for (std::uint32_t i = 1; i < crypto::kRepetitionCutoff; ++i) EXPECT_TRUE(health.test(42).ok()) << i;
  EXPECT_EQ(health.test(42).error(), Error::kNoEntropy);
  EXPECT_TRUE(health.failed());
  EXPECT_FALSE(health.started());
  EXPECT_EQ(health.test(number(1)).error(), Error::kNoEntropy);
}

TEST(EntropyHealth, AllZeroFromTheStartFails) {
  EntropyHealth health;
  for (std::uint32_t i = 1; i < crypto::kRepetitionCutoff; ++i) EXPECT_TRUE(health.test(0).ok());
  EXPECT_EQ(health.test(0).error(), Error::kNoEntropy);
}

TEST(EntropyHealth, BiasedSourceFailsTheProportionTest) {
  // Never twice in a row, but one value in every eight.
  EntropyHealth health;
  std::uint64_t tested = 0;
  while (!health.failed() && tested < 2 * crypto::kProportionWindow) {
    static_cast<void>(health.test(tested % 8 == 0 ? 7 : number(tested)));
    ++tested;
  }
  EXPECT_TRUE(health.failed());
  EXPECT_EQ(tested, (crypto::kProportionCutoff - 1) * 8 + 1);
}

TEST(EntropyHealth, AFewRepeatsInAWindowAreNoise) {
  EntropyHealth health;
  for (std::uint64_t i = 0; i < 4 * crypto::kProportionWindow; ++i) {
    // one value 14 times a window: below the cutoff
    ASSERT_TRUE(health.test(i % 37 == 0 ? 7 : number(i)).ok()) << i;
  }
}

TEST(EntropyCollector, NoSeedBeforeStartUpAndNoneTwice) {
  EntropyCollector collector;
  EXPECT_EQ(collector.take().error(), Error::kNoEntropy);
  for (std::uint64_t i = 0; i < crypto::kStartUpSamples + Seed::kSamples - 1; ++i) {
    ASSERT_TRUE(collector.add(number(i)).ok());
    ASSERT_TRUE(collector.wants_more());
    ASSERT_EQ(collector.take().error(), Error::kNoEntropy);
  }
  ASSERT_TRUE(collector.add(1).ok());
  EXPECT_FALSE(collector.wants_more());
  const auto first = collector.take();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first.value().samples()[0], number(crypto::kStartUpSamples));  // no start-up sample is used
  EXPECT_EQ(collector.take().error(), Error::kNoEntropy);
}

TEST(EntropyCollector, FailureDropsWhatWasGathered) {
  EntropyCollector collector;
  for (std::uint64_t i = 0; i < crypto::kStartUpSamples + Seed::kSamples; ++i) {
    ASSERT_TRUE(collector.add(number(i)).ok());
  }
  for (std::uint32_t i = 0; i < crypto::kRepetitionCutoff; ++i) static_cast<void>(collector.add(9));
  EXPECT_TRUE(collector.failed());
  EXPECT_FALSE(collector.wants_more());  // a caller's loop ends
  EXPECT_EQ(collector.take().error(), Error::kNoEntropy);
}

}  // namespace
