#include "tools/kms/call.hpp"
#include "tools/kms/cms_envelope.hpp"
#include "tools/kms/errors.hpp"

namespace kms {
namespace {

constexpr std::size_t kMaxEventLog = 64 * 1024;

}  // namespace

SecretAnswer::SecretAnswer(Call& call) {
  const std::optional<Fields> asked = call.fields.object("Recipient");
  if (!asked) return;
  call.event.recipient_pcr0 = "";  // before the document is believed: that there was one
  const std::optional<std::string> algorithm = asked->word("KeyEncryptionAlgorithm", {"RSAES_OAEP_SHA_256"});
  const cofferdam::Bytes document = asked->required_blob("AttestationDocument", 1, cofferdam::kMaxDocument);
  if (!algorithm) throw validation("recipient.keyEncryptionAlgorithm", "Member must not be null");
  const std::optional<cofferdam::Bytes> event_log = asked->blob("CofferdamEventLog", 1, kMaxEventLog);
  recipient_ = call.parts.recipients.verify(document, event_log, call.now_seconds());
  call.event.recipient_pcr0 = recipient_->pcr0;
  call.conditions.insert(recipient_->conditions.begin(), recipient_->conditions.end());
}

void SecretAnswer::note_recipient(Call& call) {
  try {
    const SecretAnswer answer(call);
  } catch (const KmsError&) {  // what the request is refused for came first
  }
}

void SecretAnswer::put(Json& answer, std::string_view plain_name, ByteView secret) const {
  if (recipient_) {
    answer["CiphertextForRecipient"] = cofferdam::to_base64(envelope_for(recipient_->key, secret));
  } else {
    answer[std::string(plain_name)] = cofferdam::to_base64(secret);
  }
}

}  // namespace kms
