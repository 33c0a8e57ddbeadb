// The document that goes with a request to a key service is young, whoever delays the enclave between two requests.
#include "guests/enclave/keys/kms_client.hpp"

#include <gtest/gtest.h>

namespace {

using enclave_keys::kDocumentIsFresh;
using enclave_keys::Recipient;
using Time = std::chrono::steady_clock::time_point;

struct World {
  Time time{std::chrono::hours(1)};
  int made{};
  bool works{true};
  cofferdam::Bytes last_key;
  Recipient recipient{[this](cofferdam::ByteView key) {
                        if (!works) throw std::runtime_error("no nsm");
                        last_key.assign(key.begin(), key.end());
                        return cofferdam::Bytes{static_cast<std::uint8_t>(++made)};
                      },
                      [this] { return time; }};
  int document() { return recipient.document().at(0); }
};

TEST(Recipient, ADocumentThatHasGrownOldIsMadeAnew) {
  World world;
  EXPECT_EQ(world.made, 1);
  world.time += kDocumentIsFresh;
  EXPECT_EQ(world.document(), 1) << "several owners that are asked in a row judge the same document";
  world.time += std::chrono::seconds(1);
  EXPECT_EQ(world.document(), 2);
  EXPECT_EQ(world.last_key, world.recipient.key().public_key().spki()) << "for the same key: what was asked for with the first still opens";
  EXPECT_EQ(world.document(), 2);
  world.time += std::chrono::hours(10);
  EXPECT_EQ(world.document(), 3);
}

TEST(Recipient, AnOldDocumentIsNotUsedForWantOfANewOne) {
  World world;
  world.time += kDocumentIsFresh * 2;
  world.works = false;
  EXPECT_THROW(static_cast<void>(world.document()), std::runtime_error);
  EXPECT_THROW(static_cast<void>(world.document()), std::runtime_error);
  world.works = true;
  EXPECT_EQ(world.document(), 2);
}

}  // namespace
