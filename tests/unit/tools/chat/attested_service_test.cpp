// That a document is of this connection's key, and where a service is.
#include <gtest/gtest.h>

#include "tools/chat/attested_service.hpp"
#include "tools/chat/refused.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::Digest256;

bool bound(const std::optional<Bytes>& user_data, const Digest256& key) {
  cofferdam::Document document;
  document.user_data = user_data;
  try {
    chat::check_binding(document, key);
    return true;
  } catch (const chat::Refused& refused) {
    EXPECT_EQ(refused.code(), "tls-key");
    return false;
  }
}

TEST(CheckBinding, TakesThisKeysDigestAndNothingElse) {
  const Digest256 key = cofferdam::sha256(Bytes{1, 2, 3});
  const Bytes digest(key.begin(), key.end());
  EXPECT_TRUE(bound(digest, key));
  EXPECT_FALSE(bound(std::nullopt, key));
  EXPECT_FALSE(bound(Bytes{}, key));
  EXPECT_FALSE(bound(Bytes(32, 0), key));
  EXPECT_FALSE(bound(Bytes(digest.begin(), digest.end() - 1), key));
  Bytes longer = digest, other = digest;
  longer.push_back(0);
  other.back() ^= 1;
  EXPECT_FALSE(bound(longer, key));
  EXPECT_FALSE(bound(other, key));
}

TEST(ParseAddress, TakesNamesAndBothKindsOfAddress) {
  EXPECT_EQ(chat::parse_address("model.example:8443").host, "model.example");
  EXPECT_EQ(chat::parse_address("127.0.0.1:1").port, 1);
  EXPECT_EQ(chat::parse_address("[::1]:65535").host, "::1");
  EXPECT_EQ(chat::parse_address("[::1]:65535").port, 65535);
}

TEST(ParseAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "host", "host:", ":443", "host:0", "host:65536", "host:x", "host:44 3", "::1:443", "a b:443", "https://host:443",
                           "host\r\nX: y:443", "[]:443"}) {
    EXPECT_THROW((void)chat::parse_address(text), cofferdam::Unreadable) << text;
  }
}

TEST(AttestedService, AsksNothingBeforeItIsVerified) {
  chat::AttestedService service({"127.0.0.1", 1}, std::chrono::seconds{1}, {});
  chat::Answer answer([](std::string_view) {});
  EXPECT_THROW(service.ask("{}", "key", answer), std::logic_error);
}

}  // namespace
