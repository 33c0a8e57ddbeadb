#include "tools/cofferdam/eif_signature.hpp"

#include "tools/cofferdam/cbor.hpp"
#include "tools/cofferdam/chain.hpp"

namespace cofferdam {
namespace {

Bytes bytes_as_numbers(CborReader& reader, std::size_t most) {
  Bytes bytes;
  reader.array(most, [&](std::size_t) {
    const std::uint64_t value = reader.unsigned_integer();
    if (value > 0xff) reader.fail("a byte above 255");
    bytes.push_back(static_cast<std::uint8_t>(value));
  });
  return bytes;
}

void write_as_numbers(CborWriter& writer, ByteView bytes) {
  writer.array(bytes.size());
  for (const std::uint8_t byte : bytes) writer.unsigned_integer(byte);
}

// {"register_index": 0, "register_value": [...]}; answers the value.
Bytes decode_register(ByteView payload) {
  CborReader reader(payload);
  std::set<std::string> seen;
  std::uint64_t index = 0;
  Bytes value;
  reader.map(2, [&](std::size_t) {
    const std::string key = reader.text();
    if (!seen.insert(key).second) reader.fail("\"" + key + "\" stands twice");
    if (key == "register_index") {
      index = reader.unsigned_integer();
    } else if (key == "register_value") {
      value = bytes_as_numbers(reader, 64);
    } else {
      reader.fail("\"" + key + "\" is not known");
    }
  });
  if (!reader.at_end()) reader.fail("bytes follow after the register");
  if (seen.size() != 2 || index != 0) reader.fail("not a signature of register 0");
  return value;
}

Bytes encode_register(ByteView pcr0) {
  CborWriter writer;
  writer.map(2);
  writer.text("register_index");
  writer.unsigned_integer(0);
  writer.text("register_value");
  write_as_numbers(writer, pcr0);
  return writer.result();
}

// Without the certificate.
EifSignature decode_element(CborReader& reader) {
  EifSignature element;
  std::set<std::string> seen;
  reader.map(2, [&](std::size_t) {
    const std::string key = reader.text();
    if (!seen.insert(key).second) reader.fail("\"" + key + "\" stands twice");
    if (key == "signing_certificate") {
      element.certificate_pem = bytes_as_numbers(reader, enclave::kMaxEifSignature);
    } else if (key == "signature") {
      element.object = bytes_as_numbers(reader, enclave::kMaxEifSignature);
    } else {
      reader.fail("\"" + key + "\" is not known");
    }
  });
  if (seen.size() != 2) reader.fail("not one certificate and one signature");
  return element;
}

}  // namespace

EifSignature decode_signature_section(ByteView section) {
  EifSignature signature;
  try {
    CborReader reader(section);
    std::size_t elements = 0;
    reader.array(enclave::kMaxEifSignature, [&](std::size_t) {
      EifSignature element = decode_element(reader);
      if (elements++ == 0) signature = std::move(element);
    });
    if (elements == 0) reader.fail("no signature");
    if (!reader.at_end()) reader.fail("bytes follow after the signature");
  } catch (const CborError& error) {
    throw BadImage(std::string("the signature section is malformed: ") + error.what());
  }
  try {
    signature.certificate = parse_signer(certificates_in(signature.certificate_pem).front());
  } catch (const CryptoError& error) {
    throw BadImage(std::string("the signing certificate: ") + error.what());
  }
  return signature;
}

Bytes encode_signature_section(ByteView certificate_pem, ByteView object) {
  CborWriter writer;
  writer.array(1);
  writer.map(2);
  writer.text("signing_certificate");
  write_as_numbers(writer, certificate_pem);
  writer.text("signature");
  write_as_numbers(writer, object);
  return writer.result();
}

std::string check_signature(const EifSignature& signature, ByteView pcr0) {
  try {
    const Sign1 object = decode_sign1(signature.object);
    if (object.size != signature.object.size()) return "bytes follow after the COSE object";
    const Algorithm algorithm = algorithm_for(signature.certificate.key.curve);
    if (object.algorithm != static_cast<std::int64_t>(algorithm)) {
      return "the algorithm is not " + std::string(name_of(algorithm)) + ", which belongs to the certificate's " +
             std::string(name_of(signature.certificate.key.curve)) + " key";
    }
    if (!equal(decode_register(object.payload), pcr0)) return "it signs another PCR0 than this image has";
    if (!verify_sign1(object, algorithm, signature.certificate.key)) return "it is not by the certificate's key";
  } catch (const CborError& error) {
    return std::string("it is malformed: ") + error.what();
  }
  return {};
}

std::string check_certificate_time(const Certificate& certificate, std::int64_t time) {
  if (time >= certificate.not_before && time <= certificate.not_after) return {};
  return "the signing certificate is valid from " + format_time(certificate.not_before) + " to " +
         format_time(certificate.not_after) + ", the time of the check is " + format_time(time);
}

Bytes sign_pcr0(ByteView pcr0, const PrivateKey& key, ByteView certificate_pem) {
  Certificate certificate;
  try {
    if (as_text(certificate_pem).find("-----BEGIN CERTIFICATE-----") == std::string_view::npos) {
      throw CryptoError("must be PEM, that is how the image stores it: openssl x509 -inform DER -in CERT -out CERT.pem");
    }
    certificate = parse_signer(certificates_in(certificate_pem).front());
  } catch (const CryptoError& error) {
    throw Unreadable(std::string("the signing certificate: ") + error.what());
  }
  if (certificate.key.curve != key.public_key().curve || !equal(certificate.key.point, key.public_key().point)) {
    throw Unreadable("the signing key does not belong to the signing certificate (" + certificate.subject + ")");
  }
  return encode_signature_section(certificate_pem, make_sign1(encode_register(pcr0), key));
}

}  // namespace cofferdam
