// Envelopes of key services: whatever the bytes, reading them ends in a refusal or in parts that lie within them and
// have the sizes that decryption relies on.
#include <algorithm>

#include "guests/enclave/keys/cms_envelope.hpp"
#include "tests/fuzz/demand.hpp"

namespace {

using enclave_keys::ByteView;

bool lies_within(ByteView part, ByteView whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  try {
    const enclave_keys::Envelope envelope = enclave_keys::read_envelope(input);
    DEMAND(size <= enclave_keys::kMostEnvelope);
    DEMAND(envelope.encrypted_key.size() == 256 && lies_within(envelope.encrypted_key, input));
    DEMAND(envelope.iv.size() == 16 && lies_within(envelope.iv, input));
    DEMAND(lies_within(envelope.key_identifier, input));
    DEMAND(!envelope.ciphertext.empty() && envelope.ciphertext.size() % 16 == 0 && envelope.ciphertext.size() <= size);
    // A byte more, or one less, is another envelope and none that is read.
    bool shorter_refused = false;
    try {
      static_cast<void>(enclave_keys::read_envelope(input.first(size - 1)));
    } catch (const enclave_keys::BadEnvelope&) {
      shorter_refused = true;
    }
    DEMAND(shorter_refused);
  } catch (const enclave_keys::BadEnvelope&) {
  }
  return 0;
}
