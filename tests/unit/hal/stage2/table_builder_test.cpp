#include "hal/stage2/table_builder.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/unit/hal/stage2/recording_memory.hpp"

namespace {

using base::Access;
using base::Error;
using base::FrameCount;
using base::FrameNumber;
using base::FrameRange;
using base::Ipa;
using hal::stage2::Mapping;
using hal::stage2::TableBuilder;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kBlock = 2 << 20;
constexpr std::uint64_t kGigabyte = 1 << 30;

FrameRange bytes(std::uint64_t address, std::uint64_t size) { return FrameRange::from_bytes(address, size).value(); }
FrameCount pages(std::uint64_t size) { return FrameCount{size / kPage}; }

template <std::size_t kTables>
struct Fixture {
  stage2_test::RecordingMemory<kTables> memory;
  TableBuilder<stage2_test::RecordingMemory<kTables>> builder{memory};
  FrameNumber root = builder.create().value();

  base::Status map(std::uint64_t ipa, std::uint64_t physical, std::uint64_t size,
                   Access access = Access::kReadWriteExecute) {
    return builder.map(root, Ipa{ipa}, bytes(physical, size), access);
  }
  base::Status unmap(std::uint64_t ipa, std::uint64_t size) { return builder.unmap(root, Ipa{ipa}, pages(size)); }
  std::vector<Mapping> mappings() {
    std::vector<Mapping> result;
    builder.enumerate(root, [&](const Mapping& mapping) { result.push_back(mapping); });
    return result;
  }
  std::uint64_t at(std::uint64_t ipa) {
    const auto found = builder.walk(root, Ipa{ipa});
    return found.ok() ? found->address.value : ~std::uint64_t{0};
  }
};
constexpr std::uint64_t kUnmapped = ~std::uint64_t{0};

TEST(TableBuilder, UsesTheLargestLeavesThatFit) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x4400'0000, 0x4400'0000, 0xC000'0000 - 0x4400'0000).ok());
  EXPECT_EQ(f.memory.tables_in_use(), 3U);  // the root, and level 2 for each GiB
  EXPECT_EQ(f.builder.walk(f.root, Ipa{0x4400'1234})->level, 2U);
  EXPECT_EQ(f.builder.walk(f.root, Ipa{0x8000'0000})->level, 2U);
  EXPECT_EQ(f.at(0xBFFF'FFFF), 0xBFFF'FFFFU);
  EXPECT_EQ(f.at(0x43FF'FFFF), kUnmapped);
  EXPECT_EQ(f.at(0xC000'0000), kUnmapped);
}

TEST(TableBuilder, KeepsAddressAndFrameApart) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x8000'0000, 0x6000'1000, 2 * kBlock).ok());  // phases differ: pages only
  EXPECT_EQ(f.builder.walk(f.root, Ipa{0x8000'0000})->level, 3U);
  EXPECT_EQ(f.at(0x8000'0ABC), 0x6000'1ABCU);
  EXPECT_EQ(f.at(0x8000'0000 + 2 * kBlock - 1), 0x6000'1000 + 2 * kBlock - 1);
  ASSERT_EQ(f.mappings().size(), 1U);
  EXPECT_EQ(f.mappings()[0].frames, bytes(0x6000'1000, 2 * kBlock));
}

TEST(TableBuilder, AttributesSurviveTheTrip) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x1000, 0x1000, kPage, Access::kReadOnly).ok());
  ASSERT_TRUE(f.map(0x2000, 0x2000, kPage, Access::kReadWrite).ok());
  ASSERT_TRUE(f.map(0x3000, 0x3000, kPage, Access::kDevice).ok());
  ASSERT_TRUE(f.map(0x4000, 0x4000, kPage).ok());
  const auto found = f.mappings();
  ASSERT_EQ(found.size(), 4U);  // neighbours with different rights are not one run
  EXPECT_EQ(found[0].access, Access::kReadOnly);
  EXPECT_EQ(found[1].access, Access::kReadWrite);
  EXPECT_EQ(found[2].access, Access::kDevice);
  EXPECT_EQ(found[3].access, Access::kReadWriteExecute);
}

TEST(TableBuilder, AnAlignedBlockCostsOneDescriptor) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x4000'0000, 0x4000'0000, kGigabyte).ok());
  f.memory.writes = 0;
  ASSERT_TRUE(f.unmap(0x5000'0000, kBlock).ok());
  EXPECT_EQ(f.memory.writes, 1U);
  ASSERT_TRUE(f.map(0x5000'0000, 0x5000'0000, kBlock).ok());
  EXPECT_EQ(f.memory.writes, 2U);
  EXPECT_EQ(f.memory.invalidations, 0U);
}

TEST(TableBuilder, SplittingABlockBreaksBeforeItMakes) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x4000'0000, 0x4000'0000, kGigabyte).ok());
  ASSERT_TRUE(f.unmap(0x5000'3000, kPage).ok());
  EXPECT_EQ(f.memory.violations, std::vector<std::string>{});
  // The block that holds the page, and nothing else, is broken over its whole range.
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> expected{{0x5000'0000, kBlock / kPage}};
  EXPECT_EQ(f.memory.invalidated, expected);
  EXPECT_EQ(f.at(0x5000'3000), kUnmapped);
  EXPECT_EQ(f.at(0x5000'2FFF), 0x5000'2FFFU);
  EXPECT_EQ(f.at(0x5000'4000), 0x5000'4000U);
  ASSERT_EQ(f.mappings().size(), 2U);
  EXPECT_EQ(f.mappings()[0].frames.count().value + f.mappings()[1].frames.count().value, kGigabyte / kPage - 1);
}

TEST(TableBuilder, SplitLeavesKeepTheAttributes) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x1000'0000, 0x1000'0000, kBlock, Access::kDevice).ok());
  ASSERT_TRUE(f.unmap(0x1000'0000, kPage).ok());
  EXPECT_EQ(f.builder.walk(f.root, Ipa{0x1000'1000})->access, Access::kDevice);
}

TEST(TableBuilder, EmptyTablesGoBackToThePool) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x4000'1000, 0x4000'1000, 3 * kPage).ok());
  EXPECT_EQ(f.memory.tables_in_use(), 3U);
  ASSERT_TRUE(f.unmap(0x4000'1000, kPage).ok());
  ASSERT_TRUE(f.unmap(0x4000'2000, 2 * kPage).ok());
  EXPECT_EQ(f.memory.tables_in_use(), 1U);
  EXPECT_EQ(f.memory.violations, std::vector<std::string>{});
}

TEST(TableBuilder, AWholeTableIsUnlinkedAtOnce) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x8000'0000, 0x6000'1000, kBlock).ok());
  f.memory.writes = 0;
  ASSERT_TRUE(f.unmap(0x8000'0000, kBlock).ok());
  EXPECT_LE(f.memory.writes, 2U);  // level 2's entry, then level 1's
  EXPECT_EQ(f.memory.tables_in_use(), 1U);
  EXPECT_EQ(f.memory.violations, std::vector<std::string>{});
}

TEST(TableBuilder, MapRefusesBeforeItWrites) {
  Fixture<3> f;
  f.memory.writes = 0;
  // Level 2 for two GiB and level 3 for the odd page: three tables, two are free.
  EXPECT_EQ(f.map(kGigabyte - kBlock, kGigabyte - kBlock, 2 * kBlock + kPage).error(), Error::kNoTables);
  EXPECT_EQ(f.memory.writes, 0U);
  EXPECT_EQ(f.memory.tables_in_use(), 1U);
}

TEST(TableBuilder, UnmapWithoutTablesUnmapsNothing) {
  Fixture<2> f;
  ASSERT_TRUE(f.map(0x4000'0000, 0x4000'0000, kGigabyte).ok());
  EXPECT_EQ(f.unmap(0x5000'3000, kPage).error(), Error::kNoTables);  // a block to split, no table free
  EXPECT_EQ(f.memory.tables_in_use(), 2U);
  ASSERT_EQ(f.mappings().size(), 1U);
  EXPECT_EQ(f.mappings()[0].frames, bytes(0x4000'0000, kGigabyte));
}

TEST(TableBuilder, UnmapThatCanSplitOnlyOneEndUnmapsNothing) {
  Fixture<3> f;
  ASSERT_TRUE(f.map(0x4000'0000, 0x4000'0000, 2 * kBlock).ok());  // root, level 2: one table left
  EXPECT_EQ(f.unmap(0x4000'1000, 2 * kBlock - 2 * kPage).error(), Error::kNoTables);
  ASSERT_EQ(f.mappings().size(), 1U);
  EXPECT_EQ(f.mappings()[0].frames, bytes(0x4000'0000, 2 * kBlock));
}

TEST(TableBuilder, MapRefusesWhatIsMapped) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x4020'0000, 0x4020'0000, kBlock).ok());
  EXPECT_EQ(f.map(0x4020'1000, 0x9000'1000, kPage).error(), Error::kDenied);          // inside a block
  EXPECT_EQ(f.map(0x4000'0000, 0x9000'0000, 2 * kBlock).error(), Error::kDenied);     // the tail
  EXPECT_EQ(f.map(0x4030'0000, 0x9000'0000, 2 * kBlock).error(), Error::kDenied);     // the head
  EXPECT_EQ(f.map(0x4000'0000, 0x9000'0000, 4 * kBlock).error(), Error::kDenied);     // the middle
  ASSERT_EQ(f.mappings().size(), 1U);
}

TEST(TableBuilder, TheTopOfTheSpaceIsTheEnd) {
  Fixture<16> f;
  constexpr std::uint64_t kTop = std::uint64_t{1} << 39;
  EXPECT_TRUE(f.map(kTop - kPage, 0x1000, kPage).ok());
  EXPECT_EQ(f.map(kTop, 0x2000, kPage).error(), Error::kOutOfRange);
  EXPECT_EQ(f.map(kTop - 2 * kPage, 0x2000, 3 * kPage).error(), Error::kOutOfRange);
  EXPECT_EQ(f.at(kTop - 1), 0x1FFFU);
  EXPECT_TRUE(f.unmap(kTop - kPage, kPage).ok());
  EXPECT_EQ(f.memory.tables_in_use(), 1U);
}

TEST(TableBuilder, ASplitThatCannotBeInvalidatedIsUndone) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x4000'0000, 0x4000'0000, kBlock).ok());
  f.memory.fail_invalidation = true;
  EXPECT_EQ(f.unmap(0x4000'0000, kPage).error(), Error::kDeviceTimeout);
  ASSERT_EQ(f.mappings().size(), 1U);
  EXPECT_EQ(f.mappings()[0].frames, bytes(0x4000'0000, kBlock));
  EXPECT_EQ(f.memory.tables_in_use(), 2U);
  f.memory.fail_invalidation = false;
  EXPECT_TRUE(f.unmap(0x4000'0000, kPage).ok());
  EXPECT_EQ(f.memory.violations, std::vector<std::string>{});
}

TEST(TableBuilder, ATableThatADeviceMayHoldIsNotGivenBack) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x8000'0000, 0x6000'1000, kBlock).ok());
  f.memory.fail_invalidation = true;
  ASSERT_TRUE(f.unmap(0x8000'0000, kBlock).ok());
  EXPECT_EQ(f.memory.tables_in_use(), 3U);
  EXPECT_TRUE(f.mappings().empty());
  // Undoing the call needs no table, and the pages come back.
  f.memory.fail_invalidation = false;
  ASSERT_TRUE(f.map(0x8000'0000, 0x6000'1000, kBlock).ok());
  EXPECT_EQ(f.memory.tables_in_use(), 3U);
  EXPECT_EQ(f.at(0x8000'0000), 0x6000'1000U);
  EXPECT_EQ(f.memory.violations, std::vector<std::string>{});
}

TEST(TableBuilder, DestroyGivesEveryTableBackAfterInvalidation) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x4000'1000, 0x4000'1000, kBlock).ok());
  ASSERT_TRUE(f.map(0x40'1000'0000, 0x40'1000'0000, kPage).ok());
  ASSERT_TRUE(f.builder.destroy(f.root).ok());
  EXPECT_EQ(f.memory.tables_in_use(), 0U);
  EXPECT_EQ(f.memory.invalidations, 1U);
  EXPECT_EQ(f.memory.violations, std::vector<std::string>{});
}

TEST(TableBuilder, DestroyThatCannotBeInvalidatedKeepsTheFramesButMapsNothing) {
  Fixture<16> f;
  ASSERT_TRUE(f.map(0x4000'1000, 0x4000'1000, kBlock).ok());
  const std::size_t before = f.memory.tables_in_use();
  f.memory.fail_invalidation = true;
  EXPECT_EQ(f.builder.destroy(f.root).error(), Error::kDeviceTimeout);
  EXPECT_EQ(f.memory.tables_in_use(), before);
  EXPECT_TRUE(f.mappings().empty());
}

// Against the simplest thing that could say the same: a map from page to frame.
TEST(TableBuilder, AgreesWithAPageMapOverRandomCalls) {
  for (std::uint32_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Fixture<8> f;  // too few for the worst case
    std::map<std::uint64_t, std::uint64_t> expected;  // page -> frame
    const std::uint64_t origin = 0x3FC0'0000 / kPage;  // 4 MiB below a GiB boundary
    std::size_t refused = 0;
    for (int step = 0; step < 1500; ++step) {
      const std::uint64_t sizes[] = {1, 3, 511, 512, 513, 1024};
      const std::uint64_t count = sizes[random() % 6];
      std::uint64_t first = origin + random() % 4096;
      if (random() % 2 == 0) first &= ~std::uint64_t{511};
      bool any = false;
      bool all = true;
      for (std::uint64_t page = first; page < first + count; ++page) {
        const bool mapped = expected.contains(page);
        any = any || mapped;
        all = all && mapped;
      }
      const std::uint64_t shift = (random() % 2 == 0) ? 0x100'0000 : 0x100'0001;
      if (!any) {
        const auto done = f.builder.map(f.root, Ipa{first * kPage},
                                        FrameRange::trusted(FrameNumber{first + shift}, FrameCount{count}),
                                        Access::kReadWrite);
        if (done.ok()) {
          for (std::uint64_t page = first; page < first + count; ++page) expected[page] = page + shift;
        } else {
          ASSERT_EQ(done.error(), Error::kNoTables);
          ++refused;
        }
      } else if (all) {
        const auto done = f.builder.unmap(f.root, Ipa{first * kPage}, FrameCount{count});
        if (done.ok()) {
          for (std::uint64_t page = first; page < first + count; ++page) expected.erase(page);
          ASSERT_TRUE(f.memory.invalidate(Ipa{first * kPage}, FrameCount{count}).ok());  // the caller's part
        } else {
          ASSERT_EQ(done.error(), Error::kNoTables);
          ++refused;
        }
      } else {
        ASSERT_EQ(f.builder.map(f.root, Ipa{first * kPage},
                                FrameRange::trusted(FrameNumber{first}, FrameCount{count}), Access::kReadWrite)
                      .error(),
                  Error::kDenied);
      }
      ASSERT_EQ(f.memory.violations, std::vector<std::string>{});
      std::size_t pages_found = 0;
      for (const Mapping& mapping : f.mappings()) {
        for (std::uint64_t i = 0; i < mapping.frames.count().value; ++i) {
          const auto it = expected.find(mapping.ipa.value / kPage + i);
          ASSERT_NE(it, expected.end());
          ASSERT_EQ(it->second, mapping.frames.first().value + i);
          ++pages_found;
        }
      }
      ASSERT_EQ(pages_found, expected.size());
    }
    EXPECT_GT(refused, 0U);  // the pool was small enough to run dry
    ASSERT_TRUE(f.builder.destroy(f.root).ok());
    EXPECT_EQ(f.memory.tables_in_use(), 0U);
  }
}

}  // namespace
