#include "firmware/crypto/hkdf.hpp"

#include <gtest/gtest.h>

#include "tests/unit/firmware/hex_text.hpp"

namespace {

using test_data::bytes_of;
using test_data::from_hex;
using test_data::to_hex;

// RFC 4231, test cases 1 and 2.
TEST(Hmac, Rfc4231) {
  EXPECT_EQ(to_hex(crypto::hmac_sha384(std::vector<std::uint8_t>(20, 0x0b), bytes_of("Hi There")).value()),
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6");
  EXPECT_EQ(to_hex(crypto::hmac_sha384(bytes_of("Jefe"), bytes_of("what do ya want for nothing?")).value()),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
}

// Inputs of RFC 5869 test case 1; the outputs for SHA-384 were computed with Python's hmac module.
TEST(Hkdf, ExtractAndExpand) {
  const auto prk = crypto::hkdf_extract(from_hex("000102030405060708090a0b0c"), std::vector<std::uint8_t>(22, 0x0b));
  ASSERT_TRUE(prk.ok());
  EXPECT_EQ(to_hex(prk.value()),
            "704b39990779ce1dc548052c7dc39f303570dd13fb39f7acc564680bef80e8dec70ee9a7e1f3e293ef68eceb072a5ade");
  const auto info = from_hex("f0f1f2f3f4f5f6f7f8f9");
  EXPECT_EQ(to_hex(crypto::hkdf_expand<42>(prk.value(), info).value()),
            "9b5097a86038b805309076a44b3a9f38063e25b516dcbf369f394cfab43685f748b6457763e4f0204fc5");
  EXPECT_EQ(to_hex(crypto::hkdf_expand<100>(prk.value(), info).value()),
            "9b5097a86038b805309076a44b3a9f38063e25b516dcbf369f394cfab43685f748b6457763e4f0204fc5d95d1da3e62587b2"
            "2eb8943d0fab6bb631a2fe9df1a68c6ce5d56116a52005b3f122b88b39b7251fcd6c44d3ef25f20ed96802bf1b2c1d98bf74");
}

TEST(Hkdf, RefusesMoreThanTheStandardAllows) {
  std::vector<std::uint8_t> output(255 * 48 + 1);
  EXPECT_EQ(crypto::hkdf_expand_into(output, {}, {}).error(), base::Error::kInternal);
  EXPECT_TRUE(crypto::hkdf_expand_into(std::span(output).first(255 * 48), {}, {}).ok());
}

}  // namespace
