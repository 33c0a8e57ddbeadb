// The measured file is read strictly, so that what its reviewers saw is what runs; the parent's file is read as a lie.
#include "guests/enclave/inference/configuration.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace {

using inference::BadConfiguration;
using inference::Owner;
using OrderedJson = nlohmann::ordered_json;

OrderedJson owner(const std::string& name) {
  return {{"host", "kms." + name + ".test"}, {"port", 8443}, {"region", "us-east-1"}, {"ca_file", "/etc/cofferdam/" + name + "-ca.pem"},
          {"key_arn", "arn:aws:kms:us-east-1:1:key/" + name}, {"context", {{"artifact", name}}}, {"vsock_port", 8001}};
}
OrderedJson good_service() {
  return {{"model", "small"}, {"most_bytes", 1024}, {"threads", 2}, {"context_tokens", 256}, {"parallel", 1}, {"listen_port", 443}, {"parent", "vsock:parent:9100"},
          {"owners", {{"weights", owner("weights")}, {"prompts", owner("prompts")}}}};
}
OrderedJson good_launch() {
  const OrderedJson credential{{"access_key_id", "AKIA"}, {"secret_access_key", "secret"}};
  OrderedJson prompts = credential;
  prompts["ciphertext"] = "AAEC";
  return {{"artifact", "model.artifact"}, {"weights", credential}, {"prompts", prompts}};
}
inference::Service service_of(const std::string& text, const std::string& pem = "-----BEGIN CERTIFICATE-----") {
  return inference::parse_service(text, [&pem](const std::string&) { return pem; });
}
// Why it is refused; empty: it is taken.
std::string service_fault(const std::string& text) {
  try {
    static_cast<void>(service_of(text));
  } catch (const BadConfiguration& error) {
    return error.what();
  }
  return {};
}
std::string launch_fault(const std::string& text) {
  try {
    static_cast<void>(inference::parse_launch(text));
  } catch (const BadConfiguration& error) {
    return error.what();
  }
  return {};
}
OrderedJson with(OrderedJson json, const std::string& pointer, const OrderedJson& value) {
  json[OrderedJson::json_pointer(pointer)] = value;
  return json;
}
// Without one member of the object at `pointer`.
OrderedJson without(OrderedJson json, const std::string& pointer, const std::string& member) {
  json[OrderedJson::json_pointer(pointer)].erase(member);
  return json;
}

TEST(ServiceFile, SaysWhatItSays) {
  std::string asked;
  const inference::Service service = inference::parse_service(good_service().dump(), [&asked](const std::string& path) {
    asked += path + " ";
    return "-----BEGIN CERTIFICATE-----" + path;
  });
  EXPECT_EQ(asked, "/etc/cofferdam/weights-ca.pem /etc/cofferdam/prompts-ca.pem ");
  EXPECT_EQ(service.model, "small");
  EXPECT_EQ(service.most_bytes, 1024U);
  EXPECT_EQ(relay::to_text(service.parent), "vsock:3:9100");
  EXPECT_EQ(service.of(Owner::kWeights).host, "kms.weights.test");
  EXPECT_EQ(service.of(Owner::kPrompts).key_arn, "arn:aws:kms:us-east-1:1:key/prompts");
  EXPECT_EQ(service.of(Owner::kPrompts).context.at("artifact"), "prompts");
  EXPECT_TRUE(service.of(Owner::kPrompts).ca_pem.ends_with("prompts-ca.pem"));
}

TEST(ServiceFile, EveryMemberIsNeededAndNoOtherIsTaken) {
  const OrderedJson good = good_service();
  for (const auto& [name, value] : good.items()) {
    EXPECT_NE(service_fault(without(good, "", name).dump()).find(name), std::string::npos) << name;
    for (const OrderedJson& wrong : {OrderedJson(nullptr), OrderedJson(-1), OrderedJson(1.5), OrderedJson(""), OrderedJson::array(), OrderedJson(true)}) {
      EXPECT_NE(service_fault(with(good, "/" + name, wrong).dump()).find(name), std::string::npos) << name << wrong;
    }
  }
  const OrderedJson weights = owner("weights");
  for (const auto& [name, value] : weights.items()) {
    EXPECT_EQ(service_fault(without(good, "/owners/weights", name).dump()).empty(), name == "port") << name;
    EXPECT_NE(service_fault(with(good, "/owners/prompts/" + name, OrderedJson::array()).dump()), "") << name;
  }
  EXPECT_EQ(service_of(without(good, "/owners/weights", "port").dump()).of(Owner::kWeights).port, 443);
  EXPECT_EQ(service_fault(with(good, "/modle", 1).dump()), "service.json: modle is unknown");
  EXPECT_EQ(service_fault(with(good, "/owners/prompts/hots", 1).dump()), "service.json: owners.prompts.hots is unknown");
  EXPECT_NE(service_fault(with(good, "/owners/somebody", owner("somebody")).dump()), "");
}

TEST(ServiceFile, NumbersHaveBounds) {
  const OrderedJson good = good_service();
  for (const char* name : {"most_bytes", "threads", "context_tokens", "parallel", "listen_port", "owners/weights/port", "owners/weights/vsock_port"}) {
    for (const OrderedJson& value : {OrderedJson(0), OrderedJson(18446744073709551615U), OrderedJson(-1), OrderedJson(1.0), OrderedJson("1"), OrderedJson(1e300)}) {
      EXPECT_NE(service_fault(with(good, "/" + std::string(name), value).dump()), "") << name << value;
    }
  }
  EXPECT_NE(service_fault(with(good, "/owners/weights/port", 65536).dump()), "");
  EXPECT_NE(service_fault(with(good, "/listen_port", 0xFFFF'FFFF).dump()), "") << "VMADDR_PORT_ANY";
  EXPECT_EQ(service_fault(with(with(good, "/context_tokens", 1 << 20), "/parallel", 16).dump()), "");
  EXPECT_NE(service_fault(with(with(good, "/context_tokens", 1 << 24), "/parallel", 256).dump()), "")
      << "their product is 0 in 32 bits, which llama-server takes for the model's own size";
}

TEST(ServiceFile, AMemberThatStandsTwiceIsRefused) {
  std::string text = good_service().dump();
  text.insert(text.rfind('}'), R"(,"model":"another")");
  EXPECT_EQ(service_fault(text), "service.json has the member model twice in one object");
  text = good_service().dump();
  text.replace(text.find(R"("host")"), 6, R"("host":"kms.attacker.test","host")");
  EXPECT_EQ(service_fault(text), "service.json has the member host twice in one object");
  text = good_service().dump();
  text.replace(text.find(R"("host")"), 6, R"("\u0068ost":"kms.attacker.test","host")");
  EXPECT_EQ(service_fault(text), "service.json has the member host twice in one object");
}

TEST(ServiceFile, ContextsAuthoritiesAndAddresses) {
  const OrderedJson good = good_service();
  OrderedJson many = OrderedJson::object();
  for (int i = 0; i < 16; ++i) many[std::to_string(i)] = "x";
  EXPECT_EQ(service_fault(with(good, "/owners/weights/context", many).dump()), "");
  many["16"] = "x";
  for (const OrderedJson& context : {OrderedJson::object(), OrderedJson{{"a", 1}}, OrderedJson{{"", "x"}}, OrderedJson{{"a", {{"b", "c"}}}}, many}) {
    EXPECT_NE(service_fault(with(good, "/owners/weights/context", context).dump()), "") << context;
  }
  for (const char* parent : {"vsock:9100", "parent", "vsock:x:1", "tcp:127.0.0.1:99999", "tcp:parent.test:9100", "file:/x"}) {
    EXPECT_NE(service_fault(with(good, "/parent", parent).dump()), "") << parent;
  }
  EXPECT_THROW(static_cast<void>(service_of(good.dump(), "")), BadConfiguration) << "an empty file would let the system's authorities vouch";
  EXPECT_THROW(static_cast<void>(service_of(good.dump(), "-----BEGIN PUBLIC KEY-----")), BadConfiguration);
  EXPECT_NE(service_fault(with(good, "/model", std::string(20'000, 'x')).dump()), "");
}

TEST(ServiceFile, BytesThatAreNoFileAreRefused) {
  for (const char* text : {"", "{", "[]", "null", "{} {}", "{\"model\": \"\xff\"}", "\xEF\xBB\xBF"}) {
    EXPECT_NE(service_fault(text), "") << text;
    EXPECT_NE(launch_fault(text), "") << text;
  }
  const std::string deep = R"({"model": )" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_NE(service_fault(deep), "");
  EXPECT_NE(launch_fault(deep), "");
  EXPECT_NE(launch_fault(std::string(1 << 20, '[')), "");
}

TEST(LaunchFile, SaysWhatItSays) {
  OrderedJson json = with(good_launch(), "/weights/session_token", "token/+=");
  const inference::Launch launch = inference::parse_launch(json.dump());
  EXPECT_EQ(launch.artifact, "model.artifact");
  EXPECT_EQ(launch.prompts_ciphertext, (cofferdam::Bytes{0, 1, 2}));
  EXPECT_EQ(launch.credential(Owner::kWeights).session_token, "token/+=");
  EXPECT_EQ(launch.credential(Owner::kPrompts).session_token, "");
}

TEST(LaunchFile, IsReadStrictly) {
  const OrderedJson good = good_launch();
  for (const auto& [name, value] : good.items()) {
    EXPECT_NE(launch_fault(without(good, "", name).dump()), "") << name;
    EXPECT_NE(launch_fault(with(good, "/" + name, 1).dump()), "") << name;
  }
  for (const char* name : {"access_key_id", "secret_access_key", "ciphertext"}) EXPECT_NE(launch_fault(without(good, "/prompts", name).dump()), "") << name;
  for (const char* text : {"", "!", "A*EC", "A"}) EXPECT_NE(launch_fault(with(good, "/prompts/ciphertext", text).dump()), "") << text;
  EXPECT_NE(launch_fault(with(good, "/weights/ciphertext", "AAEC").dump()), "");
  EXPECT_NE(launch_fault(with(good, "/owners", {{"weights", owner("weights")}}).dump()), "") << "who owns a key is measured";
  EXPECT_NE(launch_fault(with(good, "/prompts/host", "kms.attacker.test").dump()), "");
  EXPECT_NE(launch_fault(with(good, "/prompts/key_arn", "arn:another").dump()), "");
}

// Root in the parent writes this file; the request that the words go into is the enclave's, with its document.
TEST(LaunchFile, NoWordAddsAHeaderOrARequest) {
  for (const char* name : {"access_key_id", "secret_access_key", "session_token"}) {
    for (const char* word : {"AKIA\r\nX-Amz-Target: TrentService.CreateGrant", "AKIA\n", "A KIA", "A\tB", "AK\u00e4", "AKIA\x7f", "\x01"}) {
      EXPECT_NE(launch_fault(with(good_launch(), "/weights/" + std::string(name), word).dump()), "") << name << word;
    }
  }
  EXPECT_NE(launch_fault(with(good_launch(), "/weights/access_key_id", std::string("A\0B", 3)).dump()), "");
}

TEST(LaunchFile, TheArtifactIsANameOfTheStore) {
  for (const char* name : {"../launch.json", "/etc/passwd", ".", "..", ".hidden", "a/b", "a\nSAY served", "a b", "a\\b", "\u00e4"}) {
    EXPECT_NE(launch_fault(with(good_launch(), "/artifact", name).dump()), "") << name;
  }
  EXPECT_EQ(launch_fault(with(good_launch(), "/artifact", std::string(128, 'a')).dump()), "");
  EXPECT_NE(launch_fault(with(good_launch(), "/artifact", std::string(129, 'a')).dump()), "");
}

}  // namespace
