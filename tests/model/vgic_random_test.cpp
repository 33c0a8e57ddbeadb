// The virtual interrupt controller against the specification, by random sequences. COFFERDAM_VGIC_RUNS: how many of each.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "tests/model/vgic_lockstep.hpp"

namespace {

[[nodiscard]] unsigned runs() {
  const char* const text = std::getenv("COFFERDAM_VGIC_RUNS");
  return text == nullptr ? 400 : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

void expect_sound(std::string (*run)(std::span<const std::uint8_t>)) {
  for (unsigned seed = 0; seed < runs(); ++seed) {
    std::mt19937 random(seed);
    std::vector<std::uint8_t> choices(2000);
    for (std::uint8_t& choice : choices) choice = static_cast<std::uint8_t>(random());
    const std::string difference = run(choices);
    ASSERT_EQ(difference, "") << "seed " << seed;
  }
}

TEST(VgicRandom, ServedAtOnceTheGuestCantTellItFromTheSpecification) { expect_sound(vgic_model::run_lockstep); }
TEST(VgicRandom, ServedLateNothingIsLostOrTakenTwiceOrTakenDisabled) { expect_sound(vgic_model::run_late); }
TEST(VgicRandom, AHostileGuestReachesNothingThatIsNotItsOwn) { expect_sound(vgic_model::run_hostile); }

}  // namespace
