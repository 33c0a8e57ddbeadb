// Targets name one call of one key, letter for letter, or nothing.
#include "tools/xks/route.hpp"

#include <gtest/gtest.h>

namespace {

using xks::Call;
constexpr std::string_view kPath = "/customer/kms/xks/v1";

TEST(XksRoute, NamesTheCallAndTheKey) {
  const auto health = xks::route_of(kPath, "/customer/kms/xks/v1/health");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->call, Call::kHealth);
  EXPECT_EQ(health->key_id, "");
  for (const Call call : {Call::kMetadata, Call::kEncrypt, Call::kDecrypt}) {
    const auto route = xks::route_of(kPath, "/customer/kms/xks/v1/keys/my-key_1.2/" + std::string(xks::text_of(call)));
    ASSERT_TRUE(route);
    EXPECT_EQ(route->call, call);
    EXPECT_EQ(route->key_id, "my-key_1.2");
  }
}

TEST(XksRoute, TakesNothingThatOnlyLooksLikeOne) {
  for (const char* target : {"", "/", "/kms/xks/v1/health", "/customer/kms/xks/v1", "/customer/kms/xks/v1/", "/customer/kms/xks/v1/health/",
                             "/customer/kms/xks/v1/health?x", "/customer/kms/xks/v1//health", "/customer/kms/xks/v1/keys/k",
                             "/customer/kms/xks/v1/keys//decrypt", "/customer/kms/xks/v1/keys/k/decrypt/", "/customer/kms/xks/v1/keys/k/health",
                             "/customer/kms/xks/v1/keys/k/DECRYPT", "/customer/kms/xks/v1/keys/../decrypt/decrypt", "/customer/kms/xks/v1/keys/%6b/decrypt",
                             "/CUSTOMER/kms/xks/v1/health", "/customer/kms/xks/v1/keys/k/l/decrypt"}) {
    EXPECT_FALSE(xks::route_of(kPath, target)) << target;
  }
  const std::string head = "/customer/kms/xks/v1/keys/", tail = "/decrypt";
  EXPECT_TRUE(xks::route_of(kPath, head + std::string(xks::kMostKeyId, 'k') + tail));
  EXPECT_FALSE(xks::route_of(kPath, head + std::string(xks::kMostKeyId + 1, 'k') + tail));
}

}  // namespace
