// The monitor's writer against the verifier's reader: a document as an enclave gets it from the Nitro Secure Module.
#include <gtest/gtest.h>

#include "firmware/attestation/nsm_engine.hpp"
#include "firmware/measure/launch_bank.hpp"
#include "tests/unit/firmware/attestation/test_chain.hpp"
#include "tools/cofferdam/cbor.hpp"
#include "tools/cofferdam/report.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::Reason;
using cofferdam::Report;

class OwnDocument : public testing::Test {
 protected:
  OwnDocument() {
    measure::LaunchMeasurement launch;
    launch.image.fill(1);
    launch.boot.fill(2);
    launch.application.fill(3);
    launch.instance = "i-0bee92034f3d60691";
    bank_ = measure::launch_bank(launch, measure::LaunchMode::kProduction);
  }
  // {"Attestation": {"user_data": null, "nonce": nonce, "public_key": null}}, and the document of the answer.
  Bytes ask(const Bytes& nonce) {
    cofferdam::CborWriter request;
    request.map(1);
    request.text("Attestation");
    request.map(1);
    request.text("nonce");
    request.bytes(nonce);
    const attestation::NsmEnvironment environment{test_data::kModuleId, test_data::kNow * 1000, chain_.random(),
                                                  chain_.leaf(), chain_.bundle()};
    std::vector<std::uint8_t> room(attestation::kMaxNsmResponse);
    const auto response = attestation::answer_nsm_request(request.result(), bank_, environment, room);
    EXPECT_TRUE(response.ok());
    cofferdam::CborReader reader(response.value());
    Bytes document;
    reader.map(1, [&](std::size_t) {
      EXPECT_EQ(reader.text(), "Attestation");
      reader.map(1, [&](std::size_t) {
        EXPECT_EQ(reader.text(), "document");
        const auto bytes = reader.byte_string();
        document.assign(bytes.begin(), bytes.end());
      });
    });
    EXPECT_TRUE(reader.at_end());
    return document;
  }
  [[nodiscard]] cofferdam::VerifyOptions options() const {
    cofferdam::VerifyOptions made;
    const base::Bytes root = chain_.bundle()[0];
    made.anchors.roots = {Bytes(root.begin(), root.end())};
    made.time = static_cast<std::int64_t>(test_data::kNow);
    return made;
  }

  test_data::TestChain chain_;
  measure::PcrBank bank_;
};

TEST_F(OwnDocument, IsAcceptedUnderItsRoot) {
  const Bytes document = ask({9, 8, 7});
  cofferdam::VerifyOptions asked = options();
  asked.nonce = Bytes{9, 8, 7};
  asked.policies = {{.source = "test", .pcrs = {{0, {Bytes(bank_.value(0).begin(), bank_.value(0).end())}},
                                                {4, {Bytes(bank_.value(4).begin(), bank_.value(4).end())}}}}};
  const Report report = cofferdam::verify_document(document, asked);
  ASSERT_FALSE(report.refused) << report.message;
  EXPECT_EQ(report.document->pcrs.size(), 16U);
  EXPECT_EQ(report.document->module_id, test_data::kModuleId);
  EXPECT_EQ(report.chain.size(), 5U);
  ASSERT_TRUE(report.platform && report.platform->state);
  EXPECT_EQ(report.platform->state->cores, chain_.state().cores);
  EXPECT_TRUE(cofferdam::equal(report.platform->state->ledger_head, chain_.state().ledger.digest));
}

TEST_F(OwnDocument, IsRefusedUnderAws) {
  cofferdam::VerifyOptions aws;
  aws.time = options().time;
  EXPECT_EQ(cofferdam::verify_document(ask({1}), aws).refused, Reason::kRoot);
}

TEST_F(OwnDocument, LivesAsLongAsItsLeaf) {
  const Bytes document = ask({1});
  cofferdam::VerifyOptions asked = options();
  const std::int64_t issued = asked.time;
  const auto at = [&](std::int64_t time) {
    asked.time = time;
    return cofferdam::verify_document(document, asked).refused;
  };
  EXPECT_FALSE(at(issued - 3));
  EXPECT_EQ(at(issued - 4), Reason::kValidity);
  EXPECT_FALSE(at(issued + 10'800));
  EXPECT_EQ(at(issued + 10'801), Reason::kValidity);
}

}  // namespace
