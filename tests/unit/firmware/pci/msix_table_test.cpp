// Messages: sent, held back by either mask, sent late, lost.
#include "firmware/pci/msix_table.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

using pci::Message;
using pci::Messages;
using pci::MsixTable;

std::vector<Message> list(const Messages& messages) { return {messages.begin(), messages.end()}; }
using List = std::vector<Message>;

constexpr Message kFirstMessage{0x0809'0040, 224}, kSecondMessage{0x1'0809'0040, 225};

// As Linux writes an entry: address, high address, data, each by itself, then the mask.
void program(MsixTable& table, std::uint32_t vector, const Message& message) {
  const std::uint64_t at = 16 * vector;
  EXPECT_TRUE(table.write_table(at, 4, message.address & 0xffff'ffff).empty());
  EXPECT_TRUE(table.write_table(at + 4, 4, message.address >> 32).empty());
  EXPECT_TRUE(table.write_table(at + 8, 4, message.data).empty());
}

MsixTable ready() {
  MsixTable table{2};
  EXPECT_TRUE(table.set_control(true, false).empty());
  program(table, 0, kFirstMessage);
  program(table, 1, kSecondMessage);
  return table;
}
List unmask(MsixTable& table, std::uint32_t vector) { return list(table.write_table(16 * vector + 12, 4, 0)); }

TEST(MsixTable, SendsAtOnceWhenNothingMasksIt) {
  MsixTable table = ready();
  EXPECT_EQ(unmask(table, 0), List{});
  EXPECT_EQ(unmask(table, 1), List{});
  EXPECT_EQ(table.raise(0), kFirstMessage);
  EXPECT_EQ(table.raise(1), kSecondMessage);
  EXPECT_EQ(table.raise(0), kFirstMessage);
  EXPECT_EQ(table.read_pending(0, 8), 0U);
}

TEST(MsixTable, EveryVectorStartsMaskedAndOff) {
  MsixTable table{2};
  EXPECT_EQ(table.read_table(12, 4), 1U);
  EXPECT_EQ(table.read_table(28, 4), 1U);
  EXPECT_EQ(unmask(table, 0), List{});
  EXPECT_EQ(table.raise(0), std::nullopt);
  EXPECT_EQ(table.read_pending(0, 8), 0U) << "off: lost, not pending";
  EXPECT_EQ(list(table.set_control(true, false)), List{});
}

TEST(MsixTable, AMaskedVectorIsPendingUntilItIsUnmasked) {
  MsixTable table = ready();
  EXPECT_EQ(table.raise(1), std::nullopt);
  EXPECT_EQ(table.raise(1), std::nullopt);
  EXPECT_EQ(table.read_pending(0, 4), 2U);
  EXPECT_EQ(table.read_pending(0, 8), 2U);
  EXPECT_EQ(table.read_pending(4, 4), 0U);
  EXPECT_EQ(unmask(table, 0), List{}) << "another vector's mask";
  EXPECT_EQ(unmask(table, 1), List{kSecondMessage}) << "once, however often it was raised";
  EXPECT_EQ(table.read_pending(0, 4), 0U);
  EXPECT_EQ(unmask(table, 1), List{});
}

TEST(MsixTable, TheFunctionsMaskHoldsAllBack) {
  MsixTable table = ready();
  EXPECT_EQ(unmask(table, 0), List{});
  EXPECT_EQ(unmask(table, 1), List{});
  EXPECT_EQ(list(table.set_control(true, true)), List{});
  EXPECT_EQ(table.raise(0), std::nullopt);
  EXPECT_EQ(table.raise(1), std::nullopt);
  EXPECT_EQ(unmask(table, 0), List{}) << "still masked as a whole";
  EXPECT_EQ(table.read_pending(0, 4), 3U);
  EXPECT_EQ(list(table.set_control(true, false)), (List{kFirstMessage, kSecondMessage}));
  EXPECT_EQ(table.read_pending(0, 4), 0U);
}

TEST(MsixTable, SwitchedOffItForgets) {
  MsixTable table = ready();
  EXPECT_EQ(table.raise(0), std::nullopt);
  EXPECT_EQ(list(table.set_control(false, false)), List{});
  EXPECT_EQ(table.read_pending(0, 4), 0U);
  EXPECT_EQ(list(table.set_control(true, false)), List{});
  EXPECT_EQ(unmask(table, 0), List{}) << "a later driver gets no earlier one's message";
}

TEST(MsixTable, AMessageIsSentAsTheEntryStandsThen) {
  MsixTable table = ready();
  EXPECT_EQ(table.raise(0), std::nullopt);
  EXPECT_TRUE(table.write_table(0, 8, 0x2222'2222'1111'1113).empty()) << "masked: still nothing is due";
  EXPECT_EQ(list(table.write_table(8, 8, 77)), (List{{0x2222'2222'1111'1110, 77}})) << "data and mask in one write";
  EXPECT_EQ(table.read_table(0, 8), 0x2222'2222'1111'1110U);
}

TEST(MsixTable, OnlyTheMaskBitOfAVectorsControlIsThere) {
  MsixTable table = ready();
  EXPECT_TRUE(table.write_table(12, 4, 0xffff'ffff).empty());
  EXPECT_EQ(table.read_table(12, 4), 1U);
  EXPECT_TRUE(table.write_table(12, 4, 0xffff'fffe).empty());
  EXPECT_EQ(table.read_table(12, 4), 0U);
}

TEST(MsixTable, HostileAccessesDoNothing) {
  MsixTable table = ready();
  const auto refused = [&](std::uint64_t offset, std::uint32_t size) {
    EXPECT_EQ(table.read_table(offset, size), ~std::uint64_t{0});
    EXPECT_TRUE(table.write_table(offset, size, 0).empty());
  };
  for (const std::uint32_t size : {0U, 1U, 2U, 3U, 16U}) refused(12, size);
  refused(2, 4);
  refused(4, 8);
  refused(32, 4);
  refused(~std::uint64_t{7}, 8);
  EXPECT_EQ(table.read_pending(0, 1), ~std::uint64_t{0});
  EXPECT_EQ(table.read_pending(8, 4), ~std::uint64_t{0});
  EXPECT_EQ(table.read_pending(4, 8), ~std::uint64_t{0});
  EXPECT_EQ(table.raise(2), std::nullopt);
  EXPECT_EQ(table.raise(~0U), std::nullopt);
  EXPECT_EQ(table.read_pending(0, 8), 0U);
  EXPECT_EQ(table.read_table(12, 4), 1U);
  EXPECT_EQ(table.read_table(0, 8), kFirstMessage.address);
}

}  // namespace
