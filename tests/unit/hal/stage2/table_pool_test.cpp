#include "hal/stage2/table_pool.hpp"

#include <gtest/gtest.h>

#include <set>

namespace {

TEST(TablePool, HandsEachFrameOutOnce) {
  hal::stage2::TablePool<3> pool{};
  pool.assign(base::FrameNumber{100});
  std::set<std::uint64_t> frames;
  for (int i = 0; i < 3; ++i) frames.insert(pool.take()->value);
  EXPECT_EQ(frames, (std::set<std::uint64_t>{100, 101, 102}));
  EXPECT_EQ(pool.take().error(), base::Error::kNoTables);
  EXPECT_EQ(pool.available(), 0U);
}

TEST(TablePool, AReturnedFrameComesBackWithoutUsedEntries) {
  hal::stage2::TablePool<2> pool{};
  pool.assign(base::FrameNumber{7});
  const base::FrameNumber frame = pool.take().value();
  pool.used_entries(frame) = 512;
  pool.give_back(frame);
  EXPECT_EQ(pool.available(), 2U);
  EXPECT_EQ(pool.take().value(), frame);
  EXPECT_EQ(pool.used_entries(frame), 0U);
}

}  // namespace
