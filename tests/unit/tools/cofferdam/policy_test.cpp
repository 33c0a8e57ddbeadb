// The forms of a policy, and that a slip of the pen is an error and not a weaker policy.
#include "tools/cofferdam/policy.hpp"

#include "tests/unit/tools/cofferdam/fixture_files.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::parse_policy;
using cofferdam::Policy;
using cofferdam::Unreadable;

std::string digest_of(int fill) { return cofferdam::to_hex(Bytes(48, static_cast<std::uint8_t>(fill))); }
Bytes value_of(int fill) { return Bytes(48, static_cast<std::uint8_t>(fill)); }

TEST(PolicyFile, NitroCliOutput) {
  const Policy policy = parse_policy(R"({"EifVersion": 4, "Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": ")" +
                                         digest_of(1) + R"(", "PCR8": ")" + digest_of(8) +
                                         R"("}, "IsSigned": true, "CheckCRC": true, "ImageName": "x"})",
                                     "file");
  EXPECT_EQ(policy.pcrs, (cofferdam::Allowed{{0, {value_of(1)}}, {8, {value_of(8)}}}));
  EXPECT_TRUE(policy.platform.empty());
}

TEST(PolicyFile, MeasurementsAlone) {
  const Policy policy =
      parse_policy(R"({"HashAlgorithm": "Sha384 { ... }", "PCR0": ")" + digest_of(1) + R"(", "PCR2": ")" + digest_of(2) + "\"}", "f");
  EXPECT_EQ(policy.pcrs, (cofferdam::Allowed{{0, {value_of(1)}}, {2, {value_of(2)}}}));
}

TEST(PolicyFile, AllowList) {
  const Policy policy = parse_policy(R"({"pcrs": {"0": [")" + digest_of(1) + R"(", ")" + digest_of(2) + R"("], "PCR31": ")" +
                                         digest_of(3) + R"("}, "platform": {"1": ")" + digest_of(4) + R"("}, "max_age_seconds": 60})",
                                     "f");
  EXPECT_EQ(policy.pcrs, (cofferdam::Allowed{{0, {value_of(1), value_of(2)}}, {31, {value_of(3)}}}));
  EXPECT_EQ(policy.platform, (cofferdam::Allowed{{1, {value_of(4)}}}));
  EXPECT_EQ(policy.max_age_seconds, 60U);
  EXPECT_FALSE(policy.min_security_version);
  EXPECT_EQ(parse_policy(R"({"min_security_version": 3})", "f").min_security_version, 3U);
}

TEST(PolicyFile, MistakesAreErrors) {
  const std::string good = "\"" + digest_of(1) + "\"";
  const std::vector<std::string> wrong{
      "",
      "{}",
      "[]",
      "{",
      R"({"pcrs": {}})",
      R"({"Measurements": {}})",
      R"({"Measurements": {"HashAlgorithm": "Sha384 { ... }"}})",
      R"({"Measurements": {"HashAlgorithm": "Sha256", "PCR0": )" + good + "}}",
      R"({"Measurements": {"PCR0": )" + good + R"(}, "Mesurements": {}})",
      R"({"PCR0": )" + good + R"(, "PCR32": )" + good + "}",
      R"({"PCR0": )" + good + R"(, "PRC1": )" + good + "}",
      R"({"PCR0": )" + good + R"(, "PCR0": )" + good + "}",
      R"({"PCR0": )" + good + R"(, "PCR00": )" + good + "}",
      R"({"PCR-1": )" + good + "}",
      R"({"PCR0": "12"})",
      R"({"PCR0": "0x)" + digest_of(1) + "\"}",
      R"({"PCR0": 0})",
      R"({"PCR0": null})",
      R"({"min_security_version": "3"})",
      R"({"min_security_version": -1})",
      R"({"pcrs": {"0": []}})",
      R"({"pcrs": {"0": [1]}})",
      R"({"pcrs": {"0": )" + good + R"(}, "max_age": 5})",
      R"({"pcrs": {"0": )" + good + R"(}, "max_age_seconds": -5})",
      R"({"pcrs": {"0": )" + good + R"(}, "max_age_seconds": "5"})",
      R"({"pcrs": {"0": )" + good + R"(}, "pcrs": {"1": )" + good + "}}",
      R"({"pcrs": [)" + good + "]}",
  };
  for (const std::string& text : wrong) EXPECT_THROW((void)parse_policy(text, "file"), Unreadable) << text;
}

TEST(PolicyFlags, NamesRegistersOnce) {
  const Policy policy = cofferdam::policy_of_flags({"0=" + digest_of(1), "31=" + digest_of(2)});
  EXPECT_EQ(policy.pcrs, (cofferdam::Allowed{{0, {value_of(1)}}, {31, {value_of(2)}}}));
  const std::vector<std::string> wrong{"0", "0=12", "32=" + digest_of(1), "=" + digest_of(1), "x=" + digest_of(1),
                                       "0x0=" + digest_of(1), "-0=" + digest_of(1), "0=" + digest_of(1) + "00", "0 =" + digest_of(1)};
  for (const std::string& flag : wrong) {
    EXPECT_THROW((void)cofferdam::policy_of_flags({flag}), Unreadable) << flag;
  }
  EXPECT_THROW((void)cofferdam::policy_of_flags({"0=" + digest_of(1), "0=" + digest_of(2)}), Unreadable);
}

TEST(ReferenceValues, AreAPlatformPolicy) {
  const Policy policy = cofferdam::parse_reference_values(
      R"({"format": 1, "security_version": 3, "platform_pcrs": {"0": ")" + digest_of(1) + R"("}, "events": []})", "f");
  EXPECT_EQ(policy.platform, (cofferdam::Allowed{{0, {value_of(1)}}}));
  EXPECT_TRUE(policy.pcrs.empty());
  EXPECT_EQ(policy.min_security_version, 3U);
  EXPECT_THROW((void)cofferdam::parse_reference_values(
                   R"({"security_version": "3", "platform_pcrs": {"0": ")" + digest_of(1) + R"("}})", "f"),
               Unreadable);
  EXPECT_THROW((void)cofferdam::parse_reference_values("{}", "f"), Unreadable);
  EXPECT_THROW((void)cofferdam::parse_reference_values(R"({"platform_pcrs": {}})", "f"), Unreadable);
}

}  // namespace
