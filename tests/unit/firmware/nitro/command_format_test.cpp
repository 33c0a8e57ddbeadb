// Requests and replies byte by byte, as struct ne_pci_dev_cmd_reply and its neighbours lie in Linux's memory.
#include "firmware/nitro/command_format.hpp"

#include <gtest/gtest.h>

#include <map>

namespace {

using nitro::Command;
using nitro::Request;
using nitro::ReturnCode;

// Byte i is i + 1: each field has a value of its own.
std::array<std::uint8_t, nitro::kDataSize> numbered() {
  std::array<std::uint8_t, nitro::kDataSize> data{};
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i + 1);
  return data;
}
constexpr std::uint64_t kFirst = 0x0807'0605'0403'0201, kSecond = 0x100f'0e0d'0c0b'0a09, kThird = 0x1817'1615'1413'1211;

TEST(NitroCommandFormat, EachCommandTakesItsOwnFieldsAndNoOther) {
  const std::map<std::uint32_t, Request> expected{
      {1, {.command = Command::kStart, .slot_uid = kFirst, .cid = kSecond, .flags = kThird}},
      {2, {.command = Command::kGetSlot, .cid = kFirst}},
      {3, {.command = Command::kStop, .slot_uid = kFirst}},
      {4, {.command = Command::kSlotAllocate}},
      {5, {.command = Command::kSlotFree, .slot_uid = kFirst}},
      {6, {.command = Command::kAddMemory, .slot_uid = kFirst, .address = kSecond, .size = kThird}},
      {7, {.command = Command::kAddVcpu, .slot_uid = kFirst, .vcpu = 0x0c0b'0a09}},
      {8, {.command = Command::kSlotCount}},
      {9, {.command = Command::kNextSlot, .slot_uid = kFirst}},
      {10, {.command = Command::kSlotInfo, .slot_uid = kFirst}},
      {11, {.command = Command::kAddBulkVcpus, .slot_uid = kFirst, .vcpus = kSecond}},
  };
  const auto data = numbered();
  for (const auto& [number, request] : expected) {
    const auto decoded = nitro::decode_request(number, data);
    ASSERT_TRUE(decoded.ok()) << number;
    EXPECT_EQ(*decoded, request) << number;
  }
}

TEST(NitroCommandFormat, OtherNumbersNameNoCommand) {
  const auto data = numbered();
  for (const std::uint32_t number : {0U, 12U, 13U, 0x101U, 0x8000'0001U, ~0U}) {
    const auto decoded = nitro::decode_request(number, data);
    ASSERT_FALSE(decoded.ok()) << number;
    EXPECT_EQ(decoded.error(), base::Error::kNoSuchCall);
  }
}

TEST(NitroCommandFormat, AReplyIs72BytesInLinuxsOrder) {
  const auto bytes = nitro::encode_reply({.rc = ReturnCode::kInvalidCid,
                                          .slot_uid = 0x0102'0304'0506'0708,
                                          .cid = 0x1112'1314'1516'1718,
                                          .slot_count = 0x2122'2324'2526'2728,
                                          .memory_regions = 0x3132'3334'3536'3738,
                                          .memory_size = 0x4142'4344'4546'4748,
                                          .vcpus = 0x5152'5354'5556'5758,
                                          .flags = 0x6162'6364'6566'6768,
                                          .state = nitro::SlotState::kStopped});
  const std::array<std::uint8_t, nitro::kReplySize> expected{
      0xed, 0xfe, 0xff, 0xff, 0,    0,    0,    0,     // -275, padding
      0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,  //
      0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,  //
      0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,  //
      0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31,  //
      0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41,  //
      0x58, 0x57, 0x56, 0x55, 0x54, 0x53, 0x52, 0x51,  //
      0x68, 0x67, 0x66, 0x65, 0x64, 0x63, 0x62, 0x61,  //
      0xff, 0xff, 0,    0,    0,    0,    0,    0};    // state, padding
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(nitro::encode_reply({}), (std::array<std::uint8_t, nitro::kReplySize>{}));
  EXPECT_EQ(nitro::encode_reply({.state = nitro::SlotState::kRunning})[64], 2);
}

}  // namespace
