// The events of a boot: what goes into each, and that nothing is left out.
#include "firmware/rom/boot_measurements.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string_view>
#include <vector>

#include "tests/unit/firmware/hex_text.hpp"

namespace rom {
namespace {

using test_data::to_hex;

struct Inputs {
  std::vector<std::uint8_t> code = std::vector<std::uint8_t>(1000, 0x11);
  measure::Digest signer{};
  measure::Manifest manifest{};
};

Inputs good() {
  Inputs inputs;
  inputs.signer.fill(0x22);
  inputs.manifest.image_digest.fill(0x33);
  inputs.manifest.security_version = 0x01020304;
  inputs.manifest.board_digest.fill(0x44);
  return inputs;
}
BootEvents events_of(const Inputs& inputs) { return measure_boot(inputs.code, inputs.signer, inputs.manifest); }

// Known answers, made with Python's hashlib from the definition in the header.
TEST(BootMeasurements, KnownAnswers) {
  const BootEvents events = events_of(good());
  EXPECT_EQ(to_hex(events[0].digest),
            "1e38d43bdae50ffdedec98341dd74a2472ccf67ed111ce1fe08426dc42cb9692affc3c8f03397aa08fbfdf997673ba7e");
  EXPECT_EQ(to_hex(events[1].digest),
            "d0e8bea8694af1b57956709b6f0f423afec3b37c467535dd9c2c2e0b5b3b79795f8e2b67d6ab4698927c66768836c227");
  EXPECT_EQ(events[2].digest, good().manifest.board_digest);
}

TEST(BootMeasurements, EventsNameTheirRegisters) {
  const BootEvents events = events_of(good());
  EXPECT_EQ(events[0].pcr, 0u);
  EXPECT_EQ(events[1].pcr, 1u);
  EXPECT_EQ(events[2].pcr, 2u);
  EXPECT_EQ(std::string_view{events[0].name.data()}, "rom");
  EXPECT_EQ(std::string_view{events[1].name.data()}, "monitor");
  EXPECT_EQ(std::string_view{events[2].name.data()}, "board");
}

TEST(BootMeasurements, EachInputChangesItsOwnEventAndNoOther) {
  const BootEvents before = events_of(good());
  const auto changes = [&](const std::function<void(Inputs&)>& change) {
    Inputs inputs = good();
    change(inputs);
    const BootEvents after = events_of(inputs);
    unsigned changed = 0;
    for (std::size_t i = 0; i < after.size(); ++i) changed |= (after[i].digest != before[i].digest ? 1u : 0u) << i;
    return changed;
  };
  EXPECT_EQ(changes([](Inputs& i) { i.code.back() ^= 1; }), 0b001u);
  EXPECT_EQ(changes([](Inputs& i) { i.code.push_back(0xff); }), 0b001u);
  EXPECT_EQ(changes([](Inputs& i) { i.signer[47] ^= 1; }), 0b001u);
  EXPECT_EQ(changes([](Inputs& i) { i.manifest.image_digest[0] ^= 1; }), 0b010u);
  EXPECT_EQ(changes([](Inputs& i) { i.manifest.security_version ^= 0x01000000; }), 0b010u);
  EXPECT_EQ(changes([](Inputs& i) { i.manifest.board_digest[0] ^= 1; }), 0b100u);
}

}  // namespace
}  // namespace rom
