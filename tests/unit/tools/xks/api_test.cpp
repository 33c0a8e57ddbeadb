// What both sides must compute alike, against the specification's own example.
#include "tools/xks/api.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>


namespace {

using cofferdam::as_bytes;
using cofferdam::Bytes;
using cofferdam::to_base64;

TEST(XksApi, TheIntegrityValueIsAppendixCs) {
  const xks::Encrypted encrypted{.ciphertext = *xks::strict_base64("ghxkK1txeDNn3q8Y"), .metadata = *xks::strict_base64("a2V5X3ZlcnNpb249MQ=="),
                                 .iv = *xks::strict_base64("HMrlRw85cAJUd5Ax"), .tag = *xks::strict_base64("vBxN2ncH1oEkR8WVXpmyYQ==")};
  EXPECT_EQ(to_base64(xks::integrity_value(as_bytes("project=nile,department=marketing"), encrypted)),
            "qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc=");
}

TEST(XksApi, TheFixturesVectorHoldsToo) {
  const std::string path = std::string(COFFERDAM_FIXTURES) + "/xks/xks_vectors.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " isn't there";
  const auto vectors = nlohmann::json::parse(cofferdam::as_text(cofferdam::read_file(path, 1 << 20)));
  const auto& example = vectors.at("cdiv_example");
  const auto bytes = [&example](const char* name) { return *xks::strict_base64(example.at(name).get<std::string>()); };
  const xks::Encrypted encrypted{.ciphertext = bytes("ciphertext_b64"), .metadata = bytes("ciphertextMetadata_b64"), .iv = bytes("iv_b64"),
                                 .tag = bytes("tag_b64")};
  EXPECT_EQ(to_base64(xks::integrity_value(bytes("aad_b64"), encrypted)), example.at("cdiv_b64").get<std::string>());
}

TEST(XksApi, AuthenticatedDataHasBothLengths) {
  EXPECT_EQ(xks::authenticated_data(as_bytes("ab"), as_bytes("c")), (Bytes{0, 2, 'a', 'b', 1, 'c'}));
  EXPECT_EQ(xks::authenticated_data({}, {}), (Bytes{0, 0, 0}));
  EXPECT_NE(xks::authenticated_data(as_bytes("ab"), {}), xks::authenticated_data({}, as_bytes("ab")));
  const Bytes large(8192, 7);
  const Bytes whole = xks::authenticated_data(large, {});
  EXPECT_EQ(whole[0], 0x20);
  EXPECT_EQ(whole[1], 0x00);
  EXPECT_EQ(whole.size(), 8195U);
}

TEST(XksApi, NamesAreOfTheirAlphabetsAndLengths) {
  EXPECT_TRUE(xks::is_key_id("b42c7fbf-de61_441c.ae24"));
  EXPECT_TRUE(xks::is_key_id(std::string(128, 'k')));
  for (const char* bad : {"", "a/b", "a b", "a%20", "\xC3\xA4"}) EXPECT_FALSE(xks::is_key_id(bad)) << bad;
  EXPECT_FALSE(xks::is_key_id(std::string(129, 'k')));
  for (const char* good : {"/kms/xks/v1", "/a/kms/xks/v1", "/a-b_c/d/kms/xks/v1"}) EXPECT_TRUE(xks::is_uri_path(good)) << good;
  for (const char* bad : {"", "kms/xks/v1", "/kms/xks/v1/", "/a.b/kms/xks/v1", "//kms/xks/v1", "/kms/xks/v2"}) EXPECT_FALSE(xks::is_uri_path(bad)) << bad;
  EXPECT_FALSE(xks::is_uri_path("/" + std::string(117, 'a') + "/kms/xks/v1"));
  EXPECT_TRUE(xks::is_access_key_id("ABCDEFGHIJKLMNOPQ234"));
  EXPECT_FALSE(xks::is_access_key_id("ABCDEFGHIJKLMNOPQ231"));
  EXPECT_FALSE(xks::is_access_key_id("ABCDEFGHIJKLMNOPQ23"));
  EXPECT_TRUE(xks::is_secret(std::string(43, '/')));
  EXPECT_FALSE(xks::is_secret(std::string(42, 'a')));
}

TEST(XksApi, Base64IsTheOneText) {
  EXPECT_TRUE(xks::strict_base64("SGVsbG8="));
  EXPECT_TRUE(xks::strict_base64(""));
  for (const char* bad : {"SGVsbG8", "SGVsbG8=\n", "SGV sbG8=", "SGVsbG9=", "SGVs-_8=", "=", "SGVsbG8=="}) EXPECT_FALSE(xks::strict_base64(bad)) << bad;
}

}  // namespace
