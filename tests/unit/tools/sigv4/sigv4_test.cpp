// Signatures of others (AWS's published vectors as botocore computes them too) against ours, and requests that must not pass.
#include "tools/sigv4/sigv4.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

using sigv4::Fault;

constexpr std::int64_t kTime = 1440938160;  // 20150830T123600Z
constexpr std::string_view kId = "AKIDEXAMPLE", kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

sigv4::Check check(std::string service = "service", std::int64_t time = kTime) {
  return {.service = std::move(service), .region = "us-east-1", .time = time, .most_skew_seconds = 300,
          .secret_of = [](std::string_view id) { return id == kId ? std::optional<std::string>(kSecret) : std::nullopt; }};
}
std::string signed_as(https::Request request, std::string service, std::string token = {}) {
  sigv4::sign(request, {std::string(kId), std::string(kSecret), std::move(token)}, {"us-east-1", std::move(service)}, kTime);
  const std::string_view value = *request.header("Authorization");
  return std::string(value.substr(value.find("Signature=") + 10));
}
https::Request plain(std::string method = "GET", std::string target = "/", std::string body = {}) {
  return {.method = std::move(method), .target = std::move(target), .headers = {{"Host", "example.amazonaws.com"}}, .body = std::move(body)};
}
https::Request good() {
  https::Request request = plain("POST", "/kms/xks/v1/health", R"({"a":1})");
  request.headers.emplace_back("Content-Type", "application/json");
  sigv4::sign(request, {std::string(kId), std::string(kSecret), {}}, {"us-east-1", "service"}, kTime);
  return request;
}
std::string& header(https::Request& request, std::string_view name) {
  return std::ranges::find(request.headers, name, [](const auto& pair) -> const std::string& { return pair.first; })->second;
}
std::string with(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Sigv4, SignsAsOthersDo) {
  EXPECT_EQ(signed_as(plain(), "service"), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");  // get-vanilla
  https::Request form = plain("POST", "/", "Param1=value1");
  form.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  EXPECT_EQ(signed_as(form, "service"), "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");  // post-x-www-form-urlencoded
  https::Request proxy = plain("POST", "/kms/xks/v1/keys/my-key_1.a/encrypt", R"({"a":1})");
  proxy.headers = {{"Host", "127.0.0.1:8443"}, {"Content-Type", "application/json"}, {"X-Amz-My", "  a   b  "}};
  EXPECT_EQ(signed_as(proxy, "kms-xks-proxy"), "20fb85537e6b3b8ce73a0e87e65f737a2701b4f9138f760f259fd2aa6811c8ff");
  https::Request service = plain("POST", "/", "{}");
  service.headers.emplace_back("Content-Type", "application/x-amz-json-1.1");
  service.headers.emplace_back("X-Amz-Target", "TrentService.Encrypt");
  EXPECT_EQ(signed_as(service, "kms", "TOKEN"), "b6c816c35781dc10f73e1aafc9cbbb665277e3dd988845cabb0dfc0f76c36778");
}

TEST(Sigv4, PathsAndQueriesAreTheSameHoweverTheyAreWritten) {
  // get-vanilla-query-order-key-case of AWS's vectors, with a path that comes to "/".
  EXPECT_EQ(signed_as(plain("GET", "/a/..//./?Param2=value2&Param1=value1"), "service"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  EXPECT_EQ(signed_as(plain("GET", "/?Param1=value1&Param2=v%61lue2"), "service"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  EXPECT_NE(signed_as(plain("GET", "/?a=b%2fc"), "service"), signed_as(plain("GET", "/?a=b&c"), "service"));
  for (const char* target : {"no-slash", "/a b", "/?a=%", "/?a=%1", "/?a=%zz", "/\xC3\xA4"}) {
    EXPECT_THROW(signed_as(plain("GET", target), "service"), std::logic_error) << target;
  }
}

TEST(Sigv4, AcceptsWhatItSignedAndNothingThatChanged) {
  const https::Request request = good();
  const sigv4::Verdict verdict = sigv4::verify(request, check());
  EXPECT_FALSE(verdict.fault) << verdict.message;
  EXPECT_EQ(verdict.access_key_id, kId);
  const auto fault_of = [&](auto change) {
    https::Request changed = request;
    change(changed);
    const sigv4::Verdict refused = sigv4::verify(changed, check());
    EXPECT_EQ(refused.message.find(kSecret), std::string::npos);
    return refused.fault;
  };
  EXPECT_EQ(fault_of([](auto& r) { r.body += " "; }), Fault::kMismatch);
  EXPECT_EQ(fault_of([](auto& r) { r.method = "PUT"; }), Fault::kMismatch);
  EXPECT_EQ(fault_of([](auto& r) { r.target = "/kms/xks/v1/healthy"; }), Fault::kMismatch);
  EXPECT_EQ(fault_of([](auto& r) { r.target += "?a"; }), Fault::kMismatch);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "Host") = "other"; }), Fault::kMismatch);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "Content-Type") = "text/plain"; }), Fault::kMismatch);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "x-amz-date") = "20150830T123601Z"; }), Fault::kMismatch);
  EXPECT_EQ(fault_of([](auto& r) { r.headers.emplace_back("x-amz-content-sha256", "UNSIGNED-PAYLOAD"); }), Fault::kMismatch);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "authorization") = with(header(r, "authorization"), "us-east-1", "eu-west-1"); }), Fault::kScope);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "authorization") = with(header(r, "authorization"), "/service/", "/kms/"); }), Fault::kScope);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "authorization") = with(header(r, "authorization"), "20150830", "20150831"); }), Fault::kScope);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "authorization") = with(header(r, "authorization"), "aws4_request", "aws5_request"); }), Fault::kScope);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "authorization") = with(header(r, "authorization"), "AKIDEXAMPLE", "AKIDEXAMPLF"); }), Fault::kUnknownKey);
  EXPECT_EQ(fault_of([](auto& r) { header(r, "authorization") = with(header(r, "authorization"), "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"); }), Fault::kMissing);
  EXPECT_EQ(fault_of([](auto& r) { std::erase_if(r.headers, [](auto& h) { return h.first == "authorization"; }); }), Fault::kMissing);
}

TEST(Sigv4, TheTimeMayDifferByFiveMinutesEitherWay) {
  const https::Request request = good();
  for (const std::int64_t off : {-300, 300}) EXPECT_FALSE(sigv4::verify(request, check("service", kTime + off)).fault) << off;
  for (const std::int64_t off : {-301, 301}) EXPECT_EQ(sigv4::verify(request, check("service", kTime + off)).fault, Fault::kSkew) << off;
}

TEST(Sigv4, HostileHeadersAreMalformed) {
  const auto fault_of = [](auto change) {
    https::Request request = good();
    change(request);
    return sigv4::verify(request, check()).fault;
  };
  const auto rewritten = [&](std::string_view from, std::string_view to) {
    return fault_of([&](auto& r) { header(r, "authorization") = with(header(r, "authorization"), from, to); });
  };
  EXPECT_EQ(fault_of([](auto& r) { r.headers.emplace_back("Authorization", header(r, "authorization")); }), Fault::kMalformed);
  EXPECT_EQ(fault_of([](auto& r) { r.headers.emplace_back("host", "second"); }), Fault::kMalformed);
  EXPECT_EQ(fault_of([](auto& r) { r.headers.emplace_back("X-Amz-Date", "20150830T123600Z"); }), Fault::kMalformed);
  EXPECT_EQ(fault_of([](auto& r) { r.headers.emplace_back("content-type", "second"); }), Fault::kMalformed);
  EXPECT_EQ(rewritten("content-type;host;x-amz-date", "host;content-type;x-amz-date"), Fault::kMalformed);
  EXPECT_EQ(rewritten("content-type;host;x-amz-date", "content-type;host;host;x-amz-date"), Fault::kMalformed);
  EXPECT_EQ(rewritten("content-type;host;x-amz-date", "content-type;Host;x-amz-date"), Fault::kMalformed);
  EXPECT_EQ(rewritten("content-type;host;x-amz-date", "content-type;x-amz-date"), Fault::kMalformed);
  EXPECT_EQ(rewritten("content-type;host;x-amz-date", "content-type;host"), Fault::kMalformed);
  EXPECT_EQ(rewritten("content-type;host;x-amz-date", "content-type;host;x-amz-date;x-missing"), Fault::kMalformed);
  EXPECT_EQ(rewritten("content-type;", ";"), Fault::kMalformed);
  EXPECT_EQ(rewritten("Signature=", "Signature=0"), Fault::kMalformed);
  EXPECT_EQ(rewritten("Signature=", "Signature=,Signature="), Fault::kMalformed);
  EXPECT_EQ(rewritten(", Signature=", ", Other=1, Signature="), Fault::kMalformed);
  EXPECT_EQ(rewritten("Credential=AKIDEXAMPLE/", "Credential="), Fault::kMalformed);
  EXPECT_EQ(rewritten("Credential=AKIDEXAMPLE", "Credential="), Fault::kMalformed);
  EXPECT_EQ(rewritten("Credential=", "Credential=" + std::string(5000, 'A')), Fault::kMalformed);
  EXPECT_EQ(rewritten("Credential=AKIDEXAMPLE", "Credential=" + std::string(129, 'A')), Fault::kMalformed);
  for (const char* date : {"", "20150830", "20150830T123600", "20151330T123600Z", "20150230T123600Z", "20150830T123660Z", "2015083aT123600Z"}) {
    EXPECT_EQ(fault_of([&](auto& r) { header(r, "x-amz-date") = date; }), Fault::kMalformed) << date;
  }
  // A header twice that isn't signed is nobody's business here.
  EXPECT_FALSE(fault_of([](auto& r) {
    r.headers.emplace_back("x-other", "1");
    r.headers.emplace_back("x-other", "2");
  }));
}

TEST(Sigv4, AHostileTargetIsMalformedWhoeverSignedIt) {
  for (const char* target : {"", "no-slash", "/a b", "/?a=%", "/\x7F", "/\xC3\xA4"}) {
    https::Request request = good();
    request.target = target;
    EXPECT_EQ(sigv4::verify(request, check()).fault, Fault::kMalformed) << target;
  }
}

TEST(Sigv4, SeveralCredentialsAreValidAtOnce) {
  sigv4::Check both = check();
  both.secret_of = [](std::string_view id) -> std::optional<std::string> {
    if (id == "OLD") return "old secret";
    if (id == "NEW") return "new secret";
    return std::nullopt;
  };
  for (const auto& [id, secret] : {std::pair("OLD", "old secret"), std::pair("NEW", "new secret")}) {
    https::Request request = plain();
    sigv4::sign(request, {id, secret, {}}, {"us-east-1", "service"}, kTime);
    EXPECT_EQ(sigv4::verify(request, both).access_key_id, id);
  }
  https::Request crossed = plain();
  sigv4::sign(crossed, {"OLD", "new secret", {}}, {"us-east-1", "service"}, kTime);
  EXPECT_EQ(sigv4::verify(crossed, both).fault, Fault::kMismatch);
}

}  // namespace
