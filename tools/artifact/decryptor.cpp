#include "tools/artifact/decryptor.hpp"

namespace artifact {

Decryptor::Decryptor(Source source) : source_(std::move(source)) {
  header_ = read_header(source_, raw_header_);
  read_exactly(source_, header_tag_, "its header");
}

void Decryptor::require(const Context& required) const {
  for (const auto& [key, value] : required) {
    const auto found = header_.context.find(key);
    if (found == header_.context.end()) throw BadArtifact("its context has no " + key + "; " + value + " is required");
    if (found->second != value) {
      throw BadArtifact("its context says " + key + "=" + found->second + ", required is " + value +
                        ": this is another artifact");
    }
  }
}

void Decryptor::unlock(ByteView data_key) {
  if (data_key.size() != kDataKey) throw BadArtifact("the data key has not 32 bytes");
  Keys keys = derive_keys(data_key, header_.message_id);
  if (!cryptography::equal_in_constant_time(keys.commitment, header_.commitment)) {
    throw BadArtifact("the key is not the one that the artifact commits to");
  }
  if (!cryptography::open(keys.content.view(), iv_of(0), raw_header_, {}, header_tag_)) {
    throw BadArtifact("its header was altered");
  }
  keys_ = std::move(keys);
  state_ = State::kOpen;
}

std::optional<ByteView> Decryptor::next() {
  if (state_ == State::kLocked || state_ == State::kBroken) throw std::logic_error("no artifact is open here");
  const bool ended = state_ == State::kEnded;
  state_ = State::kBroken;  // until all went well
  if (ended) {
    std::uint8_t more = 0;
    if (source_(std::span(&more, 1)) != 0) throw BadArtifact("something follows its final frame");
    return std::nullopt;
  }

  const std::string place = "frame " + std::to_string(sequence_number_);
  std::array<std::uint8_t, 4> number{};
  read_exactly(source_, number, place);
  const bool final = read_number(number) == kEndMark;
  if (final) read_exactly(source_, number, place);
  if (read_number(number) != sequence_number_) {
    throw BadArtifact("frame " + std::to_string(read_number(number)) + " stands where " + place + " is due");
  }
  Iv iv{};
  read_exactly(source_, iv, place);
  if (iv != iv_of(sequence_number_)) throw BadArtifact(place + " has an IV that is not its number");
  std::size_t length = header_.frame_length;
  if (final) {
    read_exactly(source_, number, place);
    length = read_number(number);
    if (length > header_.frame_length) throw BadArtifact("its final frame is longer than its frames");
  } else if (sequence_number_ == kMostFrames) {
    throw BadArtifact("it has more frames than the format allows");
  }
  ciphertext_.resize(length);
  read_exactly(source_, ciphertext_, place);
  std::array<std::uint8_t, cryptography::kGcmTag> tag{};
  read_exactly(source_, tag, place);
  auto plaintext =
      cryptography::open(keys_.content.view(), iv,
                         frame_associated_data(header_.message_id, final, sequence_number_, length), ciphertext_, tag);
  if (!plaintext) throw BadArtifact(place + " was altered or belongs to another artifact");
  plaintext_ = std::move(*plaintext);
  bytes_given_ += length;
  ++sequence_number_;
  state_ = final ? State::kEnded : State::kOpen;
  return plaintext_.view();
}

}  // namespace artifact
