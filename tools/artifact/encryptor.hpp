// Writes an artifact piece by piece, in the memory of one frame.
#pragma once

#include "tools/artifact/message_format.hpp"

namespace artifact {

struct EncryptorOptions {
  std::vector<EncryptedDataKey> data_keys;  // 1 to kMostDataKeys, all of the same data key
  Context context;                          // what the data key was asked for with
  std::uint32_t frame_length{kUsualFrame};  // 1 to kMostFrame bytes
};

class Encryptor {
 public:
  // Writes the header at once. `data_key`: 32 bytes; each artifact deserves its own. Throws std::invalid_argument for
  // what write_header and derive_keys refuse.
  Encryptor(const EncryptorOptions& options, ByteView data_key, Sink sink);
  // Throws std::length_error: the artifact would have more than 2^32 - 2 frames.
  void write(ByteView plaintext);
  // Writes the final frame. An artifact without it is refused as cut short.
  void finish();

 private:
  void write_frame(ByteView plaintext, bool final);

  Sink sink_;
  Header header_;
  Keys keys_;
  SecretBytes pending_;  // the frame that is being filled
  std::size_t filled_{};
  std::uint32_t sequence_number_{1};
};

}  // namespace artifact
