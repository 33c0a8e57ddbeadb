#include "tools/cofferdam/document.hpp"

#include <algorithm>

#include "tools/cofferdam/cbor.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kMaxKeys = 64;

// Between `least` and `most` bytes.
Bytes sized_bytes(CborReader& reader, std::size_t least, std::size_t most, const std::string& what) {
  const ByteView content = reader.byte_string();
  if (content.size() < least) reader.fail(what + " is empty");
  if (content.size() > most) reader.fail(what + " is longer than " + std::to_string(most) + " bytes");
  return {content.begin(), content.end()};
}

std::optional<Bytes> optional_bytes(CborReader& reader, std::size_t least, const std::string& what) {
  if (reader.peek() == CborKind::kNull) {
    reader.null();
    return std::nullopt;
  }
  return sized_bytes(reader, least, kMaxField, what);
}

void read_pcrs(CborReader& reader, Document& document) {
  reader.map(kPcrCount, [&](std::size_t) {
    const std::uint64_t index = reader.unsigned_integer();
    if (index >= kPcrCount) reader.fail("pcrs: a register above 31");
    const ByteView value = reader.byte_string();
    // "SHA384" means 48; AWS's own text allows 32 and 64 for digests that no device has ever named.
    if (value.size() != 48) reader.fail("pcrs: a register that is not 48 bytes");
    if (!document.pcrs.emplace(static_cast<unsigned>(index), Bytes(value.begin(), value.end())).second) {
      reader.fail("pcrs: register " + std::to_string(index) + " stands twice");
    }
  });
  if (document.pcrs.empty()) reader.fail("pcrs is empty");
}

}  // namespace

bool Document::is_debug() const {
  const auto pcr0 = pcrs.find(0);
  return pcr0 != pcrs.end() && all_zero(pcr0->second);
}

Document decode_document(ByteView payload) {
  Document document;
  std::set<std::string> seen;
  CborReader reader(payload);
  reader.map(kMaxKeys, [&](std::size_t) {
    const std::string key = reader.text();
    if (!seen.insert(key).second) reader.fail("\"" + key + "\" stands twice");
    if (key == "module_id") {
      document.module_id = reader.text();
      if (document.module_id.empty()) reader.fail("module_id is empty");
      if (document.module_id.size() > kMaxField) reader.fail("module_id is too long");
    } else if (key == "digest") {
      document.digest = reader.text();
      if (document.digest != "SHA384") reader.fail("digest is not \"SHA384\"");
    } else if (key == "timestamp") {
      document.timestamp = reader.unsigned_integer();
      if (document.timestamp == 0) reader.fail("timestamp is 0");
    } else if (key == "pcrs") {
      read_pcrs(reader, document);
    } else if (key == "certificate") {
      document.certificate = sized_bytes(reader, 1, kMaxField, "certificate");
    } else if (key == "cabundle") {
      reader.array(kMaxCertificates - 1, [&](std::size_t) {
        document.cabundle.push_back(sized_bytes(reader, 1, kMaxField, "cabundle: a certificate"));
      });
      if (document.cabundle.empty()) reader.fail("cabundle is empty");
    } else if (key == "public_key") {
      document.public_key = optional_bytes(reader, 1, "public_key");
    } else if (key == "user_data") {
      document.user_data = optional_bytes(reader, 0, "user_data");
    } else if (key == "nonce") {
      document.nonce = optional_bytes(reader, 0, "nonce");
    } else {
      reader.skip();
    }
  });
  if (!reader.at_end()) reader.fail("bytes follow after the document");
  for (const char* key : {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}) {
    if (!seen.contains(key)) reader.fail("\"" + std::string(key) + "\" is missing");
  }
  return document;
}

std::string_view meaning_of_pcr(unsigned index) {
  switch (index) {
    case 0: return "enclave image: kernel, command line, ramdisks";
    case 1: return "kernel, command line, first ramdisk";
    case 2: return "application: the other ramdisks";
    case 3: return "IAM role of the parent";
    case 4: return "instance of the parent";
    case 8: return "certificate that signed the image";
    default: return index < 16 ? "reserved" : "extended by the application";
  }
}

}  // namespace cofferdam
