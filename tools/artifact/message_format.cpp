#include "tools/artifact/message_format.hpp"

#include <algorithm>
#include <cstdio>

namespace artifact {
namespace {

constexpr std::uint8_t kVersion1 = 1, kVersion2 = 2;
constexpr std::uint8_t kNonFramed = 1, kFramed = 2;
constexpr std::uint16_t kSuite = 0x0478, kSignedSuite = 0x0578;

void append_text(Bytes& out, std::string_view text) {
  if (text.size() > 0xFFFF) throw std::invalid_argument("a field of the header is longer than 65535 bytes");
  append_number(out, text.size(), 2);
  out.insert(out.end(), text.begin(), text.end());
}

Bytes context_bytes(const Context& context) {
  Bytes out;
  if (context.empty()) return out;  // then the count is left out as well
  append_number(out, context.size(), 2);
  for (const auto& [key, value] : context) {
    if (key.empty() || key.starts_with(kReservedPrefix)) {
      throw std::invalid_argument("a context key is empty or begins with aws-crypto-, which is reserved");
    }
    if (!cofferdam::is_valid_utf8(cofferdam::as_bytes(key)) || !cofferdam::is_valid_utf8(cofferdam::as_bytes(value))) {
      throw std::invalid_argument("the context is no UTF-8");
    }
    append_text(out, key);
    append_text(out, value);
  }
  if (out.size() > kMostContext) throw std::invalid_argument("the context is longer than 8192 bytes");
  return out;
}

// Reads fields from the source and keeps their bytes, which the header's tag is about.
class HeaderReader {
 public:
  HeaderReader(const Source& source, Bytes& raw) : source_(source), raw_(raw) {}
  ByteView bytes(std::size_t size) {
    const std::size_t at = raw_.size();
    raw_.resize(at + size);
    read_exactly(source_, std::span(raw_).subspan(at), "its header");
    return ByteView(raw_).subspan(at);
  }
  std::uint64_t number(std::size_t size) { return read_number(bytes(size)); }
  std::string text() {
    const std::size_t size = number(2);
    return std::string(cofferdam::as_text(bytes(size)));
  }

 private:
  const Source& source_;
  Bytes& raw_;
};

void check_kind(HeaderReader& reader) {
  const std::uint64_t version = reader.number(1);
  if (version == 'A') throw BadArtifact("this looks like base64 of an artifact: decode it first");
  if (version != kVersion1 && version != kVersion2) throw BadArtifact("this is no message of the AWS Encryption SDK");
  const auto suite = static_cast<std::uint16_t>(reader.number(2));
  char name[8];
  std::snprintf(name, sizeof name, "0x%04X", suite);
  if (version == kVersion1) {
    throw BadArtifact(std::string("message format 1 (suite ") + name +
                      ") has no key commitment and is refused: encrypt again with suite 0x0478");
  }
  if (suite == kSignedSuite) throw BadArtifact("suite 0x0578 (signed) is not read: encrypt again with suite 0x0478");
  if (suite != kSuite) throw BadArtifact(std::string("suite ") + name + " is not accepted, only 0x0478");
}

Context read_context(HeaderReader& reader) {
  const std::size_t size = reader.number(2);
  Context context;
  if (size == 0) return context;
  if (size > kMostContext) throw BadArtifact("the context is longer than 8192 bytes");
  const ByteView section = reader.bytes(size);
  std::size_t at = 0;
  const auto take = [&](std::size_t count) {
    if (count > section.size() - at) throw BadArtifact("the context's lengths contradict each other");
    const ByteView taken = section.subspan(at, count);
    at += count;
    return taken;
  };
  const std::size_t pairs = read_number(take(2));
  if (pairs == 0) throw BadArtifact("an empty context is written as length 0");
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const ByteView key = take(read_number(take(2)));
    const ByteView value = take(read_number(take(2)));
    if (!cofferdam::is_valid_utf8(key) || !cofferdam::is_valid_utf8(value))
      throw BadArtifact("the context is no UTF-8");
    if (!context.emplace(cofferdam::as_text(key), cofferdam::as_text(value)).second) {
      throw BadArtifact("a context key stands twice");
    }
  }
  if (at != section.size()) throw BadArtifact("the context's lengths contradict each other");
  return context;
}

}  // namespace

void append_number(Bytes& out, std::uint64_t number, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) out.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
}

std::uint64_t read_number(ByteView bytes) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

void read_exactly(const Source& source, std::span<std::uint8_t> out, std::string_view what) {
  while (!out.empty()) {
    const std::size_t count = source(out);
    if (count == 0 || count > out.size())
      throw BadArtifact("the artifact is cut short: it ends within " + std::string(what));
    out = out.subspan(count);
  }
}

Bytes write_header(const Header& header) {
  Bytes out{kVersion2};
  append_number(out, kSuite, 2);
  out.insert(out.end(), header.message_id.begin(), header.message_id.end());
  const Bytes context = context_bytes(header.context);
  append_number(out, context.size(), 2);
  out.insert(out.end(), context.begin(), context.end());
  if (header.data_keys.empty() || header.data_keys.size() > kMostDataKeys) {
    throw std::invalid_argument("an artifact has 1 to 16 encrypted data keys");
  }
  append_number(out, header.data_keys.size(), 2);
  for (const EncryptedDataKey& key : header.data_keys) {
    append_text(out, key.provider);
    append_text(out, key.information);
    append_text(out, cofferdam::as_text(key.ciphertext));
  }
  if (header.frame_length == 0 || header.frame_length > kMostFrame) {
    throw std::invalid_argument("a frame has 1 to 16777216 bytes");
  }
  out.push_back(kFramed);
  append_number(out, header.frame_length, 4);
  out.insert(out.end(), header.commitment.begin(), header.commitment.end());
  return out;
}

Header read_header(const Source& source, Bytes& raw) {
  HeaderReader reader(source, raw);
  check_kind(reader);
  Header header;
  std::ranges::copy(reader.bytes(kMessageId), header.message_id.begin());
  header.context = read_context(reader);
  const std::size_t keys = reader.number(2);
  if (keys == 0 || keys > kMostDataKeys) throw BadArtifact("an artifact has 1 to 16 encrypted data keys");
  for (std::size_t i = 0; i < keys; ++i) {
    EncryptedDataKey key{.provider = reader.text(), .information = reader.text(), .ciphertext = {}};
    const ByteView ciphertext = reader.bytes(reader.number(2));
    key.ciphertext.assign(ciphertext.begin(), ciphertext.end());
    header.data_keys.push_back(std::move(key));
  }
  const std::uint64_t content = reader.number(1);
  if (content == kNonFramed)
    throw BadArtifact("its content is not framed and could not be streamed safely: encrypt it in frames");
  if (content != kFramed) throw BadArtifact("its content type is unknown");
  header.frame_length = static_cast<std::uint32_t>(reader.number(4));
  if (header.frame_length == 0 || header.frame_length > kMostFrame) {
    throw BadArtifact("its frames have " + std::to_string(header.frame_length) + " bytes; 1 to 16777216 are accepted");
  }
  std::ranges::copy(reader.bytes(kCommitment), header.commitment.begin());
  return header;
}

Keys derive_keys(ByteView data_key, ByteView message_id) {
  if (data_key.size() != kDataKey) throw std::invalid_argument("a data key of this suite has 32 bytes");
  Bytes content_label;
  append_number(content_label, kSuite, 2);
  for (const char letter : std::string_view("DERIVEKEY")) content_label.push_back(static_cast<std::uint8_t>(letter));
  Keys keys;
  keys.content = cryptography::hkdf(cryptography::Hash::kSha512, data_key, message_id, content_label, kDataKey);
  const SecretBytes commitment = cryptography::hkdf(cryptography::Hash::kSha512, data_key, message_id,
                                                    cofferdam::as_bytes("COMMITKEY"), kCommitment);
  std::ranges::copy(commitment.view(), keys.commitment.begin());
  return keys;
}

Iv iv_of(std::uint32_t sequence_number) {
  Bytes bytes;
  append_number(bytes, sequence_number, 8);
  Iv iv{};
  std::ranges::copy(bytes, iv.end() - 8);
  return iv;
}

Bytes frame_associated_data(ByteView message_id, bool final, std::uint32_t sequence_number, std::size_t length) {
  Bytes out(message_id.begin(), message_id.end());
  for (const char letter :
       std::string_view(final ? "AWSKMSEncryptionClient Final Frame" : "AWSKMSEncryptionClient Frame")) {
    out.push_back(static_cast<std::uint8_t>(letter));
  }
  append_number(out, sequence_number, 4);
  append_number(out, length, 8);
  return out;
}

}  // namespace artifact
