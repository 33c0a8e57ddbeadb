#include "tools/cofferdam/cose.hpp"

#include "tools/cofferdam/cbor.hpp"

namespace cofferdam {
namespace {

constexpr std::uint64_t kSign1Tag = 18;
constexpr std::int64_t kAlgorithmLabel = 1;
constexpr std::int64_t kCriticalLabel = 2;
constexpr std::size_t kMaxHeaders = 16;

using Labels = std::set<std::string>;

// One header map; answers the algorithm where it has one. Labels are integers or text (RFC 9052 section 3).
std::optional<std::int64_t> read_headers(CborReader& reader, Labels& seen) {
  std::optional<std::int64_t> algorithm;
  reader.map(kMaxHeaders, [&](std::size_t) {
    if (reader.peek() == CborKind::kText) {
      if (!seen.insert("t" + reader.text()).second) reader.fail("a header label stands twice");
      reader.skip();
      return;
    }
    const std::int64_t label = reader.integer();
    if (!seen.insert(std::to_string(label)).second) reader.fail("a header label stands twice");
    if (label == kCriticalLabel) reader.fail("a critical header that is not understood");
    if (label == kAlgorithmLabel) {
      algorithm = reader.integer();
    } else {
      reader.skip();
    }
  });
  return algorithm;
}

}  // namespace

Sign1 decode_sign1(ByteView bytes) {
  CborReader reader(bytes);
  Sign1 object;
  if (reader.peek() == CborKind::kTag) {
    if (reader.tag() != kSign1Tag) reader.fail("a tag other than 18 (COSE_Sign1)");
    object.tagged = true;
  }
  Labels seen;
  std::size_t parts = 0;
  reader.array(4, [&](std::size_t index) {
    ++parts;
    switch (index) {
      case 0: {
        object.protected_header = reader.byte_string();
        if (!object.protected_header.empty()) {
          CborReader headers(object.protected_header);
          object.algorithm = read_headers(headers, seen);
          if (!headers.at_end()) headers.fail("bytes follow after the protected header");
        }
        break;
      }
      case 1: object.unprotected_algorithm = read_headers(reader, seen); break;
      case 2: object.payload = reader.byte_string(); break;
      default: object.signature = reader.byte_string(); break;
    }
  });
  if (parts != 4) reader.fail("COSE_Sign1 has four parts");
  object.size = reader.offset();
  return object;
}

Bytes to_be_signed(ByteView protected_header, ByteView payload, ByteView external_data) {
  // An empty map counts as no header (RFC 9052 section 4.4).
  if (protected_header.size() == 1 && protected_header[0] == 0xa0) protected_header = {};
  CborWriter writer;
  writer.array(4);
  writer.text("Signature1");
  writer.bytes(protected_header);
  writer.bytes(external_data);
  writer.bytes(payload);
  return writer.result();
}

bool verify_sign1(const Sign1& object, Algorithm algorithm, const PublicKey& key, ByteView external_data) {
  return verify(key, algorithm, to_be_signed(object.protected_header, object.payload, external_data), object.signature);
}

Bytes make_sign1(ByteView payload, const PrivateKey& key) {
  CborWriter headers;
  headers.map(1);
  headers.unsigned_integer(1);
  headers.negative(static_cast<std::uint64_t>(-1 - static_cast<std::int64_t>(algorithm_for(key.public_key().curve))));
  CborWriter writer;
  writer.array(4);
  writer.bytes(headers.result());
  writer.map(0);
  writer.bytes(payload);
  writer.bytes(key.sign(to_be_signed(headers.result(), payload)));
  return writer.result();
}

}  // namespace cofferdam
