// COSE_Sign1 on the examples of the COSE working group, and that what we write is what we read.
#include "tools/cofferdam/cose.hpp"

#include <algorithm>

#include "tests/unit/tools/cofferdam/fixture_files.hpp"
#include "tools/cofferdam/cbor.hpp"

namespace {

using cofferdam::Algorithm;
using cofferdam::Bytes;
using cofferdam::Curve;
using cofferdam::PublicKey;
using cofferdam::Sign1;

class CoseExamples : public test_data::FixtureTest {};

PublicKey key_of(const nlohmann::json& key) {
  const std::string name = key["crv"];
  PublicKey result{name == "P-256" ? Curve::kP256 : name == "P-384" ? Curve::kP384 : Curve::kP521, {0x04}};
  for (const char* coordinate : {"x", "y"}) {
    Bytes bytes = key.contains(std::string(coordinate) + "_hex")
                      ? *cofferdam::from_hex(key[std::string(coordinate) + "_hex"].get<std::string>())
                      : *cofferdam::from_base64(key[coordinate].get<std::string>());
    const std::size_t width = name == "P-256" ? 32 : name == "P-384" ? 48 : 66;
    bytes.insert(bytes.begin(), width - std::min(width, bytes.size()), 0);
    result.point.insert(result.point.end(), bytes.begin(), bytes.end());
  }
  return result;
}

bool holds(const nlohmann::json& example) {
  const nlohmann::json& input = example["input"]["sign0"];
  const Bytes encoded = *cofferdam::from_hex(example["output"]["cbor"].get<std::string>());
  const Bytes external = input.contains("external") ? *cofferdam::from_hex(input["external"].get<std::string>()) : Bytes{};
  try {
    const Sign1 object = cofferdam::decode_sign1(encoded);
    if (object.size != encoded.size()) return false;
    const std::optional<std::int64_t> algorithm = object.algorithm ? object.algorithm : object.unprotected_algorithm;
    if (!algorithm) return false;
    return cofferdam::verify_sign1(object, static_cast<Algorithm>(*algorithm), key_of(input["key"]), external);
  } catch (const cofferdam::CborError&) {
    return false;
  }
}

TEST_F(CoseExamples, HoldOrFailAsTheySay) {
  int passed = 0;
  int failed = 0;
  for (const auto& file : std::filesystem::directory_iterator(test_data::fixture_path("cose"))) {
    const std::string name = file.path().filename();
    const nlohmann::json example = test_data::fixture_json("cose/" + name);
    if (!example["input"].contains("sign0")) continue;  // COSE_Sign with several signers
    SCOPED_TRACE(name);
    const bool must_fail = example.value("fail", false);
    EXPECT_EQ(holds(example), !must_fail);
    (must_fail ? failed : passed) += 1;
  }
  EXPECT_GE(passed, 7);
  EXPECT_GE(failed, 6);
}

TEST_F(CoseExamples, WhatIsSignedIsByteForByteTheirs) {
  for (const auto& file : std::filesystem::directory_iterator(test_data::fixture_path("cose"))) {
    const std::string name = file.path().filename();
    const nlohmann::json example = test_data::fixture_json("cose/" + name);
    if (!example["input"].contains("sign0") || example.value("fail", false)) continue;
    SCOPED_TRACE(name);
    const Bytes encoded = *cofferdam::from_hex(example["output"]["cbor"].get<std::string>());
    const Sign1 object = cofferdam::decode_sign1(encoded);
    const nlohmann::json& input = example["input"]["sign0"];
    const Bytes external = input.contains("external") ? *cofferdam::from_hex(input["external"].get<std::string>()) : Bytes{};
    std::string expected = example["intermediates"]["ToBeSign_hex"];
    std::transform(expected.begin(), expected.end(), expected.begin(), [](unsigned char c) { return std::tolower(c); });
    EXPECT_EQ(cofferdam::to_hex(cofferdam::to_be_signed(object.protected_header, object.payload, external)), expected);
  }
}

// A key for each curve: openssl ecparam -genkey -noout, made for this test.
constexpr const char* kP256 = R"(-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIPkFHIYbMeYNfA7M+eySgAWA/Cf3X01sllqCUiB8eYIZoAoGCCqGSM49
AwEHoUQDQgAEy9mz7tQ2vPijrmQVE1QLtuOhc5vDvv9tdoND6UqvTInzkTB7Cg9y
4YINfEqD28AL5ilIb0urJVarVoWy2TwX0Q==
-----END EC PRIVATE KEY-----
)";
constexpr const char* kP384 = R"(-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBB9P7e72lcaq63a78y
xrpGZeCmHBNzrbFjJD2yiICg7K2D74XxBXv2YJUdvIsxpo6hZANiAASSzaQE0zIN
OvQscA5TOLaeOuBwF2rKaUh44y3scwzgtcskQMSjDYzKhyQTl3ZuECqw436n1nz1
yiU+Ow5XP8R8T/VTxCibwiSGaWK34oZ4H7oV2PxWFZvCN9UdvEKiwsI=
-----END PRIVATE KEY-----
)";
constexpr const char* kP521 = R"(-----BEGIN PRIVATE KEY-----
MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAbjmlZpwK37J4+X2F
VRV0vcgCeU32YFHFvJ14sk10HPjj2mBtjmQGFoZZa4xiaYPGHLJLusO8v3fSmyZC
RfEIHOahgYkDgYYABAGMMvlot4uHt1cnYiT2he2BMF7iYEJGyrdzsZUYWWxLAkub
CbPJVOUEBBBbr9sjvguGn1LuGyH1UQExEbanuqI4mgFNfywoodmT3QoDWfcjQqME
r/TpFFWABh8RxDyxs3aaZvhd3iTrL9xtXxpcoo5bAh5GLR77FQtgQbmM98lDSYVx
uw==
-----END PRIVATE KEY-----
)";

TEST(Cose, WhatIsMadeVerifiesAndRepeats) {
  for (const char* pem : {kP256, kP384, kP521}) {
    const cofferdam::PrivateKey key(cofferdam::as_bytes(pem));
    const Bytes payload{1, 2, 3};
    const Bytes made = cofferdam::make_sign1(payload, key);
    EXPECT_EQ(made, cofferdam::make_sign1(payload, key)) << "deterministic";
    const Sign1 object = cofferdam::decode_sign1(made);
    const Algorithm algorithm = cofferdam::algorithm_for(key.public_key().curve);
    EXPECT_EQ(object.algorithm, static_cast<std::int64_t>(algorithm));
    EXPECT_FALSE(object.tagged);
    EXPECT_EQ(object.size, made.size());
    EXPECT_TRUE(cofferdam::verify_sign1(object, algorithm, key.public_key()));
    EXPECT_FALSE(cofferdam::verify_sign1(object, algorithm, key.public_key(), Bytes{1}));
    for (const Algorithm other : {Algorithm::kEs256, Algorithm::kEs384, Algorithm::kEs512}) {
      EXPECT_EQ(cofferdam::verify_sign1(object, other, key.public_key()), other == algorithm);
    }
  }
}

TEST(PrivateKey, WhatIsNoKeySaysSo) {
  EXPECT_THROW(cofferdam::PrivateKey(cofferdam::as_bytes("nonsense")), cofferdam::CryptoError);
  EXPECT_THROW(cofferdam::PrivateKey(cofferdam::as_bytes("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")),
               cofferdam::CryptoError);
}

}  // namespace
