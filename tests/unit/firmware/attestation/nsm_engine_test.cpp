#include "firmware/attestation/nsm_engine.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "firmware/attestation/cose_sign1.hpp"
#include "firmware/attestation/nsm_request.hpp"
#include "tests/unit/firmware/attestation/test_chain.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using attestation::NsmOperation;
using base::Error;
using measure::PcrBank;
using test_data::bytes_of;
using test_data::from_hex;
using test_data::kModuleId;
using test_data::kNow;
using test_data::to_hex;

constexpr const char* kInvalidIndex = "a1654572726f726c496e76616c6964496e646578";
constexpr const char* kReadOnlyIndex = "a1654572726f726d526561644f6e6c79496e646578";
constexpr const char* kInvalidOperation = "a1654572726f7270496e76616c69644f7065726174696f6e";
constexpr const char* kInputTooLarge = "a1654572726f726d496e707574546f6f4c61726765";
constexpr const char* kBufferTooSmall = "a1654572726f726e427566666572546f6f536d616c6c";
constexpr const char* kInternalError = "a1654572726f726d496e7465726e616c4572726f72";

class Nsm : public testing::Test {
 protected:
  Nsm() { static_cast<void>(bank_.lock_range(16)); }

  std::string ask(const std::vector<std::uint8_t>& request, std::size_t capacity = attestation::kMaxNsmResponse) {
    const attestation::NsmEnvironment environment{kModuleId, kNow * 1000 + 5, chain_.random(), chain_.leaf(),
                                                  chain_.bundle()};
    std::vector<std::uint8_t> response(capacity, 0xEE);
    const auto answer = attestation::answer_nsm_request(request, bank_, environment, response);
    return answer.ok() ? to_hex(answer.value()) : "no answer";
  }
  std::string ask(std::string_view hex) { return ask(from_hex(hex)); }

  PcrBank bank_;
  test_data::TestChain chain_;
};

std::string describe(unsigned index) {
  return "a16b4465736372696265504352a165696e646578" + (index < 24 ? to_hex(std::array{static_cast<std::uint8_t>(index)})
                                                                  : "18" + to_hex(std::array{static_cast<std::uint8_t>(index)}));
}
std::string zeros(int count) { return std::string(static_cast<std::size_t>(2 * count), '0'); }

TEST_F(Nsm, DescribePcr) {
  EXPECT_EQ(ask(describe(0)), "a16b4465736372696265504352a2646c6f636bf564646174615830" + zeros(48));
  EXPECT_EQ(ask(describe(31)), "a16b4465736372696265504352a2646c6f636bf464646174615830" + zeros(48));
  EXPECT_EQ(ask(describe(32)), kInvalidIndex);
  EXPECT_EQ(ask("a16b4465736372696265504352a165696e64657819ffff"), kInvalidIndex);
  EXPECT_EQ(ask("a16b4465736372696265504352a165696e6465781a00010000"), kInvalidOperation);
}

TEST_F(Nsm, ExtendPcr) {
  const auto expected = crypto::sha384(from_hex(zeros(48) + "010203"));
  EXPECT_EQ(ask("a169457874656e64504352a265696e64657810646461746143010203"),
            "a169457874656e64504352a164646174615830" + to_hex(expected));
  EXPECT_EQ(to_hex(bank_.value(16)), to_hex(expected));
  // data before index, text for bytes, one unknown key: the same request
  EXPECT_EQ(ask("a169457874656e64504352a3646461746163313233617882f6f665696e64657811"),
            "a169457874656e64504352a164646174615830" + to_hex(crypto::sha384(from_hex(zeros(48) + "313233"))));
  EXPECT_EQ(ask("a169457874656e64504352a265696e64657800646461746143010203"), kReadOnlyIndex);
  EXPECT_EQ(ask("a169457874656e64504352a265696e6465781820646461746143010203"), kInvalidIndex);
  EXPECT_EQ(ask("a169457874656e64504352a165696e64657810"), kInvalidOperation);          // no data
  EXPECT_EQ(ask("a169457874656e64504352a265696e646578106464617461f6"), kInvalidOperation);  // null data
  EXPECT_EQ(to_hex(bank_.value(16)), to_hex(expected));
}

TEST_F(Nsm, LockPcrAndLockPcrs) {
  EXPECT_EQ(ask("a1674c6f636b504352a165696e64657810"), "674c6f636b504352");
  EXPECT_EQ(ask("a1674c6f636b504352a165696e64657810"), kReadOnlyIndex);
  EXPECT_EQ(ask("a1674c6f636b504352a165696e6465781820"), kInvalidIndex);
  EXPECT_EQ(ask("a169457874656e64504352a265696e64657810646461746143010203"), kReadOnlyIndex);
  EXPECT_EQ(ask("a1684c6f636b50435273a16572616e67651821"), kInvalidIndex);
  EXPECT_EQ(bank_.locked_mask(), 0x1FFFFU);
  EXPECT_EQ(ask("a1684c6f636b50435273a16572616e67651820"), "684c6f636b50435273");
  EXPECT_EQ(ask("a1684c6f636b50435273a16572616e67651820"), "684c6f636b50435273");
  EXPECT_EQ(bank_.locked_mask(), 0xFFFFFFFFU);
}

TEST_F(Nsm, GetRandomHasExactlyTheBytesThatLinuxParses) {
  const std::string first = ask("6947657452616e646f6d");
  EXPECT_EQ(first.substr(0, 44), "a16947657452616e646f6da16672616e646f6d590100");
  EXPECT_EQ(first.size(), 2 * (22U + 256U));
  EXPECT_NE(ask("6947657452616e646f6d"), first);
  EXPECT_EQ(ask("a16947657452616e646f6df6").size(), first.size());
  chain_.random().wipe();
  EXPECT_EQ(ask("6947657452616e646f6d"), kInternalError);
}

TEST_F(Nsm, WhatIsNoRequestIsAnInvalidOperation) {
  for (const char* hex : {"", "00", "05", "f6", "80", "a0", "ff", "60", "6f4e6f74416e4f7065726174696f6e", "40",
                          "674c6f636b504352",                              // LockPCR without arguments
                          "a2674c6f636b504352a165696e6465781061780000",       // two operations
                          "bf674c6f636b504352a165696e64657810ff",          // outer map of indefinite length
                          "a1674c6f636b504352a265696e6465781065696e64657811",  // the same key twice
                          "a1674c6f636b504352a165696e64657820",            // -1
                          "a1674c6f636b504352a165696e646578f6", "a1674c6f636b504352a0", "a1674c6f636b504352f6",
                          "a1674c6f636b50435280", "a105a0", "a16947657452616e646f6da0"}) {
    const auto bank = bank_;
    EXPECT_EQ(ask(hex), kInvalidOperation) << hex;
    EXPECT_EQ(bank_.locked_mask(), bank.locked_mask()) << hex;
  }
}

TEST_F(Nsm, LenientWhereItDoesNoHarm) {
  EXPECT_EQ(ask("a1674c6f636b504352bf65696e64657811ff"), "674c6f636b504352");      // inner map indefinite
  EXPECT_EQ(ask("a1674c6f636b504352a165696e64657819001200000000"), "674c6f636b504352");  // long form, bytes behind
  EXPECT_EQ(ask("a1674c6f636b504352a2820102f665696e64657813"), "674c6f636b504352");  // a key that is no text
  EXPECT_EQ(bank_.locked_mask(), 0xEFFFFU);
}

TEST_F(Nsm, EveryTruncationIsRefusedWithoutEffect) {
  for (const char* hex : {"a16b4465736372696265504352a165696e64657800", "a169457874656e64504352a265696e64657810646461746143010203",
                          "a1674c6f636b504352a165696e64657810", "a1684c6f636b50435273a16572616e67651820",
                          "6b44657363726962654e534d", "6947657452616e646f6d",
                          "a16b4174746573746174696f6ea369757365725f64617461426869656e6f6e63654201026a7075626c69635f6b657943030405"}) {
    const auto whole = from_hex(hex);
    const auto bank = bank_;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      ASSERT_EQ(ask(part), kInvalidOperation) << hex << " " << size;
    }
    EXPECT_EQ(bank_.locked_mask(), bank.locked_mask());
    EXPECT_EQ(bank_.value(16), bank.value(16));
  }
}

TEST_F(Nsm, EveryChangedByteGivesAnAnswerThatIsWellFormed) {
  const auto whole = from_hex(
      "a16b4174746573746174696f6ea369757365725f64617461426869656e6f6e63654201026a7075626c69635f6b657943030405");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const unsigned value : {0x00U, 0x1FU, 0x5BU, 0x7FU, 0x9FU, 0xBBU, 0xBFU, 0xFFU}) {
      auto changed = whole;
      changed[i] = static_cast<std::uint8_t>(value);
      const std::string answer = ask(changed);
      EXPECT_TRUE(answer.starts_with("a1")) << i;
    }
  }
}

TEST_F(Nsm, HugeLengthsAndDeepNesting) {
  EXPECT_EQ(ask("a16b4174746573746174696f6ebbffffffffffffffff"), kInvalidOperation);
  EXPECT_EQ(ask("a16b4174746573746174696f6ea1617a5bffffffffffffffff"), kInvalidOperation);
  EXPECT_EQ(ask("a16b4174746573746174696f6ea1617a9bffffffffffffffff"), kInvalidOperation);
  auto bomb = from_hex("a16b4174746573746174696f6ea1617a");
  bomb.resize(attestation::kMaxNsmRequest, 0x81);
  EXPECT_EQ(ask(bomb), kInvalidOperation);
  auto tags = from_hex("a16b4174746573746174696f6ea1617a");
  tags.resize(attestation::kMaxNsmRequest, 0xC1);
  EXPECT_EQ(ask(tags), kInvalidOperation);
}

TEST_F(Nsm, RequestLengthIsCheckedFirst) {
  auto request = from_hex("a1674c6f636b504352a165696e64657810");
  request.resize(attestation::kMaxNsmRequest);  // bytes behind a request are ignored
  EXPECT_EQ(ask(request), "674c6f636b504352");
  request.push_back(0);
  EXPECT_EQ(ask(request), kInputTooLarge);
}

std::vector<std::uint8_t> attestation_request(std::size_t user_data, std::size_t nonce, std::size_t public_key) {
  std::vector<std::uint8_t> request(4096);
  attestation::CborWriter writer(request);
  writer.map(1);
  writer.text("Attestation");
  writer.map(3);
  writer.text("user_data");
  writer.bytes(std::vector<std::uint8_t>(user_data, 1));
  writer.text("nonce");
  writer.bytes(std::vector<std::uint8_t>(nonce, 2));
  writer.text("public_key");
  writer.bytes(std::vector<std::uint8_t>(public_key, 3));
  request.resize(writer.result().value().size());
  return request;
}

TEST_F(Nsm, AttestationFieldLimits) {
  EXPECT_EQ(attestation_request(1024, 1024, 1024).size(), 3122U);
  EXPECT_TRUE(ask(attestation_request(1024, 1024, 1024)).starts_with("a16b4174746573746174696f6ea168646f63756d656e7459"));
  EXPECT_EQ(ask(attestation_request(1025, 0, 0)), kInputTooLarge);
  EXPECT_EQ(ask(attestation_request(0, 1025, 0)), kInputTooLarge);
  EXPECT_EQ(ask(attestation_request(0, 0, 1025)), kInputTooLarge);
}

TEST_F(Nsm, SmallResponseBuffers) {
  EXPECT_EQ(ask(from_hex("6947657452616e646f6d"), 0), "no answer");
  EXPECT_EQ(ask(from_hex("6947657452616e646f6d"), 20), "no answer");
  EXPECT_EQ(ask(from_hex("6947657452616e646f6d"), 21), kInputTooLarge);
  EXPECT_EQ(ask(attestation_request(0, 0, 0), 2000), kInputTooLarge);
  // Nothing was extended for an answer that could not be given.
  const auto extend = from_hex("a169457874656e64504352a265696e64657810646461746143010203");
  const auto lock = from_hex("a1674c6f636b504352a165696e64657810");
  const auto lock_range = from_hex("a1684c6f636b50435273a16572616e676511");
  constexpr std::size_t kExtended = 67;  // bytes of ExtendPCR's answer
  constexpr std::size_t kError = 22;     // of {"Error": "BufferTooSmall"}
  for (std::size_t room = 0; room < kExtended; ++room) {
    EXPECT_EQ(ask(extend, room), room < kError ? "no answer" : kBufferTooSmall) << room;
    EXPECT_EQ(bank_.value(16), measure::Digest{}) << room;
  }
  for (std::size_t room = 0; room < 8; ++room) {
    EXPECT_EQ(ask(lock, room), "no answer") << room;
    EXPECT_EQ(ask(lock_range, room), "no answer") << room;
    EXPECT_FALSE(bank_.locked(16)) << room;
  }
  EXPECT_TRUE(ask(extend, kExtended).starts_with("a169457874656e64504352"));
  EXPECT_EQ(ask(lock, 8), "674c6f636b504352");
}

TEST_F(Nsm, CostIsThatOfTheOperation) {
  EXPECT_EQ(attestation::nsm_cost(from_hex("6947657452616e646f6d")), attestation::NsmCost::kRandom);
  EXPECT_EQ(attestation::nsm_cost(attestation_request(1, 1, 1)), attestation::NsmCost::kSignature);
  EXPECT_EQ(attestation::nsm_cost(from_hex("6b44657363726962654e534d")), attestation::NsmCost::kPlain);
  EXPECT_EQ(attestation::nsm_cost({}), attestation::NsmCost::kPlain);
}

// Every request and response that AWS's client library encodes.
TEST_F(Nsm, FixtureOfAwsClient) {
  std::ifstream file(std::string(COFFERDAM_FIXTURES) + "/nsm/nsm-api-aws-crate-0.5.1.tsv");
  if (!file) GTEST_SKIP() << "no fixtures in " COFFERDAM_FIXTURES "/nsm";
  std::map<std::string, std::string> responses;
  std::map<std::string, std::string> requests;
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    auto& target = line.starts_with("req") ? requests : responses;
    target[line.substr(first + 1, second - first - 1)] = line.substr(second + 1);
  }
  ASSERT_EQ(requests.size(), 23U);
  for (const auto& [name, hex] : requests) {
    EXPECT_TRUE(attestation::decode_nsm_request(from_hex(hex)).ok()) << name;
  }
  const auto decoded = attestation::decode_nsm_request(from_hex(requests["Attestation ud=6869 nonce=0102 pk=030405"]));
  EXPECT_EQ(decoded.value().operation, NsmOperation::kAttestation);

  EXPECT_EQ(ask(requests["DescribePCR index=0"]), responses["DescribePCR lock=true data=48x00"]);
  EXPECT_EQ(ask(requests["DescribeNSM"]), responses["DescribeNSM 1.0.0"]);
  EXPECT_EQ(ask(requests["LockPCR index=16"]), responses["LockPCR"]);
  EXPECT_EQ(ask(requests["LockPCRs range=16"]), responses["LockPCRs"]);
  EXPECT_EQ(ask(requests["LockPCR index=16"]), responses["Error ReadOnlyIndex"]);
  EXPECT_EQ(ask(requests["LockPCRs range=33"]), responses["Error InvalidIndex"]);
  EXPECT_EQ(ask(requests["DescribePCR index=32"]), responses["Error InvalidIndex"]);
  EXPECT_EQ(ask("00"), responses["Error InvalidOperation"]);
  EXPECT_EQ(ask(std::vector<std::uint8_t>(4097)), responses["Error InputTooLarge"]);
  const std::string random = ask(requests["GetRandom"]);
  EXPECT_EQ(random.substr(0, 44), responses["GetRandom random=256x5a"].substr(0, 44));
  EXPECT_EQ(random.size(), responses["GetRandom random=256x5a"].size());
}

}  // namespace
