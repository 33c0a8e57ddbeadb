// Ciphertexts name their key, hold their context, and nothing opens that isn't exactly what was sealed.
#include "tools/kms/ciphertext_blob.hpp"

#include <gtest/gtest.h>

namespace {

using cofferdam::Bytes;
using kms::Blob;
using kms::BlobMaterial;
using kms::EncryptionContext;

const std::string kKey = "1234abcd-12ab-34cd-56ef-1234567890ab";

Bytes sealed(const Bytes& material, const EncryptionContext& context, const Bytes& plaintext) {
  Blob blob;
  blob.material = BlobMaterial::kLocal;
  blob.head = kms::blob_head(blob.material, kKey);
  blob.body = kms::seal_local(material, kms::associated_data(blob.head, context), plaintext);
  return kms::write_blob(blob);
}

std::optional<Bytes> opened(const Bytes& material, const EncryptionContext& context, const Bytes& bytes) {
  const std::optional<Blob> blob = kms::read_blob(bytes);
  if (!blob) return std::nullopt;
  const auto plaintext = kms::open_local(material, kms::associated_data(blob->head, context), blob->body);
  if (!plaintext) return std::nullopt;
  return Bytes(plaintext->view().begin(), plaintext->view().end());
}

TEST(KmsCiphertextBlob, OpensWithItsKeyAndContextOnly) {
  const Bytes material(32, 1);
  const Bytes plaintext{1, 2, 3};
  const EncryptionContext context{{"a", "b"}, {"c", ""}};
  const Bytes bytes = sealed(material, context, plaintext);
  EXPECT_EQ(kms::read_blob(bytes)->key_id, kKey);
  EXPECT_EQ(opened(material, context, bytes), plaintext);
  EXPECT_FALSE(opened(Bytes(32, 2), context, bytes));
  EXPECT_FALSE(opened(material, {}, bytes));
  EXPECT_FALSE(opened(material, {{"a", "b"}}, bytes));
  // The same letters cut at other places.
  EXPECT_FALSE(opened(material, {{"a", "bc"}}, sealed(material, {{"ab", "c"}}, plaintext)));
  const std::string looks_like_two = std::string("a\0\0\0\1b", 6) + "c";
  EXPECT_FALSE(opened(material, {{"a", "b"}, {"c", "d"}}, sealed(material, {{looks_like_two, "d"}}, plaintext)));
}

TEST(KmsCiphertextBlob, RefusesEveryChangedByteAndEveryCut) {
  const Bytes material(32, 1);
  const Bytes bytes = sealed(material, {}, Bytes(40, 9));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= 1;
    EXPECT_FALSE(opened(material, {}, changed)) << i;
    EXPECT_FALSE(opened(material, {}, Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(i)))) << i;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(opened(material, {}, longer));
}

TEST(KmsCiphertextBlob, CarriesWhatAProxyAnswered) {
  Blob blob;
  blob.material = BlobMaterial::kExternal;
  blob.head = kms::blob_head(blob.material, kKey);
  blob.iv = Bytes(12, 1);
  blob.tag = Bytes(16, 2);
  blob.metadata = Bytes(20, 3);
  blob.body = Bytes(60, 4);
  const std::optional<Blob> read = kms::read_blob(kms::write_blob(blob));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->iv, blob.iv);
  EXPECT_EQ(read->tag, blob.tag);
  EXPECT_EQ(read->metadata, blob.metadata);
  EXPECT_EQ(read->body, blob.body);
  blob.metadata = Bytes(21, 3);
  EXPECT_FALSE(kms::read_blob(kms::write_blob(blob)));
  blob.metadata.clear();
  blob.iv = Bytes(13, 1);
  EXPECT_FALSE(kms::read_blob(kms::write_blob(blob)));
}

}  // namespace
