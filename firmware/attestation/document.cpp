#include "firmware/attestation/document.hpp"

#include <bit>

#include "firmware/attestation/cbor.hpp"
#include "firmware/attestation/cose_sign1.hpp"

namespace attestation {
namespace {

void write_optional(CborWriter& writer, std::optional<base::Bytes> value) {
  if (value) {
    writer.bytes(*value);
  } else {
    writer.null();
  }
}

void write_payload(CborWriter& writer, const DocumentContent& content) {
  writer.map(9);
  writer.text("module_id");
  writer.text(content.module_id);
  writer.text("digest");
  writer.text("SHA384");
  writer.text("timestamp");
  writer.unsigned_number(content.unix_milliseconds);
  writer.text("pcrs");
  writer.map(static_cast<std::size_t>(std::popcount(content.pcrs.locked_mask())));
  for (std::uint32_t index = 0; index < measure::PcrBank::kCount; ++index) {
    if (!content.pcrs.locked(index)) continue;
    writer.unsigned_number(index);
    writer.bytes(content.pcrs.value(index));
  }
  writer.text("certificate");
  writer.bytes(content.certificate);
  writer.text("cabundle");
  writer.array(content.ca_bundle.size());
  for (const base::Bytes certificate : content.ca_bundle) writer.bytes(certificate);
  writer.text("public_key");
  write_optional(writer, content.public_key);
  writer.text("user_data");
  write_optional(writer, content.user_data);
  writer.text("nonce");
  write_optional(writer, content.nonce);
}

std::size_t payload_size(const DocumentContent& content) {
  CborWriter counter = CborWriter::counter();
  write_payload(counter, content);
  return counter.size();
}

}  // namespace

std::size_t document_size(const DocumentContent& content) { return cose_sign1_size(payload_size(content)); }

base::Status write_document(CborWriter& writer, const DocumentContent& content, const crypto::P384KeyPair& leaf_key) {
  const std::size_t size = payload_size(content);
  begin_cose_sign1(writer, size);
  write_payload(writer, content);
  return finish_cose_sign1(writer, size, leaf_key);
}

}  // namespace attestation
