#include "firmware/crypto/certificate.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "firmware/crypto/certificate_view.hpp"
#include "firmware/crypto/der_reader.hpp"
#include "firmware/crypto/der_writer.hpp"
#include "tests/unit/firmware/hex_text.hpp"

namespace {

using base::Error;
using crypto::CertificateKind;
using crypto::CertificateRequest;
using crypto::CertificateView;
using crypto::P384KeyPair;
using test_data::bytes_of;
using test_data::from_hex;
using test_data::to_hex;

using Buffer = std::vector<std::uint8_t>;

P384KeyPair key_of(const char* who) { return P384KeyPair::from_seed(crypto::sha384(bytes_of(who))).value(); }

constexpr std::array<std::uint8_t, 2> kSerial{0x12, 0x34};
constexpr std::uint64_t kNow = 1'700'000'000;

struct Level {
  const char* name;
  CertificateKind kind;
  std::uint8_t path_length;
};
constexpr std::array<Level, 5> kLevels{{{"root", CertificateKind::kRoot, 0},
                                        {"manufacturer", CertificateKind::kAuthority, 2},
                                        {"device", CertificateKind::kAuthority, 1},
                                        {"monitor", CertificateKind::kLastAuthority, 0},
                                        {"leaf", CertificateKind::kLeaf, 0}}};

Buffer certificate_at(std::size_t level) {
  const Level& issuer = kLevels[level == 0 ? 0 : level - 1];
  CertificateRequest request;
  request.issuer = {issuer.name, "Cofferdam", "test"};
  request.subject = {kLevels[level].name, "Cofferdam", "test"};
  request.serial = kSerial;
  request.validity = {kNow, level < 3 ? crypto::kNoExpiry : kNow + 10'800};
  request.kind = kLevels[level].kind;
  request.path_length = kLevels[level].path_length;
  request.subject_key = key_of(kLevels[level].name).public_key();
  Buffer buffer(1024);
  const auto der = crypto::write_certificate(request, key_of(issuer.name), buffer);
  EXPECT_TRUE(der.ok());
  return {der.value().begin(), der.value().end()};
}

TEST(Certificate, ReadsBackWhatWasWritten) {
  for (std::size_t level = 0; level < kLevels.size(); ++level) {
    const Buffer der = certificate_at(level);
    const auto read = crypto::read_certificate(der);
    ASSERT_TRUE(read.ok()) << level;
    const CertificateView& view = read.value();
    EXPECT_EQ(view.subject_common_name, kLevels[level].name);
    EXPECT_EQ(view.issuer_common_name, kLevels[level == 0 ? 0 : level - 1].name);
    EXPECT_EQ(view.subject_organizational_unit, "test");
    EXPECT_EQ(to_hex(view.serial), "1234");
    EXPECT_EQ(view.not_before, kNow);
    EXPECT_EQ(view.not_after, level < 3 ? 253'402'300'799U : kNow + 10'800);
    EXPECT_EQ(view.curve, crypto::Curve::kP384);
    EXPECT_EQ(to_hex(view.public_key()), to_hex(key_of(kLevels[level].name).public_key()));
    EXPECT_EQ(view.authority, level < 4);
    const bool has_path_length = level > 0 && level < 4;
    EXPECT_EQ(view.path_length.has_value(), has_path_length);
    if (has_path_length) {
      EXPECT_EQ(*view.path_length, kLevels[level].path_length);
    }
    ASSERT_TRUE(view.key_usage.has_value());
    constexpr std::array<std::uint32_t, 5> kUsage{0x86, 0x86, 0x86, 0x04, 0xC0};
    EXPECT_EQ(*view.key_usage, kUsage[level]);
    EXPECT_EQ(view.der.size(), der.size());
  }
}

TEST(Certificate, EachIsIssuedByTheOneAboveAndByNoOther) {
  std::vector<Buffer> chain;
  for (std::size_t level = 0; level < kLevels.size(); ++level) chain.push_back(certificate_at(level));
  for (std::size_t subject = 0; subject < chain.size(); ++subject) {
    for (std::size_t issuer = 0; issuer < chain.size(); ++issuer) {
      const bool expected = issuer == (subject == 0 ? 0 : subject - 1);
      const base::Status status = crypto::verify_issued_by(crypto::read_certificate(chain[subject]).value(),
                                                           crypto::read_certificate(chain[issuer]).value());
      EXPECT_EQ(status.ok(), expected) << subject << " by " << issuer;
    }
  }
}

TEST(Certificate, SameNameWithAnotherKeyIsRefused) {
  CertificateRequest request;
  request.issuer = request.subject = {"root", "Cofferdam", "test"};
  request.serial = kSerial;
  request.validity = {kNow, crypto::kNoExpiry};
  request.kind = CertificateKind::kRoot;
  request.subject_key = key_of("impostor").public_key();
  Buffer buffer(1024);
  const auto impostor = crypto::write_certificate(request, key_of("impostor"), buffer).value();
  EXPECT_EQ(crypto::verify_issued_by(crypto::read_certificate(certificate_at(1)).value(),
                                     crypto::read_certificate(impostor).value())
                .error(),
            Error::kBadSignature);
}

// The right key is not enough: the issuer must be a CA, bear the name, and be allowed to sign certificates.
TEST(Certificate, RightKeyInTheWrongCertificateIsRefused) {
  const Buffer leaf_der = certificate_at(4);
  const CertificateView leaf = crypto::read_certificate(leaf_der).value();
  const auto issued_by = [&](const Buffer& issuer) {
    return crypto::verify_issued_by(leaf, crypto::read_certificate(issuer).value());
  };
  const auto with_monitor_key = [&](const char* name, CertificateKind kind) {
    CertificateRequest request;
    request.issuer = {"device", "Cofferdam", "test"};
    request.subject = {name, "Cofferdam", "test"};
    request.serial = kSerial;
    request.validity = {kNow, kNow + 1};
    request.kind = kind;
    request.subject_key = key_of("monitor").public_key();
    Buffer buffer(1024);
    const auto der = crypto::write_certificate(request, key_of("device"), buffer);
    return Buffer(der.value().begin(), der.value().end());
  };
  EXPECT_TRUE(issued_by(with_monitor_key("monitor", CertificateKind::kLastAuthority)).ok());
  EXPECT_EQ(issued_by(with_monitor_key("monitor", CertificateKind::kLeaf)).error(), Error::kDenied);
  EXPECT_EQ(issued_by(with_monitor_key("another monitor", CertificateKind::kLastAuthority)).error(), Error::kDenied);
  // basicConstraints of the CA changed from TRUE to FALSE, keyUsage still keyCertSign.
  Buffer no_authority = with_monitor_key("monitor", CertificateKind::kLastAuthority);
  const Buffer constraints = from_hex("0603551d130101ff040830060101ff020100");
  const auto authority = std::search(no_authority.begin(), no_authority.end(), constraints.begin(), constraints.end());
  ASSERT_NE(authority, no_authority.end());
  authority[14] = 0;
  EXPECT_EQ(issued_by(no_authority).error(), Error::kDenied);
  // keyUsage of the CA changed from keyCertSign to digitalSignature (its own signature is not looked at here).
  Buffer no_signing = with_monitor_key("monitor", CertificateKind::kLastAuthority);
  const Buffer usage = from_hex("0603551d0f0101ff040403020204");
  const auto at = std::search(no_signing.begin(), no_signing.end(), usage.begin(), usage.end());
  ASSERT_NE(at, no_signing.end());
  at[12] = 7;
  at[13] = 0x80;
  EXPECT_EQ(issued_by(no_signing).error(), Error::kDenied);
}

// OpenSSL is the independent judge: the chain holds under its strict profile, and it prints what was meant.
TEST(Certificate, OpensslAcceptsTheChain) {
  if (std::system("openssl version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no openssl program on this machine";
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("cofferdam_chain_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  for (std::size_t level = 0; level < kLevels.size(); ++level) {
    const Buffer der = certificate_at(level);
    std::ofstream(folder / (std::string(kLevels[level].name) + ".der"), std::ios::binary)
        .write(reinterpret_cast<const char*>(der.data()), static_cast<std::streamsize>(der.size()));
  }
  const auto shell = [&](const std::string& command) {
    return std::system(("cd " + folder.string() + " && { " + command + "; } > output 2>&1").c_str());
  };
  EXPECT_EQ(shell("for n in root manufacturer device monitor leaf; do openssl x509 -inform DER -in $n.der -out $n.pem "
                  "|| exit 1; done; cat manufacturer.pem device.pem monitor.pem > middle.pem"),
            0);
  EXPECT_EQ(shell("openssl verify -check_ss_sig -attime 1700000100 -CAfile root.pem -untrusted middle.pem leaf.pem"), 0);
  EXPECT_NE(shell("openssl verify -attime 1700010801 -CAfile root.pem -untrusted middle.pem leaf.pem"), 0);
  EXPECT_NE(shell("openssl verify -attime 1700000100 -CAfile root.pem -untrusted device.pem leaf.pem"), 0);
  EXPECT_EQ(shell("openssl x509 -in leaf.pem -noout -text | grep -A1 'X509v3 Key Usage:' | "
                  "grep 'Digital Signature, Non Repudiation'"),
            0);
  EXPECT_EQ(shell("openssl x509 -in monitor.pem -noout -text | grep 'CA:TRUE, pathlen:0'"), 0);
  EXPECT_EQ(shell("openssl x509 -in root.pem -noout -enddate | grep 'Dec 31 23:59:59 9999 GMT'"), 0);
  std::filesystem::remove_all(folder);
}

TEST(Certificate, DatesBeforeAndAfter2050AndLeapYears) {
  for (const std::uint64_t time : {0ULL, 951'782'400ULL /* 2000-02-29 */, 951'868'799ULL, 2'524'607'999ULL,
                                   2'524'608'000ULL, 4'107'542'400ULL /* 2100-03-01 */, 253'402'300'799ULL}) {
    CertificateRequest request;
    request.issuer = request.subject = {"x", {}, {}};
    request.serial = kSerial;
    request.validity = {time, time};
    request.kind = CertificateKind::kRoot;
    request.subject_key = key_of("x").public_key();
    Buffer buffer(1024);
    const auto der = crypto::write_certificate(request, key_of("x"), buffer);
    ASSERT_TRUE(der.ok());
    const auto view = crypto::read_certificate(der.value());
    ASSERT_TRUE(view.ok());
    // UTCTime's two digits mean 1950 to 2049 (RFC 5280), so 1970 is there too.
    EXPECT_EQ(view.value().not_before, time);
    EXPECT_TRUE(view.value().valid_at(time));
    EXPECT_FALSE(view.value().valid_at(time + 1));
  }
}

TEST(Certificate, RefusesBadRequests) {
  CertificateRequest good;
  good.issuer = good.subject = {"x", {}, {}};
  good.serial = kSerial;
  good.validity = {kNow, kNow + 1};
  good.subject_key = key_of("x").public_key();
  Buffer buffer(1024);
  const auto error_of = [&](auto change) {
    CertificateRequest request = good;
    change(request);
    const auto result = crypto::write_certificate(request, key_of("x"), buffer);
    return result.ok() ? Error{} : result.error();
  };
  const Buffer zero(4, 0);
  const Buffer long_serial(21, 1);
  const Buffer negative_serial(20, 0x80);
  const std::string long_name(65, 'x');
  EXPECT_EQ(error_of([](CertificateRequest& r) { r.serial = {}; }), Error::kInvalidArgument);
  EXPECT_EQ(error_of([&](CertificateRequest& r) { r.serial = zero; }), Error::kInvalidArgument);
  EXPECT_EQ(error_of([&](CertificateRequest& r) { r.serial = long_serial; }), Error::kInvalidArgument);
  EXPECT_EQ(error_of([&](CertificateRequest& r) { r.serial = negative_serial; }), Error::kInvalidArgument);
  EXPECT_EQ(error_of([](CertificateRequest& r) { r.validity.not_after = kNow - 1; }), Error::kInvalidArgument);
  EXPECT_EQ(error_of([](CertificateRequest& r) { r.validity.not_after = 253'402'300'800; }), Error::kInvalidArgument);
  EXPECT_EQ(error_of([&](CertificateRequest& r) { r.subject.common_name = long_name; }), Error::kTooLarge);
  EXPECT_EQ(error_of([](CertificateRequest&) {}), Error{});
}

TEST(Certificate, EverySmallerBufferIsRefused) {
  const std::size_t needed = certificate_at(4).size();
  CertificateRequest request;
  request.issuer = {"monitor", "Cofferdam", "test"};
  request.subject = {"leaf", "Cofferdam", "test"};
  request.serial = kSerial;
  request.validity = {kNow, kNow + 10'800};
  request.subject_key = key_of("leaf").public_key();
  for (std::size_t size = 0; size < needed; ++size) {
    Buffer buffer(size);
    ASSERT_EQ(crypto::write_certificate(request, key_of("monitor"), buffer).error(), Error::kBufferTooSmall) << size;
  }
  Buffer buffer(needed);
  EXPECT_TRUE(crypto::write_certificate(request, key_of("monitor"), buffer).ok());
}

TEST(CertificateView, RefusesEveryTruncationAndTrailingBytes) {
  const Buffer der = certificate_at(3);
  for (std::size_t size = 0; size < der.size(); ++size) {
    // A copy of that size, so that a read beyond it is seen by the sanitizer.
    const Buffer part(der.begin(), der.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_FALSE(crypto::read_certificate(part).ok()) << size;
  }
  Buffer longer = der;
  longer.push_back(0);
  EXPECT_EQ(crypto::read_certificate(longer).error(), Error::kInvalidArgument);
  EXPECT_EQ(crypto::read_certificate(Buffer(crypto::kMaxCertificateSize + 1)).error(), Error::kTooLarge);
}

TEST(CertificateView, EveryChangedByteIsNoticed) {
  const Buffer der = certificate_at(4);
  const Buffer issuer_der = certificate_at(3);
  for (std::size_t i = 0; i < der.size(); ++i) {
    Buffer changed = der;
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ 0x01);
    const auto view = crypto::read_certificate(changed);
    if (!view.ok()) continue;
    ASSERT_FALSE(crypto::verify_issued_by(view.value(), crypto::read_certificate(issuer_der).value()).ok()) << i;
  }
}

TEST(CertificateView, FindsExtensionsAndRefusesDoubles) {
  const auto oid = from_hex("2b06010401");
  const auto other_oid = from_hex("2b06010402");
  const Buffer value = bytes_of("\x04\x01x");
  for (const int copies : {0, 1, 2}) {
    std::vector<crypto::Extension> extensions{{other_oid, crypto::Criticality::kNotCritical, value}};
    for (int i = 0; i < copies; ++i) extensions.push_back({oid, crypto::Criticality::kNotCritical, value});
    CertificateRequest request;
    request.issuer = request.subject = {"x", {}, {}};
    request.serial = kSerial;
    request.validity = {kNow, kNow + 1};
    request.subject_key = key_of("x").public_key();
    request.extensions = extensions;
    Buffer buffer(1024);
    const auto der = crypto::write_certificate(request, key_of("x"), buffer).value();
    const auto view = crypto::read_certificate(der);
    ASSERT_TRUE(view.ok());
    const auto found = crypto::find_extension(view.value(), oid);
    if (copies == 1) {
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(to_hex(found.value()), to_hex(value));
    } else {
      EXPECT_EQ(found.error(), copies == 0 ? Error::kOutOfRange : Error::kInvalidArgument);
    }
  }
}

TEST(CertificateView, UnknownCriticalExtensionIsRefused) {
  const auto oid = from_hex("2b06010401");
  const std::array<crypto::Extension, 1> extensions{{{oid, crypto::Criticality::kCritical, oid}}};
  CertificateRequest request;
  request.issuer = request.subject = {"x", {}, {}};
  request.serial = kSerial;
  request.validity = {kNow, kNow + 1};
  request.subject_key = key_of("x").public_key();
  request.extensions = extensions;
  Buffer buffer(1024);
  const auto der = crypto::write_certificate(request, key_of("x"), buffer).value();
  EXPECT_EQ(crypto::read_certificate(der).error(), Error::kInvalidArgument);
}

TEST(Pem, RoundTripAndMalformed) {
  const Buffer der = certificate_at(0);
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string pem = "a comment\n-----BEGIN CERTIFICATE-----";
  std::string base64;
  for (std::size_t i = 0; i < der.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (i + j < der.size() ? der[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j) {
      base64 += i + j <= der.size() ? kAlphabet[(group >> (18 - 6 * j)) & 63] : '=';
    }
  }
  for (std::size_t i = 0; i < base64.size(); i += 64) pem += "\r\n" + base64.substr(i, 64);
  pem += "\r\n-----END CERTIFICATE-----\n";
  Buffer buffer(1024);
  const auto decoded = crypto::pem_to_der(bytes_of(pem), buffer);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(to_hex(decoded.value()), to_hex(der));
  EXPECT_EQ(crypto::pem_to_der(bytes_of(pem), std::span(buffer).first(der.size() - 1)).error(),
            Error::kBufferTooSmall);
  EXPECT_EQ(crypto::pem_to_der(bytes_of(pem.substr(0, pem.size() - 20)), buffer).error(), Error::kInvalidArgument);
  EXPECT_EQ(crypto::pem_to_der(bytes_of("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"), buffer).error(),
            Error::kInvalidArgument);
  EXPECT_EQ(crypto::pem_to_der(bytes_of("-----BEGIN CERTIFICATE-----\n*!-----END CERTIFICATE-----"), buffer).error(),
            Error::kInvalidArgument);
  EXPECT_EQ(crypto::pem_to_der({}, buffer).error(), Error::kInvalidArgument);
}

TEST(Der, IntegersAreShortest) {
  const auto written = [](std::uint64_t value) {
    std::array<std::uint8_t, 16> buffer{};
    crypto::DerWriter writer(buffer);
    writer.integer(value);
    return to_hex(writer.result().value());
  };
  EXPECT_EQ(written(0), "020100");
  EXPECT_EQ(written(127), "02017f");
  EXPECT_EQ(written(128), "02020080");
  EXPECT_EQ(written(0x1234), "02021234");
  EXPECT_EQ(written(UINT64_MAX), "020900ffffffffffffffff");
  for (const std::uint64_t value : {0ULL, 1ULL, 127ULL, 128ULL, 255ULL, 65536ULL, ~0ULL}) {
    const auto bytes = from_hex(written(value));
    crypto::DerReader reader(bytes);
    EXPECT_EQ(reader.unsigned_as(crypto::der::kInteger).value(), value);
    EXPECT_TRUE(reader.finish().ok());
  }
}

TEST(Der, ReaderRefusesOtherForms) {
  for (const char* bad : {"0200", "02020001", "0201", "0201ff", "020a00ffffffffffffffffff", "02810101", "0280",
                          "02847fffffff01", "0302", ""}) {
    const auto bytes = from_hex(bad);
    crypto::DerReader reader(bytes);
    EXPECT_EQ(reader.unsigned_as(crypto::der::kInteger).error(), Error::kInvalidArgument) << bad;
  }
}

}  // namespace
