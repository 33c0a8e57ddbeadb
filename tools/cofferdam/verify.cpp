#include "tools/cofferdam/verify.hpp"

#include <algorithm>

#include "tools/cofferdam/cbor.hpp"

namespace cofferdam {
namespace {

bool looks_like_cose(ByteView bytes) { return !bytes.empty() && (bytes[0] == 0x84 || bytes[0] == 0xd2); }

// The steps in their order; throws Refusal, and leaves in the report what it has found.
void verify_into(Report& report, const Sign1& object, std::size_t input_size, const VerifyOptions& options) {
  if (object.size != input_size) {
    throw Refusal(Reason::kEncoding, std::to_string(input_size - object.size) + " bytes follow after the document");
  }
  if (!object.algorithm) throw Refusal(Reason::kAlgorithm, "the protected header names no algorithm");
  if (*object.algorithm != static_cast<std::int64_t>(Algorithm::kEs384)) {
    throw Refusal(Reason::kAlgorithm,
                  "the algorithm is " + std::to_string(*object.algorithm) + ", only ES384 (-35) is taken");
  }
  try {
    report.document = decode_document(object.payload);
  } catch (const CborError& error) {
    throw Refusal(Reason::kPayload, std::string("the payload is malformed: ") + error.what());
  }
  const Document& document = *report.document;
  report.debug = document.is_debug();
  report.chain = parse_chain(document.cabundle, document.certificate);
  report.development = is_development(report.chain);
  check_chain(report.chain, options.anchors, options.time, options.memory);
  if (!verify_sign1(object, Algorithm::kEs384, report.chain.back().key)) {
    throw Refusal(Reason::kSignature, "the signature does not match the document: it was altered or made by another key");
  }
  report.signature_valid = true;

  if (report.development && !options.allow_development) {
    throw Refusal(Reason::kDevelopment, "the identity is a development one, which anybody can make; "
                                        "pass --allow-development if that is meant");
  }
  report.platform = read_platform(report.chain);
  for (const Policy& policy : options.policies) check_policy(policy, document, options.time, options.allow_debug);
  if (options.nonce) {
    if (!document.nonce) throw Refusal(Reason::kNonce, "the document has no nonce, --nonce asks for one");
    if (!equal(*document.nonce, *options.nonce)) {
      throw Refusal(Reason::kNonce, "the nonce is not the one asked for: this document answers another question");
    }
  }
  report.platform = check_platform(report.platform, options.evidence, options.policies, report.debug);
}

}  // namespace

Bytes document_bytes(ByteView input) {
  if (input.empty()) throw Unreadable("the document is empty");
  if (looks_like_cose(input)) return {input.begin(), input.end()};
  std::string text;
  for (const char c : as_text(input)) {
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') text += c;
  }
  for (const auto decode : {from_hex, from_base64}) {
    std::optional<Bytes> decoded = decode(text);
    if (decoded && looks_like_cose(*decoded)) return *std::move(decoded);
  }
  throw Unreadable("not an attestation document: expected COSE_Sign1 as raw bytes, hexadecimal or base64");
}

Report verify_document(ByteView bytes, const VerifyOptions& options) {
  Report report;
  report.time = options.time;
  report.size = bytes.size();
  Sign1 object;
  try {
    object = decode_sign1(bytes);
  } catch (const CborError& error) {
    throw Unreadable(std::string("not a COSE_Sign1 object: ") + error.what());
  }
  report.tagged = object.tagged;
  try {
    verify_into(report, object, bytes.size(), options);
  } catch (const Refusal& refusal) {
    report.refused = refusal.reason();
    report.message = refusal.what();
  }
  if (report.debug) {
    report.warnings.emplace_back("DEBUG ENCLAVE: PCR0 is all zero. Whoever runs its parent can read all that it holds.");
  }
  if (report.development) {
    report.warnings.emplace_back("DEVELOPMENT IDENTITY: the keys behind this chain are not secret. It proves nothing.");
  }
  return report;
}

}  // namespace cofferdam
