// What the resident ROM answers to a call, for every kind of caller and argument.
#include "firmware/rom/psci.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace rom::psci {
namespace {

constexpr EntryWindow kImage{0x40200000, 0x1000};
constexpr std::uint32_t kFourCores = 0b1111;
constexpr Caller kEl2{true};

Decision call(std::uint64_t function, std::uint64_t x1 = 0, std::uint64_t x2 = 0, std::uint64_t x3 = 0) {
  return decode({function, x1, x2, x3}, kEl2, kImage, kFourCores);
}
void expect_reply(const Decision& decision, Reply reply) {
  EXPECT_EQ(decision.action, Action::kReply);
  EXPECT_EQ(decision.reply, static_cast<std::int64_t>(reply));
}

TEST(Psci, ServesWhatItLists) {
  EXPECT_EQ(call(0x84000000).reply, 0x10001);
  EXPECT_EQ(call(0x84000002).action, Action::kCpuOff);
  EXPECT_EQ(call(0x84000008).action, Action::kSystemOff);
  EXPECT_EQ(call(0x84000009).action, Action::kSystemReset);
  const Decision on = call(0xc4000003, 2, 0x40200ffc, 77);
  EXPECT_EQ(on.action, Action::kCpuOn);
  EXPECT_EQ(on.core, 2u);
  EXPECT_EQ(on.entry, 0x40200ffcu);
  EXPECT_EQ(on.context, 77u);
  const Decision info = call(0xc4000004, 3, 0);
  EXPECT_EQ(info.action, Action::kAffinityInfo);
  EXPECT_EQ(info.core, 3u);
}

TEST(Psci, EveryOtherNumberIsNotSupported) {
  for (const std::uint64_t base :
       {0x84000000ull, 0xc4000000ull, 0x80000000ull, 0xc5000000ull, 0xc3000000ull, 0x83000000ull, 0ull}) {
    for (std::uint64_t low = 0; low < 0x200; ++low) {
      const std::uint64_t number = base + low;
      const bool listed = number == 0x84000000 || number == 0x84000002 || number == 0x84000008 ||
                          number == 0x84000009 || number == 0xc4000003 || number == 0xc4000004 || number == 0xc3000001;
      if (!listed) expect_reply(call(number), Reply::kNotSupported);
    }
  }
  expect_reply(call(0x1'84000000), Reply::kNotSupported);
  expect_reply(call(~std::uint64_t{0}), Reply::kNotSupported);
}

TEST(Psci, NobodyButEl2IsServed) {
  for (const std::uint64_t function : {0x84000000ull, 0x84000002ull, 0x84000008ull, 0x84000009ull, 0xc4000003ull}) {
    expect_reply(decode({function, 1, kImage.base, 0}, Caller{false}, kImage, kFourCores), Reply::kNotSupported);
  }
}

TEST(Psci, ACoreIsEnteredInsideTheMeasuredImageOnly) {
  for (const std::uint64_t entry : {std::uint64_t{0}, kImage.base - 4, kImage.base + kImage.size, ~std::uint64_t{3},
                                    std::uint64_t{0x0e001000}, kImage.base + 1, kImage.base + 2}) {
    expect_reply(call(0xc4000003, 1, entry), Reply::kInvalidAddress);
  }
  EXPECT_EQ(call(0xc4000003, 1, kImage.base).action, Action::kCpuOn);
}

TEST(Psci, OnlyCoresThatExistHaveNames) {
  for (const std::uint64_t mpidr : {4ull, 15ull, 16ull, 0x100ull, 0x10000ull, 0x100000000ull, 0x80000000ull, ~0ull}) {
    expect_reply(call(0xc4000003, mpidr, kImage.base), Reply::kInvalidParameters);
    expect_reply(call(0xc4000004, mpidr, 0), Reply::kInvalidParameters);
  }
  expect_reply(call(0xc4000004, 1, 1), Reply::kInvalidParameters);
}

Registers text_call(std::string_view text, std::uint64_t size) {
  std::array<std::uint64_t, 6> words{};
  for (std::size_t i = 0; i < text.size(); ++i) {
    words[i / 8] |= std::uint64_t{static_cast<std::uint8_t>(text[i])} << (i % 8 * 8);
  }
  return {0xc3000001, words[0], words[1], words[2], words[3], words[4], words[5], size};
}
Decision write(std::string_view text, std::uint64_t size) {
  return decode(text_call(text, size), kEl2, kImage, kFourCores);
}
Decision write(std::string_view text) { return write(text, text.size()); }

TEST(ConsoleCall, TakesPrintableTextOfEveryLengthInItsOrder) {
  const std::string all = "cofferdam: 48 bytes are what six registers hold\n";
  ASSERT_EQ(all.size(), kMaxText);
  for (std::size_t size = 1; size <= kMaxText; ++size) {
    const Decision decision = write(all.substr(0, size));
    ASSERT_EQ(decision.action, Action::kWriteText) << size;
    ASSERT_EQ(decision.text_size, size);
    std::string seen;
    for (std::size_t i = 0; i < size; ++i) seen += text_byte(text_call(all.substr(0, size), size), i);
    ASSERT_EQ(seen, all.substr(0, size));
  }
}

TEST(ConsoleCall, EveryByteThatIsNotTextIsRefusedWhereverItStands) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool text = (byte >= 0x20 && byte < 0x7f) || byte == '\n';
    for (const std::size_t place : {std::size_t{0}, std::size_t{7}, std::size_t{8}, kMaxText - 1}) {
      std::string line(kMaxText, 'x');
      line[place] = static_cast<char>(byte);
      const Decision decision = write(line);
      if (text) {
        EXPECT_EQ(decision.action, Action::kWriteText) << byte << " at " << place;
      } else {
        expect_reply(decision, Reply::kInvalidParameters);
      }
    }
  }
}

TEST(ConsoleCall, ASizeThatDoesNotFitOrHidesBytesIsRefused) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{49}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
    expect_reply(write("text", size), Reply::kInvalidParameters);
  }
  expect_reply(write("text", 3), Reply::kInvalidParameters);
  expect_reply(write("text", 5), Reply::kInvalidParameters);
}

TEST(ConsoleCall, IsEl2s) {
  expect_reply(decode(text_call("text", 4), Caller{false}, kImage, kFourCores), Reply::kNotSupported);
}

TEST(Psci, CoreNumbersFollowTheAffinity) {
  EXPECT_EQ(core_number(0), 0u);
  EXPECT_EQ(core_number(15), 15u);
  EXPECT_EQ(core_number(0x10), layout::kMaxCores);   // Aff0 has 16 values
  EXPECT_EQ(core_number(0x100), layout::kMaxCores);  // 16: more than there is room for
  EXPECT_EQ(core_number(0x10000), layout::kMaxCores);
}

}  // namespace
}  // namespace rom::psci
