// Key policies and ciphertexts from strangers: parsing ends, and what is refused or parsed is decided in one way only.
#include "tests/fuzz/demand.hpp"
#include "tools/kms/ciphertext_blob.hpp"
#include "tools/kms/errors.hpp"
#include "tools/kms/policy_evaluate.hpp"

namespace {

kms::RequestContext request() {
  kms::RequestContext context;
  context.action = "kms:Decrypt";
  context.resource = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  context.principal = "arn:aws:iam::111122223333:user/enclave-host";
  context.account = "111122223333";
  context.keys = {{"kms:recipientattestation:imagesha384", {"aabb"}}, {"kms:encryptioncontextkeys", {"a", "b"}}};
  return context;
}

void policy(std::string_view text) {
  kms::PolicyDocument document;
  try {
    document = kms::parse_key_policy(text);
  } catch (const kms::KmsError& error) {
    DEMAND(error.name() == kms::ErrorName::kMalformedPolicyDocument || error.name() == kms::ErrorName::kLimitExceeded);
    return;
  }
  DEMAND(!document.statements.empty());
  const kms::RequestContext asked = request();
  const kms::Decision decision = kms::evaluate(document, asked);
  // A deny for everybody wins over whatever else stands there, and nothing is allowed by what has no allow.
  bool any_allow = false;
  for (const kms::Statement& statement : document.statements) any_allow = any_allow || statement.effect == kms::Effect::kAllow;
  DEMAND(any_allow || decision != kms::Decision::kAllowed);
  kms::Statement deny;
  deny.effect = kms::Effect::kDeny;
  deny.anybody = true;
  deny.actions = {"*"};
  deny.resources = {"*"};
  document.statements.push_back(deny);
  DEMAND(kms::evaluate(document, asked) == kms::Decision::kDenied);
}

void blob(cofferdam::ByteView bytes) {
  const std::optional<kms::Blob> read = kms::read_blob(bytes);
  if (!read) return;
  const cofferdam::Bytes again = kms::write_blob(*read);
  DEMAND(cofferdam::equal(again, bytes));
  DEMAND(kms::blob_head(read->material, read->key_id) == read->head);
  const cofferdam::Bytes material(32, 7);
  DEMAND(!kms::open_local(material, kms::associated_data(read->head, {}), read->body));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  policy({reinterpret_cast<const char*>(data), size});
  blob({data, size});
  return 0;
}
