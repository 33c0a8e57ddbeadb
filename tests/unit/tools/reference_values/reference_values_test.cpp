// Reference values: the ROM's own measuring, and both forms of writing them down.
#include "tools/reference_values/reference_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "firmware/measure/platform_log.hpp"
#include "firmware/rom/layout.hpp"

namespace reference_values {
namespace {

using provision::Bytes;
using provision::to_hex;

BuiltFiles files() {
  BuiltFiles built{.rom = Bytes(1000, 0x11), .monitor = Bytes(100, 0x22), .security_version = 3};
  built.board_digest.fill(0x44);
  built.firmware_signer.fill(0x04);
  return built;
}

TEST(ReferenceValues, KnownAnswers) {  // made with Python's hashlib from the definitions in the headers
  const ReferenceValues values = compute(files());
  EXPECT_EQ(to_hex(values.platform[0].value),
            "e46473be710a6384a6f128e1b0c1b03da3fe057d2f2122590c3f698659d0c83445b54344199c6ba4d1e8b290fd5c367e");
  EXPECT_EQ(to_hex(values.platform[1].value),
            "32d4a5add88f3e83fa82a4f1f9fa0ed807a3caf37a5288c9ef7477889d68ac5f45d9afd9f6d95be262b4510af72d1396");
  EXPECT_EQ(to_hex(values.platform[2].value),
            "ce4793860d661fd5bb5c6beb58da6c79c32c0597662c971fb34d0062616ebc85a09ce16ff6ea80934ae5e973a4dc06a5");
}

TEST(ReferenceValues, TheValuesAreTheReplayOfTheEvents) {
  const ReferenceValues values = compute(files());
  std::array<measure::Event, 3> log{};
  for (std::size_t i = 0; i < log.size(); ++i) {
    log[i].pcr = values.platform[i].pcr;
    log[i].digest = values.platform[i].event;
  }
  const auto bank = measure::replay(log);
  ASSERT_TRUE(bank.ok());
  for (const ReferenceValue& value : values.platform) EXPECT_EQ((*bank)[value.pcr], value.value) << value.name;
}

TEST(ReferenceValues, PaddingIsWhatTheFlashAndThePackageHold) {
  BuiltFiles padded = files();
  padded.rom.resize(rom::layout::kCodeSize, 0xff);
  padded.monitor.resize(112, 0);
  EXPECT_EQ(to_json(compute(padded)), to_json(compute(files())));
}

TEST(ReferenceValues, FilesThatCantBeWhatTheyAreSaidToBeAreRefused) {
  const auto refuses = [](BuiltFiles built) {
    EXPECT_THROW((void)compute(built), provision::ProvisionError);
  };
  BuiltFiles built = files();
  built.rom.clear();
  refuses(built);
  built.rom.resize(rom::layout::kCodeSize + 1);
  refuses(built);
  built = files();
  built.monitor.clear();
  refuses(built);
}

TEST(ReferenceValues, JsonHasOneLineForEachRegister) {
  const ReferenceValues values = compute(files());
  const std::string json = to_json(values);
  for (const ReferenceValue& value : values.platform) {
    EXPECT_THAT(json, ::testing::HasSubstr("\"" + std::to_string(value.pcr) + "\": \"" + to_hex(value.value) + "\""));
    EXPECT_THAT(json, ::testing::HasSubstr(to_hex(value.event)));
  }
  EXPECT_THAT(json, ::testing::HasSubstr("\"security_version\": 3"));
}

// The whole manifest, byte for byte, as the draft's CDDL spells it. `name` is 51 characters.
TEST(ReferenceValues, CorimIsTheDraftsEncoding) {
  const ReferenceValues values = compute(files());
  const std::string corim = to_hex(to_corim(values));
  const auto text = [](std::string_view characters) { return to_hex(provision::bytes_of(characters)); };
  const std::size_t at = corim.find(text("cofferdam-platform-"));
  ASSERT_NE(at, std::string::npos);
  const std::string name = "7833" + corim.substr(at, 2 * 51);
  const auto digests = [](const ReferenceValue& value) { return "028182075830" + to_hex(value.value); };
  const std::string comid = "a2" "01a100" + name +                                         // tag-identity
                            "04a1008182" "a100a20169" + text("Cofferdam") + "0268" + text("platform") +
                            "83" "a2000001a2" + digests(values.platform[0]) + "0b63" + text("rom") +
                            "a2000101a3" "01d9022803" + digests(values.platform[1]) + "0b67" + text("monitor") +
                            "a2000201a2" + digests(values.platform[2]) + "0b65" + text("board");
  const std::size_t size = comid.size() / 2;
  const std::array length_bytes{static_cast<std::uint8_t>(size / 256), static_cast<std::uint8_t>(size)};
  const std::string length = to_hex(length_bytes);
  EXPECT_EQ(corim, "d901f5" "a200" + name + "0181" "d901fa59" + length + comid);
}

TEST(ReferenceValues, OtherValuesHaveAnotherName) {
  BuiltFiles other = files();
  other.security_version = 4;
  const Bytes first = to_corim(compute(files())), second = to_corim(compute(other));
  EXPECT_NE(Bytes(first.begin() + 8, first.begin() + 59), Bytes(second.begin() + 8, second.begin() + 59));
  EXPECT_EQ(first, to_corim(compute(files())));
}

}  // namespace
}  // namespace reference_values
