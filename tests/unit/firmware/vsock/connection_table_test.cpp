#include "firmware/vsock/connection_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <tuple>

namespace {

using vsock::Connection;
using vsock::ConnectionTable;
using vsock::Side;

class ConnectionTableTest : public ::testing::Test {
 protected:
  std::unique_ptr<ConnectionTable> table_ = std::make_unique<ConnectionTable>();
};

TEST_F(ConnectionTableTest, AnEnclaveHasItsNumberAndNoMore) {
  for (std::uint32_t i = 0; i < vsock::kConnectionsPerEnclave; ++i) ASSERT_TRUE(table_->insert(0, {16, i, 1}).ok());
  EXPECT_EQ(table_->insert(0, {16, 5000, 1}).error(), base::Error::kTooLarge);
  EXPECT_FALSE(table_->find(0, {16, 5000, 1}).has_value());
  EXPECT_TRUE(table_->insert(1, {17, 1, 1}).ok());  // another's number is untouched
  table_->remove(*table_->find(0, {16, 7, 1}));
  EXPECT_TRUE(table_->insert(0, {16, 5000, 1}).ok());
}

TEST_F(ConnectionTableTest, PortsThatMeetUnderOneSecretPartUnderAnother) {
  constexpr ConnectionTable::Secret kGuessed{}, kOurs{0x0123'4567'89AB'CDEF, 0xF0E1'D2C3'B4A5'9687};
  std::array<int, ConnectionTable::kBuckets> ours{};
  int chosen = 0;
  for (std::uint32_t port = 1024; chosen < 1024; ++port) {
    const Connection connection{16, port, 9000};
    if (ConnectionTable::bucket_of(connection, kGuessed) != 0) continue;
    ++ours.at(ConnectionTable::bucket_of(connection, kOurs));
    ++chosen;
  }
  EXPECT_LT(std::ranges::max(ours), 32);
}

TEST_F(ConnectionTableTest, PortsThatCountUpAreSpread) {
  std::array<int, ConnectionTable::kBuckets> ours{};
  for (std::uint32_t i = 0; i < 1024; ++i) ++ours.at(ConnectionTable::bucket_of({16, 1024 + i, 0x4000'0000 + i}, {0x1234'5678, 0x9ABC'DEF0}));
  EXPECT_LT(std::ranges::max(ours), 32);
}

TEST_F(ConnectionTableTest, AnEntryGoesWhenBothSidesAreTold) {
  const auto index = *table_->insert(0, {16, 1, 2});
  table_->close(index, true, true);
  EXPECT_EQ(table_->due_to_parent(), index);
  EXPECT_EQ(table_->due_to_enclave(0), index);
  table_->told(index, Side::kParent);
  EXPECT_FALSE(table_->due_to_parent().has_value());
  EXPECT_TRUE(table_->find(0, {16, 1, 2}).has_value());
  table_->told(index, Side::kEnclave);
  EXPECT_FALSE(table_->find(0, {16, 1, 2}).has_value());
  EXPECT_EQ(table_->count(0), 0U);
}

TEST_F(ConnectionTableTest, EndedEnclavesMakeRoomWhenTheParentTakesNoResets) {
  for (int life = 0; life < 12; ++life) {
    for (std::uint8_t slot = 0; slot < board::kMaxEnclaves; ++slot) {
      for (std::uint32_t i = 0; i < vsock::kConnectionsPerEnclave; ++i) {
        ASSERT_TRUE(table_->insert(slot, {16U + slot, i, static_cast<std::uint32_t>(life)}).ok());
      }
    }
    for (std::uint8_t slot = 0; slot < board::kMaxEnclaves; ++slot) table_->enclave_ended(slot);
  }
  std::size_t due = 0;
  while (const auto index = table_->due_to_parent()) {
    table_->told(*index, Side::kParent);
    ASSERT_LE(++due, vsock::kMaxConnections);
  }
  EXPECT_EQ(due, vsock::kMaxConnections);
  EXPECT_EQ(table_->count(ConnectionTable::kEnded), 0U);
}

// Against maps: the same calls, the same answers.
TEST_F(ConnectionTableTest, AgreesWithAMap) {
  struct Entry {
    bool open, parent, enclave;
  };
  using Key = std::tuple<int, std::uint32_t, std::uint32_t>;
  std::map<Key, Entry> model;
  std::mt19937 random(7);
  for (int round = 0; round < 200'000; ++round) {
    const auto slot = static_cast<ConnectionTable::Owner>(random() % 2);
    const Connection connection{16U + slot, static_cast<std::uint32_t>(random() % 40),
                                static_cast<std::uint32_t>(random() % 3)};
    const Key key{slot, connection.enclave_port, connection.parent_port};
    const auto index = table_->find(slot, connection);
    const auto found = model.find(key);
    ASSERT_EQ(index.has_value(), found != model.end());
    ASSERT_EQ(index && table_->is_open(*index), index && found->second.open);
    switch (random() % 5) {
      case 0:
        if (!index) {
          ASSERT_TRUE(table_->insert(slot, connection).ok());
          model[key] = {true, false, false};
        }
        break;
      case 1:
        if (index && found->second.open) {
          const bool parent = random() % 2 != 0;
          const bool enclave = random() % 2 != 0;
          table_->close(*index, parent, enclave);
          found->second = {false, parent, enclave};
          if (!parent && !enclave) model.erase(found);
        }
        break;
      case 2:
        if (index && !found->second.open) {
          const bool parent = random() % 2 != 0;
          table_->told(*index, parent ? Side::kParent : Side::kEnclave);
          (parent ? found->second.parent : found->second.enclave) = false;
          if (!found->second.parent && !found->second.enclave) model.erase(found);
        }
        break;
      case 3:
        if (index && random() % 4 == 0) {
          table_->remove(*index);
          model.erase(found);
        }
        break;
      case 4:
        if (random() % 400 == 0) {
          const bool parent = random() % 2 != 0;
          parent ? table_->parent_gone() : table_->enclave_gone(slot);
          for (auto at = model.begin(); at != model.end();) {
            Entry& entry = at->second;
            if (parent || std::get<0>(at->first) == slot) {
              if (entry.open) entry = {false, !parent, parent};
              (parent ? entry.parent : entry.enclave) = false;
            }
            at = !entry.open && !entry.parent && !entry.enclave ? model.erase(at) : std::next(at);
          }
        }
        break;
    }
    const auto any = [&](auto due) { return std::any_of(model.begin(), model.end(), due); };
    ASSERT_EQ(table_->due_to_parent().has_value(), any([](const auto& e) { return e.second.parent; }));
    ASSERT_EQ(table_->due_to_enclave(slot).has_value(),
              any([&](const auto& e) { return e.second.enclave && std::get<0>(e.first) == slot; }));
  }
}

}  // namespace
