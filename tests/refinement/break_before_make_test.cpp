// The automaton against hand-made traces: one good, and one for each fault that it must find.
#include "tests/refinement/break_before_make.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Table frames at 1000.. ; partition 1 has root 1000, level-2 table 2000; partition 2 has root 3000, level-2 4000.
// A level-2 block for 40000000 is 400007fd here; attributes don't matter.
constexpr char kSetUp[] = R"(
# partition 1 maps two blocks at 40000000
take 1000
create 1 1000
take 2000
write 1 2000 0 0 0 40000401
write 1 2008 0 0 0 40200401
write 1 1008 1 40000000 0 2003
# partition 2: an empty level-2 table
take 3000
create 2 3000
take 4000
write 2 3010 1 80000000 0 4003
)";

std::vector<std::string> objections(const std::string& trace, bool with_set_up = true) {
  refinement::BreakBeforeMake automaton;
  for (const host::Event& event : host::parse_trace((with_set_up ? kSetUp : "") + trace)) automaton.step(event);
  return automaton.objections();
}

TEST(BreakBeforeMake, TakesACorrectDonation) {
  EXPECT_THAT(objections(R"(
write 1 2000 2 40000000 40000401 0
tlbi 1 40000000 200000
dsb
scrub 40000000 200
write 2 4000 2 80000000 0 40000401
)"),
              IsEmpty());
}

TEST(BreakBeforeMake, TakesACorrectSplit) {
  EXPECT_THAT(objections(R"(
take 5000
write 1 5000 0 0 0 40000403
write 1 2000 2 40000000 40000401 0
tlbi 1 40000000 200000
dsb
write 1 2000 2 40000000 0 5003
)"),
              IsEmpty());
}

TEST(BreakBeforeMake, FindsAMissingBreak) {
  EXPECT_THAT(objections("write 1 2000 2 40000000 40000401 40400401\n"),
              ElementsAre(HasSubstr("valid to valid without a break")));
}

TEST(BreakBeforeMake, FindsAMissingInvalidation) {
  EXPECT_THAT(objections(R"(
write 1 2000 2 40000000 40000401 0
dsb
write 1 2000 2 40000000 0 40400401
)"),
              ElementsAre(HasSubstr("made valid again")));
}

TEST(BreakBeforeMake, ALeafMayComeBackAsItWas) {
  EXPECT_THAT(objections("write 1 2000 2 40000000 40000401 0\nwrite 1 2000 2 40000000 0 40000401\n"), IsEmpty());
}

TEST(BreakBeforeMake, ATableMayBeLinkedAgainButNotAnother) {
  const std::string unlinked = "write 1 2000 2 40000000 40000401 0\nwrite 1 1008 1 40000000 2003 0\n";
  EXPECT_THAT(objections(unlinked + "write 1 1008 1 40000000 0 2003\n"), IsEmpty());
  EXPECT_THAT(objections(unlinked + "take 5000\nwrite 1 1008 1 40000000 0 5003\n"),
              ElementsAre(HasSubstr("made valid again")));
  EXPECT_THAT(objections(unlinked + "write 1 1008 1 40000000 0 2003\nwrite 1 2000 2 40000000 0 40400401\n"),
              ElementsAre(HasSubstr("made valid again")));
}

TEST(BreakBeforeMake, FindsAMissingBarrier) {
  EXPECT_THAT(objections(R"(
write 1 2000 2 40000000 40000401 0
tlbi 1 40000000 200000
write 1 2000 2 40000000 0 40400401
)"),
              ElementsAre(HasSubstr("made valid again")));
}

TEST(BreakBeforeMake, FindsAnInvalidationOfTheWrongPartition) {
  EXPECT_THAT(objections(R"(
write 1 2000 2 40000000 40000401 0
tlbi 2 40000000 200000
dsb
write 2 4000 2 80000000 0 40000401
)"),
              ElementsAre(HasSubstr("another partition may still hold")));
}

TEST(BreakBeforeMake, FindsAnInvalidationOfTooShortARange) {
  EXPECT_THAT(objections(R"(
write 1 2000 2 40000000 40000401 0
tlbi 1 40000000 1ff000
dsb
write 2 4000 2 80000000 0 40000401
)"),
              ElementsAre(HasSubstr("another partition may still hold")));
}

TEST(BreakBeforeMake, FindsAnInvalidationThatCameTooEarly) {
  EXPECT_THAT(objections(R"(
tlbi 1 40000000 200000
write 1 2000 2 40000000 40000401 0
dsb
scrub 40000000 200
)"),
              ElementsAre(HasSubstr("may still be held")));
}

TEST(BreakBeforeMake, FindsAFrameThatTheSmmuMayStillHold) {
  const std::string attached = "ste 8 1\ncfgi 8\nsync\n";
  const std::string broken = "write 1 2000 2 40000000 40000401 0\ntlbi 1 40000000 200000\ndsb\n";
  const std::string given = "write 2 4000 2 80000000 0 40000401\n";
  EXPECT_THAT(objections(broken + given), IsEmpty()) << "without a device no SMMU invalidation is due";
  EXPECT_THAT(objections(attached + broken + given), ElementsAre(HasSubstr("another partition may still hold")));
  EXPECT_THAT(objections(attached + broken + "stlbi 1\n" + given),
              ElementsAre(HasSubstr("another partition may still hold")));
  EXPECT_THAT(objections(attached + broken + "sync\n" + given), ElementsAre(HasSubstr("another partition may still hold")));
  EXPECT_THAT(objections(attached + broken + "stlbi 2\nsync\n" + given),
              ElementsAre(HasSubstr("another partition may still hold")));
  EXPECT_THAT(objections(attached + broken + "stlbi 1\nsync\n" + given), IsEmpty());
}

TEST(BreakBeforeMake, FindsAScrubOfFramesThatAreStillMapped) {
  const auto finding = ElementsAre(HasSubstr("runs and still maps"));
  EXPECT_THAT(objections("scrub 40001000 1\n"), IsEmpty()) << "nobody runs: an enclave that is being loaded";
  EXPECT_THAT(objections("enter 2 1\nscrub 40001000 1\n"), finding);
  EXPECT_THAT(objections("enter 2 1\nleave 2 1\nscrub 40001000 1\n"), IsEmpty());
  EXPECT_THAT(objections("enter 2 2\nscrub 40001000 1\n"), IsEmpty());
  EXPECT_THAT(objections("ste 8 1\ncfgi 8\nsync\nscrub 40001000 1\n"), finding);
}

TEST(BreakBeforeMake, FindsATableFreedTooEarly) {
  EXPECT_THAT(objections("free 2000\n"), ElementsAre(HasSubstr("still linked")));
  EXPECT_THAT(objections("write 1 1008 1 40000000 2003 0\nfree 2000\n"), ElementsAre(HasSubstr("the way to this table")));
  EXPECT_THAT(objections("write 1 1008 1 40000000 2003 0\ntlbi 1 40000000 40000000\ndsb\nfree 2000\n"), IsEmpty());
  EXPECT_THAT(objections("free 9000\n"), ElementsAre(HasSubstr("no table")));
}

TEST(BreakBeforeMake, FindsFramesBelowAnUnlinkedTable) {
  EXPECT_THAT(objections("write 1 1008 1 40000000 2003 0\nscrub 40200000 1\n"),
              ElementsAre(HasSubstr("may still be held")));
}

TEST(BreakBeforeMake, FindsATableMappedForAPartition) {
  EXPECT_THAT(objections("write 2 4008 2 80200000 0 401\n"), ElementsAre(HasSubstr("a table frame is mapped")));
  EXPECT_THAT(objections("write 2 4008 2 80200000 0 40000003\n"), ElementsAre(HasSubstr("not taken as a table")));
}

TEST(BreakBeforeMake, FindsAStreamThatChangesHandsWithoutAbort) {
  EXPECT_THAT(objections("ste 8 1\ncfgi 8\nsync\nste 8 2\n"), ElementsAre(HasSubstr("not aborted")));
}

TEST(BreakBeforeMake, FindsAStreamWhoseOldEntryMayBeCached) {
  EXPECT_THAT(objections("ste 8 1\ncfgi 8\nsync\nste 8 0\nste 8 2\n"), ElementsAre(HasSubstr("older entry")));
  EXPECT_THAT(objections("ste 8 1\ncfgi 8\nsync\nste 8 0\ncfgi 8\nste 8 2\n"), ElementsAre(HasSubstr("older entry")));
  EXPECT_THAT(objections("ste 8 1\ncfgi 8\nsync\nste 8 0\nsync\nste 8 2\n"), ElementsAre(HasSubstr("older entry")));
  EXPECT_THAT(objections("ste 8 1\ncfgi 8\nsync\nste 8 0\ncfgi 8\nsync\nste 8 2\n"), IsEmpty());
}

TEST(BreakBeforeMake, FindsAnAddressSpaceThatEndsTooEarly) {
  EXPECT_THAT(objections("destroy 1\n"), ElementsAre(HasSubstr("still maps"), HasSubstr("still maps")));
  EXPECT_THAT(objections("write 1 1008 1 40000000 2003 2002\ndestroy 1\n"), ElementsAre(HasSubstr("may still be held")));
  EXPECT_THAT(objections("write 1 1008 1 40000000 2003 2002\ntlbi 1 0 0\ndsb\nfree 2000\ndestroy 1\n"), IsEmpty());
  EXPECT_THAT(objections("write 1 1008 1 40000000 2003 2002\ntlbi 1 0 0\ndsb\nste 8 2\ncfgi 8\nsync\nste 8 1\n"),
              ElementsAre(HasSubstr("not aborted")));
}

TEST(BreakBeforeMake, ARootIsGivenBackEmptyAndForgotten) {
  const std::string emptied = "write 1 1008 1 40000000 2003 2002\n";
  EXPECT_THAT(objections("free 1000\n"), ElementsAre(HasSubstr("still linked")));
  EXPECT_THAT(objections(emptied + "free 1000\n"), ElementsAre(HasSubstr("may still be held")));
  EXPECT_THAT(objections(emptied + "tlbi 1 0 8000000000\ndsb\nfree 2000\nfree 1000\ndestroy 1\n"), IsEmpty());
}

TEST(BreakBeforeMake, FindsATraceThatContradictsItself) {
  EXPECT_THAT(objections("write 1 2000 2 40000000 0 0\n"), ElementsAre(HasSubstr("held something else")));
  EXPECT_THAT(objections("write 2 2010 2 40400000 0 40400401\n"), ElementsAre(HasSubstr("another partition")));
}

}  // namespace
