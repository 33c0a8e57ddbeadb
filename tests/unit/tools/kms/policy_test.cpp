// Key policies: what is refused when it is written, and what each operator says of a request.
#include <gtest/gtest.h>

#include "tools/kms/errors.hpp"
#include "tools/kms/policy_evaluate.hpp"

namespace {

using kms::Decision;
using kms::RequestContext;

constexpr std::string_view kUser = "arn:aws:iam::111122223333:user/enclave-host";

std::string policy(const std::string& statements) { return R"({"Version": "2012-10-17", "Statement": [)" + statements + "]}"; }

std::string statement(const std::string& effect, const std::string& principal, const std::string& action,
                      const std::string& condition = "") {
  return R"({"Effect": ")" + effect + R"(", "Principal": )" + principal + R"(, "Action": )" + action + R"(, "Resource": "*")" +
         (condition.empty() ? "" : R"(, "Condition": )" + condition) + "}";
}

RequestContext request() {
  RequestContext context;
  context.action = "kms:Decrypt";
  context.resource = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  context.principal = kUser;
  context.account = "111122223333";
  context.keys = {{"kms:recipientattestation:imagesha384", {"aabb"}},
                  {"kms:recipientattestation:pcr3", {"cc"}},
                  {"kms:encryptioncontext:project", {"alpha"}},
                  {"kms:encryptioncontextkeys", {"Project", "Stage"}},
                  {"cofferdam:recipientattestation:smmuactive", {"true"}},
                  {"cofferdam:recipientattestation:sharedmemory", {"4096"}},
                  {"aws:currenttime", {"1767470000"}},
                  {"aws:principalarn", {std::string(kUser)}}};
  return context;
}

Decision decide(const std::string& text, const RequestContext& context = request()) {
  return kms::evaluate(kms::parse_key_policy(text), context);
}

std::string error_of(const std::string& text) {
  try {
    (void)kms::parse_key_policy(text);
  } catch (const kms::KmsError& error) {
    return std::string(kms::name_of(error.name()));
  }
  return "";
}

struct ConditionCase {
  const char* condition;
  bool holds;
};
void PrintTo(const ConditionCase& value, std::ostream* out) { *out << value.condition; }

class KmsPolicyCondition : public testing::TestWithParam<ConditionCase> {};

TEST_P(KmsPolicyCondition, DecidesTheStatement) {
  const Decision expected = GetParam().holds ? Decision::kAllowed : Decision::kNotAllowed;
  EXPECT_EQ(decide(policy(statement("Allow", R"("*")", R"("kms:Decrypt")", GetParam().condition))), expected);
}

#define IMAGE "\"kms:RecipientAttestation:ImageSha384\""
#define ABSENT "\"kms:RecipientAttestation:PCR7\""
#define ABSENT_NUMBER "\"cofferdam:RecipientAttestation:Memory\""
#define SHARED "\"cofferdam:RecipientAttestation:SharedMemory\""
#define KEYS "\"kms:EncryptionContextKeys\""
INSTANTIATE_TEST_SUITE_P(
    Operators, KmsPolicyCondition,
    testing::Values(
        ConditionCase{R"({"StringEquals": {)" IMAGE R"(: "aabb"}})", true},
        ConditionCase{R"({"StringEquals": {)" IMAGE R"(: "AABB"}})", false},
        ConditionCase{R"({"StringEquals": {)" IMAGE R"(: ["00", "aabb"]}})", true},
        ConditionCase{R"({"StringEquals": {"KMS:recipientattestation:IMAGESHA384": "aabb"}})", true},
        ConditionCase{R"({"StringEqualsIgnoreCase": {)" IMAGE R"(: "AABB"}})", true},
        ConditionCase{R"({"StringNotEquals": {)" IMAGE R"(: ["00", "aabb"]}})", false},
        ConditionCase{R"({"StringNotEquals": {)" IMAGE R"(: ["00", "11"]}})", true},
        ConditionCase{R"({"StringNotEqualsIgnoreCase": {)" IMAGE R"(: "AABB"}})", false},
        ConditionCase{R"({"StringLike": {)" IMAGE R"(: "a*b??"}})", false},
        ConditionCase{R"({"StringLike": {)" IMAGE R"(: "a*b"}})", true},
        ConditionCase{R"({"StringNotLike": {)" IMAGE R"(: "a*"}})", false},
        ConditionCase{R"({"StringEquals": {"kms:RecipientAttestation:PCR3": "cc"}})", true},
        ConditionCase{R"({"StringEquals": {"kms:EncryptionContext:Project": "alpha"}})", true},
        ConditionCase{R"({"StringEquals": {"kms:EncryptionContext:project": "alpha"}})", true},
        ConditionCase{R"({"StringNotEquals": {"KMS:encryptioncontext:PROJECT": "alpha"}})", false},
        ConditionCase{R"({"ForAnyValue:StringEquals": {)" KEYS R"(: ["project"]}})", false},
        ConditionCase{R"({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/enclave-*"}})", true},
        ConditionCase{R"({"ArnEquals": {"aws:PrincipalArn": "arn:*:user/enclave-host"}})", false},
        ConditionCase{R"({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/other"}})", true},
        ConditionCase{R"({"NumericEquals": {)" SHARED R"(: 4096}})", true},
        ConditionCase{R"({"NumericNotEquals": {)" SHARED R"(: "4096"}})", false},
        ConditionCase{R"({"NumericLessThan": {)" SHARED R"(: "4096"}})", false},
        ConditionCase{R"({"NumericLessThanEquals": {)" SHARED R"(: "4096"}})", true},
        ConditionCase{R"({"NumericGreaterThan": {)" SHARED R"(: "4095"}})", true},
        ConditionCase{R"({"NumericGreaterThanEquals": {)" SHARED R"(: "4097"}})", false},
        ConditionCase{R"({"DateLessThan": {"aws:CurrentTime": "2026-01-03T19:53:21Z"}})", true},
        ConditionCase{R"({"DateLessThan": {"aws:CurrentTime": "2026-01-03T19:53:20Z"}})", false},
        ConditionCase{R"({"DateLessThanEquals": {"aws:CurrentTime": "2026-01-03T19:53:20Z"}})", true},
        ConditionCase{R"({"DateGreaterThan": {"aws:CurrentTime": "2026-01-03"}})", true},
        ConditionCase{R"({"DateGreaterThanEquals": {"aws:CurrentTime": "2026-01-04"}})", false},
        ConditionCase{R"({"DateEquals": {"aws:CurrentTime": "1767470000"}})", true},
        ConditionCase{R"({"DateNotEquals": {"aws:CurrentTime": "1767470000"}})", false},
        ConditionCase{R"({"Bool": {"cofferdam:RecipientAttestation:SmmuActive": "true"}})", true},
        ConditionCase{R"({"Bool": {"cofferdam:RecipientAttestation:SmmuActive": false}})", false},
        ConditionCase{R"({"Null": {)" IMAGE R"(: "false"}})", true},
        ConditionCase{R"({"Null": {)" IMAGE R"(: "true"}})", false},
        ConditionCase{R"({"ForAllValues:StringEquals": {)" KEYS R"(: ["Project", "Stage", "More"]}})", true},
        ConditionCase{R"({"ForAllValues:StringEquals": {)" KEYS R"(: ["Project"]}})", false},
        ConditionCase{R"({"ForAnyValue:StringEquals": {)" KEYS R"(: ["Project"]}})", true},
        ConditionCase{R"({"ForAnyValue:StringEquals": {)" KEYS R"(: ["Other"]}})", false},
        ConditionCase{R"({"ForAnyValue:StringLike": {)" KEYS R"(: ["St*"]}})", true},
        // Two operators, and two keys under one: all must hold.
        ConditionCase{R"({"StringEquals": {)" IMAGE R"(: "aabb", "kms:RecipientAttestation:PCR3": "dd"}})", false},
        ConditionCase{R"({"StringEquals": {)" IMAGE R"(: "aabb"}, "StringLike": {"kms:RecipientAttestation:PCR3": "d*"}})", false}));

INSTANTIATE_TEST_SUITE_P(
    AbsentKeys, KmsPolicyCondition,
    testing::Values(ConditionCase{R"({"StringEquals": {)" ABSENT R"(: "aa"}})", false},
                    ConditionCase{R"({"StringEqualsIgnoreCase": {)" ABSENT R"(: "aa"}})", false},
                    ConditionCase{R"({"StringLike": {)" ABSENT R"(: "*"}})", false},
                    ConditionCase{R"({"StringNotEquals": {)" ABSENT R"(: "aa"}})", true},
                    ConditionCase{R"({"StringNotLike": {)" ABSENT R"(: "*"}})", true},
                    ConditionCase{R"({"StringEqualsIfExists": {)" ABSENT R"(: "aa"}})", true},
                    ConditionCase{R"({"NumericLessThan": {)" ABSENT_NUMBER R"(: "1"}})", false},
                    ConditionCase{R"({"NumericNotEquals": {)" ABSENT_NUMBER R"(: "1"}})", true},
                    ConditionCase{R"({"NumericLessThanIfExists": {)" ABSENT_NUMBER R"(: "1"}})", true},
                    ConditionCase{R"({"Bool": {"cofferdam:RecipientAttestation:Debug": "false"}})", false},
                    ConditionCase{R"({"BoolIfExists": {"cofferdam:RecipientAttestation:Debug": "false"}})", true},
                    ConditionCase{R"({"Null": {)" ABSENT R"(: "true"}})", true},
                    ConditionCase{R"({"Null": {)" ABSENT R"(: "false"}})", false},
                    ConditionCase{R"({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}})", false},
                    ConditionCase{R"({"ForAllValues:StringEquals": {)" ABSENT R"(: "aa"}})", true},
                    ConditionCase{R"({"ForAnyValue:StringEquals": {)" ABSENT R"(: "aa"}})", false}));

TEST(KmsPolicy, DeniesByDefaultAndExplicitDenyWins) {
  EXPECT_EQ(decide(policy(statement("Allow", R"("*")", R"("kms:Encrypt")"))), Decision::kNotAllowed);
  const std::string allow = statement("Allow", R"("*")", R"("kms:*")");
  EXPECT_EQ(decide(policy(allow)), Decision::kAllowed);
  EXPECT_EQ(decide(policy(allow + "," + statement("Deny", R"("*")", R"("kms:D*")"))), Decision::kDenied);
  EXPECT_EQ(decide(policy(statement("Deny", R"("*")", R"(["kms:Encrypt", "kms:decrypt"])") + "," + allow)), Decision::kDenied);
}

// An encryption context with "Project" and "project": which of them a policy means can't be said, so each must be right.
TEST(KmsPolicy, OfSeveralValuesAllMustBeAllowedAndOneIsEnoughForADeny) {
  RequestContext context = request();
  context.keys["kms:encryptioncontext:project"] = {"alpha", "beta"};
  const auto with = [](const std::string& effect, const std::string& comparison, const std::string& values) {
    return statement(effect, R"("*")", R"("kms:*")", R"({")" + comparison + R"(": {"kms:EncryptionContext:Project": )" + values + "}}");
  };
  const std::string all = statement("Allow", R"("*")", R"("kms:*")");
  EXPECT_EQ(decide(policy(with("Allow", "StringEquals", R"("alpha")")), context), Decision::kNotAllowed);
  EXPECT_EQ(decide(policy(with("Allow", "StringEquals", R"(["alpha", "beta"])")), context), Decision::kAllowed);
  EXPECT_EQ(decide(policy(with("Allow", "StringNotEquals", R"("alpha")")), context), Decision::kNotAllowed);
  for (const std::string value : {R"("alpha")", R"("beta")"}) {
    EXPECT_EQ(decide(policy(all + "," + with("Deny", "StringEquals", value)), context), Decision::kDenied) << value;
    EXPECT_EQ(decide(policy(all + "," + with("Deny", "StringNotEquals", value)), context), Decision::kDenied) << value;
  }
  EXPECT_EQ(decide(policy(all + "," + with("Deny", "StringNotEquals", R"(["alpha", "beta"])")), context), Decision::kAllowed);
}

TEST(KmsPolicy, MatchesPrincipals) {
  const auto allowed = [](const std::string& principal) { return decide(policy(statement("Allow", principal, R"("*")"))); };
  EXPECT_EQ(allowed(R"({"AWS": "*"})"), Decision::kAllowed);
  EXPECT_EQ(allowed(R"({"AWS": "arn:aws:iam::111122223333:user/enclave-host"})"), Decision::kAllowed);
  EXPECT_EQ(allowed(R"({"AWS": ["arn:aws:iam::111122223333:user/x", "arn:aws:iam::111122223333:user/enclave-host"]})"),
            Decision::kAllowed);
  EXPECT_EQ(allowed(R"({"AWS": "arn:aws:iam::111122223333:user/enclave-hos"})"), Decision::kNotAllowed);
}

TEST(KmsPolicy, AnAllowForTheAccountNeedsTheAccountsPermission) {
  for (const std::string principal : {R"({"AWS": "111122223333"})", R"({"AWS": "arn:aws:iam::111122223333:root"})"}) {
    const std::string allow = policy(statement("Allow", principal, R"("kms:*")"));
    EXPECT_EQ(decide(allow), Decision::kNotAllowed);
    RequestContext permitted = request();
    permitted.account_permits = true;
    EXPECT_EQ(decide(allow, permitted), Decision::kAllowed);
    permitted.account = "999999999999";
    EXPECT_EQ(decide(allow, permitted), Decision::kNotAllowed);
    EXPECT_EQ(decide(policy(statement("Allow", R"("*")", R"("*")") + "," + statement("Deny", principal, R"("*")"))), Decision::kDenied);
  }
}

TEST(KmsPolicy, NotActionAndResourceSelect) {
  const auto with = [](const std::string& middle) {
    return decide(policy(R"({"Effect": "Allow", "Principal": "*", )" + middle + "}"));
  };
  EXPECT_EQ(with(R"("NotAction": "kms:Encrypt", "Resource": "*")"), Decision::kAllowed);
  EXPECT_EQ(with(R"("NotAction": ["kms:Enc*", "kms:Dec*"], "Resource": "*")"), Decision::kNotAllowed);
  EXPECT_EQ(with(R"("Action": "*", "Resource": "arn:aws:kms:us-east-1:111122223333:key/*")"), Decision::kAllowed);
  EXPECT_EQ(with(R"("Action": "*", "Resource": "arn:aws:kms:us-east-1:111122223333:key/0*")"), Decision::kNotAllowed);
  EXPECT_EQ(with(R"("Action": "*", "NotResource": "arn:aws:kms:*")"), Decision::kNotAllowed);
}

class KmsPolicyMalformed : public testing::TestWithParam<const char*> {};

TEST_P(KmsPolicyMalformed, IsRefused) { EXPECT_EQ(error_of(GetParam()), "MalformedPolicyDocumentException"); }

#define WITH_CONDITION(text) \
  R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": )" text "}}"
INSTANTIATE_TEST_SUITE_P(
    Documents, KmsPolicyMalformed,
    testing::Values(
        WITH_CONDITION(R"({"StringLike": {"aws:CurrentTime": "2026-12-*"}})"), WITH_CONDITION(R"({"StringEquals": {"cofferdam:RecipientAttestation:Debug": "True"}})"),
        "", "[]", "{", R"({"Statement": []})", R"({"Version": "2012-10-17"})", R"({"Version": "2012-10-17", "Statement": []})",
        R"({"Version": "2024-01-01", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "allow", "Principal": "*", "Action": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "NotAction": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": [], "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "x"}, "Action": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "NotPrincipal": "*", "Action": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/*"}, "Action": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "somebody"}, "Action": "*", "Resource": "*"}})",
        R"({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}})",
        WITH_CONDITION(R"({"StringEqualss": {"kms:ViaService": "a"}})"), WITH_CONDITION(R"({"StringEquals": {"kms:Unknown": "a"}})"),
        WITH_CONDITION(R"({"StringEquals": {"kms:RecipientAttestation:PCR32": "a"}})"),
        WITH_CONDITION(R"({"StringEquals": {"kms:RecipientAttestation:PCR01": "a"}})"),
        WITH_CONDITION(R"({"StringEquals": {"kms:ViaService": []}})"), WITH_CONDITION(R"({"StringEquals": {"kms:ViaService": {}}})"),
        WITH_CONDITION(R"({"StringEquals": {"kms:ViaService": "${aws:username}"}})"), WITH_CONDITION(R"({"StringEquals": {}})"),
        WITH_CONDITION(R"({"StringEquals": {"kms:EncryptionContextKeys": "a"}})"),
        WITH_CONDITION(R"({"NumericLessThan": {"aws:PrincipalArn": "1"}})"),
        WITH_CONDITION(R"({"NumericLessThan": {"cofferdam:RecipientAttestation:Memory": "many"}})"),
        WITH_CONDITION(R"({"DateLessThan": {"aws:CurrentTime": "tomorrow"}})"),
        WITH_CONDITION(R"({"DateLessThan": {"aws:CurrentTime": "2026-13-01"}})"),
        WITH_CONDITION(R"({"Bool": {"cofferdam:RecipientAttestation:Debug": "no"}})"),
        WITH_CONDITION(R"({"NullIfExists": {"kms:ViaService": "true"}})"),
        WITH_CONDITION(R"({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})")));

TEST(KmsPolicy, TheDefaultIsReadable) {
  RequestContext permitted = request();
  permitted.account_permits = true;
  EXPECT_EQ(decide(kms::default_key_policy({"us-east-1", "111122223333"}), permitted), Decision::kAllowed);
}

TEST(KmsPolicy, AboveItsBoundIsRefused) {
  EXPECT_EQ(error_of(std::string(kms::kMaxPolicy + 1, ' ')), "LimitExceededException");
}

TEST(KmsPolicy, PatternsEndInTime) {
  EXPECT_FALSE(kms::matches_pattern(std::string(64, '*') + "b", std::string(4096, 'a')));
  EXPECT_TRUE(kms::matches_pattern("a*b*c?", "aXbYbZcd"));
  EXPECT_FALSE(kms::matches_pattern("a?", "a"));
  EXPECT_TRUE(kms::matches_pattern("*", ""));
}

}  // namespace
