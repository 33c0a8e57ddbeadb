#include "guests/parent/cli/enclave_memory.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "guests/parent/cli/failure.hpp"
#include "tests/unit/guests/parent/cli/scripted_environment.hpp"

namespace enclave_cli {
namespace {

using testing::ScriptedPages;

TEST(EnclaveMemory, TakesLargePagesFirst) {
  ScriptedPages pages;
  pages.pool = {{.page_size = 64 << 10, .total = 9999, .free = 9999},
                {.page_size = 2 * kMiB, .total = 64, .free = 64},
                {.page_size = 32 * kMiB, .total = 2, .free = 2}};
  EnclaveMemory memory(pages);
  memory.take(100 * kMiB);
  EXPECT_EQ(memory.size(), 100 * kMiB);
  ASSERT_EQ(memory.regions().size(), 2U);  // what lies side by side is one mapping
  EXPECT_EQ(memory.regions()[0].size, 64 * kMiB);
  EXPECT_EQ(memory.regions()[1].size, 36 * kMiB);
  EXPECT_EQ(pages.pool[0].free, 9999U);  // 64 KiB pages are not for enclaves
}

TEST(EnclaveMemory, ALargePageCoversTheRestAndSmallOnesGoBack) {
  ScriptedPages pages;
  pages.pool = {{.page_size = 2 * kMiB, .total = 10, .free = 10}, {.page_size = 1024 * kMiB, .total = 1, .free = 1}};
  EnclaveMemory memory(pages);
  memory.take(100 * kMiB);
  EXPECT_EQ(memory.size(), 1024 * kMiB);
  EXPECT_EQ(pages.held, 1024 * kMiB);
  EXPECT_EQ(pages.pool[0].free, 10U);
}

TEST(EnclaveMemory, TrimsTheTailOfAMapping) {
  ScriptedPages pages;
  pages.pool = {{.page_size = 2 * kMiB, .total = 20, .free = 20}, {.page_size = 32 * kMiB, .total = 3, .free = 1}};
  EnclaveMemory memory(pages);
  memory.take(71 * kMiB);  // 32 + 19.5 pages of 2 MiB
  EXPECT_EQ(memory.size(), 72 * kMiB);
  EXPECT_EQ(pages.held, 72 * kMiB);
}

TEST(EnclaveMemory, RefusesAndSaysHowMuchCame) {
  ScriptedPages pages;
  pages.pool = {{.page_size = 2 * kMiB, .total = 40, .free = 30}};
  EnclaveMemory memory(pages);
  try {
    memory.take(128 * kMiB);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ErrorCode::kInsufficientMemoryAvailable);
    const std::string text = text_of(failure);
    EXPECT_NE(text.find("[ E27 ]"), std::string::npos);
    EXPECT_NE(text.find("128 MiB are asked for"), std::string::npos);
    EXPECT_NE(text.find("make 60 MiB"), std::string::npos);
    EXPECT_NE(text.find("30 free of 40"), std::string::npos);
    EXPECT_NE(text.find("allocate --memory 128"), std::string::npos);
  }
  EXPECT_EQ(pages.held, 0U);
}

TEST(EnclaveMemory, PagesThatOthersTookMeanwhileAreMissedNotCounted) {
  ScriptedPages pages;
  pages.lies = 8;  // of 64 that seem free
  {
    EnclaveMemory memory(pages);
    memory.take(112 * kMiB);  // all the 56 that there are
    EXPECT_EQ(memory.size(), 112 * kMiB);
  }
  EnclaveMemory memory(pages);
  EXPECT_THROW(memory.take(114 * kMiB), Failure);
  EXPECT_EQ(pages.held, 0U);
}

TEST(EnclaveMemory, CopiesAcrossRegionsInTheEnclavesOrder) {
  ScriptedPages pages;
  pages.pool = {{.page_size = 2 * kMiB, .total = 1, .free = 1}, {.page_size = 4 * kMiB, .total = 1, .free = 1}};
  EnclaveMemory memory(pages);
  memory.take(6 * kMiB);
  ASSERT_EQ(memory.regions().size(), 2U);
  std::vector<std::uint8_t> image(3 * kMiB);
  std::iota(image.begin(), image.end(), std::uint8_t{1});
  memory.copy_in(2 * kMiB, image);
  const auto* const first = static_cast<const std::uint8_t*>(memory.regions()[0].address);
  const auto* const second = static_cast<const std::uint8_t*>(memory.regions()[1].address);
  EXPECT_EQ(first[2 * kMiB - 1], 0);
  EXPECT_TRUE(std::equal(image.begin(), image.begin() + 2 * kMiB, first + 2 * kMiB));
  EXPECT_TRUE(std::equal(image.begin() + 2 * kMiB, image.end(), second));
  EXPECT_EQ(second[kMiB], 0);
  EXPECT_THROW(memory.copy_in(4 * kMiB, image), Failure);
}

}  // namespace
}  // namespace enclave_cli
