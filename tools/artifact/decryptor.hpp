// Reads an artifact piece by piece, in the memory of one frame. Hostile input: what is given out has been
// authenticated, in its place, as part of this message; that nothing is missing is known only at the end, when next()
// answers nullopt.
#pragma once

#include <optional>

#include "tools/artifact/message_format.hpp"

namespace artifact {

class Decryptor {
 public:
  // Reads the header, which is not authenticated yet. Throws BadArtifact.
  explicit Decryptor(Source source);
  [[nodiscard]] const Header& header() const { return header_; }

  // Demands that the context has all of `required`. Throws BadArtifact: it has not; the message names what differs. To
  // be asked before a key service is: a swapped artifact should not get so far.
  void require(const Context& required) const;
  // Checks commitment and header. Throws BadArtifact: another key, or an altered header.
  void unlock(ByteView data_key);
  // The next frame's content, authenticated, until the next call; nullopt: that was all, and nothing is missing or
  // follows. Throws BadArtifact; then what was given before must not be used either. Only after unlock().
  [[nodiscard]] std::optional<ByteView> next();
  [[nodiscard]] std::uint64_t bytes_given() const { return bytes_given_; }

 private:
  Source source_;
  Bytes raw_header_;
  std::array<std::uint8_t, cryptography::kGcmTag> header_tag_{};
  Header header_;
  Keys keys_;
  Bytes ciphertext_;
  SecretBytes plaintext_;
  std::uint32_t sequence_number_{1};
  std::uint64_t bytes_given_{};
  enum class State : std::uint8_t { kLocked, kOpen, kEnded, kBroken } state_{State::kLocked};
};

}  // namespace artifact
