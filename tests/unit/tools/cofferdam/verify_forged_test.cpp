// Documents of a chain that the test owns: each wrong in one way, each refused for that reason and no other.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/tools/cofferdam/forged_document.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cofferdam::Policy;
using cofferdam::Reason;
using cofferdam::Report;
using cofferdam::VerifyOptions;
using crypto::CertificateKind;
using forged::find_in;
using forged::Forgery;
using forged::kNow;

// The refusal's reason, with its message shown when a test fails.
std::optional<Reason> refused(const Forgery& forgery, const VerifyOptions& options) {
  const Report report = cofferdam::verify_document(forgery.document(), options);
  if (report.refused) testing::Test::RecordProperty("message", report.message);
  return report.refused;
}
std::optional<Reason> refused(const Forgery& forgery) { return refused(forgery, forgery.options()); }

TEST(ForgedDocument, AnHonestOneIsAccepted) {
  const Forgery forgery;
  const Report report = cofferdam::verify_document(forgery.document(), forgery.options());
  EXPECT_FALSE(report.refused) << report.message;
  EXPECT_TRUE(report.signature_valid);
  EXPECT_FALSE(report.debug);
  EXPECT_FALSE(report.development);
  EXPECT_FALSE(report.platform);
}

// ---- COSE ---------------------------------------------------------------------------------------------------

TEST(ForgedDocument, OnlyEs384InTheProtectedHeaderIsTaken) {
  for (const Bytes& header : {Bytes{0xa1, 0x01, 0x26}, Bytes{0xa1, 0x01, 0x38, 0x23}, Bytes{0xa1, 0x01, 0x05},
                              Bytes{0xa0}, Bytes{}, Bytes{0xa1, 0x04, 0x38, 0x22}}) {
    Forgery forgery;
    forgery.protected_header = header;
    EXPECT_EQ(refused(forgery), Reason::kAlgorithm) << cofferdam::to_hex(header);
  }
  Forgery forgery;
  forgery.protected_header = {};
  forgery.unprotected_header = {0xa1, 0x01, 0x38, 0x22};  // not signed: worth nothing
  EXPECT_EQ(refused(forgery), Reason::kAlgorithm);
}

TEST(ForgedDocument, DuplicateAndCriticalHeadersMakeItUnreadable) {
  const std::vector<Bytes> headers{{0xa2, 0x01, 0x38, 0x22, 0x01, 0x38, 0x22},  // alg twice
                                   {0xa2, 0x01, 0x38, 0x22, 0x02, 0x81, 0x01},  // crit
                                   {0xa1, 0x01, 0x38, 0x22, 0x00},              // a byte after the map
                                   {0xa1, 0x01, 0x67, 0x45, 0x53, 0x33, 0x38, 0x34, 0x20, 0x20}};  // alg as text
  for (const Bytes& header : headers) {
    Forgery forgery;
    forgery.protected_header = header;
    EXPECT_THROW((void)refused(forgery), cofferdam::Unreadable) << cofferdam::to_hex(header);
  }
  Forgery forgery;
  forgery.unprotected_header = {0xa1, 0x01, 0x38, 0x22};  // the same label in both headers
  EXPECT_THROW((void)refused(forgery), cofferdam::Unreadable);
}

TEST(ForgedDocument, NothingMayFollow) {
  for (const Bytes& suffix : {Bytes{0x00}, Bytes{0xf6}, Bytes(100, 0xff)}) {
    Forgery forgery;
    forgery.suffix = suffix;
    EXPECT_EQ(refused(forgery), Reason::kEncoding);
  }
}

TEST(ForgedDocument, OtherTagsAreUnreadable) {
  Forgery forgery;
  forgery.prefix = {0xd1};  // 17, COSE_Mac0
  EXPECT_THROW((void)refused(forgery), cofferdam::Unreadable);
  forgery.prefix = {0xd2, 0xd2};
  EXPECT_THROW((void)refused(forgery), cofferdam::Unreadable);
}

TEST(ForgedDocument, TheLeafsKeyMustHaveSignedIt) {
  Forgery forgery;
  forgery.signer = "monitor";
  EXPECT_EQ(refused(forgery), Reason::kSignature);
}

TEST(ForgedDocument, SignaturesOutOfRangeAreRefused) {
  const std::vector<std::function<void(Bytes&)>> edits{
      [](Bytes& s) { std::fill(s.begin(), s.begin() + 48, std::uint8_t{0}); },     // r = 0
      [](Bytes& s) { std::fill(s.begin() + 48, s.end(), std::uint8_t{0}); },       // s = 0
      [](Bytes& s) { std::fill(s.begin(), s.end(), std::uint8_t{0}); },
      [](Bytes& s) { std::fill(s.begin(), s.begin() + 48, std::uint8_t{0xff}); },  // r >= n
      [](Bytes& s) { std::fill(s.begin() + 48, s.end(), std::uint8_t{0xff}); },    // s >= n
      [](Bytes& s) { s.pop_back(); },
      [](Bytes& s) { s.push_back(0); },
      [](Bytes& s) { s.clear(); },
  };
  for (std::size_t i = 0; i < edits.size(); ++i) {
    Forgery forgery;
    forgery.edit_signature = edits[i];
    EXPECT_EQ(refused(forgery), Reason::kSignature) << i;
  }
}

// ---- payload ------------------------------------------------------------------------------------------------

// A payload that differs by its own rules, signed rightly.
void expect_bad_payload(const std::function<void(Bytes&)>& edit, const char* what) {
  Forgery forgery;
  forgery.edit_payload = edit;
  EXPECT_EQ(refused(forgery), Reason::kPayload) << what;
}
void replace(Bytes& bytes, std::string_view from, std::string_view to) {
  const std::size_t at = find_in(bytes, cofferdam::as_bytes(from));
  std::copy(to.begin(), to.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}
// One more pair at the end of the map.
void append_pair(Bytes& bytes, const Bytes& pair) {
  ++bytes[0];
  bytes.insert(bytes.end(), pair.begin(), pair.end());
}
Bytes pair_of(std::string_view key, const Bytes& value) {
  forged::CborWriter writer;
  writer.text(key);
  Bytes pair = writer.result();
  pair.insert(pair.end(), value.begin(), value.end());
  return pair;
}

TEST(ForgedPayload, KeysStandOnce) {
  expect_bad_payload([](Bytes& p) { append_pair(p, pair_of("nonce", {0x41, 0x09})); }, "nonce twice");
  expect_bad_payload([](Bytes& p) { append_pair(p, pair_of("module_id", {0x61, 0x41})); }, "module_id twice");
  expect_bad_payload([](Bytes& p) { append_pair(p, pair_of("pcrs", {0xa0})); }, "pcrs twice");
  Forgery forgery;
  forgery.edit_payload = [](Bytes& p) { append_pair(p, pair_of("x", {0xf6})), append_pair(p, pair_of("x", {0xf6})); };
  EXPECT_EQ(refused(forgery), Reason::kPayload);
}

TEST(ForgedPayload, UnknownKeysAreSkipped) {
  for (const Bytes& value : {Bytes{0xf6}, Bytes{0x82, 0x01, 0xa1, 0x61, 0x41, 0x81, 0x02}, Bytes{0x9f, 0x01, 0xff},
                             Bytes{0xf9, 0x3c, 0x00}, Bytes{0xc1, 0x00}}) {
    Forgery forgery;
    forgery.edit_payload = [&](Bytes& p) { append_pair(p, pair_of("later", value)); };
    EXPECT_FALSE(refused(forgery)) << cofferdam::to_hex(value);
  }
}

TEST(ForgedPayload, MalformedCborIsRefused) {
  expect_bad_payload([](Bytes& p) { p.push_back(0); }, "a byte after the map");
  expect_bad_payload([](Bytes& p) { p.pop_back(); }, "cut off");
  expect_bad_payload([](Bytes& p) { ++p[0]; }, "a pair too few");
  expect_bad_payload([](Bytes& p) { p[0] = 0x9f; }, "an array");
  expect_bad_payload([](Bytes& p) { append_pair(p, pair_of("x", {0x1c})); }, "reserved additional information");
  expect_bad_payload([](Bytes& p) { append_pair(p, pair_of("x", {0x5f, 0x41, 0x00, 0xff})); }, "string in chunks");
  expect_bad_payload([](Bytes& p) { append_pair(p, pair_of("x", Bytes(4000, 0x81))); }, "nested deeply");
  expect_bad_payload([](Bytes& p) { append_pair(p, pair_of("x", {0x9b, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})); },
                     "a length that can't be there");
  expect_bad_payload([](Bytes& p) { append_pair(p, {0x01, 0x02}); }, "a key that is not text");
  expect_bad_payload([](Bytes& p) { append_pair(p, {0x61, 0xff, 0x02}); }, "a key that is not UTF-8");
}

TEST(ForgedPayload, IndefiniteMapsAreTaken) {
  Forgery forgery;
  forgery.edit_payload = [](Bytes& p) {
    p[0] = 0xbf;
    p.push_back(0xff);
  };
  EXPECT_FALSE(refused(forgery));
  forgery.edit_payload = [](Bytes& p) { p[0] = 0xbf; };  // without its end
  EXPECT_EQ(refused(forgery), Reason::kPayload);
}

TEST(ForgedPayload, FieldsHaveTheirTypeAndSize) {
  expect_bad_payload([](Bytes& p) { replace(p, "SHA384", "SHA256"); }, "another digest");
  expect_bad_payload([](Bytes& p) { replace(p, "module_id", "moduleXid"); }, "module_id missing");
  expect_bad_payload([](Bytes& p) { replace(p, "timestamp", "timestamq"); }, "timestamp missing");
  expect_bad_payload([](Bytes& p) { replace(p, "cabundle", "cabundlf"); }, "cabundle missing");
  expect_bad_payload([](Bytes& p) { replace(p, "certificate", "certificatf"); }, "certificate missing");
  expect_bad_payload([](Bytes& p) { replace(p, "pcrs", "pcrt"); }, "pcrs missing");
  Forgery forgery;
  forgery.timestamp = 0;
  EXPECT_EQ(refused(forgery), Reason::kPayload);
  forgery = {};
  forgery.nonce = Bytes(1025, 1);
  EXPECT_EQ(refused(forgery), Reason::kPayload);
  forgery.nonce = Bytes(1024, 1);
  EXPECT_FALSE(refused(forgery));
  forgery = {};
  forgery.public_key = Bytes{};
  EXPECT_EQ(refused(forgery), Reason::kPayload);
  forgery = {};
  forgery.user_data = Bytes{};  // real documents have it
  EXPECT_FALSE(refused(forgery));
}

TEST(ForgedPayload, RegistersAreFortyEightBytesAndBelow32) {
  Forgery forgery;
  forgery.pcrs[3] = Bytes(32, 1);
  EXPECT_EQ(refused(forgery), Reason::kPayload);
  forgery = {};
  forgery.pcrs[32] = Bytes(48, 1);
  EXPECT_EQ(refused(forgery), Reason::kPayload);
  forgery = {};
  forgery.pcrs.clear();
  EXPECT_EQ(refused(forgery), Reason::kPayload);
  forgery = {};
  forgery.edit_payload = [](Bytes& p) {  // register 15 becomes a second register 14
    const Bytes last{0x0f, 0x58, 0x30};
    p[find_in(p, last)] = 0x0e;
  };
  EXPECT_EQ(refused(forgery), Reason::kPayload);
}

// ---- chain --------------------------------------------------------------------------------------------------

TEST(ForgedChain, AnotherRootIsRefused) {
  Forgery forgery;
  VerifyOptions options = forgery.options();
  forgery.links[0].name = "other";
  EXPECT_EQ(refused(forgery, options), Reason::kRoot);
  options.anchors.roots.push_back(forged::certificate_of(forgery.links, 0));
  EXPECT_FALSE(refused(forgery, options));  // one of several roots
  options.anchors.roots.clear();
  EXPECT_EQ(refused(forgery, options), Reason::kRoot);  // AWS's alone
}

// The same name and key as the accepted root, another certificate: only the very bytes count.
TEST(ForgedChain, ALookAlikeOfTheRootIsRefused) {
  Forgery forgery;
  forgery.links[0].not_after += 1;
  EXPECT_EQ(refused(forgery), Reason::kRoot);
}

TEST(ForgedChain, EachLinkMustBeSignedByTheOneBefore) {
  for (std::size_t i = 1; i < 5; ++i) {
    Forgery forgery;
    forgery.links[i].signer = "stranger";
    EXPECT_EQ(refused(forgery), Reason::kChain) << i;
    forgery = {};
    forgery.links[i].issuer_name = "stranger";
    EXPECT_EQ(refused(forgery), Reason::kChain) << i;
  }
}

TEST(ForgedChain, OrderMatters) {
  Forgery forgery;
  for (std::size_t i = 0; i < 4; ++i) forgery.cabundle.push_back(forged::certificate_of(forgery.links, i));
  std::swap(forgery.cabundle[1], forgery.cabundle[2]);
  EXPECT_EQ(refused(forgery), Reason::kChain);
  std::swap(forgery.cabundle[1], forgery.cabundle[2]);
  forgery.cabundle.pop_back();  // the leaf's issuer is missing
  EXPECT_EQ(refused(forgery), Reason::kChain);
}

TEST(ForgedChain, EachLinkMustBeInTime) {
  for (std::size_t i = 0; i < 5; ++i) {
    Forgery forgery;
    VerifyOptions options = forgery.options();
    forgery.links[i].not_before = kNow + 1;
    options.anchors.roots = {forged::certificate_of(forgery.links, 0)};
    EXPECT_EQ(refused(forgery, options), Reason::kValidity) << i;
    options.time = kNow + 1;
    EXPECT_FALSE(refused(forgery, options)) << "both bounds count, " << i;
    forgery.links[i].not_before = kNow - 10;
    forgery.links[i].not_after = kNow;
    options.anchors.roots = {forged::certificate_of(forgery.links, 0)};
    EXPECT_EQ(refused(forgery, options), Reason::kValidity) << i;
    options.time = kNow;
    EXPECT_FALSE(refused(forgery, options)) << i;
  }
}

TEST(ForgedChain, PathLengthsHold) {
  Forgery forgery;
  forgery.links[1].path_length = 1;  // two authorities stand below
  EXPECT_EQ(refused(forgery), Reason::kChain);
  forgery = {};
  forgery.links[2].path_length = 0;
  EXPECT_EQ(refused(forgery), Reason::kChain);
}

TEST(ForgedChain, OnlyAuthoritiesIssueAndOnlyLeavesSign) {
  Forgery forgery;
  forgery.links[3].kind = CertificateKind::kLeaf;
  EXPECT_EQ(refused(forgery), Reason::kChain);
  forgery = {};
  forgery.links[4].kind = CertificateKind::kAuthority;
  EXPECT_EQ(refused(forgery), Reason::kChain);
}

TEST(ForgedChain, AtMostTenCertificates) {
  Forgery forgery;
  forgery.links = {};
  for (int i = 0; i < 9; ++i) {
    forgery.links.push_back({.name = "root" + std::string(i == 0 ? "" : std::to_string(i)),
                             .kind = i == 0 ? CertificateKind::kRoot : CertificateKind::kAuthority,
                             .path_length = 20});
  }
  forgery.links.push_back({.name = "leaf", .kind = CertificateKind::kLeaf});
  EXPECT_FALSE(refused(forgery));
  forgery.links.insert(forgery.links.end() - 1, {.name = "one more", .path_length = 20});
  EXPECT_EQ(refused(forgery), Reason::kPayload);
}

// What the certificate writer never writes: a part edited and signed again.
void expect_bad_link(std::size_t index, const Bytes& from, const Bytes& to, const char* what) {
  Forgery forgery;
  forgery.links[index].edit = [&](Bytes& content) {
    const std::size_t at = find_in(content, from);
    std::copy(to.begin(), to.end(), content.begin() + static_cast<std::ptrdiff_t>(at));
  };
  EXPECT_EQ(refused(forgery), Reason::kChain) << what;
}

TEST(ForgedChain, CertificatesAreReadStrictly) {
  const Bytes kVersion3{0xa0, 0x03, 0x02, 0x01, 0x02};
  const Bytes kCriticalConstraints{0x55, 0x1d, 0x13, 0x01, 0x01, 0xff};
  const Bytes kUsage{0x55, 0x1d, 0x0f};
  const Bytes kEcdsaSha384{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
  expect_bad_link(2, kVersion3, {0xa0, 0x03, 0x02, 0x01, 0x00}, "version 1");
  expect_bad_link(2, kCriticalConstraints, {0x55, 0x1d, 0x13, 0x01, 0x01, 0x00}, "basicConstraints not critical");
  expect_bad_link(2, kCriticalConstraints, {0x55, 0x1d, 0x13, 0x01, 0x01, 0x01}, "a BOOLEAN of 1");
  expect_bad_link(2, {0x55, 0x1d, 0x13}, {0x55, 0x1d, 0x7e}, "an unknown critical extension, no constraints");
  expect_bad_link(2, kUsage, {0x55, 0x1d, 0x13}, "basicConstraints twice");
  expect_bad_link(4, kUsage, {0x55, 0x1d, 0x7e}, "a leaf without keyUsage");
  expect_bad_link(2, kEcdsaSha384, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}, "two signature algorithms");
  expect_bad_link(2, {0x2b, 0x81, 0x04, 0x00, 0x22}, {0x2b, 0x81, 0x04, 0x00, 0x23}, "a P-384 point on P-521");
}

TEST(ForgedChain, BasicConstraintsOfAuthoritiesAreCritical) {
  Forgery forgery;
  const auto without_critical = [](std::vector<Bytes>& extensions) {
    for (Bytes& extension : extensions) {
      const Bytes constraints{0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff};
      if (!std::equal(constraints.begin(), constraints.end(), extension.begin())) continue;
      extension.erase(extension.begin() + 5, extension.begin() + 8);
    }
  };
  forgery.links[4].edit = forged::edit_extensions([](std::vector<Bytes>&) {});
  EXPECT_FALSE(refused(forgery)) << "an edit that changes nothing";
  forgery.links[4].edit = forged::edit_extensions(without_critical);
  EXPECT_FALSE(refused(forgery)) << "a leaf's need not be";
  forgery.links[2].edit = forged::edit_extensions(without_critical);
  EXPECT_EQ(refused(forgery), Reason::kChain);
}

TEST(ForgedChain, ExtensionsStandOnceAndCriticalOnesAreKnown) {
  constexpr std::array<std::uint8_t, 3> kUnknown{0x2a, 0x03, 0x04};  // 1.2.3.4
  constexpr std::array<std::uint8_t, 2> kNothing{0x05, 0x00};
  const crypto::Extension passed_over{kUnknown, crypto::Criticality::kNotCritical, kNothing};
  const crypto::Extension critical{kUnknown, crypto::Criticality::kCritical, kNothing};
  for (const std::size_t link : {std::size_t{2}, std::size_t{4}}) {
    Forgery forgery;
    forgery.links[link].extensions = {passed_over};
    EXPECT_FALSE(refused(forgery)) << link;
    forgery.links[link].extensions = {passed_over, passed_over};
    EXPECT_EQ(refused(forgery), Reason::kChain) << link;
    forgery.links[link].extensions = {critical};
    EXPECT_EQ(refused(forgery), Reason::kChain) << link;
  }
}

TEST(ForgedChain, AKeyOffTheCurveIsRefused) {
  Forgery forgery;
  forgery.links[4].edit = [](Bytes& content) {
    const auto key = forged::key_of("leaf").public_key();
    content[find_in(content, ByteView(key)) + 60] ^= 1;
  };
  EXPECT_EQ(refused(forgery), Reason::kChain);
}

TEST(ForgedChain, NoCertificateMayHaveATail) {
  Forgery forgery;
  for (std::size_t i = 0; i < 4; ++i) forgery.cabundle.push_back(forged::certificate_of(forgery.links, i));
  forgery.cabundle[2].push_back(0);
  EXPECT_EQ(refused(forgery), Reason::kChain);
}

// ---- what the caller asks for -------------------------------------------------------------------------------

TEST(AskedFor, TheNonceMustBeThisOne) {
  Forgery forgery;
  VerifyOptions options = forgery.options();
  options.nonce = Bytes{1, 2, 3, 4};
  EXPECT_FALSE(refused(forgery, options));
  for (const Bytes& other : {Bytes{1, 2, 3, 5}, Bytes{1, 2, 3}, Bytes{1, 2, 3, 4, 0}}) {
    options.nonce = other;
    EXPECT_EQ(refused(forgery, options), Reason::kNonce);
  }
  options.nonce = Bytes{1, 2, 3, 4};
  forgery.nonce.reset();
  EXPECT_EQ(refused(forgery, options), Reason::kNonce);
  forgery.nonce = Bytes{};
  EXPECT_EQ(refused(forgery, options), Reason::kNonce);
}

TEST(AskedFor, RegistersMustHaveAnAllowedValue) {
  const Forgery forgery;
  VerifyOptions options = forgery.options();
  Policy policy{.source = "test", .pcrs = {{0, {Bytes(48, 0x10)}}, {4, {Bytes(48, 9), Bytes(48, 0x14)}}}};
  options.policies = {policy};
  EXPECT_FALSE(refused(forgery, options));
  options.policies[0].pcrs[1] = {Bytes(48, 0x10)};
  EXPECT_EQ(refused(forgery, options), Reason::kPcr);
  options.policies = {policy, {.source = "second", .pcrs = {{0, {Bytes(48, 0x11)}}}}};
  EXPECT_EQ(refused(forgery, options), Reason::kPcr) << "every policy must be met";
  options.policies = {{.source = "absent register", .pcrs = {{16, {Bytes(48, 0x11)}}}}};
  EXPECT_EQ(refused(forgery, options), Reason::kPcr);
}

TEST(AskedFor, ADebugEnclaveMeetsNoPolicyByItself) {
  Forgery forgery;
  for (const unsigned i : {0U, 1U, 2U, 8U}) forgery.pcrs[i] = Bytes(48, 0);
  VerifyOptions options = forgery.options();
  const Report report = cofferdam::verify_document(forgery.document(), options);
  EXPECT_FALSE(report.refused) << "genuine, and it says what it is";
  EXPECT_TRUE(report.debug);
  EXPECT_EQ(report.warnings.size(), 1U);
  for (const unsigned pinned : {0U, 1U, 2U, 8U, 4U}) {  // PCR4 stays in debug mode: no proof of the code
    options.policies = {{.source = "test", .pcrs = {{pinned, {forgery.pcrs[pinned]}}}}};
    options.allow_debug = false;
    EXPECT_EQ(refused(forgery, options), Reason::kDebug) << pinned;
    options.allow_debug = true;
    EXPECT_FALSE(refused(forgery, options)) << pinned;
  }
}

// A policy copied from a debug enclave would be met by every debug enclave of anybody.
TEST(AskedFor, APolicyOfZeroesIsRefused) {
  const Forgery forgery;
  VerifyOptions options = forgery.options();
  for (const unsigned pinned : {0U, 1U, 2U, 8U}) {
    options.policies = {{.source = "test", .pcrs = {{pinned, {Bytes(48, 0)}}}}};
    EXPECT_EQ(refused(forgery, options), Reason::kDebug) << pinned;
    options.policies = {{.source = "test", .pcrs = {{pinned, {Bytes(48, 0x10), Bytes(48, 0)}}}}};
    EXPECT_EQ(refused(forgery, options), Reason::kDebug) << pinned << ", in a list";
  }
  options.policies = {{.source = "test", .pcrs = {{0, {Bytes(48, 0x10)}}, {8, {Bytes(48, 0)}}}}};
  EXPECT_FALSE(refused(forgery, options)) << "unsigned, and PCR0 says which image";
  options.policies = {{.source = "test", .pcrs = {{3, {Bytes(48, 0)}}}}};
  EXPECT_FALSE(refused(forgery, options)) << "no role";
}

TEST(AskedFor, AgeIsBoundedInBothDirections) {
  Forgery forgery;
  VerifyOptions options = forgery.options();
  options.policies = {{.source = "test", .max_age_seconds = 60}};
  forgery.timestamp = (kNow - 60) * 1000;
  EXPECT_FALSE(refused(forgery, options));
  forgery.timestamp = (kNow - 61) * 1000;
  EXPECT_EQ(refused(forgery, options), Reason::kAge);
  forgery.timestamp = (kNow + 300) * 1000;
  EXPECT_FALSE(refused(forgery, options));
  forgery.timestamp = (kNow + 301) * 1000;
  EXPECT_EQ(refused(forgery, options), Reason::kAge);
  forgery.timestamp = ~std::uint64_t{0};
  EXPECT_EQ(refused(forgery, options), Reason::kAge);
}

TEST(AskedFor, DevelopmentIdentitiesAreRefusedUnlessAllowed) {
  for (std::size_t i = 0; i < 4; ++i) {
    Forgery forgery;
    forgery.links[i].unit = "DEVELOPMENT";
    VerifyOptions options = forgery.options();
    options.anchors.roots = {forged::certificate_of(forgery.links, 0)};
    EXPECT_EQ(refused(forgery, options), Reason::kDevelopment) << i;
    options.allow_development = true;
    EXPECT_FALSE(refused(forgery, options)) << i;
  }
  constexpr std::array<std::uint8_t, 4> kMark{0x88, 0x37, 0x01, 0x01};  // 2.999.1.1
  constexpr std::array<std::uint8_t, 2> kNothing{0x05, 0x00};
  Forgery forgery;
  forgery.links[2].extensions = {{kMark, crypto::Criticality::kNotCritical, kNothing}};
  EXPECT_EQ(refused(forgery), Reason::kDevelopment);
}

}  // namespace
