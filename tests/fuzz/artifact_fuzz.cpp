// Encrypted artifacts: no bytes crash the decryptor, and nothing but what was encrypted is ever given out.
//
// The first byte chooses: even, the rest is a message; odd, an artifact is made and then changed as the next bytes say.
#include <algorithm>

#include "tests/fuzz/demand.hpp"
#include "tools/artifact/decryptor.hpp"
#include "tools/artifact/encryptor.hpp"

namespace {

using artifact::Bytes;
using artifact::ByteView;

const Bytes kKey(32, 0x5a);

artifact::Source source_of(const Bytes& bytes) {
  return [&bytes, at = std::size_t{0}](std::span<std::uint8_t> out) mutable {
    const std::size_t count = std::min(out.size(), bytes.size() - at);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
    at += count;
    return count;
  };
}

// Whether all of it was accepted; what was given out is in `given` either way.
bool decrypt(const Bytes& message, Bytes& given) {
  try {
    artifact::Decryptor decryptor(source_of(message));
    decryptor.unlock(kKey);
    while (const auto frame = decryptor.next()) given.insert(given.end(), frame->begin(), frame->end());
    return true;
  } catch (const artifact::BadArtifact&) {
    return false;
  }
}

Bytes encrypt(ByteView plaintext, std::uint32_t frame_length) {
  Bytes out;
  artifact::EncryptorOptions options;
  options.data_keys = {{"aws-kms", "arn", {1, 2, 3}}};
  options.context = {{"artifact", "fuzzed"}};
  options.frame_length = frame_length;
  artifact::Encryptor encryptor(options, kKey,
                                [&](ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  encryptor.write(plaintext);
  encryptor.finish();
  return out;
}

void change(Bytes& message, std::uint8_t how, std::size_t at, std::size_t to) {
  const auto begin = message.begin() + static_cast<std::ptrdiff_t>(std::min(at, to));
  const auto end = message.begin() + static_cast<std::ptrdiff_t>(std::max(at, to));
  switch (how % 5) {
    case 0:
      message[at] = static_cast<std::uint8_t>(message[at] ^ (1 + to % 255));
      break;
    case 1:
      message.resize(at);
      break;
    case 2:
      message.erase(begin, end);
      break;
    case 3: {
      const Bytes copy(begin, end);
      message.insert(end, copy.begin(), copy.end());
      break;
    }
    default:
      std::reverse(begin, end);
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Bytes given;
  if (data[0] % 2 == 0 || size < 7) {
    const Bytes message(data + 1, data + size);
    DEMAND(!decrypt(message, given));  // nobody has the key
    DEMAND(given.empty());
    return 0;
  }
  const ByteView plaintext(data + 7, size - 7);
  const Bytes made = encrypt(plaintext, 1U + data[1]);
  Bytes altered = made;
  const auto place = [&](int i) { return (static_cast<std::size_t>(data[i]) << 8 | data[i + 1]) % made.size(); };
  change(altered, data[2], place(3), place(5));
  const bool accepted = decrypt(altered, given);
  DEMAND(accepted == (altered == made));
  DEMAND(given.size() <= plaintext.size() && std::equal(given.begin(), given.end(), plaintext.begin()));
  DEMAND(!accepted || given.size() == plaintext.size());
  return 0;
}
