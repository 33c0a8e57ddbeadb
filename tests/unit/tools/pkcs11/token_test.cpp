// Keys in SoftHSM, in a folder of each test's own; the answer of tools/cryptography is the second opinion.
#include "tools/pkcs11/token.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tools/pkcs11/module.hpp"

namespace {

using cofferdam::as_bytes;
using cofferdam::Bytes;
namespace fs = std::filesystem;

// SoftHSM reads its configuration when it is initialised, one for the process: the folder is the process's, each test has a token.
class InSoftHsm : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("softhsm2-util --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "softhsm2 isn't installed: ./x setup";
    std::string name = testing::TempDir() + "cofferdam-pkcs11-XXXXXX";
    folder_ = mkdtemp(name.data());
    fs::create_directory(folder_ / "tokens");
    std::ofstream(folder_ / "softhsm2.conf") << "directories.tokendir = " << (folder_ / "tokens").string()
                                             << "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n";
    setenv("SOFTHSM2_CONF", (folder_ / "softhsm2.conf").c_str(), 1);
    ASSERT_EQ(std::system("softhsm2-util --init-token --free --label here --so-pin 12345678 --pin 1234 > /dev/null"), 0);
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  static pkcs11::TokenOptions options() { return {.module = {}, .token_label = "here", .pin = "1234", .sessions = 4}; }
  fs::path folder_;
};

TEST_F(InSoftHsm, SealsAndOpensAndRefusesWhatChanged) {
  pkcs11::Token token(options());
  token.generate_aes256("root");
  const auto sealed = token.seal("root", as_bytes("context"), as_bytes("a secret"));
  EXPECT_EQ(sealed.iv.size(), 12U);
  EXPECT_EQ(sealed.ciphertext.size(), 8U);
  EXPECT_EQ(sealed.tag.size(), 16U);
  const auto opened = token.open("root", sealed.iv, as_bytes("context"), sealed.ciphertext, sealed.tag);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(cofferdam::equal(opened->view(), as_bytes("a secret")));
  EXPECT_FALSE(token.open("root", sealed.iv, as_bytes("Context"), sealed.ciphertext, sealed.tag));
  Bytes tag = sealed.tag;
  tag[15] ^= 1;
  EXPECT_FALSE(token.open("root", sealed.iv, as_bytes("context"), sealed.ciphertext, tag));
  EXPECT_FALSE(token.open("root", Bytes(11), as_bytes("context"), sealed.ciphertext, sealed.tag));
  EXPECT_TRUE(token.open("root", sealed.iv, as_bytes("context"), sealed.ciphertext, sealed.tag));  // and the session still works
  const auto nothing = token.seal("root", {}, {});
  EXPECT_TRUE(nothing.ciphertext.empty());
  EXPECT_TRUE(token.open("root", nothing.iv, {}, {}, nothing.tag));
}

TEST_F(InSoftHsm, KeysAreFoundByLabelOnceAndDestroyed) {
  pkcs11::Token token(options());
  token.generate_aes256("a");
  token.generate_aes256("b");
  EXPECT_THROW(token.generate_aes256("a"), pkcs11::TokenError);
  EXPECT_EQ(token.keys().size(), 2U);
  const auto found = token.find("a");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->label, "a");
  EXPECT_TRUE(found->may_encrypt && found->may_decrypt);
  EXPECT_EQ(found->id.size(), 16U);
  EXPECT_EQ(found->size, 32U);
  EXPECT_EQ(token.known("b").label, "b");
  EXPECT_THROW((void)token.known("c"), pkcs11::TokenError);
  EXPECT_FALSE(token.find("c"));
  token.destroy("a");
  EXPECT_FALSE(token.find("a"));
  EXPECT_THROW((void)token.seal("a", {}, as_bytes("x")), pkcs11::TokenError);
  EXPECT_NO_THROW((void)token.seal("b", {}, as_bytes("x")));
  EXPECT_THROW(token.destroy("a"), pkcs11::TokenError);
  EXPECT_THROW((void)token.find(std::string(129, 'x')), pkcs11::TokenError);
}

// The module is everybody's: starting it anew ends their sessions.
TEST_F(InSoftHsm, AKeyThatIsGoneDoesNotDisturbTheOthers) {
  pkcs11::Token token(options());
  token.generate_aes256("a");
  token.generate_aes256("b");
  token.destroy("b");
  const auto module = pkcs11::Module::at(pkcs11::module_path({}));
  const std::uint64_t before = module->epoch();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW((void)token.seal("b", {}, as_bytes("x")), pkcs11::TokenError);
    EXPECT_NO_THROW((void)token.seal("a", {}, as_bytes("x")));
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  EXPECT_EQ(module->epoch(), before);
}

TEST_F(InSoftHsm, TheKeyCannotBeTakenOut) {
  pkcs11::Token token(options());
  token.generate_aes256("root");
  const std::string list = "pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label here --login --pin 1234 ";
  if (std::system("pkcs11-tool --help > /dev/null 2>&1") != 0) GTEST_SKIP() << "no pkcs11-tool to try it with";
  EXPECT_NE(std::system((list + "--read-object --type secrkey --label root > /dev/null 2>&1").c_str()), 0);
}

TEST_F(InSoftHsm, WrongPinLabelAndModuleSayWhatIsWrong) {
  const auto message_of = [](pkcs11::TokenOptions wrong) {
    try {
      const pkcs11::Token token(std::move(wrong));
    } catch (const pkcs11::TokenError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  pkcs11::TokenOptions pin = options(), label = options(), module = options();
  pin.pin = "4321";
  label.token_label = "there";
  module.module = "/nonexistent.so";
  EXPECT_NE(message_of(pin).find("CKR_PIN_INCORRECT"), std::string::npos) << message_of(pin);
  EXPECT_EQ(message_of(pin).find("4321"), std::string::npos);
  EXPECT_NE(message_of(label).find("CKR_TOKEN_NOT_PRESENT"), std::string::npos);
  EXPECT_NE(message_of(module).find("/nonexistent.so"), std::string::npos);
}

TEST_F(InSoftHsm, ATokenThatIsTakenOutIsDeadWithinASecondAndComesBack) {
  pkcs11::Token token(options());
  token.generate_aes256("root");
  const auto sealed = token.seal("root", {}, as_bytes("x"));
  fs::rename(folder_ / "tokens", folder_ / "away");
  fs::create_directory(folder_ / "tokens");
  const auto begin = std::chrono::steady_clock::now();
  bool dead = false;
  while (!dead && std::chrono::steady_clock::now() - begin < std::chrono::seconds(1)) {
    try {
      (void)token.open("root", sealed.iv, {}, sealed.ciphertext, sealed.tag);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    } catch (const pkcs11::TokenError&) {
      dead = true;
    }
  }
  EXPECT_TRUE(dead);
  EXPECT_THROW(token.ping(), pkcs11::TokenError);
  fs::remove(folder_ / "tokens");
  fs::rename(folder_ / "away", folder_ / "tokens");
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  const auto opened = token.open("root", sealed.iv, {}, sealed.ciphertext, sealed.tag);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->size(), 1U);
  EXPECT_NO_THROW(token.ping());
}

// SoftHSM's C_Initialize fails while its folder is missing: the module isn't initialised then, until the token is back.
TEST_F(InSoftHsm, AModuleThatCannotBeStartedAnewIsTriedAgain) {
  pkcs11::Token token(options());
  token.generate_aes256("root");
  const auto sealed = token.seal("root", {}, as_bytes("x"));
  fs::rename(folder_ / "tokens", folder_ / "away");
  const auto begin = std::chrono::steady_clock::now();
  std::string why;
  while (!why.contains("C_Initialize") && std::chrono::steady_clock::now() - begin < std::chrono::seconds(2)) {
    try {
      (void)token.open("root", sealed.iv, {}, sealed.ciphertext, sealed.tag);
    } catch (const pkcs11::TokenError& error) {
      why = error.what();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ASSERT_NE(why.find("C_Initialize"), std::string::npos) << why;
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(token.ping(), pkcs11::TokenError);
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  fs::rename(folder_ / "away", folder_ / "tokens");
  const auto opened = token.open("root", sealed.iv, {}, sealed.ciphertext, sealed.tag);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->size(), 1U);
  EXPECT_NO_THROW(token.ping());
}

TEST_F(InSoftHsm, ManyThreadsShareFewSessions) {
  pkcs11::Token token(options());
  token.generate_aes256("root");
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const Bytes plaintext(static_cast<std::size_t>(i * 20 + j), static_cast<std::uint8_t>(i));
        const auto sealed = token.seal("root", {}, plaintext);
        const auto opened = token.open("root", sealed.iv, {}, sealed.ciphertext, sealed.tag);
        if (opened && cofferdam::equal(opened->view(), plaintext)) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 320);
}

}  // namespace
