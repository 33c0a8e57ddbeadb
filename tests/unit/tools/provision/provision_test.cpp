// Roots, devices, packages, flash: what one step makes the next one, openssl and the ROM take, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "firmware/crypto/certificate_view.hpp"
#include "firmware/crypto/sha384.hpp"
#include "firmware/measure/dice.hpp"
#include "firmware/rom/identity.hpp"
#include "firmware/rom/layout.hpp"
#include "firmware/rom/manifest_check.hpp"
#include "tools/provision/device.hpp"
#include "tools/provision/package.hpp"

namespace provision {
namespace {

using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

constexpr std::uint64_t kBegin = 1'735'689'600;
constexpr std::string_view kSeed = "the seed of a test, known to all";

class ProvisionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "provision-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Path root(const char* name = "root", Purpose purpose = Purpose::kDevelopment,
            const Randomness& randomness = Randomness{bytes_of(kSeed)}) const {
    make_root({folder_ / name, purpose, kBegin}, randomness);
    return folder_ / name;
  }
  static int openssl(const std::string& arguments) {
    return std::system(("openssl " + arguments + " >/dev/null 2>&1").c_str());
  }
  Path folder_;
};

DeviceOptions development_device(std::string id = "i-0123456789abcdef0") {
  return {std::move(id), 4, Purpose::kDevelopment, kBegin};
}

auto refuses(const char* text) { return Throws<ProvisionError>(Property(&ProvisionError::what, HasSubstr(text))); }

TEST_F(ProvisionTest, KeysAreForTheOwnerOnlyAndOpensslReadsAll) {
  const Path made = root();
  for (const char* name : {"root-key.pem", "manufacturer-key.pem", "firmware-signing-key.pem"}) {
    struct stat status{};
    ASSERT_EQ(::stat((made / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
    EXPECT_EQ(openssl("pkey -check -noout -in " + (made / name).string()), 0) << name;
  }
  EXPECT_EQ(openssl("pkey -pubin -noout -in " + (made / "firmware-signing-public.pem").string()), 0);
  EXPECT_EQ(openssl("verify -x509_strict -attime 1735700000 -CAfile " + (made / "root.pem").string() + " " +
                    (made / "manufacturer.pem").string()), 0);
}

TEST_F(ProvisionTest, ARootIsNeverReplaced) {
  const Path made = root();
  const Bytes before = read_file(made / "root-key.pem", 4096);
  EXPECT_THAT([&] { make_root({made, Purpose::kDevelopment, kBegin}, Randomness{}); }, refuses("never replaced"));
  EXPECT_EQ(read_file(made / "root-key.pem", 4096), before);
}

TEST_F(ProvisionTest, TheSeedDecidesEverythingAndNothingElseDoes) {
  const Path first = root("first"), second = root("second"), other = root("other", Purpose::kDevelopment, Randomness{});
  for (const char* name : {"root.pem", "manufacturer.pem", "root-key.pem", "firmware-signing-key.pem"}) {
    EXPECT_EQ(read_file(first / name, 4096), read_file(second / name, 4096)) << name;
    EXPECT_NE(read_file(first / name, 4096), read_file(other / name, 4096)) << name;
  }
  const Randomness seeded{bytes_of(kSeed)};
  EXPECT_EQ(make_device(read_root(first), development_device(), seeded),
            make_device(read_root(second), development_device(), seeded));
  EXPECT_NE(make_device(read_root(first), development_device(), seeded),
            make_device(read_root(first), development_device("i-2"), seeded));
}

TEST_F(ProvisionTest, TheKeysOfARootDiffer) {
  const Path made = root();
  EXPECT_NE(read_private_key(made / "root-key.pem").scalar, read_private_key(made / "manufacturer-key.pem").scalar);
  EXPECT_NE(read_private_key(made / "root-key.pem").scalar, read_private_key(made / "firmware-signing-key.pem").scalar);
}

TEST_F(ProvisionTest, AShortSeedIsRefused) {
  EXPECT_THAT([] { Randomness{bytes_of("too short")}; }, refuses("at least 16 bytes"));
}

TEST_F(ProvisionTest, DevelopmentIsMarkedInRootAndDevice) {
  const Root made = read_root(root());
  EXPECT_EQ(made.purpose, Purpose::kDevelopment);
  const Bytes area = make_device(made, development_device(), Randomness{});
  const rom::ParsedIdentity parsed = rom::parse_identity(area);
  ASSERT_EQ(parsed.verdict, rom::IdentityVerdict::kAccepted);
  EXPECT_EQ(parsed.identity.development, 1u);
  for (const std::size_t index : {std::size_t{0}, std::size_t{2}}) {
    const measure::Certificate& certificate = parsed.identity.certificates[index];
    const auto view = crypto::read_certificate(base::Bytes{certificate.der}.first(certificate.size));
    ASSERT_TRUE(view.ok());
    EXPECT_EQ(view->subject_organizational_unit, "DEVELOPMENT");
    EXPECT_TRUE(crypto::find_extension(view.value(), kDevelopmentOid).ok());
  }
}

TEST_F(ProvisionTest, ProductionIsNotMarked) {
  const Root made = read_root(root("production", Purpose::kProduction, Randomness{}));
  EXPECT_EQ(made.purpose, Purpose::kProduction);
  const Bytes area = make_device(made, {"", 0, Purpose::kProduction, kBegin}, Randomness{});
  const rom::ParsedIdentity parsed = rom::parse_identity(area);
  ASSERT_EQ(parsed.verdict, rom::IdentityVerdict::kAccepted);
  EXPECT_EQ(parsed.identity.development, 0u);
  const measure::Certificate& device = parsed.identity.certificates[2];
  const auto view = crypto::read_certificate(base::Bytes{device.der}.first(device.size));
  EXPECT_EQ(view->subject_organizational_unit, "");
  EXPECT_FALSE(crypto::find_extension(view.value(), kDevelopmentOid).ok());
}

TEST_F(ProvisionTest, DevelopmentAndProductionDoNotMix) {
  const Root development = read_root(root());
  const Root production = read_root(root("production", Purpose::kProduction, Randomness{}));
  DeviceOptions device = development_device();
  EXPECT_THAT([&] { (void)make_device(production, device, Randomness{}); }, refuses("production root"));
  device.purpose = Purpose::kProduction;
  EXPECT_THAT([&] { (void)make_device(development, device, Randomness{}); }, refuses("pass --development"));
}

TEST_F(ProvisionTest, ADeviceIsWholeAndItsChainHolds) {
  const Root made = read_root(root());
  const Bytes area = make_device(made, development_device(), Randomness{});
  const rom::ParsedIdentity parsed = rom::parse_identity(area);
  ASSERT_EQ(parsed.verdict, rom::IdentityVerdict::kAccepted);
  const rom::Identity& identity = parsed.identity;
  EXPECT_EQ(identity.minimum_security_version, 4u);
  EXPECT_EQ(identity.signer_digest, crypto::sha384(made.firmware_signer));
  std::array<crypto::CertificateView, 3> views;
  for (std::size_t i = 0; i < views.size(); ++i) {
    const measure::Certificate& certificate = identity.certificates[i];
    views[i] = crypto::read_certificate(base::Bytes{certificate.der}.first(certificate.size)).value();
  }
  EXPECT_TRUE(crypto::verify_issued_by(views[1], views[0]).ok());
  EXPECT_TRUE(crypto::verify_issued_by(views[2], views[1]).ok());
  EXPECT_EQ(views[1].path_length, 2u);
  EXPECT_EQ(views[2].path_length, 1u);
  EXPECT_LE(views[2].not_after, views[1].not_after);
  const auto key = crypto::P384KeyPair::from_seed(measure::device_key_seed(identity.uds).value()).value();
  EXPECT_TRUE(std::ranges::equal(views[2].public_key(), key.public_key()));
}

TEST_F(ProvisionTest, TwoDevicesShareNothingSecret) {
  const Root made = read_root(root());
  const rom::ParsedIdentity first = rom::parse_identity(make_device(made, {"", 0, Purpose::kDevelopment, kBegin}, {}));
  const rom::ParsedIdentity second = rom::parse_identity(make_device(made, {"", 0, Purpose::kDevelopment, kBegin}, {}));
  EXPECT_NE(first.identity.uds, second.identity.uds);
  EXPECT_NE(first.identity.device_id, second.identity.device_id);
}

TEST_F(ProvisionTest, DeviceIdsThatCantBeUsedAreRefused) {
  const Root made = read_root(root());
  for (const char* id : {"i-0123456789012345678901234567890", "with blank", "new\nline"}) {
    EXPECT_THAT([&] { (void)make_device(made, development_device(id), Randomness{}); }, refuses("--device-id"));
  }
}

TEST_F(ProvisionTest, AMixedUpRootFolderIsRefused) {
  const Path first = root("first"), second = root("second", Purpose::kDevelopment, Randomness{});
  std::filesystem::copy_file(second / "manufacturer-key.pem", first / "manufacturer-key.pem",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT([&] { (void)read_root(first); }, refuses("not the key that manufacturer.pem certifies"));
  std::filesystem::copy_file(first / "root.pem", second / "root.pem",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT([&] { (void)read_root(second); }, refuses("not issued by root.pem"));
}

TEST_F(ProvisionTest, ReadsKeysThatOpensslMade) {
  const Path sec1 = folder_ / "sec1.pem", other_curve = folder_ / "p256.pem", encrypted = folder_ / "encrypted.pem";
  ASSERT_EQ(openssl("ecparam -name secp384r1 -genkey -noout -out " + sec1.string()), 0);
  EXPECT_EQ(read_public_key(sec1), read_private_key(sec1).pair.public_key());
  ASSERT_EQ(openssl("ecparam -name prime256v1 -genkey -noout -out " + other_curve.string()), 0);
  EXPECT_THAT([&] { (void)read_private_key(other_curve); }, refuses("P-384"));
  ASSERT_EQ(openssl("pkcs8 -topk8 -passout pass:x -in " + sec1.string() + " -out " + encrypted.string()), 0);
  EXPECT_THAT([&] { (void)read_private_key(encrypted); }, refuses("unencrypted"));
  EXPECT_THAT([&] { (void)read_private_key(folder_ / "absent.pem"); }, refuses("can't read"));
}

PackageOptions package_options() {
  PackageOptions options;
  options.security_version = 4;
  options.load_address = rom::layout::kMonitorLoad;
  options.entry = rom::layout::kMonitorLoad;
  options.name = "monitor";
  return options;
}

TEST_F(ProvisionTest, ADeviceTakesThePackageOfItsSigner) {
  const Path made = root();
  const PrivateKey signer = read_private_key(made / "firmware-signing-key.pem");
  const Bytes image(1001, 0xaa);
  const Bytes package = make_package(image, package_options(), signer);
  EXPECT_EQ(package.size(), 4096u + 1008u);
  const rom::ParsedIdentity device = rom::parse_identity(make_device(read_root(made), development_device(), {}));
  const rom::ManifestPolicy policy{rom::layout::kMonitorLoad, rom::layout::kMaxImageSize,
                                   device.identity.minimum_security_version, device.identity.signer_digest};
  const rom::CheckedManifest checked = rom::check_manifest(package, policy);
  EXPECT_EQ(checked.verdict, rom::ManifestVerdict::kAccepted);
  EXPECT_EQ(rom::check_image(checked.manifest, ByteView{package}.subspan(4096)), rom::ManifestVerdict::kAccepted);
}

TEST_F(ProvisionTest, SigningTwiceGivesTheSameBytes) {
  const PrivateKey signer = read_private_key(root() / "firmware-signing-key.pem");
  const Bytes image(64, 1);
  EXPECT_EQ(make_package(image, package_options(), signer), make_package(image, package_options(), signer));
}

TEST_F(ProvisionTest, APackageThatNoDeviceWouldTakeIsNotMade) {
  const PrivateKey signer = read_private_key(root() / "firmware-signing-key.pem");
  PackageOptions options = package_options();
  EXPECT_THAT([&] { (void)make_package(Bytes{}, options, signer); }, refuses("image size"));
  options.entry = 0;
  EXPECT_THAT([&] { (void)make_package(Bytes(64, 1), options, signer); }, refuses("entry"));
  options = package_options();
  options.name = std::string(32, 'x');
  EXPECT_THAT([&] { (void)make_package(Bytes(64, 1), options, signer); }, refuses("--name"));
}

TEST_F(ProvisionTest, TheFlashIsCodeThenIdentityThenErased) {
  const Bytes identity = make_device(read_root(root()), development_device(), Randomness{});
  const Bytes flash = make_flash(Bytes(100, 7), identity);
  ASSERT_EQ(flash.size(), 0x50000u);
  EXPECT_EQ(flash[99], 7);
  EXPECT_EQ(flash[100], 0xff);
  EXPECT_TRUE(std::equal(identity.begin(), identity.end(), flash.begin() + 0x40000));
  EXPECT_EQ(flash[0x40000 + identity.size()], 0xff);
  EXPECT_THAT([&] { (void)make_flash(Bytes(0x40001, 7), identity); }, refuses("262145 bytes"));
  EXPECT_THAT([&] { (void)make_flash(Bytes(100, 7), Bytes(0x10000, 0xff)); }, refuses("never provisioned"));
}

TEST(Files, DigestsAreReadStrictly) {
  EXPECT_THAT([] { (void)parse_digest("12"); }, refuses("96 hex digits"));
  EXPECT_THAT([] { (void)parse_digest(std::string(95, '0') + "g"); }, refuses("not a hex digit"));
  EXPECT_EQ(to_hex(parse_digest(std::string(94, '0') + "aF")), std::string(94, '0') + "af");
}

TEST_F(ProvisionTest, AFileThatCantBeWrittenLeavesTheOldOne) {
  EXPECT_THAT([&] { write_file(folder_ / "absent" / "file", Bytes(3), Secrecy::kPublic); }, refuses("can't create"));
  write_file(folder_ / "file", Bytes(3), Secrecy::kSecret);
  EXPECT_THAT([&] { (void)read_file(folder_ / "file", 2); }, refuses("larger than"));
  EXPECT_EQ(read_file(folder_ / "file", 3).size(), 3u);
}

}  // namespace
}  // namespace provision
