// An artifact comes into memory whole or not at all.
#include "guests/enclave/keys/artifact_fetch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tools/artifact/encryptor.hpp"

namespace {

using artifact::BadArtifact;
using artifact::Bytes;
using artifact::ByteView;
using cryptography::SecretBytes;
using enclave_keys::fetch_and_decrypt;
using enclave_keys::FetchRequest;
using enclave_keys::MemoryFile;

const Bytes kKey(32, 0x5a), kPlaintext(100'000, 0x21);

Bytes message_of(const artifact::Context& context = {{"artifact", "weights"}}) {
  Bytes out;
  artifact::EncryptorOptions options;
  options.data_keys = {{"other", "x", {0}}, {"aws-kms", "arn:one", {1}}, {"aws-kms", "arn:two", {2}}};
  options.context = context;
  options.frame_length = 4096;
  artifact::Encryptor encryptor(options, kKey,
                                [&](ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  encryptor.write(kPlaintext);
  encryptor.finish();
  return out;
}

artifact::Source source_of(const Bytes& bytes) {
  return [&bytes, at = std::size_t{0}](std::span<std::uint8_t> out) mutable {
    const std::size_t count = std::min({out.size(), std::size_t{1000}, bytes.size() - at});
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
    at += count;
    return count;
  };
}

FetchRequest request_of(const std::string& key_arn = {}) {
  FetchRequest request;
  request.name = "weights";
  request.required = {{"artifact", "weights"}};
  request.key_arn = key_arn;
  request.most_bytes = kPlaintext.size();
  return request;
}

// Which encrypted data key was asked for; 0: none yet.
struct Keys {
  int asked{};
  enclave_keys::DataKeyOf of() {
    return [this](const artifact::EncryptedDataKey& key, const artifact::Context& context) {
      EXPECT_EQ(context.at("artifact"), "weights");
      asked = key.ciphertext.at(0);
      return SecretBytes::copy_of(kKey);
    };
  }
};

std::size_t open_files() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

TEST(ArtifactFetch, ComesWholeAndSealed) {
  const Bytes message = message_of();
  Keys keys;
  std::uint64_t told = 0;
  FetchRequest request = request_of();
  request.progress = [&](std::uint64_t bytes) { told = bytes; };
  const MemoryFile file = fetch_and_decrypt(source_of(message), keys.of(), request);
  EXPECT_EQ(file.size(), kPlaintext.size());
  EXPECT_EQ(told, kPlaintext.size());
  EXPECT_EQ(cofferdam::read_file(file.path(), 1 << 20), kPlaintext);
  EXPECT_LT(::write(file.descriptor(), "x", 1), 0);
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor(), 0), MAP_FAILED);
  EXPECT_NE(::ftruncate(file.descriptor(), 0), 0);
}

TEST(ArtifactFetch, AsksForTheWantedKeyAlone) {
  const Bytes message = message_of();
  Keys keys;
  static_cast<void>(fetch_and_decrypt(source_of(message), keys.of(), request_of()));
  EXPECT_EQ(keys.asked, 1);  // the first that a key service can decrypt
  static_cast<void>(fetch_and_decrypt(source_of(message), keys.of(), request_of("arn:two")));
  EXPECT_EQ(keys.asked, 2);
  Keys none;
  EXPECT_THROW(static_cast<void>(fetch_and_decrypt(source_of(message), none.of(), request_of("arn:three"))),
               BadArtifact);
  EXPECT_EQ(none.asked, 0);
}

TEST(ArtifactFetch, AnotherArtifactIsRefusedBeforeTheKeyServiceIsAsked) {
  const Bytes message = message_of({{"artifact", "decoy"}});
  Keys keys;
  EXPECT_THROW(static_cast<void>(fetch_and_decrypt(source_of(message), keys.of(), request_of())), BadArtifact);
  EXPECT_EQ(keys.asked, 0);
}

TEST(ArtifactFetch, AFaultInTheLastByteHandsOverNothing) {
  const std::size_t before = open_files();
  Bytes altered = message_of(), cut = altered, longer = altered;
  altered.back() ^= 1;
  cut.pop_back();
  longer.push_back(0);
  for (const Bytes& message : {altered, cut, longer}) {
    Keys keys;
    EXPECT_THROW(static_cast<void>(fetch_and_decrypt(source_of(message), keys.of(), request_of())), BadArtifact);
  }
  EXPECT_EQ(open_files(), before) << "what was decrypted is still there";
}

TEST(ArtifactFetch, TakesNoMoreMemoryThanAllowed) {
  const Bytes message = message_of();
  Keys keys;
  FetchRequest request = request_of();
  request.most_bytes = kPlaintext.size() - 1;
  EXPECT_THROW(static_cast<void>(fetch_and_decrypt(source_of(message), keys.of(), request)), BadArtifact);
}

}  // namespace
