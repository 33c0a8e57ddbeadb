#include "tools/artifact/encryptor.hpp"

#include <algorithm>

namespace artifact {

Encryptor::Encryptor(const EncryptorOptions& options, ByteView data_key, Sink sink) : sink_(std::move(sink)) {
  header_.context = options.context;
  header_.data_keys = options.data_keys;
  header_.frame_length = options.frame_length;
  cryptography::fill_random(header_.message_id);
  keys_ = derive_keys(data_key, header_.message_id);
  header_.commitment = keys_.commitment;
  Bytes bytes = write_header(header_);
  pending_ = SecretBytes(header_.frame_length);
  const cryptography::Sealed sealed = cryptography::seal(keys_.content.view(), iv_of(0), bytes, {});
  bytes.insert(bytes.end(), sealed.tag.begin(), sealed.tag.end());
  sink_(bytes);
}

void Encryptor::write(ByteView plaintext) {
  while (!plaintext.empty()) {
    // A full frame waits for a byte more: the last one, full or not, must be the final frame.
    if (filled_ == pending_.size()) {
      write_frame(pending_.view(), false);
      filled_ = 0;
    }
    const std::size_t count = std::min(plaintext.size(), pending_.size() - filled_);
    std::ranges::copy(plaintext.first(count), pending_.writable().begin() + static_cast<std::ptrdiff_t>(filled_));
    filled_ += count;
    plaintext = plaintext.subspan(count);
  }
}

void Encryptor::finish() {
  write_frame(pending_.view().first(filled_), true);
  pending_.wipe();
}

void Encryptor::write_frame(ByteView plaintext, bool final) {
  if (!final && sequence_number_ == kMostFrames) {
    throw std::length_error("the artifact would have more frames than the format can count: use longer ones");
  }
  const Iv iv = iv_of(sequence_number_);
  const cryptography::Sealed sealed = cryptography::seal(
      keys_.content.view(), iv, frame_associated_data(header_.message_id, final, sequence_number_, plaintext.size()),
      plaintext);
  Bytes start;
  if (final) append_number(start, kEndMark, 4);
  append_number(start, sequence_number_, 4);
  start.insert(start.end(), iv.begin(), iv.end());
  if (final) append_number(start, plaintext.size(), 4);
  sink_(start);
  sink_(sealed.ciphertext);
  sink_(sealed.tag);
  ++sequence_number_;
}

}  // namespace artifact
