#include "firmware/attestation/cose_sign1.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "firmware/crypto/certificate_view.hpp"
#include "tests/unit/firmware/attestation/test_chain.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using attestation::CborKind;
using attestation::CborReader;
using attestation::CborWriter;
using base::Error;
using crypto::Curve;
using test_data::bytes_of;
using test_data::from_hex;
using test_data::to_hex;

std::vector<std::uint8_t> sign(const std::vector<std::uint8_t>& payload) {
  std::vector<std::uint8_t> buffer(payload.size() + 200);
  CborWriter writer(buffer);
  attestation::begin_cose_sign1(writer, payload.size());
  writer.raw(payload);
  EXPECT_TRUE(attestation::finish_cose_sign1(writer, payload.size(), test_data::key_of("signer")).ok());
  buffer.resize(writer.result().value().size());
  EXPECT_EQ(buffer.size(), attestation::cose_sign1_size(payload.size()));
  return buffer;
}

base::Status check(const std::vector<std::uint8_t>& message) {
  const auto read = attestation::read_cose_sign1(message);
  if (!read.ok()) return read.error();
  return attestation::verify_cose_sign1(read.value(), Curve::kP384, test_data::key_of("signer").public_key());
}

TEST(CoseSign1, OwnMessagesHaveTheExactForm) {
  for (const std::size_t size : {0U, 1U, 23U, 24U, 255U, 256U, 5000U}) {
    const std::vector<std::uint8_t> payload(size, 0x42);
    const auto message = sign(payload);
    EXPECT_EQ(to_hex(std::span(message).first(7)), size < 24 ? "8444a1013822a0" : "8444a1013822a0") << size;
    EXPECT_EQ(to_hex(std::span(message).last(98).first(2)), "5860");
    EXPECT_TRUE(check(message).ok()) << size;
    const auto read = attestation::read_cose_sign1(message).value();
    EXPECT_EQ(read.algorithm, -35);
    EXPECT_EQ(to_hex(read.payload), to_hex(payload));
  }
}

// The Sig_structure of nitro-formats 2.2, put together by hand.
TEST(CoseSign1, SignsTheSigStructure) {
  const auto message = sign(bytes_of("payload"));
  const auto structure = from_hex("846a5369676e61747572653144a101382240" "47" + to_hex(bytes_of("payload")));
  crypto::P384Signature signature{};
  std::copy(message.end() - 96, message.end(), signature.begin());
  EXPECT_TRUE(
      crypto::verify_p384(test_data::key_of("signer").public_key(), crypto::sha384(structure), signature).ok());
}

TEST(CoseSign1, TagIsOptionalAndNothingMayFollow) {
  auto message = sign(bytes_of("x"));
  message.insert(message.begin(), 0xD2);
  EXPECT_TRUE(check(message).ok());
  message[0] = 0xD3;
  EXPECT_FALSE(check(message).ok());
  message[0] = 0xD2;
  message.push_back(0xF6);
  EXPECT_EQ(check(message).error(), Error::kInvalidArgument);
}

TEST(CoseSign1, EveryTruncationAndEveryFlippedBitIsRefused) {
  const auto message = sign(bytes_of("payload"));
  for (std::size_t size = 0; size < message.size(); ++size) {
    const std::vector<std::uint8_t> part(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_EQ(check(part).error(), Error::kInvalidArgument) << size;
  }
  for (std::size_t i = 0; i < message.size(); ++i) {
    auto changed = message;
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ (1U << (i % 8)));
    ASSERT_FALSE(check(changed).ok()) << i;
  }
}

TEST(CoseSign1, AlgorithmMustBeProtectedAndThatOfTheKey) {
  const std::string tail = "a041004178";  // unprotected, payload, signature
  for (const char* head : {"8440", "8441a0", "8444a1013823", "8443a10126", "8446a201382203f6", "8444a2013822", "8443a10122",
                           "8445a101382200", "8444a1033822", "8343a10138", "8545a1013822"}) {
    EXPECT_FALSE(check(from_hex(head + tail)).ok()) << head;
  }
}

// Rightly signed, but the header names another algorithm than the key's.
TEST(CoseSign1, AnotherAlgorithmsNameIsRefused) {
  const auto structure = from_hex("846a5369676e61747572653143a1012640" "4178");
  const auto signature = test_data::key_of("signer").sign(crypto::sha384(structure)).value();
  const auto message = from_hex("8443a10126a04178" "5860" + to_hex(signature));
  const auto read = attestation::read_cose_sign1(message);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read.value().algorithm, -7);
  EXPECT_EQ(check(message).error(), Error::kInvalidArgument);
}

std::vector<std::uint8_t> from_base64url(const std::string& text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::vector<std::uint8_t> bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    bits = bits << 6 | static_cast<std::uint32_t>(kAlphabet.find(letter));
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<std::uint8_t>(bits >> count));
    }
  }
  return bytes;
}

// The working group's examples. The monitor takes the messages that fit its profile (the algorithm alone in the
// protected header, no external data, the curve's own hash) and must refuse every one that is meant to fail.
TEST(CoseSign1, FixturesOfTheWorkingGroup) {
  const std::filesystem::path folder = std::string(COFFERDAM_FIXTURES) + "/cose";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no fixtures in " << folder;
  int accepted = 0;
  int meant_to_fail = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream stream(file.path());
    const auto json = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
    ASSERT_FALSE(json.is_discarded()) << file.path();
    if (!json["input"].contains("sign0")) continue;  // COSE_Sign, several signers
    const auto& key = json["input"]["sign0"]["key"];
    const std::string name = key["crv"].get<std::string>();
    const Curve curve = name == "P-256" ? Curve::kP256 : name == "P-384" ? Curve::kP384 : Curve::kP521;
    std::vector<std::uint8_t> point{4};
    const auto coordinate = [&](const char* hex, const char* base64) {
      const auto bytes = key.contains(hex) ? from_hex(key[hex].get<std::string>())
                                           : from_base64url(key[base64].get<std::string>());
      point.insert(point.end(), crypto::coordinate_size(curve) - bytes.size(), 0);
      point.insert(point.end(), bytes.begin(), bytes.end());
    };
    coordinate("x_hex", "x");
    coordinate("y_hex", "y");
    const auto message = from_hex(json["output"]["cbor"].get<std::string>());
    const auto read = attestation::read_cose_sign1(message);
    const bool valid = read.ok() && attestation::verify_cose_sign1(read.value(), curve, point).ok();
    if (json.value("fail", false)) {
      EXPECT_FALSE(valid) << file.path();
      ++meant_to_fail;
    } else {
      const auto stem = file.path().stem().string();
      const bool in_profile = stem == "sign1-tests_sign-pass-03" || stem == "ecdsa-examples_ecdsa-sig-02" ||
                              stem == "ecdsa-examples_ecdsa-sig-03";
      EXPECT_EQ(valid, in_profile) << stem;
      accepted += valid ? 1 : 0;
    }
  }
  EXPECT_EQ(accepted, 3);
  EXPECT_EQ(meant_to_fail, 6);
}

// Real documents: the leaf's key verifies the signature exactly where the manifest says so.
TEST(CoseSign1, FixturesOfRealDocuments) {
  const std::string folder = std::string(COFFERDAM_FIXTURES) + "/attestation/";
  std::ifstream stream(folder + "manifest.json");
  if (!stream) GTEST_SKIP() << "no fixtures in " << folder;
  const auto manifest = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  ASSERT_FALSE(manifest.is_discarded());
  for (const auto& entry : manifest) {
    const auto message = test_data::read_file(folder + entry["file"].get<std::string>());
    const auto read = attestation::read_cose_sign1(message);
    ASSERT_TRUE(read.ok()) << entry["name"];
    // The certificate is one of the payload's values; both map forms occur.
    CborReader reader(read.value().payload);
    const auto map = reader.next().value();
    ASSERT_EQ(map.kind, CborKind::kMap);
    attestation::CborContainer pairs(reader, map);
    std::vector<std::uint8_t> certificate;
    for (auto key = pairs.next().value(); key.kind != CborKind::kBreak; key = pairs.next().value()) {
      if (key.is_text("certificate")) {
        const auto bytes = reader.expect(CborKind::kBytes).value().bytes;
        certificate.assign(bytes.begin(), bytes.end());
      } else {
        ASSERT_TRUE(reader.skip().ok()) << entry["name"];
      }
    }
    EXPECT_TRUE(reader.at_end()) << entry["name"];
    const auto leaf = crypto::read_certificate(certificate);
    ASSERT_TRUE(leaf.ok()) << entry["name"];
    const bool verified =
        attestation::verify_cose_sign1(read.value(), leaf.value().curve, leaf.value().public_key()).ok();
    EXPECT_EQ(verified, entry["cose_sig_ok"].get<bool>()) << entry["name"];
  }
}

}  // namespace
