#include "tools/kms/ciphertext_blob.hpp"

#include <stdexcept>

namespace kms {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSalt = 16;
constexpr std::size_t kLocalOverhead = kSalt + cryptography::kGcmIv + cryptography::kGcmTag;
constexpr std::size_t kMaxMetadata = 20;  // XKS proxy API v1, EncryptResponse

void append(Bytes& to, ByteView from) { to.insert(to.end(), from.begin(), from.end()); }

void append_text(Bytes& to, const std::string& text) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(text.size() >> shift));
  append(to, cofferdam::as_bytes(text));
}

std::string uuid_of(ByteView bytes) {
  std::string text = cofferdam::to_hex(bytes);
  for (const std::size_t at : {8U, 13U, 18U, 23U}) text.insert(at, "-");
  return text;
}

cryptography::SecretBytes message_key(ByteView material, ByteView salt) {
  return cryptography::hkdf(cryptography::Hash::kSha256, material, salt, cofferdam::as_bytes("cofferdam-kms message key"),
                            cryptography::kAes256Key);
}

}  // namespace

Bytes blob_head(BlobMaterial material, const std::string& key_id) {
  std::string digits;
  for (const char c : key_id) {
    if (c != '-') digits += c;
  }
  const std::optional<Bytes> id = cofferdam::from_hex(digits);
  if (!id || id->size() != 16) throw std::logic_error("a key's identifier is not a UUID");
  Bytes head{kVersion, static_cast<std::uint8_t>(material)};
  append(head, *id);
  return head;
}

Bytes associated_data(ByteView head, const EncryptionContext& context) {
  Bytes data(head.begin(), head.end());
  for (const auto& [key, value] : context) {
    append_text(data, key);
    append_text(data, value);
  }
  return data;
}

Bytes seal_local(ByteView material, ByteView associated, ByteView plaintext) {
  Bytes body = cryptography::random_bytes(kSalt + cryptography::kGcmIv);
  const ByteView salt = ByteView(body).first(kSalt);
  const ByteView iv = ByteView(body).subspan(kSalt);
  const cryptography::SecretBytes key = message_key(material, salt);
  const cryptography::Sealed sealed = cryptography::seal(key.view(), iv, associated, plaintext);
  append(body, sealed.ciphertext);
  append(body, sealed.tag);
  return body;
}

std::optional<cryptography::SecretBytes> open_local(ByteView material, ByteView associated, ByteView body) {
  if (body.size() < kLocalOverhead) return std::nullopt;
  const cryptography::SecretBytes key = message_key(material, body.first(kSalt));
  const ByteView sealed = body.subspan(kSalt + cryptography::kGcmIv);
  return cryptography::open(key.view(), body.subspan(kSalt, cryptography::kGcmIv), associated,
                            sealed.first(sealed.size() - cryptography::kGcmTag), sealed.last(cryptography::kGcmTag));
}

Bytes write_blob(const Blob& blob) {
  Bytes bytes = blob.head;
  switch (blob.material) {
    case BlobMaterial::kLocal: break;
    case BlobMaterial::kExternal:
      bytes.push_back(static_cast<std::uint8_t>(blob.iv.size()));
      append(bytes, blob.iv);
      append(bytes, blob.tag);
      bytes.push_back(static_cast<std::uint8_t>(blob.metadata.size()));
      append(bytes, blob.metadata);
      break;
  }
  append(bytes, blob.body);
  return bytes;
}

std::optional<Blob> read_blob(ByteView bytes) {
  if (bytes.size() <= kBlobHead || bytes.size() > kMaxBlob || bytes[0] != kVersion) return std::nullopt;
  Blob blob;
  blob.head.assign(bytes.begin(), bytes.begin() + kBlobHead);
  blob.key_id = uuid_of(bytes.subspan(2, 16));
  ByteView rest = bytes.subspan(kBlobHead);
  const auto take = [&](std::size_t size) {
    const ByteView taken = rest.first(size);
    rest = rest.subspan(size);
    return Bytes(taken.begin(), taken.end());
  };
  if (bytes[1] == static_cast<std::uint8_t>(BlobMaterial::kLocal)) {
    blob.material = BlobMaterial::kLocal;
    if (rest.size() < kLocalOverhead) return std::nullopt;
  } else if (bytes[1] == static_cast<std::uint8_t>(BlobMaterial::kExternal)) {
    blob.material = BlobMaterial::kExternal;
    const std::size_t iv = take(1)[0];
    if ((iv != 12 && iv != 16) || rest.size() < iv + cryptography::kGcmTag + 1) return std::nullopt;
    blob.iv = take(iv);
    blob.tag = take(cryptography::kGcmTag);
    const std::size_t metadata = take(1)[0];
    if (metadata > kMaxMetadata || rest.size() < metadata) return std::nullopt;
    blob.metadata = take(metadata);
    if (rest.empty()) return std::nullopt;
  } else {
    return std::nullopt;
  }
  blob.body.assign(rest.begin(), rest.end());
  return blob;
}

}  // namespace kms
