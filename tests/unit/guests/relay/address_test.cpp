#include "guests/relay/address.hpp"

#include <gtest/gtest.h>

#include "guests/relay/allow_list.hpp"

namespace relay {
namespace {

TEST(RelayAddress, IsReadAndSaidAsItWasWritten) {
  for (const char* text : {"vsock:3:8000", "tcp:127.0.0.1:80", "tcp:kms.eu-central-1.amazonaws.com:443", "tcp:[::1]:80", "unix:/run/x"}) {
    const auto address = parse_address(text, Purpose::kConnect);
    ASSERT_TRUE(address) << text << ": " << address.error();
    EXPECT_EQ(to_text(*address), text);
  }
  EXPECT_EQ(*parse_address("vsock:parent:9", Purpose::kConnect), Address(VsockAddress{3, 9}));
  EXPECT_EQ(to_text(*parse_address("vsock:443", Purpose::kListen)), "vsock:443");
}

TEST(RelayAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "8000", "tcp:", "tcp:host", "tcp:host:", "tcp:host:0", "tcp:host:65536", "tcp:host:1x", "tcp:a b:1", "tcp:-o:1", "tcp::1",
                           "tcp:[kms]:1", "vsock:8000", "vsock:x:1", "vsock:4294967296:1", "unix:", "udp:host:1"}) {
    EXPECT_FALSE(parse_address(text, Purpose::kConnect)) << text;
  }
  for (const char* text : {"vsock:3:8000", "tcp:kms.example:1", "vsock:-1"}) EXPECT_FALSE(parse_address(text, Purpose::kListen)) << text;
  EXPECT_FALSE(parse_address("unix:" + std::string(200, 'x'), Purpose::kListen));
}

TEST(RelayAddress, KnowsLoopbackByNumbersOnly) {
  EXPECT_TRUE(is_loopback({"127.8.9.1", 1}));
  EXPECT_TRUE(is_loopback({"::1", 1}));
  EXPECT_FALSE(is_loopback({"10.0.2.2", 1}));
  EXPECT_FALSE(is_loopback({"localhost", 1}));
}

TEST(RelayAllowList, IsThatOfTheVsockProxy) {
  const auto list = parse_allow_list("# ours\nallowlist:\n- {address: kms.us-east-1.amazonaws.com, port: 443}\n\n  - { port: '8443', address: \"::1\" }  # near\r\n");
  ASSERT_TRUE(list) << list.error();
  EXPECT_TRUE(is_allowed(*list, {"KMS.us-east-1.amazonaws.com", 443}));
  EXPECT_TRUE(is_allowed(*list, {"::1", 8443}));
  EXPECT_FALSE(is_allowed(*list, {"kms.us-east-1.amazonaws.com", 444}));
  EXPECT_FALSE(is_allowed(*list, {"kms.us-east-1.amazonaws.com.evil.example", 443}));
  EXPECT_FALSE(is_allowed(*list, {"us-east-1.amazonaws.com", 443}));
}

TEST(RelayAllowList, NamesTheLineThatItCantRead) {
  EXPECT_EQ(parse_allow_list("allowlist:\n- {address: a, port: 1}\n- {address: b}\n").error().substr(0, 7), "line 3:");
  for (const char* text : {"", "# nothing\n", "- {address: a, port: 1}", "allowlist:\n- {address: a, port: 1, x: 2}", "allowlist:\n- {address: a, address: b}",
                           "allowlist:\n- address: a", "allowlist:\n- {address: a, port: 0}", "allowlist:\nallowlist:"}) {
    EXPECT_FALSE(parse_allow_list(text)) << text;
  }
  std::string many = "allowlist:\n";
  for (std::size_t count = 0; count <= kMostAllowed; ++count) many += "- {address: a, port: 1}\n";
  EXPECT_FALSE(parse_allow_list(many));
}

}  // namespace
}  // namespace relay
