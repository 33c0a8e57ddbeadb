// The program as a script sees it: exit codes, first lines, files.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/unit/tools/cofferdam/fixture_files.hpp"
#include "tests/unit/tools/cofferdam/forged_document.hpp"

namespace {

using cofferdam::Bytes;
using test_data::fixture_path;

struct Outcome {
  int code{-1};
  std::string output;  // of both streams
};

Outcome run(const std::string& arguments) {
  const std::string command = std::string(COFFERDAM_BIN) + "/cofferdam " + arguments + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> chunk;
  while (const std::size_t count = std::fread(chunk.data(), 1, chunk.size(), pipe)) outcome.output.append(chunk.data(), count);
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

class CommandLine : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "cofferdam_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string write(const std::string& name, cofferdam::ByteView bytes) const {
    cofferdam::write_file(path(name), bytes);
    return path(name);
  }
  std::string write(const std::string& name, const std::string& text) const { return write(name, cofferdam::as_bytes(text)); }

  // A document of the forged chain and the options that make it acceptable.
  std::string accepted_document() {
    const std::string root = write("root.der", forged::certificate_of(forged::honest_links(), 0));
    return "--root " + root + " --time " + std::to_string(forged::kNow) + " " + write("document", forgery_.document());
  }

  forged::Forgery forgery_;
  std::string folder_;
};

std::string hex_of(int fill) { return cofferdam::to_hex(Bytes(48, static_cast<std::uint8_t>(fill))); }

TEST_F(CommandLine, HelpIsCompleteAndGood) {
  for (const char* command : {"", "verify", "chat", "eif", "eif describe", "eif build", "eif sign", "eif extract", "reference-values"}) {
    const Outcome outcome = run(std::string(command) + " --help");
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_NE(outcome.output.find("Usage: cofferdam"), std::string::npos) << command;
  }
}

TEST_F(CommandLine, WrongUsageIsTwo) {
  for (const char* arguments : {"", "nonsense", "verify", "verify --nonsense x", "eif", "eif build", "eif describe",
                                "verify --time yesterday x", "verify --pcr 0 /dev/null"}) {
    EXPECT_EQ(run(arguments).code, 2) << arguments;
  }
}

TEST_F(CommandLine, AcceptedIsZero) {
  const std::string document = accepted_document();
  const Outcome outcome = run("verify " + document);
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_TRUE(outcome.output.starts_with("accepted: ")) << outcome.output;
  EXPECT_EQ(outcome.output.find("\033["), std::string::npos) << "no colours in a pipe";
  EXPECT_EQ(run("verify --nonce 01020304 --pcr 0=" + hex_of(0x10) + " --pcr 4=" + hex_of(0x14) + " " + document).code, 0);
}

TEST_F(CommandLine, RefusedIsOneAndTheFirstLineSaysWhy) {
  const std::string document = accepted_document();
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"--nonce 0102030405", "nonce"},
      {"--pcr 0=" + hex_of(0x11), "PCR0"},
      {"--pcr 0=" + hex_of(0), "all-zero"},
      {"--pcr 20=" + hex_of(1), "PCR20"},
      {"--event-log " + write("log", Bytes(80, 0x07)), "platform"},
      {"--policy " + write("policy", R"({"pcrs": {"1": ")" + hex_of(1) + R"("}})"), "PCR1"},
      {"--reference-values " + write("values", R"({"platform_pcrs": {"1": ")" + hex_of(1) + R"("}})"), "platform"},
  };
  for (const auto& [option, word] : wrong) {
    const Outcome outcome = run("verify " + option + " " + document);
    EXPECT_EQ(outcome.code, 1) << option;
    EXPECT_TRUE(outcome.output.starts_with("refused: ")) << outcome.output;
    EXPECT_NE(outcome.output.substr(0, outcome.output.find('\n')).find(word), std::string::npos) << outcome.output;
  }
  EXPECT_EQ(run("verify " + path("document")).code, 1) << "AWS's root by default, the clock's time";
}

TEST_F(CommandLine, UnreadableIsTwo) {
  const std::string document = accepted_document();
  const std::string here = path("document");
  const std::vector<std::string> wrong{
      "verify /nonexistent",
      "verify " + folder_,
      "verify /dev/null",
      "verify " + write("text", "hello"),
      "verify " + write("cut", Bytes{0x84, 0x44, 0xa1}),
      "verify " + write("large", Bytes(70000, 0x84)),
      "verify --root /nonexistent " + here,
      "verify --root " + write("no_root", "hello") + " " + here,
      "verify --root " + write("no_pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") + " " + here,
      "verify --policy /nonexistent " + document,
      "verify --policy " + write("no_policy", "{}") + " " + document,
      "verify --nonce xyz " + document,
      "verify --nonce '' " + document,
      "verify --time '' " + here,
      "verify --time -1 " + here,
      "verify --time 99999999999999 " + here,
      "verify --policy '' " + document,
      "verify --root '' " + here,
      "verify --event-log '' " + document,
      "verify --event-log " + write("odd", Bytes(81, 0x07)) + " " + document,
      "eif describe /nonexistent",
      "eif describe " + write("no_image", Bytes(1000, 0)),
      "eif extract " + path("no_image") + " -o " + path("out"),
  };
  for (const std::string& arguments : wrong) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments << "\n" << outcome.output;
    EXPECT_TRUE(outcome.output.starts_with("error: ")) << arguments << "\n" << outcome.output;
  }
}

TEST_F(CommandLine, JsonIsOneObjectWithTheVerdict) {
  const std::string document = accepted_document();
  Outcome outcome = run("verify --json " + document);
  EXPECT_EQ(outcome.code, 0);
  nlohmann::json json = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["verdict"], "accepted");
  EXPECT_EQ(json["reason"], nullptr);
  EXPECT_EQ(json["signature_valid"], true);
  EXPECT_EQ(json["document"]["nonce"], "01020304");
  EXPECT_EQ(json["document"]["pcrs"]["0"], hex_of(0x10));
  EXPECT_EQ(json["chain"].size(), 5U);
  outcome = run("verify --json --nonce 00 " + document);
  EXPECT_EQ(outcome.code, 1);
  json = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(json["verdict"], "refused");
  EXPECT_EQ(json["reason"], "nonce");
}

TEST_F(CommandLine, TheDocumentMayComeFromStandardInputAsText) {
  const std::string options = accepted_document();
  const std::string base64 = write("base64", cofferdam::to_base64(forgery_.document()) + "\n");
  const std::string without_file = options.substr(0, options.rfind(' '));
  EXPECT_EQ(run("verify " + without_file + " - < " + base64).code, 0);
}

TEST_F(CommandLine, SeveralRootsInOneFile) {
  std::string pem;
  auto links = forged::honest_links();
  for (const char* name : {"other", "root"}) {
    links[0].name = name;
    pem += "-----BEGIN CERTIFICATE-----\n" + cofferdam::to_base64(forged::certificate_of(links, 0)) +
           "\n-----END CERTIFICATE-----\n";
  }
  (void)accepted_document();
  EXPECT_EQ(run("verify --root " + write("roots.pem", pem) + " --time " + std::to_string(forged::kNow) + " " +
                path("document")).code, 0);
}

TEST_F(CommandLine, ADebugDocumentIsAcceptedLoudly) {
  for (const unsigned i : {0U, 1U, 2U}) forgery_.pcrs[i] = Bytes(48, 0);
  const std::string document = accepted_document();
  const Outcome outcome = run("verify " + document);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.output.find("warning: DEBUG ENCLAVE"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(run("verify --json " + document).output)["debug"], true);
  EXPECT_EQ(run("verify --pcr 4=" + hex_of(0x14) + " " + document).code, 1);
  EXPECT_EQ(run("verify --allow-debug --pcr 4=" + hex_of(0x14) + " " + document).code, 0);
}

// ---- eif ----------------------------------------------------------------------------------------------------

constexpr const char* kKeyPem = R"(-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAd5Z0MCpQkD2Fu5vd1
+oh25dn4OXU/gFv6gYY4aNoXiEWlg5FPoopbrV/Fm89b9bOhZANiAASbG9Pa7vc1
4QncMwcfziNEzP2FJOVfqpSirMt65PP1GDfZm8XnEu66zepIgzexCXD2IgLrUXjd
iD5nLDuOd3UBkLXaQT8MwcUafXtPnmX7dsnQYoT3wU1FM3OeKX69nG4=
-----END PRIVATE KEY-----
)";
constexpr const char* kCertificatePem = R"(-----BEGIN CERTIFICATE-----
MIIB9DCCAXqgAwIBAgIURWgCyIXPutWWveZulkVkDnYpc9IwCgYIKoZIzj0EAwMw
MDEaMBgGA1UEAwwRdGVzdCBpbWFnZSBzaWduZXIxEjAQBgNVBAoMCUNvZmZlcmRh
bTAgFw0yNjExMjEwOTQ3NTBaGA8yMTI2MTAyODA5NDc1MFowMDEaMBgGA1UEAwwR
dGVzdCBpbWFnZSBzaWduZXIxEjAQBgNVBAoMCUNvZmZlcmRhbTB2MBAGByqGSM49
AgEGBSuBBAAiA2IABJsb09ru9zXhCdwzBx/OI0TM/YUk5V+qlKKsy3rk8/UYN9mb
xecS7rrN6kiDN7EJcPYiAutReN2IPmcsO453dQGQtdpBPwzBxRp9e0+eZft2ydBi
hPfBTUUzc54pfr2cbqNTMFEwHQYDVR0OBBYEFLrX4zzMNwj3iWE3kUBO0dqrlGA6
MB8GA1UdIwQYMBaAFLrX4zzMNwj3iWE3kUBO0dqrlGA6MA8GA1UdEwEB/wQFMAMB
Af8wCgYIKoZIzj0EAwMDaAAwZQIxALc1ENWaTq8Q9UkhM1Iem5Ro8Nkah3s5VtAp
8ns/Axo6sbQy/u6oJa75HKftUPji2wIweupMAoCPZvilJrS4YuaDVIEH5YDDaPYH
UI7F/FezdsHNQtPGaTypRqGii3ybHeG0
-----END CERTIFICATE-----
)";

class EifCommandLine : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    inputs_ = " --flat-kernel --kernel " + write("kernel", Bytes(5000, 'K')) + " --cmdline 'console=ttyS0 reboot=k' --ramdisk " +
              write("init", Bytes(700, 'I')) + " --ramdisk " + write("app", Bytes(900, 'A'));
    signing_ = " --sign-key " + write("key.pem", std::string(kKeyPem)) + " --sign-cert " +
               write("cert.pem", std::string(kCertificatePem));
  }
  static nlohmann::json json_of(const Outcome& outcome) {
    // Warnings go to standard error, in front.
    return nlohmann::json::parse(outcome.output.substr(outcome.output.find('{')));
  }
  std::string inputs_, signing_;
};

TEST_F(EifCommandLine, BuildsTheSameBytesTwice) {
  ASSERT_EQ(run("eif build" + inputs_ + " --output " + path("one.eif")).code, 0);
  ASSERT_EQ(run("eif build" + inputs_ + " --output " + path("two.eif")).code, 0);
  EXPECT_EQ(cofferdam::read_file(path("one.eif"), 1 << 20), cofferdam::read_file(path("two.eif"), 1 << 20));
  ::setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
  EXPECT_EQ(run("eif build" + inputs_ + " --output " + path("dated.eif")).code, 0);
  ::unsetenv("SOURCE_DATE_EPOCH");
  const Outcome described = run("eif describe " + path("dated.eif"));
  EXPECT_EQ(described.code, 0);
  EXPECT_EQ(json_of(described)["Metadata"]["BuildTime"], "2023-11-14T22:13:20+00:00");
}

TEST_F(EifCommandLine, BuildSignDescribeVerifyTogether) {
  const Outcome built = run("eif build" + inputs_ + " --name demo --output " + path("image.eif"));
  ASSERT_EQ(built.code, 0) << built.output;
  const nlohmann::json unsigned_measurements = json_of(built)["Measurements"];
  EXPECT_FALSE(unsigned_measurements.contains("PCR8"));
  const Outcome signed_image = run("eif sign" + signing_ + " " + path("image.eif") + " --output " + path("signed.eif"));
  ASSERT_EQ(signed_image.code, 0) << signed_image.output;
  const Outcome described = run("eif describe " + path("signed.eif"));
  EXPECT_EQ(described.code, 0) << described.output;
  const nlohmann::json json = json_of(described);
  EXPECT_EQ(json["SignatureCheck"], true);
  EXPECT_EQ(json["ImageName"], "demo");
  for (const char* pcr : {"PCR0", "PCR1", "PCR2"}) EXPECT_EQ(json["Measurements"][pcr], unsigned_measurements[pcr]);
  EXPECT_TRUE(json["Measurements"].contains("PCR8"));
  // Signing at once gives the same bytes as signing later, and signing again changes nothing.
  ASSERT_EQ(run("eif build" + inputs_ + signing_ + " --name demo --output " + path("at_once.eif")).code, 0);
  EXPECT_EQ(cofferdam::read_file(path("at_once.eif"), 1 << 20), cofferdam::read_file(path("signed.eif"), 1 << 20));
  ASSERT_EQ(run("eif sign" + signing_ + " " + path("at_once.eif")).code, 0);
  EXPECT_EQ(cofferdam::read_file(path("at_once.eif"), 1 << 20), cofferdam::read_file(path("signed.eif"), 1 << 20));
  // What describe prints is a policy as it stands.
  write("policy.json", described.output.substr(described.output.find('{')));
  const Outcome verified = run("verify --policy " + path("policy.json") + " " + accepted_document());
  EXPECT_EQ(verified.code, 1);
  EXPECT_TRUE(verified.output.starts_with("refused: PCR0 is ")) << verified.output;
}

TEST_F(EifCommandLine, ExtractGivesBackWhatWasBuiltIn) {
  ASSERT_EQ(run("eif build" + inputs_ + signing_ + " --output " + path("image.eif")).code, 0);
  ASSERT_EQ(run("eif extract " + path("image.eif") + " -o " + path("out")).code, 0);
  EXPECT_EQ(cofferdam::read_file(path("out/kernel"), 1 << 20), Bytes(5000, 'K'));
  EXPECT_EQ(cofferdam::read_file(path("out/ramdisk0"), 1 << 20), Bytes(700, 'I'));
  EXPECT_EQ(cofferdam::read_file(path("out/ramdisk1"), 1 << 20), Bytes(900, 'A'));
  const Bytes line = cofferdam::read_file(path("out/cmdline"), 1 << 20);
  EXPECT_EQ(cofferdam::as_text(line), "console=ttyS0 reboot=k");
  const Bytes certificate = cofferdam::read_file(path("out/certificate.pem"), 1 << 20);
  EXPECT_EQ(cofferdam::as_text(certificate), kCertificatePem);
}

TEST_F(EifCommandLine, ADamagedImageIsRefused) {
  ASSERT_EQ(run("eif build" + inputs_ + " --output " + path("image.eif")).code, 0);
  Bytes image = cofferdam::read_file(path("image.eif"), 1 << 20);
  image[3000] ^= 1;
  const Outcome described = run("eif describe " + write("damaged.eif", image));
  EXPECT_EQ(described.code, 1);
  EXPECT_EQ(nlohmann::json::parse(described.output.substr(described.output.find('{'),
                                                          described.output.rfind('}') + 1 - described.output.find('{')))["CheckCRC"],
            false);
  EXPECT_NE(described.output.find("refused: the checksum"), std::string::npos);
  EXPECT_EQ(run("eif sign" + signing_ + " " + path("damaged.eif")).code, 1);
  EXPECT_EQ(cofferdam::read_file(path("damaged.eif"), 1 << 20), image) << "a refusal changes nothing";
  image[600 + 12 + 5000] ^= 1;  // a section header
  EXPECT_EQ(run("eif describe " + write("broken.eif", Bytes(image.begin(), image.end() - 1))).code, 1);
}

TEST_F(EifCommandLine, MistakesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"eif build --kernel /nonexistent --cmdline x --ramdisk " + path("init") + " -o " + path("x"), "can't open /nonexistent"},
      {"eif build --flat-kernel --arch x86_64 --kernel " + path("kernel") + " --ramdisk " + path("init") + " -o " + path("x"), "--cmdline"},
      {"eif build --flat-kernel --kernel " + path("kernel") + " -o " + path("x"), "no ramdisk"},
      {"eif build --kernel " + path("kernel") + " --ramdisk " + path("init") + " -o " + path("x"), "no arm64 Image of Linux: it has no kernel's header"},
      {"eif build --arch x86_64 --cmdline x --kernel " + path("kernel") + " --ramdisk " + path("init") + " -o " + path("x"), "no bzImage"},
      {"eif build" + inputs_ + " --cmdline-file " + path("init") + " -o " + path("x"), "excludes"},
      {"eif build" + inputs_ + " --arch sparc -o " + path("x"), "sparc"},
      {"eif build" + inputs_ + " --sign-key " + path("key.pem") + " -o " + path("x"), "--sign-cert"},
      {"eif build" + inputs_ + " --sign-key " + path("kernel") + " --sign-cert " + path("cert.pem") + " -o " + path("x"), "private key"},
      {"eif build" + inputs_ + " --metadata " + path("init") + " -o " + path("x"), "JSON"},
      {"eif build" + inputs_ + " -o /nonexistent/x", "can't write"},
  };
  for (const auto& [arguments, word] : wrong) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_NE(outcome.output.find(word), std::string::npos) << outcome.output;
    EXPECT_FALSE(std::filesystem::exists(path("x")));
  }
}

// Folders, modules and a packed kernel to an image, on two days: the same bytes and registers.
TEST_F(EifCommandLine, AnApplicationGivesTheSameImageOnAnotherDay) {
  Bytes kernel(6000, 0);
  const std::string text = "Linux version 6.12.1-test (x)";
  std::copy(text.begin(), text.end(), kernel.begin() + 3000);
  const std::string magic = "ARM\x64";
  std::copy(magic.begin(), magic.end(), kernel.begin() + 56);
  write("Image", kernel);
  ASSERT_EQ(std::system(("gzip -kn " + path("Image")).c_str()), 0);
  const std::string elf = "\x7f" "ELF";
  write("init", elf);
  write("nsm.ko", elf);
  const auto build = [&](const std::string& day, const std::string& output) {
    std::filesystem::create_directories(path(day + "/bin"));
    write(day + "/bin/app", elf);
    std::filesystem::permissions(path(day + "/bin/app"), std::filesystem::perms(day == "one" ? 0755 : 0700));
    const Outcome built = run("eif build --kernel " + path("Image.gz") + " --init " + path("init") + " --module " + path("nsm.ko") + " --rootfs " +
                              path(day) + " --env A=1 --append x=y --name app -o " + path(output) + " -- /bin/app -c 'two words'");
    EXPECT_EQ(built.code, 0) << built.output;
    return built.output;
  };
  const std::string first = build("one", "one.eif");
  ::setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
  const std::string dated = build("two", "dated.eif");
  ::unsetenv("SOURCE_DATE_EPOCH");
  EXPECT_EQ(dated, first) << "the date is not measured";
  EXPECT_EQ(build("two", "two.eif"), first);
  EXPECT_EQ(cofferdam::read_file(path("one.eif"), 1 << 20), cofferdam::read_file(path("two.eif"), 1 << 20));
  ASSERT_EQ(run("eif extract " + path("one.eif") + " -o " + path("out")).code, 0);
  EXPECT_EQ(cofferdam::read_file(path("out/kernel"), 1 << 20), kernel) << "unpacked, so that what is measured is what runs";
  EXPECT_EQ(cofferdam::as_text(cofferdam::read_file(path("out/cmdline"), 4096)),
            "reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on root=/dev/ram0 x=y");
  EXPECT_EQ(json_of(run("eif describe " + path("one.eif")))["Metadata"]["KernelVersion"], "6.12.1-test");
  const Bytes application = cofferdam::read_file(path("out/ramdisk1"), 1 << 20);
  EXPECT_NE(cofferdam::as_text(application).find("/bin/app\n-c\ntwo words\n"), std::string_view::npos);
}

TEST_F(EifCommandLine, ARootNeedsWhatStartsIt) {
  std::filesystem::create_directories(path("root"));
  const std::string start = "eif build --flat-kernel --kernel " + path("kernel") + " -o " + path("x");
  const std::vector<std::pair<std::string, std::string>> wrong{
      {start + " --rootfs " + path("root") + " -- /bin/app", "--init"},
      {start + " --ramdisk " + path("init") + " --rootfs " + path("root"), "names no program"},
      {start + " --ramdisk " + path("init") + " --rootfs " + path("root") + " -- /bin/app", "has no /bin/app"},
      {start + " --ramdisk " + path("init") + " -- /bin/app", "--rootfs"},
      {start + " --module " + path("init"), "--init"},
  };
  for (const auto& [arguments, word] : wrong) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_NE(outcome.output.find(word), std::string::npos) << outcome.output;
    EXPECT_FALSE(std::filesystem::exists(path("x")));
  }
}

TEST_F(EifCommandLine, AnImageLikeAwsBuilderWritesIt) {
  if (!test_data::has_fixtures()) GTEST_SKIP() << "no fixtures in " << COFFERDAM_FIXTURES;
  const std::string common =
      "eif build --flat-kernel --kernel " + fixture_path("eif/kernel.bin") +
      " --cmdline 'reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on root=/dev/ram0'"
      " --name fixture --version 1.0 --build-time 2026-01-01T00:00:00+00:00 --build-tool eif_build"
      " --build-tool-version 0.3.1 --image-os Linux --image-kernel 6.1 --output " + path("image.eif") + " --ramdisk ";
  const std::string r0 = fixture_path("eif/ramdisk0.bin");
  const std::string r1 = fixture_path("eif/ramdisk1.bin");
  const std::string r2 = fixture_path("eif/ramdisk2.bin");
  const std::vector<std::pair<std::string, std::string>> images{
      {r0 + " --ramdisk " + r1, "a-unsigned-arm64-2rd"},
      {r0 + " --arch x86_64", "c-unsigned-x86-1rd"},
      {r0 + " " + r1 + " " + r2, "d-unsigned-arm64-3rd"}};
  for (const auto& [arguments, name] : images) {
    ASSERT_EQ(run(common + arguments).code, 0) << name;
    EXPECT_EQ(cofferdam::read_file(path("image.eif"), 1 << 20), test_data::fixture("eif/" + name + ".eif")) << name;
  }
}

}  // namespace
