// The Recipient of a request: an attestation document that is verified, and the public key in it that the answer is encrypted for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/cofferdam/verify.hpp"
#include "tools/cryptography/cryptography.hpp"

namespace kms {

struct RecipientOptions {
  cofferdam::TrustAnchors anchors;
  bool allow_debug{};              // documents of debug enclaves: whoever runs the parent reads what they get
  bool allow_development{};        // identities whose keys are known
  std::size_t remembered{8192};    // certificate signatures that are kept, about 150 bytes each
};

struct Recipient {
  cryptography::PublicKey key;
  std::string pcr0;                                          // lower-case hexadecimal, for the audit log
  std::map<std::string, std::vector<std::string>> conditions;  // for RequestContext::keys
};

class Recipients {
 public:
  explicit Recipients(RecipientOptions options);
  ~Recipients();
  Recipients(const Recipients&) = delete;
  Recipients& operator=(const Recipients&) = delete;

  // `time` in Unix seconds. `event_log` is the machine's log of measurements (80-byte events), for PlatformPCR conditions.
  // Throws KmsError (ValidationException) saying why the document isn't taken. By several threads at once.
  [[nodiscard]] Recipient verify(cofferdam::ByteView document, const std::optional<cofferdam::Bytes>& event_log,
                                 std::int64_t time) const;

 private:
  class Memory;
  RecipientOptions options_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace kms
