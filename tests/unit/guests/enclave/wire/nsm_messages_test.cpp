// What nsm-check sends is what AWS's library sends, and it reads what AWS's library writes, and nothing that is longer.
#include "guests/enclave/wire/nsm_messages.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

namespace nsm_wire {
namespace {

Text bytes_of(std::string_view hex) {
  Text out;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) out.push_back(static_cast<char>(std::stoi(Text(hex.substr(at, 2)), nullptr, 16)));
  return out;
}

TEST(NsmRequests, HaveTheBytesOfAwsLibrary) {
  EXPECT_EQ(random_request(), bytes_of("6947657452616e646f6d"));
  EXPECT_EQ(description_request(), bytes_of("6b44657363726962654e534d"));
  EXPECT_EQ(describe_pcr_request(0), bytes_of("a16b4465736372696265504352a165696e64657800"));
  EXPECT_EQ(describe_pcr_request(31), bytes_of("a16b4465736372696265504352a165696e646578181f"));
  EXPECT_EQ(lock_pcrs_request(16), bytes_of("a1684c6f636b50435273a16572616e676510"));
  EXPECT_EQ(extend_pcr_request(16, "\x01\x02\x03"), bytes_of("a169457874656e64504352a265696e64657810646461746143010203"));
  EXPECT_EQ(attestation_request({}, {}, {}),
            bytes_of("a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365f66a7075626c69635f6b6579f6"));
  const Text field(1024, 'x');
  EXPECT_EQ(attestation_request(field, field, field).size(), 3122U);
  EXPECT_EQ(error_answer("ReadOnlyIndex"), bytes_of("a1654572726f726d526561644f6e6c79496e646578"));
  EXPECT_EQ(plain_answer("LockPCR"), bytes_of("674c6f636b504352"));
}

// Every request of the published list that these functions can make.
TEST(NsmRequests, AreInThePublishedList) {
  std::ifstream file(COFFERDAM_FIXTURES "/nsm/nsm-api-aws-crate-0.5.1.tsv");
  if (!file) GTEST_SKIP() << "no fixtures in " << COFFERDAM_FIXTURES;
  std::map<Text, Text> listed;
  Text line;
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    Text kind, name, hex;
    std::getline(columns, kind, '\t');
    std::getline(columns, name, '\t');
    std::getline(columns, hex, '\t');
    if (kind == "req") listed[name] = bytes_of(hex);
  }
  for (const int number : {0, 15, 16, 23, 24, 31, 32, 255, 256, 65535}) {
    const auto index = static_cast<std::uint16_t>(number);
    const auto found = listed.find("DescribePCR index=" + std::to_string(index));
    ASSERT_NE(found, listed.end()) << index;
    EXPECT_EQ(describe_pcr_request(index), found->second);
  }
  EXPECT_EQ(extend_pcr_request(16, ""), listed["ExtendPCR index=16 data=empty"]);
  EXPECT_EQ(extend_pcr_request(31, Text(48, '\0')), listed["ExtendPCR index=31 data=48x00"]);
  EXPECT_EQ(lock_pcr_request(31), listed["LockPCR index=31"]);
  EXPECT_EQ(lock_pcrs_request(33), listed["LockPCRs range=33"]);
  EXPECT_EQ(attestation_request("hi", "\x01\x02", "\x03\x04\x05"), listed["Attestation ud=6869 nonce=0102 pk=030405"]);
}

template <typename Read>
void expect_only_whole(const Text& answer, Read read) {
  EXPECT_TRUE(read(answer).has_value());
  EXPECT_FALSE(read(answer + '\0').has_value()) << "one byte more";
  for (std::size_t size = 0; size < answer.size(); ++size) EXPECT_FALSE(read(std::string_view(answer).substr(0, size)).has_value()) << size;
}

TEST(NsmAnswers, AreReadWholeOrNotAtAll) {
  const Text zeros(48, '\0');
  expect_only_whole(bytes_of("a16947657452616e646f6da16672616e646f6d590100") + Text(256, 'r'), read_random);
  expect_only_whole(bytes_of("a16b4465736372696265504352a2646c6f636bf564646174615830") + zeros, read_pcr);
  expect_only_whole(bytes_of("a169457874656e64504352a164646174615830") + zeros, read_extended);
  expect_only_whole(bytes_of("a16b4174746573746174696f6ea168646f63756d656e7443") + "doc", read_document);
  EXPECT_FALSE(read_random(bytes_of("a16947657452616e646f6da16672616e646f6d58ff") + Text(255, 'r'))) << "hwrng needs 256";
  EXPECT_FALSE(read_document(bytes_of("bf6b4174746573746174696f6ea168646f63756d656e7443") + "doc\xff")) << "AWS's library refuses it";
  EXPECT_FALSE(read_document(bytes_of("a16b4174746573746174696f6ea168646f63756d656e745803") + "doc")) << "not the shortest head";
}

TEST(NsmAnswers, ADescriptionHasAllItsFields) {
  Text answer = bytes_of("a16b44657363726962654e534da7") + bytes_of("6d") + "version_major" + '\x01' + bytes_of("6d") + "version_minor" + '\0' +
                bytes_of("6d") + "version_patch" + '\0' + bytes_of("69") + "module_id" + bytes_of("66") + "i-1234" +
                bytes_of("68") + "max_pcrs" + bytes_of("1820") + bytes_of("6b") + "locked_pcrs" + bytes_of("82001818") +
                bytes_of("66") + "digest" + bytes_of("66") + "SHA384";
  expect_only_whole(answer, read_description);
  const auto description = read_description(answer);
  ASSERT_TRUE(description);
  EXPECT_EQ(description->version[0], 1);
  EXPECT_EQ(description->max_pcrs, 32);
  EXPECT_EQ(description->locked_pcrs, (std::vector<std::uint16_t>{0, 24}));
  EXPECT_EQ(description->digest, "SHA384");
}

TEST(Base64, IsPadded) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("\xff\xfe\xfd\xfc"), "//79/A==");
}

}  // namespace
}  // namespace nsm_wire
