// Attestation documents: nothing that differs from what was signed is ever accepted, and no bytes crash the verifier.
//
// The first byte chooses: 0 the whole verification; 1 the payload alone, signed anew by the test's own leaf, so that
// what lies behind the signature is reached too; 2 the text forms; 3 one certificate.
#include <algorithm>
#include <vector>

#include "tests/fuzz/demand.hpp"
#include "tests/unit/tools/cofferdam/forged_document.hpp"
#include "tools/cofferdam/cbor.hpp"
#include "tools/cofferdam/report.hpp"

namespace {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cofferdam::Report;

const forged::Forgery& honest() {
  static const forged::Forgery forgery;
  return forgery;
}
const cofferdam::VerifyOptions& options() {
  static const cofferdam::VerifyOptions made = honest().options();
  return made;
}
ByteView payload_of(const Bytes& document) { return cofferdam::decode_sign1(document).payload; }

void show(const Report& report) {
  const std::string text = cofferdam::report_text(report, options().anchors, cofferdam::Colour::kNever);
  // Nothing of the document acts on a terminal.
  DEMAND(std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || static_cast<unsigned char>(c) >= 0x20; }));
  DEMAND(!cofferdam::report_json(report).dump().empty());
}

void verify(const Bytes& document) {
  static const Bytes genuine = honest().document();
  static const ByteView signed_payload = payload_of(genuine);
  try {
    const Report report = cofferdam::verify_document(document, options());
    if (!report.refused) {
      DEMAND(cofferdam::equal(payload_of(document), signed_payload));
    }
    show(report);
  } catch (const cofferdam::Unreadable&) {
  }
}

// Any payload under a good signature: structure and policy code is reached, and the report can be shown.
void verify_payload(const Bytes& payload) {
  const Report report = cofferdam::verify_document(honest().document_of(payload), options());
  DEMAND(report.refused || report.document);
  show(report);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes content(data + 1, data + size);
  switch (data[0] % 4) {
    case 0: verify(content); break;
    case 1: verify_payload(content); break;
    case 2:
      try {
        (void)cofferdam::document_bytes(content);
      } catch (const cofferdam::Unreadable&) {
      }
      break;
    default:
      try {
        const cofferdam::Certificate certificate = cofferdam::parse_certificate(content);
        DEMAND(cofferdam::equal(certificate.der, content));
        (void)cofferdam::is_signed_by(certificate, certificate.key);
        (void)cofferdam::is_development({certificate});
        (void)cofferdam::read_platform({certificate});
      } catch (const cofferdam::CryptoError&) {
      } catch (const cofferdam::Refusal&) {
      }
  }
  return 0;
}
