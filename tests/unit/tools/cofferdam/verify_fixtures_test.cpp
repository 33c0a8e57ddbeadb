// Real attestation documents: what AWS signed is accepted inside its window and at no other time, and every change of
// it is refused.
#include <algorithm>

#include "tests/unit/tools/cofferdam/fixture_files.hpp"
#include "tools/cofferdam/verify.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::Reason;
using cofferdam::Report;
using cofferdam::VerifyOptions;
using test_data::fixture;
using test_data::fixture_json;

class RealDocuments : public test_data::FixtureTest {
 protected:
  static Report verify_at(const Bytes& document, std::int64_t time) {
    VerifyOptions options;
    options.time = time;
    return cofferdam::verify_document(document, options);
  }
  static std::string hex_or_null(const std::optional<Bytes>& bytes) {
    return bytes ? "\"" + cofferdam::to_hex(*bytes) + "\"" : "null";
  }
};

TEST_F(RealDocuments, AreAcceptedInsideTheirWindowOnly) {
  int accepted = 0;
  for (const auto& entry : fixture_json("attestation/manifest.json")) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const Bytes document = fixture("attestation/" + entry["file"].get<std::string>());
    const std::int64_t from = entry["valid_from"];
    const std::int64_t to = entry["valid_to"];
    const bool genuine = entry["root_is_aws_g1"] && entry["cose_sig_ok"];
    for (const std::int64_t time : {from, (from + to) / 2, to}) {
      const Report report = verify_at(document, time);
      EXPECT_EQ(!report.refused, genuine) << report.message;
      EXPECT_EQ(report.signature_valid, genuine);
      accepted += genuine ? 1 : 0;
    }
    if (!genuine) continue;
    for (const std::int64_t time : {from - 1, to + 1}) {
      EXPECT_EQ(verify_at(document, time).refused, Reason::kValidity) << time;
    }
  }
  EXPECT_GE(accepted, 3 * 14);
}

TEST_F(RealDocuments, SayWhatTheManifestSays) {
  for (const auto& entry : fixture_json("attestation/manifest.json")) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const Report report = verify_at(fixture("attestation/" + entry["file"].get<std::string>()), entry["valid_to"]);
    ASSERT_TRUE(report.document);
    EXPECT_EQ(report.debug, entry["debug"].get<bool>());
    EXPECT_EQ(report.document->module_id, entry["module_id"].get<std::string>());
    EXPECT_EQ(report.document->timestamp, entry["timestamp_ms"].get<std::uint64_t>());
    EXPECT_EQ(report.document->pcrs.size(), entry["pcr_count"].get<std::size_t>());
    EXPECT_EQ(hex_or_null(report.document->user_data), entry["user_data"].dump());
    EXPECT_EQ(hex_or_null(report.document->nonce), entry["nonce"].dump());
    for (const auto& [index, value] : report.document->pcrs) {
      const auto expected = entry["pcrs_nonzero"].find(std::to_string(index));
      const std::string zero(96, '0');
      EXPECT_EQ(cofferdam::to_hex(value),
                expected == entry["pcrs_nonzero"].end() ? zero : expected->get<std::string>());
    }
  }
}

TEST_F(RealDocuments, ABadSignatureAndAnotherRootAreNamed) {
  EXPECT_EQ(verify_at(fixture("attestation/veracruz_bad_sig.cose"), 1668040000).refused, Reason::kSignature);
  EXPECT_EQ(verify_at(fixture("attestation/oyster_custom_mockroot.cose"), 1745930000).refused, Reason::kRoot);
}

TEST_F(RealDocuments, TheGivenRootIsTheOnlyOne) {
  const Bytes document = fixture("attestation/signal_02.cose");
  VerifyOptions options;
  options.time = 1705432216;
  options.anchors.roots = cofferdam::certificates_in(fixture("certs/aws_nitro_root_g1.pem"));
  EXPECT_FALSE(cofferdam::verify_document(document, options).refused);
  options.anchors.roots = cofferdam::certificates_in(fixture("certs/aws_nitro_root_g1.der"));
  EXPECT_FALSE(cofferdam::verify_document(document, options).refused);
  options.anchors.roots = cofferdam::certificates_in(fixture("eif/cert-P-384.pem"));
  EXPECT_EQ(cofferdam::verify_document(document, options).refused, Reason::kRoot);
}

// The signed part of a document is its protected header and its payload; the certificates and their signatures lie in
// the payload. No byte of it may change. Every byte of the head, then every eleventh: a flip costs 10 ms.
TEST_F(RealDocuments, AChangedByteIsRefused) {
  const Bytes document = fixture("attestation/yawn.cose");
  const std::int64_t time = 1736180000;
  ASSERT_FALSE(verify_at(document, time).refused);
  int refused = 0;
  for (std::size_t i = 0; i < document.size(); i += i < 160 ? 1 : 11) {
    if (i == 6) continue;  // the unprotected header is not signed
    Bytes changed = document;
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ (1U << (i % 8)));
    try {
      EXPECT_TRUE(verify_at(changed, time).refused) << "byte " << i;
      ++refused;
    } catch (const cofferdam::Unreadable&) {
      // The outer structure: no COSE_Sign1 any more.
    }
  }
  EXPECT_GT(refused, 500);
}

TEST_F(RealDocuments, EveryTruncationIsRefusedOrUnreadable) {
  const Bytes document = fixture("attestation/base_indef_2026.cose");
  for (std::size_t size = 0; size < document.size(); size += size < 300 ? 1 : 37) {
    const Bytes cut(document.begin(), document.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW((void)verify_at(cut, 1767473000), cofferdam::Unreadable) << size;
  }
  Bytes longer = document;
  longer.push_back(0);
  EXPECT_EQ(verify_at(longer, 1767473000).refused, Reason::kEncoding);
}

TEST_F(RealDocuments, ComeAsBytesHexadecimalOrBase64) {
  const Bytes document = fixture("attestation/signal_02.cose");
  std::string hex = cofferdam::to_hex(document);
  hex.insert(100, "\n  ");
  std::string base64 = cofferdam::to_base64(document);
  base64.insert(76, "\r\n");
  for (const std::string& text : {hex, base64 + "\n"}) {
    EXPECT_EQ(cofferdam::document_bytes(cofferdam::as_bytes(text)), document);
  }
  EXPECT_EQ(cofferdam::document_bytes(document), document);
  for (const char* text : {"", "not a document", "hello world!", "AAAA"}) {
    EXPECT_THROW((void)cofferdam::document_bytes(cofferdam::as_bytes(text)), cofferdam::Unreadable) << text;
  }
}

TEST_F(RealDocuments, ATagInFrontIsAllowed) {
  Bytes document = fixture("attestation/signal_02.cose");
  document.insert(document.begin(), 0xd2);
  const Report report = verify_at(document, 1705432216);
  EXPECT_FALSE(report.refused);
  EXPECT_TRUE(report.tagged);
}

}  // namespace
