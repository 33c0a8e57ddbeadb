// Encrypted artifacts are messages of the AWS Encryption SDK, version 2, framed, under one suite: AES-256-GCM with a
// key derived by HKDF-SHA512 and a commitment to it, unsigned (0x0478). Source: aws-encryption-sdk-specification,
// data-format/message-header, message-body, message-body-aad; framework/algorithm-suites; client-apis/key-derivation.
// docs/artifacts.md tells it in one place.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cryptography/cryptography.hpp"

namespace artifact {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cryptography::SecretBytes;

// The message is not what it should be: altered, cut short, another one, or a kind that is not accepted. Says which.
class BadArtifact : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Fills what it can and answers how much; 0: the end. May throw what it likes: it passes through.
using Source = std::function<std::size_t(std::span<std::uint8_t>)>;
using Sink = std::function<void(ByteView)>;

// Sorted by the keys' bytes, as the format wants it. Authenticated and in clear.
using Context = std::map<std::string, std::string>;

struct EncryptedDataKey {
  std::string provider;     // kKmsProvider, for a key service's
  std::string information;  // then the ARN of the key that it is encrypted under
  Bytes ciphertext;         // then the CiphertextBlob
};

inline constexpr std::string_view kKmsProvider = "aws-kms";
inline constexpr std::string_view kReservedPrefix = "aws-crypto-";  // of context keys

inline constexpr std::size_t kMessageId = 32, kCommitment = 32, kDataKey = cryptography::kAes256Key;
inline constexpr std::size_t kMostDataKeys = 16;       // per message; the format's own limit is 65535
inline constexpr std::size_t kMostContext = 8192;      // bytes serialised: more than a key service takes
inline constexpr std::uint32_t kMostFrame = 16 << 20;  // bytes; what a decryptor keeps in memory
inline constexpr std::uint32_t kUsualFrame = 64 << 10;
inline constexpr std::uint32_t kEndMark = 0xFFFF'FFFF;     // stands before the final frame
inline constexpr std::uint32_t kMostFrames = 0xFFFF'FFFE;  // a number more would look like the mark

struct Header {
  std::array<std::uint8_t, kMessageId> message_id{};
  Context context;
  std::vector<EncryptedDataKey> data_keys;
  std::uint32_t frame_length{};
  std::array<std::uint8_t, kCommitment> commitment{};
};

// Without the authentication tag. Throws std::invalid_argument: a limit above is exceeded, a context key is reserved or
// empty.
[[nodiscard]] Bytes write_header(const Header& header);
// Reads exactly the header, tag excluded, and appends its bytes to `raw`. Throws BadArtifact.
[[nodiscard]] Header read_header(const Source& source, Bytes& raw);

// Reads exactly that many bytes. Throws BadArtifact: the source ended; `what` says within what.
void read_exactly(const Source& source, std::span<std::uint8_t> out, std::string_view what);

struct Keys {
  SecretBytes content;  // encrypts frames and authenticates the header
  std::array<std::uint8_t, kCommitment> commitment{};
};
// Throws std::invalid_argument: the data key does not have 32 bytes.
[[nodiscard]] Keys derive_keys(ByteView data_key, ByteView message_id);

using Iv = std::array<std::uint8_t, cryptography::kGcmIv>;
// Frames count from 1, so that the header's, which is zero, is no frame's. One key encrypts one message only (the
// message id is its salt), in at most 2^32 - 1 calls, each with its own IV: within SP 800-38D, 8.
[[nodiscard]] Iv iv_of(std::uint32_t sequence_number);
[[nodiscard]] Bytes frame_associated_data(ByteView message_id, bool final, std::uint32_t sequence_number,
                                          std::size_t length);

void append_number(Bytes& out, std::uint64_t number, std::size_t size);  // big-endian
[[nodiscard]] std::uint64_t read_number(ByteView bytes);

}  // namespace artifact
